"""The model that a run starts from: found here, named by its weights, and put into storage, where every worker finds it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ssgan import scratch
from ssgan.cluster.versions import SUBMISSION
from ssgan.config import Config
from ssgan.errors import CheckpointError, ConfigError
from ssgan.provenance import file_sha256
from ssgan.storage.write_once import OnceStore
from ssgan.training.context import Role, start_key
from ssgan.training.roles import has_steps, roles

PREVIOUS = "previous"
FILES = ("config.json", "model.safetensors")


def publish_start(config: Config, out: Path, store: OnceStore) -> dict[str, str] | None:
    """Put the model that ``train.start_from`` names into storage.

    Args:
        out: the folder of the last training, for ``previous``.

    Returns:
        sha256 of the weights of each role that is trained in steps; None where a run starts from random ones.

    Raises:
        CheckpointError: there is no such model, or no twin of it.
        ConfigError: the method is fitted at once, and starts from nothing.
    """
    if config.train.start_from is None:
        return None
    if not has_steps(config, "main"):
        raise ConfigError(
            f"train.start_from is {config.train.start_from!r}, but {config.method.name} is fitted at once, to all labels that "
            "there are; set train.start_from to null"
        )
    folders = {role: _folder(config.train.start_from, out, role) for role in roles(config) if has_steps(config, role)}
    start = {role: file_sha256(folder / FILES[1]) for role, folder in folders.items()}
    key = start_key(start)
    if key not in store.keys(key.rpartition("/")[0]):
        with scratch.folder("start") as temporary:
            for role, folder in folders.items():
                (Path(temporary) / role).mkdir()
                for name in FILES:
                    shutil.copyfile(folder / name, Path(temporary) / role / name)
            store.keep(Path(temporary), key)  # two submitters at once write the same bytes
    return {str(role): digest for role, digest in start.items()}


def submitted_start(config: Config) -> dict[str, str] | None:
    """In a job: what the submitter has published. Raises ConfigError in a job that was sent by hand."""
    if config.train.start_from is None:
        return None
    if not SUBMISSION.exists():
        raise ConfigError(
            f"train.start_from is {config.train.start_from!r}, which a job sent by hand cannot find; use `ssgan submit`, or "
            "set it to null"
        )
    start: dict[str, str] = json.loads(SUBMISSION.read_text())["identity"]["start"]
    return start


def _folder(start_from: str, out: Path, role: Role) -> Path:
    """The model folder of a role: the twin of RUN/main/last is RUN/twin/last."""
    main = out / "main" / "last" if start_from == PREVIOUS else Path(start_from)
    folder = main if role == "main" else main.absolute().parents[1] / role / main.name
    if all((folder / name).is_file() for name in FILES):
        return folder
    if role != "main":
        raise CheckpointError(
            f"train.start_from is {start_from!r}, but there is no supervised baseline in {folder}, and one that starts "
            "afresh would flatter the method; set train.twin to false, or train.start_from to null"
        )
    remedy = "train once with train.start_from: null, or fetch the last model (`dvc checkout runs/train`)"
    raise CheckpointError(
        f"train.start_from is {start_from!r}, but there is no model in {folder}; "
        + (remedy if start_from == PREVIOUS else "name a folder with config.json and model.safetensors, such as RUN/main/last")
    )
