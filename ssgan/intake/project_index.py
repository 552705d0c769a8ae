"""What an import looks up in the project: its images, its classes, and the present test set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from ssgan.data import classes, schema
from ssgan.data.classes import ClassRegistry
from ssgan.data.files import SplitFiles
from ssgan.data.split_files import load_duplicates
from ssgan.errors import DataError
from ssgan.intake.raw_label import RawLabel

_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")  # Label Studio puts this before the names of uploaded files


@dataclass(frozen=True)
class ProjectIndex:
    """path: of each image, by id. ids: of each path, those of copies too. test: label of each image in the test set, as
    the split wrote it. registry: classes.json."""

    path: dict[str, str]
    ids: dict[str, str]
    test: dict[str, str]
    registry: ClassRegistry

    def resolve(self, label: RawLabel, by_suffix: bool) -> tuple[str | None, str]:
        """The id of a label's image (None: it was not ingested), and the prefix that was stripped from its path.

        by_suffix: tools write URLs and paths of their own machine, so strip folders until an ingested path is left.
        """
        if label.sha256:
            return (label.sha256 if label.sha256 in self.path else None), ""
        whole = label.path.removeprefix("./")
        found = next((name for name in (_path_suffixes(whole) if by_suffix else [whole]) if name in self.ids), None)
        return (None, "") if found is None else (self.ids[found], whole.removesuffix(found))

    def display_name(self, image: str) -> str:
        """Its path, else the beginning of its id."""
        return self.path.get(image) or image[:12]

    def find(self, image: str) -> list[str]:
        """Ids that match a path or the beginning of an id."""
        if image in self.ids:
            return [self.ids[image]]
        return sorted(one for one in self.path if one.startswith(image.lower())) if len(image) >= 4 else []


def _path_suffixes(path: str) -> list[str]:
    """Paths under which an image may have been ingested: whole, then without its first folders."""
    split = urlsplit(path)
    local = parse_qs(split.query).get("d")  # Label Studio: /data/local-files/?d=cat/1.png
    text = local[0] if local else unquote(split.netloc + split.path if split.scheme else path)
    parts = text.split("/")
    names = [path, *("/".join(parts[i:]) for i in range(len(parts)))]
    uploaded = _UPLOADED.fullmatch(parts[-1])
    return [*names, uploaded[1]] if uploaded else names


def load_project_index(index: Path, duplicates: Path, splits: Path, registry: Path) -> ProjectIndex:
    """Read what there is; before the first split there is no test set.

    Raises:
        DataError: before the first ingest, or for files that are broken.
    """
    if not any(index.glob("*.parquet")):
        raise DataError(
            f"no image was ingested yet ({index} holds none), so labels cannot be checked; run `dvc repro ingest`, then import "
            "again"
        )
    table = schema.read_set(index, ["id", "path"])
    path = dict(zip(table["id"].to_pylist(), table["path"].to_pylist(), strict=True))
    copies = load_duplicates(duplicates if duplicates.exists() else None)
    ids = dict(zip(copies["path"].to_pylist(), copies["id"].to_pylist(), strict=True))
    ids |= {name: image for image, name in path.items()}
    return ProjectIndex(
        path,
        ids,
        _test_labels(SplitFiles(splits.as_posix())) if (splits / "test.parquet").exists() else {},
        classes.load(registry),
    )


def _test_labels(files: SplitFiles) -> dict[str, str]:
    names = files.classes()
    return {image: names[label] for image, label in zip(files.ids("test"), files.labels("test").tolist(), strict=True)}
