"""``ssgan backbones``: which pretrained networks are here, and which one suits these images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

backbones = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Pretrained networks whose features methods learn on."
)

Names = Annotated[list[str], typer.Argument(help="efficientnet_lite0, or timm:ARCHITECTURE.")]


@backbones.command("list")
def list_() -> None:
    """What is on this machine: size, license, and speed here (a trial of some images)."""
    from ssgan.backbones import listing

    for line in listing.lines():
        typer.echo(line)


@backbones.command()
def fetch(name: Annotated[str, typer.Argument(help="timm:ARCHITECTURE, e.g. timm:convnext_tiny.in12k_ft_in1k.")]) -> None:
    """Download weights into the cache of this machine; no other command and no stage downloads anything."""
    from ssgan.backbones import record_of
    from ssgan.backbones.fetch import fetch as fetch_weights

    path = fetch_weights(name)
    provider, _, architecture = name.partition(":")
    found = record_of(provider, architecture, path)
    flag = " (restricted)" if found.restricted else ""
    typer.echo(f"{name}: {path}")
    typer.echo(f"  sha256 {found.sha256}, license {found.license}{flag}")
    typer.echo(f"  use it: features.backbone: {name} in params.yaml")


@backbones.command()
def compare(
    names: Names = ["efficientnet_lite0"],  # noqa: B006 - Typer reads it as a default and never changes it
    splits: Annotated[Path, typer.Option(help="Folder of the four sets.")] = Path("data/splits"),
) -> None:
    """Rank backbones by a linear probe on folds of the labels and on val; makes the features that are missing."""
    from ssgan.config import load
    from ssgan.features.ranking import rank

    for line in rank(load(), names, splits):
        typer.echo(line)
