"""What the benchmark of kills counts."""

from __future__ import annotations

from pathlib import Path

from benchmarks.kills import MODELS, equal, left_behind
from ssgan.scratch import PREFIX


def project(folder: Path, weights: bytes) -> Path:
    for model in MODELS:
        (folder / model).parent.mkdir(parents=True)
        (folder / model).write_bytes(weights)
    return folder


def test_a_run_equals_another_in_every_byte_of_both_models(tmp_path: Path) -> None:
    whole, same = project(tmp_path / "whole", b"1"), project(tmp_path / "same", b"1")
    assert equal(same, whole)
    (same / MODELS[1]).write_bytes(b"2")
    assert not equal(same, whole)
    (same / MODELS[1]).unlink()
    assert not equal(same, whole)


def test_only_what_the_next_start_does_not_remove_counts_as_left_behind(tmp_path: Path) -> None:
    for name in (f"{PREFIX}killed", "ssgan-of-long-ago", "of-somebody-else"):
        (tmp_path / name).mkdir()
    assert left_behind(tmp_path) == 1
