"""A JSON schema of ``params.yaml``, for editors: completion, explanations, and a red line under what is not allowed.

Made from the models that read the file, and from the comments of the file that ``ssgan init`` writes.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ssgan import methods, nets
from ssgan.config import Config
from ssgan.templates import fill

NAME = "params.schema.json"  # in a project, beside params.yaml
COMMENT = re.compile(r"^(?: {2})?(\w+):.*? # (.+)$")


def text() -> str:
    """The schema as it stands in a project."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """What ``Config`` accepts, but for what one value asks of another."""
    found = Config.model_json_schema()
    comments = _comments()
    for section, field in found["properties"].items():
        field.setdefault("description", comments.get(section, ""))
        for key, value in _model(found, field).get("properties", {}).items():
            if comment := comments.get(f"{section}.{key}"):
                value["description"] = comment
    for section, name, names in (("method", "name", methods.names()), ("net", "family", nets.names())):
        _model(found, found["properties"][section])["properties"][name]["enum"] = names
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "Parameters of ssgan"}


def _model(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """The definition that a section refers to."""
    found: dict[str, Any] = schema["$defs"][field["$ref"].rsplit("/", 1)[1]]
    return found


def _comments() -> dict[str, str]:
    """Explanation by section and dotted key, of the file that ``ssgan init`` writes."""
    section, found = "", dict[str, str]()
    for line in fill("parameters.yaml", {}).splitlines():
        if line[:1].isalpha():
            section = line.partition(":")[0]
        if match := COMMENT.match(line):
            found[section if line[:1].isalpha() else f"{section}.{match[1]}"] = match[2]
    return found
