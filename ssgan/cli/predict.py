"""``ssgan predict``: labels and calibrated probabilities for a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SHOWN = 10  # rejected files named on the terminal; all of them stand in the file


def predict(
    folder: Annotated[Path, typer.Argument(help="Folder of images, with all below it.", exists=True, file_okay=False)],
    model: Annotated[Path, typer.Option(help="Folder of a finished model.")] = Path("runs/train/main/last"),
    out: Annotated[Path, typer.Option(help="Table to write: .parquet or .csv.")] = Path("predictions.parquet"),
    top_k: Annotated[int, typer.Option(min=1, help="How many of the most probable classes to name.")] = 3,
    metrics: Annotated[Path, typer.Option(help="Where evaluation left the temperature.")] = Path("metrics/evaluate.json"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the table if it exists.")] = False,
) -> None:
    """Classify every image below FOLDER. Files that are no images are listed with the reason, never lost."""
    from ssgan.runtime.prediction import classify, rejected_path

    if out.suffix not in (".parquet", ".csv"):
        raise typer.BadParameter(f"{out} must end in .parquet or .csv", param_hint="--out")
    for table in (out, rejected_path(out)):
        if table.exists() and not overwrite:
            raise typer.BadParameter(f"{table} exists; add --overwrite, or name another file", param_hint="--out")
    done = classify(folder, model, out, top_k, metrics)
    typer.echo(f"{done.seen} files = {done.predicted} predicted -> {out} + {len(done.rejected)} rejected")
    typer.echo(f"probabilities: {done.calibration}")
    for path, reason, detail in done.rejected[:SHOWN]:
        typer.echo(f"  rejected {path}: {reason} ({detail})", err=True)
    if done.rejected:
        typer.echo(f"  all rejected files: {rejected_path(out)}", err=True)
