"""DVC shares data through the same server: what was pushed is what comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.storage_contract import content, make_folder

pytestmark = [pytest.mark.s3, pytest.mark.strict_s3]


@pytest.fixture
def project(tmp_path: Path, s3: str, environment: pytest.MonkeyPatch) -> Path:
    environment.setenv("DVC_NO_ANALYTICS", "1")
    environment.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    folder = tmp_path / "project"
    folder.mkdir()
    dvc(folder, "init", "--no-scm", "--quiet")
    settings = {"url": f"{s3}/dvc", "endpointurl": os.environ["AWS_ENDPOINT_URL"]}
    lines = [f"    {name} = {value}" for name, value in settings.items()]
    (folder / ".dvc" / "config").write_text(
        "\n".join(["[core]", "    no_scm = True", "    remote = lab", "['remote \"lab\"']", *lines, ""])
    )
    return folder


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=120)


def test_push_lose_everything_pull(project: Path, environment: pytest.MonkeyPatch) -> None:
    before = content(make_folder(project / "data", 100_000))
    dvc(project, "add", "data")
    with environment.context() as wrong:
        wrong.setenv("AWS_SECRET_ACCESS_KEY", "wrong-wrong-wrong-wrong")
        with pytest.raises(subprocess.CalledProcessError) as caught:
            dvc(project, "push")
    assert "SignatureDoesNotMatch" in caught.value.stderr or "Forbidden" in caught.value.stderr
    dvc(project, "push")
    shutil.rmtree(project / ".dvc" / "cache")
    shutil.rmtree(project / "data")
    dvc(project, "pull")
    assert content(project / "data") == before
