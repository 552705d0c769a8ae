"""What ``dvc repro`` would run, why, and for about how long: DVC's own answers, as sentences.

DVC says which stages read something else than the last time (``dvc status``); ``dvc.lock`` holds what they read then. A stage
behind one of these runs only if that one's result changes, which is not known before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ssgan.config import yaml12
from ssgan.errors import DataError
from ssgan.project.stage_times import seconds
from ssgan.provenance import differences

PARAMS, LOCK, PIPELINE, MANIFEST = "params.yaml", "dvc.lock", "dvc.yaml", Path("runs/train/manifest.json")
SHOWN = 3  # files of code that are named


class Step(NamedTuple):
    """One stage that would run.

    certain: it will; otherwise only if a stage before it writes something new. seconds: of the last time, None if not known.
    """

    stage: str
    certain: bool
    reasons: list[str]
    seconds: float | None


def plan(root: Path) -> list[Step]:
    """The stages that ``dvc repro`` would run in the project at ``root``, in their order.

    Raises:
        DataError: no project of DVC there, or one that DVC cannot read.
    """
    changed, before = _ask_dvc(root)
    lock = _yaml(root / LOCK).get("stages", {})
    params, past = _yaml(root / PARAMS), seconds(root / ".ssgan/seconds.json")
    steps: dict[str, Step] = {}
    for stage, needs in before.items():
        reasons = _reasons(changed[stage], lock.get(stage), params, root) if stage in changed else []
        upstream = [name for name in steps if name in needs]
        if reasons or upstream:
            took = _training(root, params) if stage == "train" else past.get(stage)
            why = reasons or [f"if {' or '.join(upstream)} writes something new"]
            steps[stage] = Step(stage, bool(reasons), why, took)
    return list(steps.values())


def _ask_dvc(root: Path) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
    """What DVC finds changed, by stage; and for each stage of the pipeline, in order, those directly before it."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            stages = [stage for stage in repo.index.stages if Path(stage.path_in_repo) == Path(PIPELINE)]
            graph = {stage.addressing: [one.addressing for one in repo.index.graph.successors(stage)] for stage in stages}
            return repo.status([stage.addressing for stage in stages]), _ordered(graph)
    except DvcException as error:
        raise DataError(f"DVC cannot read the project at {root.absolute()}: {error}; `dvc status` says more") from None


def _ordered(graph: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The same, each stage behind those that it needs."""
    done: dict[str, list[str]] = {}

    def visit(name: str) -> None:
        if name in graph and name not in done:
            for one in graph[name]:
                visit(one)
            done[name] = [one for one in graph[name] if one in graph]

    for name in graph:
        visit(name)
    return done


def _reasons(entries: list[Any], locked: dict[str, Any] | None, params: dict[str, Any], root: Path) -> list[str]:
    if locked is None:
        return ["it never ran to its end"]
    found: list[str] = []
    for entry in entries:
        if entry == "changed command":
            found.append("its command is another one")
        for path, what in entry.get("changed outs", {}).items() if isinstance(entry, dict) else ():
            found.append(f"{path} is missing" if what == "deleted" else f"{path} is not what it wrote")
        if isinstance(entry, dict):
            found += _inputs(entry.get("changed deps", {}), locked, params, root)
    return found


def _inputs(changed: Mapping[str, Any], locked: dict[str, Any], params: dict[str, Any], root: Path) -> list[str]:
    """Parameters with both values, data with counts of files, code by its names."""
    then = locked.get("params", {}).get(PARAMS, {})
    found = []
    for key in changed[PARAMS] if isinstance(changed.get(PARAMS), dict) else ():
        found += [f"{name}: {_value(a)} -> {_value(b)}" for name, a, b in differences(then.get(key), _at(params, key), key)]
    paths = [path for path in changed if path != PARAMS]
    code = [path for path in paths if path.endswith(".py") or path.startswith("ssgan/")]
    known = {dep["path"]: dep for dep in locked.get("deps", [])}
    found += [_data(path, changed[path], known.get(path, {}), root) for path in paths if path not in code]
    if code:
        more = f" and {len(code) - SHOWN} more" if len(code) > SHOWN else ""
        found.append(f"code: {', '.join(code[:SHOWN])}{more}")
    return found


def _at(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params.get(part) if isinstance(params, dict) else None
    return params


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _data(path: str, what: str, then: dict[str, Any], root: Path) -> str:
    if what == "deleted":
        return f"{path} does not exist"
    if "nfiles" in then and (root / path).is_dir():
        now = sum(one.is_file() for one in (root / path).rglob("*"))
        return f"{path}: {then['nfiles']:,} files then, {now:,} now" if now != then["nfiles"] else f"{path}: other files"
    return f"{path} changed"


def _training(root: Path, params: dict[str, Any]) -> float | None:
    """Seconds of the last training, for the steps that are asked for now."""
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        return float(sum(manifest["seconds"].values()) * _at(params, "train.steps") / manifest["steps"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


def _yaml(path: Path) -> dict[str, Any]:
    found = yaml12.read(path.read_text(encoding="utf-8"), str(path)) if path.exists() else None
    return found if isinstance(found, dict) else {}
