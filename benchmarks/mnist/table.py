"""From lines of results to the printed table: pure functions."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable

from scipy import stats

from benchmarks.mnist.rows import LABELS, PUBLISHED, PUBLISHED_RUNS, TRACKS, Row
from benchmarks.mnist.run import Line

CONFIDENCE = 0.95
Errors = dict[int, float]  # seed -> accuracy in %


def accuracies(lines: Iterable[Line]) -> dict[tuple[str, str, int], Errors]:
    """(track, row, labels) -> accuracy in % by seed. Of lines of one cell and seed, the last one counts."""
    cells: dict[tuple[str, str, int], Errors] = defaultdict(dict)
    for line in lines:
        cells[line["track"], line["row"], line["labels"]][line["seed"]] = 100 * (1 - line["wrong"] / line["test_images"])
    return dict(cells)


def against_published(mean: float, std: float, n: int, published: tuple[float, float]) -> tuple[float, float, float]:
    """Difference of means in points, and its interval (Welch): only mean and deviation of the published runs are known."""
    difference = mean - published[0]
    ours, theirs = std**2 / n, published[1] ** 2 / PUBLISHED_RUNS
    error = math.sqrt(ours + theirs)
    if error == 0:
        return difference, difference, difference
    freedom = error**4 / (ours**2 / (n - 1) + theirs**2 / (PUBLISHED_RUNS - 1))
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, freedom) * error
    return difference, difference - half, difference + half


def paired(ours: Errors, others: Errors) -> tuple[float, float, float, int] | None:
    """Mean difference in points over the seeds that both have, its t interval, and their number; None below two."""
    seeds = sorted(ours.keys() & others.keys())
    if len(seeds) < 2:
        return None
    differences = [ours[s] - others[s] for s in seeds]
    mean, error = statistics.fmean(differences), statistics.stdev(differences) / math.sqrt(len(seeds))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(seeds) - 1)) * error
    return mean, mean - half, mean + half, len(seeds)


def render(lines: list[Line], rows: Iterable[Row]) -> str:
    """The tables of all tracks that have a run, in Markdown."""
    cells, parts = accuracies(lines), []
    for key, track in TRACKS.items():
        of_track = [row for row in rows if row.track == key and any((key, row.name, n) in cells for n in LABELS)]
        if not of_track:
            continue
        head = ["accuracy in %, mean ± std (median; runs)", *(f"{n} labels" for n in LABELS)]
        body = [[row.name, *(_cell(cells.get((key, row.name, n))) for n in LABELS)] for row in of_track]
        below = [[f"published {name}", *(_published(name, n) for n in LABELS)] for name in _names(of_track)]
        parts.append(f"**{track.title}**\n\n" + _markdown([head, *body, *below]) + "\n" + _differences(cells, of_track))
    return "\n".join(parts)


def _names(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row.published for row in rows if row.published))


def _cell(found: Errors | None) -> str:
    if not found:
        return ""
    values = list(found.values())
    std = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{std} ({statistics.median(values):.2f}; {len(values)})"


def _published(name: str, labels: int) -> str:
    found = PUBLISHED[name].get(labels)
    return f"{found[0]:.2f} ± {found[1]:.2f}" if found else ""


def _differences(cells: dict[tuple[str, str, int], Errors], rows: list[Row]) -> str:
    """One line for each row and number of labels: to the published row, and to the last row of the track on the same seeds."""
    text = []
    for row in rows:
        for n in LABELS:
            found = cells.get((row.track, row.name, n), {})
            published = PUBLISHED.get(row.published or "", {}).get(n)
            if published and len(found) > 1:
                values = list(found.values())
                d = against_published(statistics.fmean(values), statistics.stdev(values), len(values), published)
                text.append(
                    f"- {row.name}, {n} labels, to published {row.published}: {d[0]:+.2f} points ({d[1]:+.2f} to {d[2]:+.2f})"
                )
            last = cells.get((row.track, rows[-1].name, n), {})
            pair = paired(last, found) if row is not rows[-1] else None
            if pair:
                text.append(
                    f"- {rows[-1].name} to {row.name}, {n} labels, the same {pair[3]} draws: {pair[0]:+.2f} points "
                    f"({pair[1]:+.2f} to {pair[2]:+.2f})"
                )
    return "\n".join(text) + "\n" if text else ""


def _markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"
