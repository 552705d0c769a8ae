"""A small queue behind a real server, on a free port."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from ssgan.config import FolderSource, ImageSpec
from ssgan.data.image_shards import ImageRow
from ssgan.data.originals import originals
from ssgan.labelpage.images import QueueImages
from ssgan.labelpage.journal import Journal
from ssgan.labelpage.server import Server
from ssgan.labelpage.session import Session
from ssgan.ledger import Ledger
from ssgan.report.images import encode
from tests.support.data import blobs, write_store

SPEC = ImageSpec(3, 32, "fit")
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Page:
    """A server, what it writes to, and what it shows. The last image of the queue has no raw file any more."""

    server: Server
    journal: Journal
    queue: list[str]
    files: dict[str, bytes]

    @property
    def url(self) -> str:
        return self.server.url


def make_images(folder: Path, n: int) -> dict[str, bytes]:
    """n raw PNG files, and the shards that ingest makes of them: sha256 -> bytes."""
    pixels, _ = blobs(n, SPEC, 3, seed=0)
    files = [encode(image) for image in pixels]
    ids = [hashlib.sha256(data).hexdigest() for data in files]
    (folder / "raw").mkdir(parents=True)
    for i, data in enumerate(files[:-1]):
        (folder / f"raw/{i}.png").write_bytes(data)
    rows = [ImageRow(bytes.fromhex(one), f"{i}.png", 32, 32, "RGB", None, None) for i, one in enumerate(ids)]
    write_store(folder, SPEC, "00000.parquet", rows, pixels)
    return dict(zip(ids, files, strict=True))


@contextmanager
def serve(
    folder: Path, classes: list[str], n: int = 10, original: Callable[[str], bytes] | None = None, clusters: Sequence[str] = ()
) -> Iterator[Page]:
    """A page over n images, until the block ends. original: None: those of the folder. clusters: of the first images."""
    files = make_images(folder, n)
    queue = list(files)
    journal = Journal(Ledger(folder / "labels"), "eva")
    raw = originals(FolderSource(path=str(folder / "raw")), MAX_BYTES)
    images = QueueImages(queue, folder, original or raw)
    with Server(
        Session(dict(zip_longest(queue, clusters, fillvalue="")), classes, journal, frozenset()), images, "127.0.0.1", 0
    ) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Page(server, journal, queue, files)
        finally:
            server.shutdown()
            thread.join()
            journal.close()
