"""From the outputs of a model for an image to a score: is the model uncertain, is this a class that it does not know?

Letters: N images, L labeled images, K classes, F features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ssgan.evaluation.scores import log_softmax

Floats = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

BLOCK = 4096  # rows of a matrix of distances at a time


def probabilities(logits: npt.NDArray[Any], temperature: float) -> Floats:
    """(N, K) logits -> (N, K) calibrated probabilities, softmax(logits / T) (Guo et al. 2017, arXiv:1706.04599)."""
    return np.exp(log_softmax(logits.astype(np.float64), temperature))


def top_two(probability: Floats) -> I64:
    """(N, K) -> (N, 2) the two most probable classes, the more probable one first; of equal ones the lower id."""
    return np.argsort(-probability, axis=1, kind="stable")[:, :2]


def uncertainty(probability: Floats) -> Floats:
    """(N, K) -> (N,) 1 - (p_1 - p_2) in [0, 1]: how close the two most probable classes are.

    Margin sampling (Scheffer et al. 2001; Settles 2009, section 3.1): unlike entropy it does not grow with the number of
    classes that are out of the question. Against eight other ways it is hard to beat (Bahri et al. 2022, arXiv:2210.03822).
    """
    ranked = -np.partition(-probability, 1, axis=1)[:, :2]
    return 1.0 - (ranked[:, 0] - ranked[:, 1])


def entropy(probability: Floats) -> Floats:
    """(N, K) -> (N,) entropy in nats, in [0, log K] (Settles 2009, section 3.1)."""
    return -(probability * np.log(np.maximum(probability, 1e-300))).sum(axis=1)


def unit(features: npt.NDArray[Any]) -> F32:
    """(N, F) -> (N, F) of length 1: distances between them do not depend on how bright or large a thing is. 0 stays 0."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.maximum(length, 1e-12)).astype(np.float32)


def distance(features: F32, others: F32) -> Floats:
    """(N, F), (L, F), both of unit length -> (N,) Euclidean distance to the nearest of the others; inf where L is 0.

    As a sign of an unknown class: Sun et al. 2022, arXiv:2204.06507, with k = 1.
    """
    nearest = np.full(len(features), np.inf)
    for start in range(0, len(others), BLOCK):
        cosine = features @ others[start : start + BLOCK].T
        nearest = np.minimum(nearest, 2.0 - 2.0 * cosine.max(axis=1).astype(np.float64))
    return np.sqrt(np.maximum(nearest, 0.0))
