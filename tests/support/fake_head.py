"""A stand-in for the head of a Ray cluster: what it answers before anything is submitted, and what it was asked."""

from __future__ import annotations

import json

import ray

from tests.support.local_server import LocalServer, QuietHandler


class FakeHead(LocalServer):
    """``mode``: its authentication, None for a head too old to know the question; ``token``: the one that it accepts."""

    def __init__(self, mode: str | None = "token", token: str = "") -> None:
        head = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                self.respond()

            def do_POST(self) -> None:
                self.respond()

            def do_PUT(self) -> None:
                self.respond()

            def respond(self) -> None:
                head.requests.append(f"{self.command} {self.path}")
                if self.path == "/api/authentication_mode" and mode:  # asked for without a token
                    self.answer(200, json.dumps({"authentication_mode": mode}))
                elif token and self.headers.get("Authorization") != f"Bearer {token}":
                    self.answer(403, "Forbidden: Invalid authentication token")  # in Ray's words
                elif self.path == "/api/version":
                    self.answer(200, json.dumps({"version": "4", "ray_version": ray.__version__}))
                else:
                    self.answer(404, "")

            def answer(self, code: int, text: str) -> None:
                self.send_response(code)
                self.end_headers()
                self.wfile.write(text.encode())

        super().__init__(Handler)
