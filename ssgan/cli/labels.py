"""``ssgan labels``: votes come into the ledger, conflicts go out to a person, and everything can be taken back."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssgan.cli.layouts import FolderLayout
from ssgan.errors import ConfigError, Exit
from ssgan.intake.raw_label import LabelFormat
from ssgan.wording import counted

if TYPE_CHECKING:
    from ssgan.config import SplitConfig
    from ssgan.data.classes import ClassRegistry
    from ssgan.intake.project_index import ProjectIndex
    from ssgan.intake.review import Review
    from ssgan.ledger import Ledger

LEDGER, QUEUE = Path("labels"), Path("label-queue.csv")
DATA, REGISTRY, PIPELINE = Path("data"), Path("classes.json"), Path("dvc.yaml")

labels = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="The label ledger: who labeled which image as what.")


class NewClasses(StrEnum):
    """What becomes of names that are no class yet."""

    ask = "ask"
    all = "all"


LedgerOption = Annotated[
    Path | None, typer.Option("--ledger", help="The ledger's folder. Default: split.labels if that is one, else labels.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
ByOption = Annotated[str, typer.Option("--by", help="Who decides that; noted in the ledger.")]


@labels.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, class folders, an export (see --format), or a queue.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen. Ends like the import would.")] = False,
    annotator: Annotated[str, typer.Option(help="Who labeled, where the file does not say. Else asked when it matters.")] = "",
    time: Annotated[str, typer.Option(help="When, where the file does not say (ISO 8601). Default: the file's time.")] = "",
    kind: Annotated[LabelFormat | None, typer.Option("--format", help="Default: by the content of the file.")] = None,
    new_class: Annotated[list[str] | None, typer.Option("--new-class", help="This is a class from now on. Repeatable.")] = None,
    new_classes: Annotated[
        NewClasses,
        typer.Option("--new-classes", help="all: so is every name that looks like no other class."),
    ] = NewClasses.ask,
    partial: Annotated[bool, typer.Option("--partial", help="Import what is clear; the rest goes to the queue file.")] = False,
    allow_test: Annotated[bool, typer.Option("--allow-test", help="Labels of test images may change.")] = False,
    allow_conflicts: Annotated[bool, typer.Option("--allow-conflicts", help="Record votes that contradict others.")] = False,
    control: Annotated[str, typer.Option("--control", help="Label Studio: the control that is the class.")] = "",
    image_field: Annotated[str, typer.Option("--image-field", help="Label Studio: the field that names the image.")] = "",
    layout: Annotated[FolderLayout, typer.Option("--layout", help="Of class folders; auto: by names.")] = FolderLayout.auto,
    path_prefix: Annotated[str, typer.Option("--path-prefix", help="What stands before the ingested paths in the file.")] = "",
    queue: Annotated[Path, typer.Option(help="CSV file for what a person has to decide.")] = QUEUE,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at every label of a file; if none needs a person, add them to the ledger. Importing twice changes nothing.

    Ends with 3 if a decision is needed; then nothing is written, unless --partial.
    """
    from ssgan.intake import import_report
    from ssgan.intake import queue as queues
    from ssgan.intake.importing import prepare
    from ssgan.intake.options import Fields, ImportOptions

    config, into = _split_config(), open_ledger(ledger)
    options = ImportOptions(kind, annotator, time, new_class or (), allow_test, allow_conflicts)
    options = replace(options, fields=Fields(control, image_field, layout.value), path_prefix=path_prefix)
    project = _project_index()
    found = prepare(path, into, project, config.label_policy, options)
    if added := _agreed(found.review, new_classes, ask=not (as_json or dry_run)):
        options = replace(options, new_classes=[*options.new_classes, *added])
        found = prepare(path, into, project, config.label_policy, options)
    clear = not found.review.needs_a_person
    to_queue = bool(found.queue) and partial and not dry_run
    if to_queue:
        queues.require_new(queue)
    batch = found.write() if (clear or partial) and not dry_run else None
    if to_queue:
        queues.write(queue, found.queue)
    if as_json:
        typer.echo(
            json.dumps(import_report.as_json(found, str(path), batch, str(queue) if to_queue else None), ensure_ascii=False)
        )
    else:
        typer.echo(import_report.describe(found, str(path)))
        typer.echo(_outcome(batch, len(found.review.accepted), clear, partial, dry_run))
        if to_queue:
            typer.echo(
                f"{counted(len(found.queue), 'image is', 'images are')} in {queue}: fill in `label`, then `ssgan labels "
                f"import {queue}`"
            )
            if left := import_report.not_recorded(found):
                typer.echo(f"{left} of their votes contradict others and are not recorded; import {path} again after the queue")
        if batch and (hint := pipeline_hint(into.folder, config)):
            typer.echo(hint)
    if not clear:
        raise typer.Exit(Exit.PERSON)


def _agreed(review: Review, new_classes: NewClasses, ask: bool) -> list[str]:
    """Names of the file that are classes from now on, by --new-classes or because a person at the terminal says so."""
    from ssgan.intake.importing import clearly_new

    names = clearly_new(review)
    if new_classes is NewClasses.ask and names:
        question = f"{', '.join(names)}: no class yet. Add {'it' if len(names) == 1 else f'these {len(names)}'}?"
        return names if ask and sys.stdin.isatty() and typer.confirm(question) else []
    return names


def _outcome(batch: str | None, votes: int, clear: bool, partial: bool, dry_run: bool) -> str:
    if batch:
        return f"written: batch {batch}, {counted(votes, 'vote')} (`ssgan labels undo {batch}` takes it back)"
    if dry_run:
        return f"dry run, nothing was written; {counted(votes, 'vote is', 'votes are')} clear" + (
            "" if clear else ", the rest needs a person"
        )
    if clear or partial:
        return "nothing to write"
    return (
        f"nothing was written: a decision is needed; {counted(votes, 'vote is', 'votes are')} clear (--partial imports these)"
    )


@labels.command()
def aside(ledger: LedgerOption = None, as_json: JsonOption = False) -> None:
    """List images that people looked at and gave no class: none of these, or unusable, with their notes."""
    opened, project = open_ledger(ledger), _project_index()
    labeled = opened.state(_split_config().label_policy).labels
    found = [event for event in opened.aside() if event.name not in labeled]  # somebody has found a class since
    if as_json:
        rows = [
            {"sha256": e.name, "path": project.display_name(e.name), "why": e.into, "by": e.by, "time": e.time} for e in found
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for event in found:
        typer.echo(f"{event.time[:10]}  {project.display_name(event.name)}  {event.into}  ({event.by})")
    typer.echo(f"{counted(len(found), 'image was', 'images were')} set aside, without a class")


@labels.command()
def conflicts(queue: Annotated[Path, typer.Option(help="The file to write.")] = QUEUE, ledger: LedgerOption = None) -> None:
    """Write the images whose votes cannot be decided on to a queue file. Ends with 3 if there are any."""
    from ssgan.intake import queue as queues

    policy = _split_config().label_policy
    state = open_ledger(ledger).state(policy)
    if not state.conflicts:
        typer.echo(f"no conflicts: {policy} decides on all {counted(len(state.labels), 'labeled image')}")
        return
    queues.write(queue, queues.of_conflicts(state, _project_index()))
    typer.echo(
        f"{counted(len(state.conflicts), 'image is', 'images are')} in {queue}: fill in `label`, then `ssgan labels "
        f"import {queue}`"
    )
    raise typer.Exit(Exit.PERSON)


@labels.command()
def undo(
    batch: Annotated[str, typer.Argument(help="Id of a batch or an event, or its beginning (see `ssgan labels status`).")],
    by: ByOption = "",
    ledger: LedgerOption = None,
) -> None:
    """Take back a batch, a renaming, a merge, a new class, or an undo. Nothing is deleted."""
    from ssgan.intake.changes import undo as take_back

    typer.echo(take_back(open_ledger(ledger), batch, by, _split_config().label_policy, _registry()))


@labels.command()
def blame(
    image: Annotated[str, typer.Argument(help="Path of an image as ingested, or the beginning of its sha256.")],
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Every vote on an image: who, when, what, from which file, in which batch, and what follows."""
    from ssgan.intake.changes import blame as trace
    from ssgan.intake.changes import describe_blame

    found = trace(open_ledger(ledger), image, _project_index(), _split_config().label_policy)
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else describe_blame(found))


@labels.command()
def rename(old: str, new: str, by: ByOption = "", ledger: LedgerOption = None) -> None:
    """Give a class another name. It keeps its id; votes with the old name count for it, also those that come later."""
    from ssgan.intake.changes import rename as change

    typer.echo(change(open_ledger(ledger), old, new, by, _registry()))


@labels.command()
def merge(
    from_: Annotated[str, typer.Argument(metavar="FROM")], into: str, by: ByOption = "", ledger: LedgerOption = None
) -> None:
    """All images of class FROM are of class INTO from now on. The id of FROM is retired."""
    from ssgan.intake.changes import merge as change

    typer.echo(change(open_ledger(ledger), from_, into, by, _registry()))


@labels.command()
def status(ledger: LedgerOption = None, as_json: JsonOption = False) -> None:
    """Votes, labels per class, agreement of annotators, conflicts, batches and events."""
    from ssgan.intake.importing import class_names
    from ssgan.intake.ledger_status import describe, ledger_status

    config, found = _split_config(), open_ledger(ledger)
    files = found.read()
    state = files.state(config.label_policy)
    status = ledger_status(files, state, class_names(_registry(), state.taxonomy))
    typer.echo(json.dumps(status, ensure_ascii=False) if as_json else describe(status))
    if not as_json and (hint := pipeline_hint(found.folder, config)):
        typer.echo(hint)


def _split_config() -> SplitConfig:
    from ssgan.config import load

    return load().split


def open_ledger(folder: Path | None) -> Ledger:
    """The ledger that a person names, or that the pipeline uses, or the default one."""
    from ssgan.data.labels import is_ledger
    from ssgan.ledger import Ledger

    named = _split_config().labels
    used = Path(named) if named and is_ledger(Path(named)) else LEDGER
    folder = folder or used
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"the ledger {str(folder)!r} is a file; name a folder with --ledger")
    return Ledger(folder)


def _project_index() -> ProjectIndex:
    from ssgan.config import DigitsSource, FolderSource, S3Source, load
    from ssgan.intake.project_index import load_project_index

    source = load().data.source
    where = (
        source.url if isinstance(source, S3Source) else source.path if isinstance(source, FolderSource | DigitsSource) else ""
    )
    return load_project_index(DATA / "index", DATA / "duplicates.parquet", DATA / "splits", REGISTRY, where)


def _registry() -> ClassRegistry:
    from ssgan.data.classes import load

    return load(REGISTRY)


def pipeline_hint(folder: Path, config: SplitConfig) -> str:
    """What is missing for the pipeline to use the ledger; empty if nothing is."""
    if config.labels is None or Path(config.labels) != folder:
        setting = "null" if config.labels is None else config.labels
        return (
            f"note: split.labels is {setting}, so the pipeline does not read this ledger yet; set `split.labels: {folder}` in "
            f"params.yaml and add `{folder}` to the deps of `split` in dvc.yaml"
        )
    text = PIPELINE.read_text(encoding="utf-8") if PIPELINE.exists() else ""
    if text and "${split.labels}" not in text and f"- {folder}\n" not in text:
        return f"note: {PIPELINE} does not name {folder} in the deps of `split`, so `dvc repro` does not see new labels; add it"
    return ""
