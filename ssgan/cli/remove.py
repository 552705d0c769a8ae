"""``ssgan remove``: images that must go, on request of whoever is on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ssgan.errors import Exit
from ssgan.wording import counted

if TYPE_CHECKING:
    from ssgan.project.remove import Removal


def remove(
    images: Annotated[list[str], typer.Argument(help="sha256, path in the source (as in data/index), or a file here.")],
    reason: Annotated[str, typer.Option(help="For removed.csv; no personal data, the file is under git.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
) -> None:
    """Remove images from data, caches and reports for good. Exits with 3 where something is left to a person."""
    from ssgan.project.remove import carry_out, plan

    found = plan(images)
    for line in describe(found):
        typer.echo(line)
    if dry_run:
        typer.echo("nothing was changed (--dry-run)")
        return
    carry_out(found, reason)
    typer.echo(f"removed {counted(len(found.images), 'image')}; removed.csv keeps them away: commit it, then run `dvc repro`")
    if (found.remotes and found.cached) or found.registered or found.fetched or any(found.images.values()):
        raise typer.Exit(Exit.PERSON)


def describe(found: Removal) -> list[str]:
    """Everything that is removed, what the model has seen of it, and what is left to do."""
    lines = [f"{image}  {', '.join(paths) or 'not ingested'}" for image, paths in found.images.items()]
    for title, things in (
        ("written anew without them", found.tables),
        ("deleted; `dvc repro`, `ssgan compare` and `ssgan audit` make them again", found.made),
        ("deleted from DVC's cache, in whatever version", found.cached),
        ("deleted from storage", found.published),
    ):
        lines += _listed(title, [str(thing) for thing in things])
    lines.append(_lineage(found))
    raw = sorted(path for paths in found.images.values() for path in paths)
    lines += _listed("left for you to do: the raw files (ssgan never modifies them)", raw)
    title = "left for you to do: models that were evaluated on them; promote a new one, then delete these from storage"
    lines += _listed(title, found.registered)
    lines += _listed("left to you: copies of such models in this project; delete them", [str(path) for path in found.fetched])
    for name, url in found.remotes.items():
        keys = [f"{url.rstrip('/')}/files/md5/{path.parent.name}/{path.name}" for path in found.cached]
        lines += _listed(f"left for you to do: delete from the DVC remote {name!r}, in all versions of the bucket", keys)
    if found.cached or found.made:
        lines.append("left for you to do: other clones of this project (run the same command there), and backups")
    return lines


def _listed(title: str, things: list[str]) -> list[str]:
    """All of them, however many: this is what is kept as the record of a removal."""
    return [f"{title}:", *(f"  {thing}" for thing in things)] if things else []


def _lineage(found: Removal) -> str:
    if found.run is None:
        return "no model: runs/train is empty"
    if found.trained is None:
        return f"model {found.run}: data/splits is not its data, so take it as trained on them, and train again"
    counts = ", ".join(f"{len(images)} {name}" for name, images in found.trained.items() if images)
    if not counts:
        return f"model {found.run}: none of them was in its data"
    if not found.seen_in_training:
        return f"model {found.run}: {counts}; measured on them, not trained on them; evaluate again"
    return f"model {found.run}: {counts}; trained on them; train again, from random weights (train.start_from: null)"
