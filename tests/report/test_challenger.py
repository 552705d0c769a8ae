"""The page of a comparison: the first screen in words, the contact sheets, and nothing from strangers that does harm."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from ssgan.registry.promotion import compare_models, write_all
from ssgan.report.challenger import kept_images, render, scope, tell
from tests.support.finished_project import BAD, finished, parameters

BASE: dict[str, dict[str, Any]] = {
    "images": {"shared": 100, "only_champion": 0, "only_challenger": 0, "relabeled": 0},
    "champion": {"error_rate": 0.2, "errors": 20},
    "challenger": {"error_rate": 0.1, "errors": 10},
    "gain": {
        "error_rate": 0.1,
        "low": 0.02,
        "high": 0.18,
        "only_challenger_right": 14,
        "only_champion_right": 4,
        "mcnemar_p": 0.031,
        "verdict": "gain",
    },
}


def verdict(decision: str = "promote", **changes: Any) -> dict[str, Any]:
    return {"decision": decision, "named": "champion", "comparison": {**BASE, **changes}}


def test_the_first_screen_in_words() -> None:
    better = tell(verdict())
    assert (better.badge, better.headline) == ("Gate passed", "The challenger removes 50 of every 100 errors of the champion.")
    assert better.lead == "Of 100 test images, the challenger gets 10.0% wrong and the champion 20.0%."
    assert better.caveat.startswith("14 images are right only with the challenger, 4 only with the champion (p = 0.031).")
    same = tell(verdict("person", gain={**BASE["gain"], "verdict": "none"}))
    assert (same.badge, same.headline) == ("A person decides", "No measurable difference between the two.")
    worse = tell(verdict("person", gain={**BASE["gain"], "verdict": "harm"}, challenger={"error_rate": 0.3, "errors": 30}))
    assert (worse.verdict, worse.headline) == ("harm", "The challenger is worse: 30 errors instead of 20.")
    perfect = tell(verdict(challenger={"error_rate": 0.0, "errors": 0}))
    assert perfect.headline == "The challenger removes all errors of the champion."
    one = {"error": {"error_rate": 0.1}, "test_images": 1200}
    first = tell({"decision": "promote", "named": "champion", "comparison": None, "challenger": one})
    assert first.lead.startswith("It gets 10.0% of 1,200 unseen images wrong.")
    assert first.headline == "The first model: there is nothing to compare it with."


def test_which_images_decided() -> None:
    assert scope(BASE) == "Both were evaluated on exactly the same test images."
    grown = {**BASE, "images": {"shared": 100, "only_champion": 2, "only_challenger": 1500, "relabeled": 3}}
    assert "1,500 are known to the challenger only, 2 to the champion only" in scope(grown)
    assert scope(grown).endswith("3 of them have another label than before; the label of today counts.")


class Page:
    """The page about two projects, the first of which is the champion."""

    def __init__(self, root: Path, champion: str, challenger: str) -> None:
        config = parameters(root)
        self.comparison = compare_models(
            config, champion, challenger, root / f"scratch-{challenger}-{len(list(root.iterdir()))}"
        )
        self.out = root / "out"
        write_all(self.comparison, self.comparison.verdict(config), self.out, config)
        self.text = (self.out / "index.html").read_text()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    finished(tmp_path / "bad", monkeypatch, "run-a", BAD, paths={0: "<script>alert(1)</script>.png"})
    finished(tmp_path / "good", monkeypatch, "run-b", paths={0: "<script>alert(1)</script>.png"})
    return tmp_path


def test_every_flipped_image_is_in_the_table_and_the_surest_are_shown(root: Path) -> None:
    page = Page(root, "bad", "good")
    pairs = page.comparison.pairs
    assert pairs
    with (page.out / "flipped.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["id"] for row in rows if row["change"] == "better"} == set(pairs.challenger.ids[pairs.better])
    assert len(rows) == len(pairs.better) + len(pairs.worse)
    assert all((row["challenger"] == row["label"]) == (row["change"] == "better") for row in rows)
    shown = page.text.split('id="better"')[1].split("</section>")[0]
    assert shown.count("<li>") == min(24, len(pairs.better))
    assert "all are in <code>flipped.csv</code>" in shown
    kept = kept_images(root / "bad/runs/evaluate/mistakes.parquet")
    assert set(pairs.challenger.ids[pairs.better]) <= set(kept)  # what was wrong before was kept then


def test_images_whose_pixels_were_not_kept_are_counted(root: Path) -> None:
    first = Page(root, "bad", "good")
    render(first.comparison.verdict(parameters(root)), first.comparison.pairs, {}, root / "bare", 24)
    text = (root / "bare/index.html").read_text()
    assert re.search(r"\d+ images, 0 of them shown", text)


def test_names_of_strangers_do_no_harm(root: Path) -> None:
    page = Page(root, "bad", "good")
    assert "<script" not in page.text
    assert "default-src 'none'" in page.text
    assert not re.search(r'(src|href)="(?!data:|#)', page.text)


def test_the_same_pair_gives_the_same_page(root: Path) -> None:
    before = Page(root, "bad", "good").text
    assert Page(root, "bad", "good").text == before
    assert "run-a" in before
    assert "run-b" in before


def test_the_first_model_has_a_page_too(root: Path) -> None:
    Page(root, "bad", "good")
    page = Page(root, "champion", "good")
    metrics = page.comparison.challenger.metrics
    for role in ("main", "twin"):
        assert f'<p class="big {role}">{100 * metrics[role]["error_rate"]:.1f}%</p>' in page.text, role
    assert "<th>Champion</th>" not in page.text
    assert "there is nothing to compare it with" in page.text
    assert "there is no champion yet" in page.text
    assert not (page.out / "flipped.csv").exists()  # that of the comparison before says nothing about this one
