"""Layers that the literature on semi-supervised GANs needs and torch does not have in this form.

Letters: N images, I inputs, O outputs (units or channels).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssgan.distributed import batch_mean, world_size


class Out(NamedTuple):
    """What a classifier returns: features (N, F) = last hidden layer after its non-linearity, logits (N, K or K+1)."""

    features: Tensor
    logits: Tensor


class Classifier(nn.Module):
    """What every family's classifier is: a trunk that gives features, and a last layer that gives logits."""

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
        offset = int(torch.randint(_BANK_SIZE - x.numel(), ()))
        noise = _bank(x.device)[offset : offset + x.numel()].view(x.shape)
        return torch.add(x, noise.to(x.dtype), alpha=self.sigma)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma}"


# --- weight normalisation --------------------------------------------------------------------------------------------


class WeightNorm(nn.Module):
    """Base of weight-normalised layers (Salimans & Kingma 2016): W_o = g_o V_o / ||V_o||, the norm computed in float32.

    ``train_gain=False`` freezes g, as in the hidden layers of the Improved GAN code: after the data-dependent
    initialisation only direction and bias are learned. ``init_scale`` is the standard deviation that the data-dependent
    initialisation gives every unit; None leaves the layer as it is.
    """

    gain: Tensor

    def __init__(self, weight: Tensor, outputs: int, *, train_gain: bool, init_scale: float | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        if train_gain:
            self.gain = nn.Parameter(torch.ones(outputs))
        else:
            self.register_buffer("gain", torch.ones(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.init_scale = init_scale
        self.initializing = False

    def _norm(self) -> Tensor:
        """(O,) norms of the directions."""
        raise NotImplementedError

    def _product(self, x: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        """The linear map with directions V, its output scaled per unit, plus bias."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            norm = self._norm()
        if self.initializing and self.init_scale is not None:
            self._init_from(self._product(x, 1.0 / norm, None), self.init_scale)
        return self._product(x, self.gain / norm, self.bias)

    def _init_from(self, a: Tensor, init_scale: float) -> None:
        """Set gain and bias so that ``a`` (N, O, ...) gets mean 0 and standard deviation ``init_scale`` per unit."""
        std, mean = torch.std_mean(a, [d for d in range(a.ndim) if d != 1], correction=0)
        gain = init_scale / std.clamp(min=1e-6)
        self.gain.copy_(gain)
        self.bias.copy_(-mean * gain)


class WeightNormLinear(WeightNorm):
    """(N, I) -> (N, O); V ~ N(0, init_std^2)."""

    def __init__(
        self, inputs: int, outputs: int, *, train_gain: bool = False, init_std: float = 0.1, init_scale: float | None = 1.0
    ) -> None:
        super().__init__(torch.randn(outputs, inputs) * init_std, outputs, train_gain=train_gain, init_scale=init_scale)

    def _norm(self) -> Tensor:
        return torch.linalg.vector_norm(self.weight, dim=1)

    def _product(self, x: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        # Scaling the output touches N x O numbers, scaling the weight would touch O x I.
        a = F.linear(x, self.weight)
        return a * scale if bias is None else torch.addcmul(bias, a, scale)


class WeightNormConv2d(WeightNorm):
    """(N, I, H, W) -> (N, O, H', W'); V ~ N(0, init_std^2)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        train_gain: bool = False,
        init_std: float = 0.05,
        init_scale: float | None = 1.0,
    ) -> None:
        weight = torch.randn(outputs, inputs, kernel, kernel) * init_std
        super().__init__(weight, outputs, train_gain=train_gain, init_scale=init_scale)
        self.stride, self.padding = stride, padding

    def _norm(self) -> Tensor:
        return torch.linalg.vector_norm(self.weight, dim=(1, 2, 3))

    def _product(self, x: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, self.weight * scale.view(-1, 1, 1, 1), bias, self.stride, self.padding)


class WeightNormConvTranspose2d(WeightNorm):
    """(N, I, H, W) -> (N, O, 2H, 2W): kernel 5, stride 2, padding 2, output padding 1; V ~ N(0, init_std^2)."""

    def __init__(
        self, inputs: int, outputs: int, *, train_gain: bool = True, init_std: float = 0.05, init_scale: float | None = 1.0
    ) -> None:
        super().__init__(torch.randn(inputs, outputs, 5, 5) * init_std, outputs, train_gain=train_gain, init_scale=init_scale)

    def _norm(self) -> Tensor:
        return torch.linalg.vector_norm(self.weight, dim=(0, 2, 3))

    def _product(self, x: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv_transpose2d(x, self.weight * scale.view(1, -1, 1, 1), bias, stride=2, padding=2, output_padding=1)


@torch.no_grad()
def data_dependent_init(net: nn.Module, x: Tensor) -> None:
    """Initialise gains and biases of all weight-normalised layers from one forward pass of ``x`` in training mode.

    Layer by layer in the order of the forward pass, every unit gets mean 0 and standard deviation ``init_scale``
    (Salimans & Kingma 2016, section 3). Call it with the same ``x`` and the same random state on every rank.
    """
    layers = [m for m in net.modules() if isinstance(m, WeightNorm)]
    for layer in layers:
        layer.initializing = True
    was_training = net.training
    net.train()(x)
    net.train(was_training)
    for layer in layers:
        layer.initializing = False


# --- batch normalisation ---------------------------------------------------------------------------------------------


class BatchNorm(nn.Module):
    """Batch normalisation whose statistics are those of the *global* batch (Ioffe & Szegedy 2015), on CPU and GPU.

    Args:
        features: O.
        scale, bias: whether the affine parts are learned.
        track: keep running statistics for evaluation; False: batch statistics always (Improved GAN's generators).
    """

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
        mean = batch_mean(per_unit)
        var = batch_mean((per_unit - mean).square())
        if self.running_mean is not None and self.running_var is not None and self.training:
            with torch.no_grad():
                count = per_unit.shape[0] * world_size()
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        shape = [1, -1] + [1] * (x.ndim - 2)
        scale = torch.rsqrt(var + self.eps) if self.weight is None else torch.rsqrt(var + self.eps) * self.weight
        normalised = (x - mean.view(shape)) * scale.view(shape)
        return normalised if self.bias is None else normalised + self.bias.view(shape)


def couples_the_batch(net: nn.Module) -> bool:
    """Whether the output for one image depends on the other images of the batch (batch normalisation)."""
    return any(isinstance(m, BatchNorm) for m in net.modules())


def forward_parts(net: nn.Module, *parts: Tensor) -> list[Out]:
    """Run several batches through a classifier: in one concatenated pass, unless the net couples the batch.

    Labeled, unlabeled and fake images must never share batch statistics; without batch normalisation, one large product
    is faster than three small ones and gives the same numbers.
    """
    if len(parts) == 1 or couples_the_batch(net):
        return [net(x) for x in parts]
    out = net(torch.cat(parts))
    sizes = [x.shape[0] for x in parts]
    return [Out(f, y) for f, y in zip(out.features.split(sizes), out.logits.split(sizes), strict=True)]
