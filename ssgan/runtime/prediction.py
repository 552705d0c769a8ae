"""A finished classifier over a folder of raw images, in batches: memory does not grow with the number of images.

Files are read and decoded exactly as ``ingest`` does. Probabilities are calibrated with the temperature that evaluation
fitted on val, if it judged this very model.

Letters: N images of a batch, K classes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ssgan.config import DataConfig
from ssgan.data.decode import Limits
from ssgan.data.schema import rejected_schema
from ssgan.data.sources.folder import Folder
from ssgan.data.workers import Job, prepared
from ssgan.errors import CheckpointError, DataError
from ssgan.evaluation import verify_run
from ssgan.evaluation.scores import log_softmax
from ssgan.model import Model, load_model


@dataclass(frozen=True)
class Done:
    """seen = predicted + rejected; ``rejected`` holds (path, reason, detail); ``calibration`` is a sentence."""

    seen: int
    predicted: int
    rejected: list[tuple[str, str, str]]
    calibration: str


def classify(folder: Path, model: Path, out: Path, top_k: int, metrics: Path) -> Done:
    """Write one row per image of ``folder`` to ``out`` (Parquet or CSV by its suffix), and the rejected files beside it.

    Nothing is written where it fails. ``top_k`` is cut to K.

    Raises:
        CheckpointError: no model there, or its files are not those that training wrote.
        DataError: no file of the folder is an image.
    """
    temperature, calibration = temperature_of(model, metrics)
    loaded = load_model(model)
    top_k = min(top_k, len(loaded.classes))
    # Threads: torch has threads of its own by now, and a forked process would inherit their locks.
    job = Job(Folder(os.fspath(folder), "flat"), loaded.image, Limits.of(DataConfig()))
    seen, predicted, rejected = 0, 0, []
    with _table(out, output_schema(top_k)) as write:
        for items, batch in prepared(job, kind="threads"):
            seen += len(items)
            predicted += len(batch.accepted)
            rejected += [(_text(items[i].path), reason, _text(detail)) for i, reason, detail in batch.rejected]
            pairs = zip(batch.digests, batch.accepted, strict=True)
            names = [(digest.hex(), _text(items[i].path)) for digest, i in pairs]
            if names:
                write(_rows(names, loaded, batch.pixels, temperature, top_k))
        if not predicted:
            raise DataError(f"none of the {seen} files below {folder} is an image; name a folder that holds images")
    _write_rejected(rejected, rejected_path(out))
    return Done(seen, predicted, rejected, calibration)


def rejected_path(out: Path) -> Path:
    """predictions.csv -> predictions.rejected.csv"""
    return out.with_name(f"{out.stem}.rejected{out.suffix}")


def output_schema(top_k: int) -> pa.Schema:
    """id (sha256 of the file's bytes), path, label and probability of the most probable class, then the runners-up."""
    fields = [("id", pa.string()), ("path", pa.string())]
    for rank in range(1, top_k + 1):
        end = "" if rank == 1 else f"_{rank}"
        fields += [(f"label{end}", pa.string()), (f"probability{end}", pa.float64())]
    return pa.schema(fields)


def _rows(
    names: list[tuple[str, str]], model: Model, pixels: npt.NDArray[np.uint8], temperature: float, top_k: int
) -> pa.RecordBatch:
    probability = np.exp(log_softmax(model.predict_logits(pixels).astype(np.float64), temperature))
    order = np.argsort(-probability, axis=1, kind="stable")[:, :top_k]
    columns: list[Any] = [[name[0] for name in names], [name[1] for name in names]]
    for rank in range(top_k):
        columns += [[model.classes[k] for k in order[:, rank]], probability[np.arange(len(order)), order[:, rank]]]
    schema = output_schema(top_k)
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def temperature_of(model: Path, metrics: Path) -> tuple[float, str]:
    """The temperature for the model at RUN/ROLE/CHECKPOINT, and where it comes from; 1 where evaluation judged another one.

    Raises:
        CheckpointError: the manifest of the run does not vouch for its files.
    """
    model = model.absolute()
    run, role, checkpoint = model.parent.parent, model.parent.name, model.name
    if not (run / "manifest.json").is_file():
        return 1.0, f"not calibrated ({run} has no manifest.json, so nothing ties the model to an evaluation)"
    manifest = verify_run(run)
    try:
        numbers = json.loads(metrics.read_text(encoding="utf-8"))
        judged = (numbers["run_id"], numbers["checkpoint"]) == (manifest["run_id"], checkpoint)
        if not judged or not numbers.get(role):
            return 1.0, f"not calibrated ({metrics} judged another model; run `dvc repro evaluate`)"
        return float(numbers[role]["temperature"]), f"calibrated, temperature {numbers[role]['temperature']:g} ({metrics})"
    except FileNotFoundError:
        return 1.0, f"not calibrated ({metrics} does not exist; run `dvc repro evaluate`)"
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{metrics} is damaged ({error!r}); run `dvc repro --force evaluate`") from None


@contextmanager
def _table(out: Path, schema: pa.Schema) -> Iterator[Any]:
    """A function that adds a batch to the table; the file appears as a whole at the end, or not at all."""
    part = out.with_name(f".{out.name}.part")
    make = pq.ParquetWriter if out.suffix == ".parquet" else pa.csv.CSVWriter
    try:
        with make(os.fspath(part), schema) as writer:
            yield writer.write_batch
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _write_rejected(rejected: list[tuple[str, str, str]], path: Path) -> None:
    """The rejected files as a table; an older one goes where there is none."""
    path.unlink(missing_ok=True)
    if rejected:
        columns = [list(column) for column in zip(*rejected, strict=True)]
        with _table(path, rejected_schema()) as write:
            write(pa.record_batch(columns, schema=rejected_schema()))


def _text(path: str) -> str:
    """File names may hold bytes that are no UTF-8; they are spelled out (\\xff)."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
