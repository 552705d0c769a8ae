"""What is trained in one run: the method itself, and its supervised twin."""

from __future__ import annotations

from ssgan import methods
from ssgan.config import Config, MethodConfig
from ssgan.training.context import TWIN, Role


def roles(config: Config) -> tuple[Role, ...]:
    """What is trained in one launch. A supervised run is its own twin."""
    return ("main", "twin") if config.train.twin and config.method.name != TWIN else ("main",)


def role_method(config: Config, role: Role) -> tuple[str, MethodConfig]:
    """Name and hyperparameters of the method that plays a role.

    The twin shares with the main run all that is not about unlabeled images: the network, the batch of labeled images, the
    augmentation, the averaging and the tail of the learning rate.
    """
    main = methods.resolve_config(config.method.name, config.method.options)
    if role == "main":
        return config.method.name, main
    shared = {k: getattr(main, k) for k in MethodConfig.model_fields}
    return TWIN, methods.resolve_config(TWIN, shared)
