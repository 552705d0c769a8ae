"""``ssgan remove``: no pixel of some images is left in the data, in what was made of it, and in DVC's cache on this machine.

    images, index, features shards of data/ are written anew without them
    data/splits             goes as a whole, for it names rows of these shards; `dvc repro` makes it again
    reports                 go as a whole where they hold one
    DVC's cache             every file of any version that holds one, found by looking into all of them
    storage                 splits and images that were published for a cluster

What lies elsewhere is named, with the remedy: raw files, DVC's remotes, clones of the project, and versions of the registry,
which are never rewritten: they hold the most confident mistakes with their pixels, and predictions by image.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from ssgan import scratch
from ssgan.config import load
from ssgan.data import removal, tombstones
from ssgan.data.files import data_version
from ssgan.data.replacing import BUILDING, exclusive, require_finished
from ssgan.errors import ConfigError, DataError, SsganError
from ssgan.provenance import file_sha256
from ssgan.registry.registry import VERSIONS
from ssgan.registry.version import MISTAKES, PREDICTIONS
from ssgan.runs.publish import IMAGES, PREFIX, local_splits
from ssgan.storage.store import Store, open_store

DATA, SPLITS, MANIFEST = Path("data"), Path("data/splits"), Path("runs/train/manifest.json")
STORE = ("images", "index", "features")  # shards of the same rows
MADE = (Path("runs/evaluate"),)  # holds rows with pixels
PAGES = (Path("report"), Path("audit"), Path("reports/compare/index.html"))  # hold pictures that cannot be searched
PAGE, SHEET = (b"<!doctype html", b"<html"), "mistakes.png"


@dataclass
class Removal:
    """What is to be removed, and where."""

    images: dict[str, list[str]]  # sha256 -> paths in the source
    tables: list[Path] = field(default_factory=list)  # files of data/ that are written anew
    made: list[Path] = field(default_factory=list)  # folders, or pages
    cached: list[Path] = field(default_factory=list)  # files of DVC's cache
    published: list[str] = field(default_factory=list)  # keys in storage
    registered: list[str] = field(default_factory=list)  # keys of versions in the registry
    fetched: list[Path] = field(default_factory=list)  # folders into which such versions were fetched
    remotes: dict[str, str] = field(default_factory=dict)  # name -> URL
    run: str | None = None  # the model in runs/train; None: there is none
    trained: dict[str, set[str]] | None = None  # set -> images that run was trained on; None: not known

    @property
    def seen_in_training(self) -> set[str]:
        """Images that the model in runs/train has learned from, or was chosen on."""
        return set().union(*(found for name, found in (self.trained or {}).items() if name != "test"))


def plan(targets: list[str]) -> Removal:
    """Find everything; nothing is changed. Raises DataError."""
    require_finished(DATA)
    found = Removal(removal.resolve(targets, DATA))
    tables = [path for name in STORE for path in removal.holders(DATA / name, found.images)]
    tables.append(DATA / "duplicates.parquet")
    found.tables = [path for path in tables if path.is_file() and removal.held(path, found.images)]
    found.made = [folder for folder in MADE if any(removal.holders(folder, found.images))]
    found.made += [SPLITS] if SPLITS.is_dir() and len(found.tables) else []
    found.made += [page for page in PAGES if page.exists()]
    if Path(".dvc").is_dir():
        cache, found.remotes = _ask_dvc()
        found.cached = list(_cached(cache, set(found.images)))
    store = open_store(load().storage.url)
    found.published = [*store.keys(PREFIX), *store.keys(IMAGES)]
    found.registered = list(_registered(store, found.images))
    found.fetched = [folder for folder in _fetched() if _names(folder, found.images)]
    if MANIFEST.is_file():
        manifest = json.loads(MANIFEST.read_text())
        found.run = manifest["run_id"]
        if SPLITS.is_dir() and _data_version() == manifest["data_version"]:
            found.trained = removal.sets_of(SPLITS, found.images)
    return found


def _data_version() -> str | None:
    """Of the data that is here; None where the features that are asked for are not."""
    try:
        return data_version(local_splits(load(), SPLITS))
    except (ConfigError, DataError):
        return None


def carry_out(found: Removal, reason: str) -> None:
    """Carry it out. Stopped halfway, it is completed by the same command with the same sha256.

    Raises:
        DataError: an ingest is running.
        StorageError: storage refuses.
    """
    runs = dict.fromkeys(found.seen_in_training, found.run or "")
    with exclusive(DATA):
        tombstones.add(found.images, f"{datetime.now(UTC):%Y-%m-%d}", reason, runs)  # first: from here on nothing comes back
        for table in found.tables:
            removal.drop(table, found.images)
        shutil.rmtree(DATA / BUILDING, ignore_errors=True)  # of an ingest that was killed
    for made in found.made:
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    for path in found.cached:
        path.unlink()
    store = open_store(load().storage.url)
    for key in found.published:
        store.delete(key)


def _registered(store: Store, images: Collection[str]) -> Iterator[str]:
    """Versions of the registry whose test set had one of the images."""
    for key in store.keys(VERSIONS):
        with scratch.folder("remove") as temporary:
            folder = temporary / "version"
            store.get(key, folder)
            if _names(folder, images):
                yield key


def _fetched() -> Iterator[Path]:
    """Folders of the project, but for hidden ones and those that are dealt with above, that hold a version's predictions."""
    for depth in ("*", "*/*"):
        for path in sorted(Path().glob(f"{depth}/{PREDICTIONS}")):
            if path.parent not in MADE and not path.parts[0].startswith("."):
                yield path.parent


def _names(folder: Path, images: Collection[str]) -> bool:
    """Whether a version's predictions or mistakes name one of the images."""
    tables = (pq.read_table(path, columns=["id"]) for name in (PREDICTIONS, MISTAKES) if (path := folder / name).is_file())
    return any(not set(images).isdisjoint(table["id"].to_pylist()) for table in tables)


def _cached(cache: Path, images: set[str]) -> Iterator[Path]:
    """Files of DVC's cache that hold one of the images: as a row, as the raw file itself, or perhaps as a picture on a page."""
    rows = set(removal.holders(cache, images)) | set(_sheets(cache))
    for path in sorted(path for path in cache.rglob("*") if path.is_file()):
        if path in rows or _begins(path).lower().startswith(PAGE) or file_sha256(path) in images:
            yield path


def _sheets(cache: Path) -> Iterator[Path]:
    """Contact sheets of reports, by the listings of their folders: like pages, they cannot be searched."""
    for listing in cache.rglob("*.dir"):
        for entry in json.loads(listing.read_text()):
            path = listing.parents[1] / entry["md5"][:2] / entry["md5"][2:]
            if entry["relpath"].endswith(SHEET) and path.is_file():
                yield path


def _begins(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(32).lstrip()


def _ask_dvc() -> tuple[Path, dict[str, str]]:
    """DVC's cache on this machine, and the URLs of its remotes by name: what `dvc cache dir` and `dvc remote list` print."""
    from dvc.config import Config
    from dvc.exceptions import DvcException

    try:
        config = Config.from_cwd()
    except DvcException as error:
        raise SsganError(f"DVC cannot read its settings: {error}; fix them and run again") from None
    cache = Path(config["cache"].get("dir") or Path(config.dvc_dir) / "cache")
    return cache, {name: remote["url"] for name, remote in config["remote"].items()}
