"""Files of labels, as tools write them, and a small project that they are imported into."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ssgan.data.classes import ClassRegistry
from ssgan.intake.importing import Import, prepare
from ssgan.intake.options import ImportOptions
from ssgan.intake.project_index import ProjectIndex
from ssgan.intake.raw_label import ParsedFile
from ssgan.ledger import Ledger
from ssgan.ledger.state import Policy

PATHS = ["1.png", "2.png", "3.png", "4.png"]
IDS = {path: f"{i}" * 64 for i, path in enumerate(PATHS, 1)}
PROJECT = ProjectIndex({image: path for path, image in IDS.items()}, IDS, {}, ClassRegistry(["cat", "dog"]))


def write(folder: Path, content: Any, name: str = "labels.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def short(read: ParsedFile) -> list[tuple[str, str, str]]:
    return [(one.sha256 or one.path, one.label, one.annotator) for one in read.labels]


def annotation(*choices: str, who: Any = 1, **more: Any) -> dict[str, Any]:
    result = [{"type": "choices", "from_name": "class", "to_name": "image", "value": {"choices": list(choices)}}]
    return {
        "id": 7,
        "completed_by": who,
        "result": result,
        "was_cancelled": False,
        "created_at": "2026-02-07T12:00:00Z",
        **more,
    }


def task(*annotations: dict[str, Any], image: str = "/data/upload/1/0a1b2c3d-1.png", **more: Any) -> dict[str, Any]:
    return {"id": 3, "data": {"image": image, **more}, "annotations": list(annotations), "predictions": [], "drafts": []}


def coco(labels: str) -> Any:
    return {
        "images": [{"id": i, "file_name": path} for i, path in enumerate(PATHS)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [{"image_id": i, "category_id": "-cd".index(c)} for i, c in enumerate(labels) if c != "-"],
    }


def table(labels: str, **columns: str) -> str:
    names = {"c": "cat", "d": "dog", "-": ""}
    more = "".join(f",{value}" for value in columns.values())
    rows = [f"{path},{names[label]}{more}\n" for path, label in zip(PATHS, labels, strict=True)]
    return ",".join(["path", "label", *columns]) + "\n" + "".join(rows)


def studio(labels: str, who: Any = 1, minute: int = 0) -> Any:
    names, hour = {"c": "cat", "d": "dog"}, f"2026-02-07T12:{minute:02d}"
    said = [annotation(names[label], who=who, updated_at=f"{hour}:0{i}Z") for i, label in enumerate(labels) if label != "-"]
    return [{"id": path, "data": {"image": path}, "annotations": [one]} for path, one in zip(PATHS, said, strict=False)]


def given(root: Path, content: Any, name: str = "instances_default.json", day: int = 1) -> Path:
    path = root / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    os.utime(path, (1_770_000_000 + 86_400 * day,) * 2)
    return path


def look(root: Path, path: Path, policy: Policy = "require_agreement", **options: Any) -> Import:
    return prepare(path, Ledger(root / "labels"), PROJECT, policy, ImportOptions(**options))


def counts(found: Import) -> dict[str, int]:
    return {kind.value: len(items) for kind, items in found.review.items.items() if items}
