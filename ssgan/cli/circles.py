"""``ssgan circles``: what unlabeled data and a generator are good for, in a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssgan.wording import counted


def circles(
    out: Annotated[Path, typer.Option(help="Folder for circles.png and circles.gif.")] = Path("circles"),
    labels: Annotated[int, typer.Option(min=2, max=1000, help="Labeled points, of both circles in turn.")] = 8,
    steps: Annotated[int, typer.Option(min=10, help="Steps of training.")] = 1500,
    seed: Annotated[int, typer.Option(min=0, help="Of the points and of the training.")] = 0,
    frames: Annotated[int, typer.Option(min=1, max=200, help="Of the animation.")] = 30,
) -> None:
    """Two circles, a handful of labels: supervised, with a generator that imitates, with one that complements. 1 minute."""
    import torch

    from ssgan.circles import pictures, runs
    from ssgan.circles.points import TEST, TRAIN, draw
    from ssgan.report import figures
    from ssgan.report.story import percent

    torch.set_num_threads(1)  # the networks are small: two threads would only wait for each other
    out.mkdir(parents=True, exist_ok=True)
    data = draw(labels, seed)
    typer.echo(
        f"two circles, {TRAIN} points, {labels} of them labeled; wrong answers on {TEST} other points after "
        f"{counted(steps, 'step')}:"
    )
    found = []
    for variant in runs.VARIANTS:
        found.append(runs.train(variant, data, steps, seed, min(frames, steps)))
        last = found[-1][-1]
        typer.echo(f"  {variant.title:<24} {variant.method:<14} {percent(last.error_rate):>7}", nl=last.on_a_circle is None)
        if last.on_a_circle is not None:
            typer.echo(f"   generated points on a circle: {last.on_a_circle:.0%}")
    draws = [pictures.panels(runs.VARIANTS, together, data) for together in zip(*found, strict=True)]
    figures.png(draws[-1], out / "circles.png")
    pictures.animation(draws, out / "circles.gif")
    typer.echo(f"wrote {out / 'circles.png'} and {out / 'circles.gif'}")
