"""Everything that a run needs to go on as if it had never been stopped, as tensors and JSON, never pickled code.

A checkpoint is a folder:
    trainer.safetensors   every network, the average, every optimizer, the labeled images seen, the best averaged weights
    state.json            step, counts, best, elapsed seconds, and the identity of the run
    history.jsonl         the records logged so far
Random numbers and the loader need no state: they are functions of seed and step (decision 0002).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ssgan import scratch
from ssgan.core.method import SemiSupervisedMethod
from ssgan.errors import CheckpointError, UnusableError
from ssgan.provenance import disagreements
from ssgan.training.context import FolderStore
from ssgan.training.ema import Average
from ssgan.training.optimizers import Optimizers, laid_out_as

FORMAT = 1
Tensors = dict[str, Tensor]


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: steps done.
        seconds: training time so far, over all attempts.
        best_step, best_val_error: of the lowest error on val (first one on ties); None before the first validation.
        history: records of the log, see ``loop.py``.
    """

    step: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_val_error: float | None = None
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Trainer:
    """The live objects of a run whose state a checkpoint holds."""

    method: SemiSupervisedMethod
    optimizers: Optimizers
    average: Average
    seen: Tensor  # (num_labeled,) bool
    progress: Progress = field(default_factory=Progress)
    best: Tensors = field(default_factory=dict)  # evaluable weights at best_step, on the CPU


def evaluable(trainer: Trainer) -> Tensors:
    """The weights that are evaluated: averaged where there is an average, live else; contiguous copies on the CPU."""
    live = trainer.method.nets.state_dict()
    return {k: trainer.average.tensors.get(k, v).detach().cpu().contiguous().clone() for k, v in live.items()}


def write_tensors(tensors: Tensors, path: Path) -> None:
    """Write a file of tensors. Raises OSError, as other writers do, where the disk is full or broken."""
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def save(trainer: Trainer, identity: dict[str, Any], folder: Path) -> None:
    """Write a checkpoint into an existing empty folder."""
    progress = asdict(trainer.progress)
    history = progress.pop("history")
    state = {"format": FORMAT, **progress, "average_updates": trainer.average.updates, "identity": identity}
    write_tensors({k: v.contiguous() for k, v in _tensors(trainer).items()}, folder / "trainer.safetensors")
    (folder / "history.jsonl").write_text("".join(json.dumps(r) + "\n" for r in history))
    (folder / "state.json").write_text(json.dumps(state, indent=1, sort_keys=True))


def load(trainer: Trainer, identity: dict[str, Any], folder: Path) -> None:
    """Bring ``trainer`` to the state of a checkpoint.

    Raises:
        CheckpointError: the checkpoint belongs to another config or data set; says what differs.
    """
    state = json.loads((folder / "state.json").read_text())
    _check_identity(state, identity, folder)
    tensors = load_file(folder / "trainer.safetensors")
    for name, optimizer in trainer.optimizers.items():
        _load_optimizer(optimizer, _without_prefix(tensors, f"optimizer.{name}."))
    trainer.method.nets.load_state_dict(_without_prefix(tensors, "nets."))
    for name, value in _without_prefix(tensors, "average.").items():
        trainer.average.tensors[name].copy_(value)
    trainer.average.updates = state["average_updates"]
    trainer.seen |= tensors["seen"].to(trainer.seen.device).bool()
    trainer.best = _without_prefix(tensors, "best.")
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    keys = ("step", "seconds", "best_step", "best_val_error")
    trainer.progress = Progress(**{k: state[k] for k in keys}, history=history)


def _tensors(trainer: Trainer) -> Tensors:
    tensors = {f"nets.{k}": v for k, v in trainer.method.nets.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in trainer.average.tensors.items()}
    tensors |= {f"best.{k}": v for k, v in trainer.best.items()}
    tensors["seen"] = trainer.seen.to(torch.uint8)
    for name, optimizer in trainer.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{name}.{index}.{k}": v for k, v in state.items()}
    return tensors


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [p.detach() for group in optimizer.param_groups for p in group["params"]]
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        state.setdefault(int(index), {})[name] = laid_out_as(parameter, value) if value.ndim else value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _without_prefix(tensors: Tensors, prefix: str) -> Tensors:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _check_identity(state: dict[str, Any], identity: dict[str, Any], folder: Path) -> None:
    if state["format"] != FORMAT:
        raise CheckpointError(f"{folder} has checkpoint format {state['format']}, this code reads {FORMAT}; start a new run")
    different = disagreements(state["identity"], json.loads(json.dumps(identity)))
    if different:
        raise CheckpointError(
            f"the checkpoint of step {state['step']} belongs to another run: {'; '.join(different)}; "
            "start a new run, or bring back what it was made with"
        )


class Checkpoints:
    """The checkpoints of one run in storage; only rank 0 writes.

    A checkpoint is written to the local disk at once and goes to storage in the background, one at a time, while training goes
    on. What fails there is raised by the next call, so that nothing is lost in silence; ``finish`` waits for the last one.

    Args:
        store, prefix: where they lie, as ``PREFIX/step-00001000``.
        identity: what a checkpoint must agree with to be resumed from.
        keep: how many of the newest stay.
    """

    def __init__(self, store: FolderStore, prefix: str, identity: dict[str, Any], keep: int) -> None:
        self._store, self._prefix, self._identity, self._keep = store, prefix, identity, keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ssgan-checkpoint")
        self._upload: Future[None] | None = None

    def save(self, trainer: Trainer) -> None:
        """Begin to store a checkpoint; waits for the one before, and raises what went wrong with that."""
        self.finish()
        folder = scratch.make("checkpoint")
        try:
            save(trainer, self._identity, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._upload = self._thread.submit(self._store_and_prune, folder, f"{self._prefix}/step-{trainer.progress.step:08d}")

    def finish(self) -> None:
        """Wait until the last checkpoint is in storage. Raises StorageError if it could not be stored."""
        upload, self._upload = self._upload, None
        if upload:
            upload.result()

    def _store_and_prune(self, folder: Path, key: str) -> None:
        """Store a checkpoint, then remove those beyond the newest ``keep``; the older ones stay if storing fails."""
        try:
            self._store.put(folder, key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        for old in self._store.keys(self._prefix)[: -self._keep]:
            self._store.delete(old)

    def resume(self, trainer: Trainer) -> list[str]:
        """Load the newest checkpoint that is whole; nothing if there is none.

        Returns:
            Warnings: checkpoints that were passed over because they are damaged.

        Raises:
            StorageError: storage does not answer, or there is no room here to fetch a checkpoint.
        """
        passed_over: list[str] = []
        for key in reversed(self._store.keys(self._prefix)):
            with scratch.folder("resume") as parent:
                folder = Path(parent) / "checkpoint"
                try:
                    self._store.get(key, folder)
                except UnusableError as error:  # no other: a run must not begin again because storage is away for a while
                    passed_over.append(f"checkpoint {key} is passed over: {error}")
                    continue
                load(trainer, self._identity, folder)
                return passed_over
        return passed_over
