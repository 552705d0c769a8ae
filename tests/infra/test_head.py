"""Ray's own code against an emulated EC2: what `ray up` makes of our config, and whether the head's role allows what Ray does.

The emulator does not judge conditions on tags, so Ray runs as root there, and what it asked for is judged by ``policy.py``
with the policies as deployed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from tests.infra.conftest import BUCKET, Lab
from tests.support.closure import ROOT
from tests.support.cloud import ACCOUNT, REGION, ROOT_KEYS
from tests.support.policy import allowed

EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
OWN = "aws:ResourceTag/ray-cluster-name"
Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Launch:
    """What Ray made of the config, the machine that it started, and all that it asked EC2 for while it ran."""

    config: dict[str, Any]
    machine: str
    states: list[str]
    calls: list[Call]


@pytest.fixture(scope="module")
def launch(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Bootstraps the config, then starts, tags, looks at and ends one worker, as the head does."""
    home = tmp_path_factory.mktemp("home")
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("0" * 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in {**lab.cloud.environment(ROOT_KEYS), "HOME": str(home)}.items():
            patch.setenv(name, value)
        yield run_ray(lab, filled_in(lab))


def filled_in(lab: Lab) -> dict[str, Any]:
    """infra/ray/cluster-aws.yaml with its EDIT marks followed."""
    image = lab.cloud.client("ec2", ROOT_KEYS).describe_images()["Images"][0]["ImageId"]
    text = (ROOT / "infra" / "ray" / "cluster-aws.yaml").read_text()
    for old, new in (
        ("BUCKET-", f"{BUCKET}-"),
        ("sg-0123456789abcdef0", lab.outputs["SecurityGroup"]),
        ("ami-0123456789abcdef0", image),
    ):
        assert old in text
        text = text.replace(old, new)
    config: dict[str, Any] = yaml.safe_load(text)
    return config


def run_ray(lab: Lab, config: dict[str, Any]) -> Launch:
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
    from ray.autoscaler._private.aws.utils import client_cache, resource_cache
    from ray.autoscaler._private.commands import _bootstrap_config
    from ray.autoscaler._private.util import prepare_config, validate_config

    calls: list[Call] = []
    client_cache.cache_clear()
    resource_cache.cache_clear()
    config = prepare_config(config)
    validate_config(config)
    config = _bootstrap_config(config, no_config_cache=True)
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    for resource in (provider.ec2, provider.ec2_fail_fast):
        resource.meta.client.meta.events.register(
            "provide-client-params.ec2.*", lambda params, model, **_: calls.append((model.name, dict(params)))
        )
    tags = {"ray-node-type": "worker", "ray-user-node-type": "gpu", "ray-node-status": "uninitialized", "ray-node-name": "gpu"}
    (machine,) = provider.create_node(config["available_node_types"]["gpu"]["node_config"], tags, 1)
    provider.non_terminated_nodes({"ray-node-type": "worker"})
    provider.set_node_tags(machine, {"ray-node-status": "up-to-date"})
    states = [state_of(lab, machine)]
    provider.terminate_node(machine)
    return Launch(config, machine, [*states, state_of(lab, machine)], calls)


def state_of(lab: Lab, machine: str) -> str:
    found = lab.cloud.client("ec2", ROOT_KEYS).describe_instances(InstanceIds=[machine])
    state: str = found["Reservations"][0]["Instances"][0]["State"]["Name"]
    return state


def requests(call: Call) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Action, resource and context of all that IAM checks for one call (Service Authorization Reference of EC2)."""
    name, params = call
    if name == "RunInstances":
        tags = {tag["Key"]: tag["Value"] for spec in params.get("TagSpecifications", []) for tag in spec["Tags"]}
        yield "ec2:RunInstances", f"{EC2}:instance/i-new", {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        for kind in ("key-pair", "network-interface", "security-group", "spot-instances-request", "subnet", "volume"):
            yield "ec2:RunInstances", f"{EC2}:{kind}/x-0123", {}
        yield "ec2:RunInstances", f"arn:aws:ec2:{REGION}::image/{params['ImageId']}", {}
        yield "ec2:CreateTags", f"{EC2}:instance/i-new", {"ec2:CreateAction": "RunInstances"}
        profile = params["IamInstanceProfile"]["Name"]  # profile and role have one name in our stacks
        yield "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/{profile}", {"iam:PassedToService": "ec2.amazonaws.com"}
    elif name in ("CreateTags", "TerminateInstances"):
        for machine in params.get("Resources") or params["InstanceIds"]:
            yield f"ec2:{name}", f"{EC2}:instance/{machine}", {OWN: "ssgan"}
    else:
        yield f"ec2:{name}", "*", {}


def test_a_worker_starts_and_ends(launch: Launch) -> None:
    assert launch.states == ["running", "terminated"]


def test_the_heads_role_allows_all_that_ray_asks_for(lab: Lab, launch: Launch) -> None:
    assert {name for name, _ in launch.calls} >= {"RunInstances", "DescribeInstances", "CreateTags", "TerminateInstances"}
    statements = lab.statements(f"{BUCKET}-head")
    refused = [
        request for call in launch.calls for request in requests(call) if not allowed(statements, *request[:2], **request[2])
    ]
    assert refused == []


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("ec2:RunInstances", f"{EC2}:instance/i-new", {}),
        ("ec2:RunInstances", f"{EC2}:instance/i-new", {"aws:RequestTag/ray-cluster-name": "other"}),
        ("ec2:TerminateInstances", f"{EC2}:instance/i-0123", {OWN: "other"}),
        ("ec2:TerminateInstances", f"{EC2}:instance/i-0123", {}),
        ("ec2:CreateTags", f"{EC2}:instance/i-0123", {"aws:RequestTag/ray-cluster-name": "ssgan"}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/{BUCKET}-head", {"iam:PassedToService": "ec2.amazonaws.com"}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/{BUCKET}-trainer", {"iam:PassedToService": "lambda.amazonaws.com"}),
        ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/new", {}),
        ("ec2:AuthorizeSecurityGroupIngress", f"{EC2}:security-group/sg-0123", {}),
        ("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/runs/run/main/final/summary.json", {}),
        ("s3:DeleteObjectVersion", f"arn:aws:s3:::{BUCKET}/runs/checkpoints/run/main/step-1/state.json", {}),
    ],
)
def test_the_heads_role_allows_nothing_beyond(lab: Lab, action: str, resource: str, context: dict[str, str]) -> None:
    assert not allowed(lab.statements(f"{BUCKET}-head"), action, resource, **context)


def test_workers_are_spot_machines_with_the_trainers_role_and_guarded_credentials(launch: Launch) -> None:
    (asked,) = [params for name, params in launch.calls if name == "RunInstances"]
    assert asked["InstanceMarketOptions"]["MarketType"] == "spot"
    assert asked["IamInstanceProfile"] == {"Name": f"{BUCKET}-trainer"}
    assert asked["MetadataOptions"]["HttpTokens"] == "required"
    assert all(disk["Ebs"]["Encrypted"] and disk["Ebs"]["DeleteOnTermination"] for disk in asked["BlockDeviceMappings"])


def test_no_port_is_open_to_the_world(lab: Lab, launch: Launch) -> None:
    used = {
        group for node in launch.config["available_node_types"].values() for group in node["node_config"]["SecurityGroupIds"]
    }
    groups = lab.cloud.client("ec2", ROOT_KEYS).describe_security_groups()["SecurityGroups"]
    assert used == {lab.outputs["SecurityGroup"]}
    opened = [(g["GroupId"], r["FromPort"], i["CidrIp"]) for g in groups for r in g["IpPermissions"] for i in r["IpRanges"]]
    assert opened == [(lab.outputs["SecurityGroup"], 22, "203.0.113.7/32")]


def test_the_token_travels_as_a_file(launch: Launch, tmp_path: Path) -> None:
    assert set(launch.config["file_mounts"]) == {"~/.ray/auth_token"}
    assert "0" * 64 not in yaml.safe_dump(launch.config)
