"""Which model is handed out: that of the method, or its supervised baseline where the validation images favor that one.

With ``evaluate.serve: safest`` the method has to be wrong on fewer validation images than the baseline; a tie goes to the
baseline. The test images have no part in it. Where the baseline is handed out, it is the ``main`` model of all that follows
(metrics, predictions, report, registry), and ``left_out`` keeps what was found of the method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from ssgan.config import EvaluateConfig
from ssgan.errors import ConfigError
from ssgan.evaluation.comparison import compare
from ssgan.wording import counted

if TYPE_CHECKING:
    from ssgan.evaluation.judge import ModelEvaluation

SCORES = ("error_rate", "error_rate_low", "error_rate_high", "errors")


class Served(NamedTuple):
    """The model that is handed out, its baseline where it is not the baseline itself, and ``left_out`` for the metrics."""

    main: ModelEvaluation
    twin: ModelEvaluation | None
    facts: dict[str, Any]


def served(judged: Mapping[str, ModelEvaluation], method: str, config: EvaluateConfig) -> Served:
    """Choose by the validation images.

    Args:
        judged: by role; where main is the baseline itself, there is no twin.
        method: the name of what plays main.

    Raises:
        ConfigError: there are no validation images to choose by.
    """
    main, twin = judged["main"], judged.get("twin")
    if config.serve == "method" or twin is None:
        return Served(main, twin, {})
    if not len(main.val_right):
        raise ConfigError(
            "evaluate.serve is safest, which chooses by validation images, and there are none; set split.val_fraction above 0 "
            "(or label some for it), or evaluate.serve to method"
        )
    if (~main.val_right).sum() < (~twin.val_right).sum():
        return Served(main, twin, {})
    return Served(twin, None, {"left_out": _left_out(main, twin, method, config)})


def _left_out(main: ModelEvaluation, twin: ModelEvaluation, method: str, config: EvaluateConfig) -> dict[str, Any]:
    """What was found of the method that is not handed out."""
    gain = asdict(compare(main.right, twin.right, config.confidence))
    return {
        "method": method,
        "val_images": len(main.val_right),
        "val_errors": int((~main.val_right).sum()),
        "val_errors_of_baseline": int((~twin.val_right).sum()),
        **{key: main.metrics[key] for key in SCORES},
        "gain": {"error_rate": gain.pop("value"), **gain},
    }


def role_of(metrics: Mapping[str, Any]) -> str:
    """The role of the model that ``metrics`` (metrics/evaluate.json) calls main."""
    return "twin" if metrics.get("left_out") else "main"


def method_of(metrics: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    """The name of the method whose model is handed out. ``training``: the manifest of the run."""
    if not metrics.get("left_out"):
        return str(training["config"]["method"]["name"])
    return "linear_probe" if training.get("backbone") else "supervised"


def sentence(metrics: Mapping[str, Any]) -> str:
    """Why the baseline is handed out; empty where it is not."""
    out = metrics.get("left_out")
    if not out:
        return ""
    images, errors, baseline = (out[key] for key in ("val_images", "val_errors", "val_errors_of_baseline"))
    return (
        f"Of {counted(images, 'validation image')} the model of {out['method']} had {errors} wrong, its supervised baseline "
        f"{baseline}: so the baseline is handed out (evaluate.serve is safest)."
    )
