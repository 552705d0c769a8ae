"""``ssgan label`` as a process: what is labeled is kept, however it ends."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssgan.cli.app import run
from ssgan.data.schema import read_set
from ssgan.ledger import Ledger, Vote

COMMAND = [sys.executable, "-u", "-c", "from ssgan.cli.app import main; main()", "label", "--port", "0", "--queue", "q.csv"]


@pytest.fixture
def queue(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of a queue of five images in a project of its own."""
    for name in ("params.yaml", "classes.json"):
        shutil.copy(trained / name, tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("images", "index"):
        (tmp_path / "data" / name).symlink_to(trained / "data" / name)
    monkeypatch.chdir(tmp_path)
    ids: list[str] = read_set(Path("data/images"), ["id"])["id"].to_pylist()[:5]
    Path("q.csv").write_text("rank,sha256\n" + "".join(f"{rank},{image}\n" for rank, image in enumerate(ids, 1)))
    return ids


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process, the address of the page, and what it said before."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout
        said = ""
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+/[\w-]{32}/)\nCtrl-C", said)):
            line = process.stdout.readline()
            assert line, said
            said += line
        yield process, found[1], said
    finally:
        process.kill()
        process.wait()


def act(url: str, do: str, image: str, label: str = "", **more: Any) -> dict[str, Any]:
    body = json.dumps({"do": do, "image": image, "label": label, **more}).encode()
    request = urllib.request.Request(f"{url}act", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def votes(annotator: str = "eva") -> list[tuple[str, str]]:
    found = [vote for batch in Ledger(Path("labels")).batches().values() for vote in batch]
    return sorted((vote.image, vote.label) for vote in found if vote.annotator == annotator)


def test_a_killed_session_loses_nothing_and_the_next_one_goes_on(queue: list[str]) -> None:
    with started("--annotator", "eva") as (process, url, said):
        assert said.startswith("5 of 5 images to label, as eva: http://127.0.0.1:")
        act(url, "label", queue[0], "3")
        act(url, "label", queue[1], "4")
        act(url, "undo", queue[2])
        act(url, "label", queue[1], "5")
        act(url, "skip", queue[2])
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert votes() == []
    with started("--annotator", "eva") as (process, url, said):
        assert said.startswith("2 labels of an earlier session that was cut off -> labels, batch ")
        assert votes() == sorted([(queue[0], "3"), (queue[1], "5")])
        assert "\n3 of 5 images to label, as eva" in said
        state = act(url, "label", queue[2], "6")
        assert (state["labeled"], state["image"]) == (3, queue[3])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout
        assert "1 label of this session -> labels, batch " in process.stdout.read()
    assert votes() == sorted([(queue[0], "3"), (queue[1], "5"), (queue[2], "6")])
    assert not Path("labels/journal").exists()


def test_a_session_without_a_label_says_so(queue: list[str]) -> None:
    with started("--annotator", "eva") as (process, _, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout
        assert "no image was labeled in this session" in process.stdout.read()


def test_what_was_set_aside_does_not_come_again_and_is_counted_at_the_end(queue: list[str]) -> None:
    with started("--annotator", "eva") as (process, url, _):
        act(url, "aside", queue[0], "none of these:a fox")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout
        assert "1 image of this session set aside without a class (`ssgan labels aside` lists" in process.stdout.read()
    with started("--annotator", "eva") as (_, _, said):
        assert "4 of 5 images to label, as eva" in said


def test_a_second_annotator_sees_the_whole_queue_and_new_names_of_classes(queue: list[str]) -> None:
    ledger = Ledger(Path("labels"))
    ledger.append([Vote(queue[0], "3", "eva", "2026-01-01", "test")])
    ledger.record(ledger_event("rename", "3", "three"))
    ledger.record(ledger_event("class", "ten", ""))
    with started("--annotator", "ben") as (process, url, said):
        assert said.startswith("5 of 5 images to label, as ben")
        with urllib.request.urlopen(f"{url}state", timeout=20) as response:
            names = [one["name"] for one in json.load(response)["classes"]]
        assert names == ["0", "1", "2", "three", *"456789", "ten"]
        act(url, "label", queue[0], "three")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert votes("ben") == [(queue[0], "three")]


def test_a_killed_session_of_sheets_loses_nothing_and_makes_its_classes(
    queue: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("classes.json").unlink()
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump({**params, "split": {"mode": "team", "labels": "labels"}}))
    rows = [f"{image},{cluster}\n" for image, cluster in zip(queue, ["1", "1", "1", "2", "2"], strict=True)]
    Path("q.csv").write_text("sha256,cluster\n" + "".join(rows))
    with started("--annotator", "eva") as (process, url, said):
        assert said.startswith("5 of 5 images to label (2 sheets first), as eva")
        assert act(url, "sheet", queue[0], "cat", out=[1], new=True)["sheet"]["number"] == 2
        act(url, "sheet", queue[3], "dog", new=True)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    with started("--annotator", "eva") as (process, url, said):
        assert "4 labels of an earlier session" in said
        assert "\n1 of 5 images to label, as eva" in said
        state = act(url, "label", queue[1], "dog")
        assert ([one["name"] for one in state["classes"]], state["image"]) == (["cat", "dog"], None)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert votes() == sorted(zip(queue, ["cat", "dog", "cat", "dog", "dog"], strict=True))
    assert run(["labels", "status"]) == 0
    assert "4 of the votes were given to whole sheets of a cluster" in capsys.readouterr().out


def ledger_event(kind: Any, name: str, into: str) -> Any:
    from ssgan.ledger.event import Event

    return Event(kind, name, into, "eva", "2026-01-02")


def test_without_a_queue_or_classes_it_says_what_to_do(queue: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["label"]) == 1
    assert "next/queue.csv does not exist; choose images first: `ssgan next --budget 200`" in capsys.readouterr().err
    Path("classes.json").unlink()
    assert run(["label", "--queue", "q.csv"]) == 1
    assert "there is no class to choose from; run `dvc repro split`" in capsys.readouterr().err
    assert not Path("labels").exists()
