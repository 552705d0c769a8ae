"""What Label Studio gets: a task for each pick, with the model's answer as a prediction, and the labeling interface for them.

What it accepts was tried on Label Studio 1.23: see docs/next-labels.md, and tests/intake/label_studio_1.23.json for what it
hands back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from ssgan.config import S3Source, Source, TorchvisionSource
from ssgan.selection.choose import Pick

LOCAL_FILES = "/data/local-files/?d="  # how Label Studio names files below its document root
BUCKETS = ("s3://", "gs://", "azure-blob://")  # what stands behind these is the name of an object, and no URL


def url_of(source: Source) -> str:
    """What stands before the path of an image of ``source``.

    For a folder, its own name is part of it: Label Studio serves folders below its document root, never that root itself.
    """
    if isinstance(source, S3Source):
        return f"{source.url.rstrip('/')}/"
    if isinstance(source, TorchvisionSource):
        return LOCAL_FILES
    return f"{LOCAL_FILES}{quote(os.path.basename(os.path.abspath(source.path)))}/"


def task(pick: Pick, path: str, predicted: str | None, version: str, url: str) -> dict[str, Any]:
    """One task. predicted: today's name of the class; None: no prediction. url: see ``url_of``."""
    image = url + (path if url.startswith(BUCKETS) else quote(path))
    data = {"image": image, "sha256": pick.sha256, "slice": pick.slice, "reason": pick.reason}
    if predicted is None or pick.probability is None:
        return {"data": data, "predictions": []}
    result = {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [predicted]}}
    return {
        "data": data,
        "predictions": [{"model_version": version, "score": round(pick.probability, 4), "result": [result]}],
    }


def interface(classes: Iterable[str]) -> str:
    """The labeling interface, to be pasted into the settings of a project: one choice for each class."""
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in classes)
    image = '<Image name="image" value="$image"/>'
    opening = '<Choices name="label" toName="image" choice="single" required="true" showInline="true">'
    return f"<View>\n  {image}\n  {opening}\n{choices}  </Choices>\n</View>\n"
