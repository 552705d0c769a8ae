"""Checks of machine and project before hours are spent. Each says what it found, and what to do where that is not enough."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import psutil

from ssgan import installation
from ssgan.cluster.connection import set_environment
from ssgan.config import Config, TorchvisionSource, load
from ssgan.data.rejections import Rejected
from ssgan.errors import SsganError
from ssgan.machine import cores
from ssgan.project.checks import Check, labels, networks, schema
from ssgan.wording import counted

GIB = 1 << 30
LEAST_MEMORY, LEAST_DISK = 2 * GIB, 2 * GIB  # bytes: below, even the embedded example is at risk
PYTHONS = ((3, 11), (3, 14))  # from, below


def examine(params: Path) -> list[Check]:
    """All checks for the project whose parameters are at ``params``; nothing is raised, everything is reported."""
    config, checked = _params(params)
    checks = [_guard("python", _python), _guard("torch", _torch), _guard("ray", lambda: _ray(config))]
    checks += [_guard("cpu", lambda: _cpu(config)), _guard("memory", _memory), _guard("disk", lambda: _disk(params.parent))]
    checks += [_guard("gpu", lambda: _gpu(config)), _guard("dvc", lambda: _dvc(params.parent)), checked]
    checks += [_guard("version", lambda: _pin(params.parent))]
    if config is not None:
        chosen = config
        checks += [_guard("schema", lambda: schema(params))]
        checks += [_guard("source", lambda: _source(chosen)), _guard("files", lambda: _files(chosen, params.parent))]
        checks += [_guard("labels", lambda: labels(chosen)), _guard("backbone", lambda: _backbone(chosen))]
        checks += [_guard("networks", lambda: networks(chosen)), _guard("storage", lambda: _storage(chosen))]
    return checks


def _guard(name: str, check: Callable[[], Check]) -> Check:
    """The check; where it breaks, that is its finding."""
    try:
        return check()
    except SsganError as error:
        sentence, _, remedy = str(error).rpartition("; ")
        return Check(name, "fail", sentence or remedy, remedy if sentence else "")
    except Exception as error:
        return Check(name, "fail", f"{type(error).__name__}: {error}", "install the packages of requirements.txt again")


# --- software --------------------------------------------------------------------------------------------------------


def _python() -> Check:
    found = sys.version.split()[0]
    if PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        return Check("python", "ok", found)
    return Check("python", "fail", found, "use Python 3.11, 3.12 or 3.13")


def _torch() -> Check:
    torch = importlib.import_module("torch")
    return Check("torch", "ok", f"{torch.__version__}, {counted(torch.get_num_threads(), 'thread')}")


def _ray(config: Config | None) -> Check:
    if config is not None and config.train.backend == "inline":
        return Check("ray", "ok", f"{version('ray')}, not used (train.backend is inline)")
    set_environment()
    importlib.import_module("ray.train")
    address = os.environ.get("RAY_ADDRESS")
    return Check("ray", "ok", f"{version('ray')}, " + (f"cluster at {address}" if address else "a local Ray for each run"))


def _dvc(folder: Path) -> Check:
    found = version("dvc")
    if not (folder / "dvc.yaml").is_file():
        return Check(
            "dvc",
            "note",
            f"{found}, but no dvc.yaml here",
            "`git checkout dvc.yaml` brings it back; in a folder that never had one, `ssgan init NEW` makes a project",
        )
    if not any((parent / ".dvc").is_dir() for parent in (folder.absolute(), *folder.absolute().parents)):
        return Check("dvc", "fail", f"{found}, but no .dvc folder here or above", "run `dvc init`")
    return Check("dvc", "ok", found)


def _pin(folder: Path) -> Check:
    """Stages depend on requirements.txt: it must name the version that runs."""
    installed = version("ssgan")
    try:
        text = (folder / "requirements.txt").read_text()
    except FileNotFoundError:
        text = ""
    pinned, mine = re.search(r"^ssgan==(\S+)", text, re.MULTILINE), installation.requirement().splitlines()[-1]
    if (address := re.search(r"^ssgan @ .*", text, re.MULTILINE)) and address[0] != mine:
        found, remedy = f"{mine} is installed, requirements.txt asks for {address[0]}", "pip install -r requirements.txt"
        return Check("version", "fail" if " @ " in mine else "note", found, remedy)
    if pinned and pinned[1] != installed:
        remedy = f"install the pinned one, or write ssgan=={installed} there (every stage then runs again)"
        return Check("version", "fail", f"ssgan {installed} is installed, requirements.txt asks for {pinned[1]}", remedy)
    return Check("version", "ok", f"ssgan {installed}")


# --- machine ---------------------------------------------------------------------------------------------------------


def _cpu(config: Config | None) -> Check:
    available = cores()
    found = counted(available, "core")
    if config is None or os.environ.get("RAY_ADDRESS"):
        return Check("cpu", "ok", found)
    wanted = config.train.num_workers * (config.train.cpus_per_worker or 1)
    if config.train.backend == "ray" and wanted > available:
        return Check("cpu", "fail", f"{found}, {wanted} are asked for", "lower train.num_workers or train.cpus_per_worker")
    if config.train.precision == "bf16" and _slow_bf16():
        found += ", without fast instructions for bf16: a step takes two to ten times as long as in float32"
        return Check("cpu", "note", found, "set train.precision to auto or float32")
    return Check("cpu", "ok", found)


def _slow_bf16() -> bool:
    from ssgan.training.precision import native_bf16

    torch = importlib.import_module("torch")
    return not torch.cuda.is_available() and not native_bf16(torch.device("cpu"))


def _memory() -> Check:
    free = min(psutil.virtual_memory().available, _container_memory())
    found = f"{free / GIB:.1f} GiB available"
    if free >= LEAST_MEMORY:
        return Check("memory", "ok", found)
    return Check("memory", "fail", found, f"free memory: at least {LEAST_MEMORY // GIB} GiB are needed")


def _container_memory() -> int:
    """What the container leaves, in bytes (cgroup v2); a huge number where there is no limit."""
    root = Path("/sys/fs/cgroup")
    try:
        limit = (root / "memory.max").read_text().strip()
        return sys.maxsize if limit == "max" else int(limit) - int((root / "memory.current").read_text())
    except (OSError, ValueError):
        return sys.maxsize


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(folder if folder.is_dir() else Path()).free
    found = f"{free / GIB:.1f} GiB free"
    if free >= LEAST_DISK:
        return Check("disk", "ok", found)
    return Check("disk", "fail", found, f"free at least {LEAST_DISK // GIB} GiB; `dvc gc --workspace` removes old results")


def _gpu(config: Config | None) -> Check:
    cuda = importlib.import_module("torch").cuda
    if cuda.is_available():
        return Check("gpu", "ok", ", ".join(cuda.get_device_name(i) for i in range(cuda.device_count())))
    if config is not None and config.train.device == "cuda" and not os.environ.get("RAY_ADDRESS"):
        return Check("gpu", "fail", "none, but train.device is cuda", "set train.device to auto or cpu, or fix the driver")
    return Check("gpu", "ok", "none, the CPU is used")


# --- project ---------------------------------------------------------------------------------------------------------


def _params(path: Path) -> tuple[Config | None, Check]:
    from ssgan.training.roles import role_method, roles

    try:
        config = load(path)
        for role in roles(config):
            role_method(config, role)
    except SsganError as error:
        return None, _guard("params", _raising(error))
    return config, Check("params", "ok", f"{path}: {config.method.name}, {counted(config.train.steps, 'step')}")


def _raising(error: SsganError) -> Callable[[], Check]:
    def check() -> Check:
        raise error

    return check


def _source(config: Config) -> Check:
    """Open the source as ``ingest`` will, and list its first files."""
    from ssgan.data.sources import make_source
    from ssgan.runs.overview import describe_source

    source = config.data.source
    if source.kind == "digits" or (isinstance(source, TorchvisionSource) and source.download):
        return Check("source", "ok", f"{describe_source(source)}, written when `ingest` runs")
    opened = make_source(source)
    first = list(islice(opened.items(), 100))
    if not first:
        return Check("source", "fail", f"{opened.name} contains no files", "put images there, or correct data.source")
    for item in first:
        with contextlib.suppress(Rejected):
            if item.problem is None and opened.read(item, config.data.max_file_bytes):
                return Check("source", "ok", f"{opened.name}; {' '.join(opened.notes)}")
    return Check("source", "fail", f"{opened.name}: none of the first files can be read", "fix the permissions of the files")


def _files(config: Config, project: Path) -> Check:
    """What DVC makes of the folder of images, file by file."""
    from ssgan.project import dvc_files

    folder = dvc_files.local_folder(config.data.source)
    if folder is None or not os.path.isdir(project / folder):
        return Check("files", "ok", "no local folder of images that DVC watches")
    found = dvc_files.look_through(str(project / folder), project)
    bad, links = found.unhashable, dvc_files.unwatched(found.linked, project)
    if bad:
        count = f"{len(bad)} that DVC cannot hash, so `dvc repro` stops or waits forever: "
        mend = dvc_files.listed([one.mend for one in bad], "; ")
        told = dvc_files.listed([one.describe() for one in bad], ", ")
        return Check("files", "fail", count + told, f"{mend}; or, where they lie in the project, name them in .dvcignore")
    if links:
        count = f"{counted(len(links), 'link')} to folders, whose content DVC does not watch: "
        deps = dvc_files.listed(sorted({target for _, target in links}), ", ")
        remedy = f"add {deps} to the `deps` of `ingest` in dvc.yaml, or run `ssgan ingest` yourself"
        return Check("files", "note", count + dvc_files.listed([f"{a} -> {b}" for a, b in links], ", "), remedy)
    return Check("files", "ok", "DVC can hash all of them")


def _backbone(config: Config) -> Check:
    """What methods learn on: the weights are here, and the networks fit."""
    if config.features.backbone is None:
        return Check("backbone", "ok", "none: methods learn from pixels")
    from ssgan import backbones

    backbone, weights = backbones.find(config.features, config.data.deep_bits)
    if config.net.family != "head":
        found = f"{backbone.name}, but net.family is {config.net.family}, which learns from pixels"
        return Check("backbone", "fail", found, "set net.family to head, or features.backbone to null")
    shape = f"{backbone.size} pixels, {counted(backbone.dimension, 'dimension')}"
    found = f"{backbone.name}, {shape}, license {backbone.license}; {weights.name}"
    if backbone.restricted:
        return Check("backbone", "note", found, "read the license before you use the model outside of research")
    return Check("backbone", "ok", found)


def _storage(config: Config) -> Check:
    from ssgan.storage.store import probe

    probe(config.storage.url)
    return Check("storage", "ok", f"{config.storage.url}: written, read and removed a small object")
