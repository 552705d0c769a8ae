"""The page of runs that lack something, have much of it, or have hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.config import ReportConfig
from ssgan.errors import DataError
from ssgan.report import ReportInputs, render
from tests.support.fake_run import Fake
from tests.support.report_page import page, read

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$\\frac{a$",  # would be a formula, and a syntax error, to matplotlib
    "{{ 7 * 7 }}",
    "]]></style><b>",
    "exe\u202egnp.\n\x07",
]


def test_hostile_names_are_only_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {i: HOSTILE[i % len(HOSTILE)] for i in range(120)}
    fake = Fake(tmp_path, classes=HOSTILE, paths=paths, blur={"main": 3.0, "twin": 3.0}, warnings=("<b>bold</b>",))
    result = page(fake, monkeypatch, mistakes=60)
    assert not {tag for tag, _ in result.tags} & {"script"}
    assert all(src.startswith("data:image/") for src in result.attributes("src"))
    assert not [name for _, attrs in result.tags for name in attrs if name.startswith("on")]
    for name in (*HOSTILE[:5], "exe\\u202egnp.\\u000a\\u0007", "<b>bold</b>"):
        assert name in result.text, name
    assert "\u202e" not in result.text


def test_missing_parts_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = page(Fake(tmp_path, twin=False, num_val=0, generator=False), monkeypatch)
    text = " ".join(result.text.split())
    for words in ("Gain not measured", "no supervised baseline was trained", "There is no curve", "has no generator"):
        assert words in text
    assert "validation holds 0 images" in text
    assert "Twin" not in text
    assert not (tmp_path / "report/curves.png").exists()


def test_a_supervised_run_shows_no_unlabeled_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(tmp_path, twin=False, method="supervised")
    text = " ".join(page(fake, monkeypatch).text.split())
    assert "Labels only" in text
    assert "with unlabeled" not in text.lower().replace("\n", " ")


def test_without_a_generator_no_figure_and_no_word_of_it_stays(
    usual: Path, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "a second network, the generator" in " ".join(read(usual).text.split())
    assert (copied / "report/generated.png").exists()
    assert "second network" not in page(Fake(copied, generator=False), monkeypatch).text
    assert not (copied / "report/generated.png").exists()


def test_without_summaries_of_the_data(copied: Path) -> None:
    (copied / "metrics/ingest.json").unlink()
    (copied / "data/splits/split.json").unlink()
    render(ReportInputs(), copied / "report", ReportConfig())
    assert "was found" in read(copied).text


def test_a_model_without_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = page(Fake(tmp_path, blur={"main": 0.0, "twin": 0.0}), monkeypatch)
    text = " ".join(result.text.split())
    assert "makes no mistake on the test images" in text
    assert "exactly the same test images" in text
    assert "No measurable gain" in text


@pytest.mark.parametrize(("count", "size", "channels"), [(2, 8, 3), (40, 12, 1), (70, 8, 1)])
def test_any_number_of_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, size: int, channels: int) -> None:
    classes = [f"class number {i}" for i in range(count)]
    fake = Fake(tmp_path, classes=classes, size=size, channels=channels, num_labels=count, blur={"main": 1.0, "twin": 1.5})
    result = page(fake, monkeypatch)
    assert (tmp_path / "report/confusion.png").exists() == (count <= 60)
    assert all(name in result.text for name in classes)


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("metrics/evaluate.json", "evaluate"),
        ("runs/train/manifest.json", "train"),
        ("plots/calibration.csv", "evaluate"),
        ("plots/risk_coverage.csv", "evaluate"),
    ],
)
def test_a_missing_file_names_the_stage(copied: Path, name: str, stage: str) -> None:
    (copied / name).unlink()
    with pytest.raises(DataError, match=f"^{name} does not exist.*; run `dvc repro {stage}`$"):
        render(ReportInputs(), copied / "report", ReportConfig())
