"""One real S3 server for the session, a fresh prefix for each test, and faults between the two.

SSGAN_S3_SERVER=weed (default, SeaweedFS from PyPI) or rgw (Ceph, from the distribution's packages).
"""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.s3.local import REGION, make_bucket
from infra.s3.weed import Weed, free_ports
from ssgan.storage.retries import RetryLimits
from ssgan.storage.store import Store, open_store
from tests.support import rgw
from tests.support.faultproxy import FaultProxy
from tests.support.storage_contract import KEY, content, make_folder

BUCKET = "ssgan-tests"
READ_ONLY = ("readonlyreadonly", "readonlysecretreadonlysecret")
# The last bound is lax, so that the timeouts have to do their work.
FAST = RetryLimits(
    patience_s=20.0,
    attempts=8,
    first_wait_s=0.05,
    longest_wait_s=0.5,
    connect_timeout_s=1.0,
    read_timeout_s=2.0,
    slowest_bytes_per_s=1000,
)
Server = Weed | rgw.Rgw


@pytest.fixture(scope="session")
def keys() -> dict[str, str]:
    """The environment that clients need, but for the endpoint."""
    return {
        "AWS_ACCESS_KEY_ID": secrets.token_hex(10),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        # The stricter server knows no trailing checksums, and then our own ones have to do.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required" if use_rgw() else "when_supported",
    }


def use_rgw() -> bool:
    return os.environ.get("SSGAN_S3_SERVER", "weed") == "rgw"


@pytest.fixture(scope="session")
def s3_server(keys: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server, with one versioned bucket."""
    folder, key, secret = tmp_path_factory.mktemp("s3"), keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]
    server: Server
    if use_rgw():
        assert rgw.installed(), "Ceph is missing: apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common"
        server = rgw.Rgw(folder, key, secret)
    else:
        reader = {
            "name": "reader",
            "credentials": [{"accessKey": READ_ONLY[0], "secretKey": READ_ONLY[1]}],
            "actions": [f"Read:{BUCKET}", f"List:{BUCKET}"],
        }
        # Several processes of tests look for free ports at the same time, each among a thousand of its own.
        low = 20_000 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        server = Weed(folder, key, secret, port=free_ports(low, low + 1000), identities=(reader,))
    with server:
        make_bucket(keys | {"AWS_ENDPOINT_URL": server.endpoint}, BUCKET)
        yield server


@pytest.fixture
def environment(keys: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """AWS settings of this test only; nothing of the developer's own ones gets in."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "no-such-file"))
    return monkeypatch


@pytest.fixture
def s3(s3_server: Server, environment: pytest.MonkeyPatch) -> str:
    """URL of a fresh prefix; the environment leads straight to the server."""
    environment.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def proxy(s3: str, s3_server: Server, environment: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """The environment leads to a fault injector in front of the server."""
    with FaultProxy(s3_server.port) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


@pytest.fixture
def store(s3: str) -> Store:
    return open_store(s3, FAST)


@pytest.fixture
def mortal(s3_server: Server) -> Iterator[Callable[[], None]]:
    """Kills the server with SIGKILL; it is up again for the next test."""
    yield s3_server.kill
    if isinstance(s3_server, Weed):
        alive = s3_server.process is not None and s3_server.process.poll() is None
    else:
        alive = bool(s3_server.daemons)
    if not alive:
        s3_server.start()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "checkpoint", 300_000)


def write_profile(path: Path, key: str, secret: str) -> None:
    """A file of credentials, as the tools of AWS read it."""
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")


def assert_round_trip(store: Store, folder: Path, tmp_path: Path, key: str = KEY) -> None:
    back = tmp_path / uuid.uuid4().hex
    store.get(key, back)
    assert content(back) == content(folder)
