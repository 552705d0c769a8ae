"""The list of commands, and how each of them ends: 0 done, 1 failed, 2 usage, 3 a person is needed, 130 interrupted."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ssgan import __version__
from ssgan.cli import stages
from ssgan.cli.audit import audit
from ssgan.cli.circles import circles
from ssgan.cli.compare import compare
from ssgan.cli.doctor import doctor
from ssgan.cli.export import export
from ssgan.cli.init import init
from ssgan.cli.jobs import jobs
from ssgan.cli.label import label
from ssgan.cli.labels import labels
from ssgan.cli.models import models
from ssgan.cli.next import next_app
from ssgan.cli.plan import plan
from ssgan.cli.predict import predict
from ssgan.cli.promote import promote
from ssgan.cli.publish import publish
from ssgan.cli.remove import remove
from ssgan.cli.submit import submit
from ssgan.cli.summary import summary
from ssgan.cli.tune import tune
from ssgan.errors import Exit, SsganError

app = typer.Typer(
    help="From raw images and few labels to a trusted classifier, by semi-supervised GANs.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or parameters, 3 a person has to decide. "
    "Start with `ssgan init`, or with `ssgan doctor`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init)
app.command("doctor")(doctor)
for _stage in (stages.ingest, stages.split, stages.train, stages.evaluate, stages.report):
    app.command(_stage.__name__)(_stage)
app.command("summary")(summary)
app.command("plan")(plan)
app.command("predict")(predict)
app.command("export")(export)
app.command("remove")(remove)
app.command("publish")(publish)
app.command("submit")(submit)
app.add_typer(jobs, name="jobs")
app.command("circles")(circles)
app.add_typer(tune, name="tune")
app.add_typer(labels, name="labels")
app.add_typer(next_app, name="next")
app.command("label")(label)
app.command("compare")(compare)
app.command("promote")(promote)
app.add_typer(models, name="models")
app.command("audit")(audit)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ssgan {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the stack trace of an error. Allowed in any place.")] = False,
) -> None:
    """Options of every command; ``run`` looks at ``--debug`` itself."""


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster that ends a job means what Ctrl-C means
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command. Returns the exit code; with ``--debug`` errors propagate instead."""
    debug = "--debug" in arguments or os.environ.get("SSGAN_DEBUG") == "1"
    try:
        app([argument for argument in arguments if argument != "--debug"], prog_name="ssgan")
    except SystemExit as end:  # Typer ends this way, also after Ctrl-C
        return _say("interrupted", Exit.INTERRUPTED) if end.code == Exit.INTERRUPTED else _code(end)
    except Exception as error:
        if debug:
            raise
        return _say(_sentence(error), Exit.of(error))
    return Exit.DONE


def _code(end: SystemExit) -> int:
    return end.code if isinstance(end.code, int) else Exit.DONE


def _sentence(error: Exception) -> str:
    """What went wrong, and what to do about it."""
    if isinstance(error, SsganError):
        return f"error: {error}"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"error: {where}{error.strerror}; fix it and run again (`ssgan doctor` looks for such things)"
    text = f"{type(error).__name__}: {error}"
    return f"error: {text}; this is a bug of ssgan: run the command again with --debug and report what it prints"


def _say(text: str, code: int) -> int:
    typer.echo(text, err=True)
    return code
