"""Batches: deterministic, partitioned over ranks, resumable; in memory and streamed."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.config import AugmentConfig, ImageSpec, LoaderConfig
from ssgan.core.distributed import solo
from ssgan.data.files import SplitFiles
from ssgan.data.loaders import Batches, BatchRequest
from ssgan.data.sampler import Stream, part
from ssgan.data.streaming import StreamingImages
from ssgan.errors import ConfigError, DataError
from tests.support.data import copied, on_features, write_data
from tests.support.ranks import run_ranks

CPU = torch.device("cpu")
STREAM = LoaderConfig(memory_budget=1, shuffle_row_groups=2)
MEMORY = LoaderConfig()


def request(labeled: int = 6, unlabeled: int = 20, streams: int = 2, seed: int = 0, augment: bool = False) -> BatchRequest:
    return BatchRequest(labeled, unlabeled, streams, False, seed, AugmentConfig(shift_px=2, flip=True) if augment else None)


@pytest.mark.parametrize("memory_budget", [1 << 30, 1])
def test_a_second_view_shows_the_same_images_augmented_anew(memory_budget: int, splits: SplitFiles) -> None:
    loader = LoaderConfig(memory_budget=memory_budget)
    plain = replace(request(streams=1), second_view=True)
    batch = next(Batches(splits, plain, loader, torch.device("cpu")).iterate(3, 4))
    assert torch.equal(batch.x_u, batch.x_u2)
    changed = replace(plain, augment=AugmentConfig(shift_px=2))
    views = next(Batches(splits, changed, loader, torch.device("cpu")).iterate(3, 4))
    assert not torch.equal(views.x_u, views.x_u2)
    for view in (views.x_u, views.x_u2):  # the middle of a shifted image is some window of the whole one
        windows = batch.x_u.unfold(2, 4, 1).unfold(3, 4, 1)
        assert (windows == view[:, :, 2:6, 2:6].unsqueeze(2).unsqueeze(3)).all((4, 5)).flatten(1).any(1).all()


def test_images_are_floats_in_the_unit_range(splits: SplitFiles) -> None:
    batch = next(Batches(splits, request(), MEMORY, CPU).iterate(0, 1))
    assert batch.x_l.shape == (6, 1, 8, 8)
    assert batch.x_u.shape == batch.x_u2.shape == (20, 1, 8, 8)
    assert batch.x_u.dtype == torch.float32
    table = splits.read("labeled")
    row = table["label"].to_pylist().index(int(batch.y_l[0]))
    assert row >= 0
    assert float(batch.x_u.max()) <= 1.0
    assert float(batch.x_u.max()) > 0.5


def test_labels_go_with_their_images(splits: SplitFiles) -> None:
    known = {image.tobytes(): label for image, label in zip(splits.inputs("labeled"), splits.labels("labeled"), strict=True)}
    for batch in Batches(splits, request(), MEMORY, CPU).iterate(0, 4):
        images = (batch.x_l * 255).round().to(torch.uint8).numpy()
        assert [known[image.tobytes()] for image in images] == batch.y_l.tolist()


@pytest.mark.parametrize("loader", [MEMORY, STREAM], ids=["memory", "streaming"])
def test_two_streams_differ_and_a_seed_repeats(loader: LoaderConfig, splits: SplitFiles) -> None:
    a, b = (list(Batches(splits, request(), loader, CPU).iterate(0, 3)) for _ in range(2))
    other = list(Batches(splits, request(seed=1), loader, CPU).iterate(0, 3))
    assert all(torch.equal(x.x_u, y.x_u) and torch.equal(x.x_u2, y.x_u2) for x, y in zip(a, b, strict=True))
    assert not torch.equal(a[0].x_u, a[0].x_u2)
    assert not torch.equal(a[0].x_u, other[0].x_u)


@pytest.mark.parametrize("loader", [MEMORY, STREAM], ids=["memory", "streaming"])
@pytest.mark.parametrize("start", [1, 9, 10, 11, 25])
def test_resuming_sees_what_was_never_stopped(loader: LoaderConfig, start: int, splits: SplitFiles) -> None:
    whole = list(Batches(splits, request(augment=True), loader, CPU).iterate(0, 30))
    resumed = list(Batches(splits, request(augment=True), loader, CPU).iterate(start, 30))
    for x, y in zip(whole[start:], resumed, strict=True):
        assert torch.equal(x.x_l, y.x_l)
        assert torch.equal(x.x_u, y.x_u)
        assert torch.equal(x.x_u2, y.x_u2)
        assert (x.step, x.seed) == (y.step, y.seed)


def epoch_on_rank(root: str, loader: LoaderConfig, augment: bool) -> list[torch.Tensor]:
    """Every image that this rank sees in the first ten steps of 20 out of 200 images."""
    batches = Batches(SplitFiles(root), request(labeled=8, augment=augment), loader, CPU)
    return [batch.x_u for batch in batches.iterate(0, 10)]


@pytest.mark.parametrize("loader", [MEMORY, STREAM], ids=["memory", "streaming"])
@pytest.mark.parametrize("world", [2, 4])
def test_ranks_partition_an_epoch(loader: LoaderConfig, world: int, splits: SplitFiles, tmp_path: Path) -> None:
    per_rank = run_ranks(epoch_on_rank, world, tmp_path, splits.root, loader, False)
    seen = Counter(image.numpy().tobytes() for images in per_rank for batch in images for image in batch)
    assert len(seen) == 200
    assert set(seen.values()) == {1}


def test_in_memory_one_rank_sees_the_batches_of_two(splits: SplitFiles, tmp_path: Path) -> None:
    one = epoch_on_rank(splits.root, MEMORY, True)
    two = run_ranks(epoch_on_rank, 2, tmp_path, splits.root, MEMORY, True)
    for i, batch in enumerate(one):
        assert torch.equal(batch, torch.cat([two[0][i], two[1][i]]))


def first_features_of_rank(root: str) -> torch.Tensor:
    """Unlabeled features of the first step, whose space is entered by every rank alone, as where a run starts from another."""
    batches = Batches(on_features(SplitFiles(root)), request(), MEMORY, CPU)
    with solo():
        batches.enter(lambda raw: raw.float())
    return next(batches.iterate(0, 1)).x_u


def test_ranks_share_a_batch_of_features_whatever_entered_their_space(splits: SplitFiles, tmp_path: Path) -> None:
    two = run_ranks(first_features_of_rank, 2, tmp_path, splits.root)
    assert torch.equal(first_features_of_rank(splits.root), torch.cat(two))


def test_streaming_shuffles_over_row_groups(splits: SplitFiles) -> None:
    """Images of the same row group must not stay together, and no epoch is like the one before."""
    images = StreamingImages(splits, 20, 0, "x", 0, 1, 2, 1)
    epochs = [np.concatenate([images.read(e * 10 + s) for s in range(10)]) for e in range(2)]
    assert not np.array_equal(epochs[0], epochs[1])
    assert Counter(i.tobytes() for i in epochs[0]) == Counter(i.tobytes() for i in epochs[1])
    stored = [i.tobytes() for i in splits.store.pixels(np.sort(splits.rows("unlabeled")))]
    groups = [stored.index(i.tobytes()) // 64 for i in epochs[0][:20]]
    assert len(set(groups)) > 1


def test_batches_of_a_sorted_source_are_as_mixed_as_those_of_a_full_shuffle(tmp_path: Path) -> None:
    """Ten classes, in the order of the classes, in 40 shards of one class each, streamed in windows of 40 of 800 row groups.

    Chi-squared of the class counts of 160 batches of 50 against equal shares: of a full shuffle without replacement, each batch
    has 9 degrees of freedom. In an order of row groups by chance, a window would be a draw of 40 row groups, not of images.
    """
    classes, of_class, batch = 10, 800, 50
    labels = np.repeat(np.arange(classes), of_class)
    images = np.random.default_rng(1).integers(0, 256, (len(labels), 1, 8, 8), dtype=np.uint8)
    sets: dict[str, Any] = {"unlabeled": (images, None), "labeled": (images[:1], labels[:1])}
    files = write_data(tmp_path, sets, ImageSpec(1, 8, "fit"), ["x"] * classes, shard=200, group=10)
    label_of = {image.tobytes(): label for image, label in zip(images, labels.tolist(), strict=True)}
    steps = len(labels) // batch

    def chi_squared(batches: Iterable[list[int]]) -> float:
        counts = np.stack([np.bincount(one, minlength=classes) for one in batches])
        return float(((counts - batch / classes) ** 2 / (batch / classes)).sum())

    streamed, shuffled = [], []
    for seed in range(3):
        stream = StreamingImages(files, batch, seed, "x", 0, 1, 40, 1)
        streamed.append(chi_squared([label_of[one.tobytes()] for one in stream.read(step)] for step in range(steps)))
        order = np.random.default_rng(seed).permutation(labels)
        shuffled.append(chi_squared(order[at : at + batch].tolist() for at in range(0, len(order), batch)))
    freedom = steps * (classes - 1)
    deviation = (2 * freedom) ** 0.5
    assert all(abs(one - freedom) < 4 * deviation for one in shuffled)
    assert max(streamed) < freedom + 4 * deviation
    assert min(streamed) > 0.7 * freedom  # balanced, but no batch is forced to be


def test_streaming_needs_a_batch_of_images(splits: SplitFiles) -> None:
    with pytest.raises(ConfigError, match=r"200 images, fewer than the batch of 500"):
        Batches(splits, request(unlabeled=500), STREAM, CPU)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 40), batch=st.integers(1, 60), seed=st.integers(0, 5), steps=st.integers(1, 12))
def test_a_stream_is_permutations_end_to_end(n: int, batch: int, seed: int, steps: int) -> None:
    stream = Stream(n, batch, seed, "x")
    row = np.concatenate([stream.indices(s) for s in range(steps)])
    for epoch in range(len(row) // n):
        assert sorted(row[epoch * n : (epoch + 1) * n]) == list(range(n))
    assert np.array_equal(Stream(n, batch, seed, "x").indices(steps - 1), row[-batch:]), "reading out of order is the same"


def test_parts_of_a_batch() -> None:
    indices = np.arange(12)
    assert np.array_equal(np.concatenate([part(indices, r, 3) for r in range(3)]), indices)


def test_counts_the_labeled_images_seen(splits: SplitFiles) -> None:
    batches = Batches(splits, request(labeled=2), MEMORY, CPU)
    iterator = batches.iterate(0, 3)
    next(iterator)
    assert int(batches.seen.sum()) == 2
    list(iterator)
    assert int(batches.seen.sum()) == 6


def test_init_batch_takes_every_labeled_image(splits: SplitFiles) -> None:
    batch = Batches(splits, request(), MEMORY, CPU).init_batch()
    assert len(batch.x_l) == 6
    assert len(batch.x_u) == 200
    assert sorted(batch.y_l.tolist()) == [0, 0, 1, 1, 2, 2]


def test_no_stream_reads_no_unlabeled_image(splits: SplitFiles, tmp_path: Path) -> None:
    without = copied(splits, tmp_path / "without")
    (tmp_path / "without/splits/unlabeled.parquet").unlink()
    batch = next(Batches(without, request(streams=0), MEMORY, CPU).iterate(0, 1))
    assert len(batch.x_u) == 0


def test_letting_go_of_a_stream_joins_no_thread(splits: SplitFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run goes back to a checkpoint, garbage collection ends the old stream in whatever thread it happens to run, also
    in one that is just starting and holds the lock that a join needs."""
    images = StreamingImages(splits, 10, 0, "x", 0, 1, 1, 1)
    images.read(0)
    images._reader.submit(int).result()  # what is read ahead has been read
    gone = weakref.ref(images)
    joined: list[str] = []
    monkeypatch.setattr(threading.Thread, "join", lambda self, timeout=None: joined.append(self.name))
    del images
    gc.collect()
    assert gone() is None
    assert not joined


def test_missing_sets_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labeled\.parquet does not exist; .*dvc repro split"):
        Batches(SplitFiles(str(tmp_path)), request(), MEMORY, CPU)
