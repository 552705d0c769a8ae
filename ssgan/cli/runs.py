"""``ssgan runs``: what was tried, and what came of it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ssgan.report.runs import RunRow

OUT = Path("reports/runs")
WIDE = 200  # columns where the output is no terminal


def runs(
    out: Annotated[Path, typer.Option(help="Folder of the page.")] = OUT,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts; no page is written.")] = False,
) -> None:
    """All runs as a table and a page: error, gain, verdict, cost, and the error over time."""
    from ssgan.config import load
    from ssgan.project.runs import runs as found
    from ssgan.report.runs import render

    rows = found(Path())
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], ensure_ascii=False))
        return
    show(rows)
    render(rows, load().evaluate.confidence, out)
    typer.echo(f"page: {out}/index.html")


def show(rows: list[RunRow]) -> None:
    """The table, the newest run last: next to the prompt."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ssgan.report.runs import COLUMNS

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column == "Labels" else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row.cells()))  # names of strangers are no markup
    Console(width=None if sys.stdout.isatty() else WIDE, highlight=False).print(table)
