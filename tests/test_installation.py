"""What requirements.txt of a project says, and the remedies that name an extra, by where ssgan was installed from."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ssgan import __version__, installation
from ssgan.cli.app import run
from tests.support.closure import ROOT

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIT = {
    "url": "https://git.example.org/team/ssgan.git",
    "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "v1"},
}
WHEEL = "https://files.example.org/ssgan-0.1.0-py3-none-any.whl"
ARCHIVE = {"url": WHEEL, "archive_info": {"hash": "sha256=ab", "hashes": {"sha256": "ab"}}}
CASES = {
    "index": (None, f"ssgan=={__version__}", "pip install 'ssgan[export]'"),
    "git": (
        GIT,
        f"ssgan @ git+https://git.example.org/team/ssgan.git@{COMMIT}",
        f"pip install 'ssgan[export] @ git+https://git.example.org/team/ssgan.git@{COMMIT}'",
    ),
    "wheel": (ARCHIVE, f"ssgan @ {WHEEL}#sha256=ab", f"pip install 'ssgan[export] @ {WHEEL}#sha256=ab'"),
    "wheel without a hash": ({"url": WHEEL, "archive_info": {}}, f"ssgan @ {WHEEL}", f"pip install 'ssgan[export] @ {WHEEL}'"),
    "clone": (
        {"url": "file:///srv/my%20clone", "dir_info": {"editable": True}},
        f"ssgan=={__version__}",
        "pip install -e '/srv/my clone[export]'",
    ),
    "folder": ({"url": "file:///srv/ssgan", "dir_info": {}}, f"ssgan=={__version__}", "pip install '/srv/ssgan[export]'"),
}


class Found:
    def __init__(self, origin: object) -> None:
        self._text = None if origin is None else json.dumps(origin)

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self._text


@pytest.mark.parametrize("case", CASES)
def test_a_project_installs_what_made_it(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin, requirement, remedy = CASES[case]
    monkeypatch.setattr(installation, "distribution", lambda name: Found(origin))
    assert run(["init", str(tmp_path / "p")]) == 0
    text = (tmp_path / "p/requirements.txt").read_text()
    assert text.splitlines()[-1] == requirement
    assert text.startswith("# `ssgan init` ran from a folder of source code") == (case in ("clone", "folder"))
    assert "/srv" not in text
    assert installation.remedy("export") == remedy


def test_pip_writes_what_is_read_here(tmp_path: Path) -> None:
    """A wheel of this very code, installed by pip from a file."""
    build = "import setuptools.build_meta as backend, sys; print(backend.build_wheel(sys.argv[1]))"
    source = tmp_path / "source"
    (source / "ssgan").mkdir(parents=True)
    for name in ("__init__.py", "installation.py"):
        (source / "ssgan" / name).write_bytes((ROOT / "ssgan" / name).read_bytes())
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\n[project]\nname = "ssgan"\nversion = "0.1.0"\n'
        '[tool.setuptools]\npackages = ["ssgan"]\n'
    )
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run(pip, check=True)
    code = "from ssgan import installation; print(installation.requirement(), installation.remedy('export'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(target)}, capture_output=True, text=True, check=True
    )
    assert f"ssgan @ {wheel.as_uri()}#sha256=" in done.stdout
    assert f"pip install 'ssgan[export] @ {wheel.as_uri()}#sha256=" in done.stdout
