"""Tables of small rows, written without ever holding many: and columns for them without the half second of importing pandas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq


class RowWriter:
    """Writes a table of small rows in batches, so that a million rejected files need no memory."""

    def __init__(self, path: Path, schema: pa.Schema, batch: int = 10_000, **options: Any) -> None:
        self._schema, self._batch = schema, batch
        self._writer = pq.ParquetWriter(path, schema, **options)
        self._rows: list[tuple[Any, ...]] = []
        self.rows = 0

    def add(self, row: tuple[Any, ...]) -> None:
        """Append one row, in the order of the schema."""
        self._rows.append(row)
        self.rows += 1
        if len(self._rows) == self._batch:
            self._flush()

    def close(self) -> None:
        """Write the rest and the footer."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [column(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """What ``pa.array`` makes of text, flags, integers and fixed-size bytes, without importing pandas."""
    if pa.types.is_integer(kind):
        return numbers(np.array(values, np.dtype(str(kind))), kind)
    if pa.types.is_boolean(kind):
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.packbits(values, bitorder="little"))])
    if pa.types.is_fixed_size_binary(kind):
        return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(b"".join(values))])
    if pa.types.is_binary(kind):
        return _joined(values, kind)
    if kind != pa.string():
        return pa.array(values, kind)
    distinct = dict.fromkeys(values)
    if len(distinct) > 100 and None not in distinct:
        return _joined([value.encode() for value in values], kind)
    builder = pa.lib.StringBuilder()  # slow per value: a few classes are built once and taken many times
    builder.append_values(list(distinct))
    code = {value: i for i, value in enumerate(distinct)}
    return builder.finish().take(numbers(np.array([code[value] for value in values], np.int32), pa.int32()))


def _joined(values: Sequence[bytes], kind: pa.DataType) -> pa.Array:
    ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
    return binary_column(b"".join(values), ends, kind)


def binary_column(data: bytes | npt.NDArray[np.uint8], ends: npt.NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    """(N,) values that lie one after the other in ``data``, each up to one of the ``ends``."""
    starts = pa.py_buffer(b"\x00\x00\x00\x00" + ends.astype(np.int32).tobytes())
    return pa.Array.from_buffers(kind, len(ends), [None, starts, pa.py_buffer(data)])


def numbers(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """The same numbers as a column; they are copied."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values.tobytes())])


def values(column: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """(N,) the integers or flags (0 and 1) of a column without nulls: what ``to_numpy`` does, which imports pandas too."""
    chunks = column.cast(pa.int64()).chunks if isinstance(column, pa.ChunkedArray) else [column.cast(pa.int64())]
    parts = [np.frombuffer(one.buffers()[1], np.int64)[one.offset :][: len(one)] for one in chunks if len(one)]
    return np.concatenate([np.empty(0, np.int64), *parts])
