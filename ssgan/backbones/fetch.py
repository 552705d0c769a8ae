"""Weights from the Hugging Face hub: the one place that may download, and only when a person asks for it.

Stages look into the local cache and nowhere else.
"""

from __future__ import annotations

from pathlib import Path

from ssgan.errors import ConfigError, StorageError

FILE = "model.safetensors"


def repository(name: str) -> str:
    """Where the weights of ``timm:ARCHITECTURE`` are on the hub. Raises ConfigError for what is not there."""
    kind, _, architecture = name.partition(":")
    if kind != "timm" or not architecture:
        raise ConfigError(
            f"{name!r} cannot be fetched; only timm:ARCHITECTURE can, such as timm:convnext_tiny.in12k_ft_in1k. Give other "
            "backbones as a local file in features.weights"
        )
    import timm

    cfg = timm.get_pretrained_cfg(architecture, allow_unregistered=True)
    if cfg is None or not cfg.hf_hub_id:
        raise ConfigError(f"timm has no weights for {architecture!r} on the hub; see timm.list_pretrained()")
    return str(cfg.hf_hub_id)


def cached(name: str) -> Path | None:
    """The file of weights in the cache of this machine, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository(name), FILE)
    return Path(found) if isinstance(found, str) else None


def fetch(name: str) -> Path:
    """Download the weights into the cache. Raises StorageError where that fails."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    place = repository(name)
    try:
        return Path(hf_hub_download(place, FILE))
    except (HfHubHTTPError, OSError) as error:
        raise StorageError(
            f"{place} could not be fetched ({str(error).splitlines()[0]}); check the network, or HF_ENDPOINT"
        ) from error
