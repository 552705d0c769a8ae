"""How many trials fit, and what a scheduler knows of earlier attempts: nothing here starts Ray."""

from __future__ import annotations

from typing import Any

import pytest

from ssgan.cluster.connection import set_environment
from ssgan.errors import TrainingError
from ssgan.tuning.on_ray import capacity
from tests.support.data import config
from tests.support.trials import trial

TWO_CPUS = [{"CPU": 2.0}]
CLUSTER = [{"CPU": 2.0}, {"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}]


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "wanted", "at_once"),
    [
        (TWO_CPUS, 1, 0.0, 20, 2),
        (TWO_CPUS, 1, 0.0, 1, 1),
        (TWO_CPUS, 2, 0.0, 20, 1),
        (CLUSTER, 3, 0.0, 20, 5 + 2),  # a trial does not take its CPUs from two machines
        (CLUSTER, 1, 1.0, 20, 3),
        (CLUSTER, 1, 0.5, 20, 6),
        (CLUSTER, 1, 0.4, 20, 6),  # two shares of 0.4 per GPU: a share is not cut in two
        (CLUSTER, 4, 0.5, 20, 4 + 2),
        (CLUSTER, 1, 2.0, 20, 1),
    ],
)
def test_as_many_trials_run_at_once_as_fit(
    nodes: list[dict[str, float]], cpus: int, gpus: float, wanted: int, at_once: int
) -> None:
    found = capacity(nodes, cpus, gpus, wanted)
    assert found.at_once == at_once
    assert f"{at_once} will run at once" in found.text


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "sentence"),
    [
        (
            TWO_CPUS,
            3,
            0.0,
            r"each needs 3 CPUs on one machine, but the largest has 2 CPUs and 0 GPUs; lower tune",
        ),
        (TWO_CPUS, 1, 1.0, r"each needs 1 CPU and 1 GPU on one machine, but .* 0 GPUs"),
        (CLUSTER, 17, 0.0, r"the largest has 16 CPUs"),
        (CLUSTER, 1, 3.0, r"the largest has 16 CPUs and 2 GPUs"),
    ],
)
def test_a_trial_that_fits_nowhere_is_an_error_and_not_a_wait(
    nodes: list[dict[str, float]], cpus: int, gpus: float, sentence: str
) -> None:
    with pytest.raises(TrainingError, match=sentence):
        capacity(nodes, cpus, gpus, 20)


class Now:
    """A trial that runs now, as a scheduler sees it."""

    trial_id = "now"


def decision(scheduler: str, error: float, earlier: list[Any], step: int = 30) -> str:
    """What the scheduler says to a first look at ``step``."""
    set_environment()
    from ssgan.tuning.schedulers import scheduler as make

    draws = {"net.noise": {"uniform": [0.1, 1.0]}}
    made = make(config(tune={"space": draws, "scheduler": scheduler, "grace_steps": 20}, train={"steps": 100}), earlier)
    now = Now()
    made.on_trial_add(None, now)
    return str(made.on_trial_result(None, now, {"step": step, "val_error_rate": error}))


EARLIER = [trial(i, 0.5, 0.3, 0.2, 0.1 + i / 100) for i in range(1, 6)]


@pytest.mark.parametrize("scheduler", ["asha", "median"])
def test_a_search_that_goes_on_stops_trials_by_what_it_saw_before(scheduler: str) -> None:
    assert decision(scheduler, 0.9, EARLIER) == "STOP"
    assert decision(scheduler, 0.05, EARLIER) == "CONTINUE"
    assert decision(scheduler, 0.9, []) == "CONTINUE", "nothing to compare with"
    failed = [trial(i, 0.1, 0.1, 0.1, state="failed") for i in range(1, 6)]
    assert decision(scheduler, 0.9, failed) == "CONTINUE"


@pytest.mark.parametrize("scheduler", ["asha", "median"])
def test_nothing_is_stopped_before_grace_is_over(scheduler: str) -> None:
    assert decision(scheduler, 0.9, EARLIER, step=19) == "CONTINUE"


def test_no_scheduler() -> None:
    set_environment()
    from ssgan.tuning.schedulers import scheduler as make

    assert make(config(tune={"space": {"net.noise": {"uniform": [0.1, 1.0]}}, "scheduler": "none"}), []) is None
