"""Which images a step sees: a pure function of seed, stream and step, so that resuming is setting the step.

A stream of n images is an endless row of independent permutations of range(n), cut into global batches; rank r of W takes
the r-th part of each batch. So 1 rank and W ranks see the same global batches, ranks partition an epoch, and a labeled set
smaller than the batch is tiled as in the Improved GAN code.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssgan.core.seeds import fold

Indices = npt.NDArray[np.int64]


class Stream:
    """Endless shuffled indices into n images.

    Args:
        n: number of images, at least 1.
        batch: global batch size.
        seed, name: two streams with different names are independent.
    """

    def __init__(self, n: int, batch: int, seed: int, name: str) -> None:
        self.n, self.batch = n, batch
        self._key = (seed, name)
        self._cache: dict[int, Indices] = {}

    def _permutation(self, epoch: int) -> Indices:
        if epoch not in self._cache:
            generator = np.random.Generator(np.random.PCG64(fold(*self._key, epoch)))
            if len(self._cache) > 1 + self.batch // self.n:
                self._cache.pop(min(self._cache))
            self._cache[epoch] = generator.permutation(self.n)
        return self._cache[epoch]

    def indices(self, step: int) -> Indices:
        """The global batch of one step, (batch,)."""
        start, stop = step * self.batch, (step + 1) * self.batch
        parts = []
        for epoch in range(start // self.n, (stop - 1) // self.n + 1):
            low, high = max(start - epoch * self.n, 0), min(stop - epoch * self.n, self.n)
            parts.append(self._permutation(epoch)[low:high])
        return np.concatenate(parts)


def part(indices: Indices, rank: int, world: int) -> Indices:
    """The rows of rank ``rank``: equal parts of a batch that ``world`` divides."""
    size = len(indices) // world
    return indices[rank * size : (rank + 1) * size]
