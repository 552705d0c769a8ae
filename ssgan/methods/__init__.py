"""One file per method; the file name is the registry. What is in it says ``ssgan/core/method.py``; none imports another."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Protocol, cast

from ssgan.config import MethodConfig, Problem, parse
from ssgan.core.method import SemiSupervisedMethod
from ssgan.errors import ConfigError


class MethodModule(Protocol):
    """What a file of ``ssgan/methods`` defines."""

    Config: type[MethodConfig]
    Method: type[SemiSupervisedMethod]


def names() -> list[str]:
    """Every method there is: the files of ``ssgan/methods``."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def module(name: str) -> MethodModule:
    """The module of a method. Raises ConfigError with the list of names where there is none."""
    if name not in names():
        raise ConfigError(f"`method.name` is {name!r}, which does not exist; choose one of {', '.join(names())}")
    return cast(MethodModule, importlib.import_module(f"ssgan.methods.{name}"))


def resolve_config(name: str, options: dict[str, Any]) -> MethodConfig:
    """Defaults of the method with ``method.options`` laid over them. Raises ConfigError on unknown options."""
    return parse(module(name).Config, options, where=f"method.options (of method {name!r})")


def build(name: str, config: MethodConfig, problem: Problem) -> SemiSupervisedMethod:
    """Networks and losses of a method, with random initial weights from torch's default generator."""
    return module(name).Method(config, problem)
