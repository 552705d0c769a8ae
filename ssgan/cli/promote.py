"""``ssgan promote``: which model is live from now on."""

from __future__ import annotations

import getpass
import platform
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from ssgan import scratch
from ssgan.cli.compare import OUT
from ssgan.cli.models import Params
from ssgan.errors import ConfigError


def promote(
    run: Annotated[str, typer.Argument(help="The folder of a run, or a version (m-...).")] = ".",
    alias: Annotated[str, typer.Option(help="The name that it gets.")] = "champion",
    verdict: Annotated[Path, typer.Option(help="What `ssgan compare` wrote about it.")] = OUT / "verdict.json",
    rollback: Annotated[bool, typer.Option("--rollback", help="Back to the champion before this one.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Without a passing verdict.")] = False,
    why: Annotated[str, typer.Option(help="The reason; it is recorded. Needed for --force and for a rollback.")] = "",
    accept_license: Annotated[
        bool, typer.Option("--accept-license", help="You have read the backbone's license; it is recorded.")
    ] = False,
    by: Annotated[str, typer.Option(help="Who decides; git's user, or the account.")] = "",
    params: Params = Path("params.yaml"),
) -> None:
    """Register RUN in storage and make it the champion, if the verdict about exactly this pair allows it."""
    from ssgan.config import load
    from ssgan.registry.promotion import PromotionRequest
    from ssgan.registry.promotion import promote as do
    from ssgan.registry.registry import PREVIOUS

    if rollback and run != ".":
        raise ConfigError(f"--rollback goes back to the champion before this one; leave out {run!r}, or leave out --rollback")
    request = PromotionRequest(
        PREVIOUS if rollback else run, alias, verdict, by or whoami(), why or None, force, accept_license
    )
    with scratch.folder("promote") as temporary:
        done = do(load(params), request, temporary)
    if done is None:
        typer.echo(f"that model is {alias} already; nothing was moved")
        return
    move, backbone = done
    typer.echo(f"{move.alias}: {move.before or 'none'} -> {move.to} (move {move.serial}, {move.kind}, by {move.by})")
    if backbone:
        typer.echo(f"  backbone: {backbone.name}, license {backbone.license}{' (accepted)' if move.license else ''}")


def whoami() -> str:
    """Name and address from git, else the account and machine."""
    known = [_git("config", key) for key in ("user.name", "user.email")]
    return f"{known[0]} <{known[1]}>" if all(known) else f"{getpass.getuser()}@{platform.node()}"


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""
