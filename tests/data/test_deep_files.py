"""Files of more than 8 bits: which range becomes 0-255, and what ingest says where little of it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssgan.config import DataConfig, FolderSource, ImageSpec
from ssgan.data.decode import DecodeLimits, Rejected, decode, decode_info
from ssgan.data.images import ingest
from ssgan.data.ingest_summary import IngestSummary
from ssgan.data.raw import Request, to_eight_bits
from ssgan.data.sources import make_source
from ssgan.data.store import ImageStore
from tests.support.images import blob, digest, encode, write

LIMITS = DecodeLimits(1 << 20, 1 << 20)


def gray16(values: Any) -> bytes:
    return encode(Image.fromarray(np.asarray(values, np.uint16)), "PNG")


def spec(deep_bits: int | None, channels: int = 1) -> ImageSpec:
    return ImageSpec(channels, 8, "fit", deep_bits)


def scan(seed: int, highest: int = 1900) -> bytes:
    """Twelve bits at most, in a file of sixteen."""
    return gray16(np.random.default_rng(seed).integers(100, highest, (8, 8)))


@given(st.integers(0, 65535))
def test_sixteen_bits_are_divided_by_257_and_rounded(value: int) -> None:
    found = to_eight_bits(np.full((1, 1), value, np.uint16), Request(1, 1))
    assert int(found[0, 0]) == (value + 128) // 257


@given(st.integers(9, 15), st.floats(0, 1))
def test_a_fixed_number_of_bits_becomes_the_whole_range(bits: int, share: float) -> None:
    peak = (1 << bits) - 1
    value = round(share * peak)
    found = to_eight_bits(np.array([[0, value, peak]], np.uint16), Request(1, 1, bits))[0].tolist()
    assert found[::2] == [0, 255]
    assert abs(found[1] - 255 * value / peak) <= 0.5


@pytest.mark.parametrize("kind", ["png", "tiff", "tiff rgb", "netpbm", "jpeg 2000"])
def test_every_format_of_sixteen_bits_follows_the_parameter(kind: str, tmp_path: Path) -> None:
    import imagecodecs

    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 65
    path = tmp_path / "file"
    if kind == "png":
        path.write_bytes(gray16(values))
    elif kind == "netpbm":
        path.write_bytes(b"P5 8 8 65535\n" + values.astype(">u2").tobytes())
    elif kind == "jpeg 2000":
        path.write_bytes(imagecodecs.jpeg2k_encode(values, level=0, codecformat="jp2", bitspersample=16, reversible=True))
    else:
        pixels, color = (np.dstack([values] * 3), "rgb") if kind == "tiff rgb" else (values, "minisblack")
        tifffile.imwrite(path, pixels, photometric=color)
    data = path.read_bytes()
    assert np.abs(decode(data, spec(12), LIMITS)[0] - values * (255 / 4095)).max() <= 0.5
    assert np.abs(decode(data, spec(None), LIMITS)[0] - values / 257).max() <= 0.5
    with pytest.raises(Rejected, match=r"values up to 4095, 12 bits; data\.deep_bits is 11") as caught:
        decode(data, spec(11), LIMITS)
    assert caught.value.reason == "out_of_range"


def test_a_range_that_the_file_declares_is_believed(tmp_path: Path) -> None:
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 65
    tifffile.imwrite(tmp_path / "12.tif", values, photometric="minisblack", bitspersample=12)
    files = [(tmp_path / "12.tif").read_bytes(), b"P5 8 8 4095\n" + values.astype(">u2").tobytes()]
    for data in files:
        for deep_bits in (None, 14):
            found = decode_info(data, spec(deep_bits), LIMITS)
            assert np.abs(found.pixels[0] - values * (255 / 4095)).max() <= 0.5
            assert found.header.bits == 12
    with pytest.raises(Rejected, match="the header promises 4000") as caught:
        decode(b"P5 8 8 4000\n" + values.astype(">u2").tobytes(), spec(None), LIMITS)
    assert caught.value.reason == "corrupt"


def test_alpha_of_a_deep_file_uses_its_whole_range() -> None:
    import cv2

    pixels = np.zeros((8, 8, 4), np.uint16)
    pixels[..., :3], pixels[..., 3] = 4095, 65535
    data = cv2.imencode(".png", pixels)[1].tobytes()
    assert (decode(data, spec(12, 3), LIMITS) == 255).all()


def ingested(folder: Path, files: dict[str, bytes], **options: Any) -> tuple[IngestSummary, DataConfig]:
    source = FolderSource(path=str(write(folder / "raw", files)))
    config = DataConfig(source=source, image_size=8, **options)
    return ingest(make_source(source), config, folder / "out"), config


SCANS = {f"{'ab'[i % 2]}/{i}.png": scan(i) for i in range(6)}


def test_ingest_says_how_dark_deep_files_come_out_and_what_to_do(tmp_path: Path) -> None:
    summary, config = ingested(tmp_path, SCANS | {"a/photo.png": blob(1)})
    told = summary.describe(1.0, config.deep_bits)
    assert summary.metrics()["deep"] == summary.metrics()["low_contrast"] == 6
    assert "6 files of more than 8 bits: the range that each file declares became 0-255 (data.deep_bits)" in told
    assert "6 files of 16 bits are blank or within less than 32 of 256 gray levels, such as a/0.png (" in told
    assert "their values fit 11 bits: set data.deep_bits to what the camera or scanner records, 11 or more" in told

    summary, config = ingested(tmp_path, {}, deep_bits=11)  # the advice is followed: all decoded anew, none refused
    told = summary.describe(1.0, config.deep_bits)
    assert (summary.decoded, summary.metrics()["low_contrast"], summary.rejected.total()) == (7, 0, 0)
    assert "11 of 16 bits became 0-255" in told
    assert "gray levels" not in told


def test_where_no_number_of_bits_helps_none_is_advised(tmp_path: Path) -> None:
    bright = {f"a/{i}.png": gray16(np.random.default_rng(i).integers(64000, 65535, (8, 8))) for i in range(3)}
    summary, config = ingested(tmp_path, bright)
    assert "data.deep_bits to" not in summary.describe(1.0, config.deep_bits)
    assert "check these files" in summary.describe(1.0, config.deep_bits)


def test_blank_and_faint_pictures_of_eight_bits_are_counted_and_padding_is_not_looked_at(tmp_path: Path) -> None:
    y = np.arange(40, dtype=np.uint8)[:, None]
    files = {
        "a/blank.png": encode(Image.fromarray(np.full((8, 8), 77, np.uint8)), "PNG"),
        "a/wide-blank.png": encode(Image.fromarray(np.full((4, 8), 99, np.uint8)), "PNG"),
        "a/faint.png": encode(Image.fromarray(100 + y[:8] + y[:8].T), "PNG"),
        "b/photo.png": blob(1),
        "b/31.png": encode(Image.fromarray(np.repeat([[10, 41]], 4, 0).repeat(4, 1).astype(np.uint8)), "PNG"),
        "b/32.png": encode(Image.fromarray(np.repeat([[10, 42]], 4, 0).repeat(4, 1).astype(np.uint8)), "PNG"),
    }
    summary, _ = ingested(tmp_path, files)
    told = summary.describe(1.0)
    assert (summary.metrics()["blank"], summary.metrics()["low_contrast"], summary.metrics()["deep"]) == (2, 2, 0)
    assert "2 images are blank, such as a/blank.png (77 to 77), a/wide-blank.png (99 to 99); check these files" in told
    assert "a/faint.png (100 to 114), b/31.png (10 to 41); they are learned from as they are" in told


def test_counts_do_not_depend_on_earlier_runs(tmp_path: Path) -> None:
    ingested(tmp_path / "by parts", dict(list(SCANS.items())[:3]))
    parts, config = ingested(tmp_path / "by parts", SCANS)
    whole, _ = ingested(tmp_path / "at once", SCANS)
    assert parts.decoded < whole.decoded
    assert parts.metrics() == whole.metrics()
    assert parts.pictures.notes(config.deep_bits) == whole.pictures.notes(config.deep_bits)
    ingested(tmp_path / "by parts", SCANS)
    assert digest(tmp_path / "by parts/raw") == digest(tmp_path / "at once/raw")


def test_the_range_travels_with_the_images(tmp_path: Path) -> None:
    """So a model keeps it, and ``ssgan predict`` decodes as ingest did."""
    _, config = ingested(tmp_path, SCANS, deep_bits=12)
    assert config.image.deep_bits == 12
    assert ImageStore((tmp_path / "out/images").as_posix()).spec == config.image


def test_another_number_of_bits_decodes_everything_anew(tmp_path: Path) -> None:
    first, _ = ingested(tmp_path, SCANS)
    again, _ = ingested(tmp_path, SCANS)
    other, _ = ingested(tmp_path, SCANS, deep_bits=12)
    assert (first.decoded, again.decoded, other.decoded) == (6, 0, 6)
