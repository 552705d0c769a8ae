"""A stand-in for the Hugging Face hub: one file for every repository that it knows, and what it was asked."""

from __future__ import annotations

import hashlib

from tests.support.local_server import LocalServer, QuietHandler


class FakeHub(LocalServer):
    """``files``: content by repository (``timm/name``). ``damaged``: it sends other bytes than those that it names."""

    def __init__(self, files: dict[str, bytes], damaged: bool = False) -> None:
        hub = self

        class Handler(QuietHandler):
            def do_HEAD(self) -> None:
                self.respond(body=False)

            def do_GET(self) -> None:
                self.respond(body=True)

            def respond(self, body: bool) -> None:
                hub.requests.append(f"{self.command} {self.path}")
                content = files.get(self.path.removeprefix("/").partition("/resolve/")[0])
                if content is None:
                    self.send_response(404)
                    self.send_header("X-Error-Code", "RepoNotFound")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("X-Repo-Commit", "c" * 40)
                self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Linked-Size", str(len(content)))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if body:
                    self.wfile.write(content[:-1] + b"?" if damaged else content)

        super().__init__(Handler)
