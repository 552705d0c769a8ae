"""``ssgan ingest``, ``features``, ``split``, ``train``, ``evaluate``, ``report``: the stages of dvc.yaml, in this folder."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import Annotated

import typer


def ingest() -> None:
    """Raw images -> data/images, data/index, data/rejected.parquet, data/duplicates.parquet."""
    _run("ingest")


def features() -> None:
    """Features of the backbone that params.yaml names, of images that have none -> data/features."""
    _run("features")
    _tell_who_has_no_label()


def split() -> None:
    """Images and labels -> data/splits: labeled, unlabeled, val and test."""
    _run("split")


def train(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Say all parameters first; the manifest of the run holds them too.")
    ] = False,
) -> None:
    """Train the method of params.yaml and its supervised baseline -> runs/train."""
    _run("train", verbose=verbose)


def evaluate() -> None:
    """Judge the trained models on the test set -> metrics/evaluate.json, plots, runs/evaluate."""
    _run("evaluate")


def report() -> None:
    """Write the page for people -> report/index.html."""
    _run("report")


def _tell_who_has_no_label() -> None:
    """The next step of a project that cannot be split yet. It is no part of the stage, which does not depend on labels."""
    from ssgan.config import load
    from ssgan.project.first_labels import FIRST_LABELS, without_labels

    config = load()
    if config.features.backbone and without_labels(config.split, Path("data/index")):
        typer.echo(f"no image has a label yet; next: {FIRST_LABELS}")


def _run(stage: str, **options: bool) -> None:
    from ssgan.project.stage_times import timed

    with contextlib.nullcontext() if stage == "train" else timed(stage):  # a training notes its own time
        importlib.import_module(f"pipelines.{stage}").run(**options)
