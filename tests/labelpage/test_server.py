"""Who may ask, and what is answered. Everything is asked over a real socket."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ssgan.config import FolderSource
from ssgan.data.originals import originals
from ssgan.errors import ConfigError, DataError
from ssgan.labelpage.images import QueueImages, read_queue
from ssgan.labelpage.server import NOTE, Server
from tests.support.pages import Page, serve


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with serve(tmp_path, ["cat", "dog"]) as one:
        yield one


def ask(
    page: Page, path: str, *, base: str | None = None, body: Any = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", page.server.server_port, timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        data = None if body is None else json.dumps(body).encode()
        where = (page.server.base if base is None else base) + path
        connection.request("GET" if data is None else "POST", where, data, sent)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def act(page: Page, body: Any, **headers: str) -> int:
    return ask(page, "act", body=body, **{"Content_Type": "application/json", **headers})[0]


def first(page: Page) -> dict[str, str]:
    return {"do": "label", "image": page.queue[0], "label": "cat"}


def test_the_page_and_its_parts_come_from_here_alone(page: Page) -> None:
    for path, kind in (
        ("", "text/html"),
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("sheet.js", "text/javascript"),
        ("page.svg", "image/svg+xml"),
    ):
        status, headers, data = ask(page, path)
        assert (status, headers.get_content_type()) == (200, kind)
        assert b"http://" not in data.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in data
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"


def pixels(data: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(data))).tolist()


def shown(page: Page, number: int) -> tuple[bytes, str]:
    """Bytes of an image of the queue, and the note that comes with them."""
    status, headers, data = ask(page, f"image/{page.queue[number]}")
    assert (status, headers.get_content_type()) == (200, "image/png")
    return data, json.loads(headers.get(NOTE, '""'))


def test_an_image_is_its_raw_file_or_what_ingest_stored_and_says_so(page: Page) -> None:
    for number, image in enumerate(page.queue[:-1]):
        assert shown(page, number) == (page.files[image], "")
    data, note = shown(page, len(page.queue) - 1)
    assert pixels(data) == pixels(page.files[page.queue[-1]])
    assert note == "Only the small copy that ingest stored, 32 × 32 pixels. The original: it was listed, but is gone"
    assert page.server.images.small() == {"it was listed, but is gone": 1}


def test_on_a_sheet_an_image_is_small_and_says_as_well_what_it_is_not(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (1000, 500), (200, 30, 30)).save(buffer, "PNG")
    large = buffer.getvalue()
    with serve(tmp_path, ["cat"], original=lambda path: large) as page:
        status, headers, _ = ask(page, f"small/{page.queue[0]}")
        assert status == 200
        assert headers.get_content_type() == "image/png"
        assert json.loads(headers[NOTE]).endswith("the file has changed since it was ingested")
        digest = hashlib.sha256(large).hexdigest()
        page.server.images._places[digest] = page.server.images._places[page.queue[0]]
        _, headers, data = ask(page, f"small/{digest}")
        assert (headers.get_content_type(), headers.get(NOTE)) == ("image/jpeg", None)
        assert Image.open(io.BytesIO(data)).size == (320, 160)


def test_a_raw_file_that_changed_is_not_what_was_chosen(tmp_path: Path) -> None:
    with serve(tmp_path, ["cat"]) as page:
        before = (tmp_path / "raw/0.png").read_bytes()
        (tmp_path / "raw/0.png").write_bytes((tmp_path / "raw/1.png").read_bytes())
        data, note = shown(page, 0)
        assert pixels(data) == pixels(page.files[page.queue[0]])
        assert note.endswith("The original: the file has changed since it was ingested")
        (tmp_path / "raw/0.png").write_bytes(before)
        assert shown(page, 0) == (before, "")
        assert page.server.images.small() == {}


def test_a_source_that_is_not_here_is_said_with_each_image_and_may_come_later(tmp_path: Path) -> None:
    with serve(tmp_path, ["cat"], original=originals(FolderSource(path=str(tmp_path / "mount")), 1 << 20)) as page:
        data, note = shown(page, 0)
        assert pixels(data) == pixels(page.files[page.queue[0]])
        assert "data.source.path is" in note
        (tmp_path / "raw").rename(tmp_path / "mount")
        assert shown(page, 0) == (page.files[page.queue[0]], "")


@pytest.mark.parametrize("path", ["image/" + "0" * 64, "image/../page.html", "image/", "server.py", "../../etc/passwd", "act"])
def test_there_is_nothing_else(page: Page, path: str) -> None:
    assert ask(page, path)[0] == 404


def test_an_act_counts_once_it_is_in_the_journal(page: Page) -> None:
    assert act(page, first(page)) == 200
    assert page.queue[0] in page.journal.path.read_text()
    assert act(page, first(page)) == 409  # the same click again, or a second page
    assert len(page.journal.acts) == 1
    assert act(page, {"do": "label", "image": page.queue[1], "label": "cow"}) == 400
    assert act(page, {"image": page.queue[1]}) == 400
    assert json.loads(ask(page, "state")[2])["labeled"] == 1


def test_other_pages_and_other_users_cannot_label(page: Page) -> None:
    """A guessed path, a foreign page (also behind a name that was made to point here), a form, and no end of a body."""
    port = page.server.server_port
    assert ask(page, "act", base="/", body=first(page), Content_Type="application/json")[0] == 403
    assert ask(page, "act", base="/" + "A" * 32 + "/", body=first(page), Content_Type="application/json")[0] == 403
    assert act(page, first(page), Origin="https://elsewhere.example") == 403
    assert act(page, first(page), Origin="null") == 403
    assert act(page, first(page), Host=f"elsewhere.example:{port}") == 403
    assert act(page, first(page), Content_Type="text/plain") == 403
    assert act(page, first(page), Content_Type="application/x-www-form-urlencoded") == 403
    assert act(page, {**first(page), "more": "x" * 5000}) == 403
    assert act(page, [1]) == 403
    assert ask(page, "state", Host=f"elsewhere.example:{port}")[0] == 403
    assert ask(page, "", base="/")[0] == 403
    assert page.journal.acts == []
    assert act(page, first(page), Origin=f"http://127.0.0.1:{port}") == 200
    assert act(page, {**first(page), "image": page.queue[1]}, Host=f"localhost:{port}") == 200


def test_a_full_disk_is_said_and_nothing_counts(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ssgan.labelpage.journal.os.fsync", full)
        assert act(page, first(page)) == 500
    assert page.journal.path.read_bytes() == b""
    assert act(page, first(page)) == 200


def test_addresses_that_cannot_be_are_usage_errors(page: Page) -> None:
    session, images = page.server.session, page.server.images
    with pytest.raises(ConfigError, match="every address of this machine"):
        Server(session, images, "0.0.0.0", 0)
    with pytest.raises(ConfigError, match="is no IPv4 address"):
        Server(session, images, "example", 0)
    with pytest.raises(ConfigError, match="choose another --port"):
        Server(session, images, "127.0.0.1", page.server.server_port)


def test_queues_that_name_nothing_or_unknown_images(tmp_path: Path, page: Page) -> None:
    with pytest.raises(DataError, match="choose images first"):
        read_queue(tmp_path / "none.csv")
    (tmp_path / "queue.csv").write_text("path\na.png\n")
    with pytest.raises(DataError, match="needs a column `sha256`"):
        read_queue(tmp_path / "queue.csv")
    with pytest.raises(DataError, match="1 image of the queue was not ingested: ffff"):
        QueueImages([*page.queue, "f" * 64], tmp_path, lambda path: b"")


@pytest.mark.parametrize(
    ("error", "told"), [(BrokenPipeError(), False), (ConnectionResetError(), False), (ValueError("no"), True)]
)
def test_a_client_that_goes_away_is_no_stack_trace(
    page: Page, capsys: pytest.CaptureFixture[str], error: Exception, told: bool
) -> None:
    try:
        raise error
    except Exception:
        page.server.handle_error(None, ("127.0.0.1", 1))
    assert ("Traceback" in capsys.readouterr().err) is told
