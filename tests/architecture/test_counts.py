"""One is one: a count in a message goes through ``counted``, which knows the singular."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.closure import ROOT

# What this program counts. Units that are never one (pixels, bytes, bits) and rates (images/s) are left out.
NOUNS = """answers attempts batches cells checks choices classes clusters columns components conflicts cores days dimensions
    duplicates errors figures files folders frames groups images jobs keys labels lines links mistakes models names nodes objects
    parts people points probabilities problems ranks results rounds rows runs sheets shards steps tensors tests threads thresholds
    trials values versions votes ways workers""".split()
COUNTED = re.compile(rf" (?:[a-z-]+ ){{0,2}}?(?:{'|'.join(NOUNS)})\b(?!/)")
CONNECTED = re.compile(r" (?:has|have|is|are|was|names|holds|or|and|of|in|to|that|as|with|for|from|gives|other than|the|a|no) ")


def counts(path: Path) -> list[str]:
    """F-strings of a file in which a value is followed by a plural."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant) and (said := noun(text.value)):
                    found.append(f"{path.relative_to(ROOT)}:{value.lineno}: {{{ast.unparse(value.value)}}}{said}")
    return found


def noun(text: str) -> str | None:
    """The counted words at the beginning of what follows a value."""
    match = COUNTED.match(text)
    return match[0] if match and not CONNECTED.match(match[0]) else None


def test_every_count_knows_the_singular() -> None:
    files = [path for folder in ("ssgan", "pipelines") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert [found for path in files for found in counts(path)] == [], "use ssgan.counted: it says 1 image and 2 images"


@pytest.mark.parametrize(("code", "caught"), [("f'{n} images'", 1), ("f'{n} test images'", 1), ("f'{n:,} images/s'", 0)])
def test_the_search_finds_what_it_is_for(code: str, caught: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "x.py").write_text(code)
    assert len(counts(tmp_path / "x.py")) == caught
