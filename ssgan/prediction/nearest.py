"""What a generator of feature vectors makes, shown by images: the unlabeled ones whose features are nearest to its vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ssgan.data.files import SplitFiles
from ssgan.prediction.by_id import InputsOf

if TYPE_CHECKING:
    from ssgan.model import Model

SEARCHED = 20_000  # unlabeled images among which they are looked for


def nearest_images(model: Model, inputs: InputsOf, files: SplitFiles, n: int) -> npt.NDArray[np.uint8] | None:
    """(n, C, S, S) images, one for each of n generated vectors; None where the method has no generator.

    Args:
        inputs: from ids and pixels to what the model takes.
        files: of their set ``unlabeled``, SEARCHED are looked at.
    """
    vectors = model.sample_vectors(n)
    if vectors is None:
        return None
    pixels = files.store.pixels(files.positions("unlabeled")[:SEARCHED])
    have = model.to_space(np.asarray(inputs(files.ids("unlabeled")[:SEARCHED], pixels), np.float32))
    return pixels[(vectors @ have.T).argmax(1)]  # all vectors have the same length
