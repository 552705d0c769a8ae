"""A budget is divided without loss, and every beginning of the queue holds the mix of the whole."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.errors import ConfigError
from ssgan.selection.shares import LEAST_CONTROL, Shares, divide, divide_without_model, interleaved


def test_the_default_of_two_hundred() -> None:
    assert divide(200, 0.1, 0.1, 0.2, 1000) == Shares(124, 16, 20, 40)


def test_no_more_for_val_and_test_than_wait_for_a_label() -> None:
    assert divide(200, 0.1, 0.1, 0.2, 7) == Shares(154, 19, 20, 7)
    assert divide(200, 0.1, 0.1, 0.0, 1000) == Shares(160, 20, 20, 0)


def test_without_a_model_there_are_typical_images_and_those_for_val_and_test() -> None:
    assert divide_without_model(200, 0.2, 1000) == Shares(0, 0, 0, 40, 160)
    assert divide_without_model(200, 0.2, 7) == Shares(0, 0, 0, 7, 193)
    with pytest.raises(ConfigError, match="leaves nothing beside 1 image for val and test; raise --budget"):
        divide_without_model(1, 0.6, 1000)


@settings(deadline=None)
@given(st.integers(1, 3000), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 0.5), st.integers(0, 500))
def test_shares_add_up_and_the_control_group_says_something(
    budget: int, control: float, unknown: float, held_out: float, reserved: int
) -> None:
    try:
        shares = divide(budget, control, unknown, held_out, reserved)
    except ConfigError as error:
        assert "--budget" in str(error)  # noqa: PT017 - the remedy
        return
    assert shares.budget == budget
    assert shares.uncertain > 0
    assert min(shares) >= 0
    assert shares.held_out <= min(reserved, budget * held_out + 0.5)
    if control > 0:
        assert shares.control >= min(LEAST_CONTROL, (budget - shares.held_out) // 2)
    else:
        assert shares.control == 0


def test_nothing_left_to_choose_is_an_error() -> None:
    with pytest.raises(ConfigError, match="raise --budget, or lower --control, --unknown and --held-out"):
        divide(10, 0.5, 0.5, 0.0, 0)


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=3))
def test_every_beginning_holds_the_mix(sizes: list[int]) -> None:
    queue = interleaved(sizes)
    assert sorted(queue) == [(number, place) for number, size in enumerate(sizes) for place in range(size)]
    total = sum(sizes)
    for number, size in enumerate(sizes):
        seen = list(accumulate(one == number for one, _ in queue))
        assert all(abs(count - size * (i + 1) / total) <= len(sizes) for i, count in enumerate(seen))
        places = [place for one, place in queue if one == number]
        assert places == sorted(places)
