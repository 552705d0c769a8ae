"""The instructions of the image's Dockerfile."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.closure import ROOT


def instructions(path: Path) -> list[tuple[str, str]]:
    """Keyword and rest of every instruction, continued lines joined, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


STEPS = instructions(ROOT / "infra/docker/Dockerfile")


def of(keyword: str) -> list[str]:
    """The rest of every instruction with this keyword."""
    return [rest for name, rest in STEPS if name == keyword]


def environment() -> dict[str, str]:
    """The environment that the image sets."""
    return dict(pair.split("=", 1) for rest in of("ENV") for pair in rest.split())
