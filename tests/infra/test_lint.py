"""What linters say: cfn-lint about the stacks, hadolint about the image, shellcheck about every line of shell in infra/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.closure import ROOT

BIN = Path(sys.executable).parent
DOCKERFILE = ROOT / "infra" / "docker" / "Dockerfile"
TEMPLATES = sorted((ROOT / "infra" / "aws").glob("*.yaml"))
SCRIPTS = [*sorted((ROOT / ".ci").iterdir()), *sorted((ROOT / "infra").rglob("*.sh"))]


def complaints(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr if done.returncode else ""


def test_cloudformation_would_accept_the_stacks() -> None:
    assert {path.name for path in TEMPLATES} == {"bucket.yaml", "cluster.yaml"}
    assert complaints(BIN / "cfn-lint", "--regions", "eu-central-1", "us-east-1", "--", *TEMPLATES) == ""


def test_cfn_lint_would_have_seen_a_mistake(tmp_path: Path) -> None:
    broken = TEMPLATES[0].read_text().replace("VersioningConfiguration", "VersionConfiguration")
    (tmp_path / "broken.yaml").write_text(broken)
    assert "VersionConfiguration" in complaints(BIN / "cfn-lint", tmp_path / "broken.yaml")


def test_hadolint_has_nothing_to_say_about_the_image() -> None:
    assert complaints(BIN / "hadolint", DOCKERFILE) == ""


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (" && rm -rf /var/lib/apt/lists/*", "", "DL3009"),
        ("USER 1000:1000", "USER root", "DL3002"),
        (" --no-install-recommends", "", "DL3015"),
    ],
)
def test_hadolint_would_have_seen_a_mistake(tmp_path: Path, old: str, new: str, rule: str) -> None:
    text = DOCKERFILE.read_text().replace(" \\\n   ", "")
    assert old in text
    (tmp_path / "Dockerfile").write_text(text.replace(old, new))
    assert rule in complaints(BIN / "hadolint", tmp_path / "Dockerfile")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say_about_the_scripts(script: Path) -> None:
    assert complaints(BIN / "shellcheck", script) == ""


def test_shellcheck_has_nothing_to_say_about_the_commands_of_the_cluster(tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "infra" / "ray" / "cluster-aws.yaml").read_text())
    keys = ("initialization_commands", "head_start_ray_commands", "worker_start_ray_commands")
    lines = [line for key in keys for line in config[key]]
    assert lines
    script = tmp_path / "commands.sh"
    script.write_text("\n".join(["#!/bin/bash", 'RAY_HEAD_IP="$1"', *lines, ""]))
    assert complaints(BIN / "shellcheck", script) == ""
