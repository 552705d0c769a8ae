"""The manifest: what was written is what is read, or an error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssgan.errors import StorageError
from ssgan.storage.manifest import Entry, _digest, check_name, dump, parse
from ssgan.storage.retries import DamagedError

ENTRIES = [Entry("model.safetensors", 3, "ab" * 32), Entry("sub/ä b", 0, "cd" * 32)]


def test_round_trip() -> None:
    assert parse(dump(ENTRIES), "x") == ENTRIES


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_never_read_as_another_manifest(position: int, bit: int) -> None:
    data = bytearray(dump(ENTRIES))
    data[position % len(data)] ^= 1 << bit
    try:
        read = parse(bytes(data), "x")
    except (DamagedError, StorageError):
        return
    assert read == ENTRIES  # the flip hit white space


@given(st.binary(max_size=50))
def test_garbage_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedError):
        parse(data, "x")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a//b", "./a", "..", "a\\..\\b", "a\0b"])
def test_a_manifest_cannot_lead_outside(name: str) -> None:
    """Whoever can write to the bucket must not be able to write to this machine."""
    files = [{"name": name, "size": 1, "sha256": "0" * 64}]
    data = json.dumps({"format_version": 1, "files": files, "digest": _digest(files)}).encode()
    with pytest.raises(StorageError, match="no name for storage"):
        parse(data, "x")


def test_another_version_is_refused() -> None:
    raw = json.loads(dump(ENTRIES)) | {"format_version": 2}
    with pytest.raises(StorageError, match="format version 2"):
        parse(json.dumps(raw).encode(), "x")


def test_check_name() -> None:
    assert check_name("run/main/..almost/.hidden") == "run/main/..almost/.hidden"
    with pytest.raises(StorageError, match=r"keeps its own manifest\.json"):
        check_name("sub/manifest.json", file=True)
