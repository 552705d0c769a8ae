"""What the graph does to decoded pixels is what ``ingest`` does, to one gray level."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssgan.config import ImageSpec
from ssgan.data.decode import from_pixels
from ssgan.exporting.prepare import Prepare
from tests.support.images import picture

SIDE = 32
SIZES = [(SIDE, SIDE), (64, 64), (128, 128), (96, 160), (29, 39), (16, 16), (16, 96), (1, 50), (50, 1), (480, 641), (1201, 799)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["fit", "crop", "stretch"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_pixels_differ_by_one_gray_level_at_most(height: int, width: int, resize: str, channels: int) -> None:
    spec = ImageSpec(channels, SIDE, resize)
    smooth = np.ascontiguousarray(picture(height, width)[..., :3])
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    for image in (smooth, noise):
        ours = Prepare(spec)(torch.from_numpy(image[None]))[0].numpy().astype(int)
        assert np.abs(ours - from_pixels(image, spec)).max() <= 1
    if (height, width) == (SIDE, SIDE):  # nothing to resize, so nothing may differ
        assert (ours == from_pixels(noise, spec)).all()


def test_a_gray_image_in_three_channels_stays_what_it_was() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgb = torch.from_numpy(np.repeat(gray[None, ..., None], 3, axis=3))
    assert (Prepare(ImageSpec(1, 16, "fit"))(rgb)[0, 0].numpy() == gray).all()
