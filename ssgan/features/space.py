"""From the raw features of a backbone to what classifiers learn on: standardized, principal components, equal length.

Letters: N images, D numbers of a backbone, P principal components that are kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

FITTED_ON = 20_000  # images; more change the components hardly
LEAST_STD = 1e-6
BLOCK = 4096  # images at a time


class Space(nn.Module):
    """(N, D) raw features -> (N, P) of length sqrt(P). Not trained: it is computed from unlabeled images once."""

    mean: Tensor
    basis: Tensor

    def __init__(self, dimension: int, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("basis", torch.zeros(dimension, min(components, dimension)))

    @torch.no_grad()
    def fit(self, raw: Tensor) -> None:
        """Means, standard deviations and components of (N, D) features, of images whose labels nobody has to know."""
        x = raw[:FITTED_ON].double()
        mean, std = x.mean(0), x.std(0, correction=0).clamp_min(LEAST_STD)
        z = (x - mean) / std
        _, vectors = torch.linalg.eigh(z.mT @ z)  # ascending
        leading = vectors[:, -self.basis.shape[1] :].flip(1)
        # Of an eigenvector and its negative, the one whose largest entry is positive: then all machines have the same.
        sign = leading.gather(0, leading.abs().argmax(0, keepdim=True)).sign()
        self.mean.copy_(mean)
        self.basis.copy_(leading * sign / std[:, None])

    def forward(self, raw: Tensor) -> Tensor:
        projected = (raw.float() - self.mean) @ self.basis
        length = projected.norm(dim=1, keepdim=True).clamp_min(1e-12)
        return projected * (projected.shape[1] ** 0.5 / length)


def in_own_space(raw: npt.NDArray[np.float16], components: int) -> npt.NDArray[np.float32]:
    """(N, D) raw features -> (N, P), in the space that is fitted to these very images."""
    space, features = Space(raw.shape[1], components), torch.from_numpy(raw)
    space.fit(features[:FITTED_ON])
    return np.concatenate([space(part).numpy() for part in torch.split(features, BLOCK)])
