"""HTTP for one page on this machine.

Who may send requests: everything lies below a path that cannot be guessed, so that neither another user of this machine nor
another web page knows the address. Beyond that, the ``Host`` must be ours (a foreign name that was made to point here is
refused), an ``Origin`` must be ours, and acts are JSON, which no foreign page can send without a preflight request.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from ssgan.errors import ConfigError, DataError
from ssgan.labelpage.images import QueueImages
from ssgan.labelpage.session import OutOfStepError, Session, UnknownClassError, Wish

ASSETS = {
    "": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "sheet.js": "text/javascript",
    "page.svg": "image/svg+xml",
}
BODY_LIMIT = 4096  # bytes of an act
NOTE = "Ssgan-Note"  # header of an image that is not the original: a JSON string
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Serves one session until ``shutdown``. Raises ConfigError for an address that cannot be listened on."""

    daemon_threads = True

    def __init__(self, session: Session, images: QueueImages, host: str, port: int) -> None:
        self.session, self.images, self.lock = session, images, threading.Lock()
        self.base = f"/{secrets.token_urlsafe(24)}/"
        if host != "localhost" and _address(host).is_unspecified:
            raise ConfigError(f"--host {host} is every address of this machine; name the one that you will open")
        try:
            super().__init__((host, port), LabelRequestHandler)
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}, port {port} ({error.strerror}); choose another --port") from None
        self.names = {f"{name}:{self.server_port}" for name in ({host, "localhost"} if is_loopback(host) else {host})}
        self.url = f"http://{host}:{self.server_port}{self.base}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of an answer, as a phone that falls asleep, is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def is_loopback(host: str) -> bool:
    """Whether only this machine can ask."""
    return host == "localhost" or _address(host).is_loopback


def _address(host: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(host)
    except ValueError:
        raise ConfigError(f"--host {host!r} is no IPv4 address; use 127.0.0.1, or the address of this machine") from None


class LabelRequestHandler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that an idle connection stays open

    def do_GET(self) -> None:
        path = self._path()
        if path is None:
            self._send(HTTPStatus.FORBIDDEN, {"error": "not the address that `ssgan label` printed"})
        elif path in ASSETS:
            data = (resources.files(__package__) / (path or "page.html")).read_bytes()
            self._send_bytes(HTTPStatus.OK, f"{ASSETS[path]}; charset=utf-8", data)
        elif path == "state":
            with self.server.lock:
                self._send(HTTPStatus.OK, self.server.session.state())
        elif path.startswith(("image/", "small/")) and (found := self.server.images.read(path[6:], path.startswith("small/"))):
            self._send_bytes(HTTPStatus.OK, *found)
        else:
            self._send(HTTPStatus.NOT_FOUND, {"error": "there is nothing at this address"})

    def do_POST(self) -> None:
        wanted = self._body()
        if wanted is None or self._path() != "act":
            self.close_connection = True  # what was sent is not read
            self._send(HTTPStatus.FORBIDDEN, {"error": "not an act of the page that `ssgan label` serves"})
            return
        with self.server.lock:
            try:
                self._send(HTTPStatus.OK, self.server.session.act(Wish(**wanted)))
            except OutOfStepError as error:
                self._send(HTTPStatus.CONFLICT, {"error": str(error), "state": self.server.session.state()})
            except UnknownClassError as error:
                self._send(HTTPStatus.BAD_REQUEST, {"error": str(error), "unknown": wanted["label"], "similar": error.similar})
            except (DataError, TypeError, AttributeError) as error:
                self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            except OSError as error:
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"not saved: {error.strerror}"})

    def _path(self) -> str | None:
        """What is asked for below the secret path; None where somebody asks who may not."""
        origin = self.headers.get("Origin")
        ours = self.headers.get("Host") in self.server.names and (
            origin is None or origin.removeprefix("http://") in self.server.names
        )
        base = self.server.base
        if not ours or not secrets.compare_digest(self.path[: len(base)].encode(), base.encode()):
            return None
        return self.path[len(base) :]

    def _body(self) -> dict[str, Any] | None:
        """The JSON object that was sent; None for anything else, which is not read."""
        size = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json" or not size.isdigit() or int(size) > BODY_LIMIT:
            return None
        try:
            value = json.loads(self.rfile.read(int(size)))
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def _send(self, status: HTTPStatus, value: Any) -> None:
        self._send_bytes(status, "application/json", json.dumps(value).encode())

    def _send_bytes(self, status: HTTPStatus, kind: str, data: bytes, note: str = "") -> None:
        self.send_response(status)
        noted = {NOTE: json.dumps(note)} if note else {}
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(data)), **noted}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address is a secret, and the terminal is for people."""
