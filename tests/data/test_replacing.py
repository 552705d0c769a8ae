"""An ingest that is killed in the middle of its work."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssgan.data import replacing
from ssgan.data.images import ingest
from ssgan.data.sources.folder import Folder
from ssgan.errors import DataError
from tests.support.images import CONFIG, digest, many, write

KILLED = """
import sys
from pathlib import Path
from ssgan.config import DataConfig
from ssgan.data.images import ingest
from ssgan.data.sources.folder import Folder
ingest(Folder(sys.argv[1], "classes"), DataConfig(image_size=8, channels=1), Path(sys.argv[2]), workers=2)
"""


def test_a_killed_process_leaves_the_old_state_and_no_lock(tmp_path: Path) -> None:
    raw, out = write(tmp_path / "raw", many(5)), tmp_path / "out"
    ingest(Folder(str(raw), "classes"), CONFIG, out)
    before = digest(out)
    pixels = np.zeros((2500, 2500), np.uint8)
    for n in range(60):
        pixels[0, 0] = n
        Image.fromarray(pixels).save(raw / f"a/slow-{n}.png", compress_level=1)
    with subprocess.Popen([sys.executable, "-c", KILLED, raw, out]) as process:
        while not list(out.glob(f"{replacing.BUILDING}/images")) and process.poll() is None:
            time.sleep(0.01)
        with pytest.raises(DataError, match="another ingest or removal is writing"):
            ingest(Folder(str(raw), "classes"), CONFIG, out)
        process.send_signal(signal.SIGKILL)
    assert {name: value for name, value in digest(out).items() if not name.startswith(".")} == before
    assert ingest(Folder(str(raw), "classes"), CONFIG, out, workers=2).accepted == 65
    assert not (out / replacing.BUILDING).exists()
