"""Images below a prefix of S3, through an fsspec file system that is handed in; nothing here knows an S3 client.

An object that is gone, or that this user may not read while others can be read, is a bad file. Any other failure that
outlasts the retries is the storage's: it ends the stage, because what a data set holds must not depend on the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_not_exception_type, stop_after_attempt, wait_random_exponential

from ssgan.data.rejections import Rejected
from ssgan.data.sources import Item
from ssgan.data.sources.layout import Layout, decide, is_hidden, parts_of, place
from ssgan.errors import DataError, StorageError
from ssgan.wording import counted

ATTEMPTS = 5
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
_BUGS = (TypeError, AttributeError, NameError, AssertionError)  # no retry fixes them, and storage is not to blame
T = TypeVar("T")


class Bucket:
    """A prefix and everything below it. All keys are held in memory, about 300 bytes each."""

    folder = None
    threads = 16  # a read waits for the network, not for a core

    def __init__(self, filesystem: Any, url: str, layout: str = "auto") -> None:
        self._fs = filesystem
        self.name = url.rstrip("/")
        self._root = self.name.split("://", 1)[-1]
        self._kind = layout
        self._readable: str | None = None  # a key that has been read: if it can be read again, the storage works

    @cached_property
    def _keys(self) -> list[tuple[str, int | None, str | None]]:
        """(relative path, size, stamp) of every object, in the order in which a local folder would list them."""
        try:
            self._fs.invalidate_cache()
            found: dict[str, dict[str, Any]] = self._retry(lambda: self._fs.find(self._root, detail=True), "cannot be listed")
        except FileNotFoundError:
            found = {}
        except PermissionError as error:
            raise StorageError(
                f"{self.name} may not be listed ({error}); renew the credentials or grant s3:ListBucket"
            ) from error
        start = len(self._root) + 1
        files = [
            (key[start:], info.get("size"), _stamp(info)) for key, info in found.items() if info.get("type", "file") == "file"
        ]
        # A key that ends with "/" is what consoles write to show an empty folder; it is not a file.
        files = [file for file in files if file[0] and not file[0].endswith("/")]
        if not files:
            raise DataError(f"{self.name} contains no objects; correct data.source.url, or upload images there")
        return sorted(files, key=lambda file: file[0].split("/"))

    @cached_property
    def _layout(self) -> Layout:
        folders: dict[str, set[str]] = {}
        for path, _, _ in self._keys:
            parts = parts_of(path)
            if len(parts) > 1 and not is_hidden(parts[0]):
                inner = folders.setdefault(parts[0], set())
                if len(parts) > 2 and not is_hidden(parts[1]):
                    inner.add(parts[1])
        return decide(self._kind, folders, folders.__getitem__, self.name)

    @property
    def notes(self) -> list[str]:
        return [self._layout.note]

    def classes(self) -> list[str]:
        return self._layout.classes

    def items(self) -> Iterator[Item]:
        kind, last_hidden = self._layout.kind, None
        for path, size, stamp in self._keys:
            hidden = _hidden_part(path)
            if hidden is None:
                yield Item(path, size, *place(path, kind), None, stamp)
            elif hidden != last_hidden:  # a hidden folder counts once, as it does on disk
                last_hidden = hidden
                yield Item(hidden, None, *place(hidden, kind), ("hidden", "a hidden file or folder; nothing in it was read"))

    def read(self, item: Item, max_bytes: int) -> bytes:
        key = f"{self._root}/{item.path}"
        try:
            data: bytes = self._retry(lambda: self._fs.cat_file(key), f"cannot read {item.path}")
        except FileNotFoundError:
            raise Rejected("vanished", "it was listed, but is gone") from None
        except PermissionError as error:
            self._check_storage(item.path, error)
            raise Rejected("unreadable", f"this user may not read the object: {error}") from None
        self._readable = key
        return data

    def _check_storage(self, path: str, refusal: PermissionError) -> None:
        """Tell one forbidden object from credentials that have ended. Raises StorageError for the latter."""
        try:
            if self._readable is None:
                raise refusal
            self._fs.cat_file(self._readable, start=0, end=1)
        except Exception as error:
            raise StorageError(
                f"{self.name}/{path} may not be read, and neither may others ({error}); renew the credentials or "
                "grant s3:GetObject"
            ) from error

    def _retry(self, call: Callable[[], T], what: str) -> T:
        """Call until it works, a few times. Raises FileNotFoundError or PermissionError where lasting, else StorageError."""
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
            retry=retry_if_not_exception_type((FileNotFoundError, *_BUGS)),
            reraise=True,
        )
        try:
            return retrying(call)
        except (FileNotFoundError, PermissionError, *_BUGS):
            raise
        except Exception as error:  # clients raise OSError, but also botocore's and aiohttp's own, which are none
            raise StorageError(
                f"{self.name} {what} after {counted(ATTEMPTS, 'attempt')} ({type(error).__name__}: {error}); check the "
                "network, the endpoint and the credentials"
            ) from error


def class_folders(filesystem: Any, url: str) -> list[str]:
    """Those below a prefix, by listing folders alone: of millions of objects, too, it takes two requests or three.

    Raises DataError where folders allow no decision, and what the file system raises.
    """
    root = url.rstrip("/").split("://", 1)[-1]

    def inside(path: str) -> list[str]:
        found = [one["name"].rstrip("/") for one in filesystem.ls(path, detail=True) if one["type"] == "directory"]
        return [name for name in (path.rsplit("/", 1)[-1] for path in found) if not is_hidden(name)]

    return decide("auto", inside(root), lambda name: inside(f"{root}/{name}"), url).classes


def _stamp(info: dict[str, Any]) -> str | None:
    """ETag, size and time of an object: an ETag follows the content, but is no hash of it where parts or keys are in play."""
    return f"{info['ETag']}-{info.get('size')}-{info.get('LastModified')}" if info.get("ETag") else None


def _hidden_part(path: str) -> str | None:
    """The path up to its first hidden part; None where all of it is visible."""
    parts = path.split("/")
    for i, part in enumerate(parts):
        if part and is_hidden(part):
            return "/".join(parts[: i + 1])
    return None
