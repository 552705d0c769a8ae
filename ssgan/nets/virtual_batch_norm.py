"""Virtual batch normalization: statistics of a fixed reference batch, so that no image depends on the others of its batch.

Salimans et al. 2016, section 3.5. Letters: R rows of the reference batch, N other rows, O units or channels, Z latents.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssgan.nets.layers import BatchNorm


class VirtualBatchNorm(nn.Module):
    """(R + N, O, ...) -> the same shape; the first R rows are the reference batch.

    The reference is normalized by its own mean and variance, every other row by those of the reference and itself together,
    in which it has the weight 1/(R + 1). A convolution's row is all pixels of an image.

    Args:
        norm: the layer that this one replaces; its scale and bias are taken over.
        reference: R.
    """

    def __init__(self, norm: BatchNorm, reference: int) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.reference = reference

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.float().reshape(*x.shape[:2], -1)
        var, mean = torch.var_mean(pixels, 2, correction=0)  # (R + N, O), of every row alone
        (mean_r, mean_x), (var_r, var_x) = mean.tensor_split([self.reference]), var.tensor_split([self.reference])
        between = torch.var_mean(mean_r, 0, correction=0)
        mean_r, var_r = between[1], var_r.mean(0) + between[0]
        share = 1.0 / (self.reference + 1)
        difference = mean_x - mean_r
        mean_x = mean_r + share * difference
        var_x = var_r.lerp(var_x, share) + share * (1.0 - share) * difference.square()
        means = torch.cat([mean_r.expand(self.reference, -1), mean_x])
        scale = torch.rsqrt(torch.cat([var_r.expand(self.reference, -1), var_x]) + self.eps)
        normalized = (pixels - means.unsqueeze(2)) * (scale if self.weight is None else scale * self.weight).unsqueeze(2)
        return (normalized if self.bias is None else normalized + self.bias.unsqueeze(1)).view(x.shape)


class VirtuallyNormalized(nn.Module):
    """A family's generator, (N, Z) -> (N, C, S, S), with virtual batch normalization in the place of batch normalization.

    The reference goes through the layers in the same pass; the paper's two passes give the same numbers.

    Args:
        generator: changed in place.
        latents: (R, Z), fixed; part of the state, so that a finished model has them too.
    """

    latents: Tensor

    def __init__(self, generator: nn.Module, latents: Tensor) -> None:
        super().__init__()
        self.generator = generator
        self.register_buffer("latents", latents)
        for name, module in list(generator.named_modules()):
            if isinstance(module, BatchNorm):
                parent, _, key = name.rpartition(".")
                generator.get_submodule(parent).register_module(key, VirtualBatchNorm(module, len(latents)))

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.generator(torch.cat([self.latents, z]))
        return images[len(self.latents) :]
