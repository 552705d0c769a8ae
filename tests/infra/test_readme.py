"""infra/README.md: what people paste is what was tested, and what it names is there."""

from __future__ import annotations

import json
import re

import pytest

from tests.infra.conftest import AWS, BUCKET, Lab
from tests.support.closure import ROOT
from tests.support.cloud import read_template

README = (ROOT / "infra" / "README.md").read_text()


def test_the_policy_to_paste_is_the_deployed_one(lab: Lab) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    iam = lab.cloud.client("iam", lab.keys["root"])
    deployed = iam.get_policy_version(PolicyArn=lab.outputs["TrainerPolicy"], VersionId="v1")["PolicyVersion"]["Document"]
    assert json.loads(block.replace("BUCKET", BUCKET)) == deployed


def test_the_files_that_it_names_exist() -> None:
    below = re.findall(r"`((?:aws|terraform|docker|ray|kuberay|s3)/[\w./-]*)`", README)
    whole = re.findall(r"(?<![\w/])(?:infra|tests)/[\w./-]*\w", README)
    assert len(below) > 8
    assert len(whole) > 8
    missing = [name for name in [*(f"infra/{name}" for name in below), *whole] if not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("stack", ["bucket", "cluster"])
def test_a_deployment_gives_every_parameter_that_has_no_default(stack: str) -> None:
    parameters = read_template(AWS / f"{stack}.yaml")["Parameters"]
    command = README.split(f"--stack-name ssgan-{stack}")[1].split("\n\n")[0]
    for name, parameter in parameters.items():
        assert "Default" in parameter or f"{name}=" in command, name


def test_nobody_reads_a_price_here_that_was_true_once() -> None:
    assert not re.search(r"[$€]\s*\d|\bUSD\b|\bEUR\b", README)
