"""DVC in this process: what its command line does, without the two seconds in which it starts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dvc.repo import Repo


@contextlib.contextmanager
def dvc_in(folder: Path, **environment: str) -> Iterator[Repo]:
    """The project of DVC in a folder, which is the working directory inside; a folder that is none becomes one, without Git."""
    from dvc.repo import Repo  # not when tests are collected

    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_NO_ANALYTICS", "1")
        for name, value in environment.items():
            patch.setenv(name, value)
        with Repo() if Path(".dvc").exists() else Repo.init(no_scm=True) as repo:
            yield repo
