"""Keeps in a lock the hashes of files that a supported platform can install, and no others. ``make lock`` runs it.

uv writes the hash of every file of a package into a lock, for every system and every Python. What one platform can install, the
wheels that match it and the source, uv lists only in the format pylock.toml (PEP 751).
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

# The newest C library that uv has a name for: wheels for older ones are included.
PLATFORMS = ("x86_64-manylinux_2_40", "aarch64-manylinux_2_40")
PACKAGE = re.compile(r"^[\w.-]+==[^\s;]+", re.MULTILINE)
HASH = re.compile(r" \\\n    --hash=sha256:([0-9a-f]{64})")


def installable(pylock: str) -> dict[str, set[str]]:
    """Every package of a pylock.toml as ``name==version``, with the sha256 of its files."""
    files = {}
    for package in tomllib.loads(pylock)["packages"]:
        source = [package["sdist"]] if "sdist" in package else []
        hashes = {file["hashes"]["sha256"] for file in [*package.get("wheels", []), *source]}
        files[f"{package['name']}=={package['version']}"] = hashes
    return files


def keep_supported(lock: str, pylocks: Sequence[str]) -> str:
    """The text of a lock with the hashes that occur in the lists of files, one list for each platform.

    Raises:
        ValueError: a platform needs other packages than the lock has, or has no file of one of them.
    """
    keep: set[str] = set()
    for pylock in pylocks:
        files = installable(pylock)
        if odd := set(PACKAGE.findall(lock)) ^ files.keys():
            raise ValueError(f"not the same packages on every platform: {', '.join(sorted(odd))}")
        if bare := sorted(name for name, hashes in files.items() if not hashes):
            raise ValueError(f"no file for a platform: {', '.join(bare)}")
        keep |= set[str]().union(*files.values())
    return HASH.sub(lambda match: match[0] if match[1] in keep else "", lock)


def list_files(lock: Path, platform: str) -> str:
    """What of a lock can be installed on a platform, and what else it needs there, as pylock.toml."""
    command = ["uv", "pip", "compile", str(lock), "--quiet", "--format", "pylock.toml", "--python-version", "3.11"]
    command += ["--python-platform", platform]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    """Rewrite the locks that the command line names."""
    for lock in map(Path, sys.argv[1:]):
        lock.write_text(keep_supported(lock.read_text(), [list_files(lock, platform) for platform in PLATFORMS]))


if __name__ == "__main__":
    main()
