"""The main job as a user runs it: ``dvc repro``, again, with another method, with a mistake in the parameters."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ssgan.cli.app import run
from tests.pipelines.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STAGES = ("ingest", "features", "split", "train", "evaluate", "report")
LARGE = ("data/images", "data/index", "data/rejected.parquet", "data/splits", "runs/train", "runs/evaluate", "report")


def changed(project: Project) -> set[str]:
    return project.changed() & set(STAGES)


def test_all_stages_run_in_order_and_leave_their_outputs(project: Project) -> None:
    started = [line.split("'")[1] for line in project.first.splitlines() if line.startswith("Running stage")]
    assert started == list(STAGES)
    made = (*LARGE, "metrics/ingest.json", "metrics/split.json", "metrics/train.json", "metrics/evaluate.json")
    for path in (*made, "plots/confusion.csv", "plots/history.csv", "report/index.html", "classes.json"):
        assert (project.folder / path).exists(), path


def test_every_file_is_accounted_for_and_the_budget_is_kept(project: Project) -> None:
    ingest, split, train, evaluate = (
        json.loads((project.folder / f"metrics/{stage}.json").read_text()) for stage in ("ingest", "split", "train", "evaluate")
    )
    assert ingest["seen"] == ingest["accepted"] + ingest["rejected"] + ingest["duplicates"] == 1797
    assert split["labeled"] == train["label_budget"] == 40
    assert set(train["distinct_labeled_ids_seen"].values()) == {40}
    assert evaluate["main"]["error_rate"] < 0.5  # chance is 0.9
    assert evaluate["twin"]["error_rate"] < 0.9
    assert pq.read_schema(project.folder / "data/splits/unlabeled.parquet").names == ["position"]


def test_git_holds_what_is_small_and_nothing_that_is_large(project: Project) -> None:
    tracked = project("git", "ls-files").stdout.splitlines()
    assert {"dvc.lock", "classes.json", "holdout.json", "metrics/evaluate.json", "plots/history.csv"} <= set(tracked)
    assert [path for path in tracked if path.startswith((*LARGE, "storage/", "data/raw/digits"))] == []


def test_the_second_time_nothing_runs(project: Project) -> None:
    out = project("dvc", "repro").stdout
    assert "Data and pipelines are up to date." in out
    assert "Running stage" not in out
    assert project("git", "status", "--porcelain").stdout == ""


def test_the_search_runs_only_when_it_is_asked_for(project: Project) -> None:
    def would_run(*target: str) -> list[str]:
        out = project("dvc", "repro", "--dry", *target).stdout
        return [line.split("'")[1] for line in out.splitlines() if line.startswith("Running stage")]

    assert would_run() == []
    assert would_run("tune/dvc.yaml") == ["tune/dvc.yaml:tune"]


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("ssgan/methods/explicit_fake.py", set()),
        ("ssgan/methods/feature_matching.py", {"train", "evaluate"}),
        ("ssgan/report/page.py", {"report"}),
        ("ssgan/data/duplicates.py", {"ingest", "features", "split", "evaluate"}),  # dvc.yaml names the folder
        ("ssgan/features/views.py", {"features"}),
        ("ssgan/project/doctor.py", set()),
    ],
)
def test_an_edit_concerns_its_stages_only(file: str, stages: set[str], project: Project) -> None:
    path = project.folder / file
    text = path.read_text()
    try:
        path.write_text(text + "\n# edited\n")
        assert changed(project) == stages
    finally:
        path.write_text(text)


def test_a_new_raw_image_is_noticed(project: Project) -> None:
    path = project.folder / "data/raw/digits/0/new.png"
    try:
        path.write_bytes((project.folder / "data/raw/digits/1/0001.png").read_bytes())
        assert "ingest" in changed(project)
    finally:
        path.unlink()


def test_where_it_runs_does_not_make_it_out_of_date(project: Project) -> None:
    path = project.folder / "params.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("url: storage", "url: elsewhere").replace("backend: inline", "backend: ray"))
        assert path.read_text() != text
        assert changed(project) == set()
        path.write_text(text.replace("steps: 30", "steps: 31"))
        assert changed(project) == {"train"}
    finally:
        path.write_text(text)


def test_class_ids_survive_when_split_runs_again(project: Project) -> None:
    """DVC deletes outputs before a stage, but not the registry of classes: an id that is given is given for ever."""
    params, registry = project.folder / "params.yaml", project.folder / "classes.json"
    before, given = params.read_text(), registry.read_text()
    value = json.loads(given)
    value["classes"].append("no longer seen")
    try:
        registry.write_text(json.dumps(value))
        params.write_text(before.replace("on_class_without_label: error", "on_class_without_label: report"))
        project("dvc", "repro", "--single-item", "--force", "split")
        assert json.loads(registry.read_text())["classes"] == value["classes"]
    finally:
        params.write_text(before)
        registry.write_text(given)
        project("git", "checkout", "-q", "dvc.lock", "metrics", "classes.json", "holdout.json")
        project("dvc", "checkout")
    assert changed(project) == set()


def test_an_experiment_with_another_method_is_compared_with_the_last_commit(project: Project) -> None:
    before = json.loads((project.folder / "metrics/evaluate.json").read_text())["main"]["error_rate"]
    try:
        out = project("dvc", "exp", "run", "-S", "method.name=implicit_fake", "-S", "train.steps=15").stdout
        ran = {line.split("'")[1] for line in out.splitlines() if line.startswith("Running stage")}
        assert ran == {"train", "evaluate", "report"}
        after = json.loads((project.folder / "metrics/evaluate.json").read_text())["main"]["error_rate"]

        rows = json.loads(project("dvc", "metrics", "diff", "--json").stdout)["metrics/evaluate.json"]
        assert rows["main.error_rate"]["old"] == before
        assert rows["main.error_rate"]["new"] == after
        assert json.loads(project("dvc", "params", "diff", "--json").stdout)["params.yaml"]["method.name"] == {
            "old": "feature_matching",
            "new": "implicit_fake",
        }
        project("dvc", "plots", "diff")
        page = (project.folder / "dvc_plots/index.html").read_text()
        for title in (
            "Confusion matrix of the test set",
            "Error rate on the validation images",
            "Do probabilities mean",
        ):
            assert title in page
    finally:
        project("git", "reset", "-q", "--hard")
        project("dvc", "checkout")
    assert changed(project) == set()


@pytest.mark.parametrize("stage", STAGES)
def test_a_mistake_in_the_parameters_ends_every_stage_with_2_and_a_sentence(
    stage: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project.folder / "params.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(text.replace("num_labels: 40", "num_labls: 40"))
    assert run([stage]) == 2
    error = capsys.readouterr().err
    assert "error: params.yaml: `split.num_labls` is not a parameter; did you mean `num_labels`?" in error
    assert "Traceback" not in error
