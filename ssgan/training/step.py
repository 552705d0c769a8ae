"""One step over the phases of a method: the whole engine. It knows no method.

For each phase: freeze everything that it does not train, compute its terms, differentiate the total, average the gradients
over ranks, clip them if the method asks for it, update. Gradients are averaged explicitly, in one all-reduce per phase
(decision 0001): a network may be run several times before one backward pass, in part, or not at all, which
DistributedDataParallel does not allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from ssgan.core.batch import Batch
from ssgan.core.distributed import average_
from ssgan.core.method import Phase, SemiSupervisedMethod
from ssgan.errors import NonFiniteError
from ssgan.training.optimizers import EagerAdam, Optimizers, clip_gradients_, trainable


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
    method: SemiSupervisedMethod, optimizers: Optimizers, batch: Batch, lr_factor: float = 1.0, *, bf16: bool = False
) -> dict[str, Tensor]:
    """Run all phases that are due at ``batch.step``.

    Returns:
        Every term as ``PHASE/TERM`` (0-dimensional, detached, of this rank).

    Raises:
        NonFiniteError: a term or a gradient is not finite; names step, phase and term. Parameters of that phase are not
            updated then.
    """
    logged: dict[str, Tensor] = {}
    for phase in method.phases():
        if not phase.due(batch.step):
            continue
        terms = _run_phase(method, phase, optimizers[phase.name], batch, lr_factor, bf16)
        logged |= {f"{phase.name}/{name}": value for name, value in terms.items()}
    method.after_step(batch)
    return logged


def _run_phase(
    method: SemiSupervisedMethod,
    phase: Phase,
    optimizer: EagerAdam,
    batch: Batch,
    lr_factor: float,
    bf16: bool,
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
    _check_finite(phase, batch.step, detached, [g for _, g in used])
    if method.gradient_clip:
        clip_gradients_([p for p, _ in used], [g for _, g in used], optimizer, method.gradient_clip)
    for p, g in used:
        p.grad = g
    for group in optimizer.param_groups:
        group["lr"] = phase.optimizer.lr * lr_factor
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return detached


def _check_finite(phase: Phase, step: int, terms: dict[str, Tensor], gradients: list[Tensor]) -> None:
    """Averaged gradients are non-finite on every rank if they are on one, so that all ranks stop together."""
    norms = torch.stack(torch._foreach_norm(gradients))
    if bool(torch.isfinite(torch.stack([norms.sum(), terms["total"].float()])).all()):
        return
    bad = [name for name, value in terms.items() if not bool(torch.isfinite(value).all())]
    what = f"the term {' and '.join(repr(b) for b in bad)}" if bad else "a gradient (of this worker or of another one)"
    raise NonFiniteError(
        f"step {step}: {what} of phase {phase.name!r} is not finite (NaN or infinite); lower method.options.learning_rate, "
        "or use train.precision float32 if it is bf16 or auto"
    )
