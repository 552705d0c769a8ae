"""The section ``gate`` of the parameters."""

from __future__ import annotations

from pydantic import Field

from ssgan.config_tune import Strict


class GateConfig(Strict):
    """What a model has to show before it may become the champion, ``ssgan compare``; no stage of the pipeline reads it."""

    # fractions of test images: 0.01 is one percentage point
    min_gain: float = Field(default=0.0, ge=-1, le=1)  # the interval of the gain over the champion has to lie above it
    max_class_fall: float | None = Field(default=0.1, ge=0, le=1)  # largest fall of a class's recall; null: any
    max_ece: float | None = Field(default=0.1, ge=0, le=1)  # largest calibration error, after the temperature; null: any
    min_ssl_gain: float | None = Field(default=0.0, ge=-1, le=1)  # least gain over the supervised twin; null: any
    min_shared: float = Field(default=0.5, gt=0, le=1)  # least share of the test images that the champion was judged on too
