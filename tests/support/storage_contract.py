"""What every FolderStore has to do, whatever lies behind it. Derive, and give a fixture ``store``."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from ssgan.errors import StorageError
from ssgan.storage.store import Store
from ssgan.training.context import FolderStore

KEY = "checkpoints/run/main/step-00001000"


def make_folder(folder: Path, size: int = 10_000) -> Path:
    """A small checkpoint with what makes storage stumble: an empty file, a subfolder, odd names."""
    (folder / "sub").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(os.urandom(size))
    (folder / "sub" / "names with äöü & + %20 #.json").write_bytes(os.urandom(size // 2))
    (folder / "empty").touch()
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class FolderStoreContract:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return make_folder(tmp_path / "checkpoint")

    def test_is_a_folder_store(self, store: Store) -> None:
        typed: FolderStore = store  # mypy compares the signatures
        assert typed is store

    def test_round_trip(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.put(folder, KEY)
        store.get(KEY, tmp_path / "back")
        assert content(tmp_path / "back") == content(folder)

    def test_get_into_an_existing_empty_folder(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.put(folder, KEY)
        (tmp_path / "back").mkdir()
        store.get(KEY, tmp_path / "back")
        assert content(tmp_path / "back") == content(folder)

    def test_get_overwrites_nothing(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.put(folder, KEY)
        (tmp_path / "back").mkdir()
        (tmp_path / "back" / "mine").write_text("precious")
        with pytest.raises(StorageError, match="not an empty folder"):
            store.get(KEY, tmp_path / "back")
        assert content(tmp_path / "back") == {"mine": b"precious"}

    def test_a_replaced_folder_holds_nothing_of_the_old_one(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.put(folder, KEY)
        newer = tmp_path / "newer"
        newer.mkdir()
        (newer / "model.safetensors").write_bytes(b"new")
        store.put(newer, KEY)
        store.get(KEY, tmp_path / "back")
        assert content(tmp_path / "back") == {"model.safetensors": b"new"}
        assert set(store.objects.names(f"{KEY}/")) == {f"{KEY}/model.safetensors", f"{KEY}/manifest.json"}

    def test_keys_lists_the_complete_folders_directly_below(self, store: Store, folder: Path) -> None:
        for key in ("run/a/step-2", "run/a/step-10", "run/a/step-1", "run/ab/step-3", "run/a/deep/er/step-4"):
            store.put(folder, key)
        store.objects.write("run/a/step-5/model.safetensors", b"the writer died here")
        assert store.keys("run/a") == ["run/a/step-1", "run/a/step-10", "run/a/step-2"]
        assert store.keys("run") == []
        assert store.keys("nothing/here") == []

    def test_an_incomplete_folder_does_not_exist(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.put(folder, KEY)
        store.objects.remove(f"{KEY}/manifest.json")
        with pytest.raises(StorageError, match="no complete folder"):
            store.get(KEY, tmp_path / "back")
        assert not (tmp_path / "back").exists()

    def test_a_lost_file_is_noticed(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.put(folder, KEY)
        store.objects.remove(f"{KEY}/sub/names with äöü & + %20 #.json")
        with pytest.raises(StorageError, match="incomplete"):
            store.get(KEY, tmp_path / "back")
        assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"], "something half-fetched was left behind"

    @pytest.mark.parametrize("spoil", [lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b[:-1], lambda b: b + b"x"])
    def test_damage_at_rest_is_refused(
        self, store: Store, folder: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]
    ) -> None:
        store.put(folder, KEY)
        name = f"{KEY}/model.safetensors"
        store.objects.write(name, spoil(store.objects.read(name)))
        with pytest.raises(StorageError, match=r"model\.safetensors.*damaged"):
            store.get(KEY, tmp_path / "back")
        assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]

    def test_a_damaged_manifest_is_refused(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.put(folder, KEY)
        name = f"{KEY}/manifest.json"
        manifest = json.loads(store.objects.read(name))
        manifest["files"][0]["sha256"] = "0" * 64
        store.objects.write(name, json.dumps(manifest).encode())
        with pytest.raises(StorageError, match=r"manifest\.json.*damaged"):
            store.get(KEY, tmp_path / "back")

    def test_delete(self, store: Store, folder: Path, tmp_path: Path) -> None:
        other = KEY + "0"  # a key of which the first one is a prefix
        store.put(folder, KEY)
        store.put(folder, other)
        store.delete(KEY)
        store.delete(KEY)
        assert store.keys("checkpoints/run/main") == [other]
        assert store.objects.names(f"{KEY}/") == {}
        store.get(other, tmp_path / "back")

    def test_a_pickled_store_works(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.put(folder, KEY)
        pickle.loads(pickle.dumps(store)).get(KEY, tmp_path / "back")
        assert content(tmp_path / "back") == content(folder)

    def test_nothing_to_store_is_an_error_and_spares_the_old_folder(self, store: Store, folder: Path, tmp_path: Path) -> None:
        store.put(folder, KEY)
        with pytest.raises(StorageError, match="holds no files"):
            store.put(tmp_path / "missing", KEY)
        store.get(KEY, tmp_path / "back")

    @pytest.mark.parametrize("key", ["", "/etc", "../x", "a/../b", "a//b", "a/", "a\\b", "a\nb"])
    def test_keys_that_lead_elsewhere_are_refused(self, store: Store, folder: Path, tmp_path: Path, key: str) -> None:
        with pytest.raises(StorageError, match="no name for storage"):
            store.put(folder, key)
        with pytest.raises(StorageError, match="no name for storage"):
            store.get(key, tmp_path / "back")
        with pytest.raises(StorageError, match="no name for storage"):
            store.delete(key)
