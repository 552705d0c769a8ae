#!/usr/bin/env bash
# pyarrow's take of three rows copies the whole column, if the column has chunks.
#
# Version: pyarrow 26.0.1.
# Source: issue 39565 of apache/arrow (2024, open): all chunks are joined before rows are taken. The docstrings of
#   Table.take and ChunkedArray.take refer to pyarrow.compute.take and say nothing of memory.
# Behavior: 40,000 rows of 2,560 bytes (1,280 features in float16) as fixed-size binary. Three rows by take need 10 kB
#   if the column is one chunk, and 102 MB at the peak if it is 40 chunks: the size of all rows. Slices of the three
#   rows need nothing, with any number of chunks, and are the same rows.
# Why it matters: images and features come from Parquet as one chunk per row group or file. Fetching a few images for
#   a page of mistakes, or a batch of random ones, needs as much memory again as the whole set; so take slices, chunk
#   by chunk.
#
# Seen:
#   slices, 40 chunks: 0 MB, of 102 MB in all
#   take, 1 chunk: 0 MB, of 102 MB in all
#   take, 40 chunks: 102 MB, of 102 MB in all
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'pyarrow==26.0.1' 'numpy==2.4.6'
cd "$folder"
env/bin/python - <<'PYTHON'
import numpy as np
import pyarrow as pa

ROWS, BYTES, PART = 40_000, 2_560, 1_000
data = np.random.default_rng(0).integers(0, 255, (ROWS, BYTES), dtype=np.uint8)  # outside of Arrow's pool
wanted = [5, 20_000, 39_999]
pool = pa.default_memory_pool()


def column(rows_per_chunk: int) -> pa.ChunkedArray:
    parts = [data[start : start + rows_per_chunk] for start in range(0, ROWS, rows_per_chunk)]
    kind = pa.binary(BYTES)
    return pa.chunked_array([pa.FixedSizeBinaryArray.from_buffers(kind, len(x), [None, pa.py_buffer(x)]) for x in parts])


def sliced(rows: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([chunk for row in wanted for chunk in rows.slice(row, 1).chunks])


found, cost = {}, {}
one, many = column(ROWS), column(PART)
for name, read in {  # from little to much, for a pool tells only its highest peak
    "slices, 40 chunks": lambda: sliced(many),
    "take, 1 chunk": lambda: one.take(wanted),
    "take, 40 chunks": lambda: many.take(wanted),
}.items():
    before = pool.max_memory()
    found[name] = read().to_pylist()
    cost[name] = pool.max_memory() - before
    print(f"{name}: {cost[name] / 1e6:.0f} MB, of {data.nbytes / 1e6:.0f} MB in all")
assert all(rows == [data[row].tobytes() for row in wanted] for rows in found.values())
assert cost["slices, 40 chunks"] < 1e6
assert cost["take, 1 chunk"] < 1e6
assert cost["take, 40 chunks"] > 0.9 * data.nbytes
PYTHON
