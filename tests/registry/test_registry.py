"""The registry in a folder of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.errors import StorageError
from ssgan.registry.registry import Registry
from ssgan.storage.local import LocalObjects
from tests.support.registry_contract import BY, RegistryContract, version

__all__ = ["version"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "storage")


class TestFolder(RegistryContract):
    pass


def test_storage_that_ignores_the_condition_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers accept If-None-Match and overwrite all the same."""

    def overwrite(self: LocalObjects, name: str, data: bytes) -> bool:
        self.write(name, data)
        return True

    monkeypatch.setattr(LocalObjects, "create", overwrite)
    with pytest.raises(StorageError, match="ignores If-None-Match"):
        Registry(url).move("champion", "m-aaaa", None, BY)
    assert Registry(url).history() == []
