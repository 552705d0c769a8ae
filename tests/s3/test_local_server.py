"""``python -m infra.s3.local``: a server of one's own, which nobody else can use and which stops when told."""

from __future__ import annotations

import re
import shlex
import socket
import stat
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.s3.local import Local, main, write_private
from infra.s3.weed import free_ports
from ssgan.errors import StorageError
from ssgan.storage.store import filesystem, probe

pytestmark = pytest.mark.s3
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    port = str(free_ports(30000, 34000))

    def run(action: str) -> str:
        assert main([action, "--root", str(tmp_path), "--port", port]) == 0
        return capsys.readouterr().out

    yield run
    run("stop")


def use(env_file: Path, environment: pytest.MonkeyPatch) -> None:
    """What ``source .s3.env`` does."""
    for line in env_file.read_text().splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        environment.setenv(name, shlex.split(value)[0])


def test_start_use_stop_start_again(run: Run, tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config.local").write_text("[core]\n    checksum_jobs = 2\n")
    assert "started" in run("start")
    assert "already running" in run("start")
    use(tmp_path / ".s3.env", environment)
    probe("s3://ssgan/runs")
    fs, _ = filesystem("s3://ssgan")
    assert fs.call_s3("get_bucket_versioning", Bucket="ssgan")["Status"] == "Enabled"
    fs.pipe_file("ssgan/kept", b"x")

    assert "stopped" in run("stop")
    assert "not running" in run("status")
    first = (tmp_path / ".s3.env").read_text()
    run("start")
    assert (tmp_path / ".s3.env").read_text() == first, "old keys have to stay valid"
    assert filesystem("s3://ssgan")[0].cat_file("ssgan/kept") == b"x"
    assert "running" in run("status")

    config = (tmp_path / ".dvc" / "config.local").read_text()
    assert "checksum_jobs = 2" in config
    assert re.search(r"\['remote \"s3local\"'\]\s+url = s3://ssgan/dvc\s+endpointurl = http://127\.0\.0\.1:", config)


def test_only_the_owner_can_use_it(run: Run, tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    run("start")
    for name in (".s3.env", ".dvc/config.local", "s3data/s3-identities.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
    process = Local(tmp_path).process()
    assert process
    listening = [c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert len(listening) >= 4
    assert set(listening) == {"127.0.0.1"}
    use(tmp_path / ".s3.env", environment)
    environment.setenv("AWS_SECRET_ACCESS_KEY", "wrong-wrong-wrong-wrong")
    with pytest.raises(StorageError, match="403"):
        probe("s3://ssgan/runs")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"http://127.0.0.1:{endpoint_port(tmp_path)}/ssgan", timeout=5)


def endpoint_port(root: Path) -> int:
    found = re.search(r"AWS_ENDPOINT_URL=\S+:(\d+)", (root / ".s3.env").read_text())
    assert found
    return int(found.group(1))


def test_a_process_that_got_the_number_of_a_dead_server_is_left_alone(tmp_path: Path) -> None:
    bystander = psutil.Process()
    local = Local(tmp_path)
    local.pid_file.parent.mkdir()
    local.pid_file.write_text(f'{{"pid": {bystander.pid}, "created": {bystander.create_time() - 100}, "port": 1}}')
    assert local.stop() == "not running"


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        port = free_ports()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(RuntimeError, match="is port"):
            Local(tmp_path, port=port).start()


def test_private_files_replace_public_ones(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("old")
    (tmp_path / "keys").chmod(0o644)
    write_private(tmp_path / "keys", "new")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    assert (tmp_path / "keys").read_text() == "new"
