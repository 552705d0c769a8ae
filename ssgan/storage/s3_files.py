"""Reading data sets from S3 for as long as a training lasts, with the patience that checkpoints have.

A streamed set is read from the first step to the last. Meanwhile storage may be away for a minute, and credentials in a
mounted file are replaced: a session has read them when it was opened, so it is opened anew when they are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fsspec.asyn import sync
from s3fs.core import S3File

from ssgan.storage.retries import FaultVerdict, Patience, RetryLimits, judge_local
from ssgan.storage.s3 import FileSystem, judge_s3, refusal

T = TypeVar("T")


class PatientFileSystem(FileSystem):
    """File system whose look-ups and open files are retried as in ``retries.py``, with its warnings.

    Raises StorageError, with the remedy, where the limits are reached. A missing file stays a FileNotFoundError.
    """

    retries = 1  # of s3fs, unreported; they would multiply
    limits = RetryLimits()

    def glob(self, path: str, **kwargs: Any) -> Any:
        return self.patiently(f"listing {path}", lambda: sync(self.loop, self._glob, path, **kwargs), "s3:ListBucket")

    def info(self, path: str, **kwargs: Any) -> Any:
        return self.patiently(f"looking for {path}", lambda: sync(self.loop, self._info, path, **kwargs))

    def cat_file(self, path: str, **kwargs: Any) -> Any:
        return self.patiently(f"reading {path}", lambda: sync(self.loop, self._cat_file, path, **kwargs))

    def patiently(self, what: str, action: Callable[[], T], needs: str = "s3:GetObject") -> T:
        """Run ``action`` until it succeeds or the patience of one operation is spent."""
        return Patience("s3", self.limits, _judge, self.renew)(what, action, needs)

    def renew(self) -> None:
        """Read the credentials anew. Files that are open go on with them."""
        self.connect(refresh=True)

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> Any:
        if mode != "rb":
            return super()._open(path, mode, block_size=block_size, **kwargs)
        return _PatientFile(self, path, mode, block_size=block_size or self.default_block_size)


class _PatientFile(S3File):  # type: ignore[misc]  # s3fs has no types
    def _fetch_range(self, start: int, end: int) -> Any:
        return self.fs.patiently(f"reading {self.path}", lambda: super(_PatientFile, self)._fetch_range(start, end))


def _judge(error: BaseException) -> FaultVerdict | None:
    """s3fs turns the server's answers into errors of files; the answer itself is behind them."""
    if isinstance(error, FileNotFoundError):
        return None
    return judge_s3(refusal(error) or error) or judge_local(error)
