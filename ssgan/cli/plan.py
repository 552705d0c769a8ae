"""``ssgan plan``: what would `dvc repro` run, why, and what does it cost?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ssgan.project.plan import Step

UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def plan(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """Say which stages `dvc repro` would run, why, for about how long, and how much there is to push then. Nothing is run."""
    from ssgan.project.plan import plan as make

    steps = make(Path())
    typer.echo(json.dumps([step._asdict() for step in steps], ensure_ascii=False) if as_json else describe(steps))


def describe(steps: list[Step]) -> str:
    """A line for each reason, and the sums of seconds and bytes that are known."""
    if not steps:
        return "nothing to run: everything is up to date"
    lines = ["`dvc repro` would run"]
    for step in steps:
        time = f"about {clock(step.seconds)}" if step.seconds is not None else "time unknown"
        lines.append(f"  {step.stage:<9} {step.reasons[0]}; {time}{_pushed(step.bytes)}")
        lines += [f"  {'':<9} {reason}" for reason in step.reasons[1:]]
    known = [step.seconds for step in steps if step.seconds is not None]
    sent = sum(step.bytes for step in steps if step.bytes)
    costs = [f"about {clock(sum(known))}"] * bool(known) + [f"up to {size(sent)} to push"] * bool(sent)
    if costs:
        lines.append(f"{' and '.join(costs)} in all, going by the last run of each")
    return "\n".join(lines)


def _pushed(count: int | None) -> str:
    return ", push size unknown" if count is None else f", up to {size(count)} to push" if count else ""


def size(count: int) -> str:
    """1 -> "1 byte", 2500 -> "2.5 kB"."""
    if count < 1000:
        return f"{count} byte{'s' * (count != 1)}"
    unit, factor = next((unit, factor) for unit, factor in UNITS if count >= factor)
    return f"{count / factor:.1f} {unit}"


def clock(seconds: float) -> str:
    """7 -> "7 s", 90 -> "2 min", 9000 -> "2.5 h"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
