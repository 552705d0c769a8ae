"""The one place that knows all parts: one training of one role (the method itself, or its supervised baseline).

It runs unchanged in a plain process, under ``torchrun`` or in a Ray worker; what differs comes in through ``RunContext``.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ssgan import methods, scratch
from ssgan.core.distributed import broadcast_, rank, solo, summed
from ssgan.core.seeds import fold
from ssgan.data.loaders import Batches
from ssgan.errors import NonFiniteError
from ssgan.machine import keep_freed_memory
from ssgan.players.fitted import FittedMethod
from ssgan.training.checkpoint import Checkpoints, Trainer
from ssgan.training.context import ProgressEvent, Role, Run, RunContext, checkpoints_prefix, start_key
from ssgan.training.derived import add_space, average_of, plan_of, problem_of, request_of, space_of, val_set_of
from ssgan.training.history import Board, Record
from ssgan.training.loop import fit, fit_at_once
from ssgan.training.optimizers import make_optimizers
from ssgan.training.precision import in_bf16
from ssgan.training.result import store_result, summary_of
from ssgan.training.roles import role_method
from ssgan.training.shares import require_even_shares, world_of
from ssgan.training.warm_start import read_earlier_model, warm_start


def train(run: Run, role: Role, context: RunContext) -> None:
    """Train one role to its end and store the result under ``final_key``; resumes from the newest checkpoint.

    Every process of the run calls this with the same arguments.
    """
    keep_freed_memory()
    try:
        _train(run, role, context, ())
    except NonFiniteError as error:
        summed(torch.zeros((), device=context.device))  # no rank looks for a checkpoint before rank 0 has stored the last one
        # Once: a training that diverges does so again in the same step, for every random number is a function of the step.
        _train(run, role, context, (f"{error}; going back to the last checkpoint, once",))


def _train(run: Run, role: Role, context: RunContext, warnings: tuple[str, ...]) -> None:
    config = run.config
    trainer, batches = prepared(run, role, context)
    identity = {**run.identity, "role": role, "world_size": world_of(config)}
    checkpoints = Checkpoints(context.store, checkpoints_prefix(run.id, role), identity, config.train.keep_checkpoints)
    bf16, notes = in_bf16(config.train.precision, context.device)
    warnings += (*notes, *checkpoints.resume(trainer))
    if run.files.features and trainer.progress.step:
        batches.enter(space_of(trainer.method))  # that of the checkpoint: another machine may have rounded otherwise
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
    val = val_set_of(run.files, trainer.method, context.device)
    try:
        if isinstance(trainer.method, FittedMethod):
            fit_at_once(trainer, batches, plan, val, on_record)
        else:
            written = checkpoints if is_main_process else None
            fit(trainer, batches, plan, val, written, on_progress, on_record, context.heartbeat)
    finally:
        checkpoints.finish()
    if board:
        board.close()
    if is_main_process:
        store_result(run, role, context, trainer, summary_of(trainer, batches, context.device, bf16))


def prepared(run: Run, role: Role, context: RunContext) -> tuple[Trainer, Batches]:
    """A run before its first step, and its batches. Raises ConfigError where its workers cannot share the batches."""
    name, method_config = role_method(run.config, role)
    require_even_shares(run.config.train, method_config)
    batches = Batches(run.files, request_of(run.config, name, method_config), run.config.loader, context.device)
    return _trainer(run, role, context, batches), batches


def _trainer(run: Run, role: Role, context: RunContext, batches: Batches) -> Trainer:
    """A trainer at step 0, its networks initialized from data or from an earlier run, and equal on all ranks."""
    train, classes = run.config.train, run.files.classes()
    name, method_config = role_method(run.config, role)
    torch.manual_seed(fold(train.seed, "weights"))
    problem = problem_of(run.config, run.files)
    method = methods.build(name, method_config, problem)
    method.nets.to(context.device)
    if run.files.features:
        batches.enter(add_space(method, run).to(context.device))
    torch.manual_seed(fold(train.seed, "init"))
    method.nets.train()
    with solo():
        method.init(batch := batches.init_batch())
        if role in (start := run.identity.get("start") or {}):
            with scratch.folder("start") as folder:
                context.store.get(start_key(start), Path(folder, "start"))
                earlier = read_earlier_model(Path(folder, "start", role), name, problem, classes, run.files.features)
            warm_start(method.nets, earlier, classes, batch.x_u if len(batch.x_u) else batch.x_l)
            if run.files.features:
                batches.enter(space_of(method))  # that of the earlier run, in which its weights mean something
    broadcast_(list(method.nets.state_dict().values()))
    return Trainer(method, make_optimizers(method), average_of(method, train.steps), batches.seen)
