"""A small run of the fuzzing of decoders: damage leads to a rejection or to a picture, never to anything else."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks import fuzz_decode


def test_mutated_files_are_equal_to_pillows_or_refused(capfd: pytest.CaptureFixture[str]) -> None:
    found = Counter(fuzz_decode.verdict(data, fuzz_decode.LIMITS)[0] for _, data in fuzz_decode.files(240, seed=1))
    assert found["both decode, not equal"] == 0
    assert found["equal"] > 40
    assert found["both refuse"] > 80
    assert found["Pillow alone decodes"] < 10
    assert capfd.readouterr().err == ""


def test_the_same_seed_makes_the_same_files() -> None:
    assert list(fuzz_decode.files(24, seed=3)) == list(fuzz_decode.files(24, seed=3))
