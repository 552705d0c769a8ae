"""ssgan: semi-supervised image classification with GANs, from raw images and few labels to a trusted classifier."""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# The one piece of work at import: libgomp reads this when torch is loaded, so it has to stand before any import of torch.
# With libgomp's default, threads that wait for each other burn the core that the other one needs as soon as anything else
# runs on the machine: a step on 2 threads took 505 ms instead of about 110 ms (decision 0005).
os.environ.setdefault("GOMP_SPINCOUNT", "30000")


def load(path: str | os.PathLike[str] = ".", metrics: str | os.PathLike[str] | None = None) -> Any:
    """A trained model: ``ssgan.load("runs/train").predict(["a.jpg", "b.jpg"])``.

    Args:
        path: folder of a project, of a run (runs/train) or of a model (runs/train/main/last, or what `ssgan models fetch`
            brought); or, in the folder of a project, an alias or a version of its registry, such as "champion".
        metrics: where evaluation left temperature and threshold; None: metrics/evaluate.json of the project.

    Returns:
        A ``ssgan.api.Classifier``; its ``predict`` gives ``ssgan.api.Predictions``.

    Raises:
        CheckpointError: no model there, or its files are not those that training wrote.
        ConfigError: no such name in the registry, or no weights of the backbone on this machine.
    """
    # Not an import statement: `import ssgan` is what every module does first, and must not lead to torch.
    return importlib.import_module("ssgan.api").load(path, metrics)
