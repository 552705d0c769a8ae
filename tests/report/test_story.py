"""The sentences: true for every outcome, and plain."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ssgan.report import ReportInputs, story
from ssgan.report.inputs import Facts, read
from tests.support.fake_run import Fake


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    root = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as monkeypatch:
        Fake(root, num_labels=40, num_unlabeled=1203, warnings=("discriminator wins",)).write().evaluate(monkeypatch)
        return read(ReportInputs())


def changed(facts: Facts, **gain: Any) -> Facts:
    facts = copy.deepcopy(facts)
    facts.metrics["gain"].update(gain)
    facts.metrics["main"]["error_rate"], facts.metrics["twin"]["error_rate"] = 0.042, 0.131
    return facts


def test_a_gain_is_told_in_one_sentence(facts: Facts) -> None:
    told = story.tell(changed(facts, verdict="gain", share_of_errors_removed=0.679))
    assert told.headline == "The unlabeled images removed 68 of every 100 errors."
    assert told.lead == (
        "With 40 labels and 1,203 unlabeled images, the model gets 4.2% of unseen images wrong; "
        "the same network trained on the 40 labels alone gets 13.1% wrong."
    )


def test_what_was_fitted_at_once_took_no_steps(facts: Facts) -> None:
    manifest = {**facts.manifest, "steps": 2000}
    stepped, fitted = (dict(story.ran(replace(facts, manifest={**manifest, "fitted": of}))) for of in ({}, {"main": "x"}))
    assert stepped["Steps"] == "2,000"
    of_steps = {"Steps", "Speed, images per second", "Time spent waiting for data"}
    assert set(stepped) - set(fitted) == of_steps


def test_no_gain_is_not_dressed_up(facts: Facts) -> None:
    told = story.tell(changed(facts, verdict="none", share_of_errors_removed=0.2, mcnemar_p=0.1249))
    assert told.badge == "No measurable gain"
    assert told.headline == "The unlabeled images made no measurable difference."
    assert "20" not in told.headline
    assert "can be chance (p = 0.12)" in told.caveat


def test_harm_is_called_harm(facts: Facts) -> None:
    told = story.tell(changed(facts, verdict="harm", share_of_errors_removed=-0.314))
    assert (told.verdict, told.badge) == ("harm", "Worse")
    assert told.headline == "The unlabeled images hurt: 31 more errors for every 100."


def test_equal_models_are_equal(facts: Facts) -> None:
    told = story.tell(changed(facts, verdict="none", only_main_right=0, only_twin_right=0, mcnemar_p=1.0))
    assert "exactly the same test images" in told.caveat


def test_errors_at_zero_do_not_divide(facts: Facts) -> None:
    perfect = changed(facts, verdict="gain", share_of_errors_removed=1.0)
    perfect.metrics["main"].update(error_rate=0.0, errors=0)
    assert story.tell(perfect).headline == "The unlabeled images removed all errors."
    harmed = changed(facts, verdict="harm", share_of_errors_removed=0.0)
    harmed.metrics["twin"].update(error_rate=0.0, errors=0)
    assert "without them there is no error at all" in story.tell(harmed).headline


def test_without_a_twin_nothing_is_claimed(facts: Facts) -> None:
    alone = copy.deepcopy(facts)
    alone.metrics.update(gain=None, twin=None)
    told = story.tell(alone)
    assert told.verdict == "unknown"
    assert "is not known: no supervised baseline was trained" in told.lead


def test_a_supervised_run_claims_no_unlabeled_images(facts: Facts) -> None:
    alone = copy.deepcopy(facts)
    alone.metrics.update(gain=None, twin=None)
    alone.manifest["config"]["method"]["name"] = "supervised"
    told = story.tell(alone)
    assert told.title == "Labels alone"
    assert "1,203" not in told.lead


def test_labeled_images_do_not_count_as_unlabeled(facts: Facts) -> None:
    benchmark = copy.deepcopy(facts)
    benchmark.metrics["budget"]["labeled_and_unlabeled"] = 40
    assert story.unlabeled_images(benchmark) == 1163
    assert "1,163 unlabeled images" in story.tell(benchmark).lead


def test_the_checks_notice_every_breach(facts: Facts) -> None:
    assert all(check.ok for check in story.checks(facts))
    for key in ("main_ids_seen", "twin_ids_seen", "labeled_and_test", "unlabeled_and_test", "val_and_test", "test_opened_by"):
        broken = copy.deepcopy(facts)
        broken.metrics["budget"][key] = 7 if key != "test_opened_by" else "train"
        assert [check.ok for check in story.checks(broken)].count(False) == 1, key


def test_warnings_are_counted_and_not_repeated(facts: Facts) -> None:
    assert story.warnings(facts) == [("main", "discriminator wins", 100, 3), ("twin", "discriminator wins", 100, 3)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 s"), (89, "89 s"), (91, "2 min"), (3600, "60 min"), (5400, "1 h 30 min"), (90_000, "25 h 0 min")],
)
def test_durations(value: float, text: str) -> None:
    assert story.duration(value) == text


def test_numbers_as_words() -> None:
    assert [story.percent(v) for v in (0.0421, 0.0, 1.0, None)] == ["4.2%", "0.0%", "100.0%", "none"]
    assert [story.points(v) for v in (0.0421, -0.0421, -0.0001)] == ["4.2", "\N{MINUS SIGN}4.2", "0.0"]
    assert [story.number(v) for v in (1203, 1203.04, 0.00012345)] == ["1,203", "1,203", "0.0001234"]


def test_hidden_characters_are_shown() -> None:
    assert story.visible("a\u202egnp.exe\n") == "a\\u202egnp.exe\\u000a"
    assert story.visible("日本語 é 👩‍🔬") == "日本語 é 👩‍🔬"


def test_ingest_adds_up(facts: Facts, tmp_path: Path) -> None:
    assert story.ingested(facts) == "230 files seen = 222 accepted + 3 rejected + 5 duplicates."
