"""What can be searched: every mistake in tune.space is found before a trial runs, and named."""

from __future__ import annotations

from typing import Any

import pytest

from ssgan.config import Config, parse
from ssgan.config.tune import Draw
from ssgan.errors import ConfigError
from ssgan.tuning import space
from tests.support.data import ON_FEATURES, config
from tests.support.trials import RATE


def searching(draws: dict[str, Any], **changes: Any) -> Config:
    return config(tune={"space": draws}, **changes)


@pytest.mark.parametrize(
    ("draws", "sentence"),
    [
        ({}, r"`tune\.space` is empty.*name a parameter"),
        ({"net.widht": {"uniform": [0.1, 1.0]}}, r"`tune\.space\.net\.widht` at 0\.1: .*did you mean `width`"),
        ({"method.options.learning_rat": {"uniform": [0.1, 1.0]}}, r"learning_rat` .*did you mean `learning_rate`"),
        ({"method.name": {"choice": ["vat", "vatt"]}}, r"`tune\.space\.method\.name` at 'vatt': .*choose one of"),
        ({"train.steps": {"uniform": [10.0, 20.0]}}, r"`tune\.space\.train\.steps` at 10\.0: .*integer"),
        ({"net.noise": {"choice": [0.5, "much"]}}, r"`tune\.space\.net\.noise` at 'much': .*number"),
        ({"net.noise": {"uniform": [0.5, 1.5]}}, r"`tune\.space\.net\.noise` at 1\.5: .*less than or equal to 1"),
        ({RATE: {"uniform": [0.0, 0.1]}}, r"learning_rate` at 0\.0: .*greater than 0"),
        ({"method.options.batch_size": {"loguniform": [10, 100]}}, r"batch_size` at 10\.0: .*integer"),
        ({"train.seed": {"randint": [0, 9]}}, r"`tune\.space\.train\.seed` cannot be searched; remove it, .*net\.\*"),
        ({"split.num_labels": {"choice": [10, 20]}}, r"split\.num_labels` cannot be searched"),
    ],
)
def test_a_mistake_is_named_with_its_key_its_value_and_a_remedy(draws: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        space.validate(searching(draws))


@pytest.mark.parametrize(
    ("draw", "sentence"),
    [
        ({}, r"`tune\.space\.net\.noise`: 0 ways to draw it; give one of loguniform, uniform, randint, choice"),
        ({"uniform": [0.1, 0.2], "choice": [1.0, 2.0]}, "2 ways to draw it"),
        ({"uniform": [0.5, 0.1]}, r"uniform is \[0\.5, 0\.1\]; write the lower end first"),
        ({"loguniform": [0.0, 1.0]}, "has no logarithm"),
        ({"loguniform": ["3e-4", 1.0]}, "write the number without quotes: 3e-4"),
        ({"uniform": [0.1]}, "at least 2 items"),
        ({"lognormal": [0.0, 1.0]}, r"lognormal` is not a parameter; did you mean `loguniform`"),
    ],
)
def test_a_draw_that_means_nothing_is_an_error_of_the_parameter_file(draw: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse(Config, {"tune": {"space": {"net.noise": draw}}}, "params.yaml")


def test_an_option_must_suit_every_method_that_may_be_drawn() -> None:
    names = {"method.name": {"choice": ["teacher_gan", "supervised"]}}
    space.validate(searching({**names, RATE: {"loguniform": [1e-4, 1e-2]}}))
    with pytest.raises(ConfigError, match=r"'supervised', .*teacher_decay` is not a parameter"):
        space.validate(searching({**names, "method.options.teacher_decay": {"uniform": [0.9, 0.99]}}))


ON = {**ON_FEATURES, "method": {"name": "auto", "options": {}}}


@pytest.mark.parametrize("key", ["net.width", "train.steps", "method.options.batch_size", "augment.shift_px"])
def test_what_changes_nothing_where_all_is_fitted_at_once_is_refused(key: str) -> None:
    draws = {"method.name": {"choice": ["auto", "self_training"]}, key: {"choice": [1, 2]}}
    with pytest.raises(ConfigError, match=rf"`tune\.space\.{key}` changes nothing.*fitted at once; remove it, and search"):
        space.validate(searching(draws, **ON))
    space.validate(searching(draws | {"method.name": {"choice": ["auto", "feature_matching"]}}, **ON))


def test_what_a_fitted_method_has_can_be_searched() -> None:
    dimensions = {"features.dimensions": {"choice": [16, 64]}}
    space.validate(
        searching(dimensions | {"method.options.rounds": {"randint": [1, 9]}}, **ON | {"method": {"name": "self_training"}})
    )
    assert space.at(searching(dimensions, **ON), {"features.dimensions": 64}).features.dimensions == 64
    with pytest.raises(
        ConfigError, match=r"`tune\.space\.features\.dimensions` changes nothing, since features\.backbone is null"
    ):
        space.validate(searching(dimensions))


def test_values_that_only_fail_together_are_found() -> None:
    draws = {"method.options.density": {"choice": ["features", "pixels"]}, "method.options.density_start": {"randint": [0, 9]}}
    with pytest.raises(ConfigError, match="time to train the density"):
        space.validate(searching(draws, method={"name": "bad_gan", "options": {"density": "pixels", "density_start": 1}}))


def test_a_point_changes_its_keys_and_nothing_else() -> None:
    base = config()
    changed = space.at(base, {RATE: 0.01, "net.noise": 0.5, "train.steps": 7})
    assert changed.method.options == {**base.method.options, "learning_rate": 0.01}
    assert (changed.net.noise, changed.train.steps) == (0.5, 7)
    assert space.at(changed, {"net.noise": base.net.noise, "train.steps": base.train.steps}).train == base.train
    assert changed.split == base.split


def test_drawn_numbers_are_short_and_stay_within_their_range() -> None:
    draw = Draw(loguniform=[0.00012352, 0.1])
    assert space.rounded(draw, 0.0123456789) == 0.01235
    assert space.rounded(draw, 0.00012352) == 0.00012352
    assert space.rounded(Draw(choice=[0.123456789, 1.0]), 0.123456789) == 0.123456789
    assert space.rounded(Draw(randint=[1, 99999]), 12345) == 12345


@pytest.mark.parametrize(
    ("method", "steps", "grace"),
    [("feature_matching", 1000, 250), ("mean_teacher", 1000, 2000), ("mean_teacher", 20_000, 5000), ("triple_gan", 8000, 5000)],
)
def test_grace_is_a_quarter_of_the_run_or_until_the_method_is_whole(method: str, steps: int, grace: int) -> None:
    changes: dict[str, Any] = {"method": {"name": method, "options": {}}, "train": {"steps": steps}}
    assert space.grace_steps(searching({"net.noise": {"uniform": [0.1, 1.0]}}, **changes)) == grace


def test_grace_waits_for_the_slowest_trial_that_may_be_drawn() -> None:
    draws = {"method.options.ramp_steps": {"randint": [10, 700]}, "train.steps": {"choice": [100, 400]}}
    assert space.grace_steps(searching(draws, method={"name": "mean_teacher"})) == 700
    assert space.longest(searching(draws, method={"name": "mean_teacher"})) == 400
    own = config(tune={"space": draws, "grace_steps": 5}, method={"name": "mean_teacher"})
    assert space.grace_steps(own) == 5
