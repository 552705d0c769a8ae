"""What a cluster costs, on two local Ray nodes with one CPU each and an S3 server on this machine.

* Submission: seconds from the start of ``ssgan submit`` to the end of the first step, by parts.
* Ray Train: a step as a job on the cluster, against the same steps in one plain process, full width and tiny.
* Scaling: the same global batch on one worker and on two (one thread each; they share this machine's cores).
* Checkpoints: what the loop waits for them, with storage of different speed.

Everything is measured in turns, ``--rounds`` times; ratios are within a round. ``--json`` keeps the figures for the model of
``benchmarks/scale.py``.

    python -m benchmarks.cluster --rounds 3 --json cluster.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.on_cluster import stall
from benchmarks.on_cluster.world import BUCKET, MAIN, TINY, Trained, nodes, storage, train, write_project
from ssgan.data.files import SplitFiles

PARTS = (  # what ends with which mark
    ("start of the command, identity of the run", "identity known"),
    ("splits into S3", "published"),
    ("bundle of code and parameters", "bundled"),
    ("upload, submission accepted", "sent"),
    ("job's process starts", "driver starts"),
    ("imports, data found, submission compared", "versions compared"),
    ("connected to Ray", "Ray connected"),
    ("Ray Train's controller and worker up", "worker up"),
    ("imports in the worker, versions compared", "versions compared (worker)"),
    ("data read, networks made", "data read"),
    ("first step", "first step"),
)
JOBS = ("main, 1 worker", "main, 2 workers", "tiny, 1 worker", "tiny, 2 workers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=28, help="height and width of the images, pixels")
    parser.add_argument("--steps", type=int, default=120, help="of the full network; the tiny one does 5 times as many")
    parser.add_argument("--json", type=Path, help="write the medians there")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ssgan-cluster-"))
    try:
        figures = measured(folder, arguments.rounds, arguments.size, arguments.steps)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


def measured(folder: Path, rounds: int, size: int, steps: int) -> dict[str, Any]:
    """Measure and print all; returns the medians."""
    runs: dict[str, list[Trained]] = {}
    with storage(folder) as keys:
        project = write_project(folder, size)
        os.environ.update(keys)
        began = time.monotonic()
        with nodes(folder, keys) as cluster:
            print(f"two nodes up after {time.monotonic() - began:.1f} s", flush=True)
            for number in range(rounds):
                for name, one in one_round(project, keys, cluster, steps, number):
                    runs.setdefault(name, []).append(one)
                    print(f"  round {number + 1}, {name}: {one.step_ms:.2f} ms a step, {one.seconds:.1f} s in all", flush=True)
            began = time.monotonic()
        print(f"two nodes stopped after {time.monotonic() - began:.1f} s", flush=True)
        stalls = measure_stalls(SplitFiles(str(project / "data/splits")), rounds, steps)
    return {"submission": print_parts(runs), "steps": print_steps(runs), "stall": print_stalls(stalls)}


def one_round(project: Path, keys: dict[str, str], cluster: Any, steps: int, seed: int) -> Iterable[tuple[str, Trained]]:
    """Every variant once."""
    for kind, net, count in (("main", MAIN, steps), ("tiny", TINY, 5 * steps)):
        yield f"{kind}, plain process", train(project, keys, None, net, count, seed=seed)
        for workers in (1, 2):
            name = f"{kind}, {workers} worker{'s' * (workers > 1)}"
            yield name, train(project, keys, cluster, net, count, seed=seed, num_workers=workers)


def measure_stalls(files: SplitFiles, rounds: int, steps: int) -> dict[str, list[stall.Stall]]:
    """Four checkpoints, the last one at the end."""
    import torch

    torch.set_num_threads(1)
    found: dict[str, list[stall.Stall]] = {}
    for number in range(rounds):
        for name, (url, rate, on_the_way) in stall.variants(f"s3://{BUCKET}/{uuid.uuid4().hex}").items():
            one = stall.measure(files, MAIN, 2 * steps, steps // 2 if on_the_way else 2 * steps, url, rate)
            found.setdefault(name, []).append(one)
            print(f"  round {number + 1}, {name}: loop {one.loop_s:.1f} s", flush=True)
    return found


def spread(values: Iterable[float], digits: int = 2) -> str:
    """``median (lowest to highest)``."""
    v = list(values)
    return f"{statistics.median(v):.{digits}f} ({min(v):.{digits}f} to {max(v):.{digits}f})"


def print_parts(runs: dict[str, list[Trained]]) -> dict[str, float]:
    """From the command to the first step, over the jobs with one worker and the full network."""
    jobs = runs[JOBS[0]] + runs[JOBS[2]]
    found = {}
    print(f"\nFrom `ssgan submit` to the end of the first step, seconds, {len(jobs)} jobs with one worker")
    last = [0.0] * len(jobs)
    for name, mark in PARTS:
        at = [job.marks[mark] for job in jobs]
        took = [now - before for now, before in zip(at, last, strict=True)]
        last, found[name] = at, statistics.median(took)
        print(f"  {name:45}{spread(took)}")
    found["all"] = statistics.median(last)
    print(f"  {'all':45}{spread(last)}")
    after = [job.seconds - job.marks["first step"] for job in jobs]
    print(f"  {'for comparison: the rest of the command':45}{spread(after)}")
    return found


def print_steps(runs: dict[str, list[Trained]]) -> dict[str, float]:
    """Steps, overhead of Ray Train, scaling."""
    print("\nmilliseconds a step, median (lowest to highest of the rounds)")
    for name, ones in runs.items():
        print(f"  {name:28}{spread(one.step_ms for one in ones)}")
    for kind in ("main", "tiny"):
        plain, one, two = (runs[f"{kind}, {who}"] for who in ("plain process", "1 worker", "2 workers"))
        overhead = [a.step_ms / b.step_ms for a, b in zip(one, plain, strict=True)]
        gain = [a.step_ms / b.step_ms for a, b in zip(one, two, strict=True)]
        print(f"  {kind}: Ray Train / plain process {spread(overhead)}; steps/s with 2 workers / with 1 {spread(gain)}")
    return {name: statistics.median(one.step_ms for one in ones) for name, ones in runs.items()}


def print_stalls(stalls: dict[str, list[stall.Stall]]) -> dict[str, Any]:
    """What the loop waits for."""
    print(
        "\ncheckpoints: seconds of a `save` as the loop sees it; seconds of its upload; share of the loop; loop / loop without"
    )
    bare = stalls["no checkpoint on the way"]
    found: dict[str, Any] = {"bytes": bare[0].size}
    print(f"  {bare[0].size / 1e6:.1f} MB each")
    for name, ones in stalls.items():
        ratio = spread(one.loop_s / b.loop_s for one, b in zip(ones, bare, strict=True))
        saves = spread(one.save_s for one in ones) if ones[0].saves else "none"
        uploads = spread(statistics.median(one.uploads) for one in ones)
        print(f"  {name:28}{saves:24}{uploads:24}{spread(100 * one.waited_share for one in ones)} %   {ratio}")
        found[name] = {
            "save_s": statistics.median(one.save_s for one in ones) if ones[0].saves else 0.0,
            "upload_s": statistics.median(statistics.median(one.uploads) for one in ones),
            "waited_share": statistics.median(one.waited_share for one in ones),
        }
    return found


if __name__ == "__main__":
    main()
