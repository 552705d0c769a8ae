"""The table of the benchmark: its statistics by hand, and whole runs on a few images."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import mnist_table
from benchmarks.mnist.rows import ROWS, Row
from benchmarks.mnist.run import Cell, Line, execute, prepare
from benchmarks.mnist.stack import execute_stack
from benchmarks.mnist.table import against_published, paired, render
from ssgan.errors import ConfigError


def line(row: Row, labels: int, seed: int, wrong: int) -> dict[str, Any]:
    return {"track": row.track, "row": row.name, "labels": labels, "seed": seed, "wrong": wrong, "test_images": 1000}


def test_paired_difference_is_over_common_draws() -> None:
    ours, others = {0: 99.0, 1: 98.0, 2: 97.0, 9: 10.0}, {0: 98.0, 1: 96.0, 2: 94.0}
    found = paired(ours, others)
    assert found is not None
    half = 4.302652729911275 * 1.0 / math.sqrt(3)  # quantile of t with 2 degrees of freedom
    assert found == pytest.approx((2.0, 2.0 - half, 2.0 + half, 3))
    assert paired(ours, {9: 1.0}) is None


def test_difference_to_published_is_welchs() -> None:
    # variances of the means 0.4 / 10 and 0.1 / 10: freedom = 0.05^2 / (0.04^2 / 9 + 0.01^2 / 9) = 13.235
    difference, low, high = against_published(99.0, math.sqrt(0.4), 10, (98.5, math.sqrt(0.1)))
    assert difference == pytest.approx(0.5)
    assert (high - low) / 2 == pytest.approx(2.1563 * math.sqrt(0.05), rel=1e-3)
    assert low == pytest.approx(1.0 - high)


def test_table_counts_each_draw_once_and_keeps_tracks_apart() -> None:
    a, c = (next(r for r in ROWS if r.track == track and r.method == "supervised") for track in "AC")
    lines = [line(a, 100, 0, 500), line(a, 100, 0, 100), line(a, 100, 1, 300), line(c, 20, 0, 20)]
    text = render(lines, ROWS)
    of_a, of_c = text.split("**C:")
    assert "| supervised |  |  |  | 80.00 ± 14.14 (80.00; 2) |  |" in of_a
    assert "| supervised |  | 98.00 (98.00; 1) |  |  |  |" in of_c
    assert "B:" not in text


def test_a_run_is_named_after_what_it_computes() -> None:
    row = ROWS[0]
    one = Cell(row, 20, 0, 100, threads=1)
    assert one.key == Cell(row, 20, 0, 100, threads=2).key
    assert one.key == Cell(row, 20, 0, 100, 1, precision="float32").key, "which is the track's"
    others = [Cell(row, 50, 0, 100, 1), Cell(row, 20, 1, 100, 1), Cell(row, 20, 0, 101, 1), Cell(ROWS[1], 20, 0, 100, 1)]
    others.append(Cell(row, 20, 0, 100, 1, precision="bf16"))
    stacked = [Cell(row, 20, 0, 100, 1, stacked=True), Cell(row, 20, 1, 100, 1, stacked=True)]
    assert len({run.key for run in [one, *others, *stacked]}) == 8


def test_a_stack_of_runs_ends_where_each_run_ends_alone(few_images: Path, tmp_path: Path) -> None:
    data = prepare(few_images, tmp_path / "work")
    row = next(row for row in ROWS if row.name == "supervised")
    runs = [Cell(row, labels, seed, 4, 1, stacked=True) for labels in (10, 20) for seed in (0, 1)]
    together = execute_stack(runs, data)
    for run, line in zip(runs, together, strict=True):
        alone = execute(run, data, tmp_path / "scratch")
        assert line["stack"] == 4
        same = ("key", "labeled_ids", "wrong", "settings", "labels", "seed")
        assert {key: line[key] for key in same} == {key: alone[key] for key in same}


def test_runs_of_two_tracks_are_never_one_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stacks: list[list[Cell]] = []

    def execute_stack(runs: list[Cell], data: Path) -> list[Line]:
        stacks.append(runs)
        return []

    monkeypatch.setattr(mnist_table, "execute_stack", execute_stack)
    supervised = [row for row in ROWS if row.name == "supervised"]
    runs = [Cell(row, 20, seed, 4, 1, stacked=True) for seed in range(3) for row in supervised]
    assert list(mnist_table.in_stacks(runs, tmp_path, tmp_path, Namespace(jobs=2))) == []
    assert len({row.track for row in supervised}) > 1
    assert [len(stack) for stack in stacks] == [2, 1] * len(supervised)
    assert all(len({run.row.track for run in stack}) == 1 for stack in stacks)


def test_the_table_holds_runs_of_the_settings_of_now_only() -> None:
    row = ROWS[0]
    now, before = Cell(row, 20, 0, 100, 1), Cell(row, 20, 0, 60, 1)
    lines = [line(row, 20, 0, 10) | {"key": run.key} for run in (now, before)]
    assert mnist_table.of_these([now], lines) == lines[:1]


def test_a_run_that_fails_keeps_the_others_from_beginning(few_images: Path, tmp_path: Path) -> None:
    data = prepare(few_images, tmp_path / "work")
    good = next(row for row in ROWS if row.name == "supervised")
    runs = [Cell(Row("A", "wrong", "supervised", {"no_such_option": 1}), 20, 0, 1, 1)] + [
        Cell(good, 20, seed, 1, 1) for seed in range(4)
    ]
    with pytest.raises(ConfigError, match="no_such_option"):
        list(mnist_table.in_processes(runs, data, tmp_path / "scratch", Namespace(jobs=1)))
    finished = [run for run in runs if (tmp_path / "scratch" / run.key / "main/final").exists()]
    assert len(finished) <= 2  # the one that had begun, and the one that its process had been handed


@pytest.fixture
def few_images(tmp_path: Path) -> Path:
    """A folder like MNIST's, with 4 and 2 images of each class."""
    random = np.random.default_rng(0)
    for part, n in (("train", 4), ("test", 2)):
        for k in range(10):
            folder = tmp_path / "mnist" / part / str(k)
            folder.mkdir(parents=True)
            for i in range(n):
                Image.fromarray(random.integers(0, 256, (28, 28), dtype=np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "mnist"


def table(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["mnist_table", *map(str, arguments)])
    mnist_table.main()


@pytest.mark.parametrize("backend", ["process", "stack", pytest.param("ray", marks=pytest.mark.ray)])
def test_runs_are_recorded_judged_and_not_repeated(
    backend: str, few_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(mnist_table.__file__).parents[1]))
    work = tmp_path / "work"
    common = [few_images, work, "--tracks", "A", "--rows", "supervised", "--labels", 20, "--steps", 3, "--backend", backend]
    table(monkeypatch, *common, "--seeds", 1)
    (first,) = [json.loads(text) for text in (work / "runs.jsonl").read_text().splitlines()]
    assert (first["labels"], first["seed"], first["steps"], first["test_images"]) == (20, 0, 3, 20)
    assert 0 <= first["wrong"] <= 20
    table(monkeypatch, *common, "--seeds", 2)
    lines = [json.loads(text) for text in (work / "runs.jsonl").read_text().splitlines()]
    assert lines[0] == first
    assert [one["seed"] for one in lines] == [0, 1]
    assert lines[0]["labeled_ids"] != lines[1]["labeled_ids"]
    assert "; 2) |" in capsys.readouterr().out


def test_an_unknown_row_is_named(few_images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"no row \['fixmach'\] in tracks C; there are .*'FixMatch'"):
        table(monkeypatch, few_images, tmp_path / "work", "--tracks", "C", "--rows", "fixmach")
