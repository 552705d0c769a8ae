"""YAML as DVC reads it, version 1.2: ``1e-05`` is a number, ``no`` and ``010`` are not what version 1.1 makes of them.

``dvc exp run -S`` writes ``params.yaml`` with it, and ``dvc.lock`` and ``dvc params diff`` show what it has read.
"""

from __future__ import annotations

from typing import Any

from ssgan.errors import ConfigError


def read(text: str, where: str) -> Any:
    """What a text holds. Raises ConfigError that names ``where`` where it is no YAML."""
    from ruamel.yaml import YAML  # a tenth of a second, which `--help` need not wait for
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(text)
    except YAMLError as error:
        raise ConfigError(f"{where} is not valid YAML: {error}") from None
