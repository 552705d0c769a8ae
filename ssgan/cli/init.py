"""``ssgan init``: a project for one's own images, as files that its owner reads and changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssgan import installation, templates
from ssgan.cli.layouts import FolderLayout
from ssgan.errors import ConfigError, SsganError
from ssgan.storage import is_s3

if TYPE_CHECKING:
    from ssgan.project.advice import Seen

# name in the project -> name of the template: DVC would read a second dvc.yaml, and tools skip names with a leading dot
FILES = {
    "params.yaml": "parameters.yaml",
    "dvc.yaml": "pipeline.yaml",
    "tune/dvc.yaml": "tuning.yaml",
    "requirements.txt": "requirements.txt",
    "README.md": "README.md",
    "removed.csv": "removed.csv",
    ".gitignore": "gitignore",
    ".dvcignore": "dvcignore",
    ".rayignore": "rayignore",
    ".dvc/plots/series.json": "series.json",
}
SCHEMA = "params.schema.json"  # what editors check params.yaml against; made, not a template
LEDGER = "labels"  # of a team's project that begins without any label
DVC_FILES = (".dvc/config", ".dvc/.gitignore")
QUIET = ("analytics", "check_update", "autostage")  # settings of DVC that are switched off


class Mode(StrEnum):
    """Where labels come from."""

    team = "team"
    benchmark = "benchmark"


def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder; made if it does not exist.")] = Path(),
    images: Annotated[str, typer.Option(help="Raw images: a folder, seen from the project, or s3://bucket/prefix.")] = "images",
    mode: Annotated[Mode, typer.Option(help="team: use all labels; benchmark: keep few, to see what they do.")] = Mode.team,
    layout: Annotated[FolderLayout, typer.Option(help="What folders mean; auto: by their names.")] = FolderLayout.auto,
    labels: Annotated[
        str | None,
        typer.Option(
            help="CSV with columns (path or sha256) and label, or a label ledger (a folder); empty: class folders. "
            "Default: class folders where there are some, else the ledger `labels`; of a benchmark, class folders."
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Pixels: side of the squares that images become. By the images, or the recipe's.")
    ] = None,
    channels: Annotated[int | None, typer.Option(min=1, max=3, help="1 gray, 3 RGB. By the images, or the recipe's.")] = None,
    recipe: Annotated[str, typer.Option(help=f"Parameters for known data: {', '.join(templates.recipe_names())}.")] = "",
    refresh: Annotated[
        bool, typer.Option("--refresh", help=f"After an upgrade of ssgan: write {SCHEMA} of a project again, and nothing else.")
    ] = False,
) -> None:
    """Write a project: params.yaml, dvc.yaml, ignore files, README, and set DVC up. Nothing is overwritten."""
    from ssgan.config import Config, parse, yaml12
    from ssgan.data.labels import is_ledger
    from ssgan.project import params_schema
    from ssgan.project.advice import advise
    from ssgan.project.first_labels import FIRST_LABELS, has_class_folders
    from ssgan.project.trial import seconds
    from ssgan.report.story import duration

    if refresh:
        _refresh(folder)
        return
    taken = [name for name in (*FILES, SCHEMA) if (folder / name).exists()]
    if taken:
        raise ConfigError(f"{folder} already holds {', '.join(taken)}; name another folder, nothing is overwritten")
    seen = None if is_s3(images) else _seen(folder, images, layout)
    unlabeled = labels is None and mode == Mode.team and not has_class_folders(images, seen)
    labels = LEDGER if unlabeled else labels
    choices = {
        "requirement": installation.requirement().rstrip("\n"),
        "source": _source(images, layout),
        "dependency": "${data.source.url}" if is_s3(images) else "${data.source.path}",
        "mode": mode.value,
        "labels": labels or "null",
        "labels_dependency": "\n      - ${split.labels}" if labels else "",
        "image_size": "32",
        "channels": "3",
    }
    own = {key: value for key, value in (("image_size", image_size), ("channels", channels)) if value is not None}
    texts = {name: templates.fill(template, choices) for name, template in FILES.items()}
    advice = None if recipe else advise(seen)
    texts["params.yaml"] = _with_sections(texts["params.yaml"], advice.sections if advice else templates.recipe(recipe), own)
    config = parse(Config, yaml12.read(texts["params.yaml"], "params.yaml"), "ssgan init")  # before anything is written
    texts[SCHEMA] = params_schema.text()
    git, uncommitted = _write(folder, texts, labels if labels and is_ledger(folder / labels) else None)
    typer.echo(f"project written to {folder.resolve()}" + ("" if git else " (without git: `dvc exp` needs it)"))
    for line in advice.why if advice else ():
        typer.echo(line)
    if unlabeled:
        typer.echo(
            f"labels: come into the ledger `{LEDGER}` by `ssgan labels import FILE`; FILE may be a folder of class folders"
        )
    if seen and not recipe:
        typer.echo(
            f"time: about {duration(seconds(config, seen.listed, seen.classes))} here for features and training, by a trial"
        )
    put = "" if is_s3(images) or _holds_files(folder / images) else f"put images into {images}, "
    ready = f"next: {put}change params.yaml to your needs, then: ssgan doctor && dvc repro"
    if uncommitted:
        add = f"git add {' '.join(uncommitted)} && git commit"
        typer.echo(f"commit these files, `dvc exp run` and `dvc metrics diff` ask for it: {add}")
    begin = f" features\nno image has a label yet; after that: {FIRST_LABELS}"
    typer.echo(ready + (begin if unlabeled and seen and config.features.backbone else ""))


def _write(folder: Path, texts: dict[str, str], ledger: str | None) -> tuple[bool, list[str]]:
    """Write the files, set DVC up, and commit where that is ours to do.

    Returns whether git is used, and the files that are left to the user to commit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    git, new = _set_up_dvc(folder)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if ledger:
        _start_ledger(folder / ledger)
    ours = [name for name in (*texts, *DVC_FILES, f"{ledger}/README.md") if (folder / name).is_file()]
    return git, ours if git and not (new and _commit(folder, ours)) else []


def _start_ledger(folder: Path) -> None:
    """An empty ledger, with a file in it: git keeps no empty folder, and DVC wants to see what a stage depends on."""
    (folder / "batches").mkdir(parents=True, exist_ok=True)
    if not (folder / "README.md").exists():
        (folder / "README.md").write_text(templates.fill("ledger.md", {}), encoding="utf-8")


def _source(images: str, layout: FolderLayout) -> str:
    """The section ``data.source``."""
    source = f"kind: s3\n    url: {images}" if is_s3(images) else f"kind: folder\n    path: {images}"
    return source if layout == FolderLayout.auto else f"{source}\n    layout: {layout.value}"


def _seen(folder: Path, images: str, layout: FolderLayout) -> Seen | None:
    """What a look at the images found; None where there are none yet. Raises DataError where folders allow two readings."""
    from ssgan.config import FolderSource
    from ssgan.data.sources import make_source
    from ssgan.project.advice import look

    path = (folder / images).resolve()  # the folder may not be there yet, and then nothing is at folder/../images
    return look(make_source(FolderSource(path=str(path), layout=layout.value))) if _holds_files(path) else None


def _refresh(folder: Path) -> None:
    """Write again what is made from this version of ssgan, and changed by nobody."""
    from ssgan.project import params_schema

    if not (folder / "params.yaml").is_file():
        raise ConfigError(f"{folder} holds no params.yaml, so it is no project; name the folder of one, or leave out --refresh")
    (folder / SCHEMA).write_text(params_schema.text(), encoding="utf-8")
    typer.echo(f"written: {folder / SCHEMA}; commit it")


def _with_sections(text: str, sections: dict[str, dict[str, Any]], own: dict[str, int]) -> str:
    """The parameters with those of some sections, and over both what the user asked for on the command line (of ``data``)."""
    return templates.laid_over(text, {**sections, "data": {**sections.get("data", {}), **own}})


def _holds_files(path: Path) -> bool:
    return path.is_dir() and any(path.iterdir())


def _set_up_dvc(folder: Path) -> tuple[bool, bool]:
    """``dvc init`` (with git where there is one), with analytics and update checks off.

    Returns whether git is used, and whether its repository was made here.
    """
    git = shutil.which("git") is not None
    new = git and _call(folder, "git", "rev-parse", "--show-toplevel") != 0
    if new:
        _run(folder, "git", "init", "--quiet")
    if (folder / ".dvc").is_dir():
        return git, new
    inside = git and not (folder / ".git").exists()
    extra = ["--subdir"] if inside else [] if git else ["--no-scm"]
    _run(folder, sys.executable, "-m", "dvc", "init", "--quiet", *extra)
    (folder / ".dvcignore").unlink(missing_ok=True)  # ours says more
    config = folder / ".dvc" / "config"
    text = config.read_text().removeprefix("[core]\n")  # what `dvc init --no-scm` writes belongs to the same section
    config.write_text("[core]\n" + "".join(f"    {key} = false\n" for key in QUIET) + text)
    return git, new


def _commit(folder: Path, names: list[str]) -> bool:
    """The first commit, of our files alone. Returns whether it is there: not where git does not know who commits."""
    return not _call(folder, "git", "add", "--", *names) and not _call(folder, "git", "commit", "--quiet", "-m", "ssgan init")


def _call(folder: Path, *command: str) -> int:
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        name = " ".join(command).replace(f"{sys.executable} -m ", "")
        raise SsganError(f"`{name}` failed in {folder}: {done.stderr.strip()}; fix it and run `ssgan init` again")
