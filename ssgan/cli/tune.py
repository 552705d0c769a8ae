"""``ssgan tune``: search better parameters; ``ssgan tune apply``: take them over, as a commit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ssgan.errors import ConfigError, SsganError
from ssgan.wording import counted

PARAMS, BEST = Path("params.yaml"), Path("reports/tune/best.yaml")

tune = typer.Typer(rich_markup_mode=None)


@tune.callback(invoke_without_command=True)
def search(context: typer.Context) -> None:
    """Search tune.space of params.yaml with Ray Tune -> reports/tune. Run it again to resume."""
    if context.invoked_subcommand is None:
        from pipelines.tune import run

        run()


@tune.command()
def apply(
    best: Annotated[Path, typer.Option(help="What a search has found.")] = BEST,
    commit: Annotated[bool, typer.Option("--commit", help="Write and commit without asking.")] = False,
) -> None:
    """Write the best parameters into params.yaml, comments kept, and commit that. Shows the change first, and asks."""
    from ssgan.tuning.apply import diff, edited, read_best

    found = read_best(best)
    _require_clean()
    before = PARAMS.read_text(encoding="utf-8")
    after = edited(before, found["params"])
    if before == after:
        typer.echo(f"{PARAMS} has these values already; nothing to do")
        return
    typer.echo(diff(before, after), nl=False)
    if not commit and not _yes():
        typer.echo("nothing was changed")
        return
    PARAMS.write_text(after, encoding="utf-8")
    _git("commit", "--quiet", "--message", _message(found), "--", str(PARAMS))
    typer.echo(f"committed; `git revert HEAD` takes it back. Next: dvc repro, which finds {found['run']} trained already")


def _yes() -> bool:
    if not sys.stdin.isatty():
        raise ConfigError(
            "this is not a terminal, so there is no one to ask; add --commit to write and commit the change above"
        )
    return typer.confirm(f"write this into {PARAMS} and commit it?")


def _message(found: dict[str, object]) -> str:
    return (
        f"Apply trial {found['trial']} of the search: validation error {100 * float(str(found['score'])):.2f} %\n\n"
        f"Run {found['run']}, {counted(int(str(found['val_images'])), 'val image')}, {found['checkpoint']} weights.\n"
    )


def _require_clean() -> None:
    """A change that is not committed would disappear in ours, or be committed with it."""
    if not PARAMS.exists():
        raise ConfigError(f"{PARAMS} does not exist; change to the project's folder")
    if _git("ls-files", "--", str(PARAMS), check=False) != str(PARAMS):
        raise ConfigError(
            f"{PARAMS} is not under git, so a change of it could not be taken back; commit it first, or copy the values by hand"
        )
    if _git("status", "--porcelain", "--", str(PARAMS)):
        raise ConfigError(f"{PARAMS} has changes that are not committed; commit or stash them, then apply")


def _git(*arguments: str, check: bool = True) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise SsganError("git is not installed, and the change is made as a commit; install it") from None
    if check and done.returncode:
        raise SsganError(f"`git {arguments[0]}` failed: {done.stderr.strip() or done.stdout.strip()}; fix it and run again")
    return done.stdout.strip()
