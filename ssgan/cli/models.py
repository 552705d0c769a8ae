"""``ssgan compare``, ``ssgan promote`` and ``ssgan models``: is the new model better, and which one is live, and why?"""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from ssgan.errors import ConfigError

OUT = Path("reports/compare")
NEEDS_PERSON = 3
MARKS = {True: "ok  ", False: "FAIL", None: "--  "}

models = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The registry of models: what is there, what is live.")

Params = Annotated[Path, typer.Option(help="Parameters of the project; `storage.url` is where the registry lies.")]


def compare(
    champion: Annotated[
        str, typer.Argument(help="An alias (champion), a version (m-...) or the folder of a run.")
    ] = "champion",
    challenger: Annotated[str, typer.Argument(help="The same; `.` is the run in this project.")] = ".",
    out: Annotated[Path, typer.Option(help="Folder for verdict.json, flipped.csv and the page.")] = OUT,
    params: Params = Path("params.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Judge CHALLENGER against CHAMPION on the test images of both. Exits with 0 if the gate passes, 3 if a person decides."""
    from ssgan.config import load
    from ssgan.runtime.promotion import PROMOTE, compare_models, write_all

    config = load(params)
    with tempfile.TemporaryDirectory(prefix="ssgan-compare-") as scratch:
        comparison = compare_models(config, champion, challenger, Path(scratch))
        verdict = comparison.verdict(config)
        write_all(comparison, verdict, out, config)
    typer.echo(
        json.dumps(verdict, indent=2, ensure_ascii=False)
        if as_json
        else f"{describe(verdict)}\nverdict: {out}/verdict.json, page: {out}/index.html"
    )
    if verdict["decision"] != PROMOTE:
        raise typer.Exit(NEEDS_PERSON)


def describe(verdict: dict[str, Any]) -> str:
    """A verdict in lines for people."""
    numbers, champion, challenger = verdict["comparison"], verdict["champion"], verdict["challenger"]
    lines = []
    if numbers is None:
        lines.append(f"nobody is {verdict['named']} yet: rules that compare are skipped")
        lines.append(f"challenger {_who(challenger)}")
    else:
        lines += [
            f"{role:<10} {_who(one)}: {_error(numbers, role)}"
            for role, one in (("champion", champion), ("challenger", challenger))
        ]
        lines += _images(numbers["images"])
    lines += [f"  {MARKS[rule['passed']]} {rule['name']:<18} {rule['said']}" for rule in verdict["rules"]]
    failed = [rule["name"] for rule in verdict["rules"] if rule["passed"] is False]
    lines.append(
        "the gate is passed" if not failed else f"the gate is not passed ({', '.join(failed)}): a person has to decide"
    )
    return "\n".join(lines)


def _who(one: dict[str, Any]) -> str:
    return f"{one['version']} ({one['run_id']}, {one['label_budget']} labels)"


def _error(numbers: dict[str, Any], role: str) -> str:
    return f"{numbers[role]['error_rate']:.1%} error, {numbers[role]['errors']} of {numbers['images']['shared']}"


def _images(images: dict[str, int]) -> list[str]:
    """Which images decided, where it is not simply all of them."""
    lines = []
    if images["only_champion"] or images["only_challenger"]:
        lines.append(
            f"judged on the {images['shared']} test images that both know; {images['only_challenger']} are known to the "
            f"challenger only, {images['only_champion']} to the champion only"
        )
    if images["relabeled"]:
        lines.append(
            f"{images['relabeled']} of them have another label by now; today's counts (they are listed in verdict.json)"
        )
    return lines


def promote(
    run: Annotated[str, typer.Argument(help="The folder of a run, or a version (m-...).")] = ".",
    alias: Annotated[str, typer.Option(help="The name that it gets.")] = "champion",
    verdict: Annotated[Path, typer.Option(help="What `ssgan compare` wrote about it.")] = OUT / "verdict.json",
    rollback: Annotated[bool, typer.Option("--rollback", help="Back to the champion before this one.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Without a passing verdict.")] = False,
    why: Annotated[str, typer.Option(help="The reason; it is recorded. Needed for --force and for a rollback.")] = "",
    by: Annotated[str, typer.Option(help="Who decides; git's user, or the account.")] = "",
    params: Params = Path("params.yaml"),
) -> None:
    """Register RUN in storage and make it the champion, if the verdict about exactly this pair allows it."""
    from ssgan.config import load
    from ssgan.runtime.promotion import Order
    from ssgan.runtime.promotion import promote as do
    from ssgan.runtime.registry import PREVIOUS

    if rollback and run != ".":
        raise ConfigError(f"--rollback goes back to the champion before this one; leave out {run!r}, or leave out --rollback")
    order = Order(PREVIOUS if rollback else run, alias, verdict, by or whoami(), why or None, force)
    with tempfile.TemporaryDirectory(prefix="ssgan-promote-") as scratch:
        move = do(load(params), order, Path(scratch))
    if move is None:
        typer.echo(f"that model is {alias} already; nothing was moved")
        return
    typer.echo(f"{move.alias}: {move.before or 'nobody'} -> {move.to} (move {move.serial}, {move.kind}, by {move.by})")


def whoami() -> str:
    """Name and address from git, else the account and machine."""
    known = [_git("config", key) for key in ("user.name", "user.email")]
    return f"{known[0]} <{known[1]}>" if all(known) else f"{getpass.getuser()}@{platform.node()}"


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


@models.command("list")
def list_models(params: Params = Path("params.yaml")) -> None:
    """All versions, and the names that they have."""
    from ssgan.config import load
    from ssgan.runtime.registry import Registry

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
    from ssgan.runtime.registry import Registry

    for move in Registry(load(params).storage.url).history():
        why = f": {move.why}" if move.why else ""
        proof = f", verdict {move.verdict[:12]}" if move.verdict else ""
        typer.echo(
            f"{move.serial:>4}  {move.when}  {move.alias}: {move.before or 'nobody'} -> {move.to}  {move.kind}{proof}, "
            f"by {move.by}{why}"
        )


@models.command("show")
def show(
    model: Annotated[str, typer.Argument(help="An alias or a version.")] = "champion",
    params: Params = Path("params.yaml"),
) -> None:
    """The card of a model, after all of its files were checked by their hashes, and how it came to its names."""
    from ssgan.config import load
    from ssgan.runtime.registry import Registry, fetch_with_card

    with tempfile.TemporaryDirectory(prefix="ssgan-show-") as scratch:
        found = fetch_with_card(Registry(load(params).storage.url), model, Path(scratch) / "model")
        typer.echo((found.folder / "README.md").read_text(encoding="utf-8"), nl=False)


@models.command("fetch")
def fetch(
    model: Annotated[str, typer.Argument(help="An alias or a version.")],
    into: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    params: Params = Path("params.yaml"),
) -> None:
    """Bring a model here: model.safetensors, config.json, classes.json and its card, checked by their hashes."""
    from ssgan.config import load
    from ssgan.runtime.registry import Registry, fetch_with_card

    fetch_with_card(Registry(load(params).storage.url), model, into)
    typer.echo(f"{into}: all files checked; `ssgan predict FOLDER --model {into}` uses it")
