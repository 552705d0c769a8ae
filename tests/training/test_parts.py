"""The small parts of the engine: averaging, schedules, health, history, augmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ssgan.config import AugmentConfig
from ssgan.core.augment import augment, crossed, strong
from ssgan.nets.layers import GaussianNoise
from ssgan.training.ema import Average
from ssgan.training.health import Health
from ssgan.training.history import Board
from ssgan.training.loop import linear_tail


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.floats(0.5, 50))
def test_average_is_the_weighted_mean_of_the_formula(values: list[float], halflife: float) -> None:
    net = nn.Linear(1, 1)
    average = Average({"net": net}, halflife)
    for value in values:
        nn.init.constant_(net.weight, value)
        average.update()
    d = 0.5 ** (1 / halflife)
    weights = d ** np.arange(len(values) - 1, -1, -1.0)
    expected = float((weights * values).sum() / weights.sum())
    assert average.tensors["net.weight"].item() == pytest.approx(expected, abs=1e-4)


def test_average_is_applied_and_taken_back() -> None:
    net = nn.Linear(2, 2)
    average = Average({"net": net}, 1.0)
    average.update()
    averaged = net.weight.detach().clone()
    nn.init.zeros_(net.weight)
    with average.applied():
        assert torch.equal(net.weight, averaged)
    assert float(net.weight.detach().abs().sum()) == 0


def test_average_takes_buffers() -> None:
    net = nn.BatchNorm1d(2)
    average = Average({"net": net}, 1.0)
    assert {"net.running_mean", "net.running_var"} <= average.tensors.keys()
    assert "net.num_batches_tracked" not in average.tensors


def test_linear_tail() -> None:
    assert [linear_tail(s, 10, 0.0) for s in (0, 9)] == [1.0, 1.0]
    assert [linear_tail(s, 10, 0.5) for s in (0, 5, 6, 9)] == pytest.approx([1.0, 1.0, 0.8, 0.2])


def terms(real: float, fake: float) -> dict[str, float]:
    return {"discriminator/real_accuracy": real, "discriminator/fake_accuracy": fake}


def test_a_winning_discriminator_is_said_once_and_again_after_recovery() -> None:
    health = Health(real_spread=0.2)
    assert [bool(health.check(terms(1.0, 1.0), None)) for _ in range(4)] == [False, False, True, False]
    assert health.check(terms(0.8, 0.8), None) == []
    assert [bool(health.check(terms(1.0, 1.0), None)) for _ in range(3)] == [False, False, True]


def test_mode_collapse_is_said() -> None:
    health = Health(real_spread=0.2)
    same = torch.rand(1, 1, 8, 8).expand(64, 1, 8, 8)
    found = [health.check(terms(0.8, 0.8), same) for _ in range(3)]
    assert found[:2] == [[], []]
    assert "mode collapse" in found[2][0]
    assert Health(real_spread=0.2).check(terms(0.8, 0.8), torch.rand(64, 1, 8, 8)) == []


def test_board_writes_events(tmp_path: Path) -> None:
    record = {
        "step": 1,
        "seconds": 1.0,
        "images_per_second": 5.0,
        "data_wait_share": 0.1,
        "terms": {"a/total": 1.0},
        "val_error_rate": None,
        "warnings": [],
    }
    board = Board(tmp_path, [record])
    board.close()
    assert list(tmp_path.glob("events.out.tfevents.*"))


# --- augmentation ---


def images(n: int = 6, c: int = 2, s: int = 9) -> torch.Tensor:
    return torch.rand(n, c, s, s, generator=torch.Generator().manual_seed(0))


def test_nothing_asked_nothing_done() -> None:
    x = images()
    assert augment(x, AugmentConfig(), 1) is x


def test_shift_moves_whole_pixels_and_fills_with_black() -> None:
    x = torch.zeros(400, 1, 9, 9)
    x[:, :, 4, 4] = 1
    y = augment(x, AugmentConfig(shift_px=2), 1)
    assert torch.equal(y.sum((1, 2, 3)), torch.ones(400))
    rows, columns = torch.nonzero(y[:, 0])[:, 1], torch.nonzero(y[:, 0])[:, 2]
    assert set(rows.tolist()) == set(columns.tolist()) == {2, 3, 4, 5, 6}
    edge = augment(torch.ones(400, 1, 9, 9), AugmentConfig(shift_px=2), 1)
    assert float(edge.min()) == 0.0


def test_flip_mirrors_half_of_the_images() -> None:
    x = images(400)
    y = augment(x, AugmentConfig(flip=True), 1)
    flipped = (y == x.flip(3)).flatten(1).all(1)
    kept = (y == x).flatten(1).all(1)
    assert bool((flipped | kept).all())
    assert 150 < int(flipped.sum()) < 250


def test_rotation_by_a_right_angle_is_exact() -> None:
    from ssgan.core.augment import _affine

    x = images()
    y = _affine(x, torch.zeros(6, 2), torch.full((6,), torch.pi / 2), torch.ones(6))
    match = [torch.allclose(y, torch.rot90(x, k, (2, 3)), atol=1e-5) for k in (1, 3)]
    assert any(match)


def test_affine_shift_moves_as_the_pixel_shift_does() -> None:
    from ssgan.core.augment import _affine, _shifted

    x = images()
    shift = torch.tensor([[1.0, -2.0]]).repeat(6, 1)
    y = _affine(x, shift, torch.zeros(6), torch.ones(6))
    torch.testing.assert_close(y, _shifted(x, shift, 2), atol=1e-5, rtol=1e-4)


def test_augmentation_repeats_under_its_seed() -> None:
    config = AugmentConfig(shift_px=2, flip=True, rotate_degrees=15, scale=0.1)
    a, b, c = (augment(images(), config, seed) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert float(a.min()) >= 0
    assert float(a.max()) <= 1


# --- noise ---


def test_noise_has_the_right_moments_and_is_fresh() -> None:
    torch.manual_seed(0)
    noise = GaussianNoise(0.5)
    x = torch.zeros(400, 500)
    a, b = noise(x), noise(x)
    assert a.mean().item() == pytest.approx(0, abs=5e-3)
    assert a.std().item() == pytest.approx(0.5, abs=5e-3)
    assert abs(float((a * b).mean())) < 5e-3, "two passes are independent"
    rows = torch.corrcoef(a[:50])
    assert float((rows - torch.eye(50)).abs().max()) < 0.25
    assert torch.equal(noise.eval()(x), x)


def test_strong_augmentation_keeps_range_and_shape_and_changes_every_image() -> None:
    x = torch.rand(32, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    changed = strong(x, 1)
    assert changed.shape == x.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert torch.equal(changed, strong(x, 1))
    assert not torch.equal(changed, strong(x, 2))
    assert ((changed - x).abs().amax((1, 2, 3)) > 0.05).all()
    assert strong(x[:0], 1).shape == (0, 3, 16, 16)
    grey = (changed == 0.5).all(1).flatten(1).sum(1)  # the square, where it lies wholly or in part inside
    assert ((grey > 0) & (grey <= 49)).all()
    assert not torch.equal(changed, strong(x, 1, stroke=True))


def test_half_of_the_images_get_a_line_as_bright_as_they_are() -> None:
    level = torch.linspace(0.2, 0.9, 400).view(-1, 1, 1, 1)
    x = torch.zeros(400, 2, 40, 40)
    x[:, 1, 0, 0] = level.flatten()
    lines = crossed(x, 1) - x
    on = lines.amax((1, 2, 3)) > 0
    assert 0.42 < on.float().mean() < 0.58
    torch.testing.assert_close(lines.amax((1, 2, 3), keepdim=True)[on], level[on])
    assert torch.equal(lines[:, 0], lines[:, 1]), "every channel gets it"
    area = (lines[:, 0] / level[:, 0]).sum((1, 2))[on] / 40**2
    assert area.min() > 0.175 * 0.06 * 0.9
    assert area.max() < 0.525 * 0.12 * 1.1
    rows, columns = torch.meshgrid(torch.arange(40) + 0.5, torch.arange(40) + 0.5, indexing="ij")
    weights = lines[on, 0] / lines[on, 0].sum((1, 2), keepdim=True)
    middle = torch.stack([(weights * rows).sum((1, 2)), (weights * columns).sum((1, 2))], 1) / 40
    assert ((middle > 0.28) & (middle < 0.72)).all()
    spread = (weights * (rows / 40 - middle[:, :1, None]) ** 2).sum((1, 2))
    assert spread.min() < 0.002 < 0.01 < spread.max(), "lines lie and stand"
    assert torch.equal(crossed(x, 1), crossed(x, 1))
    assert not torch.equal(crossed(x, 1), crossed(x, 2))
