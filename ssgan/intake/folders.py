"""Class folders: ``cat/1.jpg``, ``dog/deep/2.jpg``. Images are identified by their bytes, so names and places do not matter.

What a folder means, what is hidden and where links lead is decided as ``ingest`` does it (``ssgan.data.sources``).
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from ssgan.data.sources import Item
from ssgan.data.sources.folder import Folder
from ssgan.data.sources.layout import class_folder, is_hidden
from ssgan.errors import DataError
from ssgan.intake.raw_label import LabelFormat, ParsedFile, RawLabel, printable
from ssgan.ledger.vote import time_text
from ssgan.names import is_pool
from ssgan.provenance import file_sha256


def read(folder: Path, layout: str = "auto") -> ParsedFile:
    """A label for every image below a class folder.

    Args:
        layout: as in ``data.source.layout``.

    Raises:
        DataError: if there is no class folder, or the folders allow no decision.
    """
    source = _opened(folder, layout)
    items = list(source.items())
    parsed = ParsedFile(LabelFormat.folders.value, "", _newest_change(folder, source.kind, items))
    for item in items:
        if item.problem:
            if item.problem[0] != "hidden":
                parsed.skip(f"files that cannot be read ({item.problem[0]})")
        elif item.folder_class is None:
            parsed.skip("files outside of class folders")
        elif not _may_be_an_image(item.path):
            parsed.skip("files that are no images")
        else:
            shown = printable(item.path)
            parsed.labels.append(RawLabel(file_sha256(folder / item.path), shown, printable(item.folder_class), shown))
    parsed.fingerprint = _fingerprint(parsed.labels)
    return parsed


def _opened(folder: Path, layout: str) -> Folder:
    source = Folder(str(folder), layout)
    try:
        found = source.kind
    except DataError as error:
        raise DataError(f"{error} (for an import: --layout)") from None
    if found != "flat":
        return source
    if layout != "auto" or not any(_is_class_folder(path) for path in folder.iterdir()):
        raise DataError(f"{folder} holds no class folder; an import needs {folder}/CLASS/IMAGE, or a file")
    return Folder(str(folder), "classes")  # labels of a single class are labels too


def _is_class_folder(path: Path) -> bool:
    """Whether what lies at the top may be a class."""
    return path.is_dir() and not is_hidden(path.name) and not is_pool(path.name)


def _may_be_an_image(path: str) -> bool:
    """By its name; a name without a known type may be anything."""
    kind = mimetypes.guess_type(path)[0]
    return kind is None or kind.startswith("image/")


def _newest_change(folder: Path, kind: str, items: Iterable[Item]) -> str:
    """When a file last came into a class folder or left one: the time of the labels."""
    folders = {class_folder(item.path, kind) for item in items if item.folder_class is not None}
    times = [(folder / name).stat().st_mtime for name in folders]
    return time_text(datetime.fromtimestamp(max(times, default=folder.stat().st_mtime), UTC))


def _fingerprint(labels: list[RawLabel]) -> str:
    """The hash of which bytes lie in which class."""
    return hashlib.sha256("".join(sorted(f"{one.sha256} {one.label}\n" for one in labels)).encode()).hexdigest()
