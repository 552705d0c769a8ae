"""The folder of a ledger: content-addressed, immutable, and the same state in whatever order it came together."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.errors import DataError
from ssgan.ledger import Ledger, Vote
from ssgan.ledger.event import Event
from ssgan.ledger.vote import canonical_time
from tests.support.votes import IMAGES, names, times, votes

CAT = Vote(IMAGES[0], "cat", "eva", "2026-01-01T00:00:00.000Z", "a.csv")

batches = st.lists(votes, min_size=1, max_size=5)
policies = st.sampled_from(["latest", "majority", "require_agreement"])


def batch_id(votes: Sequence[Vote]) -> str:
    """The id that a new ledger gives these votes."""
    with tempfile.TemporaryDirectory() as folder:
        return Ledger(Path(folder)).append(votes)


@st.composite
def histories(draw: st.DrawFn) -> list[list[Vote] | Event]:
    """Batches, renames, merges, and undos of some of what came before (undos too)."""
    items: list[list[Vote] | Event] = list(draw(st.lists(batches, min_size=1, max_size=4)))
    kinds = st.sampled_from(["rename", "merge", "class"])
    items += draw(st.lists(st.builds(Event, kinds, names, names, st.just("eva"), times), max_size=4))
    for _ in range(draw(st.integers(0, 3))):
        target = draw(st.sampled_from(items))
        items.append(Event("undo", id_of(target), "", "eva", draw(times)))
    return items


def id_of(item: list[Vote] | Event) -> str:
    if isinstance(item, Event):
        from ssgan.ledger.store import _event_line, _id_of

        return _id_of(_event_line(item) + "\n")
    return batch_id(item)


def fill(ledger: Ledger, items: list[list[Vote] | Event]) -> Ledger:
    for item in items:
        assert (ledger.record(item) if isinstance(item, Event) else ledger.append(item)) == id_of(item)
    return ledger


def disk(ledger: Ledger) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((ledger.folder / "batches").iterdir())}


@given(histories(), policies, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_order_and_any_repetition_give_the_same_bytes_and_the_same_state(
    tmp_path_factory: pytest.TempPathFactory, items: list[list[Vote] | Event], policy: str, rng: random.Random
) -> None:
    one, other = (Ledger(tmp_path_factory.mktemp("ledger")) for _ in range(2))
    fill(one, items)
    again = items + rng.choices(items, k=3)
    rng.shuffle(again)
    for item in again:
        if not isinstance(item, Event):
            rng.shuffle(item)
    fill(other, again)
    assert disk(one) == disk(other)
    first, second = one.state(policy), other.state(policy)  # type: ignore[arg-type]
    assert repr(first) == repr(second)  # repr: order counts too
    assert set(first.labels) | set(first.conflicts) == set(first.votes)
    assert not set(first.labels) & set(first.conflicts)


@given(histories())
@settings(max_examples=40, deadline=None)
def test_undoing_everything_leaves_nothing_and_undoing_that_brings_it_back(
    tmp_path_factory: pytest.TempPathFactory, items: list[list[Vote] | Event]
) -> None:
    ledger = fill(Ledger(tmp_path_factory.mktemp("ledger")), items)
    before = ledger.state()
    undos = [ledger.record(Event("undo", name, "", "eva", "2027-01-01")) for name in sorted(live(ledger))]
    assert ledger.batches() == {}
    assert ledger.state().votes == {}
    for name in undos:
        ledger.record(Event("undo", name, "", "eva", "2027-01-02"))
    assert ledger.state() == before


def live(ledger: Ledger) -> set[str]:
    files = ledger.read()
    return {*files.votes, *(name for name, event in files.events.items() if event.event != "undo")} - set(files.undone)


def test_a_batch_twice_is_one_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "labels")
    first = ledger.append([CAT, CAT._replace(label="dog")])
    path = tmp_path / "labels/batches" / f"{first}.jsonl"
    written = path.stat().st_mtime_ns
    assert ledger.append([CAT._replace(label="dog"), CAT, CAT]) == first
    assert path.stat().st_mtime_ns == written
    lines = [
        f'{{"annotator": "eva", "image": "{CAT.image}", "label": "{label}", "source": "a.csv", "time": "{CAT.time}"}}'
        for label in ("cat", "dog")
    ]
    assert path.read_text() == "".join(f"{line}\n" for line in lines)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("moment", ["2026-01-01", "2026-01-01T01:00:00+01:00", " 2026-01-01T00:00:00Z", "2026-01-01T00:00:00"])
def test_one_instant_is_one_batch_however_it_is_written(tmp_path: Path, moment: str) -> None:
    assert Ledger(tmp_path).append([CAT._replace(time=moment, image=CAT.image.upper())]) == batch_id([CAT])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "cat.png"}, "names the image 'cat.png'.*64 hex digits"),
        ({"label": " "}, "empty label"),
        ({"time": "yesterday"}, "'yesterday' is not a time.*ISO 8601"),
        ({"settles": "later"}, "'later' is not a time"),
    ],
)
def test_a_vote_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Ledger(tmp_path / "labels").append([CAT, CAT._replace(**change)])
    assert not (tmp_path / "labels").exists()


def test_no_votes_are_no_batch(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least one vote"):
        Ledger(tmp_path).append([])


def test_a_ledger_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "labels").batches() == {}
    assert Ledger(tmp_path / "labels").state().labels == {}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("cat", "dog"),
        lambda text: "",
        lambda text: text * 2,
        lambda text: "<<<<<<< HEAD\n" + text,
        lambda text: text.replace("eva", "eva2"),
        lambda text: text.replace('"label"', '"weight": 3, "label"'),
        lambda text: "3\n",
    ],
)
def test_a_changed_batch_is_noticed(tmp_path: Path, damage: object) -> None:
    ledger = Ledger(tmp_path)
    path = tmp_path / "batches" / f"{ledger.append([CAT])}.jsonl"
    path.write_text(damage(path.read_text()))  # type: ignore[operator]
    with pytest.raises(DataError, match="restore it from git"):
        ledger.batches()


def test_git_may_change_line_ends(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    path = tmp_path / "batches" / f"{ledger.append([CAT, CAT._replace(label='käse')])}.jsonl"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(ledger.batches()[path.stem]) == 2


def test_strange_files_are_not_skipped(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([CAT])
    (tmp_path / "batches/.gitkeep").touch()
    assert len(ledger.batches()) == 1
    (tmp_path / "batches/copy of a batch.jsonl").touch()
    with pytest.raises(DataError, match=r"copy of a batch.*move it away"):
        ledger.batches()


def test_a_line_more_in_an_event_is_noticed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    path = tmp_path / "batches" / f"{ledger.record(Event('class', 'cat', '', 'eva', '2026-01-01'))}.jsonl"
    assert ledger.taxonomy().decided == ["cat"]
    path.write_text(path.read_text() * 2)
    with pytest.raises(DataError, match="restore it from git"):
        ledger.taxonomy()


def test_a_time_without_a_zone_is_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert canonical_time("2026-07-07T07:07") == canonical_time("2026-07-07T09:07+02:00") == "2026-07-07T07:07:00.000Z"
    finally:
        monkeypatch.undo()
        time.tzset()
