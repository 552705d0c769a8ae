"""Taking images out for good: which are meant, where their pixels and features lie, and the same files without them.

Raw files are never touched; the list of removed images (``tombstones``) keeps them from coming back while they are there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ssgan import atomic
from ssgan.data import schema
from ssgan.data.files import SplitFiles
from ssgan.data.image_shards import OPTIONS, of_rows
from ssgan.errors import DataError

MAGIC = b"PAR1"


def resolve(targets: Iterable[str], data: Path) -> dict[str, list[str]]:
    """Hex sha256 of every image that is meant, with the paths in the source that have these bytes.

    Args:
        targets: sha256, paths as ``ingest`` saw them, or files that are here.
        data: the folder with ``index/`` and ``duplicates.parquet``.

    Raises:
        DataError: naming what is neither.
    """
    known = _paths(data)
    by_path = {path: image for image, paths in known.items() for path in paths}
    found: dict[str, list[str]] = {}
    unresolved = []
    for target in targets:
        if re.fullmatch("[0-9a-f]{64}", target):
            image = target
        elif target.removeprefix("./") in by_path:
            image = by_path[target.removeprefix("./")]
        elif Path(target).is_file():
            image = hashlib.sha256(Path(target).read_bytes()).hexdigest()
        else:
            unresolved.append(target)
            continue
        found[image] = known.get(image, [])
    if unresolved:
        raise DataError(
            f"{', '.join(map(repr, unresolved[:5]))} is not a sha256, a path in data/index or a file here; nothing was done"
        )
    return found


def _paths(data: Path) -> dict[str, list[str]]:
    """The paths of every ingested image, copies included."""
    found: dict[str, list[str]] = {}
    files = [*sorted((data / "index").glob("*.parquet")), *data.glob("duplicates.parquet")]
    for file in files:
        table = schema.with_hex_ids(pq.read_table(file, columns=["id", "path"]))
        for image, path in zip(table["id"].to_pylist(), table["path"].to_pylist(), strict=True):
            paths = found.setdefault(image, [])
            if path not in paths:
                paths.append(path)
    return found


def holders(folder: Path, images: Collection[str]) -> Iterator[Path]:
    """Parquet files below a folder, whatever their names, with a row of one of these images."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and _is_parquet(path) and held(path, images):
            yield path


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def held(path: Path, images: Collection[str]) -> set[str]:
    """Which of these images a Parquet file has a row of; none where it has no column ``id``, or is damaged."""
    try:
        with pq.ParquetFile(path) as file:
            if "id" not in file.schema_arrow.names:
                return set()
            ids = file.read(["id"])["id"]
    except pa.ArrowInvalid:
        return set()
    found = ids.filter(pc.is_in(ids, _as_ids(images, ids.type))).to_pylist()
    return set(images) & {one.hex() if isinstance(one, bytes) else one for one in found}


def _as_ids(images: Collection[str], kind: pa.DataType) -> pa.Array:
    """These images as a column ``id`` has them: 32 bytes, or text (what was made for people)."""
    values = sorted(images)
    return pa.array(map(bytes.fromhex, values), kind) if pa.types.is_fixed_size_binary(kind) else pa.array(values)


def drop(path: Path, images: Collection[str]) -> None:
    """Write a shard of images, their index or their features, or the table of duplicates, anew without them, in one step."""
    with pq.ParquetFile(path) as file:
        table, group = file.read(), file.metadata.row_group(0).num_rows if file.num_row_groups else 1
    left = table.filter(pc.invert(pc.is_in(table["id"], _as_ids(images, table["id"].type))))
    shard = not {"pixels", "features", "thumb"}.isdisjoint(table.column_names)
    if not len(left) and shard:
        path.unlink()
        return
    if schema.ROWS_KEY in (table.schema.metadata or {}):
        left = left.cast(of_rows(table.schema, schema.fixed(left["id"])))
    options = OPTIONS if shard else {}
    with atomic.replaced(path) as part:
        pq.write_table(left, part, row_group_size=max(1, group), **options)


def sets_of(splits: Path, images: Collection[str]) -> dict[str, set[str]]:
    """The sets of a split, with which of these images each one holds."""
    files = SplitFiles(splits.as_posix())
    return {name: set(files.ids(name)) & set(images) for name in schema.SETS}
