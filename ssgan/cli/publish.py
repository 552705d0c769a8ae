"""``ssgan publish``: the splits of this project for a job that is submitted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import typer


def publish() -> None:
    """Put data/splits into storage for `ray job submit`, and write published.json, which says where."""
    from ssgan.config import load
    from ssgan.runs.publish import POINTER
    from ssgan.runs.publish import publish as put

    pointer = put(load(), Path("data/splits"))
    POINTER.write_text(json.dumps(pointer, indent=1) + "\n")
    typer.echo(f"published as {pointer['key']}; now: ray job submit --working-dir . -- python -m ssgan.runs.job")
