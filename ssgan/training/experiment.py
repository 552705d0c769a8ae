"""The one place that knows all parts: one training of one role (the method itself, or its supervised twin).

It runs unchanged in a plain process, under ``torchrun`` or in a Ray worker; what differs comes in through ``RunContext``.
"""

from __future__ import annotations

import json
import math
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssgan.config import Config, MethodConfig, Problem, TrainConfig
from ssgan.core import method as methods
from ssgan.core.distributed import broadcast_, fold, rank, solo, summed, world_size
from ssgan.core.method import SemiSupervisedMethod
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches, BatchRequest
from ssgan.data.schema import pixels_to_numpy
from ssgan.errors import ConfigError, NonFiniteError
from ssgan.training.checkpoint import Checkpoints, Tensors, Trainer, evaluable, write_tensors
from ssgan.training.context import TWIN, ProgressEvent, Role, Run, RunContext, checkpoints_prefix, final_key, start_key
from ssgan.training.ema import Average
from ssgan.training.history import Board, Record, write_jsonl
from ssgan.training.loop import Plan, ValSet, fit
from ssgan.training.optimizers import make_optimizers
from ssgan.training.precision import in_bf16
from ssgan.training.warm_start import read_start, warm_start


def roles(config: Config) -> tuple[Role, ...]:
    """What is trained in one launch. A supervised run is its own twin."""
    return ("main", "twin") if config.train.twin and config.method.name != TWIN else ("main",)


def role_method(config: Config, role: Role) -> tuple[str, MethodConfig]:
    """Name and hyperparameters of the method that plays a role.

    The twin shares with the main run all that is not about unlabeled images: the network, the batch of labeled images, the
    augmentation, the averaging and the tail of the learning rate.
    """
    main = methods.resolve_config(config.method.name, config.method.options)
    if role == "main":
        return config.method.name, main
    shared = {k: getattr(main, k) for k in MethodConfig.model_fields}
    return TWIN, methods.resolve_config(TWIN, shared)


def train(run: Run, role: Role, context: RunContext) -> None:
    """Train one role to its end and store the result under ``final_key``; resumes from the newest checkpoint.

    Every process of the run calls this with the same arguments.
    """
    try:
        _train(run, role, context, ())
    except NonFiniteError as error:
        summed(torch.zeros(()))  # no rank looks for a checkpoint before rank 0 has stored the last one
        # Once: a fault of the machine passes, and a training that diverges does so again in the same step, because every
        # random number is a function of the step.
        _train(run, role, context, (f"{error}; going back to the last checkpoint, once",))


def _train(run: Run, role: Role, context: RunContext, warnings: tuple[str, ...]) -> None:
    config = run.config
    trainer, batches = prepared(run, role, context)
    identity = {**run.identity, "role": role, "world_size": _world(config)}
    checkpoints = Checkpoints(context.store, checkpoints_prefix(run.id, role), identity, config.train.keep_checkpoints)
    bf16, notes = in_bf16(config.train.precision, context.device)
    warnings += (*notes, *checkpoints.resume(trainer))
    is_main_process = rank() == 0
    board = Board(context.board / role, trainer.progress.history) if is_main_process and context.board else None

    def on_progress(event: ProgressEvent) -> None:
        if is_main_process:
            context.on_progress(role, event)

    def on_record(record: Record) -> None:
        if board:
            board.add(record)
        if is_main_process and context.on_record:
            context.on_record(role, record)

    if is_main_process and context.on_record:
        for record in trainer.progress.history:
            context.on_record(role, record)
    if warnings:
        on_progress(ProgressEvent(trainer.progress.step, config.train.steps, 0.0, 0.0, None, warnings))
    plan = plan_of(config, trainer.method.config, bf16)
    written = checkpoints if is_main_process else None
    try:
        fit(trainer, batches, plan, _val_set(run.files, context.device), written, on_progress, on_record, context.heartbeat)
    finally:
        checkpoints.finish()
    if board:
        board.close()
    if is_main_process:
        _store_result(run, role, context, trainer, _summary(trainer, batches, context.device, bf16))


def prepared(run: Run, role: Role, context: RunContext) -> tuple[Trainer, Batches]:
    """A run before its first step, and its batches. Raises ConfigError where its workers cannot share the batches."""
    name, method_config = role_method(run.config, role)
    require_even_shares(run.config.train, method_config)
    batches = Batches(run.files, _request(run.config, name, method_config), run.config.loader, context.device)
    return _trainer(run, role, context, batches), batches


def require_even_shares(train: TrainConfig, method_config: MethodConfig) -> None:
    """Every number of workers that the run may come to has to share its batches evenly. Raises ConfigError at the start."""
    worlds = sorted({*train.worker_range, world_size()})
    for key in ("batch_size", "labeled_batch_size"):
        size = getattr(method_config, key)
        if uneven := [n for n in worlds if size % n]:
            raise ConfigError(
                f"method.options.{key} is {size}, which {' or '.join(map(str, uneven))} workers cannot share evenly; "
                f"make it a multiple of {math.lcm(*worlds)}, or change train.num_workers or train.min_workers"
            )


def _world(config: Config) -> int | list[int]:
    """What checkpoints say of the number of workers: where it may change within a run, all that it may be."""
    return world_size() if config.train.min_workers is None else list(config.train.worker_range)


def _request(config: Config, name: str, method_config: MethodConfig) -> BatchRequest:
    method = methods.module(name).Method
    return BatchRequest(
        labeled=method_config.labeled_batch_size,
        unlabeled=method_config.batch_size,
        streams=method.unlabeled_streams,
        second_view=method.second_view,
        seed=config.train.seed,
        augment=config.augment if method_config.augment else None,
    )


def plan_of(config: Config, method_config: MethodConfig, bf16: bool) -> Plan:
    """How long the run is, and when it looks up."""
    t = config.train
    return Plan(t.steps, t.seed, t.val_every, t.checkpoint_every, method_config.lr_tail, bf16)


def problem_of(config: Config, files: SplitFiles) -> Problem:
    """What is to be learned: image shape and classes of the data set, networks of the config."""
    return Problem(files.image_spec(), len(files.classes()), config.net)


def _trainer(run: Run, role: Role, context: RunContext, batches: Batches) -> Trainer:
    """A trainer at step 0, its networks initialized from data or from an earlier run, and equal on all ranks."""
    train, classes = run.config.train, run.files.classes()
    name, method_config = role_method(run.config, role)
    torch.manual_seed(fold(train.seed, "weights"))
    problem = problem_of(run.config, run.files)
    method = methods.build(name, method_config, problem)
    method.nets.to(context.device)
    torch.manual_seed(fold(train.seed, "init"))
    method.nets.train()
    with solo():
        method.init(batch := batches.init_batch())
        if start := run.identity.get("start"):
            with tempfile.TemporaryDirectory(prefix="ssgan-start-") as folder:
                context.store.get(start_key(start), Path(folder, "start"))
                earlier = read_start(Path(folder, "start", role), name, problem, classes)
            warm_start(method.nets, earlier, classes, batch.x_u if len(batch.x_u) else batch.x_l)
    broadcast_(list(method.nets.state_dict().values()))
    return Trainer(method, make_optimizers(method), average_of(method, train.steps), batches.seen)


def average_of(method: SemiSupervisedMethod, steps: int) -> Average:
    """The average of weights of a run of so many steps, before the first one."""
    c = method.config
    images = min(c.ema_halflife_images, c.ema_max_share * steps * c.batch_size)
    return Average({k: method.nets[k] for k in method.averaged}, max(1.0, images / c.batch_size))


def _val_set(files: SplitFiles, device: torch.device) -> ValSet:
    table = files.read("val", ["label", "pixels"])
    pixels = torch.from_numpy(pixels_to_numpy(table["pixels"], files.image_spec()).copy())
    labels = torch.from_numpy(table["label"].to_numpy().astype(np.int64))
    return ValSet(pixels.to(device), labels.to(device))


# --- results ---------------------------------------------------------------------------------------------------------


def _store_result(run: Run, role: Role, context: RunContext, trainer: Trainer, summary: dict[str, Any]) -> None:
    progress = trainer.progress
    name, method_config = role_method(run.config, role)
    description = {
        "format": 1,
        "method": name,
        "method_config": method_config.model_dump(),
        "net": run.config.net.model_dump(),
        "image": run.files.image_spec()._asdict(),
        "classes": run.files.classes(),
    }
    last, best_step = evaluable(trainer), progress.best_step or progress.step
    with tempfile.TemporaryDirectory(prefix="ssgan-final-") as temporary:
        folder = Path(temporary)
        _write_model(folder / "last", last, {**description, "steps": progress.step})
        _write_model(folder / "best", trainer.best or last, {**description, "steps": best_step})
        write_jsonl(progress.history, folder / "history.jsonl")
        if context.board:
            shutil.copytree(context.board / role, folder / "tensorboard")
        (folder / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True))
        context.store.put(folder, final_key(run.id, role))


def _write_model(folder: Path, weights: Tensors, description: dict[str, Any]) -> None:
    folder.mkdir()
    write_tensors(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(description, indent=1, sort_keys=True))


def _summary(trainer: Trainer, batches: Batches, device: torch.device, bf16: bool) -> dict[str, Any]:
    return {
        "steps": trainer.progress.step,
        "seconds": round(trainer.progress.seconds, 1),
        "best_step": trainer.progress.best_step,
        "world_size": world_size(),
        "num_labeled": batches.num_labeled,
        "num_unlabeled": batches.num_unlabeled,
        "distinct_labeled_ids_seen": int(trainer.seen.sum()),
        "streaming": batches.streaming,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "precision": "bf16" if bf16 else "float32",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
