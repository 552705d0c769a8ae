"""Probe, automatic choice and method: what is compared with what, and what is said where one is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ssgan.config import EvaluateConfig
from ssgan.evaluation.foreign import Foreign
from ssgan.evaluation.judge import ModelEvaluation, judge
from ssgan.evaluation.rows import answer, three_rows
from ssgan.report.story import flat

CONFIG = EvaluateConfig()
NONE = Foreign(0.04, 0.0)
LABELS = np.arange(400) % 2


def model(wrong: int) -> ModelEvaluation:
    """Wrong on the first so many images."""
    answers = np.where(np.arange(400) < wrong, 1 - LABELS, LABELS)
    logits = np.eye(2, dtype=np.float32)[answers] * 3
    return judge(logits, LABELS, logits, LABELS, ["a", "b"], CONFIG)


def manifest(method: str, **chosen: str) -> dict[str, Any]:
    return {"config": {"method": {"name": method}}, "fitted": {role: {"chosen": name} for role, name in chosen.items()}}


def test_a_method_is_compared_with_both() -> None:
    judged = {"main": model(20), "twin": model(60), "auto": model(10)}
    rows = three_rows(judged, manifest("bad_gan", auto="self_training"), CONFIG, NONE)
    assert rows is not None
    assert [rows[name]["errors"] for name in ("probe", "auto", "method")] == [60, 10, 20]
    assert rows["method"]["over_probe"]["error_rate"] == 0.1
    assert rows["method"]["over_auto"]["error_rate"] == -0.025
    assert answer(rows).startswith("The unlabeled images are worth +12.5 points")
    assert "The GAN bad_gan is better than the probe" in answer(rows)
    assert "worse than the automatic choice" in answer(rows)
    assert [value for _, value in flat(rows) if " " in str(value)] == [], "a sentence makes the table of dvc metrics diff wide"


def test_the_automatic_choice_and_the_probe_stand_for_themselves() -> None:
    rows = three_rows({"main": model(10), "twin": model(60)}, manifest("auto", main="label_spreading"), CONFIG, NONE)
    assert rows is not None
    assert "method" not in rows
    assert rows["auto"]["over_probe"]["error_rate"] == 0.125
    rows = three_rows({"main": model(60), "auto": model(60)}, manifest("linear_probe", auto="linear_probe"), CONFIG, NONE)
    assert rows is not None
    assert answer(rows).startswith("Folds of the labels favor the probe")


def test_no_gain_is_an_answer() -> None:
    judged = {"main": model(20), "twin": model(20), "auto": model(20)}
    rows = three_rows(judged, manifest("fixmatch", auto="self_training"), CONFIG, NONE)
    assert rows is not None
    assert "make no measurable difference here (by self training)" in answer(rows)
    assert "The method fixmatch is level with the probe" in answer(rows)


@pytest.mark.parametrize(("shares", "said"), [([0.83, 0.17], "an estimated 83 % are a, 17 % b"), ([0.6, 0.4], None)])
def test_a_skewed_pool_is_named(shares: list[float], said: str | None) -> None:
    of = {"config": {"method": {"name": "auto"}}, "fitted": {"main": {"chosen": "self_training", "shares": shares}}}
    rows = three_rows({"main": model(10), "twin": model(60)}, of, CONFIG, NONE)
    assert rows is not None
    assert rows["auto"]["shares"] == dict(zip("ab", shares, strict=True))
    assert said in answer(rows) if said else "skewed" not in answer(rows)


@pytest.mark.parametrize("method", ["bad_gan", "auto", "linear_probe"])
def test_without_the_others_nothing_is_said(method: str) -> None:
    """``train.twin: false``: a model compared with itself would look like an answer."""
    assert three_rows({"main": model(20)}, manifest(method, main="self_training"), CONFIG, NONE) is None


def test_foreign_images_are_named_where_chance_does_not_explain_them() -> None:
    of = {"config": {"method": {"name": "auto"}}, "fitted": {"main": {"chosen": "self_training"}}}
    judged = {"main": model(10), "twin": model(60)}
    quiet, said = (three_rows(judged, of, CONFIG, foreign) for foreign in (NONE, Foreign(0.31, 0.22)))
    assert quiet is not None
    assert said is not None
    assert quiet["foreign"] == {"share": 0.04, "at_least": 0.0}
    assert "no class" not in answer(quiet)
    assert "About 31 % of the unlabeled images (at least 22 %) look like no class that has labels" in answer(said)
