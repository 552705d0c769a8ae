"""``ssgan label`` shows the objects that were ingested, or says why it shows something smaller."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ssgan.config import S3Source
from ssgan.data import originals
from ssgan.errors import StorageError
from ssgan.labelpage.server import NOTE
from ssgan.storage.store import filesystem
from tests.s3.conftest import FAST, READ_ONLY, write_profile
from tests.support.faultproxy import FaultProxy
from tests.support.pages import Page, serve

pytestmark = [pytest.mark.s3, pytest.mark.strict_s3]
GONE = "ssgan-gone"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(originals, "LIMITS", FAST)


@pytest.fixture
def page(proxy: FaultProxy, s3: str, tmp_path: Path) -> Iterator[Page]:
    """A page whose raw files are objects, and nowhere else. That of the last image was never there."""
    with serve(tmp_path, ["cat", "dog"], n=5, original=originals.originals(S3Source(url=s3), 1 << 20)) as page:
        fs, root = filesystem(s3)
        for path in (tmp_path / "raw").iterdir():
            fs.pipe_file(f"{root}/{path.name}", path.read_bytes())
            path.unlink()
        yield page


def shown(page: Page, number: int) -> tuple[bytes, str]:
    with urllib.request.urlopen(f"{page.url}image/{page.queue[number]}", timeout=60) as answer:
        data: bytes = answer.read()
        return data, json.loads(answer.headers.get(NOTE, '""'))


def is_the_original(page: Page, number: int) -> bool:
    data, note = shown(page, number)
    return hashlib.sha256(data).hexdigest() == page.queue[number] and not note


def note_of_a_small_copy(page: Page, number: int) -> str:
    data, note = shown(page, number)
    assert hashlib.sha256(data).hexdigest() != page.queue[number]
    before, _, why = note.partition(" The original: ")
    assert before == "Only the small copy that ingest stored, 32 × 32 pixels."
    return why


def test_an_object_is_read_when_it_is_asked_for_and_by_nothing_but_its_name(page: Page, proxy: FaultProxy, s3: str) -> None:
    proxy.clear()
    assert is_the_original(page, 2)
    assert [method for method, _, _ in proxy.log] == ["GET"]
    assert "/2.png" in proxy.log[0][1]


def test_an_object_that_is_gone_or_changed_is_said(page: Page, s3: str) -> None:
    assert note_of_a_small_copy(page, 4) == f"it is not below {s3} any more"
    fs, root = filesystem(s3)
    fs.pipe_file(f"{root}/1.png", fs.cat_file(f"{root}/0.png"))
    assert note_of_a_small_copy(page, 1) == "the file has changed since it was ingested"
    fs.rm_file(f"{root}/0.png")
    assert note_of_a_small_copy(page, 0) == f"it is not below {s3} any more"
    assert is_the_original(page, 2)
    assert page.server.images.small().total() == 3


def test_an_object_that_may_not_be_read_is_said_and_the_next_one_is_shown(page: Page, proxy: FaultProxy) -> None:
    fault = proxy.add("status", code=403, s3code="AccessDenied", path="0.png")
    why = note_of_a_small_copy(page, 0)
    assert "access was denied (403 AccessDenied); grant s3:GetObject to these credentials" in why
    assert "0.png" not in why  # a path may give the class away
    assert fault.hits == 2  # with fresh credentials, once
    assert is_the_original(page, 1)


def test_a_bucket_that_is_not_there_names_the_parameter(page: Page, tmp_path: Path) -> None:
    read = originals.originals(S3Source(url=f"s3://{GONE}/x"), 1 << 20)
    with pytest.raises(StorageError, match=r"the bucket does not exist .*change `data\.source\.url`"):
        read("0.png")


def test_a_session_goes_on_with_the_keys_of_now(
    proxy: FaultProxy, s3: str, environment: pytest.MonkeyPatch, keys: dict[str, str], tmp_path: Path
) -> None:
    profile = tmp_path / "credentials"
    write_profile(profile, keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profile))
    fs, root = filesystem(s3)
    fs.pipe_file(f"{root}/0.png", b"photo")
    read = originals.originals(S3Source(url=s3), 1 << 20)
    assert read("0.png") == b"photo"
    fault = proxy.add("status", code=400, s3code="ExpiredToken", signer=keys["AWS_ACCESS_KEY_ID"])
    write_profile(profile, *READ_ONLY)
    assert read("0.png") == b"photo"
    assert fault.hits == 1


def test_storage_that_stumbles_is_waited_for_but_not_for_long(page: Page, proxy: FaultProxy) -> None:
    proxy.add("status", code=503, s3code="SlowDown", times=2)
    assert is_the_original(page, 0)
    proxy.add("cut_response", after=100, times=2)
    assert is_the_original(page, 1)


def test_without_a_server_labeling_goes_on(page: Page, mortal: Callable[[], None]) -> None:
    mortal()
    began = time.monotonic()
    assert "storage cannot be reached" in note_of_a_small_copy(page, 0)
    assert time.monotonic() - began < 2 * FAST.patience_s
