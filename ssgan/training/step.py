"""One step over the phases of a method: the whole engine. It knows no method.

For each phase: freeze everything that it does not train, compute its terms, differentiate the total, average the gradients
over ranks, clip them if the method asks for it, update. Gradients are averaged explicitly, in one all-reduce per phase
(decision 0001): a network may be run several times before one backward pass, in part, or not at all, which
DistributedDataParallel does not allow. A step asks the device nothing and copies nothing to it (decision 0024).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from ssgan.core.batch import Batch
from ssgan.core.distributed import average_
from ssgan.core.method import Phase, SemiSupervisedMethod
from ssgan.training.finite import Watch
from ssgan.training.optimizers import EagerAdam, Optimizers, clip_gradients_, laid_out_as, trainable


@contextmanager
def only(method: SemiSupervisedMethod, phase: Phase) -> Iterator[None]:
    """Inside, only the networks of the phase require gradients."""
    frozen = [p for name, net in method.nets.items() if name not in phase.trains for p in net.parameters() if p.requires_grad]
    for p in frozen:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in frozen:
            p.requires_grad_(True)


def run_step(
    method: SemiSupervisedMethod,
    optimizers: Optimizers,
    batch: Batch,
    lr_factor: float | Tensor = 1.0,
    *,
    bf16: bool = False,
    watch: Watch | None = None,
) -> dict[str, Tensor]:
    """Run all phases that are due at ``batch.step``.

    A phase whose total or gradient is not finite updates no parameter, and neither do those after it.

    Args:
        watch: where phases note whether their numbers are finite, for a look later on. None: it is looked at in this step.

    Returns:
        Every term as ``PHASE/TERM`` (0-dimensional, detached, of this rank).

    Raises:
        NonFiniteError: without ``watch``: a term or a gradient is not finite; names step, phase and term.
    """
    noted = watch or Watch()
    logged: dict[str, Tensor] = {}
    for phase in method.phases():
        if not phase.due(batch.step):
            continue
        terms = _run_phase(method, phase, optimizers[phase.name], batch, lr_factor, bf16, noted)
        logged |= {f"{phase.name}/{name}": value for name, value in terms.items()}
    method.after_step(batch)
    if watch is None:
        noted.look()
    return logged


def _run_phase(
    method: SemiSupervisedMethod,
    phase: Phase,
    optimizer: EagerAdam,
    batch: Batch,
    lr_factor: float | Tensor,
    bf16: bool,
    watch: Watch,
) -> dict[str, Tensor]:
    parameters = trainable(method, phase)
    device = batch.x_l.device.type
    with only(method, phase):
        with torch.autocast(device, torch.bfloat16) if bf16 else nullcontext():
            terms = phase.loss(batch)
        gradients = torch.autograd.grad(terms["total"], parameters, allow_unused=True)
    used = [(p, g) for p, g in zip(parameters, gradients, strict=True) if g is not None]
    average_([g for _, g in used])
    detached = {name: value.detach() for name, value in terms.items()}
    optimizer.found_inf = watch.note(batch.step, phase.name, detached, [g for _, g in used])
    if method.gradient_clip:
        clip_gradients_([p for p, _ in used], [g for _, g in used], optimizer, method.gradient_clip)
    for p, g in used:
        p.grad = laid_out_as(p, g)
    for group in optimizer.param_groups:
        group["lr"] = phase.optimizer.lr * lr_factor
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return detached
