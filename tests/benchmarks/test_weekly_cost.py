"""The page of the weekly cost says what was measured."""

from __future__ import annotations

import numpy as np

from benchmarks.weekly_cost import PARTS, Row, figure, page


def row(week: int, version: str, cost: int) -> Row:
    disk = {f"disk_{part}": cost * 10**6 for part in PARTS} | {"disk": 4 * cost * 10**6}
    seconds = {"split_s": 1.0 * cost, "split_cpu_s": 0.5, "start_cpu_s": 0.25}
    found = {"week": week, "version": version, "commit": version * 2, "images": 100 + week, "pixels": (2 + week) * 10**6}
    return found | seconds | {"cache": cost, "cached": cost * 10**6, "pushed": 2 * cost * 10**6} | disk


ROWS = [row(week, version, cost) for week in range(3) for version, cost in (("base", 5), ("new", 1))]


def test_a_line_for_each_week_and_sums_without_the_first() -> None:
    text = page(ROWS, ["--weeks", "2"])
    assert "`python -m benchmarks.weekly_cost --weeks 2`: 100 images" in text
    assert "Base: basebase; new: newnew." in text
    assert "| 1 | 101 | 5.0 (0.5) | 1.0 (0.5) | 5.00 | 1.00 | 10.00 | 2.00 |\n" in text
    assert "- Added to DVC's cache in weeks 1 to 2: 10.0 MB before, 2.0 MB now.\n" in text
    assert "- Pushed in weeks 1 to 2: 20.0 MB before, 4.0 MB now.\n" in text
    assert "- Pixels of the new images of these weeks: 2.0 MB.\n" in text
    assert "as a multiple of its pixels: 5.00 before (images 1.25, index 1.25, splits 1.25), 1.00 now" in text


def test_the_figure_shows_both_versions() -> None:
    panels = figure(ROWS).axes
    assert [line.get_label() for line in panels[0].get_lines()] == ["base (basebase)", "new (newnew)"]
    assert np.array([line.get_ydata() for line in panels[1].get_lines()]).tolist() == [[10.0] * 3, [2.0] * 3]
