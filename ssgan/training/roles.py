"""What is trained in one run: the method, its supervised baseline, and, on features, the choice by folds of the labels."""

from __future__ import annotations

from ssgan import methods
from ssgan.config import Config, MethodConfig
from ssgan.players.fitted import FittedMethod
from ssgan.training.context import AUTO, PROBE, TWIN, Role


def roles(config: Config) -> tuple[Role, ...]:
    """What is trained in one launch. A supervised run is its own twin."""
    others: dict[Role, str] = {"twin": twin_of(config)}
    if config.features.backbone:
        others["auto"] = AUTO
    return ("main", *(role for role, name in others.items() if config.train.twin and config.method.name != name))


def twin_of(config: Config) -> str:
    """The method that sees no unlabeled image: on features the probe."""
    return PROBE if config.features.backbone else TWIN


def has_steps(config: Config, role: Role) -> bool:
    """Whether the method that plays a role is trained in steps, and so begins somewhere; others are fitted at once."""
    return not issubclass(methods.module(role_method(config, role)[0]).Method, FittedMethod)


def role_method(config: Config, role: Role) -> tuple[str, MethodConfig]:
    """Name and hyperparameters of the method that plays a role.

    The twin shares with the main run all that is not about unlabeled images: the network, the batch of labeled images, the
    augmentation, the averaging and the tail of the learning rate.
    """
    main = methods.resolve_config(config.method.name, config.method.options)
    if role == "main":
        return config.method.name, main
    if config.features.backbone:
        name = AUTO if role == "auto" else PROBE
        return name, methods.resolve_config(name, {})
    shared = {k: getattr(main, k) for k in MethodConfig.model_fields}
    return TWIN, methods.resolve_config(TWIN, shared)
