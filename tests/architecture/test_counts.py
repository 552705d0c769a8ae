"""One is one: a count in a message goes through ``counted``, which knows the singular."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ssgan.wording import counted
from tests.support.closure import ROOT

# What this program counts. Units that are never one (pixels, bytes, bits) and rates (images/s) are left out.
NOUNS = (
    "attempts|batches|cells|checks|choices|classes|clusters|columns|components|conflicts|cores|days|"
    "dimensions|duplicates|errors|figures|files|folders|frames|groups|images|jobs|keys|labels|lines|"
    "links|mistakes|models|nodes|objects|parts|people|probabilities|problems|ranks|results|rounds|rows|"
    "runs|sheets|shards|steps|tensors|tests|threads|thresholds|trials|values|versions|votes|ways|"
    "workers"
)
COUNTED = re.compile(rf" (?:[a-z-]+ ){{0,2}}?(?:{NOUNS})\b(?!/)")
CONNECTED = re.compile(
    r" (?:[a-z-]+ )?(?:across|contains|has|have|is|are|was|names|holds|no|of|on|or|and|in|to|that|with|for|the|a) "
)
NO_COUNT = re.compile(r"\.shape|\.join\(|^counted\(|^\w+\.(?:control|name)$|^(?:how|more)$")
PLURAL = {
    "ssgan/core/distributed.py": "at least two ranks share the rows",
}


def counts(path: Path) -> list[str]:
    """F-strings of a file in which a value is followed by a plural."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                if not isinstance(value, ast.FormattedValue) or not isinstance(text, ast.Constant):
                    continue
                code = ast.unparse(value.value)
                if (said := noun(str(text.value))) and not NO_COUNT.search(code):
                    found.append(f"{path.relative_to(ROOT)}:{value.lineno}: {{{code}}}{said}")
    return found


def noun(text: str) -> str | None:
    """The counted words at the beginning of what follows a value."""
    match = COUNTED.match(text)
    return match[0] if match and not CONNECTED.match(match[0]) else None


def test_every_count_knows_the_singular() -> None:
    files = [path for folder in ("ssgan", "pipelines") for path in sorted((ROOT / folder).rglob("*.py"))]
    found = {file: said for path in files if (said := counts(path)) and (file := str(path.relative_to(ROOT)))}
    assert [one for file, said in found.items() if file not in PLURAL for one in said] == [], (
        "use ssgan.wording.counted: it says 1 image and 2 images"
    )


@pytest.mark.parametrize(("code", "caught"), [("f'{n} images'", 1), ("f'{n} test images'", 1), ("f'{n:,} images/s'", 0)])
def test_the_search_finds_what_it_is_for(code: str, caught: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "x.py").write_text(code)
    assert len(counts(tmp_path / "x.py")) == caught


def test_no_page_writes_a_plural_behind_a_number() -> None:
    templates = [path for folder in ("report", "selection") for path in (ROOT / "ssgan" / folder / "templates").iterdir()]
    behind = re.compile(rf"\| ?(?:number|length) ?\}}\}} (?:[a-z-]+ )?(?:{NOUNS})\b")
    found = [f"{path.name}: {match[0]}" for path in templates for match in behind.finditer(path.read_text())]
    assert found == [], "use the filter `counted`"


@pytest.mark.parametrize(
    ("number", "noun", "plural", "said"),
    [
        (0, "image", "", "0 images"),
        (1, "image", "", "1 image"),
        (1234, "class", "", "1,234 classes"),
        (2, "batch", "", "2 batches"),
        (2, "probability", "", "2 probabilities"),
        (3, "day", "", "3 days"),
        (1, "image is", "images are", "1 image is"),
        (2, "image is", "images are", "2 images are"),
    ],
)
def test_counted(number: int, noun: str, plural: str, said: str) -> None:
    assert counted(number, noun, plural) == said
