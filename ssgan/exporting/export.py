"""From a model folder to a checked file. Letters: N images, C channels, S image_size."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssgan import atomic
from ssgan.backbones import Backbone
from ssgan.backbones.license import accepted_license
from ssgan.config import ImageSpec
from ssgan.data.files import named_images
from ssgan.data.opencv import cv2
from ssgan.errors import CheckpointError, ConfigError
from ssgan.evaluation.published import Published, published
from ssgan.exporting.check import Difference, check
from ssgan.exporting.deployed import about, deployed
from ssgan.exporting.formats import FORMATS, SUFFIXES, ExportFormat
from ssgan.model import load_model
from ssgan.wording import counted

CHECKED = 64  # images: enough for the batches of the check, and done in a moment


@dataclass(frozen=True)
class Exported:
    """A file that computes what the model computes, on the images that it was checked on."""

    path: Path
    bytes: int
    published: Published
    checked_on: str
    difference: Difference
    backbone: Backbone | None


class Allowed(NamedTuple):
    """What a person allows: a model that was not evaluated; a restrictive license of a backbone (who accepts it)."""

    uncalibrated: bool = False
    license_by: str | None = None


NOTHING = Allowed()


def path_for(format: ExportFormat, out: Path | None) -> Path:
    """Where the file goes. Raises ConfigError for a name of another format."""
    suffix = SUFFIXES[format]
    if out is not None and out.suffix != suffix:
        raise ConfigError(
            f"--out is {out}, but a file of format {format} ends in {suffix}; rename it, or choose another format"
        )
    return out or Path(f"runs/export/model{suffix}")


def export_model(
    format: ExportFormat, model: Path, to: Path, metrics: Path, images: Path, allowed: Allowed = NOTHING
) -> Exported:
    """Write the file, read it back, compare; it appears under its name only if it is right.

    Args:
        images: a set (data/splits/val) or a folder of shards (data/images) that the check uses; noise where there is none.

    Raises:
        CheckpointError: no model, one that was not evaluated (unless allowed), a file that does not compute the same.
        ConfigError: packages for the format are missing; a restrictive license was not accepted.
    """
    facts, loaded = published(model, metrics), load_model(model)
    license = _accepted(loaded.backbone, allowed.license_by)
    if not facts.evaluated and not allowed.uncalibrated:
        raise CheckpointError(
            f"the probabilities would be {facts.note}; evaluate the model first, or add --uncalibrated to export it as it is"
        )
    shown, checked_on = _images(images, loaded.image, loaded.backbone is not None)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=to.parent) as building:
        part = Path(building) / to.name  # the name goes into some formats
        FORMATS[format].write(loaded, deployed(loaded, facts), about(loaded, facts, license), part)
        difference = check(FORMATS[format].read(part), loaded, facts, shown)
        with atomic.replaced(to) as whole:
            part.replace(whole)
    return Exported(to, to.stat().st_size, facts, checked_on, difference, loaded.backbone)


def _accepted(backbone: Backbone | None, by: str | None) -> dict[str, str] | None:
    """Which license was accepted, by whom and when (UTC). Raises ConfigError where one restricts and nobody has."""
    license = accepted_license(backbone, by is not None)
    if license is None or by is None:
        return None
    return {"license": license, "by": by, "when": datetime.now(UTC).isoformat(timespec="seconds")}


def _enlarged(images: npt.NDArray[np.uint8], spec: ImageSpec) -> npt.NDArray[np.uint8]:
    """(N, C, S, S) -> (N, 3, B, B): what is stored is smaller than what a backbone takes, but real images all the same."""
    size = (spec.image_size, spec.image_size)
    color = np.broadcast_to(images, (len(images), 3, *images.shape[2:]))
    large = [cv2.resize(np.ascontiguousarray(one.transpose(1, 2, 0)), size, interpolation=cv2.INTER_CUBIC) for one in color]
    return np.stack(large).transpose(0, 3, 1, 2).astype(np.uint8)


def _images(folder: Path, spec: ImageSpec, on_features: bool) -> tuple[npt.NDArray[np.uint8], str]:
    """(N, C, S, S) uint8 to check on, and a word on what they are. Raises DataError, CheckpointError."""
    if not folder.is_dir() and not folder.with_suffix(".parquet").is_file():
        noise = np.random.default_rng(0).integers(0, 256, (CHECKED, *spec.shape), np.uint8)
        return noise, f"{counted(CHECKED, 'image')} of noise ({folder} does not exist)"
    store, rows = named_images(folder)
    theirs, pixels = store.spec, store.pixels(rows[:CHECKED])
    if on_features:
        return _enlarged(pixels, spec), f"{counted(len(pixels), 'image')} of {folder}, enlarged"
    if theirs.shape != spec.shape:
        raise CheckpointError(
            f"{folder} holds images of shape {theirs.shape}, the model takes {spec.shape}; name others by --images"
        )
    return pixels, f"{counted(len(pixels), 'image')} of {folder}"
