"""``ssgan next``: which images to label, next or first of all; ``ssgan next status``: was it worth choosing them?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ssgan.cli.labels import REGISTRY, JsonOption, LedgerOption, open_ledger
from ssgan.cli.model_option import METRICS, MetricsOption, ModelOption, model_folder
from ssgan.errors import ConfigError
from ssgan.wording import counted

if TYPE_CHECKING:
    from ssgan.config import Config
    from ssgan.selection.choose import Selection, SelectionRules
    from ssgan.selection.files import Chooser

OUT = Path("next")

WORDS = {
    "uncertain": "uncertain and different",
    "unknown": "of what may be an unknown class",
    "control": "drawn at random",
    "held_out": "for val and test",
    "typical": "typical of their clusters",
}


class Wish(NamedTuple):
    """The options of ``ssgan next``."""

    budget: int
    control: float
    unknown: float
    held_out: float
    seed: int
    clusters: int | None
    model: Path
    metrics: Path


class Choice(NamedTuple):
    """What was chosen, by whom (None: by clusters, without a model), and by which rules."""

    picked: Selection
    chooser: Chooser | None
    rules: SelectionRules


next_app = typer.Typer(rich_markup_mode=None)


@next_app.callback(invoke_without_command=True)
def choose(
    context: typer.Context,
    budget: Annotated[int, typer.Option(min=1, help="Images to choose, the control group included.")] = 200,
    out: Annotated[Path, typer.Option(help="Folder for queue.csv, selection.json and what Label Studio gets.")] = OUT,
    control: Annotated[float, typer.Option(min=0, max=0.5, help="Share drawn at random, at least 20 images; 0: none.")] = 0.1,
    unknown: Annotated[float, typer.Option(min=0, max=0.5, help="Share of images of what may be an unknown class.")] = 0.1,
    held_out: Annotated[float, typer.Option(min=0, max=0.5, help="Share for val and test, drawn at random.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of the random draw. Another one each week.")] = 0,
    clusters: Annotated[
        int | None, typer.Option(min=2, help="Choose without a model: so many sheets of images that look alike.")
    ] = None,
    model: ModelOption = None,
    metrics: MetricsOption = METRICS,
    ledger: LedgerOption = None,
    image_url: Annotated[
        str, typer.Option(help="What Label Studio needs before a path. Default: its local files, or the S3 source.")
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier selection in --out.")] = False,
) -> None:
    """Choose images to label next: uncertain and diverse ones, a random control group, and some for val and test.

    Before there is a model: the most typical images of clusters of the features, and some for val and test.
    """
    if context.invoked_subcommand is not None:
        return
    from ssgan import config as parameters
    from ssgan.data.classes import load
    from ssgan.data.index import paths_of
    from ssgan.intake.importing import class_names
    from ssgan.selection import files as outputs
    from ssgan.selection.label_studio import url_of

    if (out / outputs.SELECTION).exists() and not overwrite:
        raise ConfigError(
            f"{out} holds a selection already, and `ssgan next status` needs it; name another folder "
            f"(--out {out}/2), or add --overwrite"
        )
    config, opened = parameters.load(), open_ledger(ledger)
    voted, taxonomy = {vote.image for votes in opened.batches().values() for vote in votes}, opened.taxonomy()
    voted |= {event.name for event in opened.aside()}  # somebody has looked at these
    folder = model_folder(model, metrics)
    wish = Wish(budget, control, unknown, held_out, seed, clusters, folder, metrics)
    by_clusters = clusters is not None or (model is None and not folder.exists())
    picked, chooser, rules = _by_clusters(config, voted, wish) if by_clusters else _by_model(config, voted, wish)
    paths = paths_of(Path("data/index"), [pick.sha256 for pick in picked.picks])
    known = map(taxonomy.current_name, chooser.classes) if chooser else ()
    classes = list(dict.fromkeys([*known, *class_names(load(REGISTRY), taxonomy)]))
    naming = outputs.Naming(image_url or url_of(config.data.source), paths, classes, taxonomy)
    outputs.write(out, picked, naming, chooser, rules)
    _tell(outputs.record(picked, chooser, rules), out)


def _by_model(config: Config, voted: set[str], wish: Wish) -> Choice:
    """What a trained model is uncertain about, and a random control group."""
    from ssgan.data.files import SplitFiles
    from ssgan.evaluation.published import published
    from ssgan.features.files import stored
    from ssgan.model import load_model
    from ssgan.prediction.by_id import predict_by_id
    from ssgan.provenance import file_sha256
    from ssgan.selection.choose import SelectionRules, select, waiting
    from ssgan.selection.files import Chooser
    from ssgan.selection.shares import divide

    facts = published(wish.model, wish.metrics)
    loaded, splits = load_model(wish.model), SplitFiles("data/splits")
    labeled = voted | set(splits.ids("labeled"))
    shares = divide(wish.budget, wish.control, wish.unknown, wish.held_out, len(waiting(splits, labeled)))
    rules = SelectionRules(shares, wish.seed, config.split.near_duplicate_bits, config.split.near_duplicate_rmse)
    predict = predict_by_id(loaded, stored(config, Path("data/features")))
    picked = select(splits, predict, facts.temperature, loaded.classes, labeled, rules)
    weights = file_sha256(wish.model / "model.safetensors")
    return Choice(picked, Chooser(facts.model_id, weights, facts.temperature, facts.note, loaded.classes), rules)


def _by_clusters(config: Config, voted: set[str], wish: Wish) -> Choice:
    """What is typical of clusters of the features."""
    from ssgan.features.files import stored
    from ssgan.selection.choose import SelectionRules
    from ssgan.selection.cold import labeled_by_split, read_pool, select_typical
    from ssgan.selection.shares import divide_without_model

    features = stored(config, Path("data/features"))
    if features is None:
        raise ConfigError(
            f"there is no model in {wish.model} to choose by, and no features to cluster, for features.backbone is null; "
            "set it to efficientnet_lite0 in params.yaml and run `dvc repro features`"
        )
    if not any(Path(features.root).glob("*.parquet")):
        raise ConfigError(f"there are neither a model in {wish.model} nor features to choose by; run `dvc repro features`")
    pool = read_pool(Path("data"), config.split)
    labeled = voted | labeled_by_split(Path("data/splits")) | pool.in_folders
    shares = divide_without_model(wish.budget, wish.held_out, len(set(pool.reserved) - labeled))
    near = (config.split.near_duplicate_bits, config.split.near_duplicate_rmse)
    rules = SelectionRules(shares, wish.seed, *near, wish.clusters)
    return Choice(select_typical(pool, features, config.features.dimensions, labeled, rules), None, rules)


@next_app.command()
def status(
    selection: Annotated[Path, typer.Option(help="What `ssgan next` wrote.")] = OUT / "selection.json",
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether the picks were worth more than the images drawn at random, by the labels that came back."""
    from ssgan import config as parameters
    from ssgan.selection.files import read_record
    from ssgan.selection.verdict import describe, judge

    config = parameters.load()
    confidence, state = config.evaluate.confidence, open_ledger(ledger).state(config.split.label_policy)
    verdict = judge(read_record(selection), state.labels, state.taxonomy.current_name, confidence)
    if as_json:
        slices = {name: count._asdict() for name, count in verdict.slices.items()}
        counts = {"slices": slices, "picks": verdict.picks._asdict()}
        typer.echo(json.dumps({**verdict._asdict(), **counts, "confidence": confidence}))
    else:
        typer.echo(describe(verdict, confidence))


def _tell(record: dict[str, Any], out: Path) -> None:
    """How many images of each slice, what fell short, and what to do with them."""
    chosen, pool = record["chosen"], record["pool"]["images"]
    by = f"probabilities {record['model']['calibration']}" if record["model"] else "chosen by features, without a model"
    typer.echo(f"pool: {counted(pool, 'image')} without a label; {by}")
    parts = ", ".join(f"{chosen[name]} {words}" for name, words in WORDS.items() if chosen[name])
    typer.echo(f"{sum(chosen.values())} to label: {parts}")
    for name, wanted in record["wanted"].items():
        if chosen[name] < wanted:
            others = (
                "at most half of the images, without near-duplicates" if name == "typical" else "all others are near-duplicates"
            )
            typer.echo(f"  {name}: {chosen[name]} instead of {wanted}; {others}")
    if record["beyond_class_share"]:
        typer.echo(
            f"  {counted(record['beyond_class_share'], 'image is', 'images are')} over the share of the class; others "
            "gave no more"
        )
    if not chosen["held_out"]:
        typer.echo("  none for val and test (--held-out, and images without a label that are reserved for them)")
    if record["clusters"]:
        typer.echo(
            f"  as {counted(record['clusters'], 'sheet')} of images that look alike: name each once, and take out what "
            "does not belong"
        )
    if record["model"] and not chosen["control"]:
        typer.echo("  no control group: `ssgan next status` will not be able to say whether choosing was worth it")
    typer.echo(f"{out}/queue.csv for people, {out}/label_studio.json for Label Studio; or label here: ssgan label")
