"""The unsupervised GAN: no label reaches its features."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ssgan.errors import ConfigError
from ssgan.training.optimizers import make_optimizers
from ssgan.training.step import run_step
from tests.support.methods import batch, build


def test_labels_teach_the_linear_layer_only() -> None:
    states = []
    for labels in (torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([2, 2, 1, 1, 0, 0])):
        method = build("gan")
        b = replace(batch(), y_l=labels)
        method.init(b)
        optimizers = make_optimizers(method)
        for _ in range(3):
            torch.manual_seed(0)
            run_step(method, optimizers, b)
        states.append(method.nets.state_dict())
    differ = {key.split(".")[0] for key in states[0] if not torch.equal(states[0][key], states[1][key])}
    assert differ == {"classifier"}


def test_muon_has_nothing_to_change_and_says_so() -> None:
    with pytest.raises(ConfigError, match=r"gan.*muon_rate.*one linear layer.*leave it at 0"):
        build("gan", muon_rate=0.02)
