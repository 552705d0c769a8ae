"""``ssgan predict``: labels and calibrated probabilities for a folder of images, a prefix of S3 or the ingested pool."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssgan.cli.model_option import METRICS, MetricsOption, ModelOption, model_folder
from ssgan.storage import is_s3
from ssgan.wording import counted

if TYPE_CHECKING:
    from ssgan.features.files import FeatureFiles
    from ssgan.prediction.classify import PredictionResult

SHOWN = 10  # rejected files named on the terminal; all of them stand in the file
TABLES = (".parquet", ".csv")


class Workers(StrEnum):
    """Where images are read, decoded and classified."""

    local = "local"
    ray = "ray"


def predict(
    source: Annotated[str | None, typer.Argument(help="Folder of images, with all below it, or s3://bucket/prefix.")] = None,
    pool: Annotated[
        Path | None, typer.Option(help="In place of it: ingested images, data/splits/unlabeled or data/images.")
    ] = None,
    model: ModelOption = None,
    out: Annotated[Path, typer.Option(help="Table to write (.parquet, .csv), or a folder that can be resumed.")] = Path(
        "predictions.parquet"
    ),
    top_k: Annotated[int, typer.Option(min=1, help="How many of the most probable classes to name.")] = 3,
    metrics: MetricsOption = METRICS,
    workers: Annotated[Workers, typer.Option(help="local, or ray: tasks of the cluster at RAY_ADDRESS.")] = Workers.local,
    part_files: Annotated[int, typer.Option(min=1, help="Files of one part of a folder: what a kill may cost.")] = 10_000,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists, in place of going on.")] = False,
) -> None:
    """Classify every image. Files that are not images are listed with the reason, never lost.

    A folder (--out NAME without a suffix) may be killed at any time: the same command resumes it.
    """
    from ssgan.prediction.classify import PredictionRequest, classify
    from ssgan.prediction.inputs import FileInputs, PoolInputs

    _check_inputs(source, pool)
    _make_room(out, overwrite)
    inputs = PoolInputs(pool, _features()) if pool else FileInputs(source or "")
    done = classify(
        PredictionRequest(inputs, model_folder(model, metrics), metrics, top_k, part_files, workers is Workers.ray), out
    )
    _say(done, out)


def _features() -> FeatureFiles | None:
    """Of the project in this folder, if it has any."""
    from ssgan.config import load
    from ssgan.features.files import stored

    return stored(load(), Path("data/features")) if Path("params.yaml").is_file() else None


def _check_inputs(source: str | None, pool: Path | None) -> None:
    if (source is None) == (pool is None):
        raise typer.BadParameter("name a folder of images or s3://bucket/prefix, or --pool: one of them", param_hint="SOURCE")
    folder = Path(source) if source and not is_s3(source) else pool
    if folder and not folder.is_dir() and not (pool and folder.with_suffix(".parquet").is_file()):
        raise typer.BadParameter(f"{folder} is not a folder", param_hint="--pool" if pool else "SOURCE")


def _make_room(out: Path, overwrite: bool) -> None:
    from ssgan.prediction.classify import rejected_path
    from ssgan.prediction.folder import remove

    if out.suffix and out.suffix not in TABLES:
        raise typer.BadParameter(f"{out} must end in .parquet or .csv, or be a folder without a suffix", param_hint="--out")
    if not out.suffix:
        if overwrite:
            remove(out)
        return
    for table in (out, rejected_path(out)):
        if table.exists() and not overwrite:
            raise typer.BadParameter(f"{table} exists; add --overwrite, or name another file", param_hint="--out")


def _say(done: PredictionResult, out: Path) -> None:
    from ssgan.prediction.classify import rejected_path

    c = done.counts
    if done.resumed is not None:
        typer.echo(
            f"went on with {out}: {counted(done.resumed, 'part was', 'parts were')} complete; files that came since it "
            "began are not in it"
        )
    typer.echo(
        f"{counted(c['seen'], 'file')} = {c['predicted']} predicted + {counted(c['duplicates'], 'duplicate')} + "
        f"{c['rejected']} rejected -> {out}"
    )
    typer.echo(f"model: {done.published.model_id}")
    typer.echo(f"probabilities: {done.published.note}")
    typer.echo(f"abstains: {done.published.abstention}")
    for path, reason, detail in done.rejected[:SHOWN]:
        typer.echo(f"  rejected {path}: {reason} ({detail})", err=True)
    if done.rejected:
        typer.echo(f"  all rejected files: {rejected_path(out) if out.suffix else out / 'rejected'}", err=True)
