"""params.yaml shows every parameter with an explanation, and the page of parameters is current."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from ssgan.config import Config, load, parse
from ssgan.templates import fill
from tests.support.choices import CHOICES
from tests.support.closure import ROOT

TEXTS = {"params.yaml": (ROOT / "params.yaml").read_text(), "template": fill("parameters.yaml", CHOICES)}
OURS = {
    "method.options",
    "train.steps",
    "train.val_every",
    "train.checkpoint_every",
    "tune.space",
}  # values of the demonstration that differ from the defaults


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_parameters", ROOT / "docs/generate_parameters.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted keys of all parameters; a choice of kinds, such as data.source, is one."""
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and not field.discriminator:
            found += keys(inner, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def at(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = value[part]
    return value


@pytest.mark.parametrize("name", TEXTS)
def test_every_parameter_stands_there_with_an_explanation(name: str) -> None:
    comments = generator().yaml_comments(TEXTS[name])
    assert [key for key in keys(Config) if not comments.get(key)] == []


@pytest.mark.parametrize("name", TEXTS)
def test_what_stands_there_is_valid_and_complete(name: str) -> None:
    raw = yaml.safe_load(TEXTS[name])
    config = parse(Config, raw, name).model_dump()
    sections = ("data.source", "tune.space")  # of the kinds that a value can have, one is written down
    assert [key for key in keys(Config) if key not in sections and at(config, key) != at(raw, key)] == []


def test_the_demonstration_runs_on_defaults() -> None:
    config, default = load(ROOT / "params.yaml").model_dump(), Config().model_dump()
    assert {key for key in keys(Config) if at(config, key) != at(default, key)} <= OURS


@pytest.mark.parametrize("name", ["parameters.md", "methods.md"])
def test_a_generated_page_is_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == generator().pages()[name], "run python docs/generate_parameters.py"
