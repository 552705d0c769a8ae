"""Weight-normalized layers (Salimans & Kingma 2016) with data-dependent initialization.

Letters: N images, I inputs, O outputs (units or channels), V directions (weights before normalization), g gains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DataInitialized(nn.Module):
    """A layer that sets some of its parameters from the batch that it sees while ``initializing``."""

    initializing = False


def initializing(net: nn.Module) -> bool:
    """Whether a layer is about to set parameters from the next pass, which then has to be that of the whole batch."""
    return any(m.initializing for m in net.modules() if isinstance(m, DataInitialized))


class WeightNorm(DataInitialized):
    """Base of weight-normalized layers (Salimans & Kingma 2016): W_o = g_o V_o / ||V_o||, the norm computed in float32.

    ``train_gain=False`` freezes g, as in the hidden layers of the Improved GAN code: after the data-dependent
    initialization only direction and bias are learned. ``init_scale`` is the standard deviation that the data-dependent
    initialization gives every unit; None leaves the layer as it is.
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

    def _norm(self) -> Tensor:
        """(O,) norms of the directions, in float32."""
        raise NotImplementedError

    def _unit_product(self, x: Tensor, norm: Tensor) -> Tensor:
        """The linear map with directions of norm 1: no gain, no bias."""
        raise NotImplementedError

    def _output(self, x: Tensor) -> Tensor:
        """The linear map with W, plus bias."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if self.initializing and self.init_scale is not None:
            self._init_from(self._unit_product(x, self._norm()), self.init_scale)
        return self._output(x)

    def _init_from(self, a: Tensor, init_scale: float) -> None:
        """Set gain and bias so that ``a`` (N, O, ...) gets mean 0 and standard deviation ``init_scale`` per unit."""
        std, mean = torch.std_mean(a, [d for d in range(a.ndim) if d != 1], correction=0)
        gain = init_scale / std.clamp(min=1e-6)
        self.gain.copy_(gain)
        self.bias.copy_(-mean * gain)


class _ScaledLinear(torch.autograd.Function):
    """y = (g / ||V||) * (x V^T) + b, with the gradient of the norm folded into that of the product.

    Autograd would make four more tensors of the size of V: d||V|| reaches V as a multiple of V itself,
    dV = (s * dy)^T x - (g / ||V||^3) * sum_n(dy * x V^T) V, with s = g / ||V||.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, gain: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
        inverse = torch.linalg.vector_norm(weight, dim=1).reciprocal()
        x_cast, weight_cast = x.to(dtype), weight.to(dtype)
        product = torch.mm(x_cast, weight_cast.t())
        ctx.save_for_backward(x_cast, weight, weight_cast, gain, inverse, product)
        return torch.addcmul(bias, product, gain * inverse)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        (dy,) = grad_outputs
        x, weight, weight_cast, gain, inverse, product = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient will be differentiated: what forward computed has to be seen by autograd
            inverse = torch.linalg.vector_norm(weight, dim=1).reciprocal()
            weight_cast = weight.to(x.dtype)
            product = torch.mm(x, weight_cast.t())
        needs_x, needs_weight, needs_gain, needs_bias, _ = ctx.needs_input_grad
        da = (dy * (gain * inverse)).to(x.dtype)
        dx = torch.mm(da, weight_cast).to(dy.dtype) if needs_x else None
        dscale = (dy * product).sum(0) if needs_weight or needs_gain else None
        dweight = dgain = None
        if needs_weight:
            assert dscale is not None
            dweight = torch.mm(da.t(), x).to(weight.dtype)
            dweight = dweight.addcmul_(weight, (-dscale * gain * inverse.pow(3)).unsqueeze(1))
        if needs_gain:
            assert dscale is not None
            dgain = dscale * inverse
        return dx, dweight, dgain, dy.sum(0) if needs_bias else None, None


class WeightNormLinear(WeightNorm):
    """(N, I) -> (N, O); V ~ N(0, init_std^2)."""

    def __init__(
        self, inputs: int, outputs: int, *, train_gain: bool = False, init_std: float = 0.1, init_scale: float | None = 1.0
    ) -> None:
        super().__init__(torch.randn(outputs, inputs) * init_std, outputs, train_gain=train_gain, init_scale=init_scale)

    def _norm(self) -> Tensor:
        return torch.linalg.vector_norm(self.weight, dim=1)

    def _unit_product(self, x: Tensor, norm: Tensor) -> Tensor:
        return F.linear(x, self.weight) / norm

    def _output(self, x: Tensor) -> Tensor:
        device = x.device.type
        if not torch.is_autocast_enabled(device):
            dtype = torch.promote_types(x.dtype, self.weight.dtype)
            return _ScaledLinear.apply(x, self.weight, self.gain, self.bias, dtype)
        with torch.autocast(device, enabled=False):
            return _ScaledLinear.apply(x, self.weight, self.gain, self.bias, torch.get_autocast_dtype(device))


class WeightNormConv2d(WeightNorm):
    """(N, I, H, W) -> (N, O, H', W'); V ~ N(0, init_std^2)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int = 0,
        train_gain: bool = False,
        init_std: float = 0.05,
        init_scale: float | None = 1.0,
    ) -> None:
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        weight = torch.randn(outputs, inputs, height, width) * init_std
        super().__init__(weight, outputs, train_gain=train_gain, init_scale=init_scale)
        self.stride, self.padding = stride, padding

    def _norm(self) -> Tensor:
        return torch.linalg.vector_norm(self.weight, dim=(1, 2, 3))

    def _unit_product(self, x: Tensor, norm: Tensor) -> Tensor:
        return F.conv2d(x, self.weight / norm.view(-1, 1, 1, 1), None, self.stride, self.padding)

    def _output(self, x: Tensor) -> Tensor:
        weight = self.weight * (self.gain / self._norm()).view(-1, 1, 1, 1)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class WeightNormConvTranspose2d(WeightNorm):
    """(N, I, H, W) -> (N, O, 2H, 2W): kernel 5, stride 2, padding 2, output padding 1; V ~ N(0, init_std^2)."""

    def __init__(
        self, inputs: int, outputs: int, *, train_gain: bool = True, init_std: float = 0.05, init_scale: float | None = 1.0
    ) -> None:
        super().__init__(torch.randn(inputs, outputs, 5, 5) * init_std, outputs, train_gain=train_gain, init_scale=init_scale)

    def _norm(self) -> Tensor:
        return torch.linalg.vector_norm(self.weight, dim=(0, 2, 3))

    def _unit_product(self, x: Tensor, norm: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight / norm.view(1, -1, 1, 1), None, stride=2, padding=2, output_padding=1)

    def _output(self, x: Tensor) -> Tensor:
        weight = self.weight * (self.gain / self._norm()).view(1, -1, 1, 1)
        return F.conv_transpose2d(x, weight, self.bias, stride=2, padding=2, output_padding=1)


@torch.no_grad()
def data_dependent_init(net: nn.Module, x: Tensor, layers: Sequence[nn.Module] | None = None) -> None:
    """Initialize gains and biases of weight-normalized layers (None: of all) from one pass of ``x`` in training mode.

    Layer by layer in the order of the forward pass, every unit gets mean 0 and standard deviation ``init_scale``
    (Salimans & Kingma 2016, section 3). Call it with the same ``x`` and the same random state on every rank.
    """
    chosen = [m for m in (net.modules() if layers is None else layers) if isinstance(m, DataInitialized)]
    for layer in chosen:
        layer.initializing = True
    was_training = net.training
    net.train()(x)
    net.train(was_training)
    for layer in chosen:
        layer.initializing = False
