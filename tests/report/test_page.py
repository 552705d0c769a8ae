"""The page as a browser would read it: complete, self-contained, deaf to hostile names."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ssgan.config import ReportConfig
from ssgan.report import ReportInputs, figures, render
from ssgan.report.images import encode
from tests.support.fake_run import Fake
from tests.support.report_page import Page, page, read


def test_everything_is_on_the_page(usual: Path) -> None:
    result = read(usual)
    text = " ".join(result.text.split())
    for words in (
        "The unlabeled images removed",
        "With 12 labels and 50 unlabeled images",
        "discriminator wins at step 100",
        "Most frequent confusions",
        "Proof of the label budget",
        "12 of 12",
        "230 files seen = 222 accepted + 3 rejected + 5 duplicates",
        "… bomb",
        "train.steps",
        "abc123",
        "main/last/model.safetensors",
        "taken out of training",
    ):
        assert words in text, words
    names = {p.name for p in (usual / "report").iterdir()}
    figures = {
        f"{name}.png" for name in ("errors", "curves", "confusion", "calibration", "risk_coverage", "mistakes", "generated")
    }
    assert names == {"index.html"} | figures
    for name in figures:
        assert min(Image.open(usual / "report" / name).size) > 90, name


def test_mistakes_are_shown_as_their_originals_where_these_are_there(copied: Path) -> None:
    path = copied / "runs/evaluate/mistakes.parquet"
    table = pq.read_table(path)
    assert table["original"].null_count == len(table) > 1
    jpeg = encode(np.zeros((3, 90, 120), np.uint8), lossless=False)
    column = pa.array([jpeg, *[None] * (len(table) - 1)], pa.binary())
    pq.write_table(table.set_column(table.schema.get_field_index("original"), "original", column), path)
    render(ReportInputs(), Path("report"), ReportConfig())
    mistakes = (copied / "report/index.html").read_text().split('<section id="mistakes">')[1].split("</section>")[0]
    first, *others = re.findall(r"<img[^>]*>", mistakes)
    assert f'src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"' in first
    assert "pixels" not in first
    assert others
    assert all('class="pixels"' in one for one in others)


def test_counts_have_words_and_separators(copied: Path) -> None:
    path = copied / "metrics/ingest.json"
    counts = {**json.loads(path.read_text()), "bytes": 2203290, "rejected_by_reason": {}}
    path.write_text(json.dumps(counts))
    render(ReportInputs(), Path("report"), ReportConfig())
    text = " ".join(read(copied).text.split()).split("Details Scores")[0]
    text = text[text.index("What ran") :]
    assert "Bytes of all files that can be read2,203,290" in text
    assert "{}" not in text
    assert "Left out of training: near-duplicates of test images2" in text
    assert not re.search(r"\bval\b|\bVal\b|\btwin\b|\bTwin\b", text), "words of the code"


def test_figures_say_what_they_show_and_of_which_run(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = {}

    def png(draw: Any, to: Path, dpi: int = 200, title: str = "") -> None:
        titles[to.stem] = title
        assert figures_png(draw, to, dpi, title) is None

    figures_png = figures.png
    monkeypatch.setattr(figures, "png", png)
    render(ReportInputs(), Path("report"), ReportConfig())
    assert titles["errors"] == "Error on unseen images\nfake-run, 120 test images"
    assert titles["curves"] == "Error while training\nfake-run, 40 validation images"
    assert all(title.endswith(("test images", "validation images")) for title in titles.values())


def test_the_page_ends_with_what_to_do(usual: Path) -> None:
    text = " ".join(read(usual).text.split()).split("What to do next")[1]
    for words in (
        "ssgan audit",
        "ssgan next --budget 200 && ssgan label",
        "4 labels per class",
        "ssgan compare",
        "ssgan predict",
    ):
        assert words in text, words


def test_links_lead_to_sections_that_exist(usual: Path) -> None:
    result = read(usual)
    targets = [href[1:] for tag, attrs in result.tags if tag == "a" and (href := attrs["href"])]
    ids = result.attributes("id")
    assert len(targets) > 5
    assert set(targets) <= set(ids)
    assert len(ids) == len(set(ids))


def test_nothing_is_loaded_and_nothing_runs(usual: Path) -> None:
    result = read(usual)
    assert all(src.startswith("data:image/") for src in result.attributes("src"))
    assert not {tag for tag, _ in result.tags} & {"script", "link", "iframe", "object", "foreignobject", "image"}
    for value in result.attributes("href") + result.attributes("xlink:href"):
        assert value.startswith("#"), value
    source = (usual / "report/index.html").read_text()
    assert not re.search(r"url\((?!#)", source)
    assert "default-src 'none'; img-src data:;" in result.attributes("content")[-1]


def test_the_mistakes_are_shown_pixel_for_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    fake = Fake(tmp_path, channels=3)
    result = page(fake, monkeypatch, mistakes=3)
    kept = pq.read_table(tmp_path / "runs/evaluate/mistakes.parquet")
    shown = [attrs["src"] for tag, attrs in result.tags if tag == "img" and "test image" in str(attrs["alt"])]
    assert len(shown) == 3
    for src, pixels in zip(shown, kept["pixels"].to_pylist(), strict=False):
        image = Image.open(io.BytesIO(base64.b64decode(str(src).split(",")[1])))
        expected = np.frombuffer(pixels, np.uint8).reshape(3, 8, 8).transpose(1, 2, 0)
        assert (np.asarray(image) == expected).all()
    assert re.search(r"\.pixels \{[^}]*image-rendering: pixelated", (tmp_path / "report/index.html").read_text())


def test_the_same_facts_give_the_same_bytes_and_the_test_set_is_not_needed(usual: Path, copied: Path) -> None:
    """Only ``evaluate`` opens test: the report works where the set is out of reach."""
    for file in (copied / "data/splits").glob("*/*.parquet"):
        file.unlink()
    render(ReportInputs(), copied / "again", ReportConfig())
    assert {p.name: p.read_bytes() for p in (usual / "report").iterdir()} == {
        p.name: p.read_bytes() for p in (copied / "again").iterdir()
    }


@pytest.mark.parametrize(
    ("max_risk", "num_val", "words"),
    [
        ("null", 40, "No threshold was requested"),
        (0.05, 40, "No threshold: validation holds 40 images, at least 117 are needed to guarantee 0.05"),
        (0.05, 400, "Accepted were 5.0% wrong among the answered images. The validation images gave the threshold"),
    ],
)
def test_the_page_says_when_a_person_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_risk: float | str, num_val: int, words: str
) -> None:
    fake = Fake(tmp_path, num_val=num_val).write()
    (tmp_path / "params.yaml").write_text(f"evaluate: {{max_risk: {max_risk}}}\n")
    fake.evaluate(monkeypatch)
    render(ReportInputs(), Path("report"), ReportConfig())
    text = Page((tmp_path / "report/index.html").read_text(encoding="utf-8")).text
    assert words in " ".join(text.split())
