"""All runs that were ever evaluated: ``metrics/evaluate.json`` in git's history, in DVC's experiments and in the workspace.

How long they took is no metric, for it differs each time; it is noted where they were trained (``stage_times.RUNS``).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ssgan.errors import DataError
from ssgan.project import stage_times
from ssgan.report.runs import RunRow

METRICS, TRAIN, PARAMS = "metrics/evaluate.json", "metrics/train.json", "params.yaml"
EXPERIMENTS = "refs/exps/"
INTERNAL = "refs/exps/exec/"  # where DVC notes what a running experiment started from
WORKSPACE = "workspace"


class _Snapshot(NamedTuple):
    """A state of the project: a commit, an experiment or the workspace."""

    name: str
    when: str
    files: dict[str, Any]  # METRICS, TRAIN, PARAMS, as they are parsed; what is missing or damaged is left out


def runs(root: Path) -> list[RunRow]:
    """Every evaluation once, the oldest first; an experiment that was committed later has the name of the experiment.

    Raises:
        DataError: nothing was evaluated yet.
    """
    seconds = stage_times.seconds(root / stage_times.RUNS)
    found: dict[tuple[Any, ...], RunRow] = {}
    for snapshot in sorted([*_committed(root), *_workspace(root)], key=lambda one: (one.name == WORKSPACE, one.when)):
        row = _row(snapshot, seconds)
        if row is not None:
            found.setdefault((row.run_id, row.error, row.test), row)
    if not found:
        raise DataError(f"no {METRICS} here nor in git's history, so nothing was evaluated yet; run `dvc repro`")
    return list(found.values())


def _row(snapshot: _Snapshot, seconds: dict[str, float]) -> RunRow | None:
    """None where the metrics are missing, or were not written by an evaluation of this kind."""
    try:
        n = snapshot.files[METRICS]
        gain, twin, train = n["gain"], n["twin"], snapshot.files.get(TRAIN) or {}
        return RunRow(
            name=snapshot.name,
            when=snapshot.when,
            run_id=n["run_id"],
            method=_method(n, snapshot.files.get(PARAMS) or {}),
            labels=n["budget"]["label_budget"],
            test=n["images"]["test"],
            error=(n["main"]["error_rate"], n["main"]["error_rate_low"], n["main"]["error_rate_high"]),
            baseline=twin["error_rate"] if twin else None,
            gain=(gain["error_rate"], gain["low"], gain["high"]) if gain else None,
            verdict=gain["verdict"] if gain else "",
            steps=train.get("steps") if train.get("run_id") == n["run_id"] else None,
            seconds=seconds.get(n["run_id"]),
        )
    except (KeyError, TypeError, AttributeError):
        return None


def _method(metrics: dict[str, Any], parameters: dict[str, Any]) -> str:
    """What was asked for, and that its baseline was handed out in its place, where it was."""
    name = str(parameters.get("method", {}).get("name", ""))
    return f"baseline of {name}" if metrics.get("left_out") else name


def _workspace(root: Path) -> list[_Snapshot]:
    path = root / METRICS
    if not path.is_file():
        return []
    when = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    texts = {name: (root / name).read_text(encoding="utf-8") for name in (METRICS, TRAIN, PARAMS) if (root / name).is_file()}
    return [_Snapshot(WORKSPACE, when, _parsed(texts))]


def _committed(root: Path) -> Iterator[_Snapshot]:
    """Commits that changed the metrics, of all branches and experiments; none where there is no git."""
    refs = _git(root, "for-each-ref", "--format=%(objectname)%09%(refname)", EXPERIMENTS)
    named = (line.split("\t") for line in refs.splitlines())
    experiments = {commit: ref.rsplit("/", 1)[1] for commit, ref in named if not ref.startswith(INTERNAL)}
    for line in _git(root, "log", "--all", "--format=%H%x09%cI", "--", METRICS).splitlines():
        commit, when = line.split("\t")
        texts = {name: _git(root, "show", f"{commit}:./{name}") for name in (METRICS, TRAIN, PARAMS)}
        yield _Snapshot(experiments.get(commit, commit[:7]), when, _parsed(texts))


def _git(root: Path, *arguments: str) -> str:
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def _parsed(texts: dict[str, str]) -> dict[str, Any]:
    found = {}
    for name, text in texts.items():
        try:
            found[name] = json.loads(text) if name != PARAMS else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError):
            continue
    return found
