"""Who may be submitted to, and what is said of a job that failed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ssgan.cluster import jobs
from ssgan.cluster.jobs import Job, require_authentication
from ssgan.config import Config, parse
from ssgan.errors import ConfigError, TrainingError
from ssgan.runs.submit import explained, is_noise
from tests.support.fake_head import FakeHead


@pytest.fixture
def head(request: pytest.FixtureRequest) -> Iterator[str]:
    """Something that answers what a Ray head answers to the question for its authentication."""
    with FakeHead(request.param) as head:
        yield head.address


@pytest.mark.parametrize("head", ["disabled", None], indirect=True)
def test_an_open_cluster_that_others_can_reach_is_refused(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_is_loopback", lambda host: False)
    with pytest.raises(ConfigError, match=r"lets anyone run code .* RAY_AUTH_MODE=token, or set cluster.insecure"):
        require_authentication(head, insecure=False)
    require_authentication(head, insecure=True)


@pytest.mark.parametrize("head", ["disabled"], indirect=True)
def test_an_open_cluster_on_loopback_is_allowed(head: str) -> None:
    require_authentication(head, insecure=False)


@pytest.mark.parametrize("head", ["token"], indirect=True)
def test_a_cluster_with_a_token_is_allowed_anywhere(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_is_loopback", lambda host: False)
    require_authentication(head, insecure=False)


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("::1", True), ("10.0.0.1", False)])
def test_loopback(host: str, loopback: bool) -> None:
    assert jobs._is_loopback(host) is loopback


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "http://"])
def test_an_address_that_is_no_url_of_a_dashboard(address: str) -> None:
    with pytest.raises(ConfigError, match=r"`cluster.address` is .*; write http://HOST:8265"):
        require_authentication(address, insecure=False)


def test_nobody_answers() -> None:
    with pytest.raises(TrainingError, match="no Ray head answers there"):
        require_authentication("http://127.0.0.1:9", insecure=False)


def test_secrets_cannot_go_into_the_environment_of_a_job() -> None:
    with pytest.raises(ConfigError, match=r"`cluster.environment`.* AWS_SECRET_ACCESS_KEY would be readable by everyone"):
        parse(Config, {"cluster": {"environment": {"AWS_SECRET_ACCESS_KEY": "x"}}}, "params.yaml")
    parse(Config, {"cluster": {"environment": {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}}}, "params.yaml")


def failed(code: int | None, message: str = "") -> Job:
    return Job("run-1-1", "run-1", 1, "FAILED", 1.0, 2.0, code, message)


def test_a_failed_job_is_explained_by_its_own_first_error() -> None:
    log = "step 1\nerror: the label budget is 3, not 4; mend it\nTraceback\nerror: something later\n"
    error = explained(failed(1), log)
    assert type(error) is TrainingError
    assert str(error).startswith("the label budget is 3, not 4; mend it (job run-1-1; `ssgan jobs logs run-1-1`")


def test_of_a_lost_node_only_the_news_is_shown() -> None:
    """As Ray 2.60 writes it when a frozen node has woken up and ended."""
    lines = [
        "(raylet) Raylet is terminated. Termination is unexpected. Possible reasons include: (1) SIGKILL",
        "    [state-dump] \tNodeManagerService.grpc_server.PinObjectIDs.HandleRequestImpl - 1 total (0 active)",
        "    [state-dump]",
        "    [2026-11-25 18:52:44,090 I 9205 9205] (raylet) node_manager.cc:1488: Got disconnect message",
        "semi-supervised model: step 251/1,500, 2,992 images/s [raylet]",
    ]
    assert [line for line in lines if not is_noise(line)] == [lines[0], lines[-1]]


def test_wrong_parameters_stay_an_error_of_parameters() -> None:
    assert type(explained(failed(2), "error: `train.steps` is 'x'\n")) is ConfigError


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("a\nlast words\n\n", "last words"),
        ("", "no package"),
    ],
)
def test_a_job_without_a_sentence_of_ours(log: str, said: str) -> None:
    assert f"the job ended with code 137: {said} (job run-1-1" in str(explained(failed(137, "no package"), log))
