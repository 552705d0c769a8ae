"""Many runs of one method at once: a method whose tensors have one more dimension, the run.

Small networks leave a device idle between their many small operations; runs that differ in their images and labels, but not in
configuration and seed, can share them: matrix products become batched products. Run i of the stack learns what it would have
learned alone, within rounding: same first weights, same noise, same latents, for those depend on the seed only.

What a method may do in a loss is what ``torch.vmap`` can follow: no branch on the value of a tensor, no call of autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.core.batch import Batch
from ssgan.core.method import Phase, SemiSupervisedMethod, Terms
from ssgan.errors import ConfigError
from ssgan.nets.weight_norm import WeightNormLinear
from ssgan.training.optimizers import MuonAdam, Optimizers, make_optimizers

FAMILIES = ("mlp",)  # vmap cannot follow the memory layout of the convolutional ones
UNSTACKABLE = {
    "fixmatch": "counts its predictions beside its loss",
    "teacher_gan": "counts the predictions of its teacher beside its loss",
    "vat": "differentiates within its loss",
}
TENSORS = ("x_l", "y_l", "x_u", "x_u2")  # of a batch


class Stacked(SemiSupervisedMethod):
    """Runs of one method, each initialized, as one method; its batches come from ``stack_batches``.

    Engine and average of weights work on it as on any method, for they are elementwise, and so do its optimizers, if they come
    from ``stacked_optimizers``. The total of a phase is the sum over runs, which gives each its gradient; its other terms are
    means over runs.

    Raises:
        ConfigError: the method, its networks or their clipping cannot be stacked.
    """

    def __init__(self, runs: Sequence[SemiSupervisedMethod]) -> None:
        first = runs[0]
        super().__init__(first.config, first.problem)
        self._method, self.nets = first, first.nets
        require_stackable(type(first), first.problem.net.family)
        if self.gradient_clip:
            raise ConfigError("`method.options.gradient_clip` is the norm of one run's gradient; set it to 0 to stack runs")
        trained = {name: p.requires_grad for name, p in first.nets.named_parameters()}
        parameters, buffers = torch.func.stack_module_state([run.nets for run in runs])
        for name, value in parameters.items():
            _put(self.nets, name, nn.Parameter(value.detach(), trained[name]))
        for name, value in buffers.items():
            _put(self.nets, name, value)
        for module in self.nets.modules():
            if isinstance(module, WeightNormLinear):
                module._output = partial(_unfused_output, module)  # type: ignore[method-assign]
        self._call = _Call(self.nets)

    def phases(self) -> Sequence[Phase]:
        return [replace(phase, loss=partial(self._loss, phase.loss)) for phase in self._method.phases()]

    @property
    def averaged(self) -> tuple[str, ...]:
        return self._method.averaged

    def after_step(self, batch: Batch) -> None:
        self._method.after_step(batch)  # bookkeeping is elementwise

    def predict(self, x: Tensor) -> Tensor:
        """(N, C, S, S) images in [0, 1], the same for every run -> (runs, N, K) logits."""
        logits: Tensor = self._over_runs(lambda _: self._method.predict(x), {})
        return logits

    def _loss(self, loss: Callable[[Batch], Terms], batch: Batch) -> Terms:
        tensors = {name: getattr(batch, name) for name in TENSORS}
        terms: Terms = self._over_runs(lambda of_run: loss(_with(batch, of_run)), tensors)
        return {name: value.sum() if name == "total" else value.mean() for name, value in terms.items()}

    def _over_runs(self, function: Callable[[dict[str, Tensor]], Any], tensors: dict[str, Tensor]) -> Any:
        """``function`` of each run's tensors, while the networks hold that run's weights."""

        def of_one(weights: dict[str, Tensor], of_run: dict[str, Tensor]) -> Any:
            return torch.func.functional_call(self._call, weights, (function, of_run))

        weights = {**dict(self._call.named_parameters()), **dict(self._call.named_buffers())}
        return torch.vmap(of_one, randomness="same")(weights, tensors)


class _Call(nn.Module):
    """Calls a function; ``functional_call`` can then put other weights into the networks that it uses."""

    def __init__(self, nets: nn.ModuleDict) -> None:
        super().__init__()
        self.nets = nets

    def forward(self, function: Callable[[dict[str, Tensor]], Any], tensors: dict[str, Tensor]) -> Any:
        return function(tensors)


def require_stackable(method: type[SemiSupervisedMethod], family: str) -> None:
    """Raises ConfigError where many runs cannot be trained as one."""
    name = method.__module__.rpartition(".")[2]
    if name in UNSTACKABLE:
        raise ConfigError(f"`method.name` {name!r} {UNSTACKABLE[name]}: its runs cannot be stacked; train them one by one")
    if family not in FAMILIES:
        raise ConfigError(
            f"`net.family` is {family!r}: only runs of {', '.join(FAMILIES)} can be stacked; train them one by one"
        )


def stacked_optimizers(method: Stacked) -> Optimizers:
    """``make_optimizers``, with Muon batched over the runs."""
    optimizers = make_optimizers(method)
    for optimizer in optimizers.values():
        if isinstance(optimizer, MuonAdam):
            optimizer.leading = 1
    return optimizers


def _unfused_output(layer: WeightNormLinear, x: Tensor) -> Tensor:
    """``WeightNormLinear._output`` with autograd's own gradient: vmap cannot follow the one that is written by hand."""
    return F.linear(x, layer.weight) * (layer.gain / layer._norm()) + layer.bias


def stack_batches(batches: Sequence[Batch]) -> Batch:
    """The batches of one step of every run as one, the run being the first dimension of its tensors."""
    return _with(batches[0], {name: torch.stack([getattr(batch, name) for batch in batches]) for name in TENSORS})


def _with(batch: Batch, tensors: dict[str, Tensor]) -> Batch:
    return Batch(**tensors, step=batch.step, seed=batch.seed)


def _put(nets: nn.Module, name: str, value: Tensor) -> None:
    """Put a tensor of whatever shape in the place of a parameter or buffer."""
    path, _, leaf = name.rpartition(".")
    module = nets.get_submodule(path)
    held: dict[str, Any] = module._parameters if leaf in module._parameters else module._buffers
    held[leaf] = value
