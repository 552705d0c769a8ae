"""A bucket in memory that fails on demand."""

from __future__ import annotations

from typing import Any

import fsspec

from ssgan.data.sources.s3 import Bucket


class Flaky(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """Objects in memory, and a plan of failures: key -> exceptions to raise, one per call, the last one forever."""

    protocol = "flaky"
    cachable = False

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__()
        self.objects, self.failures = objects, dict[str, list[Exception | None]]()

    def find(self, path: str, detail: bool = False, **_: Any) -> Any:
        self.fail("find")
        return {k: {"name": k, "size": len(v), "type": "file"} for k, v in self.objects.items() if k.startswith(path + "/")}

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        self.fail(path)
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path][start:end]

    def fail(self, key: str) -> None:
        plan = self.failures.get(key)
        error = plan and (plan.pop(0) if len(plan) > 1 else plan[0])
        if error:
            raise error


def bucket(files: dict[str, bytes], layout: str = "auto") -> Bucket:
    """A source whose file system is ``Flaky``, with ``files`` by their paths below the prefix."""
    return Bucket(
        Flaky({f"bucket/some/prefix/{name}": data for name, data in files.items()}), "s3://bucket/some/prefix/", layout
    )
