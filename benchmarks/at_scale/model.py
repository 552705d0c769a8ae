"""Hours, bytes and money at sizes that were not run: pure functions of constants that were measured, or assumed.

Letters: N images, W GPUs (workers). Seconds unless a name says otherwise. A quantity of the world that was not measured here
is a ``Guess`` with a range; each figure is made at its best, middle and worst end, so that a reader sees how far to trust it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

End = Literal["best", "middle", "worst"]
GIB, SHARD_BYTES, PAGE = 1 << 30, 64 << 20, 1000  # PAGE: keys in one answer of S3's listing
PASSES = 4  # times that a worker opens every shard before the first step: rows, two streams, the first batch
TRIPS = 4  # of the pixels in split: read, scratch file written, read again, sets written
COPIES = 3  # of the pixels: images, splits, published splits
MAX_COMPARISONS, CHOICES, BUCKET_BITS = 500_000_000, 35, 64 * 3 / 7  # of the search for near-duplicates, at 4 bits
BYTES_PER_PARAMETER = 4


class Guess(NamedTuple):
    """An assumption: its best, middle and worst value, its unit, and why."""

    best: float
    middle: float
    worst: float
    unit: str
    why: str


ASSUMED: dict[str, Guess] = {
    "gpu_flop_per_s": Guess(
        312e12, 312e12, 312e12, "FLOP/s", "published peak of one A100, bf16 dense; set it to that of your GPU"
    ),
    "utilization": Guess(0.30, 0.10, 0.03, "share of the peak", "small networks and eager PyTorch stay far below the peak"),
    "step_overhead_s": Guess(0.005, 0.015, 0.040, "s/step", "kernel launches, and the latency of small all-reduces"),
    "reduce_bytes_per_s": Guess(100e9, 20e9, 2e9, "bytes/s", "gradient all-reduce: one machine, fast network, slow network"),
    "batch_per_gpu": Guess(
        256, 128, 64, "images", "the global batch size grows with the number of GPUs; accuracy at such sizes was not tested"
    ),
    "cores_per_gpu": Guess(24, 12, 6, "cores", "typical of cloud GPU instances"),
    "core_speed": Guess(1.0, 1.0, 0.5, "relative to the reference machine", "a vCPU is often half a physical core"),
    "raw_bytes": Guess(10e3, 50e3, 200e3, "bytes/file", "small images to phone photos"),
    "node_bytes_per_s": Guess(3e9, 1e9, 0.3e9, "bytes/s per 8 GPUs", "S3 to one machine over many connections"),
    "listing_page_s": Guess(0.05, 0.1, 0.3, "s/1,000 keys", "one response of the S3 listing API; responses are sequential"),
    "footer_s": Guess(0.02, 0.06, 0.2, "s/shard", "two or three requests to a remote S3; the local server is faster"),
    "publish_bytes_per_s": Guess(1e9, 0.2e9, 0.05e9, "bytes/s", "one machine to a remote S3"),
    "memory_bytes": Guess(1000e9, 256e9, 64e9, "bytes", "of the machine that runs ingest and split"),
    "disk_bytes": Guess(20e12, 4e12, 1e12, "bytes", "its local disk"),
    "disk_bytes_per_s": Guess(3e9, 1e9, 0.2e9, "bytes/s", "the same disk: several NVMe drives to a network disk"),
    "similar_level": Guess(0.05, 0.1, 1.0, "share of pairs", "images whose mean gray differs by at most 6 levels"),
}


class Prices(NamedTuple):
    """What a user puts in; in the tables these are no one's offer."""

    gpu_hour: float = 2.5
    core_hour: float = 0.05
    tb_month: float = 23.0


@dataclass(frozen=True)
class World:
    """All numbers of one end. ``measured`` are values of constants.json, ``assumed`` those of ASSUMED."""

    measured: Mapping[str, float]
    assumed: Mapping[str, float]

    def __getitem__(self, name: str) -> float:
        return self.assumed[name] if name in self.assumed else self.measured[name]

    def but(self, **changes: float) -> World:
        return replace(self, assumed={**self.assumed, **changes})


def world(measured: Mapping[str, float], end: End = "middle") -> World:
    return World(measured, {name: getattr(guess, end) for name, guess in ASSUMED.items()})


class Bound(NamedTuple):
    """Seconds, and what they are spent on most."""

    seconds: float
    what: str


def _longest(parts: dict[str, float]) -> Bound:
    what = max(parts, key=parts.__getitem__)
    return Bound(parts[what], what)


def ingest(w: World, n: float, gpus: int) -> Bound:
    """Parts run at the same time: the slowest one counts."""
    cores = w["cores_per_gpu"] * gpus * w["core_speed"]
    return _longest(
        {
            "decoding": n * w["decode_core_s"] / cores,
            "one driver": n * w["ingest_driver_s"] / w["core_speed"],
            "reading raw files": n * w["raw_bytes"] / (w["node_bytes_per_s"] * max(1.0, gpus / 8)),
            "listing the bucket": n / PAGE * w["listing_page_s"],
        }
    )


def split(w: World, n: float) -> Bound:
    """One process, whatever the cluster: rows one after the other, and the pixels through its disk."""
    rows, disk = n * w["split_row_s"] / w["core_speed"], TRIPS * n * w["image_bytes"] / w["disk_bytes_per_s"]
    return Bound(rows + disk, "pixels through one disk" if disk > rows else "rows in one process")


def publish(w: World, n: float) -> Bound:
    """The submitter puts the splits into S3."""
    return Bound(n * w["image_bytes"] / w["publish_bytes_per_s"], "upload by one machine")


def shards(w: World, n: float) -> float:
    """Objects of one copy of the pixels."""
    return n * w["image_bytes"] / SHARD_BYTES


def start(w: World, n: float) -> Bound:
    """From the submission to the first step."""
    opening = PASSES * shards(w, n) * w["footer_s"] if n * w["image_bytes"] > w["memory_budget"] else 0.0
    return Bound(w["submission_s"] + opening, "opening shards" if opening > w["submission_s"] else "Ray and imports")


def one_epoch(w: World, n: float, gpus: int) -> Bound:
    """Every unlabeled image once in each stream; compute and reading at the same time, averaging of gradients after compute."""
    batch = w["batch_per_gpu"]
    steps = n / (batch * gpus)
    compute = w["flop_per_image"] * batch / (w["gpu_flop_per_s"] * w["utilization"]) + w["step_overhead_s"]
    reduce = 2 * (gpus - 1) / gpus * BYTES_PER_PARAMETER * w["parameters"] / w["reduce_bytes_per_s"]
    read = 2 * batch * w["image_bytes"] / (w["stream_bytes_per_s"] * w["core_speed"])
    parts = {"reading and shuffling": steps * read, "GPU": steps * compute, "gradient all-reduce": steps * reduce}
    if steps * read > steps * (compute + reduce):
        return Bound(steps * read, "reading and shuffling")
    return Bound(steps * (compute + reduce), "GPU" if compute > reduce else max(parts, key=parts.__getitem__))


def whole(w: World, n: float, gpus: int) -> dict[str, Bound]:
    """Every stage, in order."""
    return {
        "ingest": ingest(w, n, gpus),
        "split": split(w, n),
        "publish": publish(w, n),
        "start": start(w, n),
        "one epoch": one_epoch(w, n, gpus),
    }


def bottleneck(stages: Mapping[str, Bound]) -> str:
    """The stage that takes longest, and on what."""
    name = max(stages, key=lambda stage: stages[stage].seconds)
    return f"{name}: {stages[name].what}"


def cost(w: World, n: float, gpus: int, prices: Prices) -> float:
    """GPUs from start to the end of one epoch; their cores while ingesting, one machine (8 GPUs' cores) while splitting and
    publishing; a month of storage."""
    stages = whole(w, n, gpus)
    gpu = gpus * (stages["start"].seconds + stages["one epoch"].seconds) / 3600 * prices.gpu_hour
    alone = (stages["split"].seconds + stages["publish"].seconds) * 8 * w["cores_per_gpu"]
    cores = (stages["ingest"].seconds * gpus * w["cores_per_gpu"] + alone) / 3600 * prices.core_hour
    return gpu + cores + n * (COPIES * w["image_bytes"] + w["raw_bytes"]) / 1e12 * prices.tb_month


class Break(NamedTuple):
    """N from which on something no longer works, or no longer in a day (an hour, for a start)."""

    images: float
    what: str


def breaks(w: World) -> list[Break]:
    """What breaks first as N grows, in order."""
    found = [
        Break(w["memory_bytes"] / w["split_row_bytes"], "memory of split: the index of all images is in one process"),
        Break(w["memory_bytes"] / w["ingest_row_bytes"], "memory of ingest: the ids of all images are a set of Python objects"),
        Break(w["disk_bytes"] / w["image_bytes"], "disk of split: a scratch file holds the pixels of all images"),
        Break(
            (2 * MAX_COMPARISONS * 2**BUCKET_BITS / (CHOICES * w["similar_level"])) ** 0.5,
            "near-duplicates: the comparison limit is reached even with evenly distributed hashes; later ones are missed",
        ),
        Break(86_400 / publish(w, 1).seconds, "publishing takes a day"),
        Break(86_400 / split(w, 1).seconds, "splitting takes a day"),
        Break(
            86_400 / ingest(w, 1, 64).seconds, f"ingest on the cores of 64 GPU instances takes a day ({ingest(w, 1, 64).what})"
        ),
        Break(
            3600 * SHARD_BYTES / (PASSES * w["footer_s"] * w["image_bytes"]),
            "startup takes an hour: every worker opens every shard sequentially",
        ),
    ]
    return sorted(found)
