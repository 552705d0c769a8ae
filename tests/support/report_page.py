"""The report as a browser would read it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ssgan.config import ReportConfig
from ssgan.report import ReportInputs, render
from tests.support.fake_run import Fake

VOID = {"meta", "img", "br", "use", "path", "hr"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; every element must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, name: str) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get(name)) is not None]


def page(fake: Fake, monkeypatch: pytest.MonkeyPatch, **config: Any) -> Page:
    fake.write().evaluate(monkeypatch)
    render(ReportInputs(), Path("report"), ReportConfig(**config))
    return Page((fake.root / "report/index.html").read_text(encoding="utf-8"))


def read(root: Path) -> Page:
    return Page((root / "report/index.html").read_text(encoding="utf-8"))
