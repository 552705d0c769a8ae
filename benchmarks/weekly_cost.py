"""What a weekly batch of labels costs a team: seconds of ``split``, bytes in DVC's cache, bytes pushed; two versions in turns.

    python -m benchmarks.weekly_cost [--base c7649d1] [--images 100000] [--side 28] [--channels 1] [--weeks 8] [--out FOLDER]

IMAGES different PNG files (smooth noise) lie in one folder. In week 0 all of them are ingested, 300 are labeled, split and
pushed. Every later week brings 1 % more images and 300 more labels. Both versions have a project of their own, made by
`ssgan init`, and do the same: `ssgan ingest`, `ssgan labels import`, `ssgan split` (its seconds are those of the process, with
the start of Python), `dvc commit` and `dvc push` to a SeaweedFS server of this machine. The folder of raw images is no
dependency of DVC here, which would hash its files for minutes in either version. BASE comes out of git, the other version is
the working tree.

Writes FOLDER/weekly-cost.md, .png and .jsonl; FOLDER is docs/results.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import secrets
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from matplotlib.figure import Figure

from infra.s3.local import REGION, make_bucket
from infra.s3.weed import Weed
from ssgan.machine import cores
from ssgan.storage.store import filesystem

ROOT = Path(__file__).parents[1]
BUCKET, CLASSES, LABELS, GROWTH = "weekly", 10, 300, 0.01
PARTS = ("images", "index", "splits")
Row = dict[str, Any]


class Version(NamedTuple):
    """One of the two: its name, the folder of its code, its project."""

    name: str
    code: Path
    project: Path

    def __call__(self, *command: str) -> tuple[float, float]:
        """Run ``python -m COMMAND`` in the project; seconds by the clock and of CPU."""
        start = time.perf_counter()
        environment = os.environ | {"PYTHONPATH": str(self.code)}
        with (self.project.parent / f"{self.name}.log").open("a") as log:
            child = subprocess.Popen([sys.executable, *command], cwd=self.project, env=environment, stdout=log, stderr=log)
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {child.returncode} in {self.project}; see {log.name}")
        return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Parse the arguments, measure, write the three files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="c7649d1", help="commit to compare with")
    parser.add_argument("--images", type=int, default=100_000, help="in week 0")
    parser.add_argument("--side", type=int, default=28, help="pixels")
    parser.add_argument("--channels", type=int, default=1, choices=(1, 3))
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weekly-cost-") as folder, storage(Path(folder) / "s3"):
        rows = measured(args, Path(folder))
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "weekly-cost.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (args.out / "weekly-cost.md").write_text(page(rows, sys.argv[1:]), encoding="utf-8")
        figure(rows).savefig(args.out / "weekly-cost.png", dpi=110)


@contextmanager
def storage(folder: Path) -> Iterator[None]:
    """An S3 server with one bucket, which the environment leads to."""
    folder.mkdir()
    keys = {"AWS_ACCESS_KEY_ID": secrets.token_hex(10), "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20)}
    with Weed(folder, keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]) as server:
        keys |= {"AWS_ENDPOINT_URL": server.endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        os.environ.update(keys | {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / "site"), "NO_PROXY": "127.0.0.1"})
        make_bucket(keys, BUCKET)
        yield


def measured(args: argparse.Namespace, work: Path) -> list[Row]:
    """A row for each week and version, the versions in turns."""
    versions = [Version("base", unpacked(args.base, work / "code"), work / "base"), Version("new", ROOT, work / "new")]
    names = {"base": args.base, "new": git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")}
    rows: list[Row] = []
    paths = make_images(work / "raw", 0, args.images, args)
    unlabeled = np.random.default_rng(0).permutation(paths).tolist()
    for one in versions:
        begin(one, args)
    for week in range(args.weeks + 1):
        if week:
            new = make_images(work / "raw", len(paths), round(GROWTH * args.images), args)
            paths, unlabeled = paths + new, unlabeled + new
        batch, unlabeled = unlabeled[:LABELS], unlabeled[LABELS:]
        for one in versions if week % 2 else versions[::-1]:
            pixels = len(paths) * args.channels * args.side**2
            rows.append({"week": week, "version": one.name, "commit": names[one.name], "images": len(paths), "pixels": pixels})
            rows[-1] |= one_week(one, batch, first=week == 0)
            print(rows[-1], flush=True)
    return sorted(rows, key=lambda row: (row["week"], row["version"]))


def unpacked(commit: str, folder: Path) -> Path:
    """The code of a commit."""
    data = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def make_images(folder: Path, first: int, count: int, args: argparse.Namespace) -> list[str]:
    """``count`` PNG files from number ``first`` on; their names."""
    folder.mkdir(exist_ok=True)

    def make(number: int) -> str:
        small = np.random.default_rng(number).integers(0, 255, (7, 7, args.channels), dtype=np.uint8)
        picture = cv2.resize(small, (args.side, args.side), interpolation=cv2.INTER_CUBIC)
        (folder / f"{number:08d}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        return f"{number:08d}.png"

    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(make, range(first, first + count)))


def begin(one: Version, args: argparse.Namespace) -> None:
    """A team's project with a ledger, and a remote of DVC."""
    one.project.mkdir()
    shape = ["--image-size", str(args.side), "--channels", str(args.channels)]
    one("-m", "ssgan", "init", ".", "--images", "../raw", "--labels", "labels", *shape)
    pipeline = one.project / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("      - ${data.source.path}\n", ""))
    remote = f"    remote = lab\n['remote \"lab\"']\n    url = s3://{BUCKET}/{one.name}\n"
    with (one.project / ".dvc/config").open("a") as config:
        config.write(remote + f"    endpointurl = {os.environ['AWS_ENDPOINT_URL']}\n")


def one_week(one: Version, batch: list[str], first: bool) -> Row:
    """Ingest, labels, split, commit, push: what they cost."""
    before, cache = pushed(one), one.project / ".dvc/cache/files"
    cached = size(cache)
    with (one.project / "batch.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((name, f"class-{int(name[:8]) % CLASSES}") for name in batch)])
    classes = [word for k in range(CLASSES) if first for word in ("--new-class", f"class-{k}")]
    ingest = one("-m", "ssgan", "ingest")
    one("-m", "ssgan", "labels", "import", "batch.csv", *classes)
    start = one("-c", "import pipelines.split")
    split = one("-m", "ssgan", "split")
    one("-m", "dvc", "commit", "--force", "--quiet", "ingest", "split")
    one("-m", "dvc", "push", "--quiet")
    found: Row = {"cache": size(cache), "cached": size(cache) - cached, "pushed": pushed(one) - before}
    for name, (clock, cpu) in {"ingest": ingest, "start": start, "split": split}.items():
        found |= {f"{name}_s": round(clock, 3), f"{name}_cpu_s": round(cpu, 3)}
    disk = {f"disk_{part}": size(one.project / "data" / part) for part in PARTS}
    return found | disk | {"disk": size(one.project / "data")}


def size(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def pushed(one: Version) -> int:
    """Bytes of all objects of a version."""
    fs, root = filesystem(f"s3://{BUCKET}/{one.name}")
    return int(sum(fs.du(root, total=False).values())) if fs.exists(root) else 0


# --- the page --------------------------------------------------------------------------------------------------------


def page(rows: list[Row], options: list[str]) -> str:
    """A table of all weeks, and what follows from it."""
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    lines = [
        "# What a weekly batch costs",
        "",
        f"`{' '.join(['python -m benchmarks.weekly_cost', *options])}`: {rows[0]['images']:,} images at first, 1 % more "
        f"and {LABELS} labels every week. Base: {rows[0]['commit']}; new: {rows[1]['commit']}. Both did the same, in turns, on "
        f"{cores()} cores. Seconds of `split` are of the whole process, CPU in brackets.",
        "",
        "![Cost by week](weekly-cost.png)",
        "",
        "| week | images | `split`, s: base | new | DVC's cache grew by, MB: base | new | pushed to S3, MB: base | new |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for base, new in pairs:
        cells = [f"{one['split_s']:.1f} ({one['split_cpu_s']:.1f})" for one in (base, new)]
        cells += [f"{one[key] / 1e6:.2f}" for key in ("cached", "pushed") for one in (base, new)]
        lines.append(f"| {base['week']} | {base['images']:,} | {' | '.join(cells)} |")
    note = "A week in which `ingest` joins small shards into a larger one stores and pushes that one (`ssgan/data/earlier.py`)."
    return "\n".join([*lines, "", *summary(pairs), "", note, ""])


def summary(pairs: list[tuple[Row, Row]]) -> list[str]:
    """Sums over the weeks after the first, and the disk at the end."""
    later, last = pairs[1:], pairs[-1]
    lines = []
    for key, what in (("cached", "Added to DVC's cache"), ("pushed", "Pushed")):
        sums = [sum(pair[i][key] for pair in later) / 1e6 for i in (0, 1)]
        lines.append(f"- {what} in weeks 1 to {len(later)}: {sums[0]:.1f} MB before, {sums[1]:.1f} MB now.")
    grown = last[0]["pixels"] - pairs[0][0]["pixels"]
    lines.append(f"- Pixels of the new images of these weeks: {grown / 1e6:.1f} MB.")
    parts = [", ".join(f"{part} {one[f'disk_{part}'] / one['pixels']:.2f}" for part in PARTS) for one in last]
    whole = [f"{one['disk'] / one['pixels']:.2f}" for one in last]
    lines.append(
        f"- `data/` at the end, as a multiple of its pixels: {whole[0]} before ({parts[0]}), {whole[1]} now ({parts[1]})."
    )
    start = [f"{one['start_cpu_s']:.1f}" for one in last]
    lines.append(f"- Of the CPU of `split`, the start of Python and imports are {start[0]} s before, {start[1]} s now.")
    return lines


def figure(rows: list[Row]) -> Figure:
    """Three panels by week."""
    drawn = Figure(figsize=(11, 3.4), layout="constrained")
    panels = (
        ("cache", 1e6, "DVC's cache, MB"),
        ("pushed", 1e6, "pushed in a week, MB"),
        ("split_cpu_s", 1, "`split`, seconds of CPU"),
    )
    for axes, (key, unit, title) in zip(drawn.subplots(1, 3), panels, strict=True):
        for version, color in (("base", "#888888"), ("new", "#1f6fb2")):
            chosen = [row for row in rows if row["version"] == version]
            label = f"{version} ({chosen[0]['commit']})"
            axes.plot([row["week"] for row in chosen], [row[key] / unit for row in chosen], "o-", color=color, label=label)
        axes.set(title=title, xlabel="week", ylim=(0, None))
    drawn.axes[0].legend()
    return drawn


if __name__ == "__main__":
    main()
