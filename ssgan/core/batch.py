"""What one step of training sees.

Letters of tensor shapes, used everywhere: L labeled images, U unlabeled images, N any number of images, K classes,
Z latent dimensions, F features, C channels, S pixels per side.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """This rank's part of the global batch of one step.

    Images are float32 in [0, 1] with shape (N, C, S, S); networks bring them into the range that they work in. Where a run
    learns on features, (N, P) vectors stand in the place of images everywhere.
    """

    x_l: Tensor  # (L, C, S, S) labeled images
    y_l: Tensor  # (L,) int64 class ids
    x_u: Tensor  # (U, C, S, S) unlabeled images; (0, C, S, S) where the method asks for none
    x_u2: Tensor  # (U, C, S, S) a second, independent stream, or a second view of x_u; (0, C, S, S) where not asked for
    step: int  # 0-based
    seed: int  # of this step, the same on every rank: for draws that must not depend on the number of ranks
