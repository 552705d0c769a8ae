"""``ssgan audit``: which labels look wrong."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ssgan.cli.labels import LedgerOption, open_ledger
from ssgan.cli.model_option import ModelOption, model_folder


def audit(
    out: Annotated[Path, typer.Option(help="Folder for suspects.csv and suspects.html.")] = Path("audit"),
    model: ModelOption = None,
    show: Annotated[int, typer.Option(min=1, help="Images on the page; the table has all.")] = 120,
    ledger: LedgerOption = None,
) -> None:
    """Rank the labels of the labeled and the val set that look wrong: a table and a page. Nothing is changed."""
    from ssgan import config as parameters
    from ssgan.data.files import SplitFiles
    from ssgan.data.index import paths_of
    from ssgan.data.previews import previews_of
    from ssgan.features.files import stored
    from ssgan.model import load_model
    from ssgan.prediction.by_id import predict_by_id
    from ssgan.selection import audit as audits
    from ssgan.selection import sheet

    config, files = parameters.load(), SplitFiles("data/splits")
    split = config.split
    predict = predict_by_id(load_model(model_folder(model)), stored(config, Path("data/features")))
    labeled = audits.read(files, predict, partial(paths_of, Path("data/index")))
    group = audits.near_duplicates(labeled, split.near_duplicate_bits, split.near_duplicate_rmse)
    found = audits.audit(labeled, files.classes(), group)
    votes = open_ledger(ledger).state(split.label_policy).votes
    sheet.write(out, found, labeled.pixels, votes, show, previews_of(config.data))
    typer.echo(f"{sheet.title(found)}. {sheet.lead(found)}")
    if found.suspects:
        queue = out / sheet.TABLE
        typer.echo(f"{out / sheet.SHEET} shows them, {queue} lists them; relabel them: ssgan label --again --queue {queue}")
