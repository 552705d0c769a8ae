"""From two finished runs to a verdict and a champion: what is let through, and what is refused in which words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssgan.config import Config
from ssgan.errors import ConfigError, DataError, RefusedError
from ssgan.registry.promotion import PERSON, PROMOTE, PromotionRequest, compare_models, promote, write_all
from ssgan.registry.registry import Move, RaceError, Registry
from tests.support.finished_project import BAD, finished, parameters

OUT = Path("out")
VERDICT = OUT / "verdict.json"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Runs in the folders bad (run-a) and good (run-b), and parameters for both."""
    monkeypatch.chdir(tmp_path)
    finished(tmp_path / "bad", monkeypatch, "run-a", BAD)
    finished(tmp_path / "good", monkeypatch, "run-b")
    return parameters(tmp_path)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


class Team:
    """What people do, one command after the other."""

    def __init__(self, config: Config, scratch: Path) -> None:
        self.config, self.scratch, self.calls = config, scratch, 0

    def _fresh(self) -> Path:
        self.calls += 1
        return self.scratch / str(self.calls)

    def compare(self, challenger: str, champion: str = "champion", config: Config | None = None) -> str:
        comparison = compare_models(config or self.config, champion, challenger, self._fresh())
        verdict = comparison.verdict(config or self.config)
        write_all(comparison, verdict, OUT, config or self.config)
        return verdict["decision"]

    def promote(self, run: str, alias: str = "champion", why: str | None = None, force: bool = False) -> Move | None:
        done = promote(self.config, PromotionRequest(run, alias, VERDICT, "Ada", why, force), self._fresh())
        return done.move if done else None

    @property
    def aliases(self) -> dict[str, str]:
        return Registry(self.config.storage.url).aliases()


@pytest.fixture
def team(config: Config, scratch: Path) -> Team:
    return Team(config, scratch)


def test_the_first_model_then_a_better_one_then_back(team: Team) -> None:
    assert team.compare("bad") == PROMOTE
    first = team.promote("bad")
    assert first
    assert (first.before, first.kind) == (None, "gate")
    assert first.verdict == hashlib.sha256(VERDICT.read_bytes()).hexdigest()

    assert team.compare("good") == PROMOTE
    second = team.promote("good/runs/train")
    assert second
    assert team.aliases == {"champion": second.to, "previous": first.to}
    assert team.promote("good") is None  # it is the champion already

    with pytest.raises(ConfigError, match="a rollback is recorded with its reason; add --why TEXT"):
        team.promote("previous")
    back = team.promote("previous", why="it fails on Mondays")
    assert back
    assert (back.kind, back.to, back.why) == ("rollback", first.to, "it fails on Mondays")
    assert team.aliases == {"champion": first.to, "previous": second.to}
    again = team.promote(second.to[:8], why="it was the camera")  # an old version by its name
    assert again
    assert again.to == second.to


def test_a_worse_model_needs_force_and_a_reason(team: Team) -> None:
    team.compare("good")
    team.promote("good")
    assert team.compare("bad") == PERSON
    with pytest.raises(RefusedError, match=r"does not let m-\w+ pass \(gain, .*--force --why TEXT"):
        team.promote("bad")
    for why in (None, "  "):
        with pytest.raises(ConfigError, match="past the gate is recorded with its reason"):
            team.promote("bad", force=True, why=why)
    move = team.promote("bad", force=True, why="the customer asked for it")
    assert move
    assert (move.kind, move.verdict, move.why) == ("forced", None, "the customer asked for it")


def test_without_a_verdict_nothing_is_promoted(team: Team) -> None:
    with pytest.raises(RefusedError, match=r"verdict.json does not exist; run `ssgan compare champion bad` first"):
        team.promote("bad")
    OUT.mkdir()
    VERDICT.write_text("{}")
    with pytest.raises(RefusedError, match="is not a verdict"):
        team.promote("bad")
    assert team.aliases == {}


def test_a_verdict_about_another_pair_does_not_count(team: Team) -> None:
    team.compare("bad")
    with pytest.raises(RefusedError, match=r"is about m-\w+ against none, but this would be m-\w+ against none"):
        team.promote("good")
    team.promote("bad")
    with pytest.raises(RefusedError, match=r"against none, but this would be m-\w+ against m-\w+"):
        team.promote("good")


def test_a_verdict_that_was_edited_does_not_count(team: Team) -> None:
    team.compare("good")
    team.promote("good")
    team.compare("bad")
    VERDICT.write_text(json.dumps({**json.loads(VERDICT.read_text()), "decision": PROMOTE}))
    with pytest.raises(RefusedError, match="does not let"):
        team.promote("bad")


def test_a_decision_that_a_person_took_back_counts(team: Team) -> None:
    team.compare("good")
    VERDICT.write_text(json.dumps({**json.loads(VERDICT.read_text()), "decision": PERSON}))
    with pytest.raises(RefusedError, match="its decision was edited"):
        team.promote("good")


def test_rules_that_were_changed_after_the_verdict_do_not_count(team: Team, tmp_path: Path) -> None:
    team.compare("good")
    team.promote("good")
    lax = parameters(tmp_path, gate="{min_gain: -1.0, max_recall_drop: null, max_ece: null}")
    assert team.compare("bad", config=lax) == PROMOTE
    with pytest.raises(RefusedError, match="was made with other rules than `gate`"):
        team.promote("bad")


def test_a_champion_that_changes_during_a_promotion_stops_it(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.compare("bad")
    add = Registry.add

    def slow(self: Registry, version: object) -> None:
        monkeypatch.setattr(Registry, "add", add)
        team.promote("good", force=True, why="faster")
        add(self, version)  # type: ignore[arg-type]

    monkeypatch.setattr(Registry, "add", slow)
    with pytest.raises(RaceError, match=r"champion is m-\w+ by now, not nothing"):
        team.promote("bad")
    assert [move.kind for move in Registry(team.config.storage.url).history()] == ["forced"]


def test_other_names_have_a_gate_of_their_own(team: Team) -> None:
    team.compare("good")
    team.promote("good")
    assert team.compare("bad", champion="staging") == PROMOTE  # nobody is staging yet
    team.promote("bad", alias="staging")
    assert set(team.aliases) == {"champion", "staging"}
    with pytest.raises(ConfigError, match="previous follows the champion by itself"):
        team.promote("bad", alias="previous")


def test_two_runs_can_be_compared_without_a_registry(team: Team) -> None:
    assert team.compare("good", champion="bad") == PROMOTE
    assert team.compare("bad", champion="./good") == PERSON
    assert not Path(team.config.storage.url).exists()
    verdict = json.loads(VERDICT.read_text())
    assert verdict["challenger"]["run_id"] == "run-a"
    assert verdict["challenger"]["label_budget"] == 12
    assert verdict["challenger"]["seconds"] == 321.0


def test_a_test_set_that_grew(team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images that both know decide, and too few of them need a person."""
    finished(tmp_path / "grown", monkeypatch, "run-c", num_test=300)
    team.compare("grown", champion="bad")
    verdict = json.loads(VERDICT.read_text())
    assert verdict["comparison"]["images"] == {"shared": 120, "only_champion": 0, "only_challenger": 180, "relabeled": 0}
    assert verdict["decision"] == PERSON
    assert [rule["name"] for rule in verdict["rules"] if rule["passed"] is False] == ["shared images"]


def test_what_cannot_be_named(team: Team) -> None:
    Path("empty").mkdir()
    with pytest.raises(DataError, match="empty holds no finished run"):
        team.compare("empty")
    with pytest.raises(ConfigError, match="no model is named 'nobody'"):
        team.compare("nobody")
    with pytest.raises(ConfigError, match=r"'\./nowhere' is not a folder here"):
        team.compare("./nowhere")


def test_the_same_pair_gives_the_same_verdict(team: Team) -> None:
    team.compare("good", champion="bad")
    before = VERDICT.read_bytes()
    team.compare("good", champion="bad")
    assert VERDICT.read_bytes() == before


def test_a_label_that_changed_between_the_two_is_named(team: Team) -> None:
    path = Path("good/runs/evaluate/predictions.parquet")
    table = pq.read_table(path)
    labels, said = table["label"].to_pylist(), table["main_pred"].to_pylist()
    right = next(i for i, (a, b) in enumerate(zip(labels, said, strict=True)) if a == b)
    labels[right] = (labels[right] + 1) % 3
    pq.write_table(table.set_column(table.column_names.index("label"), "label", pa.array(labels, pa.int32())), path)
    metrics = Path("good/metrics/evaluate.json")
    numbers = json.loads(metrics.read_text())
    numbers["main"]["errors"] += 1
    metrics.write_text(json.dumps(numbers))
    team.compare("good", champion="bad")
    (one,) = json.loads(VERDICT.read_text())["comparison"]["relabeled"]
    assert one["path"] == table["path"][right].as_py()
    assert one["was"] != one["is"]
