"""Photos of two classes, made here, and the parameters of a project that learns on features of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PARAMS: dict[str, Any] = {
    "data": {"source": {"kind": "folder", "path": "photos"}, "image_size": 32, "channels": 3, "resize": "crop"},
    "features": {"backbone": "efficientnet_lite0", "dimensions": 16},
    "split": {"mode": "benchmark", "num_labels": 8, "test_fraction": 0.3},
    "method": {"name": "feature_matching", "options": {"batch_size": 20, "labeled_batch_size": 8}},
    "net": {"family": "head", "width": 0.1, "latent_dim": 8},
    "train": {"backend": "inline", "steps": 40, "val_every": 20, "checkpoint_every": 20, "cpus_per_worker": 1},
}


def write_photos(folder: Path, count: int) -> None:
    """Stripes and spots in any color, larger than what is stored."""
    for name in ("spots", "stripes"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            random = np.random.default_rng([number, len(name)])
            y, x = np.mgrid[:80, :100] / random.uniform(3, 6)
            shape = np.sin(x + y) if name == "stripes" else np.sin(x) * np.sin(y)
            color = 127 + 100 * shape[..., None] * random.uniform(0.3, 1, 3) + random.normal(0, 8, (80, 100, 3))
            Image.fromarray(color.clip(0, 255).astype(np.uint8)).save(folder / name / f"{number}.jpg", quality=95)
