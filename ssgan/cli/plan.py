"""``ssgan plan``: what would `dvc repro` run, and why?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ssgan.project.plan import Step


def plan(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """Say which stages `dvc repro` would run, why, and for about how long. Nothing is run."""
    from ssgan.project.plan import plan as make

    steps = make(Path())
    typer.echo(json.dumps([step._asdict() for step in steps], ensure_ascii=False) if as_json else describe(steps))


def describe(steps: list[Step]) -> str:
    """A line for each reason, and the sum of the seconds that are known."""
    if not steps:
        return "nothing to run: everything is up to date"
    lines = ["`dvc repro` would run"]
    for step in steps:
        time = f"about {clock(step.seconds)}" if step.seconds is not None else "for an unknown time"
        lines.append(f"  {step.stage:<9} {step.reasons[0]}; {time}")
        lines += [f"  {'':<9} {reason}" for reason in step.reasons[1:]]
    known = [step.seconds for step in steps if step.seconds is not None]
    if known:
        lines.append(f"about {clock(sum(known))} in all, going by the last run of each")
    return "\n".join(lines)


def clock(seconds: float) -> str:
    """7 -> "7 s", 90 -> "2 min", 9000 -> "2.5 h"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
