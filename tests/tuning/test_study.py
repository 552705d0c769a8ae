"""Proposals that know what was tried, and what is said of the importance of a key."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from ssgan.config.tune import Draw, TuneConfig
from ssgan.tuning.study import distributions, importance, study_of
from ssgan.tuning.trials import Trial
from tests.support.trials import RATE, trial

SPACE = {
    RATE: Draw(loguniform=[1e-4, 1e-1]),
    "net.noise": Draw(uniform=[0.0, 1.0]),
    "net.family": Draw(choice=["mlp", "compact"]),
}


def recorded(n: int) -> list[Trial]:
    """The score depends on the noise, and on nothing else."""
    draw = random.Random(0)
    points: list[dict[str, Any]] = [
        {RATE: 10 ** draw.uniform(-4, -1), "net.noise": draw.random(), "net.family": draw.choice(["mlp", "compact"])}
        for _ in range(n)
    ]
    return [trial(i, 0.2 + 0.5 * point["net.noise"], **point) for i, point in enumerate(points, 1)]


@pytest.mark.parametrize("search", ["optuna", "random"])
def test_a_search_that_goes_on_does_not_begin_its_proposals_anew(search: Any) -> None:
    tune = TuneConfig(space=SPACE, search=search)
    fresh = study_of(tune, [], "last")
    first = [fresh.ask(distributions(SPACE)).params for _ in range(3)]
    later = study_of(tune, recorded(3), "last")
    assert later.ask(distributions(SPACE)).params not in first
    assert study_of(tune, [], "last").ask(distributions(SPACE)).params == first[0], "the seed decides"


def test_proposals_learn_from_finished_and_from_stopped_trials() -> None:
    trials = [*recorded(30), trial(31, 0.9, state="stopped", **recorded(1)[0].point), trial(32, state="running")]
    study = study_of(TuneConfig(space=SPACE), trials, "last")
    assert len(study.trials) == 31, "what is running is not known yet"
    proposed = [study.ask(distributions(SPACE)).params["net.noise"] for _ in range(20)]
    assert sum(proposed) / len(proposed) < 0.35, "little noise is good, in this test"


def test_importance_names_the_key_that_decides() -> None:
    shares = importance(SPACE, recorded(20), "last")
    assert next(iter(shares)) == "net.noise"
    assert shares["net.noise"] > 0.7
    assert sum(shares.values()) == pytest.approx(1.0)


def test_importance_is_not_told_from_too_few_or_from_equal_trials() -> None:
    assert importance(SPACE, recorded(7), "last") == {}
    stopped = [trial(t.number, 0.5, state="stopped", **t.point) for t in recorded(20)]
    assert importance(SPACE, [*recorded(7), *stopped], "last") == {}, "stopped ones do not count"
    equal = [trial(t.number, 0.5, **t.point) for t in recorded(20)]
    assert importance(SPACE, equal, "last") == {}


def test_a_search_keeps_away_from_where_training_diverges() -> None:
    """Half of the range of the learning rate fails; the best one lies close to where it begins."""
    space = {RATE: Draw(loguniform=[1e-4, 1.0]), "net.noise": Draw(uniform=[0.0, 1.0])}
    failed = 0
    for seed in range(4):
        trials: list[Trial] = []
        for number in range(1, 31):
            study = study_of(TuneConfig(space=space, seed=seed), trials, "last")
            point = study.ask(distributions(space)).params
            diverges = point[RATE] > 1e-2
            error = abs(math.log10(point[RATE]) + 2.2) / 3 + 0.1 * point["net.noise"]
            trials.append(trial(number, error, state="failed" if diverges else "finished", **point))
        failed += sum(one.state == "failed" for one in trials[10:])
    assert failed / 80 < 0.4
