"""What ``dvc repro`` would run, why, for about how long, and what is to be pushed then: DVC's own answers, as sentences.

DVC says which stages read something else than the last time (``dvc status``); ``dvc.lock`` holds what they read then. A stage
behind one of these runs only if that one's result changes, which is not known before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from ssgan.config import yaml12
from ssgan.errors import DataError
from ssgan.project.dvc_files import require_hashable
from ssgan.project.stage_times import seconds
from ssgan.provenance import differences
from ssgan.wording import counted

PARAMS, LOCK, PIPELINE, MANIFEST = "params.yaml", "dvc.lock", "dvc.yaml", Path("runs/train/manifest.json")
Count = Callable[[str], int | None]  # files below a path; None: it is no folder
SHOWN = 3  # files of code that are named


class Step(NamedTuple):
    """One stage that would run.

    certain: it will; otherwise only if a stage before it writes something new. seconds: of the last time, None if not known.
    bytes: what `dvc push` would have to send of what it writes, at most, going by the last time; None if not known.
    """

    stage: str
    certain: bool
    reasons: list[str]
    seconds: float | None
    bytes: int | None


class _Output(NamedTuple):
    """What DVC keeps of a stage. grows: it is there when the stage runs again, which adds to it. bytes: None: it never ran."""

    grows: bool
    bytes: int | None


def plan(root: Path) -> list[Step]:
    """The stages that ``dvc repro`` would run in the project at ``root``, in their order.

    Raises:
        DataError: no project of DVC there, or one that DVC cannot read.
    """
    if not (root / PIPELINE).is_file():
        raise DataError(
            f"there is no {PIPELINE} here, so there is no pipeline to plan; change to the project's folder, or bring it back: "
            f"`git checkout {PIPELINE}`"
        )
    params = _yaml(root / PARAMS)
    _require_hashable(root, params)
    changed, before, outputs = _ask_dvc(root)
    lock = _yaml(root / LOCK).get("stages", {})
    past = seconds(root / ".ssgan/seconds.json")
    steps: dict[str, Step] = {}
    count, grown = cache(partial(_files, root)), dict[str, float]()
    for stage, needs in before.items():
        reasons = _reasons(changed[stage], lock.get(stage), params, count) if stage in changed else []
        upstream = [name for name in steps if name in needs]
        if reasons or upstream:
            took = _training(root, params) if stage == "train" else past.get(stage)
            why = reasons or [f"if {' or '.join(upstream)} writes something new"]
            own = [_growth(changed[stage], lock.get(stage, {}), count)] if reasons else []
            grown[stage] = min(1.0, max([*own, *(grown[name] for name in upstream)]))
            steps[stage] = Step(stage, bool(reasons), why, took, _to_push(outputs[stage], grown[stage]))
    return list(steps.values())


def _ask_dvc(root: Path) -> tuple[dict[str, list[Any]], dict[str, list[str]], dict[str, list[_Output]]]:
    """What DVC finds changed, by stage; for each stage of the pipeline, in order, those directly before it; their outputs."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            stages = [stage for stage in repo.index.stages if Path(stage.path_in_repo) == Path(PIPELINE)]
            graph = {stage.addressing: [one.addressing for one in repo.index.graph.successors(stage)] for stage in stages}
            cached = {stage.addressing: [out for out in stage.outs if out.use_cache and out.can_push] for stage in stages}
            outputs = {name: [_Output(out.persist, out.meta.size) for out in outs] for name, outs in cached.items()}
            return repo.status([stage.addressing for stage in stages]), _ordered(graph), outputs
    except DvcException as error:
        raise DataError(f"DVC cannot read the project at {root.absolute()}: {error}; `dvc status` says more") from None
    except (OSError, UnicodeError) as error:  # of a file that it cannot hash, which it seldom names
        why = f"DVC cannot hash what the stages read ({type(error).__name__}: {error})"
        raise DataError(f"{why}; rename or remove that file, or name it in .dvcignore") from None


def _require_hashable(root: Path, params: dict[str, Any]) -> None:
    """Raises DataError where a file among the images would stop DVC, or let it wait for ever."""
    source = (params.get("data") or {}).get("source") or {}
    if source.get("kind") == "folder" and source.get("path"):
        require_hashable(str(root / source["path"]), root)


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


def _reasons(entries: list[Any], locked: dict[str, Any] | None, params: dict[str, Any], count: Count) -> list[str]:
    if locked is None:
        return ["has not run yet"]
    found: list[str] = []
    for entry in entries:
        if entry == "changed command":
            found.append("its command is another one")
        for path, what in entry.get("changed outs", {}).items() if isinstance(entry, dict) else ():
            found.append(f"{path} is missing" if what == "deleted" else f"{path} is not what it wrote")
        if isinstance(entry, dict):
            found += _inputs(entry.get("changed deps", {}), locked, params, count)
    return found


def _inputs(changed: Mapping[str, Any], locked: dict[str, Any], params: dict[str, Any], count: Count) -> list[str]:
    """Parameters with both values, data with counts of files, code by its names."""
    then = locked.get("params", {}).get(PARAMS, {})
    found = []
    for key in changed[PARAMS] if isinstance(changed.get(PARAMS), dict) else ():
        found += [f"{name}: {_value(a)} -> {_value(b)}" for name, a, b in differences(then.get(key), _at(params, key), key)]
    paths = [path for path in changed if path != PARAMS]
    code = [path for path in paths if path.endswith(".py") or path.startswith("ssgan/")]
    known = {dep["path"]: dep for dep in locked.get("deps", [])}
    found += [_data(path, changed[path], known.get(path, {}), count) for path in paths if path not in code]
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


def _data(path: str, what: str, then: dict[str, Any], count: Count) -> str:
    if what == "deleted":
        return f"{path} does not exist"
    if "nfiles" in then and (now := count(path)) is not None:
        return (
            f"{path}: {counted(then['nfiles'], 'file')} then, {now:,} now" if now != then["nfiles"] else f"{path}: other files"
        )
    return f"{path} changed"


def _files(root: Path, path: str) -> int | None:
    """How many lie below a folder; None where it is none."""
    return sum(one.is_file() for one in (root / path).rglob("*")) if (root / path).is_dir() else None


def _growth(entries: list[Any], locked: dict[str, Any], count: Count) -> float:
    """The share by which a stage's input has grown, if nothing else has changed; otherwise 1: all may be written anew."""
    deps = [entry.get("changed deps", {}) if isinstance(entry, dict) and len(entry) == 1 else {"": ""} for entry in entries]
    known = {dep["path"]: dep.get("nfiles") for dep in locked.get("deps", [])}
    pairs = [(known.get(path), count(path) if known.get(path) else None) for changed in deps for path in changed]
    return max((now / then - 1 if then and now and now > then else 1.0 for then, now in pairs), default=1.0)


def _to_push(outputs: list[_Output], grown: float) -> int | None:
    sizes = [None if out.bytes is None else round(out.bytes * (grown if out.grows else 1)) for out in outputs]
    return None if None in sizes else sum(size for size in sizes if size is not None)


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
