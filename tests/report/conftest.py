from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.fake_run import Fake
from tests.support.report_page import page


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of ``Fake`` with its page, made once. Read only."""
    root = tmp_path_factory.mktemp("usual")
    with pytest.MonkeyPatch.context() as patch:
        page(Fake(root, warnings=("discriminator wins at step 100",)), patch)
    return root


@pytest.fixture
def copied(usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, to be changed; the working directory is there."""
    shutil.copytree(usual, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
