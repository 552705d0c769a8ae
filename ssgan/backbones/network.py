"""From images to feature vectors. Letters: N images, S side that the network wants, B side before the middle is cut out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssgan.backbones.record import Backbone


class Network(nn.Module):
    """(N, 3, B, B) uint8 RGB, or their middle (N, 3, S, S) -> (N, D) float32 features: the backbone's parts in a row."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, trunk: nn.Module) -> None:
        super().__init__()
        self.backbone, self.trunk = backbone, trunk
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1) * 255)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        size = self.backbone.size
        top = (images.shape[-1] - size) // 2
        middle = images[..., top : top + size, top : top + size]
        x = ((middle - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        return torch.cat([part.float() for part in self.trunk(x)], dim=1)
