"""How long we insist, what is worth insisting on, and what is said."""

from __future__ import annotations

import errno
import logging
import re
import time
from collections.abc import Callable
from typing import Any

import botocore.exceptions as boto
import pytest
from aiohttp import ClientPayloadError

from ssgan.errors import StorageError
from ssgan.storage.retries import DamagedError, FaultVerdict, MissingError, Patience, RetryLimits, judge_local
from ssgan.storage.s3 import judge_s3

FAST = RetryLimits(patience_s=5.0, attempts=5, first_wait_s=0.001, longest_wait_s=0.002)


def answer(code: str, status: int = 400) -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Put")


def judge(error: BaseException) -> FaultVerdict | None:
    return judge_s3(error) or judge_local(error)


class Flaky:
    """Fails with each of ``errors``, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def patience(limits: RetryLimits = FAST, **kwargs: Any) -> Patience:
    return Patience("s3://bucket/x", limits, judge, **kwargs)


TRANSIENT = [
    answer("SlowDown", 503),
    answer("ServiceUnavailable", 503),
    answer("InternalError", 500),
    answer("BadGateway", 502),
    answer("TooManyRequests", 429),
    answer("RequestTimeout", 400),
    answer("XAmzContentSHA256Mismatch", 400),
    boto.ReadTimeoutError(endpoint_url="http://e"),
    boto.ConnectTimeoutError(endpoint_url="http://e"),
    boto.EndpointConnectionError(endpoint_url="http://e"),
    boto.ConnectionClosedError(endpoint_url="http://e"),
    boto.FlexibleChecksumError(error_msg="x"),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    ClientPayloadError("cut"),
    TimeoutError(),
    DamagedError("a.bin arrived damaged"),
    OSError(errno.EIO, "I/O error"),
    OSError(errno.ESTALE, "stale"),
]
PERMANENT = [
    (answer("NoSuchBucket", 404), "the bucket does not exist.*create it"),
    (answer("InvalidAccessKeyId", 403), "access key is unknown.*AWS_ACCESS_KEY_ID"),
    (answer("SignatureDoesNotMatch", 403), "secret key is wrong"),
    (answer("RequestTimeTooSkewed", 403), "clock is wrong.*NTP"),
    (answer("AuthorizationHeaderMalformed", 400), "region is wrong.*AWS_REGION"),
    (answer("InvalidRequest", 400), "refused the request.*InvalidRequest"),
    (boto.NoCredentialsError(), "no usable credentials.*AWS_PROFILE"),
    (boto.ProfileNotFound(profile="lab"), "lab.*AWS_PROFILE"),
    (boto.InvalidRegionError(region_name="?"), "AWS settings"),
    (OSError(errno.ENOSPC, "no space"), "the disk is full; free space"),
    (OSError(errno.EROFS, "ro"), "read-only"),
    (PermissionError(errno.EACCES, "no"), "may not"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    action = Flaky(error, error)
    assert patience()("reading a", action) == "done"
    assert action.calls == 3


@pytest.mark.parametrize(("error", "message"), PERMANENT, ids=[repr(e) for e, _ in PERMANENT])
def test_what_cannot_pass_fails_at_once(error: Exception, message: str) -> None:
    action = Flaky(error)
    with pytest.raises(StorageError, match=message) as caught:
        patience()("reading a", action)
    assert action.calls == 1
    assert str(caught.value).startswith("s3://bucket/x: reading a failed: ")


def test_a_denial_gets_a_second_chance_with_fresh_credentials() -> None:
    renewed: list[int] = []
    action = Flaky(answer("AccessDenied", 403), answer("SlowDown", 503))
    assert patience(renew=lambda: renewed.append(1))("writing a", action) == "done"
    assert (action.calls, renewed) == (3, [1])


def test_a_second_denial_is_final_and_names_the_permission() -> None:
    action = Flaky(answer("AccessDenied", 403), answer("SlowDown", 503), answer("AccessDenied", 403))
    with pytest.raises(StorageError, match=r"failed 3 times: access was denied.*grant s3:PutObject"):
        patience()("writing a", action, "s3:PutObject")
    assert action.calls == 3


def test_expired_credentials_are_read_anew_until_somebody_has_renewed_them() -> None:
    renewed: list[int] = []
    action = Flaky(*[answer("ExpiredToken")] * 4)
    assert patience(renew=lambda: renewed.append(1))("writing a", action) == "done"
    assert (action.calls, renewed) == (5, [1] * 4)


def test_credentials_that_nobody_renews_are_told_with_the_remedy() -> None:
    with pytest.raises(StorageError, match=r"have expired \(400 ExpiredToken\); renew them .*, then run the same command"):
        patience(RetryLimits(attempts=10, first_wait_s=0.001))("writing a", Flaky(*[answer("ExpiredToken")] * 10))


def test_damage_at_rest_is_not_fetched_forever() -> None:
    action = Flaky(*[DamagedError("a arrived damaged")] * 10)
    with pytest.raises(StorageError, match="failed 4 times: a arrived damaged"):
        patience(RetryLimits(attempts=10, first_wait_s=0.001))("reading a", action)


@pytest.mark.parametrize("error", [MissingError("a"), KeyError("bug"), StorageError("said already")])
def test_what_is_no_failure_of_storage_passes_as_it_is(error: Exception) -> None:
    action = Flaky(error)
    with pytest.raises(type(error)) as caught:
        patience()("reading a", action)
    assert caught.value is error
    assert action.calls == 1


def test_attempts_are_bounded() -> None:
    action = Flaky(*[answer("SlowDown", 503)] * 9)
    with pytest.raises(StorageError, match="failed 5 times: storage is slow"):
        patience()("reading a", action)
    assert action.calls == 5


def slow(action: Callable[[], str], seconds: float) -> Callable[[], str]:
    def run() -> str:
        time.sleep(seconds)
        return action()

    return run


@pytest.mark.exclusive
def test_the_time_in_trouble_is_bounded_over_all_requests_of_an_operation() -> None:
    insist = patience(RetryLimits(patience_s=0.5, attempts=100, first_wait_s=0.01, longest_wait_s=0.01))
    began = time.monotonic()
    assert insist("reading a", slow(Flaky(*[TimeoutError()] * 4), 0.05)) == "done"
    with pytest.raises(StorageError):
        insist("reading b", slow(Flaky(*[TimeoutError()] * 100), 0.05))
    assert 0.4 < time.monotonic() - began < 1.0


@pytest.mark.exclusive
def test_success_costs_no_patience() -> None:
    insist = patience(RetryLimits(patience_s=0.1, attempts=3, first_wait_s=0.001))
    for _ in range(4):
        insist("reading a", slow(Flaky(), 0.05))
    assert insist("reading a", Flaky(TimeoutError())) == "done"


def test_every_retry_is_reported_with_a_growing_jittered_pause(caplog: pytest.LogCaptureFixture) -> None:
    limits = RetryLimits(patience_s=5.0, attempts=6, first_wait_s=0.1, longest_wait_s=0.25)
    with caplog.at_level(logging.WARNING, "ssgan.storage"):
        patience(limits)("writing a.bin", Flaky(*[answer("SlowDown", 503)] * 3))
    lines = [record.getMessage() for record in caplog.records]
    pattern = r"storage is slow \(503 SlowDown\), attempt (\d) of 6, waiting 0\.\d s \(writing a\.bin, s3://bucket/x\)"
    assert [re.fullmatch(pattern, line).group(1) for line in lines] == ["2", "3", "4"]  # type: ignore[union-attr]
    pauses = [record.args[3] for record in caplog.records]  # type: ignore[index]
    for pause, nominal in zip(pauses, (0.1, 0.2, 0.25), strict=True):
        assert 0.75 * nominal <= pause <= 1.25 * nominal  # type: ignore[operator]
    assert len({pause / nominal for pause, nominal in zip(pauses, (0.1, 0.2, 0.25), strict=True)}) == 3, "no jitter"  # type: ignore[operator]


def test_the_defaults_survive_half_a_minute_without_s3() -> None:
    """Refused connections fail in no time, so the pauses alone have to add up; the shortest that the jitter allows."""
    limits = RetryLimits()
    pauses = [min(limits.first_wait_s * 2**n, limits.longest_wait_s) * 0.75 for n in range(limits.attempts - 1)]
    assert sum(pauses) > 30
    assert 45 < limits.patience_s <= 150
