"""What the license of a backbone's weights asks before a model leaves: a person who has read it."""

from __future__ import annotations

from ssgan.backbones.record import Backbone
from ssgan.errors import ConfigError


def accepted_license(backbone: Backbone | None, accepted: bool) -> str | None:
    """The license that a person has accepted; None where nothing restricts what a model on these weights may be used for.

    Raises ConfigError where it is restricted and nobody has accepted it.
    """
    if backbone is None or not backbone.restricted:
        return None
    if not accepted:
        raise ConfigError(
            f"the model rests on weights of {backbone.name} under the license {backbone.license!r}, which restricts their use "
            f"or is not known (source: {backbone.source}); read it, and add --accept-license if it allows what you plan"
        )
    return backbone.license
