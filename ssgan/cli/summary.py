"""``ssgan summary``: did the unlabeled images help?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from ssgan.wording import counted

REPORT, METRICS = Path("report/index.html"), Path("metrics/evaluate.json")


def summary() -> None:
    """Say where the report is, and whether the unlabeled images helped."""
    from ssgan.errors import DataError

    try:
        metrics = json.loads(METRICS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{METRICS} does not exist, so nothing was evaluated yet; run `dvc repro`") from None
    typer.echo(describe(metrics))


def describe(metrics: dict[str, Any]) -> str:
    """The few lines that matter, from the content of ``metrics/evaluate.json``."""
    from ssgan.evaluation.comparison import too_few
    from ssgan.evaluation.serving import sentence

    def error(role: str) -> str:
        one = metrics[role]
        return f"{one['error_rate']:>6.1%} error, {one['errors']} of {counted(metrics['images']['test'], 'test image')}"

    labels = metrics["budget"]["label_budget"]
    lines = ["", f"{'semi-supervised model':<25}{error('main')}"]
    gain = metrics["gain"]
    if why := sentence(metrics):
        lines[1] = f"{'supervised baseline':<25}{error('main')}"
        return "\n".join([*lines, f"{metrics['left_out']['method']:<25}{error('left_out')}", why, _report()])
    if gain is None:
        return "\n".join([*lines, "no supervised baseline was trained, so the gain is not known", _report()])
    verdict = {
        "gain": "the unlabeled images helped",
        "none": "no measurable difference",
        "harm": "the unlabeled images hurt",
        "too_few": too_few(gain, metrics["images"]["test"]),
    }[gain["verdict"]]
    interval = f"{metrics['confidence']:.0%} interval {100 * gain['low']:.1f} to {100 * gain['high']:.1f}"
    from ssgan.evaluation.rows import answer

    rows = metrics.get("rows")
    same = "linear probe" if rows else "same network"
    return "\n".join(
        [
            *lines,
            f"{'its supervised baseline':<25}{error('twin')} ({same}, same {counted(labels, 'label')}, no unlabeled images)",
            f"{'difference':<25}{100 * gain['error_rate']:>5.1f} percentage points, {interval}: {verdict}",
            *([answer(rows)] if rows else []),
            _report(),
        ]
    )


def _report() -> str:
    return f"report: {REPORT}" if REPORT.exists() else "report: not there (any more); `dvc repro report` makes it"
