"""What a training is about to do: one line for everybody, all of it for those who ask. The manifest of the run holds it too."""

from __future__ import annotations

import json
from pathlib import Path

from ssgan.config import Config, DigitsSource, FolderSource, MethodConfig, S3Source, Source
from ssgan.runs.progress import LABELS, in_words
from ssgan.training.roles import has_steps, role_method, roles
from ssgan.wording import counted

SAME = ("method", "net", "features", "data", "augment", "loader")  # sections on which the time of a step depends


def headline(config: Config, last: Path) -> str:
    """Method, steps and about how long, going by the training in the folder ``last`` if it was one of the same kind.

    Raises:
        ConfigError: an unknown method, or options that it does not have.
    """
    trained = [role_method(config, role)[0] for role in roles(config)]
    first, *others = (name.replace("_", " ") for name in trained)
    how = counted(config.train.steps, "step") if any(has_steps(config, role) for role in roles(config)) else "fitted at once"
    after = f", then {' and '.join(others)} on the labels alone" if others == ["supervised"] else ""
    beside = f", beside {' and '.join(others)}" if others and not after else ""
    took = seconds_of(config, last)
    return f"training {first}: {how}{after}{beside}" + (f"; about {in_words(took)}, as the last time" if took else "")


def seconds_of(config: Config, last: Path) -> float | None:
    """Seconds of the last training, for the steps of this one; None where it is not known or was another kind of training."""
    try:
        manifest = json.loads((last / "manifest.json").read_text(encoding="utf-8"))
        before, now = manifest["config"], json.loads(config.model_dump_json())
        if any(before[key] != now[key] for key in SAME) or before["train"]["device"] != now["train"]["device"]:
            return None
        return float(sum(manifest["seconds"].values())) * config.train.steps / int(manifest["steps"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


def details(config: Config) -> str:
    """Data, roles with their resolved hyperparameters, and how they run.

    Raises:
        ConfigError: an unknown method, or options that it does not have.
    """
    data, t = config.data, config.train
    shape = f"{data.image_size}x{data.image_size} pixels, channels {data.channels}, resize {data.resize}"
    lines = [
        f"images: {describe_source(data.source)}; {shape}",
        f"training: {counted(t.steps, 'step')}, seed {t.seed}, {t.precision}, {t.backend}, workers {t.num_workers}, "
        f"device {t.device}",
        f"networks: {config.net.family}, width {config.net.width:g}, latent_dim {config.net.latent_dim}",
    ]
    if config.features.backbone:
        lines.append(f"features: {config.features.backbone}, {counted(config.features.dimensions, 'principal component')}")
    for role in roles(config):
        name, resolved = role_method(config, role)
        values = resolved.model_dump(exclude=None if has_steps(config, role) else set(MethodConfig.model_fields))
        shown = ", ".join(f"{k} {v}" for k, v in values.items())
        lines.append(f"{LABELS[role]}: {name} ({shown or 'fitted at once'})")
    return "\n".join([*lines, f"checkpoints: {config.storage.url}"])


def describe_source(source: Source) -> str:
    """Where raw images come from, in one phrase."""
    if isinstance(source, DigitsSource):
        return "embedded handwritten digits"
    if isinstance(source, FolderSource):
        return f"folder {source.path}"
    return source.url if isinstance(source, S3Source) else f"{source.dataset} of torchvision"
