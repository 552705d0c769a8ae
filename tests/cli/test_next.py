"""``ssgan next`` in a real project: what may be chosen, what is written, and what comes of the labels."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ssgan import backbones
from ssgan.cli.app import run
from ssgan.config import FeaturesConfig
from ssgan.data.files import SplitFiles
from ssgan.data.schema import binary, fixed, read_set
from ssgan.features.files import layout, write_shard
from ssgan.ledger import Ledger, Vote
from ssgan.ledger.event import Event, EventKind
from tests.support.data import reserve

OUT = ("queue.csv", "label_studio.json", "label_studio.xml", "selection.json")


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what ``next`` reads."""
    for name in ("runs/train", "metrics", "data"):
        shutil.copytree(trained / name, tmp_path / name)
    shutil.copy(trained / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def queue(folder: str = "next") -> list[dict[str, str]]:
    with open(f"{folder}/queue.csv", newline="") as file:
        return list(csv.DictReader(file))


def truth() -> dict[str, str]:
    table = read_set("data/index", ["id", "folder_class"])
    return dict(zip(table["id"].to_pylist(), table["folder_class"].to_pylist(), strict=True))


def test_nothing_of_labeled_val_or_test_is_chosen_and_files_agree(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["next", "--budget", "60"]) == 0
    said = capsys.readouterr().out
    assert "60 to label: 34 uncertain and different, 6 of what may be an unknown class, 20 drawn at random" in said
    rows = queue()
    chosen = [row["sha256"] for row in rows]
    assert len(set(chosen)) == 60
    assert [int(row["rank"]) for row in rows] == list(range(1, 61))
    for name in ("labeled", "val", "test"):
        assert not set(chosen) & set(SplitFiles("data/splits").ids(name)), name
    paths = read_set("data/index", ["id", "path"]).to_pylist()
    assert {(row["sha256"], row["path"]) for row in rows} <= {(row["id"], row["path"]) for row in paths}
    assert [task["data"]["sha256"] for task in tasks()] == chosen
    for row, task in zip(rows, tasks(), strict=True):
        assert task["data"] == {
            "image": f"/data/local-files/?d=raw/{row['path']}",
            **{key: row[key] for key in ("sha256", "slice", "reason")},
        }
        (prediction,) = task["predictions"]
        assert "/main/last@" in prediction["model_version"]
        assert prediction["score"] == float(row["probability"])
        assert prediction["result"][0]["value"] == {"choices": [row["predicted"]]}
    record = json.loads(Path("next/selection.json").read_text())
    assert [(pick["sha256"], pick["slice"]) for pick in record["picks"]] == [(row["sha256"], row["slice"]) for row in rows]
    assert record["pool"]["images"] == 1229


def test_the_same_input_gives_the_same_bytes_and_another_seed_another_control_group(project: Path) -> None:
    for folder, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert run(["next", "--budget", "50", "--out", folder, "--seed", seed]) == 0
    assert [Path("a", name).read_bytes() for name in OUT] == [Path("b", name).read_bytes() for name in OUT]
    control = [{row["sha256"] for row in queue(folder) if row["slice"] == "control"} for folder in "ac"]
    assert control[0] != control[1]


def test_label_studio_knows_every_class_by_its_name_of_today(project: Path) -> None:
    ledger = Ledger(Path("labels"))
    changes: list[tuple[EventKind, str, str]] = [("rename", "3", "three"), ("merge", "9", "4"), ("class", "ten & more", "")]
    for kind, name, into in changes:
        ledger.record(Event(kind, name, into, "eva", "2026-01-02"))
    assert run(["next", "--budget", "200", "--control", "0.5"]) == 0
    choices = [choice.get("value") for choice in ElementTree.parse("next/label_studio.xml").iter("Choice")]
    assert choices == ["0", "1", "2", "three", *"45678", "ten & more"]
    predicted = {task["predictions"][0]["result"][0]["value"]["choices"][0] for task in tasks()}
    assert "three" in predicted
    assert predicted <= set(choices)
    assert {row["predicted"] for row in queue()} & {"3", "9"}  # what the model says stays what it said


def tasks() -> list[dict[str, Any]]:
    return json.loads(Path("next/label_studio.json").read_text())


def test_an_earlier_selection_is_not_overwritten_unless_asked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["next", "--budget", "40"]) == 0
    before = Path("next/selection.json").read_bytes()
    assert run(["next", "--budget", "50"]) == 2
    assert "`ssgan next status` needs it; name another folder (--out next/2), or add --overwrite" in capsys.readouterr().err
    assert Path("next/selection.json").read_bytes() == before
    assert run(["next", "--budget", "50", "--overwrite"]) == 0
    assert len(queue()) == 50


def test_status_judges_the_labels_that_came_back_and_they_are_not_chosen_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["next", "--budget", "100", "--control", "0.4"]) == 0
    right, rows = truth(), queue()
    votes = [Vote(row["sha256"], right[row["sha256"]], "eva", "2026-01-01", "test") for row in rows[:80]]
    Ledger(Path("labels")).append(votes)
    capsys.readouterr()
    assert run(["next", "status", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    wrong = [row for row in rows[:80] if row["predicted"] != right[row["sha256"]]]
    assert found["slices"]["control"]["wrong"] == sum(row["slice"] == "control" for row in wrong)
    assert found["picks"] == {
        "images": 60,
        "labeled": sum(row["slice"] != "control" for row in rows[:80]),
        "wrong": sum(row["slice"] != "control" for row in wrong),
    }
    assert run(["next", "status"]) == 0
    assert "the model was wrong on" in capsys.readouterr().out
    Ledger(Path("labels")).record(Event("aside", rows[80]["sha256"], "unusable", "eva", "2026-01-01"))
    assert run(["next", "--budget", "100", "--out", "again"]) == 0
    assert not {row["sha256"] for row in queue("again")} & {row["sha256"] for row in rows[:81]}
    assert json.loads(Path("again/selection.json").read_text())["pool"]["images"] == 1229 - 81


def test_status_without_a_selection_or_with_a_broken_one_says_what_to_do(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["next", "status"]) == 1
    assert "choose images first: `ssgan next --budget 200`" in capsys.readouterr().err
    Path("next").mkdir()
    Path("next/selection.json").write_text('{"format": 1}')
    assert run(["next", "status"]) == 1
    assert "is not what `ssgan next` wrote" in capsys.readouterr().err


def test_a_share_of_the_queue_is_for_val_and_test(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = sorted(truth())[:30]
    reserve(Path("data"), waiting)
    assert run(["next", "--budget", "60"]) == 0
    assert "12 for val and test" in capsys.readouterr().out
    chosen = [row for row in queue() if row["slice"] == "held_out"]
    assert len(chosen) == 12
    assert {row["sha256"] for row in chosen} <= set(waiting)
    assert {(row["predicted"], row["probability"], row["score"]) for row in chosen} == {("", "", "")}
    assert len(queue()) == 60
    labeled = set(SplitFiles("data/splits").ids("labeled"))
    Ledger(Path("labels")).append([Vote(one, truth()[one], "eva", "2026-01-01", "test") for one in waiting[:25]])
    assert run(["next", "--budget", "60", "--out", "again"]) == 0
    assert {row["sha256"] for row in queue("again") if row["slice"] == "held_out"} == set(waiting[25:]) - labeled
    assert run(["next", "--budget", "60", "--out", "none", "--held-out", "0"]) == 0
    assert "none for val and test (--held-out" in capsys.readouterr().out


def test_a_budget_larger_than_the_pool_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["next", "--budget", "5000"]) == 1
    assert (
        "the pool holds 1,229 images without a label, fewer than the 5000 that --budget takes of it" in capsys.readouterr().err
    )
    assert not Path("next").exists()


# --- before the first label ---


@pytest.fixture
def new(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with images and features alone; the first numbers of a feature vector are the pixels."""
    (tmp_path / "data/features").mkdir(parents=True)
    for part in ("images", "index"):
        shutil.copytree(trained / "data" / part, tmp_path / "data" / part)
    shutil.copy(trained / "data/duplicates.parquet", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    parameters({"backbone": "efficientnet_lite0", "dimensions": 16})
    return tmp_path


def parameters(features: dict[str, Any], labels: str | None = "labels") -> None:
    source = {"kind": "folder", "path": "raw"}
    family = {"net": {"family": "head"}, "method": {"name": "auto"}} if features else {}
    Path("params.yaml").write_text(
        yaml.safe_dump(
            {"data": {"source": source}, "features": features, "split": {"mode": "team", "labels": labels}, **family}
        )
    )


def write_features() -> None:
    backbone, _ = backbones.find(FeaturesConfig(backbone="efficientnet_lite0"))
    shape = layout(backbone, 1)
    for shard in sorted(Path("data/images").glob("*.parquet")):
        table = pq.read_table(shard, columns=["id", "pixels"])
        rows = np.zeros((len(table), backbone.dimension), np.float16)
        pixels = np.stack([np.frombuffer(one, np.uint8) for one in table["pixels"].to_pylist()])
        rows[:, : pixels.shape[1]] = pixels[:, : rows.shape[1]]
        columns = [binary(fixed(table["id"])), binary(rows.view(np.uint8))]
        folder = Path("data/features", backbone.key)
        folder.mkdir(exist_ok=True)
        write_shard(folder / shard.name, shape, [pa.Table.from_arrays(columns, schema=shape)])


def test_after_features_a_project_without_labels_hears_of_the_next_step(
    new: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipelines.features.run", write_features)
    hint = "no image has a label yet; next: `ssgan labels import FILE`, or without any: `ssgan next --clusters 20`"
    assert run(["features"]) == 0
    assert hint in capsys.readouterr().out
    parameters({"backbone": "efficientnet_lite0"}, labels=None)  # the digits lie in class folders
    assert run(["features"]) == 0
    assert hint not in capsys.readouterr().out
    parameters({"backbone": "efficientnet_lite0"})
    Ledger(Path("labels")).append([Vote("a" * 64, "3", "eva", "2026-01-01", "test")])
    assert run(["features"]) == 0
    assert hint not in capsys.readouterr().out


def test_without_label_and_model_typical_images_are_asked_for_and_none_of_val_or_test(
    new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_features()
    assert run(["next", "--clusters", "20", "--budget", "100"]) == 0
    said = capsys.readouterr().out
    assert "chosen by features, without a model\n100 to label: 20 for val and test, 80 typical of their clusters" in said
    assert "as 20 sheets of images that look alike" in said
    rows = queue()
    typical = [row for row in rows if row["slice"] == "typical"]
    assert sorted({int(row["cluster"]) for row in typical}) == list(range(1, 21))
    assert {row["cluster"] for row in rows if row["slice"] == "held_out"} == {""}
    by_cluster = [[truth()[row["sha256"]] for row in typical if row["cluster"] == str(k)] for k in range(1, 21)]
    assert sum(max(map(labels.count, labels)) for labels in by_cluster) >= 64  # of 80: digits of one kind look alike
    Ledger(Path("labels")).append([Vote(row["sha256"], truth()[row["sha256"]], "eva", "2026-01-01", "test") for row in rows])
    assert run(["split"]) == 0
    for name, kind in (("labeled", "typical"), ("val", "held_out"), ("test", "held_out")):
        ids = set(SplitFiles("data/splits").ids(name))
        assert ids, name
        assert ids <= {row["sha256"] for row in rows if row["slice"] == kind}
    assert run(["next", "status"]) == 0
    assert "chosen before there was a model" in capsys.readouterr().out
    assert run(["next", "--budget", "40", "--out", "again"]) == 0
    assert not {row["sha256"] for row in queue("again")} & {row["sha256"] for row in rows}
    assert {row["cluster"] for row in queue("again")} == {""}


def test_with_neither_model_nor_features_one_sentence_names_the_command(new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["next"]) == 2
    assert (
        "neither a model in runs/train/main/last nor features to choose by; run `dvc repro features`" in capsys.readouterr().err
    )
    parameters({})
    assert run(["next"]) == 2
    assert "features.backbone is null; set it to efficientnet_lite0" in capsys.readouterr().err
    assert run(["next", "--model", "elsewhere"]) == 1  # who names a model wants that one
    assert "is not a model folder" in capsys.readouterr().err
    assert run(["split"]) == 1
    assert "or begin without: `dvc repro features`, `ssgan next --clusters 20`, `ssgan label`" in capsys.readouterr().err
