"""The finder of near-duplicates against a search that compares all with all."""

import time

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.config import ImageSpec
from ssgan.data import duplicates, packed, pair_search
from ssgan.data.duplicates import DuplicateGroups
from ssgan.data.phash import phash
from ssgan.data.signatures import signatures

SPEC = ImageSpec(1, 8, "fit")
Hashes = npt.NDArray[np.uint64]
Pixels = npt.NDArray[np.uint8]


def find(hashes: Hashes, pixels: Pixels, bits: int, rmse: float, **more: int) -> DuplicateGroups:
    """Near-duplicates among images (N, 64) whose hashes (N,) are given."""
    known = signatures(pixels.reshape(-1, *SPEC.shape))._replace(phash=hashes)
    return duplicates.find(known, pixels, bits, rmse, **more)


def groups_by_brute_force(hashes: Hashes, pixels: Pixels, bits: int, rmse: float) -> list[int]:
    n = len(hashes)
    group = list(range(n))
    for a in range(n):
        for b in range(a):
            distance = np.sqrt(((pixels[a].astype(float) - pixels[b]) ** 2).mean())
            near = bin(int(hashes[a]) ^ int(hashes[b])).count("1") <= bits and distance <= rmse
            if near or not distance:
                low, high = sorted((group[a], group[b]))
                group = [low if g == high else g for g in group]
    return group


@st.composite
def clusters(draw: st.DrawFn, most: int = 40) -> tuple[Hashes, Pixels]:
    """(N,) hashes and (N, 64) pixels around a few centers, so that many pairs are close to the limits."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, most))
    center = rng.integers(0, draw(st.integers(1, 6)), n)
    hashes = rng.integers(0, 2**64, 6, dtype=np.uint64)[center]
    for i in range(n):
        for bit in rng.integers(0, 64, rng.integers(0, 5)):
            hashes[i] ^= np.uint64(1) << np.uint64(bit)
    noise = draw(st.integers(0, 12))
    pixels = rng.integers(20, 230, (6, 64))[center] + rng.integers(-noise, noise + 1, (n, 64))
    return hashes, pixels.astype(np.uint8)


@given(clusters(), st.integers(0, 9), st.sampled_from([0.0, 3.0, 6.0, 9.0]))
@settings(max_examples=80, deadline=None)
def test_same_groups_as_brute_force(data: tuple[Hashes, Pixels], bits: int, rmse: float) -> None:
    hashes, pixels = data
    found = find(hashes, pixels, bits, rmse)
    assert found.group.tolist() == groups_by_brute_force(hashes, pixels, bits, rmse)
    assert found.counts["images_cut_short"] == 0
    assert len(np.unique(found.pairs, axis=0)) == len(found.pairs) == found.counts["confirmed_pairs"]


@given(clusters(), st.data())
@settings(max_examples=40, deadline=None)
def test_more_images_only_join_groups(data: tuple[Hashes, Pixels], draw: st.DataObject) -> None:
    hashes, pixels = data
    some = np.array(draw.draw(st.lists(st.integers(0, len(hashes) - 1), unique=True, min_size=1)))
    before = find(hashes[some], pixels[some], 4, 6.0).group
    after = find(hashes, pixels, 4, 6.0).group[some]
    for one in np.unique(before):
        assert len(np.unique(after[before == one])) == 1


def test_batches_do_not_change_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pixels = np.clip(rng.integers(0, 255, (20, 64))[rng.integers(0, 20, 600)] + rng.integers(-8, 9, (600, 64)), 0, 255)
    pixels = pixels.astype(np.uint8)
    hashes = phash(pixels.reshape(-1, 1, 8, 8))
    whole = find(hashes, pixels, 4, 6.0)
    monkeypatch.setattr(pair_search, "BATCH_PAIRS", 10)
    monkeypatch.setattr(packed, "SLICE", 7)
    monkeypatch.setattr(pair_search, "REFRESH", 1)
    monkeypatch.setattr(duplicates, "BLOCK_BYTES", 64)
    small = find(hashes, pixels, 4, 6.0)
    assert small.group.tolist() == whole.group.tolist()
    assert whole.counts["groups"] > 20
    assert small.counts["proposed_pairs"] < whole.counts["proposed_pairs"]


def photo(seed: int) -> npt.NDArray[np.uint8]:
    """(256, 256, 3) picture with structure of all sizes, as a camera file would hold it."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.normal(0, 1, (n, n, 3)), (256, 256), interpolation=cv2.INTER_CUBIC) * 45 / n**0.3 for n in (3, 6, 12, 64)
    ]
    return np.clip(120 + sum(layers), 0, 250).astype(np.uint8)


def ingested(raw: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(3, 32, 32), as ``ingest`` would store it."""
    return np.asarray(cv2.resize(raw, (32, 32), interpolation=cv2.INTER_AREA), np.uint8).transpose(2, 0, 1)


def test_what_a_person_would_call_the_same_picture() -> None:
    one = photo(1)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)
    assert jpeg is not None
    same = [one, np.asarray(jpeg, np.uint8), one + np.uint8(4), np.roll(one, 1, axis=1)]
    images = np.stack([ingested(raw) for raw in [*same, *map(photo, range(2, 40))]])
    found = duplicates.find(signatures(images), images.reshape(len(images), -1), 4, 6.0)
    assert found.group.tolist() == [0, 0, 0, 0, *range(4, len(images))]


def test_hash_alone_does_not_make_a_pair_nor_pixels_alone() -> None:
    pixels = np.array([[100] * 64, [140] * 64, [141] * 64], np.uint8)
    assert find(np.zeros(3, np.uint64), pixels, 4, 6.0).group.tolist() == [0, 1, 1]
    assert find(np.array([0, 0, 31], np.uint64), pixels, 4, 6.0).group.tolist() == [0, 1, 2]


def test_limits_belong_to_the_range() -> None:
    pixels = np.array([[100] * 64, [106] * 64], np.uint8)  # all of the distance is in the mean level
    hashes = np.array([0, 15], np.uint64)
    assert find(hashes, pixels, 4, 6.0).counts["groups"] == 1
    assert find(hashes, pixels, 4, 5.99).counts["groups"] == 0
    assert find(hashes, pixels, 3, 6.0).counts["groups"] == 0


def test_a_pair_is_proposed_once_though_many_bands_agree() -> None:
    board = np.indices((8, 8)).sum(axis=0).reshape(-1) % 2 * 100
    pixels = np.stack([board, 100 - board]).astype(np.uint8)  # equal thumbnails, far apart
    found = find(np.array([0, 1], np.uint64), pixels, 4, 6.0)
    assert (found.counts["proposed_pairs"], found.counts["confirmed_pairs"]) == (1, 0)


def test_equal_pixels_are_one_group_at_any_setting() -> None:
    pixels = np.array([[9] * 64, [200] * 64, [9] * 64], np.uint8)
    found = find(np.zeros(3, np.uint64), pixels, 0, 0.0)
    assert found.group.tolist() == [0, 1, 0]
    assert found.pairs.tolist() == [[0, 2]]
    assert found.counts["images_with_equal_pixels"] == 1


@pytest.mark.exclusive
def test_thousands_of_constant_images() -> None:
    levels = np.random.default_rng(0).integers(0, 12, 20_000) * 20
    pixels = np.repeat(levels[:, None], 64, axis=1).astype(np.uint8)
    start = time.perf_counter()
    found = find(np.full(len(levels), 1 << 63, np.uint64), pixels, 4, 6.0)
    assert time.perf_counter() - start < 5
    assert found.counts["groups"] == 12
    assert found.counts["images_cut_short"] == 0


@pytest.mark.exclusive
def test_ten_thousand_frames_of_one_scene_are_one_group_without_all_pairs() -> None:
    pixels = (100 + np.random.default_rng(0).integers(0, 4, (10_000, 64))).astype(np.uint8)
    start = time.perf_counter()
    found = find(np.zeros(len(pixels), np.uint64), pixels, 4, 6.0)
    assert time.perf_counter() - start < 10  # about 0.5 s on an idle machine
    assert found.counts["largest_group"] == 10_000
    assert found.counts["images_cut_short"] == 0
    assert found.counts["proposed_pairs"] < 2_000_000  # of 50 million


@pytest.mark.exclusive
def test_a_hundred_thousand_images_in_seconds() -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    pixels = rng.integers(0, 256, (n, 64), dtype=np.uint8)
    hashes = rng.integers(0, 2**64, n, dtype=np.uint64)
    pixels[-500:], hashes[-500:] = pixels[:500] ^ 1, hashes[:500] ^ np.uint64(0x8000100100000001)
    start = time.perf_counter()
    found = find(hashes, pixels, 4, 6.0)
    assert time.perf_counter() - start < 8  # about 0.6 s on an idle machine
    assert found.group[-500:].tolist() == list(range(500))
    assert found.counts["confirmed_pairs"] == 500
    assert found.counts["images_cut_short"] == 0


def test_a_search_that_is_cut_short_says_so() -> None:
    pixels = np.random.default_rng(0).integers(90, 110, (500, 64)).astype(np.uint8)
    found = find(np.zeros(500, np.uint64), pixels, 4, 1.0, max_comparisons=1000)
    assert found.counts["images_cut_short"] > 100


class Counted:
    """Pixels that remember which rows were read."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels, self.shape, self.read = pixels, pixels.shape, set[int]()

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> Pixels:
        self.read |= set(rows.tolist())
        return self._pixels[rows]


def test_pixels_are_read_of_proposed_pairs_only() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 64)).astype(np.uint8)
    pixels[200] = pixels[7] ^ 1  # alike, and equal ones need no look
    pixels[201] = pixels[8]
    counted = Counted(pixels)
    found = duplicates.find(signatures(pixels.reshape(-1, *SPEC.shape)), counted, 4, 6.0)
    assert found.pairs.tolist() == [[7, 200], [8, 201]]
    assert counted.read == {7, 200}
