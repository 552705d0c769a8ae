"""Weights from the Hugging Face hub: the one place that may download, and only when a person asks for it.

Stages look into the local cache and nowhere else.
"""

from __future__ import annotations

import re
from pathlib import Path

from ssgan.errors import ConfigError, StorageError
from ssgan.provenance import file_sha256

FILE = "model.safetensors"
SHA256 = re.compile(r"[0-9a-f]{64}")


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
    """Download the weights into the cache, unless they are there. Raises StorageError where that fails."""
    return verified(cached(name) or _downloaded(repository(name)))


def verified(path: Path) -> Path:
    """A file of the cache, which is named after the sha256 that the hub has of it.

    Raises StorageError, and deletes the file, where its content is another one.
    """
    blob = path.resolve()
    if SHA256.fullmatch(blob.name) and (found := file_sha256(blob)) != blob.name:
        for one in (path, blob):
            one.unlink(missing_ok=True)
        raise StorageError(
            f"{path.name} arrived damaged: sha256 {found[:12]}..., the hub says {blob.name[:12]}...; it was "
            "deleted, fetch it again"
        )
    return path


def _downloaded(place: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(place, FILE))
    except Exception as error:  # of the hub, of its HTTP client, of the disk: no class is common to them
        cause = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(". ")
        raise StorageError(f"{place} could not be fetched ({cause}); check the name, the network, and HF_ENDPOINT") from error
