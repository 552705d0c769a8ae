"""The optimizers of a run: Adam per phase, Muon for the classifier's hidden weights if asked for, and gradient clipping.

Muon (Jordan et al. 2024): Adam scales every weight by itself; Muon moves the matrix of a layer by the nearest orthogonal matrix
to its momentum, so that all directions of the layer learn at the same rate, also those that the gradient hardly sees.

Clipping (decision 0015): late in a run the gradients of a GAN's discriminator are small. Adam divides by their root mean square
over a thousand steps, so the first large one moves the weights far; the next is larger still, and within ten steps of growing
swings between "all real" and "all fake" the classifier has forgotten what it had learned. So the gradient norm is bounded
relative to Adam's second moments. The same idea for the update of each tensor: Shazeer & Stern 2018 (Adafactor), sections 5 and
6; Wortsman et al. 2023 (StableAdamW), arXiv:2304.13013.

Letters: O outputs of a layer, I inputs (of a convolution: input channels times kernel).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, cast

import torch
from torch import Tensor, nn

from ssgan.core.method import Phase, SemiSupervisedMethod
from ssgan.nets.weight_norm import WeightNorm

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: of the quintic whose iteration brings singular values near 1
ITERATIONS = 5
MOMENTUM = 0.6  # for runs of some thousand steps


class EagerAdam(torch.optim.Adam):
    """torch's Adam without torch's compiler, which its optimizers load on first use: a second of every start.

    Attributes:
        found_inf: () float32 on the device; where it is 1, ``step`` changes no parameter and no moment, without being asked
            (the fused kernel reads it, as for ``torch.amp.GradScaler``). None: it always does.
    """

    found_inf: Tensor | None = None

    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.Adam.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.Adam.state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
    zero_grad = inspect.unwrap(torch.optim.Adam.zero_grad)


Optimizers = dict[str, EagerAdam]


def laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """``value``, of the same shape, with the strides of a parameter.

    The fused kernel walks through parameter, gradient and moments as they lie in memory. Where they do not lie the same way, as
    with a convolution in channels-last, it refuses on a GPU, and on a CPU it changes the wrong weights and says nothing.
    """
    return value if value.stride() == parameter.stride() else torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def trainable(method: SemiSupervisedMethod, phase: Phase) -> list[nn.Parameter]:
    """The parameters that a phase updates, in a fixed order."""
    return [p for name in phase.trains for p in method.nets[name].parameters()]


def make_optimizers(method: SemiSupervisedMethod) -> Optimizers:
    """One fused Adam per phase, by the name of the phase; with Muon for the classifier's hidden weights if asked for."""
    return {phase.name: _optimizer(method, phase) for phase in method.phases()}


def _optimizer(method: SemiSupervisedMethod, phase: Phase) -> EagerAdam:
    adam = asdict(phase.optimizer) | {"fused": True}
    parameters = trainable(method, phase)
    layers = hidden_weights(method.nets[method.classifier]) if method.classifier in phase.trains else []
    if not method.config.muon_rate or not layers:
        return EagerAdam(parameters, **adam)
    by_muon = {id(layer.weight) for layer in layers}
    return MuonAdam(layers, [p for p in parameters if id(p) not in by_muon], rate=method.config.muon_rate, **adam)


def hidden_weights(net: nn.Module) -> list[WeightNorm]:
    """The layers whose weights Muon updates: weight-normalized ones but the last, which gives the logits."""
    output = getattr(net, "output", None)
    last = set() if output is None else set(output.modules())
    return [m for m in net.modules() if isinstance(m, WeightNorm) and m not in last]


def orthogonalized(matrices: Tensor) -> Tensor:
    """(..., O, I) -> the same shape with the same singular vectors, all singular values near 1 (about 0.7 to 1.2)."""
    a, b, c = COEFFICIENTS
    x = matrices / torch.linalg.matrix_norm(matrices, keepdim=True).clamp(min=1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class MuonAdam(EagerAdam):
    """Adam, except for the directions V of some weight-normalized layers.

    With the gradient G of V, momentum m = 0.6:  B <- m B + G,  V <- sqrt(O) V / ||V|| - rate * orthogonalized(G + m B). The
    norm of V has no meaning under weight norm, so it is reset, and ``rate`` is the relative change of a unit per step.

    Args:
        layers: of which V is updated so.
        rest: all other parameters, for Adam.
        lr, adam: the peak rate and the other settings of Adam.
        rate: the peak rate of Muon; it falls with that of Adam.

    Attributes:
        leading: dimensions of V in front of O, over which the update is batched; 0 unless networks are stacked
            (``benchmarks/mnist/stacked.py``).
    """

    leading = 0

    def __init__(self, layers: Sequence[WeightNorm], rest: Iterable[nn.Parameter], lr: float, rate: float, **adam: Any) -> None:

        super().__init__([{"params": [layer.weight for layer in layers]}, {"params": list(rest)}], lr=lr, **adam)
        self.ratio = rate / lr

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        group = self.param_groups[0]
        for v in group["params"]:
            if v.grad is not None:
                self._muon_update(v, self.ratio * group["lr"])
                v.grad = None  # Adam leaves it alone
        super().step(closure)

    def _muon_update(self, v: nn.Parameter, rate: float) -> None:
        gradient, outputs = cast(Tensor, v.grad), self.leading
        state = self.state[v]
        if not state:  # Adam's load_state_dict asks every state for its step
            state |= {"step": torch.zeros((), device=v.device), "momentum": torch.zeros_like(v)}
        momentum = state["momentum"]
        momentum.mul_(MOMENTUM).add_(gradient)
        matrix = v.flatten(outputs + 1)
        direction = orthogonalized(gradient.add(momentum, alpha=MOMENTUM).flatten(outputs + 1).float())
        norm = torch.linalg.matrix_norm(matrix, keepdim=True)
        updated = (matrix * (matrix.shape[outputs] ** 0.5 / norm) - rate * direction).view_as(v)
        v.copy_(updated if self.found_inf is None else torch.where(self.found_inf > 0, v, updated))


@torch.no_grad()
def clip_gradients_(
    parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor], adam: torch.optim.Adam, clip: float
) -> None:
    """Scale ``gradients`` (of ``parameters``, in place) so that their global norm is at most ``clip`` times its running RMS.

    The running RMS is the root of the summed second moments that Adam holds, bias-corrected: with v_t and beta2 of Kingma & Ba
    2015, algorithm 1, the factor is min(1, clip * sqrt(sum v_t / (1 - beta2^t)) / |g|). Parameters without second moments (no
    update by Adam yet, or updated by Muon) are neither counted nor changed.
    """
    counted = [(g, adam.state[p]) for p, g in zip(parameters, gradients, strict=True) if "exp_avg_sq" in adam.state.get(p, ())]
    if not counted:
        return
    beta2 = adam.param_groups[0]["betas"][1]
    squared_norm = torch.stack([g.square().sum() for g, _ in counted]).sum(0)
    mean_square = torch.stack([s["exp_avg_sq"].sum() / (1 - beta2 ** s["step"]) for _, s in counted]).sum(0)
    # With gradients of 0 only so far there is no scale to compare with.
    factor = torch.where(mean_square > 0, clip * (mean_square / squared_norm.clamp_min(1e-30)).sqrt(), 1.0).clamp_max(1.0)
    for g, _ in counted:
        g.mul_(factor)
