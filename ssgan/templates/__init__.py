"""What ``ssgan init`` writes.

``project/`` holds the files, with ``@@name@@`` where a choice of the user goes; ``recipes/`` parameters for known data, which
replace those of ``project/parameters.yaml``.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import yaml

from ssgan.errors import ConfigError

FOLDER = resources.files(__name__)


def fill(template: str, choices: dict[str, str]) -> str:
    """The text of a template with the choices in place of ``@@name@@``."""
    text = (FOLDER / "project" / template).read_text(encoding="utf-8")
    for name, value in choices.items():
        text = text.replace(f"@@{name}@@", value)
    return text


def recipe_names() -> list[str]:
    """Every recipe there is: the files of ``ssgan/templates/recipes``."""
    return sorted(file.name.removesuffix(".yaml") for file in (FOLDER / "recipes").iterdir() if file.name.endswith(".yaml"))


def recipe(name: str) -> dict[str, dict[str, Any]]:
    """Sections of parameters. Raises ConfigError with the list of names where there is none."""
    if name not in recipe_names():
        raise ConfigError(f"`--recipe` is {name!r}, which does not exist; choose one of {', '.join(recipe_names())}")
    sections: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "recipes" / f"{name}.yaml").read_text(encoding="utf-8"))
    return sections


def laid_over(text: str, sections: dict[str, dict[str, Any]]) -> str:
    """The text of a parameter file with other values; its comments stay, since they are what its reader needs.

    Raises:
        ConfigError: a key of the recipe does not stand in the text.
    """
    lines, section, left = text.split("\n"), "", {name: dict(values) for name, values in sections.items()}
    for i, line in enumerate(lines):
        match = re.match(r"( *)(\w+):[^#]*?( #.*)?$", line)
        if match and not match[1]:
            section = match[2]
        elif match and match[2] in left.get(section, {}):
            lines[i] = f"{match[1]}{match[2]}: {_flow(left[section].pop(match[2]))}{match[3] or ''}"
    unknown = [f"{name}.{key}" for name, values in left.items() for key in values]
    if unknown:
        raise ConfigError(f"the recipe sets {', '.join(unknown)}, which the parameter file does not have; correct the recipe")
    return "\n".join(lines)


def _flow(value: Any) -> str:
    """A value on one line."""
    return str(yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)).removesuffix("...\n").strip()
