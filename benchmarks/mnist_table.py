"""The deck's table on MNIST: methods against 20, 50, 100 and 200 labels, in three tracks, over draws of labels.

Labels are drawn at random, the same number of each class, the same draws for every row. All training images are unlabeled
images, none is kept for validation, and nothing is chosen: the averaged model after the last step is judged on test, once.
Each run is a line of JSON in WORK/runs.jsonl; runs that stand there are not run again, interrupted ones go on from their
checkpoint. The table holds what the options ask for, with the settings that rows have now.

    python -m benchmarks.mnist_table MNIST WORK --tracks C --labels 100 --seeds 3 --jobs 2
    python -m benchmarks.mnist_table MNIST WORK --print            only the table
    python -m benchmarks.mnist_table MNIST WORK --backend ray      trials of Ray Tune, here or on the cluster at RAY_ADDRESS
                                                                   whose nodes see both folders
    python -m benchmarks.mnist_table MNIST WORK --backend stack --jobs 40 --tracks A --rows "feature matching"
                                                                   40 runs as one, for a GPU: perceptrons only; not resumed

MNIST is a folder of PNG files, train/CLASS/*.png and test/CLASS/*.png.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.mnist.rows import LABELS, ROWS, TRACKS
from benchmarks.mnist.run import Cell, Line, execute, prepare
from benchmarks.mnist.stack import execute_stack
from benchmarks.mnist.table import render


def wanted(arguments: argparse.Namespace) -> list[Cell]:
    """Every run asked for; all rows of the first seed come before the second, so that a table cut short is a whole one."""
    rows = [r for r in ROWS if r.track in arguments.tracks and (not arguments.rows or r.name in arguments.rows)]
    unknown = set(arguments.rows or []) - {row.name for row in rows}
    if unknown:
        names = ", ".join(repr(r.name) for r in ROWS if r.track in arguments.tracks)
        raise SystemExit(f"no row {sorted(unknown)} in tracks {''.join(arguments.tracks)}; there are {names}")
    return [
        Cell(
            row,
            n,
            seed,
            arguments.steps or TRACKS[row.track].steps,
            arguments.threads,
            stacked=arguments.backend == "stack",
            precision=arguments.precision,
        )
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for n in arguments.labels
        for row in rows
    ]


def in_processes(runs: list[Cell], data: Path, scratch: Path, arguments: argparse.Namespace) -> Iterator[Line]:
    """Lines as they come, from ``--jobs`` processes. A run that fails ends the table: none begins after it."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(arguments.jobs, mp_context=context, max_tasks_per_child=1)
    try:
        for done in as_completed([pool.submit(execute, run, data, scratch) for run in runs]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def in_trials(runs: list[Cell], data: Path, scratch: Path, arguments: argparse.Namespace) -> Iterator[Line]:
    """The same as trials of Ray Tune, each with ``--threads`` CPUs and ``--gpu`` of a GPU; lines are recorded as trials end."""
    from ssgan.cluster.connection import connected
    from ssgan.tuning.on_ray import capacity, nodes

    with connected() as ray:
        fit = capacity(nodes(ray), arguments.threads, arguments.gpu, len(runs), "lower --threads or --gpu") if runs else None
        print(fit.text if fit else "all runs are done", flush=True)
        if fit:
            _run_trials(runs, data, scratch, arguments, fit.at_once)
    yield from ()


def _run_trials(runs: list[Cell], data: Path, scratch: Path, arguments: argparse.Namespace, at_once: int) -> None:
    from ray import tune

    from ssgan.tuning.on_ray import run_trials

    by_key = {run.key: run for run in runs}

    def trial(config: dict[str, str]) -> None:
        tune.report({"line": execute(by_key[config["key"]], data, scratch)})

    class Recorder(tune.Callback):  # type: ignore[misc]
        def on_trial_result(
            self, iteration: int, trials: list[object], trial: object, result: dict[str, Line], **_: object
        ) -> None:
            record(arguments.work, result["line"])

    failed = run_trials(
        trial,
        {"key": tune.grid_search(list(by_key))},
        {"cpu": arguments.threads, "gpu": arguments.gpu},
        at_once=at_once,
        callbacks=[Recorder()],
    )
    if failed:
        raise SystemExit(f"{len(failed)} of {len(runs)} trials failed; the first one: {failed[0]}")


def in_stacks(runs: list[Cell], data: Path, scratch: Path, arguments: argparse.Namespace) -> Iterator[Line]:
    """The runs of a row of a track, ``--jobs`` at once, as one method with more dimensions."""
    for row in dict.fromkeys((run.row.track, run.row.name) for run in runs):
        of_row = [run for run in runs if (run.row.track, run.row.name) == row]
        for i in range(0, len(of_row), arguments.jobs):
            yield from execute_stack(of_row[i : i + arguments.jobs], data)


BACKENDS: dict[str, Callable[..., Iterator[Line]]] = {"process": in_processes, "ray": in_trials, "stack": in_stacks}


def read(work: Path) -> list[Line]:
    """Every line so far."""
    path = work / "runs.jsonl"
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []


def of_these(runs: list[Cell], lines: list[Line]) -> list[Line]:
    """The lines of runs as rows are defined now: those of earlier settings stay in the file and out of the table."""
    keys = {run.key for run in runs}
    return [line for line in lines if line["key"] in keys]


def record(work: Path, line: Line) -> None:
    """Append one line, and say what it says."""
    with (work / "runs.jsonl").open("a") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")
    error = 100 * line["wrong"] / line["test_images"]
    cell = f"{line['track']}, {line['row']}, {line['labels']} labels, seed {line['seed']}"
    print(f"{cell}: {error:.2f} % wrong after {line['steps']} steps, {line['seconds']:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--tracks", nargs="+", choices=sorted(TRACKS), default=sorted(TRACKS))
    parser.add_argument("--rows", nargs="+", help="names of rows; default: all of the tracks")
    parser.add_argument("--labels", nargs="+", type=int, choices=LABELS, default=LABELS)
    parser.add_argument("--seeds", type=int, default=10, help="draws of labels")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="instead of the track's")
    slow = "instead of the track's; without instructions for bf16 a CPU takes ten times as long in it"
    parser.add_argument("--precision", choices=("float32", "bf16"), help=slow)
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side (processes), or in one stack")
    parser.add_argument("--threads", type=int, default=1, help="of one run")
    parser.add_argument("--gpu", type=float, default=0.0, help="share of a GPU of one run (Ray)")
    parser.add_argument("--backend", choices=sorted(BACKENDS), default="process")
    parser.add_argument("--print", action="store_true", help="only print the table")
    arguments = parser.parse_args()
    arguments.work = arguments.work.absolute()
    if not arguments.print:
        data = prepare(arguments.mnist.absolute(), arguments.work)
        done = {line["key"] for line in read(arguments.work)}
        runs = [run for run in wanted(arguments) if run.key not in done]
        for line in BACKENDS[arguments.backend](runs, data, arguments.work / "scratch", arguments):
            record(arguments.work, line)
    print(render(of_these(wanted(arguments), read(arguments.work)), ROWS))


if __name__ == "__main__":
    main()
