"""What is refused before anything is sent to a cluster; its head is a stand-in, storage is real."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cluster.nodes import own_token
from ssgan.cli.app import run
from ssgan.storage.store import open_store
from tests.support.data import config, write_splits
from tests.support.fake_head import FakeHead

pytestmark = pytest.mark.s3


@pytest.fixture
def head() -> Iterator[FakeHead]:
    """It accepts the token of this process."""
    with FakeHead("token", own_token()) as head:
        yield head


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project with splits, where commands run."""
    write_splits(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(url: str, head: FakeHead, **cluster: Any) -> None:
    """Write params.yaml: storage at ``url``, and the section ``cluster``."""
    parameters = config(
        train={"backend": "ray"}, storage={"url": url}, cluster={"address": head.address, "patience_s": 1, **cluster}
    )
    Path("params.yaml").write_text(yaml.safe_dump(parameters.model_dump(mode="json")))


@pytest.mark.parametrize("command", [["train"], ["submit", "--detach"]])
def test_an_upload_over_the_limit_sends_nothing(
    s3: str, head: FakeHead, project: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the job nor the splits, which would go into storage before it."""
    (project / "notes").mkdir()
    (project / "notes/big.bin").write_bytes(bytes(3 << 20))
    (project / "notes/small.txt").write_text("small")
    configure(s3, head, include=["notes"], upload_limit=2 << 20)
    assert run(command) == 2
    said = capsys.readouterr().err
    assert "`cluster.upload_limit` is 2.0 MiB; the biggest: notes/big.bin (3.0 MiB), " in said
    assert "take them out of cluster.include" in said
    assert open_store(s3).objects.names("") == {}
    assert head.requests == []


def test_a_wrong_token_is_a_sentence(s3: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeHead("token", "0" * 64) as head:
        configure(s3, head)
        assert run(["train"]) == 1
    said = capsys.readouterr().err
    assert re.search(r"error: connecting: .* refused the token .*; use the cluster's token\n", said), said
    assert head.requests == ["GET /api/authentication_mode", "GET /api/version"]


def test_with_the_right_token_it_is_asked_for_jobs(s3: str, head: FakeHead, capsys: pytest.CaptureFixture[str]) -> None:
    """What shows that the test before is about the token."""
    configure(s3, head)
    assert run(["train"]) == 1
    assert "refused the token" not in capsys.readouterr().err
    assert list(dict.fromkeys(head.requests)) == ["GET /api/authentication_mode", "GET /api/version", "GET /api/jobs/"]


def test_storage_of_this_machine_cannot_serve_a_cluster(head: FakeHead, capsys: pytest.CaptureFixture[str]) -> None:
    configure("storage", head)
    assert run(["train"]) == 2
    said = capsys.readouterr().err
    assert "error: `storage.url` is 'storage', a folder of this machine, which the cluster cannot read" in said
    assert head.requests == []
