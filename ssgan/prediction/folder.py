"""Predictions as a folder of parts: a run that was killed goes on, and every input ends up in it exactly once.

    manifest.json             what was asked: source, model, temperature, threshold, columns, hash of the list of inputs
    inputs.parquet            the list of inputs, made once: a part is the same slice of it in every attempt
    predicted/00000.parquet   answers of one part
    rejected/00000.parquet    its files that are no images
    done.json                 counts, and the hash of every part; only written when nothing is missing

Each file appears under its name as a whole, the answers of a part after its rejections: a part is complete if both are there
and account for every input of it. What is complete is never done again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan import atomic
from ssgan.errors import ConfigError, DataError
from ssgan.prediction.score import PartResult
from ssgan.provenance import file_sha256

Asked = dict[str, Any]
HASH = "inputs_sha256"


class PredictionFolder:
    """One folder of predictions; ``part_rows`` rows of the list of inputs are one part."""

    def __init__(self, path: Path, part_rows: int) -> None:
        self.path, self._part_rows = path, part_rows
        self._manifest, self._list, self._done = path / "manifest.json", path / "inputs.parquet", path / "done.json"

    def begin(self, asked: Asked, make_list: Callable[[], pa.Table]) -> tuple[pa.Table, bool]:
        """The list of inputs, and whether it is that of an earlier attempt; writes it and the manifest if there is none.

        Raises:
            ConfigError: the folder holds predictions of another model or source, or something else.
            DataError: its list of inputs was changed.
        """
        if self._manifest.exists():
            found: Asked = json.loads(self._manifest.read_text(encoding="utf-8"))
            self._require_same(found, asked)
            if not self._list.is_file() or file_sha256(self._list) != found[HASH]:
                raise DataError(f"{self._list} is not the list that this run started with; start over with --overwrite")
            return pq.read_table(self._list), True
        unexpected = sorted(p.name for p in self.path.iterdir() if p.name not in (".lock", self._list.name))
        if unexpected:
            raise ConfigError(
                f"{self.path} holds {unexpected[0]!r}, which is not part of predictions; name an empty folder with --out"
            )
        listing = make_list()
        write_table(listing, self._list)
        _write_json({**asked, HASH: file_sha256(self._list)}, self._manifest)
        return listing, False

    def _require_same(self, found: Asked, asked: Asked) -> None:
        for key, value in asked.items():
            if found.get(key) != value:
                raise ConfigError(
                    f"{self.path} was started with {key} {found.get(key)!r}, now {value!r}; name another folder with --out, "
                    "or start over with --overwrite"
                )

    def parts(self, listing: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        """Number and rows of every part, in order."""
        for number, start in enumerate(range(0, len(listing), self._part_rows)):
            yield number, listing.slice(start, self._part_rows)

    def complete(self, number: int, size: int) -> bool:
        """Whether the part accounts for its ``size`` inputs."""
        try:
            return sum(pq.read_metadata(path).num_rows for path in self._pair(number)) == size
        except (OSError, pa.ArrowInvalid):
            return False

    def write(self, number: int, outcome: PartResult) -> None:
        """One part; its answers come last."""
        predicted, rejected = self._pair(number)
        write_table(outcome.rejected, rejected)
        write_table(outcome.predicted, predicted)

    def finish(self, sizes: list[int]) -> dict[str, int]:
        """Count everything and say so in done.json. ``sizes`` are the inputs of every part.

        Raises:
            DataError: a part is missing, or there is one too many.
        """
        pairs = [self._pair(number) for number in range(len(sizes))]
        missing = [pair[0] for number, pair in enumerate(pairs) if not self.complete(number, sizes[number])]
        known = {path for pair in pairs for path in pair}
        unexpected = [path for path in sorted(self.path.glob("*/*.parquet")) if path not in known]
        if missing or unexpected:
            raise DataError(
                f"{(missing or unexpected)[0]} is {'damaged' if missing else 'not a part'}; delete it and run again"
            )
        rows = {path.relative_to(self.path).as_posix(): pq.read_metadata(path).num_rows for pair in pairs for path in pair}
        counts = count(
            (pq.read_table(predicted, columns=["id"])["id"] for predicted, _ in pairs),
            sum(pq.read_metadata(r).num_rows for _, r in pairs),
        )
        for torn in self.path.glob("*/.*.part"):  # of an attempt that was killed
            torn.unlink()
        files = {name: {"rows": n, "sha256": file_sha256(self.path / name)} for name, n in rows.items()}
        _write_json({**counts, "files": files}, self._done)
        return counts

    def _pair(self, number: int) -> tuple[Path, Path]:
        return self.path / f"predicted/{number:05d}.parquet", self.path / f"rejected/{number:05d}.parquet"


def count(ids: Iterator[pa.ChunkedArray], rejected: int) -> dict[str, int]:
    """seen = predicted + duplicates + rejected; duplicates have the bytes of another file, and a row of their own too."""
    chunks = [chunk for array in ids for chunk in array.chunks]
    everything = pa.chunked_array(chunks, pa.string())
    distinct = pc.count_distinct(everything).as_py()
    seen = len(everything) + rejected
    return {"seen": seen, "predicted": distinct, "duplicates": len(everything) - distinct, "rejected": rejected}


def remove(path: Path) -> None:
    """Take away what ``PredictionFolder`` wrote. Raises ConfigError where there is something else."""
    if not path.exists():
        return
    ours = {"manifest.json", "inputs.parquet", "predicted", "rejected", "done.json", ".lock"}
    unexpected = sorted(p.name for p in path.iterdir() if p.name not in ours)
    if unexpected:
        raise ConfigError(f"{path} holds {unexpected[0]!r} besides predictions, so --overwrite leaves it alone; move that away")
    (path / "manifest.json").unlink(missing_ok=True)  # first: without it nothing goes on from the rest
    shutil.rmtree(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process writes into the folder. Raises ConfigError where another one does."""
    path.mkdir(parents=True, exist_ok=True)
    busy = ConfigError(f"another process is writing {path}; wait for it, or name another folder with --out")
    with atomic.exclusive(path, busy):
        yield


def write_table(table: pa.Table, to: Path) -> None:
    """As a whole, or not at all."""
    to.parent.mkdir(exist_ok=True)
    with atomic.replaced(to) as part:
        pq.write_table(table, part)


def _write_json(value: dict[str, Any], to: Path) -> None:
    atomic.write_text(to, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
