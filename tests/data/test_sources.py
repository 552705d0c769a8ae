"""Folders: layouts, odd files, reading; S3 through an in-memory file system that fails on demand; digits; arrays."""

from __future__ import annotations

import errno
import gzip
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssgan.config import DataConfig, DigitsSource, FolderSource, S3Source, TorchvisionSource
from ssgan.data.images import ingest
from ssgan.data.rejections import REASONS, Rejected
from ssgan.data.sources import Item, folder, listing, make_source, s3
from ssgan.data.sources.folder import Folder
from ssgan.data.sources.layout import natural, place
from ssgan.errors import DataError, StorageError
from tests.support.images import blob, ingested, write
from tests.support.memory_bucket import bucket

LIMIT = 1 << 20


def listed(source: Any) -> dict[str, tuple[str | None, str | None]]:
    return {item.path: (item.folder_class, item.official_split) for item in source.items()}


LAYOUTS = [
    ("classes", {"cat/1": ("cat", None), "dog/deep/2": ("dog", None), "stray": (None, None), "unlabeled/3": (None, None)}),
    (
        "split_classes",
        {
            "test/cat/1": ("cat", "test"),
            "train/cat/2": ("cat", "train"),
            "train/dog/3": ("dog", "train"),
            "train/stray": (None, "train"),
            "train/unlabeled/4": (None, "train"),
            "unlabeled/5": (None, "train"),
            "val/cat/6": ("cat", "train"),
        },
    ),
    ("split_classes", {"test/1": (None, "test"), "train/2": (None, "train")}),
    ("flat", {"1": (None, None), "2": (None, None)}),
    ("flat", {"images/1": (None, None), "images/2": (None, None)}),
]


@pytest.mark.parametrize("kind", ["folder", "s3"])
@pytest.mark.parametrize(("layout", "files"), LAYOUTS)
def test_auto_finds_the_layout_and_says_so(layout: str, files: dict[str, Any], kind: str, tmp_path: Path) -> None:
    for source in (opened(kind, tmp_path, files), opened(kind, tmp_path, files, layout)):
        assert listed(source) == files
        assert list(listed(source)) == sorted(files, key=lambda path: path.split("/"))
        assert layout in source.notes[0]
        assert source.classes() == sorted({c for c, _ in files.values() if c})


def opened(kind: str, root: Path, files: Any, layout: str = "auto") -> Any:
    if kind == "folder":
        return Folder(str(write(root / "raw", dict.fromkeys(files, b"x"))), layout)
    return bucket(dict.fromkeys(files, b"x"), layout)


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_one_folder_of_folders_is_no_guess(kind: str, tmp_path: Path) -> None:
    files = {"PetImages/cat/1": b"", "PetImages/dog/2": b""}
    with pytest.raises(DataError, match=r"point data\.source at `PetImages`"):
        opened(kind, tmp_path, files).classes()
    assert set(listed(opened(kind, tmp_path, files, "flat"))) == set(files)


@pytest.mark.parametrize("layout", ["classes", "split_classes"])
def test_a_layout_that_is_not_there(layout: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="layout"):
        opened("folder", tmp_path, {"1": b""}, layout).classes()


def test_classes_in_natural_order() -> None:
    assert natural(["10", "9", "a", "1", "b2", "b10", "01"]) == ["01", "1", "9", "10", "a", "b2", "b10"]


def test_place_ignores_what_is_deeper() -> None:
    assert place("train/cat/a/b/c.png", "split_classes") == ("cat", "train")
    assert place("extra/cat/c.png", "split_classes") == (None, None)


def test_nothing_is_skipped_silently(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", {"a/.DS_Store": b"", "a/Thumbs.db": b"", ".git/x": b"", "b/1": b"x", "__MACOSX/1": b""})
    (raw / "a/dead").symlink_to("nowhere")
    (raw / "a/self").symlink_to("self")
    (raw / "a/up").symlink_to("..")
    (raw / "a/good").symlink_to(raw / "b/1")
    os.mkfifo(raw / "a/pipe")
    problems = {item.path: item.problem and item.problem[0] for item in Folder(str(raw), "classes").items()}
    assert problems == {
        ".git": "hidden",
        "__MACOSX": "hidden",
        "a/.DS_Store": "hidden",
        "a/Thumbs.db": "hidden",
        "a/dead": "broken_link",
        "a/good": None,
        "a/pipe": "not_a_file",
        "a/self": "broken_link",
        "a/up": "link_loop",
        "b/1": None,
    }
    assert set(problems.values()) - {None} <= set(REASONS)
    assert Folder(str(raw), "classes").classes() == ["a", "b"]


def test_linked_folders_are_followed_but_not_round_and_round(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"1": b"x"})
    raw = write(tmp_path / "raw", {"a/2": b"x"})
    (raw / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(raw)
    problems = {item.path: item.problem and item.problem[0] for item in Folder(str(raw), "classes").items()}
    assert problems == {"a/2": None, "b/1": None, "b/back": "link_loop"}


@pytest.mark.parametrize("longest", [1, 3, 4096])
def test_a_listing_comes_in_pieces_whatever_the_folders(longest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LONGEST_BATCH", longest)
    files = {f"{c}/{i}": bytes(i) for c in "abc" for i in range(5)} | {"a/4/deep": b"1234", "d/.hidden": b"", "stray": b""}
    del files["a/4"]
    sources = Folder(str(write(tmp_path / "raw", files)), "classes"), bucket(files, "classes")
    local, remote = (list(listing.listed(source)) for source in sources)
    expected = [(path, len(files[path])) for path in sorted(files, key=lambda path: path.split("/")) if ".hidden" not in path]
    found: list[tuple[list[listing.Files], Any]] = [(local, sources[0]), (remote, sources[1])]
    for pieces, source in found:
        assert [len(piece) for piece in pieces[:-1]] == [longest] * (len(files) // longest - (not len(files) % longest))
        items = [item for piece in pieces for item in piece.items()]
        assert [(item.path, item.size) for item in items if not item.problem] == expected
        assert [item[:5] for item in items] == [item[:5] for item in source.items()]
        assert (
            b"".join(bytes(one.as_buffer()) for piece in pieces for one in piece.encoded)
            == "".join(item.path for item in items).encode()
        )


def test_stamps_follow_time_and_inode_and_hold_numbers_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems set the highest bit of an inode; files may come from before 1970."""
    raw = write(tmp_path / "raw", {"a/1": b"x", "a/2": b"y"})
    os.utime(raw / "a/1", ns=(-(10**18), -(10**18)))
    monkeypatch.setattr(folder, "RACY_NS", -(10**12))
    found = [next(iter(Folder(str(raw), "classes").files())) for _ in range(2)]
    assert np.array_equal(found[0].stamps, found[1].stamps)
    assert found[0].stamps.any(axis=1).all()
    with monkeypatch.context() as patch:
        patch.setattr(folder, "_numbers", lambda one, real=folder._numbers: (*real(one)[:-1], one.st_ino | 1 << 63))
        stamps = next(iter(Folder(str(raw), "classes").files())).stamps
    assert np.array_equal(stamps[:, :3], found[0].stamps[:, :3])
    assert np.array_equal(stamps[:, 3], found[0].stamps[:, 3] | np.int64(-(2**63)))
    monkeypatch.setattr(folder, "RACY_NS", 2 * 10**9)
    assert not next(iter(Folder(str(raw), "classes").files())).stamps.any()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", {"a/1": b"x", "b/2": b"x"})
    (raw / "a").chmod(0)
    try:
        assert [item.problem and item.problem[0] for item in Folder(str(raw), "classes").items()] == ["unreadable", None]
    finally:
        (raw / "a").chmod(0o755)


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as root, for whom permissions do not count."""
    raw, listdir = write(tmp_path / "raw", {"a/1": b"x", "b/2": b"x"}), os.listdir

    def refuse(path: str) -> Any:
        if str(path).rstrip("/").endswith("/a"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert [(i.path, i.problem and i.problem[0]) for i in Folder(str(raw), "classes").items()] == [
        ("a", "unreadable"),
        ("b/2", None),
    ]


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 300_000])
def test_reading_and_its_limit(size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    source = Folder(str(write(tmp_path / "raw", {"f": content})), "flat")
    assert source.read(Item("f"), size) == content
    if size:
        with pytest.raises(Rejected, match="too_large_file"):
            source.read(Item("f"), size - 1)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", {"f": b""})
    os.truncate(raw / "f", 1 << 40)  # sparse: reading it would end the process
    with pytest.raises(Rejected, match="too_large_file"):
        Folder(str(raw), "flat").read(Item("f"), LIMIT)


def test_bad_files_are_rejected_and_bad_storage_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write(tmp_path / "raw", {"f": b"x"})
    source = Folder(str(raw), "flat")
    with pytest.raises(Rejected, match="vanished"):
        source.read(Item("gone"), LIMIT)
    for code, expected in (
        (errno.EACCES, Rejected),
        (errno.EIO, Rejected),
        (errno.EMFILE, StorageError),
        (errno.ESTALE, StorageError),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", lambda *_, code=code: (_ for _ in ()).throw(OSError(code, "no")))
            with pytest.raises(expected):
                source.read(Item("f"), LIMIT)
    (raw / "f").unlink()
    raw.rmdir()
    with pytest.raises(StorageError, match="mounted"):
        source.read(Item("f"), LIMIT)


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(DataError, match=r"data\.source\.path is 'no/such'"):
        make_source(FolderSource(path="no/such"))


# --- S3 --------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(s3, "LONGEST_WAIT_S", 0.0)


def test_a_prefix_gives_the_same_rows_as_the_same_folder(tmp_path: Path) -> None:
    files = {f"{c}/{n}.png": blob(n) for n, c in enumerate(["a", "a-b", "a", "b"])} | {
        "a/bad": b"text",
        "b/.x": b"",
        "a/twin": blob(0),
    }
    config = DataConfig(image_size=8)
    local = ingest(Folder(str(write(tmp_path / "raw", files))), config, tmp_path / "local")
    remote = ingest(bucket(files), config, tmp_path / "remote")
    assert local.metrics() == remote.metrics()
    for name in ("images/00000.parquet", "rejected.parquet", "duplicates.parquet"):
        assert (tmp_path / "local" / name).read_bytes() == (tmp_path / "remote" / name).read_bytes()


def test_passing_trouble_is_waited_out() -> None:
    source = bucket({"1": b"one"})
    trouble: list[Exception | None] = [OSError("503 SlowDown"), TimeoutError(), PermissionError("throttled in disguise"), None]
    source._fs.failures = {"find": [*trouble], "bucket/some/prefix/1": [*trouble]}
    assert [source.read(item, LIMIT) for item in source.items()] == [b"one"]


def test_lasting_trouble_ends_the_stage_and_leaves_nothing(tmp_path: Path) -> None:
    source = bucket({"1": blob(1), "2": blob(2)})
    source._fs.failures = {"bucket/some/prefix/2": [OSError("500")]}
    with pytest.raises(StorageError, match="cannot read 2 after 5 attempts"):
        ingest(source, DataConfig(image_size=8), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_one_bad_object_does_not_end_the_stage(tmp_path: Path) -> None:
    source = bucket({"1": blob(1), "2": blob(2), "3": blob(3)})
    assert len(list(source.items())) == 3
    del source._fs.objects["bucket/some/prefix/2"]
    source._fs.failures = {"bucket/some/prefix/3": [PermissionError("403")]}
    summary = ingest(source, DataConfig(image_size=8), tmp_path / "out", workers=1)
    assert summary.rejected == {"vanished": 1, "unreadable": 1}
    assert ingested(tmp_path / "out").num_rows == 1


@pytest.mark.parametrize("first", ["1", "find"])
def test_credentials_that_end_are_not_bad_files(first: str) -> None:
    source = bucket({"1": b"one", "2": b"two"})
    items = [] if first == "find" else list(source.items())
    for item in items[:1]:
        source.read(item, LIMIT)
    source._fs.failures = {key: [PermissionError("expired")] for key in ("find", *source._fs.objects)}
    with pytest.raises(StorageError, match="renew the credentials"):
        list(source.items()) if first == "find" else source.read(items[1], LIMIT)


def test_no_object_is_read_that_is_too_large(tmp_path: Path) -> None:
    source = bucket({"1": blob(1), "2": bytes(5000)})
    source._fs.failures = {"bucket/some/prefix/2": [AssertionError("must not be read")]}
    summary = ingest(source, DataConfig(image_size=8, max_file_bytes=4000), tmp_path / "out")
    assert summary.rejected == {"too_large_file": 1}


def test_an_empty_prefix_and_a_given_file_system() -> None:
    with pytest.raises(DataError, match="contains no objects"):
        list(bucket({}).items())
    assert listed(make_source(S3Source(url="s3://bucket/some/prefix"), bucket({"1": b""})._fs)) == {"1": (None, None)}


# --- digits and torchvision's data sets ------------------------------------------------------------------------------


def test_digits_are_written_once_and_are_right(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    source = make_source(DigitsSource(path=str(tmp_path / "raw/digits")))
    items = list(source.items())
    assert (len(items), source.classes()) == (1797, [str(d) for d in range(10)])
    data = load_digits()
    for item in items[::97]:
        number = int(Path(item.path).stem)
        assert item.folder_class == str(data.target[number])
        pixels = np.asarray(Image.open(tmp_path / "raw/digits" / item.path))
        assert np.array_equal(pixels, np.rint(data.images[number] * 255 / 16))
    stamp = (tmp_path / "raw/digits/0/0000.png").stat().st_mtime_ns
    make_source(DigitsSource(path=str(tmp_path / "raw/digits")))
    assert (tmp_path / "raw/digits/0/0000.png").stat().st_mtime_ns == stamp
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["digits"]


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def fake(dataset: str, root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write the raw files of a data set with 10 train and 5 test images; returns its images and labels, train first."""
    draw = np.random.default_rng(0)
    grey = dataset.endswith("MNIST")
    pixels = draw.integers(0, 255, (15, 28, 28) if grey else (15, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(15) % 10
    for part, prefix, mat in ((slice(0, 10), "train", "train"), (slice(10, 15), "t10k", "test")):
        images, numbers = pixels[part], labels[part]
        if grey:
            write(root, {f"{dataset}/raw/{prefix}-images-idx3-ubyte": idx(images)})
            write(root, {f"{dataset}/raw/{prefix}-labels-idx1-ubyte.gz": gzip.compress(idx(numbers))})
        elif dataset == "SVHN":
            from scipy.io import savemat

            savemat(
                root / f"{mat}_32x32.mat",
                {"X": images.transpose(1, 2, 3, 0), "y": np.where(numbers == 0, 10, numbers)[:, None]},
            )
        else:
            names = ["test_batch"] if mat == "test" else [f"data_batch_{i}" for i in range(1, 6)]
            for name, rows in zip(names, np.array_split(np.arange(len(images)), len(names)), strict=True):
                batch = {"data": images[rows].transpose(0, 3, 1, 2).reshape(len(rows), -1), "labels": numbers[rows].tolist()}
                write(root, {f"cifar-10-batches-py/{name}": pickle.dumps(batch, protocol=2)})
    return pixels, labels


@pytest.mark.parametrize("dataset", ["MNIST", "FashionMNIST", "SVHN", "CIFAR10"])
def test_array_data_sets(dataset: Any, tmp_path: Path) -> None:
    pixels, labels = fake(dataset, tmp_path)
    source = make_source(TorchvisionSource(dataset=dataset, root=str(tmp_path)))
    size, channels = pixels.shape[1], pixels.ndim - 2 if pixels.ndim == 3 else 3
    ingest(source, DataConfig(image_size=size, channels=1 if channels != 3 else 3), tmp_path / "out")
    table = sorted(ingested(tmp_path / "out").to_pylist(), key=lambda row: (row["official_split"] == "test", row["path"]))
    assert [row["official_split"] for row in table] == ["train"] * 10 + ["test"] * 5
    assert [source.classes().index(row["folder_class"]) for row in table] == labels.tolist()
    for row, image in zip(table, pixels, strict=True):
        stored = np.frombuffer(row["pixels"], np.uint8)
        assert np.array_equal(stored, image.ravel() if image.ndim == 2 else image.transpose(2, 0, 1).ravel())


def test_pets_are_cats_and_dogs(tmp_path: Path) -> None:
    base = tmp_path / "oxford-iiit-pet"
    lists = {"trainval": "# comment\nAbyssinian_1 1 1 1\nbeagle_2 5 2 4\n", "test": "Abyssinian_3 1 1 1\n"}
    write(base, {f"annotations/{name}.txt": text.encode() for name, text in lists.items()})
    write(base, {f"images/{name}.jpg": blob(n, "JPEG") for n, name in enumerate(["Abyssinian_1", "beagle_2", "Abyssinian_3"])})
    source = make_source(TorchvisionSource(dataset="OxfordIIITPet", root=str(tmp_path)))
    assert source.classes() == ["cat", "dog"]
    assert listed(source) == {
        "Abyssinian_1.jpg": ("cat", "train"),
        "beagle_2.jpg": ("dog", "train"),
        "Abyssinian_3.jpg": ("cat", "test"),
    }
    assert ingest(source, DataConfig(image_size=8), tmp_path / "out").accepted == 3


@pytest.mark.parametrize("dataset", ["MNIST", "SVHN", "CIFAR10", "OxfordIIITPet"])
def test_an_absent_data_set_says_what_to_do(dataset: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"download: true"):
        make_source(TorchvisionSource(dataset=dataset, root=str(tmp_path)))


def test_damaged_arrays(tmp_path: Path) -> None:
    fake("MNIST", tmp_path)
    images = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(DataError, match="damaged"):
        make_source(TorchvisionSource(dataset="MNIST", root=str(tmp_path)))


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "owned"),)

    fake("CIFAR10", tmp_path)
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="which no array needs"):
        make_source(TorchvisionSource(dataset="CIFAR10", root=str(tmp_path)))
    assert not (tmp_path / "owned").exists()
