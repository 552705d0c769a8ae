"""The lines of docs/use-the-model.md, with onnxruntime and Pillow alone, give the answers of ``ssgan predict``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ssgan.cli.app import run
from tests.support.closure import ROOT

pytestmark = pytest.mark.slow
ALLOWED = {".png": 0.05, ".jpg": 0.1}  # of a probability, as the page says
CALL = """
import pathlib, sys
print(json.dumps({path.name: classify(path) for path in sorted(pathlib.Path("files").iterdir())}))
assert not {"torch", "ssgan", "cv2"} & set(sys.modules)
"""


def snippet() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/use-the-model.md").read_text(), re.DOTALL)
    return str(code)


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("application")
    for name in ("runs/train", "metrics", "data/images", "data/splits"):
        shutil.copytree(trained / name, folder / name)
    write_files(sorted((trained / "raw").rglob("*.png"))[::150], folder / "files")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run(["export", "--format", "onnx"]) == 0
        assert run(["predict", "files", "--out", "answers.parquet"]) == 0
    return folder


def write_files(digits: list[Path], folder: Path) -> None:
    """Digits as people have them: small, large, wide, on their side, colored, half transparent, compressed."""
    folder.mkdir()
    for number, path in enumerate(digits):
        gray = Image.open(path).convert("L")
        gray.save(folder / f"{number}-as-it-was.png")
        large = gray.resize((300, 300), Image.Resampling.BICUBIC)
        wide = Image.new("L", (420, 300))
        wide.paste(large, (60, 0))
        wide.save(folder / f"{number}-wide.png")
        wide.save(folder / f"{number}-wide.jpg", quality=90)
        color = Image.merge("RGB", (large, large.point(lambda v: v // 2), large.point(lambda v: 3 * v // 4)))
        color.save(folder / f"{number}-color.png")
        exif = Image.Exif()
        exif[0x0112] = 6
        color.transpose(Image.Transpose.ROTATE_90).save(folder / f"{number}-turned.jpg", exif=exif, quality=95)
        transparent = color.convert("RGBA")
        transparent.putalpha(Image.fromarray(np.tile(np.linspace(60, 255, 300).astype(np.uint8), (300, 1))))
        transparent.save(folder / f"{number}-transparent.png")
        gray.resize((5, 6)).save(folder / f"{number}-tiny.png")


def test_the_lines_of_the_page_answer_as_predict_does(exported: Path) -> None:
    done = subprocess.run([sys.executable, "-c", snippet() + CALL], cwd=exported, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    ours = {row["path"]: row for row in pq.read_table(exported / "answers.parquet").to_pylist()}
    assert theirs.keys() == ours.keys()
    assert len(ours) > 70
    for name, (label, probability, abstain) in theirs.items():
        allowed = ALLOWED[Path(name).suffix]
        assert abs(probability - ours[name]["probability"]) < allowed, name
        sure = ours[name]["probability"] - ours[name]["probability_2"] > 2 * allowed
        assert label == ours[name]["label"] or not sure, name
        assert not abstain


def test_a_file_says_what_goes_in_and_comes_out(exported: Path) -> None:
    proto = onnx.load(exported / "runs/export/model.onnx")
    (images,) = proto.graph.input
    shape = [axis.dim_param or axis.dim_value for axis in images.type.tensor_type.shape.dim]
    assert shape == ["N", "H", "W", 3]
    assert [value.name for value in proto.graph.output] == ["probabilities", "label", "abstain"]
    assert [value.type.tensor_type.shape.dim[0].dim_param for value in proto.graph.output] == ["N"] * 3
    assert "RGB" in images.doc_string
    assert all(value.doc_string for value in proto.graph.output)
    assert "made by ssgan" in proto.doc_string
