"""The source that ``data.source`` describes, with a file system where it needs one."""

from __future__ import annotations

from ssgan.config import S3Source, Source
from ssgan.data.sources import ImageSource
from ssgan.data.sources import open_source as _open


def open_source(config: Source) -> ImageSource:
    """Open it; S3 with the environment's endpoint and credentials. Other sources never load an S3 client.

    Raises ConfigError, DataError.
    """
    if not isinstance(config, S3Source):
        return _open(config)
    from ssgan.runtime.storage import filesystem

    return _open(config, filesystem(config.url)[0])
