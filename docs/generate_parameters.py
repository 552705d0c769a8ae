"""Writes docs/parameters.md from the config models: ``python docs/generate_parameters.py``. A test checks that it is current.

Defaults and ranges come from the models, explanations from the comments beside the fields, or else beside the
key in params.yaml.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ssgan import method as methods
from ssgan.config import Config

OUT = Path(__file__).with_name("parameters.md")
PARAMS = Path(__file__).parents[1] / "params.yaml"
HEAD = """# Parameters

Generated from `ssgan/config.py` and `ssgan/methods/*.py` by `python docs/generate_parameters.py`; do not edit.

Every key of `params.yaml`, with its default. A key that is left out has the default; an unknown key, a wrong type or a value
out of range is an error that names the key, and the command ends with exit code 2 before any work is done. Change one for a
single run without editing the file: `dvc exp run -S train.steps=20000`.
"""
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "multiple of"}


def main() -> None:
    """Write the page."""
    OUT.write_text(render(), encoding="utf-8")


def render() -> str:
    """The whole page as Markdown."""
    parts = [HEAD]
    for name, field in Config.model_fields.items():
        model = field.annotation
        parts += [f"## {name}\n\n{_intro(model)}\n", _table(model, name)]
        parts += [
            f"### {name}.{key}, kind `{_kind(one)}`\n\n{_intro(one)}\n\n{_table(one, f'{name}.{key}')}"
            for key, one in _kinds(model)
        ]
    parts.append("## method.options\n\nWhat each method can be told, with its defaults:\n")
    for name in methods.names():
        parts.append(f"### {name}\n\n{_table(methods.module(name).Config, '', short=True)}")
    return "\n".join(parts)


def _intro(model: Any) -> str:
    return inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].replace("``", "`")


def _kinds(model: type[BaseModel]) -> list[tuple[str, Any]]:
    """(key, model) for every choice behind a discriminated field."""
    return [
        (key, one) for key, field in model.model_fields.items() if field.discriminator for one in get_args(field.annotation)
    ]


def _kind(model: Any) -> str:
    return str(model.model_fields["kind"].default)


def _table(model: type[BaseModel], prefix: str, short: bool = False) -> str:
    notes, beside = comments(model), yaml_comments(PARAMS.read_text(encoding="utf-8"))
    rows = ["| key | default | values | meaning |", "|---|---|---|---|"]
    for key, field in model.model_fields.items():
        if field.discriminator:
            values, default = "see the kinds below", "digits"
        else:
            values, default = _values(field), _default(field.default)
        name = f"{prefix}.{key}" if prefix else key
        note = notes.get(key) or ("" if "source" in prefix else beside.get(name, ""))  # its kinds share names of keys
        rows.append(f"| `{name}` | {default} | {values} | {note.replace('|', '/')} |")
    return "\n".join(rows) + "\n"


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None or isinstance(value, bool):
        return {None: "`null`", True: "`true`", False: "`false`"}[value]
    return f"`{value}`"


def _values(field: Any) -> str:
    """The choices of a literal, else the type and its bounds."""
    options = [one for arg in (field.annotation, *get_args(field.annotation)) for one in _choices(arg)]
    if options:
        return ", ".join(f"`{option}`" for option in options)
    name = getattr(field.annotation, "__name__", None) if not get_args(field.annotation) else None
    kind = name or str(field.annotation).replace("typing.", "").replace(" | None", " or null").replace("NoneType", "null")
    kind = {"str": "text", "dict[str, Any]": "keys and values"}.get(kind, kind)
    bounds = [
        f"{sign} {getattr(m, k)}" for m in field.metadata for k, sign in BOUNDS.items() if getattr(m, k, None) is not None
    ]
    return ", ".join([kind.replace("str or", "text or"), *bounds])


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if "Literal" in str(annotation)[:15] else ()


def comments(model: type[BaseModel]) -> dict[str, str]:
    """Explanation of each field: the comment behind it, or the comment lines above it; inherited ones included."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base.__module__.startswith("ssgan"):
            found |= _comments_of(base)
    return found


def yaml_comments(text: str) -> dict[str, str]:
    """Dotted key -> comment behind it, of a YAML file indented by 2 that holds mappings only; "" where there is none."""
    found, path = {}, []
    for line in text.splitlines():
        match = re.match(r"( *)([\w]+):[^#]*(?:# (.*))?$", line)
        if match:
            path = [*path[: len(match[1]) // 2], match[2]]
            found[".".join(path)] = match[3] or ""
    return found


def _comments_of(model: type[BaseModel]) -> dict[str, str]:
    source = inspect.cleandoc("\n" + inspect.getsource(model))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    at = {t.start[0]: (t.string.lstrip("# "), t.line.lstrip().startswith("#")) for t in tokens if t.type == tokenize.COMMENT}
    found = {}
    for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]
        if isinstance(node, ast.AnnAssign):
            behind = [at[line][0] for line in range(node.lineno, (node.end_lineno or node.lineno) + 1) if line in at]
            above, line = [], node.lineno - 1
            while line in at and at[line][1]:
                above.insert(0, at[line][0])
                line -= 1
            found[node.target.id] = " ".join(behind or above)  # type: ignore[union-attr]
    return found


if __name__ == "__main__":
    main()
