"""The bucket as it is after deployment: what it keeps, what it forgets, who gets in at all."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ssgan.training.context import checkpoints_prefix, final_key
from tests.infra.conftest import AWS, BUCKET, Lab
from tests.support.cloud import ROOT_KEYS, read_template

RULES = read_template(AWS / "bucket.yaml")["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
EXPIRY = {"ExpirationInDays", "ExpirationDate", "ExpiredObjectDeleteMarker", "NoncurrentVersionExpiration", "Transitions"}
IN_FLIGHT = [
    f"runs/{checkpoints_prefix('run-0123', 'main')}/step-00001000/trainer.safetensors",
    f"runs/{checkpoints_prefix('run-0123', 'twin')}/step-00001000/manifest.json",
    "runs/.ssgan-probe/0123",
]
KEPT = [
    f"runs/{final_key('run-0123', 'main')}/last/model.safetensors",
    f"runs/{final_key('run-0123', 'twin')}/manifest.json",
    "runs/splits/0123/labeled/part-00000.parquet",
    "raw/cats/1.jpg",
    "dvc/files/md5/01/23",
]


def rules_for(key: str, effects: set[str]) -> list[dict[str, Any]]:
    return [rule for rule in RULES if rule["Status"] == "Enabled" and key.startswith(rule["Prefix"]) and effects & rule.keys()]


@pytest.mark.parametrize("key", KEPT)
def test_what_is_finished_never_expires(key: str) -> None:
    assert rules_for(key, EXPIRY) == []


@pytest.mark.parametrize("key", IN_FLIGHT)
def test_what_is_in_flight_expires_with_all_its_versions(key: str) -> None:
    assert rules_for(key, {"ExpirationInDays"})
    assert rules_for(key, {"NoncurrentVersionExpiration"}), "in a versioned bucket, deleted objects cost money until this"


@pytest.mark.parametrize("key", IN_FLIGHT + KEPT)
def test_unfinished_uploads_are_dropped_everywhere(key: str) -> None:
    assert rules_for(key, {"AbortIncompleteMultipartUpload"})


def test_nothing_is_overwritten_for_good(lab: Lab) -> None:
    assert lab.s3("root").get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"


def test_objects_are_encrypted_at_rest(lab: Lab) -> None:
    rules = lab.s3("root").get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_no_policy_and_no_acl_can_make_it_public(lab: Lab) -> None:
    s3 = lab.s3("root")
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
    owner = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_a_connection_without_encryption_is_refused_even_to_those_with_rights(lab: Lab) -> None:
    lab.s3("trainer").list_objects_v2(Bucket=BUCKET)
    plain = lab.s3("trainer")
    # The emulator speaks TLS only; this header of a proxy tells it that the client did not.
    plain.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header("X-Forwarded-Proto", "http"))
    with pytest.raises(ClientError, match=r"AccessDenied.*explicit deny"):
        plain.list_objects_v2(Bucket=BUCKET)


def test_a_deleted_stack_leaves_the_bucket_with_all_that_is_in_it(lab: Lab) -> None:
    lab.cloud.deploy(
        "short-lived", AWS / "bucket.yaml", BucketName="short-lived", JanitorPrincipal="arn:aws:iam::123456789012:role/admin"
    )
    s3, stacks = lab.s3("root"), lab.cloud.client("cloudformation", ROOT_KEYS)
    s3.put_object(Bucket="short-lived", Key="runs/x", Body=b"kept")
    stacks.delete_stack(StackName="short-lived")
    stacks.get_waiter("stack_delete_complete").wait(StackName="short-lived", WaiterConfig={"Delay": 0.2, "MaxAttempts": 100})
    assert s3.get_object(Bucket="short-lived", Key="runs/x")["Body"].read() == b"kept"
