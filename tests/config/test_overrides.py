"""What the documents type after `dvc exp run -S` is what DVC accepts, in the demonstration and in a new project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ssgan import methods
from ssgan.config import load
from ssgan.templates import fill
from tests.support.choices import CHOICES
from tests.support.closure import ROOT

PLACEHOLDER = re.compile(r"=(VALUE|\.\.\.)$")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "ssgan/templates/project/README.md"]


def typed() -> list[str]:
    found = {text for page in PAGES for text in re.findall(r"-S '?([+\w.]+=[^\s'`;,)]+)", page.read_text())}
    return sorted(text for text in found if not PLACEHOLDER.search(text))


@pytest.mark.parametrize("project", ["ours", "new"])
@pytest.mark.parametrize("override", typed())
def test_dvc_accepts_it(override: str, project: str, tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides  # not when tests are collected

    text = (ROOT / "params.yaml").read_text() if project == "ours" else fill("parameters.yaml", CHOICES)
    (tmp_path / "params.yaml").write_text(text)
    apply_overrides(tmp_path / "params.yaml", [override])
    assert load(tmp_path / "params.yaml")


def test_an_option_of_a_method_arrives(tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides

    assert any(text.startswith("++method.options.") for text in typed())
    (tmp_path / "params.yaml").write_text(fill("parameters.yaml", CHOICES))
    for value in (0.25, 0.5):  # once where it does not stand in the file, once where it does
        apply_overrides(tmp_path / "params.yaml", [f"++method.options.lr_tail={value}"])
        config = load(tmp_path / "params.yaml")
        assert methods.resolve_config(config.method.name, config.method.options).lr_tail == value
