"""What a finished role leaves in the store: both models with their descriptions, the history and a summary."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path
from typing import Any

import torch

from ssgan import scratch
from ssgan.core.distributed import world_size
from ssgan.data.loaders import Batches
from ssgan.players.fitted import FittedMethod
from ssgan.training.checkpoint import Tensors, Trainer, evaluable, write_tensors
from ssgan.training.context import Role, Run, RunContext, final_key
from ssgan.training.history import write_jsonl
from ssgan.training.roles import role_method


def store_result(run: Run, role: Role, context: RunContext, trainer: Trainer, summary: dict[str, Any]) -> None:
    """Put it under ``final_key``; ``summary`` as of ``summary_of``. On rank 0 only."""
    progress = trainer.progress
    name, method_config = role_method(run.config, role)
    features = run.files.features
    description = {
        "format": 1,
        "method": name,
        "method_config": method_config.model_dump(),
        "net": run.config.net.model_dump(),
        "image": (features.backbone.image if features else run.files.image_spec())._asdict(),
        "classes": run.files.classes(),
    }
    if features:
        components = min(run.config.features.dimensions, features.backbone.dimension)
        description |= {"backbone": features.backbone.describe(), "components": components}
    last, best_step = evaluable(trainer), progress.best_step or progress.step
    with scratch.folder("final") as temporary:
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


def summary_of(trainer: Trainer, batches: Batches, device: torch.device, bf16: bool) -> dict[str, Any]:
    """How the run went, and with what: steps, seconds, label budget, device, precision, versions."""
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
        **({"fitted": trainer.method.chosen} if isinstance(trainer.method, FittedMethod) else {}),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
