"""The perceptual hash: near for images that look alike, far for others, the same everywhere."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ssgan.data.phash import phash


def images(n: int, size: int, channels: int = 1) -> np.ndarray:
    """(n, channels, size, size) random smooth blobs."""
    noise = np.random.default_rng(0).normal(size=(n, channels, size, size))
    out = [[cv2.GaussianBlur(plane, (0, 0), size / 12) for plane in image] for image in noise]
    array = np.array(out)
    low, high = array.min(axis=(1, 2, 3), keepdims=True), array.max(axis=(1, 2, 3), keepdims=True)
    return (255 * (array - low) / (high - low)).astype(np.uint8)


def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([int(x).bit_count() for x in a ^ b])


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (64, 3), (256, 3)])
def test_against_the_definition(size: int, channels: int) -> None:
    batch = images(6, size, channels)
    weights = np.array([77, 150, 29])
    for image, found in zip(batch, phash(batch), strict=True):
        grey = image[0] if channels == 1 else (image.astype(int) * weights[:, None, None]).sum(0) >> 8
        k, x = np.arange(8)[:, None], np.arange(size)[None]
        basis = np.rint(4096 * np.cos(np.pi * k * (2 * x + 1) / (2 * size))).astype(int)
        spectrum = basis @ grey.astype(int) @ basis.T
        bits = (spectrum > np.median(spectrum)).ravel()
        assert int("".join("1" if bit else "0" for bit in bits), 2) == int(found)


def test_alike_is_near_and_different_is_far() -> None:
    batch = images(40, 64)
    brighter = np.clip(batch.astype(int) + 6, 0, 255).astype(np.uint8)
    noisy = np.clip(batch + np.random.default_rng(1).normal(0, 2, batch.shape), 0, 255).astype(np.uint8)
    assert distance(phash(batch), phash(brighter)).max() <= 8
    assert np.median(distance(phash(batch), phash(noisy))) <= 4
    assert np.median(distance(phash(batch), np.roll(phash(batch), 1))) >= 20


def test_one_image_has_the_same_hash_in_every_batch() -> None:
    batch = images(50, 28)
    assert np.array_equal(np.concatenate([phash(batch[i : i + 1]) for i in range(50)]), phash(batch))


def test_shape_type_and_black() -> None:
    assert phash(np.zeros((0, 1, 8, 8), np.uint8)).shape == (0,)
    assert phash(np.zeros((2, 3, 8, 8), np.uint8)).tolist() == [0, 0]
    assert phash(images(3, 8)).dtype == np.uint64
