"""What the lock of a run has to do in every kind of storage, with real processes. Derive, and give a fixture ``url``."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssgan.errors import HeldError
from ssgan.storage.lease import Claims, GuardedStore, held
from ssgan.storage.store import open_store

RUN, LEASE_S, RACERS = "run-a", 2.0, 4
KEY = f"checkpoints/{RUN}/main/step-00000010"
# Says "held", and for each line that comes in stores a folder that contains its process, as a training stores a checkpoint.
HOLDER = """
import os, sys
from pathlib import Path
from ssgan.errors import HeldError
from ssgan.storage import lease
from ssgan.storage.store import open_store
url, folder, key, lease_s, elsewhere = *sys.argv[1:4], float(sys.argv[4]), sys.argv[5] == "elsewhere"
if elsewhere:
    lease.machine = lambda: "another machine"
if sys.argv[5] == "racer":
    print("ready", flush=True)
    sys.stdin.readline()
try:
    with lease.held(url, "run-a", lease_s) as guard:
        print("held", flush=True)
        for line in sys.stdin:
            Path(folder, "who").write_text(str(os.getpid()))
            lease.GuardedStore(open_store(url), guard).put(Path(folder), key)
            print("stored", flush=True)
except HeldError as error:
    print(error, flush=True)
"""


def start(url: str, folder: Path, kind: str = "here", lease_s: float = LEASE_S) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", HOLDER, url, str(folder), KEY, str(lease_s), kind]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def holder(url: str, folder: Path, kind: str = "here") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the run."""
    process = start(url, folder, kind)
    try:
        assert answer(process) == "held"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate(timeout=60)


def answer(process: subprocess.Popen[str], line: str = "") -> str:
    assert process.stdin
    assert process.stdout
    if line:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


def who(url: str, folder: Path) -> str:
    """The process whose checkpoint lies in storage."""
    open_store(url).get(KEY, folder)
    return (folder / "who").read_text()


class LeaseContract:
    def test_a_second_process_is_refused_with_host_and_process_of_the_first(self, url: str, tmp_path: Path) -> None:
        with holder(url, tmp_path / "a") as first:
            time.sleep(LEASE_S * 1.5)  # renewed meanwhile
            with pytest.raises(HeldError, match=rf"run-a is being trained by process {first.pid} on .*, since 2.* UTC; wait"):
                held(url, RUN, LEASE_S).__enter__()
            assert answer(first, "store") == "stored"
        assert socket.gethostname() in str(Claims(open_store(url).objects, open_store(url).limits, RUN).newest()[1])

    def test_what_was_released_is_free_at_once(self, url: str, tmp_path: Path) -> None:
        for _ in range(3):
            began = time.monotonic()
            with held(url, RUN, 600.0) as guard:
                GuardedStore(open_store(url), guard).put(folder_of(tmp_path / "x", "me"), KEY)
            assert time.monotonic() - began < 30
        assert len(open_store(url).objects.names(f"checkpoints/{RUN}/lock/")) == 1, "old claims are removed"

    def test_a_process_killed_on_this_machine_blocks_nobody(self, url: str, tmp_path: Path) -> None:
        process = start(url, tmp_path / "a", lease_s=600.0)
        assert answer(process) == "held"
        process.kill()
        process.communicate(timeout=60)
        with held(url, RUN, LEASE_S):
            pass

    def test_a_machine_that_died_is_taken_over_when_its_lease_has_run_out(self, url: str, tmp_path: Path) -> None:
        with holder(url, tmp_path / "a", "elsewhere") as first:
            first.kill()
            first.wait()
            began = time.monotonic()
            with held(url, RUN, LEASE_S):
                assert time.monotonic() - began >= LEASE_S

    def test_a_process_that_was_paused_overwrites_nothing(self, url: str, tmp_path: Path) -> None:
        with holder(url, tmp_path / "a") as paused:
            os.kill(paused.pid, signal.SIGSTOP)
            with holder(url, tmp_path / "b") as successor:
                assert answer(successor, "store") == "stored"
                os.kill(paused.pid, signal.SIGCONT)
                refused = answer(paused, "store")
                assert f"run-a was taken over by process {successor.pid} on" in refused
                assert "run the same command again" in refused
                assert who(url, tmp_path / "back") == str(successor.pid)
                assert answer(successor, "store") == "stored", "the one that was refused released nothing"

    def test_a_process_that_was_paused_until_its_successor_had_ended(self, url: str, tmp_path: Path) -> None:
        with holder(url, tmp_path / "a") as paused:
            os.kill(paused.pid, signal.SIGSTOP)
            with held(url, RUN, LEASE_S) as guard:
                GuardedStore(open_store(url), guard).put(folder_of(tmp_path / "x", "successor"), KEY)
            os.kill(paused.pid, signal.SIGCONT)
            assert "was taken over" in answer(paused, "store")
            assert who(url, tmp_path / "back") == "successor"

    def test_of_racing_processes_exactly_one_holds(self, url: str, tmp_path: Path) -> None:
        racers = [start(url, tmp_path / str(number), "racer") for number in range(RACERS)]
        try:
            assert [answer(racer) for racer in racers] == ["ready"] * RACERS
            for racer in racers:
                assert racer.stdin
                racer.stdin.write("go\n")
                racer.stdin.flush()
            said = [answer(racer) for racer in racers]
            assert said.count("held") == 1, said
            assert sum("is being trained by process" in text for text in said) == RACERS - 1
        finally:
            for racer in racers:
                racer.kill()
                racer.communicate(timeout=60)

    def test_a_claim_says_who_and_since_when(self, url: str) -> None:
        with held(url, RUN, LEASE_S):
            objects = open_store(url).objects
            (name,) = objects.names(f"checkpoints/{RUN}/lock/")
            claim = json.loads(objects.read(name))
        assert (claim["host"], claim["pid"], claim["lease_s"]) == (socket.gethostname(), os.getpid(), LEASE_S)
        assert claim["since"].endswith(" UTC")


def folder_of(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "who").write_text(text)
    return folder
