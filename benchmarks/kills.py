"""Kill a training, its pipeline, or a rival in the same project, at random moments, and see what is lost.

    python -m benchmarks.kills [--rounds 4] [--kills 3] [--seed 0] [--steps 400] [--kinds inline ray repro racers]

A project on handwritten digits is trained once without disturbance. Then, in each round, a copy of it is trained again while
the command and its processes are killed with SIGKILL, up to KILLS times, each time after a random (seeded) part of the time
that the undisturbed training took; the command after the last kill is left alone.

inline, ray: ``ssgan train`` in one process, and under Ray. repro: ``dvc repro``, of all stages. racers: nothing is killed, but
three ``ssgan train`` start at once in one project.

Prints a table: kills that came before the end of a command, runs whose final weights are those of the undisturbed run byte for
byte, commands that failed, and temporary folders that were left behind when all was over.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import yaml
from sklearn.datasets import load_digits

from ssgan.scratch import PREFIX, sweep

MODELS = tuple(f"runs/train/{role}/last/model.safetensors" for role in ("main", "twin"))
SSGAN = (sys.executable, "-m", "ssgan")
DVC = (sys.executable, "-m", "dvc")
KINDS = {"inline": (*SSGAN, "train"), "ray": (*SSGAN, "train"), "repro": (*DVC, "repro"), "racers": (*SSGAN, "train")}
LIMIT_S = 900


class Outcome(NamedTuple):
    """Of one round."""

    kills: int
    equal: bool
    failed: int
    refused: int


def main() -> None:
    """Parse the arguments, disturb, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--kills", type=int, default=3, help="at most, in a round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--kinds", nargs="*", choices=tuple(KINDS), default=list(KINDS))
    arguments = parser.parse_args()
    print("| what | rounds | kills | same weights | failed by themselves | refused | folders left behind |")
    print("|---|---|---|---|---|---|---|")
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory(prefix="ssgan-kills-") as folder:
            print(row(kind, Path(folder), arguments), flush=True)


def row(kind: str, folder: Path, arguments: argparse.Namespace) -> str:
    """A line of the table."""
    (folder / "tmp").mkdir()
    seed, whole = project(folder / "seed", kind, arguments.steps), folder / "whole"
    shutil.copytree(seed, whole)
    began = time.monotonic()
    if start(kind, whole).wait(LIMIT_S):
        raise SystemExit(f"the undisturbed run failed:\n{log(whole).read_text()}")
    alone_s = time.monotonic() - began
    chance = random.Random(f"{arguments.seed}-{kind}")
    found = []
    for number in range(arguments.rounds):
        here = folder / f"round-{number}"
        shutil.copytree(seed, here)
        moments = [chance.uniform(0.1, 0.95) * alone_s for _ in range(arguments.kills)]
        found.append(race(here, whole) if kind == "racers" else disturb(kind, here, whole, moments))
    kills, equal, failed, refused = (sum(column) for column in zip(*found, strict=True))
    return f"| {kind} | {len(found)} | {kills} | {equal} | {failed} | {refused} | {left_behind(folder / 'tmp')} |"


def project(folder: Path, kind: str, steps: int) -> Path:
    """Handwritten digits, 40 labels; ingested and split but for ``dvc repro``, which does all."""
    digits, classes = load_digits(return_X_y=True)
    for number, (image, k) in enumerate(zip(digits, classes, strict=True)):
        path = folder.parent / f"digits/{k}/{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), (image.reshape(8, 8) * 255 / 16).astype(np.uint8))
    images = ("--images", str(folder.parent / "digits"), "--mode", "benchmark", "--image-size", "8", "--channels", "1")
    run(folder.parent, *SSGAN, "init", folder.name, *images)
    parameters = yaml.safe_load((folder / "params.yaml").read_text())
    parameters["method"] = {"name": "feature_matching", "options": {}}
    parameters["net"] |= {"family": "mlp", "width": 0.5}
    parameters["features"]["backbone"] = None
    parameters["split"]["num_labels"] = 40
    backend = "ray" if kind == "ray" else "inline"
    parameters["train"] |= {"steps": steps, "val_every": 50, "checkpoint_every": 25, "cpus_per_worker": 1, "backend": backend}
    (folder / "params.yaml").write_text(yaml.safe_dump(parameters))
    if kind != "repro":
        for stage in ("ingest", "split"):
            run(folder, *SSGAN, stage)
    return folder


def run(folder: Path, *command: str) -> None:
    """A command that has to succeed."""
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")


def environment(folder: Path) -> dict[str, str]:
    """Of commands in a project: temporary files lie where they can be counted; this Python's commands come first."""
    temporary = folder.parent / "tmp"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}


def log(folder: Path) -> Path:
    """What the commands in a project print."""
    return folder.with_suffix(".log")


def start(kind: str, folder: Path) -> subprocess.Popen[bytes]:
    """The command of a kind, with its processes in a group of its own."""
    with log(folder).open("ab") as file:
        return subprocess.Popen(
            KINDS[kind], cwd=folder, env=environment(folder), stdout=file, stderr=file, start_new_session=True
        )


def disturb(kind: str, folder: Path, whole: Path, moments: list[float], /) -> Outcome:
    """Kill the command after each of ``moments``, in seconds, and leave the last one alone."""
    kills = failed = 0
    for moment in moments:
        process = start(kind, folder)
        try:
            failed += process.wait(moment) != 0
            break  # it had ended
        except subprocess.TimeoutExpired:
            kill(process)
            kills += 1
    else:
        failed += start(kind, folder).wait(LIMIT_S) != 0
    return Outcome(kills, equal(folder, whole), failed, refused=0)


def kill(process: subprocess.Popen[bytes]) -> None:
    """The command and all of its group; what it had started in other groups ends by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def race(folder: Path, whole: Path) -> Outcome:
    """Three trainings at once."""
    rivals = [start("racers", folder) for _ in range(3)]
    codes = [one.wait(LIMIT_S) for one in rivals]
    refused = log(folder).read_text().count("another training runs in this project")
    return Outcome(0, equal(folder, whole), sum(code != 0 for code in codes) - refused, refused)


def equal(folder: Path, whole: Path) -> bool:
    """The final weights of both models, byte for byte."""
    return all((folder / one).exists() and (folder / one).read_bytes() == (whole / one).read_bytes() for one in MODELS)


def left_behind(temporary: Path) -> int:
    """Temporary folders of ours, after the clean-up that every next start does for those that are older than a minute."""
    for path in temporary.glob(f"{PREFIX}*"):
        os.utime(path, (time.time() - 3600,) * 2)
    tempfile.tempdir = str(temporary)
    sweep()
    tempfile.tempdir = None
    return sum(path.name.startswith("ssgan") for path in temporary.iterdir())


if __name__ == "__main__":
    main()
