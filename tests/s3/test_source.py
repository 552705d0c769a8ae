"""Raw images in S3 give the same data set as the same images in a folder, byte for byte, also over a bad network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ssgan.config import DataConfig, FolderSource, S3Source
from ssgan.data import on_ray as ray_ingest
from ssgan.data.images import INDEX, ingest
from ssgan.data.sources import make_source
from ssgan.errors import StorageError
from ssgan.storage.s3 import s3_filesystem
from ssgan.storage.store import filesystem
from tests.s3.conftest import FAST
from tests.support.faultproxy import FaultProxy
from tests.support.storage_contract import content

pytestmark = [pytest.mark.s3, pytest.mark.strict_s3]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two classes, a duplicate, a broken image and a text file."""
    random = np.random.default_rng(0)
    folder = tmp_path / "raw"
    for name in ("cat", "dög 2"):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            ok, png = cv2.imencode(".png", random.integers(0, 255, (20, 30, 3), dtype=np.uint8))
            assert ok
            (folder / name / f"{number:02d}.png").write_bytes(png.tobytes())
    good = (folder / "cat" / "00.png").read_bytes()
    (folder / "cat" / "copy.png").write_bytes(good)
    (folder / "cat" / "cut.png").write_bytes(good[:200])
    (folder / "cat" / "notes.txt").write_text("not an image")
    return folder


def ingested(source: Any, out: Path) -> dict[str, bytes]:
    ingest(source, DataConfig(image_size=16, channels=3), out, workers=2)
    return outputs(out)


def outputs(out: Path) -> dict[str, bytes]:
    """All files but the index, which holds times."""
    return {name: data for name, data in content(out).items() if name != INDEX}


def uploaded(raw: Path, url: str) -> None:
    fs, root = filesystem(url)
    for path in sorted(p for p in raw.rglob("*") if p.is_file()):
        fs.pipe_file(f"{root}/{path.relative_to(raw).as_posix()}", path.read_bytes())


def test_objects_that_have_not_changed_are_not_read_again(s3: str, raw: Path, tmp_path: Path) -> None:
    url, config = s3, DataConfig(image_size=16, channels=3)
    uploaded(raw, url)

    def run() -> tuple[int, int]:
        summary = ingest(make_source(S3Source(url=url), filesystem(url)[0]), config, tmp_path / "out")
        return summary.read, summary.decoded

    assert run() == (27, 25)
    assert run() == (0, 0)
    fs, root = filesystem(url)
    fs.pipe_file(f"{root}/cat/01.png", (raw / "cat" / "02.png").read_bytes())  # another picture under the old name
    assert run() == (1, 0)


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("status", {"code": 503, "s3code": "SlowDown", "times": 6}),
    ("cut_response", {"after": 300, "times": 3, "path": "png"}),
    ("refuse", {"times": 6}),
    ("hang", {"times": 1, "path": "png"}),
]


@pytest.mark.parametrize("faults", [[], FAULTS], ids=["good network", "bad network"])
def test_ingest_from_s3_equals_ingest_from_a_folder(
    proxy: FaultProxy, s3: str, raw: Path, tmp_path: Path, faults: list[tuple[str, dict[str, Any]]]
) -> None:
    expected = ingested(make_source(FolderSource(path=str(raw))), tmp_path / "from-folder")
    uploaded(raw, s3)
    injected = [proxy.add(kind, method="GET", **options) for kind, options in faults]
    found = ingested(make_source(S3Source(url=s3), impatient_filesystem()), tmp_path / "from-s3")
    assert found == expected
    assert [fault.hits for fault in injected] == [options["times"] for _, options in faults]


def test_a_flipped_byte_is_noticed(proxy: FaultProxy, s3: str, raw: Path, tmp_path: Path, keys: dict[str, str]) -> None:
    """As far as objects were uploaded with a checksum, which modern clients do."""
    if keys["AWS_REQUEST_CHECKSUM_CALCULATION"] == "when_required":
        pytest.skip("this server stores no checksums with objects")
    expected = ingested(make_source(FolderSource(path=str(raw))), tmp_path / "from-folder")
    uploaded(raw, s3)
    fault = proxy.add("corrupt", method="GET", path="png", after=100, times=3)
    assert ingested(make_source(S3Source(url=s3), impatient_filesystem()), tmp_path / "from-s3") == expected
    assert fault.hits == 3


def test_storage_that_stays_away_ends_the_stage_instead_of_losing_images(
    proxy: FaultProxy, s3: str, raw: Path, tmp_path: Path
) -> None:
    uploaded(raw, s3)
    proxy.add("status", code=503, s3code="SlowDown", method="GET", path="cat/05")
    with pytest.raises(StorageError, match=r"05\.png"):
        ingested(make_source(S3Source(url=s3), impatient_filesystem()), tmp_path / "from-s3")
    assert not content(tmp_path / "from-s3")


@pytest.mark.ray
@pytest.mark.slow
def test_tasks_of_ray_read_s3_themselves(s3: str, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials are those of the workers' environment; ``test_ray_ingest_tasks`` shows that none are sent."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    expected = ingested(make_source(FolderSource(path=str(raw))), tmp_path / "from-folder")
    uploaded(raw, s3)
    source = S3Source(url=s3)
    config = DataConfig(image_size=16, channels=3)
    ingest(make_source(source, filesystem(s3)[0]), config, tmp_path / "by-ray", remote_pool=ray_ingest.ray_pool(source))
    assert outputs(tmp_path / "by-ray") == expected


def impatient_filesystem() -> Any:
    """The file system of the pipeline with a shorter timeout, so that a hanging server does not hold the tests."""
    return s3_filesystem(FAST, attempts=2)
