"""A local folder as storage: the contract, real crashes, real full disks."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssgan.errors import StorageError
from ssgan.storage.retries import RetryLimits
from ssgan.storage.store import Store, filesystem, open_store, probe
from tests.support.storage_contract import KEY, FolderStoreContract, content, make_folder

FAST = RetryLimits(patience_s=2.0, attempts=4, first_wait_s=0.01, longest_wait_s=0.05)


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(str(tmp_path_factory.mktemp("storage")), FAST)


class TestLocalFolder(FolderStoreContract):
    pass


names = st.text("abcäß.-_ %+", min_size=1, max_size=12).filter(lambda n: n not in (".", "..", "manifest.json"))
trees = st.dictionaries(
    st.lists(names, min_size=1, max_size=3).map("/".join), st.binary(max_size=200), min_size=1, max_size=5
).filter(lambda tree: not any(a != b and b.startswith(a + "/") for a in tree for b in tree))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees=st.lists(trees, min_size=1, max_size=3))
def test_whatever_was_put_last_comes_back(trees: list[dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.mktemp("property")
    store = open_store(str(base / "storage"), FAST)
    for number, tree in enumerate(trees):
        for name, data in tree.items():
            path = base / str(number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        store.put(base / str(number), KEY)
    store.get(KEY, base / "back")
    assert content(base / "back") == trees[-1]
    assert store.keys(os.path.dirname(KEY)) == [KEY]


WRITER = """
import sys
from pathlib import Path
from ssgan.storage.store import open_store
store = open_store(sys.argv[1])
for number in range(100000):
    print(number, flush=True)
    store.put(Path(sys.argv[2 + number % 2]), f"run/step-{number % 3}")
"""


def test_a_writer_killed_at_any_moment_leaves_only_whole_folders(store: Store, tmp_path: Path) -> None:
    sources = [make_folder(tmp_path / name, 500_000) for name in ("even", "odd")]
    wholes = [content(source) for source in sources]
    for round_number in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, store.objects.url, *map(str, sources)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            for _ in range(4):
                writer.stdout.readline()
            time.sleep(0.003 * round_number)
            writer.send_signal(signal.SIGKILL)
        for key in store.keys("run"):
            back = tmp_path / f"back-{round_number}" / key
            store.get(key, back)
            assert content(back) in wholes
    store.put(sources[0], "run/step-1")
    assert all(".part" not in name for name in store.objects.names("run/step-1/")), "the next put cleans up"


def test_a_reader_never_sees_a_mix_while_a_folder_is_replaced(store: Store, tmp_path: Path) -> None:
    sources = [make_folder(tmp_path / name, 2000) for name in ("even", "odd")]
    wholes = [content(source) for source in sources]
    done = threading.Event()

    def write() -> None:
        for number in range(60):
            store.put(sources[number % 2], KEY)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = 0
    while not done.is_set():
        back = tmp_path / f"back-{time.monotonic_ns()}"
        try:
            store.get(KEY, back)
        except StorageError:
            continue
        assert content(back) in wholes
        seen += 1
    thread.join()
    assert seen, "the reader was never fast enough to see anything: this test checks nothing"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.exclusive
def test_a_full_disk_is_one_sentence_and_spares_what_is_there(small_disk: Path, tmp_path: Path) -> None:
    store = open_store(str(small_disk), FAST)
    good = make_folder(tmp_path / "good", 100_000)
    store.put(good, "run/step-1")
    began = time.monotonic()
    with pytest.raises(StorageError, match=r"the disk is full; free space there$"):
        store.put(make_folder(tmp_path / "large", 2_000_000), "run/step-2")
    assert time.monotonic() - began < 1, "a full disk is no reason to wait"
    assert store.keys("run") == ["run/step-1"]
    assert not list(small_disk.rglob("*.part")), "the unfinished copy keeps the disk full"
    store.get("run/step-1", tmp_path / "back")
    assert content(tmp_path / "back") == content(good)


LIMITED = """
import resource, sys
from pathlib import Path
from ssgan.errors import StorageError
from ssgan.storage.store import open_store
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    open_store(sys.argv[1]).put(Path(sys.argv[2]), "run/step-2")
except StorageError as error:
    print(error)
"""


def test_a_file_larger_than_allowed_is_one_sentence(store: Store, tmp_path: Path) -> None:
    store.put(make_folder(tmp_path / "good"), "run/step-1")
    large = make_folder(tmp_path / "large", 200_000)
    command = [sys.executable, "-c", LIMITED, store.objects.url, str(large)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "run/step-2/model.safetensors failed: the file is larger than" in answer.stdout
    assert store.keys("run") == ["run/step-1"]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is a file"):
        open_store(str(tmp_path / "file"), FAST).put(make_folder(tmp_path / "x"), KEY)


def test_an_unreadable_storage_is_not_an_empty_one(tmp_path: Path) -> None:
    """Else a training would begin anew instead of resuming."""
    (tmp_path / "storage").write_text("not a folder")
    with pytest.raises(StorageError):
        open_store(str(tmp_path / "storage"), FAST).keys("run")


def test_reserved_name(store: Store, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "x")
    (folder / "sub" / "manifest.json").write_text("{}")
    with pytest.raises(StorageError, match="rename it"):
        store.put(folder, KEY)


def test_sessions_are_not_pickled() -> None:
    store = open_store("s3://bucket/x")
    store.objects._session()  # type: ignore[attr-defined]
    assert b"S3FileSystem" not in pickle.dumps(store)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gs://bucket/x", "starts with gs://"),
        ("s3:///x", "names no bucket"),
        ("s3://KEY:SECRET@bucket/x", "carries credentials"),
        ("s3://bucket/x?endpoint_override=y", "carries credentials or options"),
    ],
)
def test_urls_that_cannot_work(url: str, message: str) -> None:
    uses: list[Callable[[str], object]] = [open_store, filesystem, probe]
    for use in uses:
        with pytest.raises(StorageError, match=message) as caught:
            use(url)
        assert "SECRET" not in str(caught.value)


def test_filesystem_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fs, root = filesystem("storage")
    fs.pipe_file(f"{root}/a/b", b"x")
    assert (tmp_path / "storage" / "a" / "b").read_bytes() == b"x"


def test_probe_leaves_nothing(tmp_path: Path) -> None:
    probe(str(tmp_path / "storage"))
    assert not content(tmp_path)
