"""The options of an import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ssgan.intake.raw_label import LabelFormat


class Fields(NamedTuple):
    """Which of several ways to read a file is right; empty or auto: the only one, or the usual one.

    control: the choices of Label Studio that are the class. image: the field of its tasks that names the image. layout: of a
    folder, as in ``data.source.layout``.
    """

    control: str = ""
    image: str = ""
    layout: str = "auto"


USUAL = Fields()


@dataclass(frozen=True)
class ImportOptions:
    """The options of ``ssgan labels import``."""

    kind: LabelFormat | None = None
    annotator: str = ""
    time: str = ""
    new_classes: Sequence[str] = ()
    allow_test: bool = False
    allow_conflicts: bool = False
    fields: Fields = USUAL
    path_prefix: str = ""
