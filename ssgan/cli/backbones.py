"""``ssgan backbones``: which pretrained networks are here, and which one suits these images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

backbones = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Pretrained networks whose features methods learn on."
)

Names = Annotated[list[str], typer.Argument(help="efficientnet_lite0, timm:ARCHITECTURE, or either with =FILE of its weights.")]


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
def tune(
    out: Annotated[Path, typer.Option(help="Where the weights are written.")] = Path("backbones/tuned.safetensors"),
    images: Annotated[int, typer.Option(min=2, help="Most images of the pool to learn from.")] = 4000,
    passes: Annotated[int, typer.Option(min=1, help="Over these images.")] = 1,
    size: Annotated[int, typer.Option(min=32, help="Pixels that the network sees, from then on; large photos want 224.")] = 128,
) -> None:
    """Fine-tune the backbone of params.yaml on the labels and the most confident predictions for the unlabeled images."""
    from ssgan.config import load
    from ssgan.features.fine_tuning import Settings, fine_tune
    from ssgan.runs.publish import local_splits

    config = load()
    files = local_splits(config, Path("data/splits"))
    out.parent.mkdir(parents=True, exist_ok=True)
    for line in fine_tune(config, files, Path("data/index"), Settings(images, size, passes=passes), out):
        typer.echo(line)


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
