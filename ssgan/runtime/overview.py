"""What a training is about to do, in a few lines for people."""

from __future__ import annotations

from ssgan.config import Config, DigitsSource, FolderSource, S3Source, Source
from ssgan.experiment import role_method, roles
from ssgan.runtime.progress import LABELS


def overview(config: Config) -> str:
    """Data, roles with their resolved hyperparameters, and how they run. The manifest of the run holds all of it.

    Raises:
        ConfigError: an unknown method, or options that it does not have.
    """
    data, t = config.data, config.train
    shape = f"{data.image_size}x{data.image_size} pixels, channels {data.channels}, resize {data.resize}"
    lines = [
        f"images: {describe_source(data.source)}; {shape}",
        f"training: {t.steps:,} steps, seed {t.seed}, {t.precision}, {t.backend}, workers {t.num_workers}, device {t.device}",
        f"networks: {config.net.family}, width {config.net.width:g}, latent_dim {config.net.latent_dim}",
    ]
    for role in roles(config):
        name, resolved = role_method(config, role)
        lines.append(f"{LABELS[role]}: {name} ({', '.join(f'{k} {v}' for k, v in resolved.model_dump().items())})")
    return "\n".join([*lines, f"checkpoints: {config.storage.url}"])


def describe_source(source: Source) -> str:
    """Where raw images come from, in one phrase."""
    if isinstance(source, DigitsSource):
        return "embedded handwritten digits"
    if isinstance(source, FolderSource):
        return f"folder {source.path}"
    return source.url if isinstance(source, S3Source) else f"{source.dataset} of torchvision"
