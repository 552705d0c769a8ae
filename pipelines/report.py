"""Stage ``report``: one page and some PNG files from what the stages before left on disk."""

from __future__ import annotations

from pathlib import Path

from ssgan.config import load
from ssgan.report import ReportInputs, render
from ssgan.wording import counted

OUT = Path("report")


def run() -> None:
    """Write report/index.html and report/*.png."""
    render(ReportInputs(), OUT, load().report)
    print(f"report: {OUT}/index.html, and {counted(len(list(OUT.glob('*.png'))), 'figure')} as PNG beside it")
