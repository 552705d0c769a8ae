"""Minibatch discrimination: the discriminator sees how close the images of its batch lie to each other.

Salimans et al. 2016, section 3.2; scale and initialization from the authors' code. Letters: N images of this rank, A features,
B kernels, C dimensions of a kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssgan.core.distributed import batch_mean, rows_of_all_ranks
from ssgan.errors import ConfigError
from ssgan.nets.weight_norm import DataInitialized, WeightNormLinear

MOMENTUM = 0.1  # of the mean that stands for a batch in evaluation mode


class MinibatchDiscrimination(DataInitialized):
    """(N, A) features -> (N, A + B): the features, and o_ib = sum_{j != i} exp(-sum_c |M_ibc - M_jbc|) + beta_b.

    M = x T with T_bc of norm exp(s_bc). The sum runs over the *global* batch. In evaluation mode an image has no batch: its
    sum is ``neighbors``, the running mean that ``update_neighbors`` updates, so that no prediction depends on another image.
    """

    couples_batch = True
    neighbors: Tensor

    def __init__(self, inputs: int, kernels: int, dims: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.05 * torch.randn(inputs, kernels, dims))  # T before its norm is set
        self.log_scale = nn.Parameter(torch.zeros(kernels, dims))  # s
        self.bias = nn.Parameter(-torch.ones(kernels))  # beta
        self.register_buffer("neighbors", torch.zeros(kernels))
        self.tracking = False

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # differences of large numbers: bfloat16 would drown them
            x = x.float()
            if self.initializing:
                self._init_from(self._distances(x))
            if not self.training:
                return torch.cat([x, (self.neighbors + self.bias).expand(len(x), -1)], dim=1)
            close = self._closeness(self._distances(x))
            if self.tracking:
                self.neighbors.lerp_(batch_mean(close), MOMENTUM)
            return torch.cat([x, close + self.bias], dim=1)

    def _distances(self, x: Tensor) -> Tensor:
        """(N, A) -> (B, N, N * ranks) distances, 0 of an image from itself."""
        norm = torch.linalg.vector_norm(self.weight, dim=0)
        m = torch.tensordot(x, self.weight * (self.log_scale.exp() / norm), dims=1)
        return torch.cdist(m.transpose(0, 1), rows_of_all_ranks(m).transpose(0, 1), p=1.0)

    @staticmethod
    def _closeness(distances: Tensor) -> Tensor:
        """(B, N, M) -> (N, B): sum over the other images of exp(-d); the image itself, at distance 0, has added 1."""
        return torch.exp(-distances).sum(2).t() - 1.0

    def _init_from(self, distances: Tensor) -> None:
        """Half the mean distance from the nearest image becomes 1, and the mean of o becomes 0, for every kernel."""
        itself = torch.eye(distances.shape[1], dtype=torch.bool, device=distances.device)
        half = 0.5 * distances.masked_fill(itself, torch.inf).amin(2).mean(1).clamp_min(1e-6)
        self.log_scale.sub_(half.log().unsqueeze(1))
        self.neighbors.copy_(self._closeness(distances / half.view(-1, 1, 1)).mean(0))
        self.bias.copy_(-self.neighbors)


def add_minibatch_discrimination(classifier: nn.Module, kernels: int, dims: int) -> None:
    """Put it between the trunk of a family's classifier and its last layer, which gets B inputs more."""
    output = getattr(classifier, "output", None)
    if not isinstance(output, WeightNormLinear):
        raise ConfigError(
            "`method.options.minibatch_kernels` needs a classifier whose last layer is a WeightNormLinear named `output`; "
            "choose another net.family, or 0 kernels"
        )
    outputs, inputs = output.weight.shape
    more = torch.randn(outputs, kernels) * output.weight.detach().std()
    output.weight = nn.Parameter(torch.cat([output.weight.detach(), more], dim=1))
    classifier.output = nn.Sequential(MinibatchDiscrimination(inputs, kernels, dims), output)


@torch.no_grad()
def update_neighbors(classifier: nn.Module, x: Tensor) -> None:
    """Update the running means with the batch ``x`` (N, C, S, S), by a pass in training mode; collective.

    Real images only, and outside of the phases: predictions are never asked for generated ones.
    """
    layers = [m for m in classifier.modules() if isinstance(m, MinibatchDiscrimination)]
    for layer in layers:
        layer.tracking = True
    classifier(x)
    for layer in layers:
        layer.tracking = False
