"""The simulated person of ``benchmarks/cold_start.py``: what is labeled, what is wrong, and how long it takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import cold_start
from benchmarks.cold_start import Seconds, by_sheets, one_by_one, table
from benchmarks.features_table import Data


def clouds(strange: int) -> Data:
    """Two clouds of 100 images, one of each class; of the first, ``strange`` images are of the other class."""
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(center, 1, (100, 8)) for center in (-9, 9)]).astype(np.float32)
    y = np.repeat([0, 1], 100)
    y[:strange] = 1
    vectors = torch.from_numpy(x)[:, None]
    return Data(vectors, y, vectors, y, 2)


def test_without_slips_every_label_is_right_and_each_action_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "SLIPS", 0.0)
    data = clouds(strange=20)
    found = by_sheets(data, 2, 200, 0, Seconds(3, 0.5, 1, 2))
    assert len(found.rows) == 200
    assert (found.given == data.train_y[found.rows]).all()
    assert found.seconds == 2 * 3 + 200 * 0.5 + 20 * (1 + 2)


def test_only_what_does_not_belong_and_is_overlooked_gets_a_wrong_label(monkeypatch: pytest.MonkeyPatch) -> None:
    data = clouds(strange=20)
    monkeypatch.setattr(cold_start, "SLIPS", 1.0)  # all is done the wrong way round
    found = by_sheets(data, 2, 200, 0, Seconds())
    wrong = set(found.rows[found.given != data.train_y[found.rows]].tolist())
    assert wrong == set(range(20))


def test_the_table_compares_in_pairs() -> None:
    took = Seconds()
    rows = [one_by_one(clouds(0), 4, seed, took) for seed in range(2)]
    assert [one["typical"]["accuracy"] for one in rows] == [100.0, 100.0]
    rows[0]["random"]["accuracy"], rows[1]["random"]["accuracy"] = 98.0, 99.0
    assert "| 4 single labels | random | 4 | 0.0 | 0.1 | 98.50 ± 0.71 (-1.50 ± 6.35) |" in table({"4 single labels": rows})
