"""May the challenger become the champion? Rules with a limit from the parameters, a value, and what came of it.

Two equally good models: the rule ``gain`` asks for an interval above 0 *and* an exact test that rejects, so at 95 % confidence
one of them replaces the other by chance at most 5 times in 100 (a test simulates it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ssgan.config import GateConfig
from ssgan.evaluation.comparison import too_few
from ssgan.wording import counted

LEAST_LOST = 2  # images of a class; one image more or less proves nothing, however small the class is


@dataclass(frozen=True)
class Rule:
    """One rule: ``passed`` is None where it did not apply, and ``said`` (a key of verdict.json): why, or what was found."""

    name: str
    limit: float | None
    value: float | None
    passed: bool | None
    said: str


def judge_gate(comparison: dict[str, Any] | None, challenger: dict[str, Any], gate: GateConfig) -> list[Rule]:
    """All rules, in a fixed order.

    ``comparison`` is the result of ``compare_pairs``, None where there is no champion yet; ``challenger`` its evaluate.json.
    """
    compared = (
        [_first(name) for name in ("gain", "recall drop", "classes", "shared images")]
        if comparison is None
        else [_gain(comparison, gate), _recall_drop(comparison, gate), _classes(comparison), _shared(comparison, gate)]
    )
    return [*compared, _calibration(challenger, gate), _ssl_gain(challenger, gate)]


def passes(rules: list[Rule]) -> bool:
    """No rule failed. Rules that did not apply do not count."""
    return not any(rule.passed is False for rule in rules)


def _first(name: str) -> Rule:
    return Rule(name, None, None, None, "skipped: there is no champion yet")


def _off(name: str, key: str) -> Rule:
    return Rule(name, None, None, None, f"skipped: `gate.{key}` is null")


def _gain(comparison: dict[str, Any], gate: GateConfig) -> Rule:
    """With a limit below 0 (not worse by more than that) the exact test of equality has nothing to say."""
    gain, limit = comparison["gain"], gate.min_gain
    proven = gain["verdict"] == "gain" or limit < 0
    more = "more" if gain["error_rate"] < 0 else "fewer"
    text = f"{_points(abs(gain['error_rate']))} points {more} errors" if gain["error_rate"] else "as many errors"
    text += f", interval of the gain {_points(gain['low'])} to {_points(gain['high'])}"
    passed = bool(gain["low"] > limit and proven)
    if not passed:
        few = gain["verdict"] == "too_few"
        text += (
            f"; {too_few(gain, comparison['images']['shared'])}" if few else f"; its low end has to be above {_points(limit)}"
        )
    return Rule("gain", limit, gain["low"], passed, text)


def _recall_drop(comparison: dict[str, Any], gate: GateConfig) -> Rule:
    if gate.max_recall_drop is None:
        return _off("recall drop", "max_recall_drop")
    worst = min(comparison["per_class"], key=lambda row: row["difference"])
    fallen = [
        row
        for row in comparison["per_class"]
        if -row["difference"] > gate.max_recall_drop and row["lost"] - row["won"] >= LEAST_LOST
    ]
    shown = ", ".join(
        f"{row['class']} ({_points(-row['difference'])}, {row['lost'] - row['won']} of {counted(row['images'], 'image')})"
        for row in fallen
    )
    fall = max(0.0, -worst["difference"])
    text = (
        f"largest: {worst['class']}, {_points(fall)} points; {_points(gate.max_recall_drop)} are allowed"
        if fall
        else "no class lost recall"
    )
    if fallen:
        text = f"more than {_points(gate.max_recall_drop)} points: {shown}"
    return Rule("recall drop", gate.max_recall_drop, fall, not fallen, text)


def _classes(comparison: dict[str, Any]) -> Rule:
    """A class list only grows: a name that is gone is a renamed class or a mistake, and both need a person."""
    lost, new = comparison["classes"]["lost"], comparison["classes"]["new"]
    text = f"the challenger does not know {', '.join(lost)}" if lost else "the challenger knows every class of the champion"
    if new:
        text += f"; new: {', '.join(new)}"
    return Rule("classes", 0, len(lost), not lost, text)


def _shared(comparison: dict[str, Any], gate: GateConfig) -> Rule:
    images = comparison["images"]
    all_of_it = images["shared"] + images["only_challenger"]
    share = round(images["shared"] / all_of_it, 6)
    whole = counted(all_of_it, "test image was", "test images were")
    text = f"{images['shared']} of the challenger's {whole} given to the champion too"
    return Rule("shared images", gate.min_shared, share, share >= gate.min_shared, text)


def _calibration(challenger: dict[str, Any], gate: GateConfig) -> Rule:
    if gate.max_ece is None:
        return _off("calibration", "max_ece")
    value = challenger["main"]["ece_calibrated"]
    text = f"probabilities are off by {_points(value)} points on average (ECE), {_points(gate.max_ece)} are allowed"
    if value > gate.max_ece:
        text += f"; the temperature is {challenger['main']['temperature_note']}"
    return Rule("calibration", gate.max_ece, value, value <= gate.max_ece, text)


def _ssl_gain(challenger: dict[str, Any], gate: GateConfig) -> Rule:
    if gate.min_ssl_gain is None:
        return _off("gain over the baseline", "min_ssl_gain")
    gain = challenger["gain"]
    if challenger.get("left_out"):
        return Rule(
            "gain over the baseline", gate.min_ssl_gain, 0.0, True, "it is the baseline itself (evaluate.serve is safest)"
        )
    if gain is None:
        return Rule(
            "gain over the baseline", gate.min_ssl_gain, None, False, "not known: set `train.twin: true` and train again"
        )
    value, high = gain["error_rate"], gain["high"]
    passed = high >= gate.min_ssl_gain
    judged = f"{'not ' if passed else ''}measurably below {_points(gate.min_ssl_gain)}"
    text = f"the gain is {_points(value)} points ({_points(gain['low'])} to {_points(high)}), {judged}"
    return Rule("gain over the baseline", gate.min_ssl_gain, value, passed, text)


def _points(fraction: float) -> str:
    """0.0421 -> "4.2"; without a minus sign in front of zero."""
    text = f"{100 * fraction:.1f}"
    return "0.0" if text == "-0.0" else text
