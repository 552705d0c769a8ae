"""infra/ray/cluster-aws.yaml against Ray's own schema, and what must not be forgotten in it."""

from __future__ import annotations

import copy
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.infra.conftest import AWS
from tests.support.closure import ROOT
from tests.support.cloud import read_template
from tests.support.dockerfile import environment

TEXT = (ROOT / "infra" / "ray" / "cluster-aws.yaml").read_text()
CONFIG: dict[str, Any] = yaml.safe_load(TEXT)
HEAD, GPU = CONFIG["available_node_types"]["head"], CONFIG["available_node_types"]["gpu"]


def schema() -> dict[str, Any]:
    spec = find_spec("ray")
    assert spec
    assert spec.origin
    found: dict[str, Any] = json.loads((Path(spec.origin).parent / "autoscaler" / "ray-schema.json").read_text())
    return found


def test_ray_accepts_it() -> None:
    jsonschema.validate(CONFIG, schema())


def test_ray_would_have_seen_a_mistake() -> None:
    broken = copy.deepcopy(CONFIG)
    broken["idle_timeout"] = broken.pop("idle_timeout_minutes")
    with pytest.raises(jsonschema.ValidationError, match="idle_timeout"):
        jsonschema.validate(broken, schema())


def test_the_head_is_kept_free_and_is_never_taken_away() -> None:
    assert CONFIG["head_node_type"] == "head"
    assert HEAD["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in HEAD["node_config"]


def test_workers_come_and_go() -> None:
    assert GPU["node_config"]["InstanceMarketOptions"]["MarketType"] == "spot"
    assert 0 < GPU["min_workers"] < GPU["max_workers"] <= CONFIG["max_workers"]
    assert 0 < CONFIG["idle_timeout_minutes"] <= 30
    assert CONFIG["provider"]["cache_stopped_nodes"] is False


def test_dashboard_and_job_api_are_reached_through_the_tunnel_only() -> None:
    (start,) = [line for line in CONFIG["head_start_ray_commands"] if "ray start" in line]
    assert "--dashboard-host=127.0.0.1" in start.split()
    assert "--head" in start.split()


def test_nobody_gets_in_without_the_token() -> None:
    assert "--env RAY_AUTH_MODE=token" in CONFIG["docker"]["run_options"]
    assert CONFIG["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}
    assert "RAY_AUTH_TOKEN" not in TEXT, "a token in the environment shows in dashboards and logs"


def test_keys_of_the_cloud_come_from_roles_only() -> None:
    assert "SECRET" not in TEXT
    assert "AWS_ACCESS_KEY" not in TEXT
    assert HEAD["node_config"]["IamInstanceProfile"] == {"Name": "BUCKET-head"}
    assert GPU["node_config"]["IamInstanceProfile"] == {"Name": "BUCKET-trainer"}
    for stack, resource, name in (("cluster.yaml", "HeadProfile", "head"), ("bucket.yaml", "TrainerProfile", "trainer")):
        profile = read_template(AWS / stack)["Resources"][resource]["Properties"]["InstanceProfileName"]
        assert profile == {"Fn::Sub": f"${{BucketName}}-{name}"}


@pytest.mark.parametrize("node", [HEAD, GPU], ids=["head", "gpu"])
def test_machines_guard_their_credentials_and_disks(node: dict[str, Any]) -> None:
    config = node["node_config"]
    assert config["MetadataOptions"]["HttpTokens"] == "required"
    assert all(disk["Ebs"]["Encrypted"] and disk["Ebs"]["DeleteOnTermination"] for disk in config["BlockDeviceMappings"])
    assert config["SecurityGroupIds"], "a group that Ray makes is open to SSH from the whole world"


def test_the_name_is_the_one_that_the_heads_role_is_bound_to() -> None:
    assert read_template(AWS / "cluster.yaml")["Parameters"]["ClusterName"]["Default"] == CONFIG["cluster_name"]


def test_nothing_is_installed_per_worker_or_per_job() -> None:
    assert CONFIG["docker"]["head_image"].rsplit("-", 1)[0] == CONFIG["docker"]["worker_image"].rsplit("-", 1)[0]
    assert not {"setup_commands", "head_setup_commands", "worker_setup_commands"} & CONFIG.keys()
    assert "pip install" not in TEXT
    assert environment()["RAY_AUTH_MODE"] == "token"


def test_what_has_to_be_changed_is_marked() -> None:
    example = ("123456789012", "eu-central-1", "ami-0123456789abcdef0", "sg-0123456789abcdef0", "BUCKET-")
    lines = TEXT.splitlines()
    for number, line in enumerate(lines):
        if any(value in line for value in example) and not line.lstrip().startswith("#"):
            assert "EDIT" in line or "EDIT" in lines[number - 1], line
