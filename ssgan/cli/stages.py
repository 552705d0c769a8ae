"""``ssgan ingest``, ``features``, ``split``, ``train``, ``evaluate``, ``report``: the stages of dvc.yaml, in this folder."""

from __future__ import annotations

import contextlib
import importlib


def ingest() -> None:
    """Raw images -> data/images, data/rejected.parquet, data/duplicates.parquet."""
    _run("ingest")


def features() -> None:
    """Features of the backbone that params.yaml names, of images that have none -> data/features."""
    _run("features")


def split() -> None:
    """Images and labels -> data/splits: labeled, unlabeled, val and test."""
    _run("split")


def train() -> None:
    """Train the method of params.yaml and its supervised twin -> runs/train."""
    _run("train")


def evaluate() -> None:
    """Judge the trained models on the test set -> metrics/evaluate.json, plots, runs/evaluate."""
    _run("evaluate")


def report() -> None:
    """Write the page for people -> report/index.html."""
    _run("report")


def _run(stage: str) -> None:
    from ssgan.project.stage_times import timed

    with contextlib.nullcontext() if stage == "train" else timed(stage):  # a training notes its own time
        importlib.import_module(f"pipelines.{stage}").run()
