"""``ssgan compare``: is the new model better than the champion?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ssgan import scratch
from ssgan.cli.models import Params
from ssgan.errors import Exit
from ssgan.wording import counted

OUT = Path("reports/compare")
MARKS = {True: "ok  ", False: "FAIL", None: "--  "}


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
    from ssgan.registry.promotion import PROMOTE, compare_models, write_all

    config = load(params)
    with scratch.folder("compare") as temporary:
        comparison = compare_models(config, champion, challenger, temporary)
        verdict = comparison.verdict(config)
        write_all(comparison, verdict, out, config)
    typer.echo(
        json.dumps(verdict, indent=2, ensure_ascii=False)
        if as_json
        else f"{describe(verdict)}\nverdict: {out}/verdict.json, page: {out}/index.html"
    )
    if verdict["decision"] != PROMOTE:
        raise typer.Exit(Exit.PERSON)


def describe(verdict: dict[str, Any]) -> str:
    """A verdict in lines for people."""
    results, champion, challenger = verdict["comparison"], verdict["champion"], verdict["challenger"]
    lines = []
    if results is None:
        lines.append(f"no model is named {verdict['named']} yet: rules that compare are skipped")
        lines.append(f"challenger {_who(challenger)}")
    else:
        lines += [
            f"{role:<10} {_who(one)}: {_error(results, role)}"
            for role, one in (("champion", champion), ("challenger", challenger))
        ]
        lines += _images(results["images"])
    lines += [f"  {MARKS[rule['passed']]} {rule['name']:<18} {rule['said']}" for rule in verdict["rules"]]
    failed = [rule["name"] for rule in verdict["rules"] if rule["passed"] is False]
    lines.append(
        "the gate is passed" if not failed else f"the gate is not passed ({', '.join(failed)}): a person has to decide"
    )
    return "\n".join(lines)


def _who(one: dict[str, Any]) -> str:
    return f"{one['version']} ({one['run_id']}, {counted(one['label_budget'], 'label')})"


def _error(results: dict[str, Any], role: str) -> str:
    return f"{results[role]['error_rate']:.1%} error, {results[role]['errors']} of {results['images']['shared']}"


def _images(images: dict[str, int]) -> list[str]:
    """Which images were compared, where it is not simply all of them."""
    lines = []
    if images["only_champion"] or images["only_challenger"]:
        lines.append(
            f"compared on the {counted(images['shared'], 'test image')} that both were evaluated on; "
            f"{images['only_challenger']} are known to the challenger only, {images['only_champion']} to the champion only"
        )
    if images["relabeled"]:
        lines.append(
            f"{images['relabeled']} of them have another label by now; today's counts (they are listed in verdict.json)"
        )
    return lines
