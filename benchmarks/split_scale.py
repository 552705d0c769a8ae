"""What ``split`` costs with many images: seconds, CPU seconds and memory for each million, and of a batch of labels.

    python -m benchmarks.split_scale [--images 1000000 10000000] [--base CHECKOUT]

Makes an index of so many images of 8 x 8 pixels (random; one in 200 a near-duplicate of another), 3,000 of them labeled by a
CSV file, in shards of a million, and runs ``split`` in team mode in a process of its own; then 300 further labels come, and it
runs again. ``--base``: the same rows in the layout of before the image store, split by the code of a checkout of that time
(23d94ea), in turns; images without an entry in its column are beyond what it can do here. Memory is the peak of the process;
"beyond the start" subtracts what a split of 100 images takes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from multiprocessing import Process
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.config import ImageSpec
from ssgan.data import schema
from ssgan.data.digests import draws
from ssgan.data.image_shards import INDEX_ROWS, ROW_GROUP_BYTES, of_rows, write_shard
from ssgan.data.index import index_schema
from ssgan.data.row_writer import numbers

SPEC, SHARD, LABELS, BATCH = ImageSpec(1, 8, "fit"), 1_000_000, 3000, 300
MIB = 1 << 20

RUN = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
from pipelines import split
start = time.perf_counter(), sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
split.run()
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([time.perf_counter() - start[0], sum(used[:2]) - start[1], used.ru_maxrss / 1024]))
"""


def make(folder: Path, count: int, builds: list[str]) -> None:
    """A project for each build, with the same rows in its layout, and the two label files."""
    for which in builds:
        (folder / which / "data").mkdir(parents=True)
        none = schema.duplicates_schema().empty_table()
        none = none if which == "now" else none.set_column(0, "id", pa.array([], pa.string()))
        pq.write_table(none, folder / which / "data/duplicates.parquet")
        (folder / which / "params.yaml").write_text("split: {mode: team, labels: labels.csv}\n")
    random = np.random.default_rng(0)
    labeled: list[str] = []
    for number, start in enumerate(range(0, count, SHARD)):
        n = min(SHARD, count - start)
        ids = np.sort(np.frombuffer(random.bytes(32 * n), "S32"))
        rows = np.ascontiguousarray(ids).view(np.uint8).reshape(n, 32)
        pixels = random.integers(0, 255, (n, 64), dtype=np.uint8)
        phash = random.integers(0, 2**64, n, dtype=np.uint64)
        again = np.arange(0, n - 1, 200)
        pixels[again + 1], phash[again + 1] = pixels[again] + 1, phash[again]
        paths = pa.array([f"pool/{i:08d}.png" for i in range(start, start + n)])
        write_now(folder / "now/data", f"{number:05d}.parquet", rows, pixels, phash, paths)
        if "base" in builds:
            write_base(folder / "base/data/images", f"{number:05d}.parquet", rows, pixels, phash, paths)
        every = random.choice(n, min(n, (LABELS + BATCH) * n // count + 1), replace=False)
        labeled += [rows[i].tobytes().hex() for i in every.tolist()]
    lines = [f"{one},class-{i % 10}\n" for i, one in enumerate(labeled[: LABELS + BATCH])]
    (folder / "first.csv").write_text("sha256,label\n" + "".join(lines[:-BATCH]))
    (folder / "second.csv").write_text("sha256,label\n" + "".join(lines))


def write_now(data: Path, name: str, ids: Any, pixels: Any, phash: Any, paths: pa.Array) -> None:
    """One shard of the image store and its index."""
    for kind in ("images", "index"):
        (data / kind).mkdir(parents=True, exist_ok=True)
    n, step = len(ids), ROW_GROUP_BYTES // SPEC.bytes
    groups = ([schema.binary(ids[at : at + step]), schema.binary(pixels[at : at + step])] for at in range(0, n, step))
    write_shard(data / "images" / name, of_rows(schema.images_schema(SPEC, {}), ids), groups)
    tiles = pixels.reshape(n, 4, 2, 4, 2).astype(np.uint16).sum(axis=(2, 4)) // 4
    thumbs = schema.binary(tiles.reshape(n, 16).astype(np.uint8))
    whole = [schema.binary(ids), paths, *constants(n), *(pa.nulls(n, pa.string()) for _ in range(2))]
    whole += [numbers(phash, pa.uint64()), thumbs, numbers(digest(pixels), pa.uint64()), numbers(draws(ids), pa.uint64())]
    parts = ([column.slice(at, INDEX_ROWS) for column in whole] for at in range(0, n, INDEX_ROWS))
    write_shard(data / "index" / name, of_rows(index_schema(SPEC, {}), ids), parts)


def write_base(images: Path, name: str, ids: Any, pixels: Any, phash: Any, paths: pa.Array) -> None:
    """One shard as it was before the store: everything in one file, ids as text."""
    images.mkdir(parents=True, exist_ok=True)
    n = len(ids)
    columns = {"id": schema.hex_ids(pa.chunked_array([schema.binary(ids)])), "path": paths}
    columns |= dict(zip(("height", "width", "mode"), constants(n), strict=True))
    columns |= {name: pa.nulls(n, pa.string()) for name in ("folder_class", "official_split")}
    columns |= {"phash": numbers(phash, pa.uint64()), "pixels": schema.binary(pixels)}
    about = {"schema_version": 1, **SPEC._asdict(), "classes": [], "made_by": {}}
    text = json.dumps(about, sort_keys=True).encode()
    nullable = ("folder_class", "official_split")
    fields = [pa.field(one, column.type, nullable=one in nullable) for one, column in columns.items()]
    layout = pa.schema(fields, metadata={schema.METADATA_KEY: text})
    options: dict[str, Any] = {"compression": "NONE", "use_dictionary": False, "write_statistics": False}
    pq.write_table(pa.Table.from_arrays([*columns.values()], schema=layout), images / name, row_group_size=16_384, **options)


def constants(n: int) -> list[pa.Array]:
    """height, width and mode of n images."""
    side = numbers(np.full(n, 8, np.int32), pa.int32())
    return [side, side, pa.array(["L"]).take(numbers(np.zeros(n, np.int32), pa.int32()))]


def digest(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """(N,) a number for each of N images that differs where they do (they are random)."""
    return np.ascontiguousarray(pixels[:, :8]).view(np.uint64)[:, 0]


def run(project: Path, code: Path) -> list[float]:
    """Seconds, CPU seconds and MiB at the peak of one split."""
    command = [sys.executable, "-c", RUN, str(code)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{project}: {done.stderr[-2000:]}")
    return [float(one) for one in json.loads(done.stdout.splitlines()[-1])]


def measure(count: int, builds: dict[str, Path], start: dict[str, float]) -> None:
    """Print a line for every build and batch. start: MiB of each build with hardly any image, filled by the first call."""
    with tempfile.TemporaryDirectory(prefix=f"ssgan-{count}-") as name:
        folder = Path(name)
        maker = Process(target=make, args=(folder, count, list(builds)))  # or its memory would count as that of the runs
        maker.start()
        maker.join()
        for batch in ("first", "second"):
            for which, code in builds.items():
                shutil.copy(folder / f"{batch}.csv", folder / which / "labels.csv")
                seconds, cpu, peak = run(folder / which, code)
                start.setdefault(which, peak)
                each = (peak - start[which]) * MIB / count
                title = f"{count:>11,}  {which:5} {'first split' if batch == 'first' else '+300 labels':12}"
                near = json.loads((folder / which / "data/splits/split.json").read_text())["near_duplicates"]
                pairs = f"{near['confirmed_pairs']:,} pairs, {near['images_cut_short']:,} images cut short"
                rest = f"{cpu / count * 1e6:6.1f} a million {peak:7.0f} MiB {each:5.0f} B an image beyond the start, {pairs}"
                print(f"{title} {seconds:7.1f} s {cpu:7.1f} CPU s {rest}", flush=True)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--base", type=Path)
    options = parser.parse_args()
    builds = {"now": Path(__file__).resolve().parents[1]} | ({"base": options.base.resolve()} if options.base else {})
    start: dict[str, float] = {}
    for count in [LABELS + BATCH + 100, *options.images]:
        measure(count, builds, start)


if __name__ == "__main__":
    main()
