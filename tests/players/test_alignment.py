"""Distribution alignment, against values worked out by hand."""

from __future__ import annotations

import pytest
import torch

from ssgan.players.alignment import ClassAlignment, aligned

Q = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])


def test_a_class_that_is_predicted_often_has_to_be_surer() -> None:
    """0.6 / 0.75 : 0.4 / 0.25 = 0.8 : 1.6."""
    found = aligned(Q, torch.tensor([0.75, 0.25]))
    assert found[1].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert found.sum(1).tolist() == pytest.approx([1.0] * 3)
    torch.testing.assert_close(aligned(Q, torch.full((2,), 0.5)), Q)


def test_the_mean_starts_at_equal_shares_and_moves_when_a_step_ends() -> None:
    running = ClassAlignment(2)
    after = running.following(Q, decay=0.75)
    assert after.tolist() == pytest.approx([0.75 * 0.5 + 0.25 * 0.6, 0.75 * 0.5 + 0.25 * 0.4])
    assert running.predicted.tolist() == [0.5, 0.5]
    running.keep(after)
    assert running.predicted.tolist() == after.tolist()
    assert set(running.state_dict()) == {"predicted"}, "a checkpoint holds it"


def test_a_class_that_is_never_predicted_gives_numbers() -> None:
    """Its mean decays to 0, and 0 / 0 would be the end of the run."""
    assert aligned(torch.tensor([[1.0, 0.0]]), torch.tensor([1.0, 0.0])).tolist() == [[1.0, 0.0]]
