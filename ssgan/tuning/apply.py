"""From the best point to ``params.yaml``: only the values change, every comment stays."""

from __future__ import annotations

import difflib
import io
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from ssgan.config import Config, parse, yaml12
from ssgan.errors import ConfigError
from ssgan.tuning.board import represent_real
from ssgan.tuning.space import Point, at


def read_best(path: Path) -> dict[str, Any]:
    """What ``best.yaml`` holds. Raises ConfigError where there is none, or where it is something else."""
    try:
        found = yaml12.read(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist, so no search has found anything yet; run `ssgan tune`") from None
    if not isinstance(found, dict) or not isinstance(found.get("params"), dict) or not found["params"]:
        raise ConfigError(f"{path} has no `params`; run `ssgan tune` to write it again")
    return found


def edited(text: str, point: Point) -> str:
    """The text of a parameter file with the values of a point.

    Raises:
        ConfigError: a value is not allowed, or the text is written in a way that cannot be edited.
    """
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 10_000
    indent = _indent(text)
    editor.indent(mapping=indent, sequence=indent + 2, offset=indent)
    editor.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null"))
    editor.representer.add_representer(float, represent_real)
    tree = editor.load(text)
    for key, value in point.items():
        *path, last = key.split(".")
        node = tree
        for part in path:
            if not node.get(part):
                node[part] = _empty()
            node = node[part]
        node[last] = value
    buffer = io.StringIO()
    editor.dump(tree, buffer)
    result = _layout_of(text, buffer.getvalue())
    expected = at(parse(Config, yaml12.read(text, "params.yaml"), "params.yaml"), point)
    if parse(Config, yaml12.read(result, "params.yaml"), "params.yaml") != expected:
        raise ConfigError(f"params.yaml cannot be edited without changing more than {', '.join(point)}; change them by hand")
    return result


def _empty() -> CommentedMap:
    """A mapping on one line, as ``{}`` was, so that the comment behind it stays where it is."""
    made = CommentedMap()
    made.fa.set_flow_style()
    return made


def _layout_of(before: str, after: str) -> str:
    """``after``, with each line that says the same as a line of ``before`` in the layout that it had there.

    The editor keeps comments, but not every blank in front of them.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(None, [_words(line) for line in old], [_words(line) for line in new], autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            new[j1:j2] = old[i1:i2]
        else:
            new[j1:j2] = [re.sub(r"(?<=\S) {2,}(?=#[^'\"]*$)", " ", line) for line in new[j1:j2]]
    return "".join(new)


def _indent(text: str) -> int:
    """Blanks before the first key that is not at the left edge."""
    found = re.search(r"^( +)[\w.]+:", text, re.MULTILINE)
    return len(found[1]) if found else 2


def _words(line: str) -> str:
    indent = len(line) - len(line.lstrip())
    return " " * indent + " ".join(line.split())


def diff(before: str, after: str) -> str:
    """What changes in params.yaml, as ``git diff`` would show it."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), "params.yaml", "params.yaml, applied", n=1
    )
    return "".join(lines)
