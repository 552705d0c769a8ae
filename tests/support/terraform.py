"""Reads infra/terraform and says in IAM's words what its policy documents say. There is no Terraform in the lock."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import hcl2

Block = dict[str, Any]


class Module:
    """All files of a folder, with the values that Terraform would fill in."""

    def __init__(self, folder: Path, values: dict[str, str]) -> None:
        self.values = values
        self._parts: list[Block] = []
        for path in sorted(folder.glob("*.tf")):
            with path.open() as file:
                self._parts.append(_unquoted(hcl2.load(file)))

    def blocks(self, *labels: str) -> list[Block]:
        """Bodies of blocks such as ``("resource", "aws_s3_bucket", "bucket")``; a left-out label means all."""
        found: list[Any] = [block for part in self._parts for block in part.get(labels[0], [])]
        for label in labels[1:]:
            found = [block[label] for block in found if label in block]
        return found

    def body(self, *labels: str) -> Block:
        """The body of the one block with these labels."""
        (found,) = self.blocks(*labels)
        body: Block = found
        return body

    def fill(self, value: Any) -> Any:
        """``value`` without references. Raises KeyError for one whose value is not known here."""
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return re.sub(r"\$\{([^}]*)\}", lambda match: self.values[match[1]], value) if isinstance(value, str) else value

    def statements(self, document: str) -> list[dict[str, Any]]:
        """Statements of a data source aws_iam_policy_document."""
        return [self._statement(block) for block in self.body("data", "aws_iam_policy_document", document)["statement"]]

    def _statement(self, block: Block) -> dict[str, Any]:
        conditions: dict[str, dict[str, Any]] = {}
        for condition in block.get("condition", []):
            conditions.setdefault(condition["test"], {})[self.fill(condition["variable"])] = self.fill(condition["values"])
        principals = {p["type"]: self.fill(p["identifiers"]) for p in block.get("principals", [])}
        made = {
            "Sid": block.get("sid"),
            "Effect": block.get("effect", "Allow"),
            "Principal": principals,
            "Action": block["actions"],
            "Resource": self.fill(block.get("resources", [])),
            "Condition": conditions,
        }
        return {key: value for key, value in made.items() if value}


def _unquoted(value: Any) -> Any:
    """python-hcl2 keeps the quotes of keys and texts."""
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(item) for key, item in value.items() if key != "__is_block__"}
    if isinstance(value, list):
        return [_unquoted(item) for item in value]
    return value[1:-1] if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"' else value
