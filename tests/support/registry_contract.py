"""What the registry has to do in every kind of storage. Derive, and give a fixture ``url``."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ssgan.errors import ConfigError, StorageError, UnusableError
from ssgan.registry.registry import LOG, VERSIONS, Move, RaceError, Reason, Registry, fetch_with_card
from ssgan.registry.version import Version, assemble
from ssgan.storage.write_once import OnceStore, open_once
from tests.support.finished_project import finished

BY = Reason("Ada", "gate", "ab" * 32)
PROMOTERS = 4
# Waits for the line that the test sends to all of them at once, so that they start together.
PROMOTER = """
import sys
from ssgan.registry.registry import RaceError, Reason, Registry
registry = Registry(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.move("champion", sys.argv[2], None, Reason(sys.argv[2], "forced", None, "race"))
    print("won")
except RaceError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    folder = tmp_path_factory.mktemp("version")
    with pytest.MonkeyPatch.context() as monkeypatch:
        return assemble(finished(folder / "project", monkeypatch), folder / "version")


class RegistryContract:
    @pytest.fixture
    def registry(self, url: str) -> Registry:
        return Registry(url)

    @pytest.fixture
    def store(self, url: str) -> OnceStore:
        return open_once(url)

    def test_an_empty_registry(self, registry: Registry) -> None:
        assert (registry.last(), registry.aliases(), registry.history(), registry.versions()) == (None, {}, [], [])
        assert registry.find("champion") is None

    def test_a_version_comes_back_whole(self, registry: Registry, version: Version, tmp_path: Path) -> None:
        registry.add(version)
        registry.add(version)  # twice is once
        assert registry.versions() == [version.id]
        assert registry.find(version.id[:6]) == version.id
        back = registry.fetch(version.id, tmp_path / "back")
        assert back.metrics == version.metrics
        assert {p.name for p in (tmp_path / "back").iterdir()} == {p.name for p in version.folder.iterdir()}

    def test_a_version_whose_files_were_changed_is_not_given_out(
        self, registry: Registry, store: OnceStore, version: Version, tmp_path: Path
    ) -> None:
        """A changed file, and then a changed file with a manifest to match."""
        registry.add(version)
        other = tmp_path / "other"
        registry.fetch(version.id, other)
        (other / "README.md").write_text("better than it is")
        store.objects.upload(other / "README.md", f"{VERSIONS}/{version.id}/README.md")
        with pytest.raises(UnusableError, match=r"README.md arrived damaged"):
            Registry(registry.url, store.limits.__class__(attempts=2, first_wait_s=0.01)).fetch(version.id, tmp_path / "a")
        store.put(other, f"{VERSIONS}/{version.id}")
        with pytest.raises(ValueError, match=r"were changed; do not use them"):
            registry.fetch(version.id, tmp_path / "b")

    def test_names_move_and_the_log_tells_how(self, registry: Registry) -> None:
        registry.move("champion", "m-aaaa", None, BY)
        assert registry.aliases() == {"champion": "m-aaaa"}
        registry.move("champion", "m-bbbb", "m-aaaa", BY)
        registry.move("staging", "m-cccc", None, Reason("Bob", "forced", None, "a trial"))
        registry.move("champion", "m-aaaa", "m-bbbb", Reason("Bob", "rollback", None, "it failed"))
        assert registry.aliases() == {"champion": "m-aaaa", "previous": "m-bbbb", "staging": "m-cccc"}
        history = registry.history()
        assert [(m.serial, m.alias, m.before, m.to, m.by, m.why) for m in history] == [
            (1, "champion", None, "m-aaaa", "Ada", None),
            (2, "champion", "m-aaaa", "m-bbbb", "Ada", None),
            (3, "staging", None, "m-cccc", "Bob", "a trial"),
            (4, "champion", "m-bbbb", "m-aaaa", "Bob", "it failed"),
        ]
        assert history[0].verdict == "ab" * 32

    def test_a_license_that_was_accepted_stands_in_the_log(self, registry: Registry, store: OnceStore) -> None:
        """Other entries are what they were before there were licenses, byte for byte, so that older versions read them."""
        registry.move("champion", "m-aaaa", None, BY)
        registry.move("champion", "m-bbbb", "m-aaaa", Reason("Ada", "gate", "ab" * 32, None, "CC-BY-NC-4.0"))
        assert [(move.license, move.by, move.format) for move in registry.history()] == [
            (None, "Ada", 1),
            ("CC-BY-NC-4.0", "Ada", 2),
        ]
        first, second = (json.loads(store.read(f"{LOG}/0000000{serial}.json")) for serial in (1, 2))
        assert second.keys() - first.keys() == {"license"}

    def test_a_move_from_a_state_that_has_gone_is_refused(self, registry: Registry) -> None:
        registry.move("champion", "m-aaaa", None, BY)
        with pytest.raises(RaceError, match=r"champion is m-aaaa by now, not nothing \(last move: Ada at .*nothing was moved"):
            registry.move("champion", "m-bbbb", None, BY)
        assert registry.aliases() == {"champion": "m-aaaa"}
        assert len(registry.history()) == 1

    def test_a_move_of_another_name_in_between_is_no_obstacle(
        self, registry: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen, last = list[int](), registry.last

        def slow() -> Move | None:
            """Somebody else writes after this promoter has looked, the first time."""
            state = last()
            if not seen:
                seen.append(1)
                Registry(registry.url).move("staging", "m-cccc", None, BY)
            return state

        monkeypatch.setattr(registry, "last", slow)
        assert registry.move("champion", "m-aaaa", None, BY).serial == 2
        assert Registry(registry.url).aliases() == {"champion": "m-aaaa", "staging": "m-cccc"}

    def test_of_racing_promoters_exactly_one_wins(self, registry: Registry, url: str) -> None:
        """Real processes that start together."""
        names = [f"m-{k:04x}" for k in range(PROMOTERS)]
        running = [
            subprocess.Popen(
                [sys.executable, "-c", PROMOTER, url, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for name in names
        ]
        for process in running:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        with ThreadPoolExecutor(PROMOTERS) as pool:
            said = list(pool.map(lambda process: process.communicate("go\n", timeout=120)[0].strip(), running))
        winners = [name for name, text in zip(names, said, strict=True) if text == "won"]
        assert len(winners) == 1, said
        assert registry.aliases() == {"champion": winners[0]}
        assert [(m.to, m.by) for m in registry.history()] == [(winners[0], winners[0])]
        lost = [text for text in said if text != "won"]
        assert all(f"champion is {winners[0]} by now, not nothing" in text and "nothing was moved" in text for text in lost)

    def test_moves_one_after_the_other_are_all_kept(self, url: str) -> None:
        """Threads that each move a name of their own, over and over: no line of the log is lost."""

        def many(name: str) -> None:
            registry, held = Registry(url), None
            for k in range(3):
                held = registry.move(name, f"m-{k:04x}", held, BY).to

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(many, ("a", "b", "c")))
        history = Registry(url).history()
        assert [move.serial for move in history] == list(range(1, 10))
        assert history[-1].aliases == {"a": "m-0002", "b": "m-0002", "c": "m-0002"}

    def test_a_log_that_was_changed_is_noticed(self, registry: Registry, store: OnceStore) -> None:
        first = registry.move("champion", "m-aaaa", None, BY)
        registry.move("champion", "m-bbbb", "m-aaaa", BY)
        name = f"{LOG}/00000001.json"
        store.objects.write(name, json.dumps({**json.loads(first.dump()), "by": "Eve"}).encode())
        with pytest.raises(UnusableError, match=r"00000001.json was changed after it was written"):
            registry.history()
        forged = Move(**{**first.__dict__, "by": "Eve"})
        store.objects.write(name, forged.dump())  # consistent in itself
        with pytest.raises(UnusableError, match="entry 2 of registry/log does not follow"):
            registry.history()
        store.objects.remove(name)
        with pytest.raises(UnusableError, match=r"00000001.json is missing"):
            registry.aliases()

    def test_a_damaged_entry_is_no_state(self, registry: Registry, store: OnceStore) -> None:
        store.objects.write(f"{LOG}/00000001.json", b"{")
        with pytest.raises(StorageError, match=r"00000001.json is damaged"):
            registry.aliases()

    def test_names_that_mean_nothing(self, registry: Registry, version: Version) -> None:
        registry.add(version)
        with pytest.raises(ConfigError, match="no version m-0000"):
            registry.find("m-0000" if not version.id.startswith("m-0000") else "m-1111")
        with pytest.raises(ConfigError, match="is not a folder here, nor a version"):
            registry.find("no/such/thing")

    def test_the_card_tells_how_a_model_came_to_its_names(self, registry: Registry, version: Version, tmp_path: Path) -> None:
        registry.add(version)
        registry.move("champion", version.id, None, Reason("Ada | Eve", "forced", None, "a <b>trial</b>"))
        fetch_with_card(registry, "champion", tmp_path / "model")
        text = (tmp_path / "model/README.md").read_text()
        assert text.startswith((version.folder / "README.md").read_text())
        assert r"| champion | none | Ada \| Eve | forced | a \<b\>trial\</b\> |" in text
        with pytest.raises(ConfigError, match="no model is named 'staging'"):
            fetch_with_card(registry, "staging", tmp_path / "other")
