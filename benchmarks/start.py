"""How long does the start of a command take, in this build and in others?

Each checkout (a folder with its own ``.venv``; default: this one) gets a copy of itself with a small project on handwritten
digits. In turns A B A B ..., ``--rounds`` times:

* ``ssgan train`` of a few steps with fresh storage, under Ray and inline: seconds from the start of the process to the end of
  the first step (marked in the process where it happens), of the whole command, and CPU seconds of all processes.
* The five stages of the demonstration (``--stages``): wall and CPU seconds of ``dvc repro``.
* ``ssgan doctor --help``, against ``python -c "import typer"`` of the same environment.

Ratios are within a round, against the first checkout. Other work on the machine blurs seconds more than ratios.

    python -m benchmarks.start /path/to/earlier . --rounds 5 --stages
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks.on_cluster.world import read_marks

HERE = Path(__file__).parents[1]
MARKS = "benchmarks/on_cluster/marks.py"  # each build's own: functions move
VARIABLE = "SSGAN_BENCHMARK_MARKS"
STEPS = 5
SUBREAPER = 36  # prctl(PR_SET_CHILD_SUBREAPER): orphans of Ray are ours to wait for, and their CPU seconds count
Figures = dict[str, float]  # name -> seconds


class Build(NamedTuple):
    """A checkout, and the copy of it in which its commands run."""

    name: str
    checkout: Path
    project: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Of a command: this build's programs first."""
        path = f"{self.checkout / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
        without = {key: value for key, value in os.environ.items() if key not in ("RAY_ADDRESS", "PYTHONPATH")}
        return {**without, "PATH": path, "DVC_NO_ANALYTICS": "1", **more}

    def call(self, *command: str, **more: str) -> Figures:
        """Wall and CPU seconds of a command and its processes. Raises SystemExit, with what it printed, if it fails."""
        before, began = _cpu(), time.monotonic()
        program = str(self.checkout / ".venv/bin" / command[0])
        done = subprocess.run(
            [program, *command[1:]], cwd=self.project, env=self.environment(**more), capture_output=True, text=True, check=False
        )
        wall = time.monotonic() - began
        if done.returncode:
            raise SystemExit(f"`{' '.join(command)}` of {self.checkout} failed:\n{done.stdout}{done.stderr}")
        return {"wall": wall, "CPU": _cpu() - before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "checkouts", nargs="*", type=Path, default=[HERE], help="folders with a .venv; the first is compared with"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stages", action="store_true", help="also the five stages of the demonstration, minutes a round")
    parser.add_argument("--backends", nargs="*", default=["ray", "inline"])
    arguments = parser.parse_args()
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    folder = Path(tempfile.mkdtemp(prefix="ssgan-start-"))
    try:
        builds = [prepare(checkout.absolute(), folder / str(n)) for n, checkout in enumerate(arguments.checkouts)]
        found = measured(builds, arguments.rounds, parts(arguments.backends, arguments.stages))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(table([build.name for build in builds], found))


def prepare(checkout: Path, folder: Path) -> Build:
    """A copy of what git has of a checkout, with splits, and with DVC but without git's history."""
    project = folder / "project"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{checkout}", str(project)], check=True)
    (folder / "marks").mkdir()
    shutil.copy(checkout / MARKS, folder / "marks/sitecustomize.py")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    build = Build(commit.stdout.strip(), checkout, project)
    build.call("ssgan", "ingest")
    build.call("ssgan", "split")
    return build


def parts(backends: Sequence[str], stages: bool) -> list[tuple[str, Callable[[Build], Figures]]]:
    """What is measured: a prefix of the figures' names, and the function that measures a build once."""
    trainings: list[tuple[str, Callable[[Build], Figures]]] = [
        (f"train, {backend}", partial(train, backend=backend)) for backend in backends
    ]
    commands = [("help", help_page), ("import typer", lambda build: build.call("python", "-c", "import typer"))]
    return [*trainings, *commands, *([("five stages", five_stages)] if stages else [])]


def measured(
    builds: Sequence[Build], rounds: int, measures: Sequence[tuple[str, Callable[[Build], Figures]]]
) -> dict[str, list[list[float]]]:
    """Figure -> for each build its values, one a round. The first round's order is turned round in the second, and so on."""
    found: dict[str, list[list[float]]] = {}
    for number in range(rounds):
        for part, measure in measures:
            order = range(len(builds)) if number % 2 == 0 else reversed(range(len(builds)))
            for index in order:
                figures = measure(builds[index])
                for name, value in figures.items():
                    found.setdefault(f"{part}: {name}", [[] for _ in builds])[index].append(value)
                said = ", ".join(f"{name} {value:.2f}" for name, value in figures.items())
                print(f"  round {number + 1}, {builds[index].name}, {part}: {said} (load {os.getloadavg()[0]:.1f})", flush=True)
    return found


def train(build: Build, backend: str) -> Figures:
    """A training of a few steps from nothing: seconds to the marks of its start, of the whole command, and CPU."""
    _forget(build.project, "storage", "runs")
    given = yaml.safe_load((build.checkout / "params.yaml").read_text())
    given["train"] |= {"backend": backend, "steps": STEPS, "val_every": STEPS, "checkpoint_every": STEPS, "twin": False}
    (build.project / "params.yaml").write_text(yaml.safe_dump(given))
    record, began = build.project.parent / "record", time.time()
    record.write_text("")
    took = build.call("ssgan", "train", PYTHONPATH=str(build.project.parent / "marks"), **{VARIABLE: str(record)})
    shutil.copy(build.checkout / "params.yaml", build.project / "params.yaml")
    marks = read_marks(record, began)
    return {**marks, "whole command": took["wall"], "CPU": took["CPU"]}


def five_stages(build: Build) -> Figures:
    """``dvc repro`` of the demonstration, nothing of it done before."""
    _forget(
        build.project, "storage", "runs", "data/images", "data/splits", "data/raw/digits", ".dvc/cache", "dvc.lock", "report"
    )
    return build.call("dvc", "repro", "--force", "--no-run-cache")


def help_page(build: Build) -> Figures:
    return build.call("ssgan", "doctor", "--help")


def table(names: Sequence[str], found: dict[str, list[list[float]]]) -> str:
    """A line for each figure: median (lowest to highest) of each build, and the ratio to the first within a round."""
    lines = ["", "seconds: median (lowest to highest)" + "; ratio to the first within a round" * (len(names) > 1)]
    lines.append(f"{'':44}" + "".join(f"{name:26}" for name in names))
    for figure, builds in found.items():
        cells = [spread(values) for values in builds]
        ratios = [
            spread([a / b for a, b in zip(values, builds[0], strict=True)])
            for values in builds[1:]
            if len(values) == len(builds[0])
        ]
        lines.append(f"{figure:44}" + "".join(f"{cell:26}" for cell in [*cells, *ratios]))
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """``median (lowest to highest)``."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else "none"


def _cpu() -> float:
    """CPU seconds of all child processes that have ended, orphans too."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _forget(project: Path, *names: str) -> None:
    for name in names:
        path = project / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
