"""Thresholds that follow the classifier, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ssgan.players.confidence import RunningConfidence, Statistics, freematch, softmatch, statistics

Q = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])


def test_statistics_of_a_batch() -> None:
    """Confidences 0.9, 0.6, 0.7: mean 2.2 / 3, unbiased variance (0.0277.. + 0.0177.. + 0.0011..) / 2."""
    found = statistics(Q)
    assert found.mean.item() == pytest.approx(2.2 / 3)
    assert found.variance.item() == pytest.approx(0.07 / 3)
    assert found.shares.tolist() == pytest.approx([0.6, 0.4])
    assert statistics(Q[:1]).variance.item() == 0.0


def test_the_averages_start_at_chance_and_move_by_what_is_not_kept() -> None:
    running = RunningConfidence(2)
    after = running.following(Q, decay=0.75)
    assert after.mean.item() == pytest.approx(0.75 * 0.5 + 0.25 * 2.2 / 3)
    assert after.variance.item() == pytest.approx(0.75 + 0.25 * 0.07 / 3)
    assert after.shares.tolist() == pytest.approx([0.75 * 0.5 + 0.25 * 0.6, 0.75 * 0.5 + 0.25 * 0.4])
    assert (running.mean.item(), running.variance.item()) == (0.5, 1.0), "looking does not move them"
    running.keep(after)
    assert running.mean.item() == after.mean.item()
    assert set(running.state_dict()) == {"mean", "variance", "shares"}, "a checkpoint holds them"


def test_freematch_asks_less_of_a_class_that_is_rarely_predicted() -> None:
    """tau = 0.65; of class 0 it is 0.65, of class 1 0.65 * 0.4 / 0.6 = 0.4333."""
    running = Statistics(torch.tensor(0.65), torch.tensor(1.0), torch.tensor([0.6, 0.4]))
    assert freematch(Q, running).tolist() == [1.0, 0.0, 1.0]
    q = torch.tensor([[0.65, 0.35], [0.5, 0.5001], [0.66, 0.34]])
    assert freematch(q, running).tolist() == [0.0, 1.0, 1.0], "at the threshold is not above it"


def test_softmatch_weighs_down_what_is_below_the_mean() -> None:
    """mu = 0.7, v = 0.02: at 0.6 the weight is exp(-0.01 * 4 / 0.04) = 1/e; from 0.7 on it is 1."""
    running = Statistics(torch.tensor(0.7), torch.tensor(0.02), torch.tensor([0.5, 0.5]))
    assert softmatch(Q, running).tolist() == pytest.approx([1.0, math.exp(-1.0), 1.0], rel=1e-4)
