"""``ssgan label``: a page on this machine that shows a queue of images and writes labels into the ledger."""

from __future__ import annotations

import getpass
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ssgan.cli.labels import REGISTRY, LedgerOption, open_ledger, pipeline_hint
from ssgan.errors import DataError
from ssgan.wording import counted

if TYPE_CHECKING:
    from ssgan.config import Config
    from ssgan.labelpage.journal import Journal
    from ssgan.labelpage.server import Server
    from ssgan.ledger import Ledger


def label(
    queue: Annotated[Path, typer.Option(help="CSV with a column sha256, in the order to label.")] = Path("next/queue.csv"),
    annotator: Annotated[str, typer.Option(help="Whose votes they are. Default: who is logged in.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Show what this annotator has labeled already, too.")] = False,
    ledger: LedgerOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine it is plain HTTP.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8760,
    browser: Annotated[bool, typer.Option("--browser", help="Open the page in a browser.")] = False,
) -> None:
    """Label a queue of images in a browser: by keys, by mouse or on a phone. Ctrl-C ends it and writes a batch.

    Images of one cluster (`ssgan next --clusters 20`) come as sheets: named once, without those that are taken out.
    """
    from ssgan import config as parameters
    from ssgan.data.originals import originals
    from ssgan.labelpage.images import QueueImages, read_queue
    from ssgan.labelpage.journal import Journal
    from ssgan.labelpage.server import Server, is_loopback
    from ssgan.labelpage.session import Session

    config, who = parameters.load(), annotator.strip() or getpass.getuser()
    into = open_ledger(ledger)
    wanted, classes = read_queue(queue), _classes(into, config)
    images = QueueImages(wanted, Path("data"), originals(config.data.source, config.data.max_file_bytes))
    journal = Journal(into, who)
    try:
        _fold(journal, into.folder, queue.name, "an earlier session that was cut off")
        classes = _classes(into, config)  # it may have brought new ones
        votes = [vote for batch in into.batches().values() for vote in batch if vote.annotator == who]
        aside = [event.name for event in into.aside() if event.by == who]
        done = frozenset() if again else frozenset([*(vote.image for vote in votes), *aside])
        session = Session(wanted, classes, journal, done, into.taxonomy())
        with Server(session, images, host, port) as server:
            sheets = (session.state()["sheet"] or {}).get("of", 0)
            as_sheets = f" ({counted(sheets, 'sheet')} first)" if sheets else ""
            typer.echo(
                f"{len(set(wanted) - done)} of {counted(len(wanted), 'image')} to label{as_sheets}, as {who}: {server.url}"
            )
            if not is_loopback(host):
                typer.echo("  plain HTTP: who can read this network can read the address and the images", err=True)
            if browser:
                typer.launch(server.url)
            _serve(server)
        if not _fold(journal, into.folder, queue.name, "this session"):
            typer.echo("no image was labeled in this session")
        if hint := pipeline_hint(into.folder, config.split):
            typer.echo(hint)
        for why, count in images.small().items():
            typer.echo(
                f"  only the small copy that ingest stored was there for {counted(count, 'image')}; the original: {why}",
                err=True,
            )
    finally:
        journal.close()


def _serve(server: Server) -> None:
    """Until Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts it in the background ignores Ctrl-C
    try:  # from the moment on that the terminal offers it
        typer.echo("Ctrl-C ends it and writes the batch")
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        typer.echo("")


def _fold(journal: Journal, ledger: Path, queue: str, session: str) -> bool:
    """What the journal holds becomes a batch. Returns whether it held anything."""
    aside = sum(act.do == "aside" for act in journal.standing())
    done = journal.fold(queue)
    if aside:
        typer.echo(
            f"{counted(aside, 'image of', 'images of')} {session} set aside without a class (`ssgan labels aside` lists them)"
        )
    if done:
        typer.echo(
            f"{counted(done[1], 'label')} of {session} -> {ledger}, batch {done[0]} (`ssgan labels undo {done[0]}` takes "
            "it back)"
        )
    return bool(aside or done)


def _classes(ledger: Ledger, config: Config) -> list[str]:
    """Today's names of the classes: in the order of their ids, and behind them what was decided to be a class since.

    There may be none where labels come from the ledger alone: then the page makes the first ones.
    """
    from ssgan.data.classes import load
    from ssgan.data.labels import is_ledger
    from ssgan.intake.importing import class_names

    names = class_names(load(REGISTRY), ledger.taxonomy())
    if not names and not (config.split.labels and is_ledger(Path(config.split.labels))):
        raise DataError(f"{REGISTRY} does not exist, so there is no class to choose from; run `dvc repro split`")
    return names
