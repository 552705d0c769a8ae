"""A finished classifier over a folder, a prefix of S3 or the ingested pool: memory does not grow with the number of images.

Files are read and decoded exactly as ``ingest`` does. Probabilities are calibrated with the temperature that evaluation
fitted on val, if it judged this very model; its threshold says which images a person has to look at.

    inputs.py   what can be classified, one part after the other
    score.py    a batch of images -> answers
    folder.py   parts on disk: resumable, every input exactly once
    on_ray.py   parts as tasks of a Ray cluster
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ssgan import __version__, atomic
from ssgan.data.schema import rejected_schema
from ssgan.errors import DataError
from ssgan.evaluation.published import Published, published
from ssgan.model import load_model
from ssgan.prediction import folder as prediction_folder
from ssgan.prediction.inputs import PredictionInputs
from ssgan.prediction.score import PartResult, Scorer, output_schema
from ssgan.wording import counted

SMALL_PART = 2048  # files whose answers are held in memory on the way into one table
SHOWN = 1000  # rejected files that are returned for people; all of them are in the file

Parts = Iterable[tuple[int, pa.Table]]
RunParts = Callable[[Parts], Iterator[tuple[int, PartResult]]]  # outcomes in the order of the parts


class PredictionRequest(NamedTuple):
    """What to predict, and how."""

    inputs: PredictionInputs
    model: Path
    metrics: Path
    top_k: int
    part_files: int
    ray: bool


@dataclass(frozen=True)
class PredictionResult:
    """``counts``: seen = predicted + duplicates + rejected; ``rejected`` holds the first (path, reason, detail)."""

    counts: dict[str, int]
    rejected: list[tuple[str, str, str]]
    published: Published
    resumed: int | None  # parts that an earlier attempt had completed; None: there was none


def classify(request: PredictionRequest, out: Path) -> PredictionResult:
    """Write one row per image to ``out``: a table (.parquet, .csv), with the rejected files beside it, or else a folder.

    A table appears as a whole or not at all; a folder goes on where an earlier attempt ended.

    Raises:
        CheckpointError: no model there, or its files are not those that training wrote.
        ConfigError: the folder is not of the same request; a node of Ray cannot do what is asked.
        DataError: no input is an image; a task of Ray failed.
        StorageError: the source cannot be read.
    """
    facts, model = published(request.model, request.metrics), load_model(request.model)
    scorer = Scorer(model, facts, min(request.top_k, len(model.classes)))
    with _runner(request, scorer) as run:
        if out.suffix in (".parquet", ".csv"):
            return _into_table(request, scorer, run, out)
        with prediction_folder.locked(out):
            return _into_folder(request, scorer, run, out)


def _runner(request: PredictionRequest, scorer: Scorer) -> AbstractContextManager[RunParts]:
    """Who does the work: this process, or Ray."""
    if request.ray:
        from ssgan.prediction.on_ray import on_ray

        return on_ray(request.inputs, scorer)

    def here(parts: Parts) -> Iterator[tuple[int, PartResult]]:
        for number, rows in parts:
            yield number, request.inputs.predict(scorer, rows)

    return nullcontext(here)


def _into_folder(request: PredictionRequest, scorer: Scorer, run: RunParts, out: Path) -> PredictionResult:
    facts, spec, inputs = scorer.published, scorer.model.image, request.inputs
    asked = {
        "ssgan": __version__,
        "source": inputs.place,
        "model_id": facts.model_id,
        "temperature": facts.temperature,
        "threshold": facts.threshold,
        "top_k": scorer.top_k,
        "part_files": request.part_files,
        "image": dict(spec._asdict()),
    }
    folder = prediction_folder.PredictionFolder(out, inputs.part_rows(request.part_files))
    listing, again = folder.begin(asked, lambda: inputs.listing(spec, request.part_files))
    sizes = {number: inputs.size(rows) for number, rows in folder.parts(listing)}
    todo = [(number, rows) for number, rows in folder.parts(listing) if not folder.complete(number, sizes[number])]
    for number, outcome in run(todo):
        folder.write(number, outcome)
    counts = folder.finish(list(sizes.values()))
    _require_images(request, counts)
    rejected = pq.read_table(out / "rejected").slice(0, SHOWN).to_pylist() if counts["rejected"] else []
    return PredictionResult(counts, [tuple(row.values()) for row in rejected], facts, len(sizes) - len(todo) if again else None)


def _into_table(request: PredictionRequest, scorer: Scorer, run: RunParts, out: Path) -> PredictionResult:
    listing = request.inputs.listing(scorer.model.image, request.part_files)
    size = request.inputs.part_rows(SMALL_PART)
    parts = enumerate(listing.slice(start, size) for start in range(0, len(listing), size))
    ids: list[pa.ChunkedArray] = []
    rejected: list[pa.Table] = [pa.Table.from_batches([], rejected_schema())]
    with _table(out, output_schema(scorer.top_k)) as write:
        for _, outcome in run(parts):
            write(outcome.predicted)
            ids.append(outcome.predicted["id"])
            rejected.append(outcome.rejected)
        found = pa.concat_tables(rejected)
        counts = prediction_folder.count(iter(ids), len(found))
        _require_images(request, counts)
    _write_rejected(found, rejected_path(out))
    return PredictionResult(counts, [tuple(row.values()) for row in found.slice(0, SHOWN).to_pylist()], scorer.published, None)


def _require_images(request: PredictionRequest, counts: dict[str, int]) -> None:
    if not counts["predicted"]:
        raise DataError(
            f"none of the {counted(counts['seen'], 'file')} below {request.inputs.name} is an image; name a folder that "
            "holds images"
        )


def rejected_path(out: Path) -> Path:
    """predictions.csv -> predictions.rejected.csv"""
    return out.with_name(f"{out.stem}.rejected{out.suffix}")


@contextmanager
def _table(out: Path, schema: pa.Schema) -> Iterator[Any]:
    """A function that adds rows to the table; the file appears as a whole at the end, or not at all."""
    make = pq.ParquetWriter if out.suffix == ".parquet" else pa.csv.CSVWriter
    with atomic.replaced(out) as part, make(os.fspath(part), schema) as writer:
        yield writer.write_table


def _write_rejected(rejected: pa.Table, path: Path) -> None:
    """The rejected files as a table; an older one goes where there is none."""
    path.unlink(missing_ok=True)
    if len(rejected):
        with _table(path, rejected_schema()) as write:
            write(rejected)
