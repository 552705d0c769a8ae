"""For Python processes of a test's nodes, which find it through PYTHONPATH: defaults that only make a test wait are shorter.

Nothing is imported here that the process would not import itself: a default changes right after the module that has it.
"""

from __future__ import annotations

import dataclasses
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

# Module: class and its new defaults, in seconds.
SHORTER: dict[str, tuple[str, dict[str, float]]] = {
    "ssgan.storage.retries": (
        "RetryLimits",
        {"longest_wait_s": 2.0},
    ),  # storage that stays away: given up after 20 s, not 110
    "ray.train.v2.api.config": ("ScalingConfig", {"elastic_resize_monitor_interval_s": 5.0}),  # 60: a new node is found late
}


def shorten(module: ModuleType, name: str, values: dict[str, float]) -> None:
    """Replace defaults of a dataclass. Raises KeyError where it has no such field: a test must not wait unnoticed."""
    make: Any = getattr(module, name).__init__
    defaults = make.__defaults__
    names = [field.name for field in dataclasses.fields(getattr(module, name))][-len(defaults) :]
    old = dict(zip(names, defaults, strict=True))
    if unknown := values.keys() - old.keys():
        raise KeyError(f"{name} has no {', '.join(sorted(unknown))}")
    make.__defaults__ = tuple((old | values).values())


class Impatience(MetaPathFinder):
    """Finds the modules of ``SHORTER`` where Python would find them, and changes their defaults once they are loaded."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in SHORTER else None
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_shorten(module: ModuleType) -> None:
            load(module)
            shorten(module, *SHORTER[name])

        spec.loader.exec_module = load_and_shorten  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Impatience())
