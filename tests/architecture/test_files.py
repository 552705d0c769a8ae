"""Rules about the files themselves."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.closure import ROOT

LONGEST, LONGEST_STAGE, LONGEST_TEST = 300, 60, 450  # lines
MAY_BE_LONGER = {Path("ssgan/config"): 350}  # one list of all parameters; it is read, not followed

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


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_files_stay_short(path: Path) -> None:
    lines = len((ROOT / path).read_text().splitlines())
    stage = path.parts[0] == "pipelines"
    limit = MAY_BE_LONGER.get(path, LONGEST_STAGE if stage else LONGEST_TEST if path.parts[0] == "tests" else LONGEST)
    assert lines <= limit, f"{path} has {lines} lines: it asks for a second room"


@pytest.mark.parametrize("path", [p for p in PYTHON if p.parts[0] in ("ssgan", "pipelines")], ids=str)
def test_public_functions_say_what_they_do(path: Path) -> None:
    tree = ast.parse((ROOT / path).read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    if path.parts[:2] == ("ssgan", "nets"):  # the two functions of a family are described once, in ssgan/nets/__init__.py
        functions = [node for node in functions if node.name not in ("classifier", "generator")]
    assert [f.name for f in functions if not ast.get_docstring(f)] == []


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


def test_the_files_to_read_first_exist() -> None:
    section = (ROOT / "README.md").read_text().split("## Six files to read first")[1].split("\n## ")[0]
    files = re.findall(r"^\d\. \[`([^`]+)`\]\(([^)]+)\)", section, re.MULTILINE)
    assert len(files) == 6
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
