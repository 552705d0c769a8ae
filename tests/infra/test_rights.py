"""Rights, by doing what is allowed and what is not, with the roles that the stack made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ssgan.data.files import SplitFiles
from ssgan.errors import StorageError
from ssgan.storage.store import open_store, probe
from ssgan.training import experiment
from ssgan.training.context import Run, RunContext, checkpoints_prefix, final_key
from tests.infra.conftest import BUCKET, OIDC, Lab, make_role
from tests.support.cloud import ACCOUNT
from tests.support.data import config, context

URL = f"s3://{BUCKET}/runs"
CHECKPOINT = f"runs/{checkpoints_prefix('run', 'main')}/step-00000010/state.json"
FINAL = f"runs/{final_key('run', 'main')}/summary.json"
SPLITS, RAW, DVC = "runs/splits/0123/split.json", "raw/cats/1.jpg", "dvc/files/md5/01/23"


def act(s3: Any, what: str, key: str) -> None:
    if what == "put":
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"new")
    elif what == "get":
        s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    else:
        s3.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture
def _objects(lab: Lab) -> None:
    for key in (CHECKPOINT, FINAL, SPLITS, RAW, DVC):
        lab.s3("root").put_object(Bucket=BUCKET, Key=key, Body=b"old")


@pytest.mark.usefixtures("_objects")
@pytest.mark.parametrize(
    ("who", "what", "keys"),
    [
        ("trainer", "get", [CHECKPOINT, FINAL, SPLITS, RAW]),
        ("trainer", "put", [CHECKPOINT, FINAL, SPLITS]),
        ("trainer", "delete", [CHECKPOINT]),
        ("submitter", "get", [FINAL, RAW, DVC]),
        ("submitter", "put", [SPLITS, RAW, DVC]),
        ("janitor", "get", [FINAL, DVC]),
        ("janitor", "delete", [CHECKPOINT, FINAL, SPLITS, DVC]),
    ],
)
def test_everybody_can_do_their_work(lab: Lab, who: str, what: str, keys: list[str]) -> None:
    for key in keys:
        act(lab.s3(who), what, key)


@pytest.mark.usefixtures("_objects")
@pytest.mark.parametrize(
    ("who", "what", "keys"),
    [
        ("trainer", "delete", [FINAL, SPLITS, RAW, DVC]),
        ("trainer", "put", [RAW, DVC]),
        ("trainer", "get", [DVC]),
        ("submitter", "delete", [FINAL, SPLITS, RAW, DVC]),
        ("janitor", "put", [FINAL, RAW, DVC]),
        ("janitor", "delete", [RAW]),
        ("admin", "get", [FINAL]),
    ],
)
def test_nobody_can_do_more(lab: Lab, who: str, what: str, keys: list[str]) -> None:
    for key in keys:
        with pytest.raises(ClientError, match="AccessDenied"):
            act(lab.s3(who), what, key)


@pytest.mark.usefixtures("_objects")
def test_what_a_trainer_overwrites_or_deletes_can_be_brought_back_by_the_janitor_only(lab: Lab) -> None:
    act(lab.s3("trainer"), "put", FINAL)
    act(lab.s3("trainer"), "delete", CHECKPOINT)
    versions = lab.s3("janitor").list_object_versions(Bucket=BUCKET, Prefix=FINAL)["Versions"]
    old = next(version["VersionId"] for version in versions if not version["IsLatest"])
    with pytest.raises(ClientError, match="AccessDenied"):
        lab.s3("trainer").delete_object(Bucket=BUCKET, Key=FINAL, VersionId=old)
    assert lab.s3("janitor").get_object(Bucket=BUCKET, Key=FINAL, VersionId=old)["Body"].read() == b"old"
    marker = lab.s3("janitor").list_object_versions(Bucket=BUCKET, Prefix=CHECKPOINT)["DeleteMarkers"][0]
    lab.s3("janitor").delete_object(Bucket=BUCKET, Key=CHECKPOINT, VersionId=marker["VersionId"])
    act(lab.s3("trainer"), "get", CHECKPOINT)


@pytest.fixture
def become(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this process the holder of a role, as on a machine that has it."""

    def become(who: str) -> None:
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        for name, value in lab.cloud.environment(lab.keys[who]).items():
            monkeypatch.setenv(name, value)

    return become


def test_a_whole_training_works_with_the_rights_of_a_trainer(
    become: Callable[[str], None], splits: SplitFiles, tmp_path: Path
) -> None:
    become("trainer")
    probe(URL)
    here = context(tmp_path)
    there = RunContext(open_store(URL), here.device, here.on_progress)
    experiment.train(Run("whole", {}, config(train={"keep_checkpoints": 1}), splits), "main", there)
    assert open_store(URL).keys("whole/main") == [final_key("whole", "main")]
    assert [key.split("/")[-1] for key in open_store(URL).keys(checkpoints_prefix("whole", "main"))] == ["step-00000030"]


def test_a_finished_result_is_whole_after_a_trainer_tried_to_delete_it(become: Callable[[str], None], tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "summary.json").write_text("{}")
    key = final_key("finished", "main")
    become("trainer")
    open_store(URL).put(tmp_path / "result", key)
    with pytest.raises(StorageError, match="s3:DeleteObject"):
        open_store(URL).delete(key)
    open_store(URL).get(key, tmp_path / "again")
    become("janitor")
    open_store(URL).delete(key)
    assert open_store(URL).keys("finished/main") == []


def test_a_half_written_result_needs_the_janitor_and_training_is_told_so(
    lab: Lab, become: Callable[[str], None], tmp_path: Path
) -> None:
    (tmp_path / "summary.json").write_text("{}")
    key = final_key("half", "main")
    lab.s3("trainer").put_object(Bucket=BUCKET, Key=f"runs/{key}/summary.json", Body=b"killed before the manifest")
    become("trainer")
    with pytest.raises(StorageError, match="grant s3:DeleteObject"):
        open_store(URL).put(tmp_path, key)
    become("janitor")
    open_store(URL).delete(key)
    become("trainer")
    open_store(URL).put(tmp_path, key)
    assert open_store(URL).keys("half/main") == [key]


def test_only_the_named_person_becomes_the_janitor_and_no_person_the_trainer(lab: Lab) -> None:
    someone = lab.cloud.assume(make_role(lab.cloud, "someone"), lab.keys["root"])
    for role, who in (("JanitorRole", someone), ("TrainerRole", someone), ("TrainerPodRole", lab.keys["admin"])):
        with pytest.raises(ClientError, match="AccessDenied"):
            lab.cloud.assume(lab.outputs[role], who)


def test_only_pods_of_the_service_account_become_the_trainer(lab: Lab) -> None:
    role = lab.cloud.client("iam", lab.keys["root"]).get_role(RoleName=f"{BUCKET}-trainer-pod")["Role"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{OIDC}"}
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    subject = {f"{OIDC}:aud": "sts.amazonaws.com", f"{OIDC}:sub": "system:serviceaccount:ssgan:ssgan-trainer"}
    assert trust["Condition"] == {"StringEquals": subject}
