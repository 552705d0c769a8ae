"""Many runs of one row at once, as one stack: for a GPU, which a single small network leaves idle."""

from __future__ import annotations

import platform
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.mnist.run import Cell, Line, device, draw, line, test_set
from benchmarks.mnist.stacked import Stacked, stack_batches, stacked_optimizers
from ssgan.data.files import SplitFiles
from ssgan.storage.store import open_store
from ssgan.training import derived, experiment
from ssgan.training.checkpoint import Trainer
from ssgan.training.context import Run, RunContext
from ssgan.training.loop import one_step
from ssgan.training.precision import in_bf16

TEST_BATCH = 500  # images of a forward pass on test


def execute_stack(runs: list[Cell], data: Path) -> list[Line]:
    """Train runs that differ in labels only, and judge each. Nothing is resumed.

    ``seconds`` of each line are those of the whole stack, divided by the number of its runs.
    """
    first = runs[0]
    torch.set_num_threads(first.threads)
    with tempfile.TemporaryDirectory(prefix="mnist-stack-") as folder:
        files = [draw(run, data, Path(folder) / str(i)) for i, run in enumerate(runs)]
        start = time.perf_counter()
        trainer = _train(first, files, Path(folder))
        summary = {
            "seconds": round((time.perf_counter() - start) / len(runs), 1),
            "device": torch.cuda.get_device_name() if device().type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "versions": {"python": platform.python_version(), "torch": torch.__version__},
        }
        wrong = _wrong(trainer, files[0])
        return [line(run, f, w, summary) | {"stack": len(runs)} for run, f, w in zip(runs, files, wrong, strict=True)]


def _train(run: Cell, files: list[SplitFiles], folder: Path) -> Trainer:
    context = RunContext(open_store(str(folder / "store")), device(), lambda role, event: None)
    starts = [experiment.prepared(Run(run.key, {}, run.config, f), "main", context) for f in files]
    stacked = Stacked([trainer.method for trainer, _ in starts])
    trainer = Trainer(stacked, stacked_optimizers(stacked), derived.average_of(stacked, run.steps), torch.zeros(0))
    bf16, _ = in_bf16(run.config.train.precision, device())
    plan = derived.plan_of(run.config, stacked.config, bf16)
    stacked.nets.train()
    for batches in zip(*(b.iterate(0, run.steps) for _, b in starts), strict=True):
        one_step(trainer, plan, stack_batches(batches))
    return trainer


@torch.no_grad()
def _wrong(trainer: Trainer, files: SplitFiles) -> list[int]:
    """Wrong answers on test of every run's averaged model; the test set is the same for all."""
    images, labels = (torch.from_numpy(array.copy()).to(device()) for array in test_set(files))
    trainer.method.nets.eval()
    with trainer.average.applied():
        parts = zip(torch.split(images, TEST_BATCH), torch.split(labels, TEST_BATCH), strict=True)
        return torch.stack([(trainer.method.predict(x / 255).argmax(2) != y).sum(1) for x, y in parts]).sum(0).tolist()
