"""What an import looks up in the project: its images, its classes, and the present test set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssgan.data import classes, schema
from ssgan.data.classes import ClassRegistry
from ssgan.data.files import SplitFiles
from ssgan.data.split_files import load_duplicates
from ssgan.errors import DataError


@dataclass(frozen=True)
class ProjectIndex:
    """path: of each image, by id. ids: of each path, those of copies too. test: label of each image in the test set, as
    the split wrote it. registry: classes.json. source: the folder or the URL that the paths are relative to; empty: none."""

    path: dict[str, str]
    ids: dict[str, str]
    test: dict[str, str]
    registry: ClassRegistry
    source: str = ""

    def display_name(self, image: str) -> str:
        """Its path, else the beginning of its id."""
        return self.path.get(image) or image[:12]

    def find(self, image: str) -> list[str]:
        """Ids that match a path or the beginning of an id."""
        if image in self.ids:
            return [self.ids[image]]
        return sorted(one for one in self.path if one.startswith(image.lower())) if len(image) >= 4 else []


def load_project_index(index: Path, duplicates: Path, splits: Path, registry: Path, source: str = "") -> ProjectIndex:
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
        source,
    )


def _test_labels(files: SplitFiles) -> dict[str, str]:
    names = files.classes()
    return {image: names[label] for image, label in zip(files.ids("test"), files.labels("test").tolist(), strict=True)}
