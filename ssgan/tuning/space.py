"""What is searched: ``tune.space``, checked against the config and the method's own options before any trial runs.

A point is a dict of dotted keys and values, such as ``{"method.options.learning_rate": 0.001}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ssgan.config import Config, MethodConfig, parse
from ssgan.config.tune import Draw
from ssgan.errors import ConfigError
from ssgan.methods import resolve_config
from ssgan.training.roles import has_steps

Point = dict[str, Any]
Space = dict[str, Draw]

# The rest changes the problem (data, split), how it is computed (seed, device), or the evaluation.
SEARCHABLE = ("method.name", "method.options.", "net.", "augment.", "features.dimensions", "train.steps", "train.precision")
OF_STEPS = ("net.", "augment.", "train.", *(f"method.options.{key}" for key in MethodConfig.model_fields))
DIGITS = 4  # of a real number: enough to tell points apart, and a person can read it


def at(config: Config, point: Point) -> Config:
    """The config with the values of a point. Raises ConfigError where one of them is not allowed."""
    raw = config.model_dump()
    for key, value in point.items():
        *path, last = key.split(".")
        node = raw
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    changed = parse(Config, raw, "tune.space")
    resolve_config(changed.method.name, changed.method.options)
    return changed


def ends(draw: Draw) -> list[Any]:
    """The values that decide whether all are allowed: both ends of a range, every one of the choices."""
    return next(value for kind in Draw.model_fields if (value := getattr(draw, kind)) is not None)


def rounded(draw: Draw, value: Any) -> Any:
    """A drawn value as it is used: a real number with few digits, still within its range."""
    if not isinstance(value, float) or draw.choice is not None:
        return value
    low, high = ends(draw)
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)


def example(space: Space) -> Point:
    """A point that depends on nothing but the space."""
    return {key: ends(draw)[0] for key, draw in space.items()}


def validate(config: Config) -> None:
    """Check ``tune.space`` against everything that it would change.

    Raises:
        ConfigError: the space is empty, or names a key, a type or a value with which a trial would fail.
    """
    space = config.tune.space
    if not space:
        raise ConfigError(
            "`tune.space` is empty, so there is nothing to search; "
            "name a parameter, such as method.options.learning_rate: {loguniform: [1.0e-4, 3.0e-3]}"
        )
    for key in space:
        if not any(key == one or (one.endswith(".") and key.startswith(one)) for one in SEARCHABLE):
            allowed = ", ".join(one + "*" if one.endswith(".") else one for one in SEARCHABLE)
            raise ConfigError(f"`tune.space.{key}` cannot be searched; remove it, these can be: {allowed}")
        if key == "features.dimensions" and not config.features.backbone:
            raise ConfigError(
                f"`tune.space.{key}` changes nothing, since features.backbone is null; remove it, or name a backbone"
            )
    for point in _probes(config):
        try:
            at(config, point)
        except ConfigError as error:
            shown = ", ".join(f"`tune.space.{key}` at {value!r}" for key, value in point.items())
            raise ConfigError(f"{shown}: {str(error).removeprefix('tune.space: ')}") from None
    if idle := [key for key in space if key.startswith(OF_STEPS)] if fitted_at_once(config) else []:
        raise ConfigError(
            f"`tune.space.{idle[0]}` changes nothing, since every method that may be drawn is fitted at once; remove it, and "
            "search features.dimensions, method.name or the method's own options"
        )


def _probes(config: Config) -> Iterator[Point]:
    """Every end of every key alone, with every method that may be drawn; then whole points, for what only fails together."""
    for name in _methods(config.tune.space):
        for key, draw in config.tune.space.items():
            for value in ends(draw):
                yield {key: value} if key == "method.name" else {**name, key: value}
    yield from _points(config.tune.space)


def _points(space: Space) -> Iterator[Point]:
    """Whole points: all lower or all upper ends, one key at a time at each of its ends."""
    for name in _methods(space):
        for corner in (0, -1):
            base = {key: ends(draw)[corner] for key, draw in space.items()}
            for key, draw in space.items():
                for value in ends(draw):
                    yield {**base, key: value, **name}


def _methods(space: Space) -> list[Point]:
    """The part of a point that names the method."""
    return [{"method.name": name} for name in ends(space["method.name"])] if "method.name" in space else [{}]


def fitted_at_once(config: Config) -> bool:
    """Whether no method that may be drawn is trained in steps."""
    return not any(has_steps(at(config, point), "main") for point in _methods(config.tune.space))


def first_comparable_step(config: Config) -> int:
    """First step at which the whole method is active, for every point of the space."""
    found = [at(config, point) for point in _points(config.tune.space)]
    return max(resolve_config(one.method.name, one.method.options).first_comparable_step for one in found)


def longest(config: Config) -> int:
    """Most steps that a trial may have."""
    return max([config.train.steps, *(ends(draw)[-1] for key, draw in config.tune.space.items() if key == "train.steps")])


def grace_steps(config: Config) -> int:
    """No trial is stopped before: ``tune.grace_steps``, or the later of ``first_comparable_step`` and a quarter of the run."""
    return config.tune.grace_steps or max(first_comparable_step(config), longest(config) // 4)
