"""Writes docs/parameters.md and docs/methods.md: ``python docs/generate_parameters.py``. A test checks that they are current.

Defaults and ranges come from the config models, explanations from the comments beside the fields, or else beside the
key in params.yaml; what is said of a method is the docstring of its file.
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

from ssgan import methods
from ssgan.config import Config, ImageSpec, MethodConfig, NetConfig, Problem
from ssgan.players.fitted import FittedMethod

PARAMS = Path(__file__).parents[1] / "params.yaml"
HEAD = """# Parameters

Generated from `ssgan/config` by `python docs/generate_parameters.py`; do not edit.

Every key of `params.yaml`, with its default. A key that is left out has the default; an unknown key, a wrong type or a value
out of range is an error that names the key, and the command ends with exit code 2 before any work is done. Change one for a
single run without editing the file: `dvc exp run -S train.steps=20000`; undo it with `git checkout . && dvc checkout`. The keys
of `method.options` are in [Methods](methods.md).

Editors show this while you type: `ssgan init` writes a JSON schema, `params.schema.json`, and `params.yaml` names it for those
with a YAML language server (such as VS Code with Red Hat's extension). After an upgrade of ssgan,
`ssgan init --refresh` writes it again; `ssgan doctor` says when it is due.
"""
METHODS_HEAD = """# Methods

Generated from `ssgan/methods/*.py` by `python docs/generate_parameters.py`; do not edit.

What `method.name` can be, and `method.options` of each. One is tried with `dvc exp run -S method.name=fixmatch`; an option is
changed with `-S ++method.options.learning_rate=0.001`: `++` works whether or not `params.yaml` has the key. Undo
`dvc exp run` with `git checkout . && dvc checkout`. Notation: l(x) logits of the K classes, G the generator, z its input, E an
average.

Expected errors are those of the papers, with their schedules; our own measurements are in [Results](results/README.md).
"""
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "multiple_of": "multiple of"}


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        Path(__file__).with_name(name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """Name of the file and its Markdown."""
    return {"parameters.md": parameters(), "methods.md": methods_page()}


def parameters() -> str:
    """Every key of params.yaml."""
    parts = [HEAD]
    for name, field in Config.model_fields.items():
        model = field.annotation
        parts += [f"## {name}\n\n{_intro(model)}\n", _table(model, name)]
        parts += [
            f"### {name}.{key}, kind `{_kind(one)}`\n\n{_intro(one)}\n\n{_table(one, f'{name}.{key}')}"
            for key, one in _kinds(model)
        ]
    return "\n".join(parts)


def methods_page() -> str:
    """A card for every method."""
    rows = ["| method | what it does |", "|---|---|"]
    cards = []
    for name in methods.names():
        module = methods.module(name)
        summary, _, rest = inspect.cleandoc(module.__doc__ or "").partition("\n\n")
        summary = summary.replace("\n", " ")
        rows.append(f"| [`{name}`](#{name}) | {summary} |")
        cards.append(f"## {name}\n\n{summary}\n\n```text\n{rest}\n```\n\n{_phases(name)}\n\n{_own_options(module.Config)}")
    common = f"## Options of every method\n\n{_table(MethodConfig, '')}"
    return "\n".join([METHODS_HEAD, *rows, "", common, *cards])


def _phases(name: str) -> str:
    """Phases of a step in their order, with the optimiser of each."""
    if issubclass(methods.module(name).Method, FittedMethod):
        return "Fitted at once, on features only (`features.backbone`); `train.steps` has no effect."
    problem = Problem(ImageSpec(1, 28, "fit"), 10, NetConfig(width=0.01))
    config = methods.resolve_config(name, {})
    method = methods.build(name, config, problem)
    parts = [
        f"{i}. **{phase.name}** updates {', '.join(f'`{net}`' for net in phase.trains)}: "
        f"Adam, rate {phase.optimizer.lr:g}, betas {phase.optimizer.betas}, epsilon {phase.optimizer.eps:g}"
        for i, phase in enumerate(method.phases(), 1)
    ]
    step = config.first_comparable_step
    whole = f"All phases and terms are active from step {step:,} on." if step else ""
    return "\n\n".join(filter(None, ["One step, by default:", "\n".join(parts), whole]))


def _own_options(model: type[MethodConfig]) -> str:
    """The options that a method adds, or whose default it changes."""
    common = MethodConfig.model_fields
    own = {k for k, field in model.model_fields.items() if k not in common or field.default != common[k].default}
    return _table(model, "", own) if own else "No options of its own.\n"


def _intro(model: Any) -> str:
    return inspect.cleandoc(model.__doc__ or "").split("\n\n")[0].replace("``", "`")


def _kinds(model: type[BaseModel]) -> list[tuple[str, Any]]:
    """(key, model) for every choice behind a discriminated field."""
    return [
        (key, one) for key, field in model.model_fields.items() if field.discriminator for one in get_args(field.annotation)
    ]


def _kind(model: Any) -> str:
    return str(model.model_fields["kind"].default)


def _table(model: type[BaseModel], prefix: str, only: set[str] | None = None) -> str:
    notes, beside = comments(model), yaml_comments(PARAMS.read_text(encoding="utf-8"))
    rows = ["| key | default | values | meaning |", "|---|---|---|---|"]
    for key, field in model.model_fields.items():
        if only is not None and key not in only:
            continue
        if field.discriminator:
            values, default = "see the kinds below", "digits"
        else:
            values, default = _values(field), _default(field.default)
        name = f"{prefix}.{key}" if prefix else key
        shared = not prefix or "source" in prefix  # names of keys that mean something else in params.yaml
        note = notes.get(key) or ("" if shared else beside.get(name, ""))
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
    words = {"str": "text", "dict[str, Any]": "keys and values", "dict[str, ssgan.config.Draw]": "keys, and how they are drawn"}
    kind = words.get(kind, kind)
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
