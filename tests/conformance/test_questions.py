"""A step asks the device nothing and copies nothing to it, for every file in ssgan/methods: a GPU never waits for the host."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ssgan.core.batch import Batch
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import AHEAD, Batches
from ssgan.training import experiment
from ssgan.training.checkpoint import Trainer
from ssgan.training.derived import plan_of
from ssgan.training.finite import Watch
from ssgan.training.loop import Meter, one_step
from tests.support.data import ON_FEATURES, OPTIONS, VARIANTS, config, context, on_features, run_of, short
from tests.support.methods import stepped
from tests.support.silent_device import SILENT, Operations, usable

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
STEPS = (3, 7)  # by ``short``, what begins late begins at 5, and something may have to be done just before
STEPPED = [*stepped(), *VARIANTS]
ON_PIXELS = [(name, kind) for name in [*STEPPED, *OPTIONS] for kind in ("pixels", "convolutions")]
CASES = [*ON_PIXELS, *((name, "features") for name in STEPPED)]


def prepared(name: str, kind: str, splits: SplitFiles, device: torch.device, tmp_path: Path) -> tuple[Trainer, Batches]:
    files = on_features(splits) if kind == "features" else splits
    method, options = OPTIONS.get(name, (name, {}))
    sections = {"features": ON_FEATURES, "convolutions": {"net": {"family": "compact", "width": 0.25}}}.get(kind, {})
    c = config(**sections, method=short(method, **options))
    return experiment.prepared(run_of(c, files), "main", replace(context(tmp_path), device=device))


def learn(trainer: Trainer, batch: Batch, watch: Watch, meter: Meter) -> None:
    """What the loop does in a step, with a batch."""
    plan = plan_of(config(), trainer.method.config, bf16=False)
    meter.add(one_step(trainer, plan, batch, watch), len(batch.x_l))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_step_copies_nothing_and_runs_where_no_number_can_be_had(
    name: str, kind: str, splits: SplitFiles, tmp_path: Path
) -> None:
    with usable():
        trainer, batches = prepared(name, kind, splits, SILENT, tmp_path)
        coming = batches.iterate(*STEPS)
        watch, meter = Watch(), Meter()
        learn(trainer, next(coming), watch, meter)  # with the first step the indices of many go to the device
        with Operations() as operations:
            for batch in coming:
                learn(trainer, batch, watch, meter)
    assert operations.of_the_host() == []
    assert len(operations.seen) > 100
    with pytest.raises(RuntimeError, match="meta tensor"):
        watch.look()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_step_asks_for_no_number(name: str, kind: str, splits: SplitFiles, tmp_path: Path) -> None:
    """On a CPU, which has checks of its own that ``meta`` does without."""
    trainer, batches = prepared(name, kind, splits, CPU, tmp_path)
    watch, meter = Watch(), Meter()
    with Operations() as operations:
        for batch in batches.iterate(*STEPS):
            learn(trainer, batch, watch, meter)
    assert operations.questions() == []
    with Operations() as operations:
        watch.look()
    assert operations.seen, "the look itself is seen"


def test_the_indices_of_many_steps_go_to_the_device_at_once(splits: SplitFiles, tmp_path: Path) -> None:
    with usable(), Operations() as operations:
        _, batches = prepared("feature_matching", "pixels", splits, SILENT, tmp_path)
        before = len(operations.copies())
        assert len(list(batches.iterate(0, 2 * AHEAD))) == 2 * AHEAD
    assert len(operations.copies()) - before == 2 * 2, "labeled and unlabeled, twice"
