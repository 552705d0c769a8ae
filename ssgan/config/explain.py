"""What is wrong with a parameter, as one sentence: the key as it stands in the file, the value, the remedy."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel

REMEDIES = (  # how sentences of pydantic begin -> what to do; what follows in the sentence (a bound, the choices) stays
    ("Input should be a valid number", "write a number"),
    ("Input should be a valid integer", "write a whole number"),
    ("Input should be a valid boolean", "write true or false"),
    ("Input should be a valid string", "write a text, in quotes where YAML reads something else"),
    ("Input should be ", "write a value that is "),
)


def explain(model: type[BaseModel], raw: Any, error: Any) -> str:
    """One sentence for one pydantic error: key, value, remedy."""
    # Discriminated unions put the tag into the location; the reader knows only the keys that stand in the file.
    loc = _keys_in_file(raw, error["loc"])
    key = ".".join(str(part) for part in loc) or "(top level)"
    value = error.get("input")
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _known_keys(model, error["loc"][:-1])
        guess = difflib.get_close_matches(str(loc[-1]), known, n=1)
        remedy = f"did you mean `{guess[0]}`?" if guess else f"known keys: {', '.join(sorted(known))}"
        return f"`{key}` is not a parameter; {remedy}"
    if kind == "missing":
        return f"`{key}` is required; add it"
    if kind in ("float_type", "int_type") and isinstance(value, str) and _is_number(value):
        return f"`{key}` is the text {value!r}; write the number without quotes: {value}"
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"`{key}` is {value!r} and must be an integer: write {int(value)}"
    message = error["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"`{key}`: {message}" if loc else message
    for words, remedy in REMEDIES:
        if message.startswith(words):
            return f"`{key}` is {value!r}; {remedy}{message.removeprefix(words)}"
    return f"`{key}` is {value!r}: {message}"


def _keys_in_file(raw: Any, loc: tuple[Any, ...]) -> list[Any]:
    keys: list[Any] = []
    node = raw
    for i, part in enumerate(loc):
        last = i == len(loc) - 1
        if isinstance(node, dict) and part not in node and not last:
            continue
        keys.append(part)
        node = node.get(part) if isinstance(node, dict) else None
    return keys


def _known_keys(model: type[BaseModel], loc: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the model found by walking ``loc``; the union of the choices where it is a union."""
    models: list[type[BaseModel]] = [model]
    for part in loc:
        found = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        models = [m for annotation in found for m in _models_in(annotation)] or models
    return sorted({name for m in models for name in m.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for arg in getattr(annotation, "__args__", ()) for m in _models_in(arg)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
