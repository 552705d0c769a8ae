"""What benchmarks/features_speed.py does and makes of its measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import features_speed


def test_all_three_compute_features_of_all_images(tmp_path: Path) -> None:
    features_speed.make_images(tmp_path / "images", 5)
    setting = features_speed.prepared(tmp_path / "images", 3, "efficientnet_lite0", tmp_path / "work")
    assert setting.images == 3
    assert features_speed.network_alone(setting) > 0
    assert features_speed.engine(setting) > 0
    assert features_speed.usual_loop(setting, torch.channels_last) > 0
    assert np.load(tmp_path / "work/loop.npy").shape == (3, setting.backbone.parts[0])


def test_turns_change_and_ratios_are_within_a_round(capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return {"A": 2.0, "B": 4.0}[name] * len(order)

    found = features_speed.measured({"A": lambda: run("A"), "B": lambda: run("B")}, 2, 100)
    assert order == ["A", "B", "B", "A"]
    assert found == {"A": [50.0, 12.5], "B": [12.5, 100 / 12]}
    assert features_speed.ratio(found, "B", "A") == "0.46 (0.25 to 0.67)"
    assert capsys.readouterr().out.count("round") == 2
