"""The image: what goes in, in which order, and what a cluster relies on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.closure import ROOT
from tests.support.dockerfile import STEPS, environment, of

FOLDER = ROOT / "infra" / "docker"
LOCK = (ROOT / "requirements.lock").read_text()


def test_it_runs_as_a_user_whose_number_kubernetes_can_see() -> None:
    user, group = of("USER")[-1].split(":")
    assert user.isdigit()
    assert group.isdigit()
    assert int(user) > 0
    assert STEPS.index(("USER", f"{user}:{group}")) > max(i for i, (name, _) in enumerate(STEPS) if name == "RUN")


def test_authentication_is_on_unless_somebody_turns_it_off() -> None:
    assert environment()["RAY_AUTH_MODE"] == "token"
    assert environment()["RAY_USAGE_STATS_ENABLED"] == "0"


def test_every_package_comes_from_the_locks_with_its_hash() -> None:
    installs = [
        command for rest in of("RUN") for command in re.split(r"\s+&&\s+", rest) if re.search(r"\bpip install\b", command)
    ]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or ("--no-deps" in command and command.split()[-1] == "."), command


def test_packages_are_installed_before_our_code_comes_in() -> None:
    heavy = next(i for i, (name, rest) in enumerate(STEPS) if name == "RUN" and "packages.lock" in rest)
    code = next(i for i, (name, rest) in enumerate(STEPS) if name == "COPY" and rest.startswith("ssgan"))
    assert heavy < code


def test_python_is_the_one_that_the_lock_was_made_for() -> None:
    (base,) = [rest.split("=", 1)[1] for rest in of("ARG") if rest.startswith("PYTHON_IMAGE")]
    assert re.fullmatch(r"python:3\.11(\.\d+)?-slim-\w+(@sha256:[0-9a-f]{64})?", base)
    assert "--python-version 3.11" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("tool", ["openssh-client", "rsync"])
def test_ray_up_finds_its_tools_in_the_container(tool: str) -> None:
    """From the head's container, Ray's autoscaler sets up workers over SSH and copies files into theirs with rsync."""
    assert any(f" {tool} " in rest for rest in of("RUN") if "apt-get install" in rest)


def test_ray_up_finds_its_home_and_a_shell() -> None:
    assert environment()["HOME"] == of("WORKDIR")[-1]  # Ray mounts the token below the HOME that the image names
    assert of("ENTRYPOINT") == []  # Ray runs `docker run IMAGE bash`
    assert any("/.ray" in rest for rest in of("RUN"))  # else Docker makes the folder for the mount, as root


def test_ray_up_finds_aws_in_the_lock() -> None:
    assert re.search(r"^boto3==", LOCK, re.MULTILINE)


@pytest.mark.parametrize(("variant", "left_out"), [("cpu", ["triton"]), ("cuda", [])])
def test_a_variant_leaves_out_what_it_cannot_use_and_nothing_else(variant: str, left_out: list[str], tmp_path: Path) -> None:
    (command,) = [c for rest in of("RUN") for c in re.split(r"\s+&&\s+", rest) if c.startswith("awk ")]
    script = command.replace("requirements.lock", str(ROOT / "requirements.lock")).replace("packages.lock", "made.lock")
    subprocess.run(script, shell=True, check=True, cwd=tmp_path, env={"SSGAN_IMAGE": variant, "PATH": "/usr/bin:/bin"})
    names = [set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE)) for text in (LOCK, (tmp_path / "made.lock").read_text())]
    assert sorted(names[0] - names[1]) == left_out
    assert names[1] < names[0] or not left_out
    assert ("FROM", f"common AS {variant}") in STEPS


def test_nothing_is_sent_to_the_builder_but_what_is_copied() -> None:
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {source for rest in of("COPY") for source in rest.split()[:-1]}
    assert let_in == copied
    assert all((ROOT / name).exists() for name in let_in)
