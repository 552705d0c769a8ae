"""The one place that knows all parts: one training of one role (the method itself, or its supervised twin).

It runs unchanged in a plain process, under ``torchrun`` or in a Ray worker; what differs comes in through ``Edge``.
"""

from __future__ import annotations

import json
import math
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from ssgan import method as methods
from ssgan.config import Config, MethodConfig, Problem, TrainConfig
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches, Request
from ssgan.data.schema import pixels_to_numpy
from ssgan.distributed import broadcast_, fold, rank, solo, summed, world_size
from ssgan.errors import ConfigError, NonFiniteError
from ssgan.hashing import ids_sha256
from ssgan.method import SemiSupervisedMethod
from ssgan.training.checkpoint import Checkpoints, Tensors, Trainer, evaluable, write_tensors
from ssgan.training.ema import Average
from ssgan.training.history import Board, Record, write_jsonl
from ssgan.training.loop import Plan, ValSet, fit
from ssgan.training.precision import in_bf16
from ssgan.training.step import make_optimizers
from ssgan.training.store import FolderStore
from ssgan.training.tick import Tick
from ssgan.training.warm import read_start, warm_start

Role = Literal["main", "twin"]
TWIN = "supervised"


@dataclass(frozen=True)
class Edge:
    """What the surroundings give to a run.

    Attributes:
        store: where checkpoints and results go.
        run: key of the run in the store.
        identity: what a checkpoint must agree with to be resumed from (config, data, code).
        device: of the networks and of data in memory.
        on_tick: progress, called on rank 0 only.
        beat: called on every rank, every step: a sign of life for a watchdog.
        board: folder for live TensorBoard events, or None.
        on_record: every look at val, on rank 0 only; on resuming those of earlier attempts come first. Or None.
    """

    store: FolderStore
    run: str
    identity: dict[str, Any]
    device: torch.device
    on_tick: Callable[[Role, Tick], None]
    board: Path | None = None
    beat: Callable[[], None] = lambda: None
    on_record: Callable[[Role, Record], None] | None = None


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


def final_key(run: str, role: Role) -> str:
    """Key in the store of a finished role."""
    return f"{run}/{role}/final"


def start_key(start: dict[Role, str] | dict[str, str]) -> str:
    """Key in the store of the models that a run starts from, by the sha256 of the weights of each role."""
    return f"starts/{ids_sha256(f'{role} {digest}' for role, digest in start.items())[:16]}"


def checkpoints_prefix(run: str, role: Role) -> str:
    """Prefix in the store of checkpoints in flight; apart from results, for lifecycle rules of a bucket know prefixes only."""
    return f"checkpoints/{run}/{role}"


def train(config: Config, files: SplitFiles, role: Role, edge: Edge) -> None:
    """Train one role to its end and store the result under ``final_key``; resumes from the newest checkpoint.

    Every process of the run calls this with the same arguments.
    """
    try:
        _train(config, files, role, edge, ())
    except NonFiniteError as error:
        summed(torch.zeros(()))  # no rank looks for a checkpoint before rank 0 has stored the last one
        # Once: a fault of the machine passes, and a training that diverges does so again in the same step, because every
        # random number is a function of the step.
        _train(config, files, role, edge, (f"{error}; going back to the last checkpoint, once",))


def _train(config: Config, files: SplitFiles, role: Role, edge: Edge, warnings: tuple[str, ...]) -> None:
    name, method_config = role_method(config, role)
    require_even_shares(config.train, method_config)
    trainer, batches = prepared(config, files, role, edge)
    identity = {**edge.identity, "role": role, "world_size": _world(config)}
    checkpoints = Checkpoints(edge.store, checkpoints_prefix(edge.run, role), identity, config.train.keep_checkpoints)
    bf16, said = in_bf16(config.train.precision, edge.device)
    warnings += (*said, *checkpoints.resume(trainer))
    chief = rank() == 0
    board = Board(edge.board / role, trainer.progress.history) if chief and edge.board else None

    def on_tick(tick: Tick) -> None:
        if chief:
            edge.on_tick(role, tick)

    def on_record(record: Record) -> None:
        if board:
            board.add(record)
        if chief and edge.on_record:
            edge.on_record(role, record)

    if chief and edge.on_record:
        for record in trainer.progress.history:
            edge.on_record(role, record)
    if warnings:
        on_tick(Tick(trainer.progress.step, config.train.steps, 0.0, 0.0, None, warnings))
    plan = plan_of(config, method_config, bf16)
    try:
        fit(trainer, batches, plan, _val_set(files, edge.device), checkpoints if chief else None, on_tick, on_record, edge.beat)
    finally:
        checkpoints.finish()
    if board:
        board.close()
    if chief:
        _store_result(config, files, name, method_config, trainer, batches, edge, role, bf16)


def prepared(config: Config, files: SplitFiles, role: Role, edge: Edge) -> tuple[Trainer, Batches]:
    """A run before its first step, and its batches."""
    name, method_config = role_method(config, role)
    batches = Batches(files, _request(config, name, method_config), config.loader, edge.device)
    return _trainer(config, files, name, method_config, batches, edge, role), batches


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


def _request(config: Config, name: str, method_config: MethodConfig) -> Request:
    method = methods.module(name).Method
    return Request(
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


def _trainer(
    config: Config, files: SplitFiles, name: str, method_config: MethodConfig, batches: Batches, edge: Edge, role: Role
) -> Trainer:
    """A trainer at step 0, its networks initialised from data or from an earlier run, and equal on all ranks."""
    torch.manual_seed(fold(config.train.seed, "weights"))
    problem = problem_of(config, files)
    method = methods.build(name, method_config, problem)
    method.nets.to(edge.device)
    torch.manual_seed(fold(config.train.seed, "init"))
    method.nets.train()
    with solo():
        method.init(batch := batches.init_batch())
        if start := edge.identity.get("start"):
            with tempfile.TemporaryDirectory(prefix="ssgan-start-") as folder:
                edge.store.get(start_key(start), Path(folder, "start"))
                earlier = read_start(Path(folder, "start", role), name, problem, files.classes())
            warm_start(method.nets, earlier, files.classes(), batch.x_u if len(batch.x_u) else batch.x_l)
    broadcast_(list(method.nets.state_dict().values()))
    return Trainer(method, make_optimizers(method), average_of(method, config.train.steps), batches.seen)


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


def _store_result(
    config: Config,
    files: SplitFiles,
    name: str,
    method_config: MethodConfig,
    trainer: Trainer,
    batches: Batches,
    edge: Edge,
    role: Role,
    bf16: bool,
) -> None:
    progress = trainer.progress
    description = {
        "format": 1,
        "method": name,
        "method_config": method_config.model_dump(),
        "net": config.net.model_dump(),
        "image": files.image_spec()._asdict(),
        "classes": files.classes(),
    }
    last, best_step = evaluable(trainer), progress.best_step or progress.step
    with tempfile.TemporaryDirectory(prefix="ssgan-final-") as temporary:
        folder = Path(temporary)
        _write_model(folder / "last", last, {**description, "steps": progress.step})
        _write_model(folder / "best", trainer.best or last, {**description, "steps": best_step})
        write_jsonl(progress.history, folder / "history.jsonl")
        if edge.board:
            shutil.copytree(edge.board / role, folder / "tensorboard")
        summary = _summary(trainer, batches, edge.device, bf16)
        (folder / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True))
        edge.store.put(folder, final_key(edge.run, role))


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
