"""The stacks of infra/aws, made once in an emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.closure import ROOT
from tests.support.cloud import ACCOUNT, ROOT_KEYS, Cloud, Keys

BUCKET = "lab-bucket"
OIDC = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
AWS = ROOT / "infra" / "aws"


@dataclass(frozen=True)
class Lab:
    """The emulator, the outputs of both stacks, and the keys of everybody who may do something."""

    cloud: Cloud
    outputs: dict[str, str]
    keys: dict[str, Keys]

    def s3(self, who: str) -> Any:
        return self.cloud.client("s3", self.keys[who])

    def statements(self, role: str) -> list[dict[str, Any]]:
        """All that the policies of a role say, as deployed."""
        iam = self.cloud.client("iam", ROOT_KEYS)
        found = [
            iam.get_role_policy(RoleName=role, PolicyName=name) for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        documents = [policy["PolicyDocument"] for policy in found]
        for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            arn = policy["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            documents.append(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
        return [statement for document in documents for statement in document["Statement"]]


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Bucket and cluster, deployed."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as cloud:
        admin = make_role(cloud, "admin")
        outputs = cloud.deploy("bucket", AWS / "bucket.yaml", BucketName=BUCKET, JanitorPrincipal=admin, OidcProvider=OIDC)
        vpc = cloud.client("ec2", ROOT_KEYS).describe_vpcs()["Vpcs"][0]["VpcId"]
        outputs |= cloud.deploy(
            "cluster",
            AWS / "cluster.yaml",
            without=("MachinesAmongThemselves",),  # a type of resource that the emulator does not know
            BucketName=BUCKET,
            Vpc=vpc,
            AdminCidr="203.0.113.7/32",
        )
        admin_keys = cloud.assume(admin, ROOT_KEYS)
        keys = {
            "root": ROOT_KEYS,
            "admin": admin_keys,
            "trainer": cloud.assume(outputs["TrainerRole"], ROOT_KEYS),
            "janitor": cloud.assume(outputs["JanitorRole"], admin_keys),
            "submitter": make_user(cloud, "submitter", outputs["TrainerPolicy"], outputs["SubmitterPolicy"]),
        }
        yield Lab(cloud, outputs, keys)


def make_role(cloud: Cloud, name: str) -> str:
    """A role that may take on others, as far as those let it; its ARN."""
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    take_on = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    iam = cloud.client("iam", ROOT_KEYS)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    document = json.dumps({"Version": "2012-10-17", "Statement": [take_on]})
    iam.put_role_policy(RoleName=name, PolicyName="take-on", PolicyDocument=document)
    arn: str = role["Role"]["Arn"]
    return arn


def make_user(cloud: Cloud, name: str, *policies: str) -> Keys:
    """A person with policies; the keys."""
    iam = cloud.client("iam", ROOT_KEYS)
    iam.create_user(UserName=name)
    for policy in policies:
        iam.attach_user_policy(UserName=name, PolicyArn=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
