"""The list of commands, and how each of them ends: 0 done, 1 failed, 2 usage, 3 a person is needed, 130 interrupted."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ssgan import __version__
from ssgan.cli.listing import GROUPS
from ssgan.errors import Exit, SsganError

COMMANDS = {  # name -> function, or group of commands, in ssgan/cli
    "init": "init.init",
    "doctor": "doctor.doctor",
    "ingest": "stages.ingest",
    "features": "stages.features",
    "split": "stages.split",
    "train": "stages.train",
    "evaluate": "stages.evaluate",
    "report": "stages.report",
    "summary": "summary.summary",
    "runs": "runs.runs",
    "plan": "plan.plan",
    "predict": "predict.predict",
    "export": "export.export",
    "remove": "remove.remove",
    "publish": "publish.publish",
    "submit": "submit.submit",
    "circles": "circles.circles",
    "label": "label.label",
    "compare": "compare.compare",
    "promote": "promote.promote",
    "audit": "audit.audit",
    "backbones": "backbones.backbones",
    "jobs": "jobs.jobs",
    "tune": "tune.tune",
    "labels": "labels.labels",
    "next": "next.next_app",
    "models": "models.models",
}


class Commands(TyperGroup):
    """Imports a command when it is asked for: its help page costs what this one command imports."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: dict[str, Any] = dict.fromkeys(COMMANDS)

    def get_command(self, context: Any, name: str) -> Any:
        """The command of this name, or None."""
        if name in COMMANDS and self.commands[name] is None:
            self.commands[name] = _load(name)
        return self.commands.get(name)

    def format_commands(self, context: Any, formatter: Any) -> None:
        """The list in groups; no module of a command is imported for it."""
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()), col_max=max(map(len, COMMANDS)))


def _load(name: str) -> Any:
    module, _, attribute = COMMANDS[name].partition(".")
    found = getattr(importlib.import_module(f"ssgan.cli.{module}"), attribute)
    owner = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        owner.add_typer(found, name=name)
    else:
        owner.command(name)(found)
    return typer.main.get_group(owner).commands[name]


app = typer.Typer(
    cls=Commands,
    help="From raw images and few labels to a trusted classifier, by semi-supervised GANs.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or parameters, 3 a person has to decide. "
    "Start with `ssgan init`, or with `ssgan doctor`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INTERRUPTED = (
    "interrupted; the same command (`dvc repro`, where DVC ran this one) resumes after the finished stages, and training "
    "resumes from its last checkpoint"
)


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
        return _say(INTERRUPTED, Exit.INTERRUPTED) if end.code == Exit.INTERRUPTED else _code(end)
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
