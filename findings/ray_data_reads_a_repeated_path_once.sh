#!/usr/bin/env bash
# ray.data.read_parquet with a path named three times counts its rows three times and yields them once.
#
# Version: ray 2.60.0 (ray[data]).
# Source: datasource_v2/common/file_reader.py drops repeated paths of a split, for it expects repeats only as row
#   groups of one file. count() of a dataset that was only read takes another way, which counts each path of the list.
# Behavior: four rows, the path three times: count() is 12, iteration yields 4. With the former reader
#   (DataContext.use_datasource_v2 = False) both are 12, and a union of three datasets is 12 as well. No warning.
# Why it matters: naming the labeled shard several times is the plain way to oversample few labels against many
#   unlabeled images. Here it has no effect, and the count that one would check it with says that it has.
#
# Seen:
#   default reader: count 12, rows 4
#   former reader: count 12, rows 12
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'ray[data]==2.60.0' 'fsspec[http]==2026.9.0' 'pyarrow==26.0.1' 'pandas==3.1.1' 'numpy==2.4.6'
cd "$folder"
RAY_USAGE_STATS_ENABLED=0 RAY_LOG_TO_STDERR=0 env/bin/python - <<'PYTHON'
import logging
import os

import pyarrow as pa
import pyarrow.parquet as pq
import ray

path = os.path.abspath("labeled.parquet")
pq.write_table(pa.table({"id": ["a", "b", "c", "d"], "label": [0, 1, 0, 1]}), path)
ray.init(
    address="local",
    num_cpus=2,
    object_store_memory=100 << 20,
    include_dashboard=False,
    log_to_driver=False,
    logging_level=logging.ERROR,
    _temp_dir=os.path.abspath("ray"),
)
logging.getLogger("ray.data").setLevel(logging.ERROR)
context = ray.data.DataContext.get_current()
context.enable_progress_bars = False


def sizes() -> tuple[int, int]:
    """What count says, and the rows that come."""
    rows = ray.data.read_parquet([path] * 3)
    return rows.count(), sum(len(batch["id"]) for batch in rows.iter_batches())


by_default = sizes()
context.use_datasource_v2 = False
by_former = sizes()
ray.shutdown()
print(f"default reader: count {by_default[0]}, rows {by_default[1]}")
print(f"former reader: count {by_former[0]}, rows {by_former[1]}")
assert by_default == (12, 4)
assert by_former == (12, 12)
PYTHON
