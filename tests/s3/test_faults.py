"""What may go wrong between us and S3, done for real: what passes is survived and reported, what stays ends soon."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssgan.errors import StorageError
from ssgan.storage.retries import RetryLimits
from ssgan.storage.store import Store, open_store, probe
from tests.s3.conftest import FAST, Server, assert_round_trip
from tests.support.faultproxy import FaultProxy
from tests.support.storage_contract import KEY, make_folder

pytestmark = [pytest.mark.s3, pytest.mark.strict_s3, pytest.mark.exclusive]  # its timeouts are short

SHORT = RetryLimits(
    patience_s=3.0, attempts=20, first_wait_s=0.05, longest_wait_s=0.3, connect_timeout_s=0.5, read_timeout_s=0.5
)


# --- faults that pass ------------------------------------------------------------------------------------------------

PUT, GET = {"method": "PUT", "path": "safetensors"}, {"method": "GET", "path": "safetensors"}
TRANSIENT: list[tuple[str, dict[str, Any]]] = [
    ("status", {"code": 503, "s3code": "SlowDown", "times": 3}),  # of whatever comes first
    ("status", {"code": 503, "s3code": "SlowDown", "times": 4, **PUT}),
    ("status", {"code": 500, "s3code": "InternalError", "times": 2, **PUT}),
    ("status", {"code": 429, "s3code": "TooManyRequests", "times": 2, **GET}),
    ("status", {"code": 403, "s3code": "AccessDenied", "times": 1, **PUT}),
    ("status", {"code": 503, "s3code": "SlowDown", "times": 2, "method": "DELETE"}),
    ("status", {"code": 503, "s3code": "SlowDown", "times": 2, "method": "PUT", "path": "manifest.json"}),
    ("hang", {"times": 1, **PUT}),
    ("hang", {"times": 1, **GET}),
    ("refuse", {"times": 3}),
    ("cut_request", {"times": 2, "after": 100_000, **PUT}),
    ("cut_response", {"times": 2, "after": 100_000, **GET}),
    ("cut_response", {"times": 2, "after": 20, "method": "GET", "path": "list-type"}),
    ("corrupt", {"times": 2, "after": 150_000, **GET}),
    ("corrupt", {"times": 2, "after": 40, "method": "GET", "path": "manifest.json"}),
    ("drop_after", {"times": 2, **PUT}),  # it did happen, but we were not told
    ("drop_after", {"times": 2, "method": "PUT", "path": "manifest.json"}),
    ("drop_after", {"times": 2, "method": "DELETE"}),
]


@pytest.mark.parametrize(("kind", "options"), TRANSIENT, ids=[f"{k}-{'-'.join(map(str, o.values()))}" for k, o in TRANSIENT])
def test_faults_that_pass_are_survived_and_reported(
    proxy: FaultProxy,
    store: Store,
    folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    options: dict[str, Any],
) -> None:
    store.put(folder, KEY)
    fault = proxy.add(kind, **options)
    with caplog.at_level(logging.WARNING, "ssgan.storage"):
        store.put(folder, KEY)  # replaces, so it deletes, lists and writes
        assert_round_trip(store, folder, tmp_path)
    assert fault.hits == options["times"], "the fault did not happen, so this tested nothing"
    reports = [r.getMessage() for r in caplog.records if r.name == "ssgan.storage"]
    # aiohttp itself repeats a request once, silently, when a connection that was in use before is reset
    least = fault.hits // 2 if kind in ("refuse", "cut_request", "drop_after") else fault.hits
    assert least <= len(reports) <= fault.hits
    assert all(re.search(r", attempt \d of 8, waiting \d\.\d s \(", line) for line in reports)
    assert store.keys("checkpoints/run/main") == [KEY]


def test_a_server_that_stops_reading_in_the_middle_of_an_upload(proxy: FaultProxy, s3: str, tmp_path: Path) -> None:
    """aiohttp has no timeout for writing."""
    folder = make_folder(tmp_path / "large", 20_000_000)
    limits = RetryLimits(attempts=4, first_wait_s=0.05, connect_timeout_s=0.5, read_timeout_s=1.0)
    fault = proxy.add("stall", times=1, after=1_000_000, **PUT)
    began = time.monotonic()
    open_store(s3, limits).put(folder, KEY)
    assert fault.hits == 1
    assert time.monotonic() - began < 15
    assert_round_trip(open_store(s3, FAST), folder, tmp_path)


def test_bytes_that_trickle_are_given_up(proxy: FaultProxy, s3: str, folder: Path) -> None:
    """They trip no timeout of a socket; only the bound on the whole attempt ends this."""
    limits = RetryLimits(attempts=2, connect_timeout_s=0.2, read_timeout_s=0.4, slowest_bytes_per_s=1_000_000, patience_s=5.0)
    proxy.add("trickle", **PUT)
    began = time.monotonic()
    with pytest.raises(StorageError, match="does not answer in time"):
        open_store(s3, limits).put(folder, KEY)
    assert time.monotonic() - began < 30  # the bytes come without end


@pytest.mark.parametrize("seed", range(2))
def test_one_request_in_five_fails_somehow(
    s3: str, s3_server: Server, environment: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    with FaultProxy(s3_server.port, seed) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        for kind in ("status", "refuse", "drop_after", "cut_request", "cut_response", "corrupt"):
            proxy.add(kind, code=503, s3code="SlowDown", probability=0.04, after=500)
        store = open_store(s3, RetryLimits(attempts=10, first_wait_s=0.01, longest_wait_s=0.1, read_timeout_s=5.0))
        folders = [make_folder(tmp_path / str(number), 3000) for number in range(4)]
        for number, folder in enumerate(folders):
            store.put(folder, f"run/step-{number % 2}")
        for number in (2, 3):
            assert_round_trip(store, folders[number], tmp_path, f"run/step-{number % 2}")
        assert store.keys("run") == ["run/step-0", "run/step-1"]
        assert sum(fault.hits for fault in proxy.faults) > 3


# --- faults that stay ------------------------------------------------------------------------------------------------

PERMANENT: list[tuple[str, dict[str, Any], str]] = [
    ("status", {"code": 403, "s3code": "AccessDenied"}, "access was denied .403 AccessDenied.; grant s3:PutObject"),
    ("status", {"code": 403, "s3code": "RequestTimeTooSkewed"}, "clock is wrong"),
    ("status", {"code": 404, "s3code": "NoSuchBucket"}, "the bucket does not exist"),
    ("status", {"code": 400, "s3code": "InvalidRequest"}, "refused the request"),
]


@pytest.mark.parametrize(("kind", "options", "message"), PERMANENT, ids=[o["s3code"] for _, o, _ in PERMANENT])
def test_faults_that_stay_end_soon_and_spare_the_last_checkpoint(
    proxy: FaultProxy, store: Store, folder: Path, tmp_path: Path, kind: str, options: dict[str, Any], message: str
) -> None:
    store.put(folder, "run/step-1")
    fault = proxy.add(kind, **options, **PUT)
    began = time.monotonic()
    with pytest.raises(StorageError, match=message) as caught:
        store.put(folder, "run/step-2")
    assert time.monotonic() - began < 2
    assert fault.hits == (2 if options["s3code"] == "AccessDenied" else 1)
    assert "\n" not in str(caught.value)
    proxy.clear()
    assert store.keys("run") == ["run/step-1"]
    assert_round_trip(store, folder, tmp_path, "run/step-1")


def test_a_bucket_that_does_not_exist(s3: str) -> None:
    for use in (lambda u: probe(u), lambda u: open_store(u, FAST).keys("run")):
        with pytest.raises(StorageError, match=r"the bucket does not exist.*create it"):
            use("s3://no-such-bucket-here/x")


def test_damage_that_never_ends_is_no_checkpoint(proxy: FaultProxy, store: Store, folder: Path, tmp_path: Path) -> None:
    store.put(folder, KEY)
    proxy.add("corrupt", after=150_000, **GET)
    with pytest.raises(StorageError, match="damaged"):
        store.get(KEY, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_storage_that_is_always_slow_is_given_up_within_the_bound(proxy: FaultProxy, s3: str, folder: Path) -> None:
    proxy.add("status", code=503, s3code="SlowDown")
    assert_given_up(open_store(s3, SHORT), folder, r"storage is slow \(503 SlowDown\)")


def test_storage_that_never_answers_is_given_up_within_the_bound(proxy: FaultProxy, s3: str, folder: Path) -> None:
    proxy.add("hang")
    assert_given_up(open_store(s3, SHORT), folder, "does not answer in time")


def test_a_server_that_is_gone_for_good_is_given_up_within_the_bound(s3: str, folder: Path, mortal: Callable[[], None]) -> None:
    mortal()
    assert_given_up(open_store(s3, SHORT), folder, "cannot be reached, or hung up; check that the server runs")


def assert_given_up(store: Store, folder: Path, message: str) -> None:
    began = time.monotonic()
    with pytest.raises(StorageError, match=message):
        store.put(folder, KEY)
    slack_s = 2.0  # one attempt may begin just before the end
    assert 1.5 < time.monotonic() - began < SHORT.patience_s + slack_s


def test_a_server_killed_in_the_middle_of_a_put_and_back_after_seconds(
    proxy: FaultProxy, s3: str, s3_server: Server, mortal: Callable[[], None], folder: Path, tmp_path: Path
) -> None:
    store = open_store(
        s3, RetryLimits(attempts=60, first_wait_s=0.1, longest_wait_s=0.5, connect_timeout_s=1, read_timeout_s=2)
    )
    store.put(folder, "run/step-1")
    proxy.add("hang", times=1, **PUT)  # holds the upload until the server is dead
    failures: list[BaseException] = []

    def put() -> None:
        try:
            store.put(folder, "run/step-2")
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=put)
    writer.start()
    while not any(fault.hits for fault in proxy.faults):
        time.sleep(0.01)
    mortal()
    time.sleep(3)
    assert writer.is_alive(), "the writer did not wait"
    s3_server.start()
    writer.join(60)
    assert not failures
    assert store.keys("run") == ["run/step-1", "run/step-2"]
    for key in store.keys("run"):
        assert_round_trip(store, folder, tmp_path, key)
