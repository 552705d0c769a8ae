"""How ranks make the generated images of a global batch: each its own rows of it, or each all of them (decision 0026).

A generator with batch normalization needs two messages per layer, there and back, to normalize by the global batch. Latents are
a function of the step, and weights are the same on all ranks, so a rank can make the images of all of them and keep its own:
no message, for the generator's work of a run on one rank. The gradient needs nothing more: the rows of other ranks have none
here, and the gradients of parameters, which are linear in those of the rows, are averaged over ranks as always.

Letters: n images of this rank, Z latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from ssgan.core.distributed import rank, solo, world_size
from ssgan.nets.layers import couples_the_batch


def replicated(generator: nn.Module) -> bool:
    """Whether every rank makes all images: where rows depend on each other, and nothing is convolved, which is much work."""
    return couples_the_batch(generator) and all(p.ndim <= 2 for p in generator.parameters())


def generated(generator: nn.Module, latents: Callable[[int], Tensor], n: int) -> Tensor:
    """Images of this rank, by the statistics of the global batch; differentiable.

    Args:
        latents: n -> (n, Z), this rank's rows of a draw for all ranks, and all rows for a rank that is alone.
        n: equal on all ranks.

    Returns:
        (n, C, S, S), or (n, P) where the generator makes features.
    """
    images: Tensor
    world, here = world_size(), rank()
    if world == 1 or not replicated(generator):
        images = generator(latents(n))
        return images
    with solo():
        images = generator(latents(n * world))
    return images[here * n : (here + 1) * n]
