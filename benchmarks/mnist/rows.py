"""The rows of the table, and the published rows that they are compared with.

Tracks, never mixed: A, a multi-layer perceptron that does not know which pixels are neighbors, no augmentation; B, a
convolutional network, no augmentation; C, a convolutional network and augmentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LABELS = (10, 20, 50, 100, 200)


@dataclass(frozen=True)
class Track:
    """What all rows of a track share."""

    title: str
    net: dict[str, Any]
    augment: dict[str, Any]
    precision: str
    steps: int  # unless --steps says otherwise
    options: dict[str, Any] = field(default_factory=dict)  # of every method


@dataclass(frozen=True)
class Row:
    """One method in one track. ``published`` names the row of PUBLISHED that it has to meet; None: there is none."""

    track: str
    name: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    published: str | None = None


MLP: dict[str, Any] = {"family": "mlp"}
CONV: dict[str, Any] = {"family": "compact", "width": 0.5, "noise": 0.3}
QUIET: dict[str, Any] = CONV | {"noise": 0.0}  # augmentation is noise enough
FEW_LABELED: dict[str, Any] = {"labeled_batch_size": 25}
MUON: dict[str, Any] = {"muon_rate": 0.02}
SHIFTS: dict[str, Any] = {"shift_px": 2, "rotate_degrees": 5.0, "scale": 0.1}

TRACKS = {
    "A": Track("A: multi-layer perceptron, no augmentation", MLP, {}, "float32", 30_000),
    "B": Track("B: convolutional, no augmentation", CONV, {}, "bf16", 20_000),
    "C": Track("C: convolutional, with augmentation", QUIET, SHIFTS, "bf16", 6_000, FEW_LABELED | MUON),
}

ROWS = (
    Row("A", "supervised", "supervised"),
    Row("A", "gan + linear layer", "gan"),
    Row("A", "explicit fake class", "explicit_fake"),
    Row("A", "implicit fake class", "implicit_fake"),
    Row("A", "feature matching", "feature_matching", published="FM-GAN"),
    Row("A", "CatGAN", "categorical_gan", published="CatGAN"),
    Row("A", "bad GAN", "bad_gan", published="Bad GAN"),
    Row("A", "pseudo-labels", "pseudo_label"),
    Row("B", "supervised", "supervised"),
    Row("B", "feature matching", "feature_matching", {"learning_rate": 1e-3}, published="FM-GAN"),
    Row("B", "CatGAN", "categorical_gan", published="CatGAN, convolutional"),
    Row("B", "bad GAN", "bad_gan", published="Bad GAN"),
    Row("B", "Triple-GAN", "triple_gan", published="Triple-GAN"),
    Row("B", "UGAN", "ugan", published="UGAN"),
    Row("C", "supervised", "supervised", {"augment": True}),
    Row("C", "mean teacher", "mean_teacher"),
    Row("C", "FixMatch", "fixmatch"),
    Row("C", "teacher_gan without GAN", "teacher_gan", {"unlabeled_weight": 0.0}, published="UGAN"),
    Row("C", "teacher_gan", "teacher_gan", published="UGAN"),
)

# Accuracy in %, mean and standard deviation over 10 label draws. Table 2 of Li et al. 2019, except: CatGAN, Springenberg 2016;
# Bad GAN at 100, Dai et al. 2017. The two at 20 labels with a comment chose their labels by hand.
PUBLISHED: dict[str, dict[int, tuple[float, float]]] = {
    "FM-GAN": {20: (83.23, 4.52), 50: (97.79, 1.36), 100: (99.07, 0.07), 200: (99.10, 0.04)},
    "CatGAN": {100: (98.09, 0.10)},
    "CatGAN, convolutional": {100: (98.61, 0.28)},
    "Bad GAN": {
        20: (88.38, 3.08),  # by hand
        50: (96.24, 0.16),
        100: (99.21, 0.10),
        200: (99.20, 0.03),
    },
    "Triple-GAN": {20: (95.19, 4.95), 50: (98.44, 0.72), 100: (99.09, 0.58), 200: (99.33, 0.16)},
    "UGAN": {
        20: (97.34, 6.86),  # by hand
        50: (98.92, 0.13),
        100: (99.21, 0.08),
        200: (99.35, 0.05),
    },
}
PUBLISHED_RUNS = 10


def config_of(row: Row, seed: int, steps: int, threads: int) -> dict[str, Any]:
    """The parameters of one run, as ``params.yaml`` would have them. The last third of a run lets the rate fall."""
    track = TRACKS[row.track]
    return {
        "method": {"name": row.method, "options": {"lr_tail": 0.33, **track.options, **row.options}},
        "net": track.net,
        "augment": track.augment,
        "train": {
            "backend": "inline",
            "steps": steps,
            "seed": seed,
            "precision": track.precision,
            "val_every": steps,
            "checkpoint_every": max(1000, steps // 5),
            "cpus_per_worker": threads,
            "twin": False,
        },
    }
