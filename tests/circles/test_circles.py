"""The two circles: unlabeled points must help over draws, and the pictures must be there and be the same every time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from ssgan.circles.points import RADII, draw, on_a_circle
from ssgan.circles.runs import VARIANTS, train
from ssgan.cli.app import run


def test_labeled_points_are_of_both_classes_and_lie_on_their_circles() -> None:
    data = draw(8, seed=3)
    assert data.y_l.tolist() == [0, 1] * 4
    radius = (data.x_l.flatten(1) - 0.5).norm(dim=1)
    torch.testing.assert_close(radius, torch.tensor(RADII)[data.y_l], atol=0.08, rtol=0)
    assert not torch.equal(draw(8, seed=4).x, data.x)


def test_share_on_a_circle() -> None:
    angle = torch.linspace(0, 6, 50)

    def ring(r: float) -> torch.Tensor:
        return (0.5 + r * torch.stack([angle.cos(), angle.sin()], 1)).view(-1, 2, 1, 1)

    assert on_a_circle(ring(RADII[0])) == 1
    assert on_a_circle(ring(sum(RADII) / 2)) == 0
    assert on_a_circle(torch.cat([ring(RADII[1]), ring(0.1)])) == 0.5


@pytest.mark.slow
def test_unlabeled_points_help_over_draws() -> None:
    """Each GAN against labels alone, on the same points; and the complement generator stays off the circles."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [[train(variant, draw(8, seed), 400, seed)[-1] for variant in VARIANTS] for seed in range(3)]
    finally:
        torch.set_num_threads(threads)
    alone, imitating, complement = ([row[i] for row in rows] for i in range(3))
    for a, i, c in zip(alone, imitating, complement, strict=True):
        assert i.error_rate < a.error_rate
        assert c.error_rate < a.error_rate
    assert sum(c.error_rate for c in complement) < 0.25 * sum(a.error_rate for a in alone)
    assert sum(c.on_a_circle or 0 for c in complement) < sum(i.on_a_circle or 0 for i in imitating)


def test_the_command_writes_the_same_pictures_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = []
    for folder in ("a", "b"):
        assert run(["circles", "--out", folder, "--steps", "20", "--frames", "3"]) == 0
        printed = capsys.readouterr().out.replace(f"{folder}/", "")
        seen.append([printed, *(hashlib.sha256((Path(folder) / f"circles.{e}").read_bytes()).digest() for e in ("png", "gif"))])
    assert seen[0] == seen[1]
    assert all(variant.method in seen[0][0] for variant in VARIANTS)
    with Image.open("a/circles.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 3
