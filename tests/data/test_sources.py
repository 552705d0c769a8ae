"""Folders of image files: layouts, odd files, links, reading and its limits."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssgan.config import FolderSource
from ssgan.data.rejections import REASONS, Rejected
from ssgan.data.sources import Item, folder, listing, make_source
from ssgan.data.sources.folder import Folder
from ssgan.data.sources.layout import natural, place
from ssgan.errors import DataError, StorageError
from tests.support.images import write
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
