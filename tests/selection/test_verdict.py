"""Was choosing worth it? Intervals against published figures, verdicts on made-up labels."""

from __future__ import annotations

from typing import Any

import pytest

from ssgan.selection.verdict import SliceCount, describe, judge, newcombe


@pytest.mark.parametrize(
    ("counts", "expected"),  # Newcombe 1998, table II, method 10
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((10, 10, 0, 10), (0.6075, 1.0)),
    ],
)
def test_newcombe_gives_the_published_intervals(counts: tuple[int, int, int, int], expected: tuple[float, float]) -> None:
    assert newcombe(*counts, 0.95) == pytest.approx(expected, abs=6e-5)


def record(uncertain: int, unknown: int, control: int) -> dict[str, Any]:
    """The model said "ant" of every image; ids tell the slice."""
    sizes = {"uncertain": uncertain, "unknown": unknown, "control": control}
    picks = [{"sha256": f"{name}{i}", "slice": name, "predicted": "ant"} for name, n in sizes.items() for i in range(n)]
    return {"picks": picks, "model": {"classes": ["ant", "bee"]}}


def labels(**wrong_of: tuple[int, int]) -> dict[str, str]:
    return {f"{name}{i}": "bee" if i < wrong else "ant" for name, (wrong, n) in wrong_of.items() for i in range(n)}


def test_picks_that_the_model_gets_wrong_more_often_beat_the_random_ones() -> None:
    verdict = judge(
        record(160, 20, 20), labels(uncertain=(90, 160), unknown=(10, 20), control=(2, 20)) | {"other": "bee"}, str, 0.95
    )
    assert verdict.answer == "better"
    assert verdict.picks == SliceCount(180, 180, 100)
    assert verdict.difference == pytest.approx(100 / 180 - 2 / 20)
    assert verdict.interval == newcombe(100, 180, 2, 20, 0.95)
    said = describe(verdict, 0.95)
    assert "choosing beat drawing at random" in said
    assert "picks minus random: 46 points" in said
    assert "error on the whole pool, by the random images: 3 % to 30 %" in said


def test_worse_picks_and_too_few_labels_are_called_by_their_names() -> None:
    assert judge(record(50, 0, 50), labels(uncertain=(2, 50), control=(30, 50)), str, 0.95).answer == "worse"
    assert judge(record(50, 0, 50), labels(uncertain=(10, 50), control=(8, 50)), str, 0.95).answer == "no measurable difference"
    nothing = judge(record(50, 5, 50), labels(uncertain=(10, 50)), str, 0.95)
    assert nothing.answer == "not enough labels"
    assert nothing.pool_error is None
    assert "label images of both" in describe(nothing, 0.95)


def test_a_class_that_the_model_does_not_know_is_wrong_and_named() -> None:
    verdict = judge(record(2, 2, 2), {"uncertain0": "ant", "unknown0": "cow", "unknown1": "cow", "control0": "ant"}, str, 0.95)
    assert verdict.slices["unknown"] == SliceCount(2, 2, 2)
    assert verdict.foreign == {"cow": 2}
    assert "classes that the model does not know: cow (2)" in describe(verdict, 0.95)


def test_images_for_val_and_test_are_counted_but_judge_nobody() -> None:
    made = record(2, 0, 2)
    made["picks"] += [{"sha256": f"held{i}", "slice": "held_out", "predicted": None} for i in range(3)]
    verdict = judge(made, labels(uncertain=(1, 2), control=(0, 2)) | {"held0": "bee", "held1": "cow"}, str, 0.95)
    assert verdict.slices["held_out"] == SliceCount(3, 2, 0)
    assert verdict.picks == SliceCount(2, 2, 1)
    assert verdict.foreign == {"cow": 1}
    assert "for val, test         3        2  (not asked)" in describe(verdict, 0.95)


def test_a_class_that_was_renamed_since_is_still_the_same_class() -> None:
    verdict = judge(
        record(1, 0, 1), {"uncertain0": "formica", "control0": "bee"}, {"ant": "formica", "bee": "bee"}.__getitem__, 0.95
    )
    assert verdict.picks == SliceCount(1, 1, 0)
    assert verdict.slices["control"] == SliceCount(1, 1, 1)
    assert verdict.foreign == {}


def test_picks_of_a_time_before_the_first_model_are_counted_and_compared_with_nothing() -> None:
    picks = [{"sha256": f"t{i}", "slice": "typical", "predicted": None} for i in range(5)]
    verdict = judge({"picks": picks, "model": None}, {"t0": "ant", "t1": "bee"}, str, 0.95)
    assert (verdict.answer, verdict.slices["typical"], verdict.foreign) == ("no model", SliceCount(5, 2, 0), {})
    said = describe(verdict, 0.95).splitlines()
    assert said[1].split() == ["typical", "5", "2", "(not", "asked)"]
    assert said[-1] == "chosen before there was a model, so there is nothing to compare with"
    assert len(said) == 3
