"""``ssgan submit``, ``ssgan publish`` and ``ssgan jobs``: training on a Ray cluster."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Annotated, Any

import typer

SPLITS = Path("data/splits")
Insecure = Annotated[bool, typer.Option("--insecure", help="Also where the cluster asks nobody for a token.")]

jobs = typer.Typer(help="Trainings on the cluster of cluster.address: list, logs, stop.", no_args_is_help=True)


def publish() -> None:
    """Put data/splits into storage for `ray job submit`, and write published.json, which says where."""
    from ssgan.config import load
    from ssgan.runtime.publish import POINTER
    from ssgan.runtime.publish import publish as put

    pointer = put(load().storage.url, SPLITS)
    POINTER.write_text(json.dumps(pointer, indent=1) + "\n")
    typer.echo(f"published as {pointer['key']}; now: ray job submit --working-dir . -- python -m pipelines.train")


def submit(
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end of the job.")] = False,
    insecure: Insecure = False,
) -> None:
    """Train on the cluster of cluster.address, and fetch the results -> runs/train. Comes back to a job that is running."""
    from ssgan.data.files import SplitFiles
    from ssgan.errors import ConfigError
    from ssgan.runtime import cluster
    from ssgan.runtime.identity import identity, run_id
    from ssgan.runtime.launch import open_roles
    from ssgan.runtime.start import publish_start
    from ssgan.runtime.storage_once import open_once

    config = _config(insecure)
    if config.cluster.address is None:
        raise ConfigError("`cluster.address` is null; set it to the cluster's address, such as http://127.0.0.1:8265")
    if not detach:
        from pipelines.train import train_with

        train_with(config)
        return
    store = open_once(config.storage.url)
    same = identity(config, SplitFiles(str(SPLITS.absolute())), start=publish_start(config, Path("runs/train"), store))
    run = run_id(same)
    if not open_roles(config, store, run):
        typer.echo(f"{run} is finished, nothing is submitted; `ssgan submit` fetches its results")
        return
    _, job, known = cluster.submit(config, SPLITS, run, same)
    typer.echo(
        f"{'already there' if known else 'submitted'}: {job.id}; `ssgan submit` comes back to it and fetches its results"
    )


@jobs.command("list")
def list_jobs(insecure: Insecure = False) -> None:
    """Jobs that ssgan submitted to the cluster, oldest first."""
    found = _jobs(insecure).list()
    if not found:
        typer.echo("no jobs of ssgan on this cluster")
    for job in found:
        typer.echo(f"{job.id:<24} {job.status:<10} {_when(job.started)}  {_lasted(job)}")


@jobs.command("logs")
def logs(job_id: str, follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on to its end.")] = False) -> None:
    """What a job has printed."""
    from ssgan.runtime import cluster

    client = _jobs()
    job = client.get(job_id)
    if follow:
        cluster.follow(client, job, _config().cluster.pending_timeout_s, typer.echo)
    else:
        typer.echo(client.logs(job.id), nl=False)


@jobs.command("stop")
def stop(job_id: str) -> None:
    """End a job. Its checkpoints stay: the same training goes on from them when it is submitted again."""
    client = _jobs()
    job = client.get(job_id)
    typer.echo(f"{job.id} had {job.status.lower()}" if not job.live else f"{job.id} is {client.stop(job.id).status.lower()}")


def _config(insecure: bool = False) -> Any:
    from ssgan.config import load

    config = load()
    cluster = config.cluster.model_copy(update={"insecure": config.cluster.insecure or insecure})
    return config.model_copy(update={"cluster": cluster})


def _jobs(insecure: bool = False) -> Any:
    from ssgan.runtime.jobs import Jobs

    return Jobs(_config(insecure).cluster)


def _when(moment: float | None) -> str:
    return datetime.datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M:%S") if moment else "not started        "


def _lasted(job: Any) -> str:
    return f"{job.ended - job.started:.0f} s" if job.started and job.ended else ""
