"""A trained model for notebooks and services: ``ssgan.load(path).predict(images)``.

Letters: N images, H, W their size, K classes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssgan import scratch
from ssgan.config import DataConfig
from ssgan.config import load as load_config
from ssgan.data.codec_pillow import decode_image
from ssgan.data.decode import DecodeLimits, decode, from_pixels
from ssgan.data.raw import Request
from ssgan.data.rejections import Rejected
from ssgan.errors import CheckpointError, DataError
from ssgan.evaluation.published import Published, handed_out, published
from ssgan.evaluation.scores import log_softmax
from ssgan.model import Model, load_model

BATCH = 64  # images that are decoded and classified at once
PARAMS, METRICS, RUN = Path("params.yaml"), Path("metrics/evaluate.json"), Path("runs/train")

ImageLike = str | os.PathLike[str] | Image.Image | npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Predictions:
    """Answers for N images, in their order.

    Attributes:
        classes: the K names, in the order of ``probabilities``.
        labels: the N most probable classes.
        probabilities: (N, K), calibrated where ``Classifier.published`` says so.
        abstain: (N,) bool: leave the image to a person; always False where the model has no threshold.
    """

    classes: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    abstain: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Classifier:
    """A model, and what evaluation published of it: temperature, threshold, where they come from, ``model_id``."""

    model: Model
    published: Published

    @property
    def classes(self) -> tuple[str, ...]:
        """The K names, by permanent class id."""
        return tuple(self.model.classes)

    def predict(self, images: Iterable[ImageLike] | ImageLike) -> Predictions:
        """Classify images: paths of files (answers as of ``ssgan predict``), PIL images, or uint8 arrays.

        Args:
            images: one or many; arrays are (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA of any size, or (N, H, W, C) at once.

        Raises:
            DataError: one of them is no image; names it.
        """
        numbered = enumerate(_each(images))
        parts = [self._probabilities(batch) for batch in iter(lambda: list(islice(numbered, BATCH)), [])]
        probabilities = np.concatenate([np.empty((0, len(self.classes))), *parts])
        top = probabilities.max(axis=1)
        threshold = -1.0 if self.published.threshold is None else self.published.threshold
        labels = tuple(self.classes[k] for k in probabilities.argmax(axis=1))
        return Predictions(self.classes, labels, probabilities, top <= threshold)

    def _probabilities(self, batch: Iterable[tuple[int, ImageLike]]) -> npt.NDArray[np.float64]:
        pixels = np.stack([self._pixels(number, image) for number, image in batch])
        logits = self.model.predict_logits(pixels).astype(np.float64)
        return np.exp(log_softmax(logits, self.published.temperature))

    def _pixels(self, number: int, image: ImageLike) -> npt.NDArray[np.uint8]:
        """(C, S, S)"""
        limits, spec = DecodeLimits.of(DataConfig()), self.model.image
        try:
            if isinstance(image, str | os.PathLike):
                return decode(Path(image).read_bytes(), spec, limits)
            if isinstance(image, Image.Image):
                return from_pixels(decode_image(image, Request(spec.channels, limits.max_pixels, spec.deep_bits)).image, spec)
            return from_pixels(_checked(image), spec)
        except (Rejected, OSError) as why:
            name = f" ({os.fspath(image)!r})" if isinstance(image, str | os.PathLike) else ""
            raise DataError(f"images[{number}]{name} is not a readable image: {why}; leave it out, or fix it") from None


def load(path: str | os.PathLike[str] = ".", metrics: str | os.PathLike[str] | None = None) -> Classifier:
    """See ``ssgan.load``."""
    folder = Path(path)
    if folder.is_dir():
        model = _model_folder(folder)
        found = Path(metrics) if metrics else _project(model) / METRICS
        return Classifier(load_model(model), published(model, found))
    return _registered(os.fspath(path))


def _registered(name: str) -> Classifier:
    """A version of the registry of the project in the current folder, by its alias or name."""
    from ssgan.registry.registry import Registry, fetch_with_card  # it needs a client of storage

    if not PARAMS.is_file():
        raise CheckpointError(
            f"{name} is no folder, and without {PARAMS} here it is no name of a registered model either; "
            "give the folder of a project, of a run or of a model"
        )
    with scratch.folder("load") as temporary:
        model = fetch_with_card(Registry(load_config(PARAMS).storage.url), name, temporary / "model").folder
        return Classifier(load_model(model), published(model, METRICS))


def _model_folder(folder: Path) -> Path:
    """The weights in a project or a run: of the model that it hands out; any other folder itself."""
    run = folder / RUN if (folder / RUN).is_dir() else folder
    if not (run / "manifest.json").is_file() or (run / "model.safetensors").is_file():
        return folder
    return handed_out(run, run.absolute().parents[1] / METRICS)


def _project(model: Path) -> Path:
    """The project of PROJECT/runs/train/ROLE/CHECKPOINT; where the model lies elsewhere, there are no metrics in it."""
    parents = model.absolute().parents
    return parents[min(3, len(parents) - 1)]


def _each(images: Iterable[ImageLike] | ImageLike) -> Iterator[ImageLike]:
    single = isinstance(images, str | os.PathLike | Image.Image) or (isinstance(images, np.ndarray) and images.ndim < 4)
    yield from ([images] if single else images)  # type: ignore[misc]


def _checked(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Raises Rejected unless it is uint8 and (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)."""
    if not isinstance(image, np.ndarray):
        raise Rejected("not_an_image", f"it is a {type(image).__name__}, not a path, a PIL image or an array")
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3, 4))) or not image.size:
        raise Rejected("not_an_image", f"an array has to be uint8 (H, W) or (H, W, 1, 3 or 4), not {image.dtype} {image.shape}")
    return image
