"""Checkpoint folders in a real S3 server."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ssgan.errors import StorageError
from ssgan.storage.store import Store, filesystem, open_store, probe
from tests.s3.conftest import BUCKET, FAST, READ_ONLY, use_rgw
from tests.support.storage_contract import KEY, FolderStoreContract, content, make_folder

pytestmark = [pytest.mark.s3, pytest.mark.strict_s3]


class TestS3(FolderStoreContract):
    pass


@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_keys_are_refused(s3: str, environment: pytest.MonkeyPatch, folder: Path, wrong: str) -> None:
    environment.setenv(wrong, "0123456789abcdef0123")
    with pytest.raises(StorageError, match=r"403.*check AWS_ACCESS_KEY_ID"):
        open_store(s3, FAST).put(folder, KEY)


def test_no_keys_at_all(s3: str, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StorageError, match="no usable credentials"):
        probe(s3)


@pytest.mark.skipif(use_rgw(), reason="the account with fewer rights is set up on SeaweedFS only")
def test_the_missing_permission_is_named(s3: str, environment: pytest.MonkeyPatch, store: Store, folder: Path) -> None:
    environment.setenv("AWS_ACCESS_KEY_ID", READ_ONLY[0])
    environment.setenv("AWS_SECRET_ACCESS_KEY", READ_ONLY[1])
    assert store.keys("run") == []
    with pytest.raises(StorageError, match="grant s3:PutObject"):
        store.put(folder, KEY)
    with pytest.raises(StorageError, match="grant s3:PutObject"):
        probe(s3)


def test_old_versions_are_kept(s3: str, store: Store, folder: Path) -> None:
    store.put(folder, KEY)
    store.put(folder, KEY)
    fs, root = filesystem(s3)
    answer = fs.call_s3("list_object_versions", Bucket=BUCKET, Prefix=f"{root.partition('/')[2]}/{KEY}/manifest.json")
    assert len(answer["Versions"]) == 2


def test_probe_leaves_nothing(s3: str, store: Store) -> None:
    probe(s3)
    assert store.objects.names("") == {}


def test_a_forked_process_opens_a_session_of_its_own(store: Store, folder: Path) -> None:
    store.put(folder, KEY)
    answer: Any = multiprocessing.get_context("fork").Queue()
    child = multiprocessing.get_context("fork").Process(target=lambda: answer.put(store.keys("checkpoints/run/main")))
    child.start()
    assert answer.get(timeout=30) == [KEY]
    child.join(30)
    assert child.exitcode == 0
    assert store.keys("checkpoints/run/main") == [KEY]


def test_a_listing_of_many_pages(store: Store, environment: pytest.MonkeyPatch) -> None:
    ask = store.objects._ask  # type: ignore[attr-defined]
    names = {f"many/{number:02d}": number for number in range(7)}
    for name, size in names.items():
        store.objects.write(name, b"x" * size)
    environment.setattr(store.objects, "_ask", lambda method, **kw: ask(method, MaxKeys=3, **kw))
    assert store.objects.names("many/") == names


@pytest.mark.exclusive  # many bytes, and a timeout of two seconds
def test_a_large_file_goes_up_and_down_in_parts(store: Store, tmp_path: Path) -> None:
    """Objects in parts have no checksum of the whole that a client would check, so ours has to."""
    folder = tmp_path / "large"
    folder.mkdir()
    block = bytes(range(256)) * 4096
    with (folder / "model.safetensors").open("wb") as file:
        for _ in range(105):
            file.write(block)
    store.put(folder, KEY)
    store.get(KEY, tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == block * 105


WRITER = """
import sys
from pathlib import Path
from ssgan.storage.store import open_store
store = open_store(sys.argv[1])
for number in range(100000):
    print(number, flush=True)
    store.put(Path(sys.argv[2 + number % 2]), f"run/step-{number % 3}")
"""


def test_a_writer_killed_at_any_moment_leaves_only_whole_folders(store: Store, s3: str, tmp_path: Path) -> None:
    sources = [make_folder(tmp_path / name, 50_000) for name in ("even", "odd")]
    wholes = [content(source) for source in sources]
    for round_number in range(2):
        command = [sys.executable, "-c", WRITER, s3, *map(str, sources)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            for _ in range(4):
                writer.stdout.readline()
            time.sleep(0.02 * round_number)
            writer.kill()
        keys = store.keys("run")
        assert keys
        for key in keys:
            back = tmp_path / f"back-{round_number}" / key
            store.get(key, back)
            assert content(back) in wholes
