"""What benchmarks/start.py makes of its measurements."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.start import Build, Figures, measured, table

BUILDS = [Build("old", Path(), Path()), Build("new", Path(), Path())]


def test_builds_take_turns_and_each_round_begins_with_another(capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def measure(build: Build) -> Figures:
        order.append(build.name)
        return {"wall": float(len(order))}

    found = measured(BUILDS, 3, [("help", measure)])
    assert order == ["old", "new", "new", "old", "old", "new"]
    assert found == {"help: wall": [[1.0, 4.0, 5.0], [2.0, 3.0, 6.0]]}
    assert capsys.readouterr().out.count("round") == 6


def test_ratios_are_within_a_round() -> None:
    text = table(["old", "new"], {"train, ray: first step": [[10.0, 20.0, 40.0], [5.0, 30.0, 20.0]]})
    line = " ".join(text.splitlines()[-1].split())
    assert line == "train, ray: first step 20.00 (10.00 to 40.00) 20.00 (5.00 to 30.00) 0.50 (0.50 to 1.50)"


def test_a_command_that_fails_ends_the_measurement_with_what_it_said(tmp_path: Path) -> None:
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    build = Build("one", tmp_path, tmp_path)
    assert build.call("python", "-c", "pass").keys() == {"wall", "CPU"}
    with pytest.raises(SystemExit, match=r"`python -c raise SystemExit.*` of .* failed:\nno room"):
        build.call("python", "-c", "raise SystemExit('no room')")
