"""Sections ``evaluate``, ``gate`` and ``report``: how finished models are evaluated and shown."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ssgan.config.base import Strict


class EvaluateConfig(Strict):
    """How the finished models are evaluated."""

    checkpoint: Literal["last", "best"] = "last"  # best is chosen on val
    # method: its model is handed out; safest: the supervised baseline is, unless val has fewer wrong with the method's
    serve: Literal["method", "safest"] = "method"
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    ece_bins: int = Field(default=15, ge=2)
    # share of wrong answers that the team accepts among images that are answered; null: every image is answered
    max_risk: float | None = Field(default=None, gt=0.0, lt=1.0)


class GateConfig(Strict):
    """What a model has to show before it may become the champion, ``ssgan compare``; no stage of the pipeline reads it."""

    # fractions of test images: 0.01 is one percentage point
    min_gain: float = Field(default=0.0, ge=-1, le=1)  # the interval of the gain over the champion has to lie above it
    max_recall_drop: float | None = Field(default=0.1, ge=0, le=1)  # largest drop of a class's recall; null: any
    max_ece: float | None = Field(default=0.1, ge=0, le=1)  # largest calibration error, after the temperature; null: any
    min_ssl_gain: float | None = Field(default=0.0, ge=-1, le=1)  # the interval of the gain over the baseline reaches it
    min_shared: float = Field(
        default=0.5, gt=0, le=1
    )  # smallest share of the test images on which the champion was evaluated too


class ReportConfig(Strict):
    """What the report shows."""

    mistakes: int = Field(default=24, ge=0, le=256)  # most confident mistakes shown as images
    generated: int = Field(default=64, ge=0, le=256)  # generated images in the grid
