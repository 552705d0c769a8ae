#!/usr/bin/env bash
# fastparquet reads fixed-size binary without its trailing zero bytes: feature vectors lose their last zeros.
#
# Versions: fastparquet 2026.9.0; pyarrow 26.0.1 writes the file and reads it back as control.
# Source: fastparquet/converted_types.py and encoding.py map the type to NumPy's "S<length>", which drops trailing
#   zero bytes of each value. NumPy says so of that type (issue 2414 of numpy/numpy, NEP 58).
# Behavior: vectors of eight float16 numbers, 16 bytes each. Of a vector that ends in zeros only the bytes up to the
#   last one that is not zero come back, here 2 of 16. No error. Only a vector whose last byte is not zero is whole.
# Why it matters: fixed-size binary is the fast way to keep features in Parquet, and behind a ReLU many of them are 0.
#   Lengths differ from row to row, np.frombuffer gives shorter vectors or refuses, and joined rows are shifted
#   against each other.
#
# Seen:
#   pyarrow reads [16, 16, 16] bytes
#   fastparquet reads [2, 2, 16] bytes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'fastparquet==2026.9.0' 'pyarrow==26.0.1' 'pandas==3.1.1' 'numpy==2.4.6'
cd "$folder"
env/bin/python - <<'PYTHON'
import fastparquet
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

vectors = np.zeros((3, 8), np.float16)
vectors[:, 0] = (0.1, 0.2, 0.3)
vectors[2, 7] = 0.4
values = pa.array([row.tobytes() for row in vectors], pa.binary(16))
pq.write_table(pa.table({"id": ["a", "b", "c"], "vector": values}), "features.parquet")

control = [len(value) for value in pq.read_table("features.parquet")["vector"].to_pylist()]
found = fastparquet.ParquetFile("features.parquet").to_pandas()["vector"].map(len).tolist()
print(f"pyarrow reads {control} bytes")
print(f"fastparquet reads {found} bytes")
assert control == [16, 16, 16]
assert found == [2, 2, 16]
PYTHON
