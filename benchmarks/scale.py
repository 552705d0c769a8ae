"""What would 10^6, 10^8, 10^9 images take, on 1, 8, 64 GPUs, and what breaks first? A model fitted to measurements.

    python -m benchmarks.cluster --json cluster.json           # measures the cluster
    python -m benchmarks.scale measure --cluster cluster.json  # measures the rest, writes at_scale/constants.json
    python -m benchmarks.scale document                        # writes docs/scale.md from it
    python -m benchmarks.scale show --set gpu_hour=1.9 utilization=0.2 raw_bytes=15e3

Formulas are in ``at_scale/model.py``, with all assumptions and their ranges. No GPU was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.at_scale import model
from benchmarks.at_scale.page import render
from ssgan.config import LoaderConfig

ROOT = Path(__file__).parents[1]
CONSTANTS = Path(__file__).parent / "at_scale/constants.json"
DOCUMENT = ROOT / "docs/scale.md"
ROWS = [100_000, 300_000]
MACHINE = "reference machine, 2 cores, shared with other jobs"


def constants() -> dict[str, dict[str, Any]]:
    """Name -> value, unit, source."""
    found: dict[str, dict[str, Any]] = json.loads(CONSTANTS.read_text())
    return found


def values() -> dict[str, float]:
    """Name -> value."""
    return {name: constant["value"] for name, constant in constants().items()}


def document() -> str:
    """docs/scale.md."""
    return render(constants())


def slope(points: list[dict[str, float]], key: str, of: str = "rows") -> float:
    """What each further row adds, from the smallest to the largest number of rows."""
    first, last = points[0], points[-1]
    return (last[key] - first[key]) / (last[of] - first[of])


def from_results(label: str, column: int) -> float:
    """The first number in a cell of a table in the log of ingest."""
    text = (ROOT / "docs/results/log/2026-11-23-ingest.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
    number = re.search(r"[\d,.]+", row.split("|")[1 + column])
    assert number, row
    return float(number[0].replace(",", ""))


def fitted(measured: Mapping[str, list[dict[str, float]]], cluster: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Constants out of measurements."""
    low, high = (f"{measured['ingest_driver'][i]['rows']:,.0f}" for i in (0, -1))
    own = f"`python -m benchmarks.scale measure`, {MACHINE}"
    between = f"{own}, growth from {low} to {high} rows"
    driver, split, pool = (measured[kind] for kind in ("ingest_driver", "split_rows", "pool"))
    footers, step = measured["footers"][-1], measured["step_cost"][-1]
    found = [
        (
            "decode_core_s",
            1e-6 * from_results("the same with threads", 2),
            "s/image",
            "docs/results/log/2026-11-23-ingest.md: 4,000 JPEG to 64x64",
        ),
        ("ingest_driver_s", slope(driver, "seconds"), "s/image, CPU", between),
        ("ingest_row_bytes", slope(driver, "bytes"), "bytes/image", between),
        ("split_row_s", slope(split, "seconds"), "s/image", f"{between}; 8x8 pixels, random hashes"),
        ("split_row_bytes", slope(split, "bytes"), "bytes/image", f"{between}; pixels lie on disk and do not count"),
        ("pool_row_bytes", slope(pool, "bytes", "unlabeled"), "bytes/image of 64 bytes", f"{between}; at its peak"),
        ("pool_held_bytes", slope(pool, "held", "unlabeled"), "bytes/image of 64 bytes", f"{between}; what stays"),
        (
            "image_bytes",
            3 * 64 * 64,
            "bytes/image",
            "64x64, 3 channels, uint8, not compressed (recipe `cats_dogs`)",
        ),
        ("memory_budget", LoaderConfig().memory_budget, "bytes", "default of `loader.memory_budget`"),
        ("local_footer_s", footers["local_s"], "s/shard", own),
        ("s3_footer_s", footers["s3_s"], "s/shard", f"{own}, S3 server on it"),
        ("s3_put_bytes_per_s", footers["put_bytes_per_s"], "bytes/s", f"{own}, S3 server on it"),
        ("s3_get_bytes_per_s", footers["get_bytes_per_s"], "bytes/s", f"{own}, S3 server on it"),
        (
            "stream_bytes_per_s",
            measured["streaming"][-1]["bytes_per_s"],
            "bytes/s and stream",
            f"{own}, 64x64 color, files in the page cache",
        ),
        (
            "flop_per_image",
            step["flop_per_image"],
            "FLOP/image",
            f"{own}, PyTorch's counter, `compact` at 64x64, feature matching",
        ),
        ("parameters", step["parameters"], "parameters", f"{own}, the same networks"),
        ("cpu_step_s", step["seconds_per_image"], "s/image, one thread", f"{own}, the same step"),
        ("cpu_val_s", step["val_s"], "s/image, one thread", f"{own}, the same classifier"),
        ("submission_s", cluster["submission"]["all"], "s", f"`python -m benchmarks.cluster`, {MACHINE}"),
        (
            "checkpoint_s",
            cluster["stall"]["folder of this machine"]["save_s"],
            "s",
            f"`python -m benchmarks.cluster`, {MACHINE}",
        ),
        ("checkpoint_bytes", cluster["stall"]["bytes"], "bytes", "`python -m benchmarks.cluster`, full `mlp` at 28x28"),
    ]
    return {name: {"value": float(f"{value:.4g}"), "unit": unit, "source": source} for name, value, unit, source in found}


def measure(cluster: Path, rows: list[int]) -> None:
    """Measure, and write constants.json."""
    from benchmarks.at_scale.measure import measure_all
    from benchmarks.on_cluster.world import BUCKET, storage

    with tempfile.TemporaryDirectory(prefix="ssgan-scale-s3-") as folder, storage(Path(folder)) as keys:
        os.environ.update(keys)
        os.environ["SSGAN_BENCHMARK_S3"] = f"s3://{BUCKET}/scale"
        found = fitted(measure_all(rows), json.loads(cluster.read_text()))
    CONSTANTS.write_text(json.dumps(found, indent=1) + "\n")


def show(changes: list[str]) -> None:
    """The table with other prices or assumptions, on the terminal."""
    given = {key: float(value) for key, _, value in (change.partition("=") for change in changes)}
    prices = model.Prices(**{key: given.pop(key) for key in list(given) if key in model.Prices._fields})
    unknown = given.keys() - model.ASSUMED.keys()
    if unknown:
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join([*model.Prices._fields, *model.ASSUMED])}")
    w = model.world(values()).but(**given)
    for n in (1e6, 1e8, 1e9):
        for gpus in (1, 8, 64):
            stages = model.whole(w, n, gpus)
            hours = ", ".join(f"{name} {bound.seconds / 3600:,.2f} h" for name, bound in stages.items())
            price = f"{model.cost(w, n, gpus, prices):,.0f}"
            sys.stdout.write(f"{n:.0e} images, {gpus:2} GPUs: {hours}; cost {price}; longest: {model.bottleneck(stages)}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--cluster", type=Path, required=True, help="what `python -m benchmarks.cluster --json` wrote")
    measuring.add_argument("--rows", type=int, nargs="+", default=ROWS)
    commands.add_parser("document")
    commands.add_parser("show").add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    if arguments.command == "measure":
        measure(arguments.cluster, arguments.rows)
    elif arguments.command == "document":
        DOCUMENT.write_text(document())
    else:
        show(arguments.set)


if __name__ == "__main__":
    main()
