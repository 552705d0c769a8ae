"""What IAM says to a request, for the conditions that the emulator cannot judge (tags of machines, passed roles)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Statement = Mapping[str, Any]
OPERATORS = {"StringEquals": lambda wanted, value: value in wanted, "Bool": lambda wanted, value: value in wanted}


def allowed(statements: Iterable[Statement], action: str, resource: str, **context: str) -> bool:
    """Is there a statement that allows it, and none that denies it?

    ``context`` has the keys of conditions, such as ``aws:RequestTag/ray-cluster-name``.
    """
    effects = {s["Effect"] for s in statements if _concerns(s, action, resource, context)}
    return effects == {"Allow"}


def listed(value: Any) -> list[Any]:
    """IAM writes one thing without a list."""
    return list(value) if isinstance(value, list) else [value]


def _concerns(statement: Statement, action: str, resource: str, context: Mapping[str, str]) -> bool:
    unknown = statement.keys() - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    assert not unknown, f"{unknown} is not judged here"
    return (
        any(_like(pattern.lower(), action.lower()) for pattern in listed(statement["Action"]))
        and any(_like(pattern, resource) for pattern in listed(statement["Resource"]))
        and all(
            OPERATORS[operator](listed(wanted), context.get(key))
            for operator, tests in statement.get("Condition", {}).items()
            for key, wanted in tests.items()
        )
    )


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None
