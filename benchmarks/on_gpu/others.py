"""The sections besides conformance and speed: accuracy in bf16, features of the embedded backbone, memory, messages."""

from __future__ import annotations

import gzip
import importlib.util
import resource
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from benchmarks.on_gpu.parts import Case, Setting, learn, milliseconds
from ssgan import backbones
from ssgan.backbones import embedded
from ssgan.core import distributed
from ssgan.core.batch import Batch
from ssgan.core.seeds import fold
from ssgan.training.finite import Watch
from ssgan.training.graphs import Graphs

LABELED, TEST = 100, 797  # of the 1,797 digits; the others have no label


def digits() -> tuple[Tensor, Tensor]:
    """(1797, 1, 8, 8) in [0, 1] and (1797,), from the file of scikit-learn."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise FileNotFoundError("the digits come with scikit-learn, which is not installed")
    with gzip.open(Path(package.origin).parent / "datasets/data/digits.csv.gz", "rt") as file:
        table = torch.from_numpy(np.loadtxt(file, delimiter=",")).float()
    return table[:, :64].view(-1, 1, 8, 8) / 16, table[:, 64].long()


def test_error(case: Case, setting: Setting, draw: int, steps: int, bf16: bool) -> float:
    """In %, of the averaged classifier after a training on one draw of labels."""
    x, y = (part.to(setting.device) for part in digits())
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(draw)).to(setting.device)
    test, pool, labeled = order[:TEST], order[TEST:], order[TEST : TEST + LABELED]
    trainer, watch = case.built(setting.device), Watch()
    rows = torch.Generator().manual_seed(draw)
    for step in range(steps):
        picks = [some[torch.randint(len(some), (100,), generator=rows).to(setting.device)] for some in (labeled, pool, pool)]
        batch = Batch(x[picks[0]], y[picks[0]], x[picks[1]], x[picks[2]], step, fold(draw, "step", step))
        learn(trainer, batch, watch, bf16=bf16, lr_factor=min(1.0, 2 * (1 - step / steps)))
    watch.look()
    trainer.method.nets.eval()
    with torch.no_grad(), trainer.average.applied():
        wrong = trainer.method.predict(x[test]).argmax(1) != y[test]
    return 100 * float(wrong.float().mean())


def accuracy(setting: Setting) -> list[dict[str, Any]]:
    """Test error on digits with 100 labels, in float32 and bf16 of the same draws."""
    draws, steps = (1, 3) if setting.dry else (3, 1500)
    case = Case("feature_matching", "mlp", (1, 8, 8), 0.1 if setting.dry else 1.0)
    rows = []
    for bf16 in (False, True):
        errors = [test_error(case, setting, draw, steps, bf16) for draw in range(draws)]
        mean = statistics.mean(errors)
        rows.append({"precision": "bf16" if bf16 else "float32", "test_error": mean, "draws": errors, "steps": steps})
    return rows


@torch.no_grad()
def features(setting: Setting) -> list[dict[str, Any]]:
    """Features per second of the embedded backbone, of images that are on the device already."""
    backbone = embedded.record()
    network = backbones.load(backbone, embedded.weights()).to(setting.device).eval()
    rows = []
    for size in (2,) if setting.dry else (64, 256):
        side = round(backbone.size / backbone.crop_share)
        images = torch.randint(256, (size, 3, side, side), dtype=torch.uint8, device=setting.device)
        for bf16 in (False, True):
            with torch.autocast(setting.device.type, torch.bfloat16, enabled=bf16):
                ms = milliseconds(partial(network, images), setting, 1 if setting.dry else 5, 1 if setting.dry else 30)
            precision = "bf16" if bf16 else "float32"
            rows.append({"batch": size, "precision": precision, "ms": ms, "features_per_second": 1e3 * size / ms})
    return rows


def allocated(setting: Setting) -> float:
    """MB: of tensors on a GPU, or at most of this process on a CPU."""
    if setting.cuda:
        setting.wait()
        return torch.cuda.memory_allocated(setting.device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def memory(setting: Setting) -> list[dict[str, Any]]:
    """Whether steps leave memory behind, and how much they take at most; as they are and as CUDA graphs."""
    rows = []
    case = Case("feature_matching", "mlp", (1, 28, 28), 0.1 if setting.dry else 1.0)
    for name in ("eager", "graph") if setting.cuda else ("eager",):
        if setting.cuda:
            torch.cuda.reset_peak_memory_stats(setting.device)
        trainer, watch = case.built(setting.device), Watch()
        graphs = Graphs(trainer.method, trainer.optimizers) if name == "graph" else None
        batch, marks = case.batch(10, setting.device), []
        for _ in range(3):
            for _ in range(3 if setting.dry else 100):
                learn(trainer, batch, watch, graphs)
            watch.look()
            marks.append(allocated(setting))
        peak = torch.cuda.max_memory_allocated(setting.device) / 1e6 if setting.cuda else marks[-1]
        rows.append({"step": name, "mb_after_each_third": marks, "grows_mb": marks[-1] - marks[0], "peak_mb": peak})
    return rows


def messages(setting: Setting) -> list[dict[str, Any]]:
    """All collectives that training uses, and a step, in a group of one rank: ``nccl``, or ``gloo`` on a CPU."""
    backend = "nccl" if setting.cuda else "gloo"
    with tempfile.TemporaryDirectory() as folder:
        dist.init_process_group(backend, init_method=f"file://{folder}/group", rank=0, world_size=1)
        try:
            x, rows = torch.arange(5.0, device=setting.device), list[dict[str, Any]]()
            calls: dict[str, Callable[[], Tensor]] = {
                "all_reduce": lambda: distributed._SumOverRanks.apply(x),
                "all_gather": lambda: _gathered(x),
                "broadcast": lambda: _broadcast(x),
            }
            rows += [{"backend": backend, "collective": name, "right": torch.equal(call(), x)} for name, call in calls.items()]
            large = torch.zeros(2_500_000, device=setting.device)
            ms = milliseconds(lambda: dist.all_reduce(large), setting, 3, 20)
            rows.append({"backend": backend, "collective": "all_reduce of 10 MB", "ms": ms})
            case = Case("feature_matching", "mlp", (1, 8, 8), 0.1)
            learn(case.built(setting.device), case.batch(10, setting.device), watch := Watch())
            watch.look()
        finally:
            dist.destroy_process_group()
    return rows


def _gathered(x: Tensor) -> Tensor:
    parts = [torch.empty_like(x)]
    dist.all_gather(parts, x)
    return torch.cat(parts)


def _broadcast(x: Tensor) -> Tensor:
    copy = x.clone()
    dist.broadcast(copy, src=0)
    return copy
