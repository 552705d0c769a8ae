"""The leaderboard and the best trial, from recorded trials."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
import yaml

from ssgan.tuning import board
from ssgan.tuning.trials import Trial, best, ranked
from tests.support.trials import RATE, trial

TRIALS = [
    trial(1, 0.5, 0.2, 0.3),
    trial(2, 0.4, 0.25),
    trial(3, 0.1, state="stopped"),
    trial(4, 0.9, state="failed"),
    trial(5, 0.3, 0.25),
    trial(6, state="running"),
]


def test_the_score_is_of_the_weights_that_evaluate_will_judge() -> None:
    assert [t.number for t in ranked(TRIALS, "last")] == [2, 5, 1, 3, 6, 4]
    assert [t.number for t in ranked(TRIALS, "best")] == [1, 2, 5, 3, 6, 4]
    one = TRIALS[0]
    assert (one.score("last"), one.score("best")) == (0.3, 0.2)
    assert one.validation("best") == (20, 0.2)


def test_a_stopped_trial_is_never_the_best_since_nobody_knows_how_it_ends() -> None:
    first = best(TRIALS, "last")
    assert first
    assert first.number == 2
    assert best([TRIALS[2], TRIALS[3], TRIALS[5]], "last") is None


def test_a_trial_survives_json() -> None:
    for one in TRIALS:
        assert Trial.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_the_table_holds_every_trial_with_its_point_and_why_it_failed() -> None:
    rows = list(csv.DictReader(io.StringIO(board.as_csv(TRIALS, "last"))))
    assert [row["trial"] for row in rows] == ["2", "5", "1", "3", "6", "4"]
    by_number = {row["trial"]: row for row in rows}
    assert float(by_number["1"]["score"]) == float(by_number["1"]["last_val_error_rate"]) == 0.3
    assert (by_number["1"]["best_val_error_rate"], by_number["1"]["best_step"]) == ("0.2", "20")
    assert by_number["1"][RATE] == "0.001"
    assert (by_number["4"]["score"], by_number["4"]["reason"]) == ("", "step 3: the loss is not finite")
    assert by_number["6"]["last_step"] == ""
    assert board.as_markdown(TRIALS, "last").count("\n") == 2 + len(TRIALS)


def test_the_terminal_is_told_how_much_is_chance() -> None:
    text = board.as_text(TRIALS, "last", 100)
    assert "val has 100 images: the best score is 25.00 % ± 4.33 % (one standard error); 1 other trial is within it" in text
    assert "no other trial is that close" in board.as_text(TRIALS[:1], "last", 100)
    many = [trial(i, 0.5 - i / 100) for i in range(1, 31)]
    assert "and 20 more in leaderboard.csv" in board.as_text(many, "last", 100)


@pytest.mark.parametrize("value", [1e-05, 2.5e-07, 0.1, 1e22, True, 3, "vat"])
def test_best_yaml_gives_back_every_value_as_it_was(value: Any) -> None:
    read = yaml.safe_load(board.best_yaml(trial(3, 0.25, **{RATE: value}), "last", 100))
    assert read["params"] == {RATE: value}
    assert type(read["params"][RATE]) is type(value)
    assert (read["trial"], read["run"], read["score"], read["val_images"]) == (3, "run-003", 0.25, 100)
    assert read["standard_error"] == pytest.approx(0.0433, abs=1e-4)
