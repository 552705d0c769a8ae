"""``ssgan doctor``: is this machine and this project fit to train?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ssgan.errors import Exit
from ssgan.wording import counted

MARKS = {"ok": "ok  ", "note": "note", "fail": "FAIL"}


def doctor(
    params: Annotated[Path, typer.Option(help="Parameters to check.")] = Path("params.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check Python, packages, machine, storage and parameters; each failure comes with its remedy. Exits with 1 on one."""
    from ssgan.project.doctor import examine

    checks = examine(params)
    failed = sum(check.level == "fail" for check in checks)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(check) for check in checks]}, indent=1))
    else:
        for check in checks:
            typer.echo(f"{MARKS[check.level]}  {check.name:<12} {check.found}")
            if check.remedy:
                typer.echo(f"{'':18} -> {check.remedy}")
        typer.echo(f"{failed} of {counted(len(checks), 'check')} failed" if failed else "all checks passed")
    if failed:
        raise typer.Exit(Exit.FAILED)
