"""``ssgan models``: which models there are, which one is live, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssgan import scratch

models = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The registry of models: what is there, what is live.")

Params = Annotated[Path, typer.Option(help="Parameters of the project; `storage.url` is where the registry lies.")]


@models.command("list")
def list_models(params: Params = Path("params.yaml")) -> None:
    """All versions, and the names that they have."""
    from ssgan.config import load
    from ssgan.registry.registry import Registry

    registry = Registry(load(params).storage.url)
    names: dict[str, list[str]] = {}
    for alias, version in registry.aliases().items():
        names.setdefault(version, []).append(alias)
    for version in registry.versions():
        typer.echo(f"{version}  {', '.join(names.get(version, []))}".rstrip())
    if not registry.versions():
        typer.echo(f"{registry.url} holds no model yet; `ssgan compare` and `ssgan promote` put one there")


@models.command("history")
def history(params: Params = Path("params.yaml")) -> None:
    """Every move of a name, oldest first: who, when, from, to, and why."""
    from ssgan.config import load
    from ssgan.registry.registry import Registry

    for move in Registry(load(params).storage.url).history():
        why = f": {move.why}" if move.why else ""
        proof = f", verdict {move.verdict[:12]}" if move.verdict else ""
        proof += f", license {move.license} accepted" if move.license else ""
        typer.echo(
            f"{move.serial:>4}  {move.when}  {move.alias}: {move.before or 'none'} -> {move.to}  {move.kind}{proof}, "
            f"by {move.by}{why}"
        )


@models.command("show")
def show(
    model: Annotated[str, typer.Argument(help="An alias or a version.")] = "champion",
    params: Params = Path("params.yaml"),
) -> None:
    """The card of a model, after all of its files were checked by their hashes, and how it came to its names."""
    from ssgan.config import load
    from ssgan.registry.registry import Registry, fetch_with_card

    with scratch.folder("show") as temporary:
        found = fetch_with_card(Registry(load(params).storage.url), model, temporary / "model")
        typer.echo((found.folder / "README.md").read_text(encoding="utf-8"), nl=False)


@models.command("fetch")
def fetch(
    model: Annotated[str, typer.Argument(help="An alias or a version.")],
    into: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    params: Params = Path("params.yaml"),
) -> None:
    """Bring a model here: model.safetensors, config.json, classes.json and its card, checked by their hashes."""
    from ssgan.config import load
    from ssgan.registry.registry import Registry, fetch_with_card

    fetch_with_card(Registry(load(params).storage.url), model, into)
    typer.echo(f"{into}: all files checked; `ssgan predict FOLDER --model {into}` uses it")
