"""How often ranks exchange something in a step, for every file in ssgan/methods: each time, the slowest one is waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from ssgan.data.files import SplitFiles
from ssgan.training import experiment
from ssgan.training.finite import Watch
from ssgan.training.step import run_step
from tests.support.data import VARIANTS, config, context, run_of, short
from tests.support.methods import stepped
from tests.support.ranks import run_ranks

pytestmark = pytest.mark.slow
LATE = 10  # a step at which every phase runs and every term is there, by ``short``
FUNCTIONS = ("all_reduce", "all_gather", "all_gather_into_tensor", "broadcast", "reduce_scatter", "barrier")

# Besides the gradients, which are one message per phase.
STATISTICS: dict[str, Counter[str]] = {
    "bad_gan": Counter(all_reduce=3, all_gather=2),  # features, pull-away, share above the threshold; two batches for it
    "categorical_gan": Counter(all_reduce=2),  # mean prediction on real and on fake images
    "feature_matching": Counter(all_reduce=1),  # mean features, real and fake
    "fixmatch": Counter(all_reduce=1),  # mean prediction
    "fixmatch+freematch": Counter(all_reduce=3),  # also mean confidence and aligned prediction, then the variance of confidence
    "fixmatch+softmatch": Counter(all_reduce=3),
    "teacher_gan": Counter(all_reduce=3),  # the teacher's mean prediction, features, pull-away
    "triple_gan": Counter(all_reduce=1),  # mean prediction
    "ugan": Counter(all_reduce=3),  # mean prediction, features, pull-away
    "vat": Counter(all_reduce=1),  # mean prediction
}


def counting(name: str, calls: Counter[str]) -> Callable[..., Any]:
    """A function of torch.distributed that counts its calls."""
    real = getattr(dist, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls[name] += 1
        return real(*args, **kwargs)

    return counted


def messages_of_a_step(name: str, root: str, net: dict[str, Any]) -> tuple[Counter[str], int]:
    """Run on every rank: calls of torch.distributed in one step, and how many phases it had."""
    run = run_of(config(method=short(name), net=net), SplitFiles(root))
    trainer, batches = experiment.prepared(run, "main", context(Path(root)))
    calls, batch = Counter[str](), next(batches.iterate(LATE, LATE + 1))
    with pytest.MonkeyPatch.context() as patch:
        for function in FUNCTIONS:
            patch.setattr(dist, function, counting(function, calls))
        run_step(trainer.method, trainer.optimizers, batch, watch=Watch())
    return calls, sum(phase.due(LATE) for phase in trainer.method.phases())


@pytest.mark.parametrize("name", [*stepped(), *VARIANTS])
def test_ranks_exchange_gradients_and_a_few_statistics(name: str, splits: SplitFiles, tmp_path: Path) -> None:
    for calls, phases in run_ranks(messages_of_a_step, 2, tmp_path, name, splits.root, {}):
        assert calls - Counter(all_reduce=phases) == STATISTICS.get(name, Counter())


def test_a_generator_that_convolves_is_shared(splits: SplitFiles, tmp_path: Path) -> None:
    """Its layers of batch normalization exchange their statistics, in a pass of each phase and in the pass back of one."""
    norms, passes = 2, 2  # of the generator; the second one is differentiated
    for calls, phases in run_ranks(messages_of_a_step, 2, tmp_path, "feature_matching", splits.root, {"family": "compact"}):
        assert calls == {"all_gather": norms * passes, "all_reduce": phases + 1 + norms}


def test_no_statistic_is_listed_of_a_method_that_is_gone() -> None:
    assert set(STATISTICS) <= {*stepped(), *VARIANTS}
