"""The model of scale: formulas by hand, and a document that says what the model says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.at_scale import model

MEASURED = {
    "decode_core_s": 1e-4,
    "ingest_driver_s": 1e-5,
    "ingest_row_bytes": 100.0,
    "split_row_s": 2e-5,
    "split_row_bytes": 500.0,
    "image_bytes": 1e4,
    "memory_budget": 2e9,
    "submission_s": 30.0,
    "flop_per_image": 1e9,
    "parameters": 1e6,
    "stream_bytes_per_s": 1e8,
}
W = model.world(MEASURED).but(
    gpu_flop_per_s=1e14,
    utilization=0.1,
    step_overhead_s=0.01,
    reduce_bytes_per_s=1e9,
    batch_per_gpu=100,
    cores_per_gpu=10,
    core_speed=1,
    raw_bytes=5e4,
    node_bytes_per_s=1e9,
    listing_page_s=0.001,
    footer_s=0.05,
)


def near(seconds: float, what: str) -> object:
    """Equal to a bound of these seconds, but for rounding."""
    return pytest.approx(seconds), what


def test_ingest_is_as_slow_as_its_slowest_part() -> None:
    assert model.ingest(W, 1e6, 1) == near(50.0, "reading raw files")  # 5e4 bytes at 1e9 bytes/s
    assert model.ingest(W.but(raw_bytes=1), 1e6, 1) == near(10.0, "decoding")  # equal to the driver's 10 s
    assert model.ingest(W.but(raw_bytes=1), 1e6, 8) == near(10.0, "one driver")
    assert model.ingest(W.but(listing_page_s=0.1), 1e6, 8) == near(100.0, "listing the bucket")


def test_an_epoch_waits_for_the_slower_of_gpu_and_reader() -> None:
    # a step: 1e9 * 100 / 1e13 + 0.01 = 0.02 s on the GPU, 2 * 100 * 1e4 / 1e8 = 0.02 s to read
    assert model.one_epoch(W.but(step_overhead_s=0.03), 1e6, 1) == near(1e4 * 0.04, "GPU")
    assert model.one_epoch(W.but(step_overhead_s=0.0), 1e6, 1) == near(1e4 * 0.02, "reading and shuffling")
    reduce = 2 * 7 / 8 * 4e6 / 1e9
    assert model.one_epoch(W, 1e6, 8).seconds == pytest.approx(1e4 / 8 * (0.02 + reduce))


def test_split_is_one_process_and_one_disk() -> None:
    w = W.but(disk_bytes_per_s=1e9)
    assert model.split(w, 1e6) == near(20.0 + 40.0, "pixels through one disk")
    assert model.split(w.but(disk_bytes_per_s=1e10), 1e6) == near(20.0 + 4.0, "rows in one process")


def test_a_start_opens_all_shards_only_where_images_do_not_fit() -> None:
    assert model.start(W, 1e5) == (30.0, "Ray and imports")
    shards = 1e9 * 1e4 / 2**26
    assert model.start(W, 1e9) == near(30 + 4 * shards * 0.05, "opening shards")


def test_cost_adds_gpus_cores_and_storage() -> None:
    prices = model.Prices(gpu_hour=3600.0, core_hour=0.0, tb_month=0.0)
    seconds = model.start(W, 1e6).seconds + model.one_epoch(W, 1e6, 8).seconds
    assert model.cost(W, 1e6, 8, prices) == pytest.approx(8 * seconds)
    assert model.cost(W, 1e6, 8, model.Prices(0.0, 0.0, 10.0)) == pytest.approx(1e6 * (3 * 1e4 + 5e4) / 1e12 * 10)
    alone = 1e6 * 2e-5 + 4 * 1e6 * 1e4 / W["disk_bytes_per_s"] + 1e6 * 1e4 / W["publish_bytes_per_s"]
    cores = model.ingest(W, 1e6, 8).seconds * 80 + alone * 80
    assert model.cost(W, 1e6, 8, model.Prices(0.0, 3600.0, 0.0)) == pytest.approx(cores)


def test_breaks_come_in_order() -> None:
    found = {each.what.split(":")[0]: each.images for each in model.breaks(W.but(memory_bytes=5e10))}
    assert found["memory of split"] == pytest.approx(1e8)
    assert found["memory of ingest"] == pytest.approx(5e8)
    images = [each.images for each in model.breaks(W)]
    assert images == sorted(images)


def test_slope_is_that_of_the_longest_stretch() -> None:
    assert scale.slope([{"rows": 1e5, "bytes": 3e7}, {"rows": 1e6, "bytes": 12e7}], "bytes") == pytest.approx(100.0)


def test_every_constant_says_where_it_comes_from() -> None:
    for name, constant in scale.constants().items():
        assert constant["source"], name
        assert constant["unit"], name


def test_the_document_is_current() -> None:
    assert Path(scale.DOCUMENT).read_text() == scale.document(), "run python -m benchmarks.scale document"
