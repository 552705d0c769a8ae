"""Do labels and networks allow a training? What would otherwise come out stages later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ssgan.config import Config, ImageSpec, Problem, TorchvisionSource
from ssgan.project.first_labels import BY_CLUSTERS
from ssgan.wording import counted

Level = Literal["ok", "note", "fail"]
MORE = "a classifier needs two classes at least: label images of another one"


@dataclass(frozen=True)
class Check:
    """One finding. ``note``: worth knowing, but no obstacle; ``remedy`` is empty where all is well."""

    name: str
    level: Level
    found: str
    remedy: str = ""


def networks(config: Config) -> Check:
    """Whether the networks of the method can be made for images of this size. Raises ConfigError where they cannot."""
    if config.features.backbone:
        return Check("networks", "ok", f"{config.net.family}, on features")
    from ssgan import methods
    from ssgan.training.roles import role_method, roles

    spec = ImageSpec(config.data.channels, config.data.image_size, config.data.resize)
    for role in roles(config):
        name, options = role_method(config, role)
        methods.build(name, options, Problem(spec, 2, config.net))
    return Check("networks", "ok", f"{config.net.family}, for {spec.image_size}x{spec.image_size} pixels")


def labels(config: Config) -> Check:
    """Whether there are labels, of two classes. Raises DataError for a label file that cannot be read."""
    from ssgan.data.labels import is_ledger

    table = config.split.labels
    if table is None:
        return _class_folders(config)
    if is_ledger(Path(table)):
        return _ledger(config, table)
    if not Path(table).is_file():
        return Check("labels", "fail", f"split.labels is {table}, which does not exist", "correct split.labels")
    from ssgan.data.label_csv import read_csv

    named = {line.name for line in read_csv(Path(table)) if line.name}
    if not named:
        return Check("labels", "fail", f"{table} has no line with a label", "fill in the column `label`")
    if len(named) == 1:
        return Check("labels", "fail", f"{table} names one class only, {named.pop()!r}", MORE)
    return Check("labels", "ok", f"{table}, {counted(len(named), 'class')}")


def _class_folders(config: Config) -> Check:
    source = config.data.source
    if source.kind == "digits" or isinstance(source, TorchvisionSource):
        return Check("labels", "ok", "class folders of the source")
    from ssgan.data.sources import make_source

    classes = make_source(source).classes()
    if not classes:
        remedy = "name a label file or a ledger in split.labels, or put images into class folders"
        return Check("labels", "fail", "the source has no class folders, and split.labels is null", remedy)
    if len(classes) == 1:
        return Check("labels", "fail", f"the source has one class folder only, {classes[0]!r}", MORE)
    return Check("labels", "ok", f"{counted(len(classes), 'class folder')} of the source")


def _ledger(config: Config, table: str) -> Check:
    from ssgan.ledger import Ledger

    state = Ledger(Path(table)).state(config.split.label_policy)
    begins = config.features.backbone is not None  # on features, a project may begin without labels
    if not state.votes:
        begin = f", or begin without: {BY_CLUSTERS}" if begins else ""
        return Check(
            "labels", "note" if begins else "fail", f"the ledger {table} has no votes", f"ssgan labels import FILE{begin}"
        )
    conflicts, named = len(state.conflicts), set(state.labels.values())
    found = f"the ledger {table}: {counted(len(state.labels), 'labeled image')}, {counted(conflicts, 'conflict')}"
    if len(named) == 1:
        return Check("labels", "note" if begins else "fail", f"{found}, of one class only, {named.pop()!r}", MORE)
    return Check("labels", "note" if conflicts else "ok", found, "ssgan labels conflicts" if conflicts else "")


def schema(params: Path) -> Check:
    """Whether editors check params.yaml against the parameters of this version, where the file names a schema."""
    from ssgan.project.params_schema import NAME, text

    if f"$schema={NAME}" not in params.read_text(encoding="utf-8"):
        return Check("schema", "ok", "params.yaml names none")
    path = params.parent / NAME
    if path.is_file() and path.read_text(encoding="utf-8") == text():
        return Check("schema", "ok", f"{NAME} is of this version of ssgan")
    found = f"{NAME} is of another version of ssgan" if path.is_file() else f"params.yaml names {NAME}, which is not there"
    return Check("schema", "note", f"{found}, so editors may warn of keys that are right", "run `ssgan init --refresh`")
