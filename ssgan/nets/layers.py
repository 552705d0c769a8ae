"""Layers that the literature on semi-supervised GANs needs and torch does not have in this form.

Letters: N images, I inputs, O outputs (units or channels).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.core.distributed import rows_of_all_ranks, world_size


class Out(NamedTuple):
    """What a classifier returns: features (N, F) = last hidden layer after its non-linearity, logits (N, K or K+1)."""

    features: Tensor
    logits: Tensor


class Classifier(nn.Module):
    """What every family's classifier is: a trunk that gives features, and a last layer ``output`` that gives logits."""

    output: nn.Module

    def features(self, x: Tensor) -> Tensor:
        """(N, C, S, S) images in [0, 1] -> (N, F) features."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Out:
        """(N, C, S, S) images in [0, 1] -> features (N, F) and logits (N, outputs)."""
        raise NotImplementedError


# --- noise -----------------------------------------------------------------------------------------------------------

_BANK_SIZE = 1 << 22  # normals in the bank; 16 MiB
_banks: dict[torch.device, Tensor] = {}


def _bank(device: torch.device) -> Tensor:
    """A fixed table of standard normals, the same in every process."""
    if device not in _banks:
        generator = torch.Generator(device).manual_seed(20160610)
        _banks[device] = torch.randn(_BANK_SIZE, generator=generator, device=device)
    return _banks[device]


@cache
def _kept(p: float) -> Tensor:
    """Of each normal of the CPU's bank: 0 where it exceeds the quantile of 1 - p, else 1 / (1 - p)."""
    return (_bank(torch.device("cpu")) < statistics.NormalDist().inv_cdf(1.0 - p)).float() / (1.0 - p)


def _host_randint(below: int) -> int:
    """From 0 to ``below`` - 1, by torch's default generator, drawn into memory of the host: no tensor is asked for it."""
    number = np.empty(1, np.int64)
    torch.from_numpy(number).random_(below)
    return int(number[0])


class GaussianNoise(nn.Module):
    """Adds N(0, sigma^2) noise in training mode, fresh for every forward pass; identity in evaluation mode.

    On a CPU, drawing 1.5 million normals costs a tenth of a training step, so windows of a fixed bank of 4 million normals
    are used, each at a random offset (decision 0003). On a GPU the noise is drawn.
    """

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.sigma == 0.0:
            return x
        if x.device.type != "cpu" or x.numel() > _BANK_SIZE // 2:
            return x + self.sigma * torch.randn_like(x)
        offset = _host_randint(_BANK_SIZE - x.numel())
        noise = _bank(x.device)[offset : offset + x.numel()].view(x.shape)
        return torch.add(x, noise.to(x.dtype), alpha=self.sigma)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma}"


class Dropout(nn.Module):
    """Inverted dropout: in training mode sets each value to 0 with probability ``p`` and divides the others by 1 - p.

    On a CPU, drawing the Bernoulli numbers of a small convolutional classifier costs a twelfth of its training step, so
    the bank of normals serves here too (decision 0003): a value falls where its normal exceeds the quantile of 1 - p.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        if x.device.type != "cpu" or x.numel() > _BANK_SIZE // 2:
            return F.dropout(x, self.p)
        offset = _host_randint(_BANK_SIZE - x.numel())
        strides = torch.empty_like(x).stride()  # of the layout of x (channels last, mostly), in which the product is fast
        return x * _kept(self.p).as_strided(x.shape, strides, offset).to(x.dtype)

    def extra_repr(self) -> str:
        return f"p={self.p}"


@contextmanager
def without_noise(net: nn.Module) -> Iterator[None]:
    """Inside, the network is in evaluation mode: no noise, no dropout."""
    was_training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(was_training)


@contextmanager
def same_noise(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, noise and dropout are drawn from ``seed``; afterwards the generators go on as if nothing had been drawn.

    Passes of equally many images, each within a block of its own with the same seed, get the same noise.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


# --- batch normalization ---------------------------------------------------------------------------------------------


class BatchNorm(nn.Module):
    """Batch normalization whose statistics are those of the *global* batch (Ioffe & Szegedy 2015), on CPU and GPU.

    Args:
        features: O.
        scale, bias: whether the affine parts are learned.
        track: keep running statistics for evaluation; False: batch statistics always (Improved GAN's generators).
    """

    couples_batch = True
    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(
        self,
        features: int,
        *,
        scale: bool = True,
        bias: bool = True,
        track: bool = True,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features)) if scale else None
        self.bias = nn.Parameter(torch.zeros(features)) if bias else None
        self.register_buffer("running_mean", torch.zeros(features) if track else None)
        self.register_buffer("running_var", torch.ones(features) if track else None)
        self.eps, self.momentum = eps, momentum

    def forward(self, x: Tensor) -> Tensor:
        batch_statistics = self.training or self.running_mean is None
        if not batch_statistics or world_size() == 1:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, batch_statistics, self.momentum, self.eps
            )
        return self._global(x)

    def _global(self, x: Tensor) -> Tensor:
        per_unit = x.float().movedim(1, -1).reshape(-1, x.shape[1])  # (N*H*W, O)
        var_here, mean_here = torch.var_mean(per_unit, 0, correction=0)
        of_ranks = rows_of_all_ranks(torch.stack([mean_here, var_here]).unsqueeze(0))  # (ranks, 2, O), equally many rows behind
        between, mean = torch.var_mean(of_ranks[:, 0], 0, correction=0)
        var = of_ranks[:, 1].mean(0) + between
        if self.running_mean is not None and self.running_var is not None and self.training:
            with torch.no_grad():
                count = per_unit.shape[0] * world_size()
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        shape = [1, -1] + [1] * (x.ndim - 2)
        scale = torch.rsqrt(var + self.eps) if self.weight is None else torch.rsqrt(var + self.eps) * self.weight
        normalized = (x - mean.view(shape)) * scale.view(shape)
        return normalized if self.bias is None else normalized + self.bias.view(shape)


def couples_the_batch(net: nn.Module) -> bool:
    """Whether the output for one image depends on the others of the batch (batch normalization, minibatch discrimination)."""
    return any(getattr(m, "couples_batch", False) for m in net.modules())


def forward_parts(net: nn.Module, *parts: Tensor) -> list[Out]:
    """Run several batches through a classifier: in one concatenated pass, unless the net couples the batch.

    Labeled, unlabeled and fake images must never share batch statistics; without batch normalization, one large product
    is faster than three small ones and gives the same numbers.
    """
    if len(parts) == 1 or couples_the_batch(net):
        return [net(x) for x in parts]
    out = net(torch.cat(parts))
    sizes = [x.shape[0] for x in parts]
    return [Out(f, y) for f, y in zip(out.features.split(sizes), out.logits.split(sizes), strict=True)]
