"""When the labels are back: were the picks worth more than images drawn at random?

An image teaches a model something if the model was wrong about it. So the picks are worth their trouble if the model that chose
them was wrong more often on them than on the control group, which was drawn uniformly from the same pool. What the control
group also gives is an unbiased estimate of the error on the pool.

It does not say how much the next model will gain by them; that takes a training with and one without (Settles 2009, section 7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from ssgan.evaluation.comparison import Interval, wilson
from ssgan.selection.shares import SLICES, Slice

Answer = Literal["better", "no measurable difference", "worse", "not enough labels", "no model"]


class SliceCount(NamedTuple):
    """Images of one slice; how many of them have a label by now, and how many of these the model got wrong."""

    images: int
    labeled: int
    wrong: int

    @property
    def rate(self) -> float | None:
        """Share of wrong answers, a fraction; None without labels."""
        return self.wrong / self.labeled if self.labeled else None


class SelectionVerdict(NamedTuple):
    """The counts of each slice; the picks (uncertain and unknown) against the control group.

    The model was not asked about typical images and those for val and test, so of these it got none wrong.

    difference: error rate on the picks minus that on the control group, a fraction, with its interval; None where one of the
        two has no label. pool_error: interval of the error rate on the whole pool. foreign: labels of the new images that are
        no class of the model, with the number of images: it cannot have been right on these.
    """

    slices: dict[Slice, SliceCount]
    picks: SliceCount
    difference: float | None
    interval: Interval | None
    pool_error: Interval | None
    foreign: dict[str, int]
    answer: Answer


def newcombe(wrong: int, total: int, wrong2: int, total2: int, confidence: float) -> Interval:
    """Interval of the difference of two independent proportions, wrong/total - wrong2/total2 (Newcombe 1998, method 10).

    ``d - sqrt((p1 - l1)^2 + (u2 - p2)^2)`` to ``d + sqrt((u1 - p1)^2 + (p2 - l2)^2)`` with (l, u) the Wilson intervals.
    """
    p, q = wrong / total, wrong2 / total2
    (low, high), (low2, high2) = wilson(wrong, total, confidence), wilson(wrong2, total2, confidence)
    return p - q - math.hypot(p - low, high2 - q), p - q + math.hypot(high - p, q - low2)


def judge(
    record: Mapping[str, Any], labels: Mapping[str, str], current_name: Callable[[str], str], confidence: float
) -> SelectionVerdict:
    """Compare the answers of the model that chose with the labels that came back.

    Args:
        record: the content of selection.json.
        labels: sha256 -> class by its current name, of any images.
        current_name: of a class of the model, in case it was renamed or merged since.
    """
    slices: dict[Slice, SliceCount] = {}
    foreign: dict[str, int] = {}
    classes = {current_name(name) for name in record["model"]["classes"]} if record["model"] else set(labels.values())
    for name in SLICES:
        picks = [pick for pick in record["picks"] if pick["slice"] == name]
        known = [(pick["predicted"], labels[pick["sha256"]]) for pick in picks if pick["sha256"] in labels]
        wrong = sum(predicted is not None and current_name(predicted) != label for predicted, label in known)
        slices[name] = SliceCount(len(picks), len(known), wrong)
        for _, label in known:
            if label not in classes:
                foreign[label] = foreign.get(label, 0) + 1
    chosen = SliceCount(*(a + b for a, b in zip(slices["uncertain"], slices["unknown"], strict=True)))
    control = slices["control"]
    pool = wilson(control.wrong, control.labeled, confidence) if control.labeled else None
    if not chosen.labeled or not control.labeled:
        missing: Answer = "not enough labels" if record["model"] else "no model"
        return SelectionVerdict(slices, chosen, None, None, pool, foreign, missing)
    counts = (chosen.wrong, chosen.labeled, control.wrong, control.labeled)
    low, high = newcombe(*counts, confidence)
    difference = chosen.wrong / chosen.labeled - control.wrong / control.labeled
    answer: Answer = "better" if low > 0 else "worse" if high < 0 else "no measurable difference"
    return SelectionVerdict(slices, chosen, difference, (low, high), pool, foreign, answer)


_WORDS: dict[Answer, str] = {
    "better": "choosing beat drawing at random: the model was wrong more often on the picks, so they teach it more",
    "worse": "choosing was worse than drawing at random: the model knew the picks better; draw the next batch at random",
    "no measurable difference": "no measurable difference from drawing at random, with this many labels",
    "not enough labels": "no answer yet: label images of both, the picks and the control group",
    "no model": "chosen before there was a model, so there is nothing to compare with",
}


def describe(verdict: SelectionVerdict, confidence: float) -> str:
    """The verdict for people, in lines."""
    names: dict[Slice, str] = {
        "uncertain": "uncertain",
        "unknown": "unknown class?",
        "control": "random",
        "held_out": "for val, test",
        "typical": "typical",
    }
    asked = ("uncertain", "unknown", "control")
    lines = ["slice            chosen  labeled  the model was wrong on"]
    for name, count in verdict.slices.items():
        if not count.images and (name == "typical" or verdict.answer == "no model"):
            continue
        share = "" if count.rate is None else f"{count.wrong}, {count.rate:.0%}" if name in asked else "(not asked)"
        lines.append(f"{names[name]:<15}{count.images:>8}{count.labeled:>9}  {share}".rstrip())
    if verdict.difference is not None and verdict.interval is not None:
        low, high = (100 * bound for bound in verdict.interval)
        span = f"{low:.0f} to {high:.0f}, {confidence:.0%} interval"
        lines.append(f"picks minus random: {100 * verdict.difference:.0f} points ({span})")
    lines.append(_WORDS[verdict.answer])
    if verdict.pool_error is not None:
        low, high = (100 * bound for bound in verdict.pool_error)
        lines.append(f"error on the whole pool, by the random images: {low:.0f} % to {high:.0f} %")
    if verdict.foreign:
        new = ", ".join(f"{name} ({count})" for name, count in sorted(verdict.foreign.items()))
        lines.append(f"classes that the model does not know: {new}")
    return "\n".join(lines)
