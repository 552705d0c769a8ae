"""Rules about the files themselves."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.closure import ROOT

LONGEST, LONGEST_STAGE, LONGEST_TEST = 300, 60, 450  # lines
FIRST_READING = 700  # lines of the files that the README names

# In pieces, so that this file does not contain what it forbids.
INDEX = "|".join(["py" + r"pi\.org", "python" + "hosted", "download" + r"\.pytorch", "index" + "-url", "find" + "-links"])
MACHINE = "|".join(["/" + "work/", "/" + "home/", "/" + "root/", "/" + "Users/", "/" + "tmp/lab", "/" + "opt/"])


def tracked() -> list[Path]:
    """Files under git, and those that will be; relative to the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(line) for line in lines if (ROOT / line).is_file()]


TRACKED = tracked()
PYTHON = [path for path in TRACKED if path.suffix == ".py"]


def test_files_stay_short() -> None:
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in PYTHON}
    assert [f"{path}: {lines}" for path, lines in lengths.items() if lines > longest(path)] == [], "split these files"


def longest(path: Path) -> int:
    return {"pipelines": LONGEST_STAGE, "tests": LONGEST_TEST}.get(path.parts[0], LONGEST)


def test_public_functions_say_what_they_do() -> None:
    assert [name for path in PYTHON if path.parts[0] in ("ssgan", "pipelines") for name in without_docstring(path)] == []


def without_docstring(path: Path) -> list[str]:
    """Public functions of a file that say nothing about themselves."""
    tree = ast.parse((ROOT / path).read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    if path.parts[:2] == ("ssgan", "nets"):  # the two functions of a family are described once, in ssgan/nets/__init__.py
        functions = [node for node in functions if node.name not in ("classifier", "generator")]
    return [f"{path}: {node.name}" for node in functions if not ast.get_docstring(node)]


@pytest.mark.parametrize(("what", "pattern"), [("package index", INDEX), ("path of somebody's machine", MACHINE)])
def test_no_file_names_an_index_or_a_machine(what: str, pattern: str) -> None:
    found = []
    for path in TRACKED:
        text = (ROOT / path).read_bytes().decode("utf-8", "ignore")
        found += [f"{path}: {match[0]}" for match in re.finditer(pattern, text)]
    assert not found, f"{what} in a tracked file"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "requirements-installer.lock"])
def test_locks_pin_and_hash_every_package_and_name_no_address(lock: str) -> None:
    lines = [line for line in (ROOT / lock).read_text().splitlines() if line and not line.lstrip().startswith("#")]
    names = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    assert names
    for number, end in zip(names, [*names[1:], len(lines)], strict=True):
        assert re.match(r"[\w.\[\],-]+==[\w.+!]+( ;.*)? \\$", lines[number]), lines[number]
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines[number + 1 : end])
        assert end > number + 1, f"{lines[number]} has no hash"
    assert "://" not in (ROOT / lock).read_text()


def test_the_files_to_read_first_exist_and_fit_in_one_sitting() -> None:
    section = (ROOT / "README.md").read_text().split("## Six files to read first")[1].split("\n## ")[0]
    files = re.findall(r"^\d\. \[`([^`]+)`\]\(([^)]+)\)", section, re.MULTILINE)
    assert len(files) == 6
    lines = sum(len((ROOT / link).read_text().splitlines()) for _, link in files)
    assert lines <= FIRST_READING, f"{lines} lines are no reading for one sitting"
    for shown, link in files:
        assert shown == link
        assert (ROOT / link).is_file(), link


def test_links_in_documents_lead_somewhere() -> None:
    dead = []
    for path in [p for p in TRACKED if p.suffix == ".md" and "templates" not in p.parts]:
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", (ROOT / path).read_text()):
            if "://" not in link and not (ROOT / path.parent / link).exists():
                dead.append(f"{path}: {link}")
    assert not dead
