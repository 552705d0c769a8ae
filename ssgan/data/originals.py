"""The original files of ``data.source``, one at a time, to show them to people.

A person may wait for each, so patience is short, and a missing file is reported instead of waited for. A session of labeling
lasts an afternoon: credentials are read anew when they are refused. Nothing is listed, fetched from a data set's site or
written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from ssgan.config import DigitsSource, FolderSource, S3Source, Source, TorchvisionSource
from ssgan.data.rejections import Rejected
from ssgan.data.sources import Item, make_source
from ssgan.errors import DataError, SsganError, StorageError
from ssgan.storage.retries import MissingError, Patience, RetryLimits

if TYPE_CHECKING:
    from ssgan.storage.s3 import S3Objects

LIMITS = RetryLimits(
    patience_s=15.0, attempts=4, first_wait_s=0.2, longest_wait_s=2.0, connect_timeout_s=3.0, read_timeout_s=10.0
)


def originals(source: Source, max_bytes: int) -> Callable[[str], bytes]:
    """A function from a path within the source to the bytes of that file, as they are now. Nothing is opened before its call.

    It may be called from several threads. It raises an SsganError where the file cannot be had: Rejected where it is gone or
    forbidden, StorageError where the storage does not hand it out, DataError where the source is not there. None of them
    names the path, which may give a class away.
    """
    if isinstance(source, S3Source):
        from ssgan.storage.s3 import S3Objects

        return partial(_object, S3Objects(source.url, LIMITS))
    opened = lru_cache(maxsize=1)(lambda: make_source(_without_download(source)))

    def read(path: str) -> bytes:
        try:
            return opened().read(Item(path), max_bytes)
        except SsganError:
            raise
        except (LookupError, ValueError):  # a data set in one array, and the path is of another source
            raise DataError(f"{opened().name} has no such image; was `data.source` changed since `ingest`?") from None

    return read


def _without_download(source: DigitsSource | FolderSource | TorchvisionSource) -> FolderSource | TorchvisionSource:
    if isinstance(source, TorchvisionSource):
        return source.model_copy(update={"download": False})
    return FolderSource(path=source.path)


def _object(objects: S3Objects, path: str) -> bytes:
    patience = Patience(objects.url, LIMITS, objects.judge, objects.renew)
    try:
        return patience("reading the original", lambda: objects.read(path), "s3:GetObject")
    except MissingError:
        raise Rejected("vanished", f"it is not below {objects.url} any more") from None
    except StorageError as error:  # the remedies speak of the parameter that most buckets come from
        raise StorageError(str(error).replace("`storage.url`", "`data.source.url`")) from error
