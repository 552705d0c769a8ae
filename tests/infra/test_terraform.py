"""infra/terraform says the same as infra/aws: statement by statement, as deployed, and setting by setting of the bucket."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infra.conftest import AWS, BUCKET, OIDC, Lab
from tests.support.closure import ROOT
from tests.support.cloud import ACCOUNT, REGION, read_template
from tests.support.policy import listed
from tests.support.terraform import Module

EC2 = f"arn:aws:ec2:{REGION}"
TERRAFORM = Module(
    ROOT / "infra" / "terraform",
    {
        "aws_ecr_repository.images[*].arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/ssgan",
        "aws_iam_role.trainer.arn": f"arn:aws:iam::{ACCOUNT}:role/{BUCKET}-trainer",
        "aws_s3_bucket.bucket.arn": f"arn:aws:s3:::{BUCKET}",
        "data.aws_caller_identity.me.account_id": ACCOUNT,
        "data.aws_partition.here.partition": "aws",
        "local.account": ACCOUNT,
        "local.ec2": EC2,
        "var.bucket_name": BUCKET,
        "var.cluster_name": "ssgan",
        "var.janitor_principal": f"arn:aws:iam::{ACCOUNT}:role/admin",
        "var.oidc_provider": OIDC,
        "var.service_account": "ssgan:ssgan-trainer",
    },
)
PROPERTIES = read_template(AWS / "bucket.yaml")["Resources"]["Bucket"]["Properties"]


def canonical(statements: list[dict[str, Any]]) -> list[str]:
    """Statements without IAM's freedom to leave out lists and to order them; the version of a trust statement's Sid aside."""
    return sorted(repr(_canonical(statement)) for statement in statements)


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(value[key]) for key in sorted(value)}
    return sorted(map(str, listed(value)))


@pytest.mark.parametrize(
    ("role", "documents"),
    [
        ("trainer", ["trainer", "pull"]),
        ("trainer-pod", ["trainer"]),
        ("janitor", ["janitor"]),
        ("head", ["trainer", "pull", "head"]),
    ],
)
def test_a_role_may_do_the_same(lab: Lab, role: str, documents: list[str]) -> None:
    ours = [statement for document in documents for statement in TERRAFORM.statements(document)]
    for statement in ours:  # the repository is empty when there are no machines, so this is a list of one ARN in Terraform
        statement["Resource"] = [resource for item in listed(statement["Resource"]) for resource in listed(item)]
    assert canonical(ours) == canonical(lab.statements(f"{BUCKET}-{role}"))


@pytest.mark.parametrize(
    ("role", "document"),
    [("trainer", "machine_trust"), ("head", "machine_trust"), ("trainer-pod", "pod_trust"), ("janitor", "janitor_trust")],
)
def test_a_role_is_taken_on_by_the_same(lab: Lab, role: str, document: str) -> None:
    deployed = lab.cloud.client("iam", lab.keys["root"]).get_role(RoleName=f"{BUCKET}-{role}")["Role"]
    assert canonical(TERRAFORM.statements(document)) == canonical(deployed["AssumeRolePolicyDocument"]["Statement"])


def test_the_submitters_policy_is_the_same(lab: Lab) -> None:
    iam, arn = lab.cloud.client("iam", lab.keys["root"]), lab.outputs["SubmitterPolicy"]
    deployed = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]["Statement"]
    assert canonical(TERRAFORM.statements("submitter")) == canonical(deployed)


def test_only_encrypted_connections_there_too(lab: Lab) -> None:
    (ours,) = TERRAFORM.statements("bucket")
    (theirs,) = read_template(AWS / "bucket.yaml")["Resources"]["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert ours.pop("Principal") == {"*": ["*"]}
    assert theirs.pop("Principal") == "*"
    theirs["Resource"] = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    assert canonical([ours]) == canonical([theirs])


def test_every_policy_is_attached_to_the_same_roles() -> None:
    attached = {
        (name, block["role"], block["policy_arn"])
        for resource in TERRAFORM.blocks("resource", "aws_iam_role_policy_attachment")
        for name, block in resource.items()
    }
    assert attached == {
        ("trainer", "${aws_iam_role.trainer.name}", "${aws_iam_policy.trainer.arn}"),
        ("trainer_pod", "${aws_iam_role.trainer_pod[0].name}", "${aws_iam_policy.trainer.arn}"),
        ("head", "${aws_iam_role.head[0].name}", "${aws_iam_policy.trainer.arn}"),
    }


def test_the_same_keys_expire_after_the_same_time() -> None:
    days = {"${var.checkpoint_days}": "CheckpointDays", "${var.dropped_checkpoint_days}": "DroppedCheckpointDays"}
    parameters = read_template(AWS / "bucket.yaml")["Parameters"]
    for reference, parameter in days.items():
        assert TERRAFORM.body("variable", reference[6:-1])["default"] == parameters[parameter]["Default"]
    ours = []
    for rule in TERRAFORM.body("resource", "aws_s3_bucket_lifecycle_configuration", "bucket")["rule"]:
        made = {"Id": rule["id"], "Status": rule["status"], "Prefix": rule["filter"][0]["prefix"]}
        for block, key, name in (
            ("expiration", "days", "ExpirationInDays"),
            ("noncurrent_version_expiration", "noncurrent_days", "NoncurrentVersionExpiration.NoncurrentDays"),
            (
                "abort_incomplete_multipart_upload",
                "days_after_initiation",
                "AbortIncompleteMultipartUpload.DaysAfterInitiation",
            ),
        ):
            for item in rule.get(block, []):
                made[name] = days.get(str(item[key]), item[key])
        ours.append(made)
    assert ours == [_flat(rule) for rule in PROPERTIES["LifecycleConfiguration"]["Rules"]]


def _flat(rule: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in rule.items():
        nested = isinstance(value, dict) and "Ref" not in value
        flat |= {f"{key}.{name}": item for name, item in value.items()} if nested else {key: value}
    return {key: value["Ref"] if isinstance(value, dict) else value for key, value in flat.items()}


def test_the_bucket_is_kept_as_safely() -> None:
    def setting(resource: str) -> dict[str, Any]:
        return TERRAFORM.body("resource", f"aws_s3_bucket{resource}", "bucket")

    assert setting("")["lifecycle"] == [{"prevent_destroy": True}]
    assert setting("_versioning")["versioning_configuration"] == [{"status": PROPERTIES["VersioningConfiguration"]["Status"]}]
    (rule,) = setting("_server_side_encryption_configuration")["rule"]
    assert rule["apply_server_side_encryption_by_default"] == [{"sse_algorithm": "AES256"}]
    assert setting("_ownership_controls")["rule"] == [{"object_ownership": "BucketOwnerEnforced"}]
    block = {key: value for key, value in setting("_public_access_block").items() if key != "bucket"}
    named = {key.replace("_", ""): value for key, value in block.items()}
    assert named == {key.lower(): value for key, value in PROPERTIES["PublicAccessBlockConfiguration"].items()}


def test_the_machines_are_reached_from_the_same_addresses() -> None:
    rules = TERRAFORM.body("resource", "aws_security_group", "machines")["ingress"]
    assert [(r["from_port"], r["to_port"], r.get("cidr_blocks"), r.get("self")) for r in rules] == [
        (22, 22, ["${var.admin_cidr}"], None),
        (0, 0, None, True),
    ]
    resources = read_template(AWS / "cluster.yaml")["Resources"]
    (ssh,) = resources["Machines"]["Properties"]["SecurityGroupIngress"]
    assert (ssh["FromPort"], ssh["ToPort"], ssh["CidrIp"]) == (22, 22, {"Ref": "AdminCidr"})
    among = resources["MachinesAmongThemselves"]["Properties"]
    assert among["GroupId"] == among["SourceSecurityGroupId"] == {"Fn::GetAtt": ["Machines", "GroupId"]}


def test_images_cannot_be_exchanged_under_a_tag() -> None:
    theirs = read_template(AWS / "cluster.yaml")["Resources"]["Images"]["Properties"]["ImageTagMutability"]
    assert TERRAFORM.body("resource", "aws_ecr_repository", "images")["image_tag_mutability"] == theirs == "IMMUTABLE"
