"""Splits for workers that share no disk with the submitter: into storage once, under a key made of their content.

Image shards lie beside them, each once, under keys made of their content: a batch of labels sends none of them. Which images
are test, and what is in the index, stays at home: only the evaluate stage opens it, and that runs beside the submitter.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from ssgan import scratch
from ssgan.config import Config
from ssgan.data.files import SplitFiles, data_version
from ssgan.data.store import ImageStore
from ssgan.errors import ConfigError, DataError
from ssgan.features.files import FeatureFiles, stored, write_subset
from ssgan.storage import is_s3
from ssgan.storage.store import filesystem
from ssgan.storage.write_once import OnceStore, open_once

PREFIX = "splits"
SETS = ("labeled", "unlabeled", "val")
IMAGES = "splits/images"  # a folder for each shard
SHARDS = "images.json"  # names of the shards, beside the sets
FEATURES = "features"  # of these sets, beside them
LOCK = Path("dvc.lock")
POINTER = Path("published.json")  # in the project's folder: tells a job which data to take


def publish(config: Config, splits: Path) -> dict[str, Any]:
    """Put the sets that training reads into storage, unless they are there already.

    Returns:
        The pointer: ``key`` in storage, ``data`` (the data version), ``lock`` (the hash of the splits in ``dvc.lock``, if any).

    Raises:
        ConfigError: storage is a folder of this machine, which no cluster can read.
        DataError: there are no splits.
    """
    require_shared(config.storage.url)
    files = local_splits(config, splits)
    version = data_version(files)
    key, store = f"{PREFIX}/{version[:16]}", open_once(config.storage.url)
    if key not in store.keys(PREFIX):
        there = set(store.keys(IMAGES))
        with scratch.folder("publish") as folder:
            shards = _put_images(files.store, Path(folder, "shards"), store, there)
            published = Path(folder, "splits")
            published.mkdir()
            _link(splits, published)
            (published / SHARDS).write_text(json.dumps(shards))
            if files.features:
                write_subset(files.features, [one for name in SETS for one in files.ids(name)], published / FEATURES)
            store.keep(published, key)  # two submitters at once write the same bytes
    return {"key": key, "data": version, "lock": _locked(splits)}


def _put_images(images: ImageStore, scratch: Path, store: OnceStore, there: set[str]) -> list[str]:
    """Put those shards into storage that are not there yet. Returns their names in storage, in order."""
    names = []
    for shard in images.shards:
        key = f"{IMAGES}/{shard.content[:16]}"
        path = Path(shard.path)
        if key not in there:
            folder = scratch / path.stem
            folder.mkdir(parents=True)
            (folder / path.name).symlink_to(path.absolute())
            store.keep(folder, key)
        names.append(f"{key}/{path.name}")
    return names


def _locked(splits: Path, lock: Path = LOCK) -> str | None:
    """The hash of the splits in ``dvc.lock``; None where there is none."""
    stages = (yaml.safe_load(lock.read_text()) or {}).get("stages", {}) if lock.exists() else {}
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    return next((out.get("md5") for out in outs if out["path"] == splits.as_posix()), None)


def require_shared(storage_url: str) -> None:
    """Raises ConfigError unless storage is one that every machine can reach."""
    if not is_s3(storage_url):
        raise ConfigError(
            f"`storage.url` is {storage_url!r}, a folder of this machine, which the cluster cannot read; "
            "set it to s3://bucket/prefix, or cluster.address to null to train here"
        )


def _link(splits: Path, folder: Path) -> None:
    """A folder of links to what is published."""
    for name in ("split.json", "classes.json", *(f"{name}.parquet" for name in SETS)):
        if (splits / name).exists():
            (folder / name).symlink_to((splits / name).absolute())


def local_splits(config: Config, splits: Path) -> SplitFiles:
    """The splits of this folder, with the features that a run learns on, if any."""
    return SplitFiles(str(splits.absolute()), features=stored(config, splits.absolute().with_name("features")))


def locate_splits(config: Config, splits: Path, pointer: Path = POINTER) -> SplitFiles:
    """The splits of this folder or, in a job that was sent without them, those that the pointer names.

    Raises:
        DataError: neither is there, or storage holds other data than the pointer says.
    """
    if splits.is_dir():
        return local_splits(config, splits)
    try:
        published = json.loads(pointer.read_text())
    except FileNotFoundError:
        raise DataError(
            f"there is neither {splits} nor {pointer}; run `dvc repro split`, or, before `ray job submit`, `ssgan publish`"
        ) from None
    if LOCK.exists() and published["lock"] != _locked(splits):
        raise DataError(f"{pointer} is older than the splits that {LOCK} names; run `ssgan publish` and submit again")
    fs, root = filesystem(config.storage.url)
    where = f"{root}/{published['key']}"
    try:
        shards = json.loads(fs.cat_file(f"{where}/{SHARDS}"))
    except FileNotFoundError:
        raise DataError(
            f"{config.storage.url}/{published['key']} names no images; run `ssgan publish` and submit again"
        ) from None
    images = ImageStore(f"{root}/{IMAGES}", fs, tuple(f"{root}/{name}" for name in shards))
    features = FeatureFiles(f"{where}/{FEATURES}", fs) if config.features.backbone else None
    files = SplitFiles(where, fs, features, images)
    found = data_version(files)
    if found != published["data"]:
        raise DataError(
            f"{config.storage.url}/{published['key']} holds data {found[:16]}, but {pointer} names {published['data'][:16]}; "
            "run `ssgan publish` and submit again"
        )
    return files
