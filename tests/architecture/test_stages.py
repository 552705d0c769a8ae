"""dvc.yaml tells the truth: what a stage depends on is what its code imports, and its parameters are those it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from ssgan.config import Config, DataConfig, FeaturesConfig, TrainConfig
from ssgan.runs.identity import EXECUTION
from tests.support.closure import NOT_DECIDING, ROOT, closure, covers, deciding

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
TEMPLATE = yaml.safe_load((ROOT / "ssgan/templates/project/pipeline.yaml").read_text().replace("@@", ""))["stages"]
STAGES = ("ingest", "features", "split", "train", "evaluate", "report")
METHODS = (PARAMS["method"]["name"], "supervised", "linear_probe", "auto")  # of all roles
LOADS_METHODS = ("train", "evaluate")  # by name, so that no import tells
RAW = "data/raw"
REMOVED = "removed.csv"
TUNE = {
    "ours": yaml.safe_load((ROOT / "tune/dvc.yaml").read_text())["stages"]["tune"],
    "template": yaml.safe_load((ROOT / "ssgan/templates/project/tuning.yaml").read_text())["stages"]["tune"],
}


def paths(entries: list[Any]) -> list[str]:
    """Paths of deps, outs, metrics or plots, with ``${method.name}`` filled in from params.yaml."""
    names = [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]
    return [name.replace("${method.name}", PARAMS["method"]["name"]) for name in names]


def outs(stage: dict[str, Any]) -> list[str]:
    return [path for key in ("outs", "metrics", "plots") for path in paths(stage.get(key, []))]


def code_deps(stage: str) -> list[Path]:
    return [Path(dep) for dep in paths(PIPELINE[stage]["deps"]) if dep.startswith(("ssgan/", "pipelines/"))]


def code_behind(stage: str) -> set[Path]:
    """The files that decide what a stage does."""
    roots = [f"pipelines.{stage}"]
    if stage in LOADS_METHODS:
        roots += [f"ssgan.methods.{name}" for name in METHODS]
        roots += [f"ssgan.nets.{path.stem}" for path in (ROOT / "ssgan/nets").glob("*.py") if path.stem != "__init__"]
    files = deciding(closure(*roots))
    if stage == "report":
        files |= {path.relative_to(ROOT) for path in (ROOT / "ssgan/report/templates").iterdir()}
    return files


def test_the_stages_are_these() -> None:
    assert tuple(PIPELINE) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_every_module_behind_a_stage_is_a_dep(stage: str) -> None:
    deps = code_deps(stage)
    missing = sorted(str(file) for file in code_behind(stage) if not any(covers(dep, file) for dep in deps))
    assert not missing, f"dvc.yaml, stage {stage}: a change of these would not run it again; add them to its deps"


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_where_and_how_it_is_computed(stage: str) -> None:
    assert not [dep for dep in code_deps(stage) if any(covers(part, dep) or covers(dep, part) for part in NOT_DECIDING)]


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_depends_on_code_that_it_does_not_use(stage: str) -> None:
    files = code_behind(stage)
    idle = sorted(str(dep) for dep in code_deps(stage) if not any(covers(dep, file) for file in files))
    assert not idle, f"dvc.yaml, stage {stage}: these run it for nothing; remove them from its deps"


def test_editing_a_method_that_is_not_selected_runs_nothing() -> None:
    others = [f for f in (ROOT / "ssgan/methods").glob("*.py") if f.stem not in (*METHODS, "__init__")]
    assert others
    for other in others:
        for stage in STAGES:
            assert not any(covers(dep, other.relative_to(ROOT)) for dep in code_deps(stage)), (stage, other.name)


def test_data_flows_one_way() -> None:
    made = [RAW, REMOVED]
    for name in STAGES:
        for dep in paths(PIPELINE[name]["deps"]):
            if not dep.startswith(("ssgan/", "pipelines/")):
                assert dep in made, f"{name} reads {dep}, which no stage before it makes"
        made += outs(PIPELINE[name])


@pytest.mark.parametrize("stage", STAGES)
def test_params_exist_and_name_all_that_decides_the_result(stage: str) -> None:
    sections: dict[str, type[BaseModel]] = {"train": TrainConfig, "data": DataConfig, "features": FeaturesConfig}
    known = {f"{name}.{key}" for name, section in sections.items() for key in section.model_fields}
    assert set(PIPELINE[stage]["params"]) <= known | set(Config.model_fields)
    if stage == "ingest":
        assert set(PIPELINE["ingest"]["params"]) == {f"data.{key}" for key in DataConfig.model_fields if key != "workers"}
    if stage == "train":
        decisive = set(TrainConfig.model_fields) - EXECUTION | {
            "twin",
            "start_from",
        }  # what there is to show, and to start with
        assert {p for p in PIPELINE["train"]["params"] if p.startswith("train.")} == {f"train.{key}" for key in decisive}


@pytest.mark.parametrize("path", ["dvc.yaml", "ssgan/templates/project/pipeline.yaml"])
def test_the_model_that_dvc_knows_is_one_that_train_makes(path: str) -> None:
    (artifact,) = yaml.safe_load((ROOT / path).read_text().replace("@@", ""))["artifacts"].values()
    assert artifact["type"] == "model"
    assert any(Path(out) in Path(artifact["path"]).parents for out in outs(PIPELINE["train"]))


def test_metrics_and_plots_are_left_to_git_and_large_files_to_dvc() -> None:
    for stage in PIPELINE.values():
        for kind in ("metrics", "plots"):
            for entry in stage.get(kind, []):
                assert isinstance(entry, dict), entry
                assert next(iter(entry.values()))["cache"] is False, entry
        for entry in stage["outs"]:
            if isinstance(entry, dict):
                ((name, options),) = entry.items()
                assert options == {"persist": True} | ({"cache": False} if name in ("classes.json", "holdout.json") else {}), (
                    name
                )


@pytest.mark.parametrize("stage", STAGES)
def test_the_pipeline_that_init_writes_is_the_same_but_for_the_code(stage: str) -> None:
    ours, theirs = PIPELINE[stage], TEMPLATE[stage]
    assert theirs["cmd"] == ours["cmd"] == f"ssgan {stage}"
    for key in ("desc", "params", "outs", "metrics", "plots"):
        assert theirs.get(key) == ours.get(key), key
    ours_data = [dep for dep in paths(ours["deps"]) if not dep.startswith(("ssgan/", "pipelines/", RAW))]
    theirs_data = [dep.replace("labels_dependency", "") for dep in paths(theirs["deps"])]
    assert [dep for dep in theirs_data if dep not in ("requirements.txt", "dependency")] == ours_data
    assert "requirements.txt" in theirs_data


@pytest.mark.parametrize("name", TUNE)
def test_the_search_depends_on_all_that_decides_a_trial_and_on_no_test_set(name: str) -> None:
    params = set(TUNE[name]["params"])
    workers = {"train.num_workers", "train.min_workers", "train.start_from"}  # a trial is one process and starts afresh
    assert params == set(PIPELINE["train"]["params"]) - workers | {"evaluate.checkpoint", "tune"}
    assert {"data/features", "data/images", "data/splits"} == {dep for dep in TUNE[name]["deps"] if dep.startswith("data/")}
    assert TUNE[name]["outs"] == [{"reports/tune": {"cache": False}}]


def test_every_module_behind_the_search_is_a_dep() -> None:
    deps = [Path(dep) for dep in TUNE["ours"]["deps"]]
    assert [str(file) for file in closure("pipelines.tune") if not any(covers(dep, file) for dep in deps)] == []
