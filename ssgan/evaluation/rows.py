"""Are unlabeled images worth anything here, on top of the backbone? Three models on the same test images, compared in pairs.

    probe    the labels alone: logistic regression on the features
    auto     the choice by folds of the labels among probe, label spreading and self-training
    method   what ``method.name`` names

Letters: N test images.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ssgan.config import EvaluateConfig
from ssgan.evaluation.comparison import Gain, compare, p_text
from ssgan.evaluation.foreign import Foreign
from ssgan.evaluation.judge import ModelEvaluation, round_floats

SKEWED = 2  # how many times as frequent as the rarest class the most frequent one is
GANS = (
    "bad_gan",
    "categorical_gan",
    "explicit_fake",
    "feature_matching",
    "gan",
    "implicit_fake",
    "teacher_gan",
    "triple_gan",
    "ugan",
)


def three_rows(
    judged: dict[str, ModelEvaluation], manifest: dict[str, Any], config: EvaluateConfig, foreign: Foreign
) -> dict[str, Any] | None:
    """What there is to say of the three, as numbers: errors and paired gains; None where one is missing.

    Args:
        judged: by role: main, twin (the probe), auto. Where main is one of the others, or ``train.twin`` is false, they are not
            there.
        manifest: of the training.
        foreign: how many of the unlabeled images look like no class.
    """
    method, main = manifest["config"]["method"]["name"], judged["main"]
    probe, auto = (main if method == name else judged.get(role) for role, name in (("twin", "linear_probe"), ("auto", "auto")))
    if probe is None or auto is None:
        return None
    fitted = manifest["fitted"]["main" if auto is main else "auto"]
    chosen = fitted["chosen"]
    rows = {"probe": _row(probe), "auto": {**_row(auto), "chosen": chosen, "over_probe": _of(_gain(auto, probe, config))}}
    if main is not probe and main is not auto:
        over_probe, over_auto = _gain(main, probe, config), _gain(main, auto, config)
        rows["method"] = {**_row(main), "name": method, "over_probe": _of(over_probe), "over_auto": _of(over_auto)}
    if shares := dict(zip((one["class"] for one in probe.metrics["per_class"]), fitted.get("shares", []), strict=False)):
        rows["auto"]["shares"] = shares
    found: dict[str, Any] = round_floats({**rows, "foreign": foreign._asdict()})
    return found


def answer(rows: dict[str, Any]) -> str:
    """What the rows say, as sentences. They are made where they are shown: metrics hold numbers, which DVC compares."""
    auto = rows["auto"]
    said = [_unlabeled_sentence(_as_gain(auto["over_probe"]), auto["chosen"])]
    if method := rows.get("method"):
        said.append(_method_sentence(_as_gain(method["over_probe"]), _as_gain(method["over_auto"]), method["name"]))
    said += _skew_sentences(auto["shares"]) if "shares" in auto else []
    return " ".join(said + _foreign_sentences(Foreign(**rows["foreign"])))


def _row(model: ModelEvaluation) -> dict[str, Any]:
    return {key: model.metrics[key] for key in ("error_rate", "error_rate_low", "error_rate_high", "errors")}


def _of(gain: Gain) -> dict[str, Any]:
    """As JSON; the difference under the name of what it is a difference of."""
    value = asdict(gain)
    return {"error_rate": value.pop("value"), **value}


def _as_gain(found: dict[str, Any]) -> Gain:
    return Gain(found["error_rate"], **{key: value for key, value in found.items() if key != "error_rate"})


def _gain(model: ModelEvaluation, other: ModelEvaluation, config: EvaluateConfig) -> Gain:
    return compare(model.right, other.right, config.confidence)


def _unlabeled_sentence(gain: Gain, chosen: str) -> str:
    if chosen == "linear_probe":
        return "Folds of the labels favor the probe: they show no use of the unlabeled images here."
    by = f" (by {chosen.replace('_', ' ')})"
    return {
        "gain": f"The unlabeled images are worth {points(gain)} here{by}.",
        "none": f"The unlabeled images make no measurable difference here{by}: {points(gain)}.",
        "too_few": f"There are too few test images to tell what the unlabeled ones are worth{by}: {points(gain)}.",
        "harm": f"The unlabeled images hurt here{by}: {points(gain)}; use the probe.",
    }[gain.verdict]


def _method_sentence(over_probe: Gain, over_auto: Gain, method: str) -> str:
    kind = "The GAN" if method in GANS else "The method"
    beside = {"gain": "better than", "none": "level with", "too_few": "not measurably apart from", "harm": "worse than"}
    return (
        f"{kind} {method} is {beside[over_probe.verdict]} the probe ({points(over_probe)}) and {beside[over_auto.verdict]} the "
        f"automatic choice ({points(over_auto)})."
    )


def _skew_sentences(shares: dict[str, float]) -> list[str]:
    """Nothing where the classes seem about equally frequent."""
    often, rarely = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    if shares[often] < SKEWED * shares[rarely]:
        return []
    return [
        f"The unlabeled images seem skewed: an estimated {100 * shares[often]:.0f} % are {often}, {100 * shares[rarely]:.0f} % "
        f"{rarely}; a method that assumes equal shares loses accuracy on such images."
    ]


def _foreign_sentences(foreign: Foreign) -> list[str]:
    """Nothing where chance explains it."""
    if foreign.at_least <= 0:
        return []
    return [
        f"About {100 * foreign.share:.0f} % of the unlabeled images (at least {100 * foreign.at_least:.0f} %) look like no "
        "class that has labels; such images can cost more than unlabeled images gain: remove them, or label their class."
    ]


def points(gain: Gain) -> str:
    """The gain in points of test error, its interval and its p-value."""
    return f"{100 * gain.value:+.1f} points, {100 * gain.low:+.1f} to {100 * gain.high:+.1f}, {p_text(gain.mcnemar_p)}"
