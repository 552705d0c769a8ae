"""From decoded pixels of any size to what a model takes, inside the graph that leaves: what ``ssgan.data.decode`` does to them.

Every step is linear along one axis: rows of areas where an axis shrinks, of linear interpolation where it grows, of zeros where
a black margin goes; so the whole of it is two pairs of matrices that the graph makes from H and W. Values are rounded where
OpenCV rounds them, and are at most one gray level from its own (OpenCV breaks ties differently, and enlarges in fixed point).

Letters: N images, H, W their size, C channels, S image_size, n length of an axis, k of it after it shrank, o as it comes out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssgan.config import ImageSpec

GRAY = (9798.0, 19235.0, 3735.0)  # 0.299, 0.587, 0.114 in units of 1/32768, as OpenCV has them
UP = 0.5 + 1 / 512  # ties go up, whatever the order in which a runtime has summed in float32


class Prepare(nn.Module):
    """(N, H, W, 3) uint8 RGB, upright -> (N, C, S, S) uint8 by the model's resize policy."""

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2).float()
        if self.spec.channels == 1:
            red, green, blue = (weight * x[:, i : i + 1] for i, weight in enumerate(GRAY))
            gray = red + green + blue
            x = torch.floor((gray + 16384.0) / 32768.0)
        heights, widths = self._axes(images.shape[1], images.shape[2])
        for rows, columns in zip(heights, widths, strict=True):
            x = torch.floor(rows @ x @ columns.transpose(0, 1) + UP)
        return x.clamp(0, 255).to(torch.uint8)

    def _axes(self, height: int, width: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """For each axis the (S, n) matrix that shrinks and the (S, S) matrix that enlarges and centers."""
        size, (h, w) = float(self.spec.image_size), (_scalar(height), _scalar(width))
        if self.spec.resize == "fit":
            longer = torch.maximum(h, w)
            out = [(n * size / longer).round().clamp(min=1.0) for n in (h, w)]
            return self._axis(height, h, out[0]), self._axis(width, w, out[1])
        square = torch.scalar_tensor(size)
        if self.spec.resize == "crop":
            side = torch.minimum(h, w)
            return self._axis(height, side, square), self._axis(width, side, square)
        return self._axis(height, h, square), self._axis(width, w, square)

    def _axis(self, n: int, kept: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """``kept``: of n pixels, those in the middle that are used; ``out``: pixels that they become, of S."""
        size = self.spec.image_size
        i, j = torch.arange(size, dtype=torch.float32)[:, None], torch.arange(n, dtype=torch.float32)
        at = j - ((_scalar(n) - kept) / 2).floor()
        small = torch.minimum(kept, out)
        step = kept / small
        shrink = (torch.minimum((i + 1) * step, at + 1) - torch.maximum(i * step, at)).clamp(min=0.0) / step
        row = i - ((size - out) / 2).floor()
        source = torch.minimum(((row + 0.5) * small / out - 0.5).clamp(min=0.0), small - 1)
        enlarge = (1 - (source - torch.arange(size, dtype=torch.float32)).abs()).clamp(min=0.0)
        return shrink, enlarge * ((row >= 0) & (row < out))


def _scalar(length: int) -> Tensor:
    # Not torch.tensor: in a graph that is traced, `length` is a symbol.
    return torch.scalar_tensor(length, dtype=torch.float32)
