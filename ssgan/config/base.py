"""The base of all sections."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

MIB = 1 << 20


class Strict(BaseModel):
    """Base of all config models: no unknown keys, no silent conversions, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
