"""What people met when they imported labels, from the command line: nothing is guessed, and a question ends with 3."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssgan.cli.app import run
from tests.support.split_project import Image, Project

IMAGES = [Image(f"{below}000{number}", day) for day, below in (("flat", ""), ("day1", "am/")) for number in range(4)]
IMAGES += [Image("my photo", "day1"), Image("0009", "flat"), Image("IMG (1)", "flat"), Image("IMG_1", "flat")]
CLASSES = ["--new-class", "cat", "--new-class", "dog"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose images lie in the folder `images`: flat/0000.png, day1/am/0000.png, ..."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Project(tmp_path / "data").images(IMAGES).copies([])
    source = {"kind": "folder", "path": "images"}
    Path("params.yaml").write_text(yaml.safe_dump({"data": {"source": source}, "split": {"mode": "team", "labels": "labels"}}))
    return tmp_path


def coco(*labels: tuple[str, str], ids: list[int] | None = None) -> dict[str, Any]:
    ids = ids or list(range(len(labels)))
    return {
        "images": [{"id": i, "file_name": path} for i, (path, _) in zip(ids, labels, strict=True)],
        "categories": [{"id": "cat", "name": "cat"}, {"id": "dog", "name": "dog"}],
        "annotations": [{"image_id": i, "category_id": label} for i, (_, label) in zip(ids, labels, strict=True) if label],
    }


def studio(*labels: tuple[str, str], key: str = "annotations", **data: str) -> list[Any]:
    def done(label: str) -> dict[str, Any]:
        part = {"type": "choices", "from_name": "choice", "value": {"choices": [label]}}
        return {"completed_by": 1, "created_at": "2026-02-07T12:00:00Z", "result": [part]}

    return [{"id": i, "data": {"image": path, **data}, key: [done(label)]} for i, (path, label) in enumerate(labels)]


def flat(*labels: tuple[str, str]) -> list[Any]:
    about = {"annotator": 1, "created_at": "2026-02-07T12:00:00Z", "lead_time": 1.0}
    return [{"image": p, "label": "cat", "choice": c, "id": i, "annotation_id": i, **about} for i, (p, c) in enumerate(labels)]


def csv(*labels: tuple[str, str]) -> str:
    return "path,label\n" + "".join(f"{path},{label}\n" for path, label in labels)


def imported(content: Any, *options: str, name: str = "labels.json") -> int:
    Path(name).parent.mkdir(exist_ok=True, parents=True)
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return run(["labels", "import", name, *CLASSES, *options])


def votes() -> dict[str, str]:
    """Path and label of every vote in the ledger."""
    paths = {image.id: image.path for image in IMAGES}
    lines = [json.loads(line) for path in Path("labels").glob("batches/*") for line in path.read_text().splitlines()]
    return {paths[line["image"]]: line["label"] for line in lines if "image" in line}


LOCAL = "/data/local-files/?d="
ASKED = [
    coco(("day2/0000.png", "dog"), ("day2/0001.png", "dog")),
    coco(("0009.png", "dog")),
    coco(("day2/flat/0009.png", "dog")),
    coco(("20240131-flat/0001.png", "dog")),
    csv(("day2/flat/0000.png", "dog")),
    studio((f"{LOCAL}day2/flat/0009.png", "dog")),
    studio(("s3://other/images/flat/0009.png", "dog")),
    studio(("/data/upload/3/0a1b2c3d-0001.png", "dog")),  # two were ingested
    studio(("/data/upload/3/54a9f142-IMG_1.png", "dog")),
    studio(("/data/upload/3/54a9f142-0009.png", "dog"), ("/data/upload/3/d19a88e7-0009.png", "cat")),
    studio((f"{LOCAL}root/images/flat/0009.png", "dog"), ("flat/0009.png", "dog")),
    coco(("flat/0000.png", "cat"), ("flat/0001.png", "dog"), ids=[1, 1]),
    flat(("flat/0000.png", "dog"), ("flat/0001.png", "cat")),
    coco(("flat/0000.png", ""), ("flat/0001.png", "")),
    csv(("flat/0000.png", ""), ("flat/0001.png", "")),
    csv(),
    studio(("flat/0000.png", "dog"), key="drafts"),
    csv(("flat/0000.png", "cat"), ("flat/0001.png", "nan")),
]


@pytest.mark.parametrize("content", ASKED)
def test_what_nobody_can_know_is_asked(here: Path, content: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(content) == 3
    assert not Path("labels").exists()
    assert "nothing was written: a decision is needed" in capsys.readouterr().out


CLEAR = [
    (studio(("flat/0000.png", "dog"), ("flat/0001.png", "cat"), label="cat"), []),
    (flat(("flat/0000.png", "dog"), ("flat/0001.png", "cat")), ["--control", "choice"]),
    (studio(("flat/0000.png", "dog"), ("flat/0001.png", "cat"), key="completions"), []),
    (csv(("flat\\0000.png", "dog"), ("flat\\0001.png", "cat")), []),
    (csv(("images/flat/0000.png", "dog"), ("images/flat/0001.png", "cat")), []),
    (studio((f"{LOCAL}images/flat/0000.png", "dog"), (f"{LOCAL}images/flat/0001.png", "cat")), []),
    (coco(("day2\\flat\\0000.png", "dog"), ("day2\\flat\\0001.png", "cat")), ["--path-prefix", "day2"]),
    ('{"path": "flat/0000.png", "label": "dog"}\n{"path": "flat/0001.png", "label": "cat"}\n', []),
]


@pytest.mark.parametrize(("content", "options"), CLEAR)
def test_what_is_certain_comes_in(here: Path, content: Any, options: list[str]) -> None:
    assert imported(content, *options) == 0
    assert votes() == {"flat/0000.png": "dog", "flat/0001.png": "cat"}


def test_a_second_person_with_a_file_of_the_same_name_is_asked_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "instances_default.json"
    assert imported(coco(("flat/0000.png", "cat")), name=f"eva/{name}") == 0
    Path("bob").mkdir()
    os.utime(f"eva/{name}", (1_700_000_000, 1_700_000_000))
    assert imported(coco(("flat/0000.png", "dog")), name=f"bob/{name}") == 3
    assert f"--annotator '{name}'; another one: --annotator NAME" in capsys.readouterr().out
    assert votes() == {"flat/0000.png": "cat"}
    assert run(["labels", "import", f"bob/{name}", "--annotator", name]) == 0


def test_many_prefixes_are_few_lines(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(studio((f"{LOCAL}images/day1/my%20photo.png", "cat"), (f"{LOCAL}images/flat/0009.png", "dog"))) == 0
    assert "2 images were found by stripping 'images/' from their path" in capsys.readouterr().out


@pytest.mark.parametrize(("rows", "head"), [(1, "1 label (csv)"), (2, "2 labels (csv)"), (0, "no label (csv)")])
def test_labels_are_counted_and_problems_are_none(here: Path, rows: int, head: str, capsys: pytest.CaptureFixture[str]) -> None:
    imported(csv(*(("flat/0000.png", "cat"), ("flat/0001.png", "dog"))[:rows], *[("flat/0002.png", "")] * 2), name="b.csv")
    assert capsys.readouterr().out.startswith(f"b.csv: {head}\n")


def test_unknown_classes_are_listed_below_their_remedy(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert imported(csv(("flat/0000.png", "catt"), ("nowhere.png", "cat"))) == 3
    lines = capsys.readouterr().out.splitlines()
    below = lines.index("    'catt', 1 label: did you mean 'cat'?") - 1
    assert lines[below].startswith("  unknown class: fix the spelling")


def test_an_import_of_nothing_adds_no_class(here: Path) -> None:
    assert imported(csv(), "--partial") == 3
    assert not Path("labels").exists()
