"""Ceph's radosgw as a second, independent S3 server: plain processes on 127.0.0.1, no systemd, no root.

    apt-get install -y --no-install-recommends ceph-mon ceph-osd radosgw ceph-common

Clients have to set AWS_REQUEST_CHECKSUM_CALCULATION=when_required: version 16 knows no trailing checksums.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Self

CONF = """[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
ms bind ipv6 = false
ms bind port min = {osd_first}
ms bind port max = {osd_last}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {base}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 1
osd crush chooseleaf type = 0
osd objectstore = bluestore
bluestore block size = 10737418240
osd memory target = 1073741824
run dir = {base}/run
admin socket = {base}/run/$cluster-$name.asok
pid file = {base}/run/$name.pid
log file = {base}/log/$name.log
mon cluster log file = {base}/log/cluster.log
crash dir = {base}/crash
mon data = {base}/mon.$id
osd data = {base}/osd.$id
paxos propose interval = 0.1
paxos min wait = 0.01
mon tick interval = 1
osd heartbeat interval = 1
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw thread pool size = 64
"""
CAPS = {
    "mon.": ["mon=allow *"],
    "client.admin": ["mon=allow *", "osd=allow *", "mgr=allow *"],
    "client.rgw": ["mon=allow rw", "osd=allow rwx", "mgr=allow rw"],
    "osd.0": ["mon=allow profile osd", "mgr=allow profile osd", "osd=allow *"],
}
START_S = 120.0


class Rgw:
    """The three daemons (monitor, storage, gateway); ``kill`` and ``start`` again keep the data."""

    def __init__(self, folder: Path, access_key: str, secret_key: str, port: int = 0) -> None:
        self.base, self.port = folder.resolve(), port or _free_ports()
        self.conf, self.daemons = self.base / "ceph.conf", dict[str, subprocess.Popen[bytes]]()
        self._keys = (access_key, secret_key)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start the daemons, the first time with an empty cluster, and wait until the gateway answers."""
        end = time.monotonic() + START_S
        first = not self.conf.exists()
        if first:
            self._create()
        self._spawn("mon", "ceph-mon", "-i", "a")
        if first:
            self._add_osd()
        self._spawn("osd", "ceph-osd", "-i", "0")
        if first:
            self._ceph("osd", "crush", "add-bucket", "localhost", "host", "root=default")
            self._ceph("osd", "crush", "add", "osd.0", "1.0", "host=localhost")
        self._wait(lambda: "1 up" in self._ceph("osd", "stat"), end)
        if first:
            self._add_user()
        self._spawn("rgw", "radosgw", "-n", "client.rgw")
        self._wait(self._answers, end)
        return self

    def kill(self) -> None:
        """SIGKILL to all daemons."""
        self.stop(signal.SIGKILL)

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        for name in ("rgw", "osd", "mon"):
            daemon = self.daemons.pop(name, None)
            if daemon is None or daemon.poll() is not None:
                continue
            daemon.send_signal(sig)
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(30)
            daemon.kill()
            daemon.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _create(self) -> None:
        for name in ("run", "log", "crash", "osd.0"):
            (self.base / name).mkdir(parents=True)
        p, fsid, keyring, monmap = self.port, str(uuid.uuid4()), self.base / "keyring", self.base / "monmap"
        ports = {"port": p, "mon2": p + 1, "mon1": p + 2, "osd_first": p + 10, "osd_last": p + 60}
        for number, (name, caps) in enumerate(CAPS.items()):
            options = [part for cap in caps for part in ("--cap", *cap.split("=", 1))]
            _sh("ceph-authtool", keyring, *([] if number else ["--create-keyring"]), "--gen-key", "-n", name, *options)
        address = f"[v2:127.0.0.1:{p + 1},v1:127.0.0.1:{p + 2}]"
        _sh("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", address, monmap)
        self.conf.write_text(CONF.format(fsid=fsid, base=self.base, **ports))
        _sh("ceph-mon", "-c", self.conf, "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", keyring)

    def _add_osd(self) -> None:
        self._ceph("osd", "new", uuid.uuid4())
        osd_id = json.loads(self._ceph("osd", "dump", "-f", "json"))["osds"][0]["uuid"]
        _sh("ceph-osd", "-c", self.conf, "-i", "0", "--mkfs", "--osd-uuid", osd_id)

    def _add_user(self) -> None:
        who = ["--uid", "lab", "--display-name", "lab", "--access-key", self._keys[0], "--secret-key", self._keys[1]]
        _sh("radosgw-admin", "-c", self.conf, "-n", "client.rgw", "user", "create", *who)

    def _ceph(self, *arguments: object) -> str:
        return _sh("ceph", "-c", self.conf, "--connect-timeout", "20", *arguments)

    def _spawn(self, name: str, program: str, *arguments: str) -> None:
        with (self.base / "log" / f"{name}.out").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                [program, "-c", str(self.conf), *arguments, "-f"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self, done: Callable[[], bool], end: float) -> None:
        while not done():
            dead = [name for name, daemon in self.daemons.items() if daemon.poll() is not None]
            if dead or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"Ceph did not start ({', '.join(dead) or 'too slow'}); see {self.base / 'log'}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.endpoint, timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def installed() -> bool:
    return all(shutil.which(program) for program in ("ceph-mon", "ceph-osd", "radosgw", "ceph"))


def _free_ports() -> int:
    """A free port with free neighbors."""
    for first in range(17480, 19480, 100):
        with contextlib.ExitStack() as stack:
            try:
                for port in (first, first + 1, first + 2):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise RuntimeError("no free ports for Ceph")


def _sh(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stdout[-400:]} {done.stderr[-1200:]}")
    return done.stdout
