"""One pass gives what selection needs, of every method there is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ssgan import methods
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.model import Model, load_model
from ssgan.players.two import TwoPlayerMethod
from tests.support.methods import stepped
from tests.support.pools import noise

NET = NetConfig(family="mlp", width=0.1, latent_dim=10)


def untrained(folder: Path, name: str, **options: object) -> Model:
    """A model folder with random weights."""
    torch.manual_seed(0)
    config = methods.resolve_config(name, dict(options))
    method = methods.build(name, config, Problem(ImageSpec(1, 8, "fit"), 3, NET))
    image = ImageSpec(1, 8, "fit")._asdict()
    description = {"classes": ["a", "b", "c"], "image": image, "steps": 0, "method": name, "net": NET.model_dump()}
    (folder / "config.json").write_text(json.dumps(description | {"method_config": config.model_dump()}))
    save_file(method.nets.state_dict(), folder / "model.safetensors")
    return load_model(folder)


@pytest.mark.parametrize("name", stepped())
def test_logits_are_those_of_predict_and_features_explain_them(name: str, tmp_path: Path) -> None:
    model, images = untrained(tmp_path, name), noise(23, 0)
    outputs = model.outputs(images, batch=10)
    np.testing.assert_array_equal(outputs.logits, model.predict_logits(images, batch=10))
    assert outputs.features.ndim == 2
    assert len(outputs.features) == len(outputs.real) == 23
    with_one = np.concatenate([outputs.features, np.ones((23, 1))], axis=1)  # the last layer is affine
    if outputs.features.shape[1] < 22:
        fit = np.linalg.lstsq(with_one, outputs.logits, rcond=None)[0]
        np.testing.assert_allclose(with_one @ fit, outputs.logits, atol=1e-4)


def test_the_level_of_real_knows_of_a_fake_class(tmp_path: Path) -> None:
    images = noise(9, 0)
    (tmp_path / "k").mkdir()
    plain = untrained(tmp_path / "k", "feature_matching").outputs(images)
    np.testing.assert_allclose(plain.real, np.log(np.exp(plain.logits).sum(axis=1)), atol=1e-5)
    model = untrained(tmp_path, "explicit_fake")
    more = model.outputs(images)
    with torch.no_grad():
        assert isinstance(model._method, TwoPlayerMethod)
        outputs = model._method.nets["classifier"](torch.from_numpy(images) / 255).logits
        expected = model._method.real_logit(outputs)
    assert outputs.shape[1] == 4
    np.testing.assert_allclose(more.real, expected.numpy(), atol=1e-5)


def test_minibatch_discrimination_counts_as_part_of_the_last_layer(tmp_path: Path) -> None:
    outputs = untrained(tmp_path, "feature_matching", minibatch_kernels=4).outputs(noise(9, 0))
    assert outputs.features.shape == (9, 25)
    assert outputs.logits.shape == (9, 3)
