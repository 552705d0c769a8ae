"""The option ``--model`` of all commands that use a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUN, METRICS = Path("runs/train"), Path("metrics/evaluate.json")

ModelOption = Annotated[
    Path | None, typer.Option(help="Folder of a finished model. Default: the one that runs/train hands out.")
]
MetricsOption = Annotated[Path, typer.Option(help="Where evaluation left temperature and threshold.")]


def model_folder(given: Path | None, metrics: Path = METRICS) -> Path:
    """The folder that was named, or that of the model which the project hands out."""
    from ssgan.evaluation.published import handed_out

    return given or handed_out(RUN, metrics)
