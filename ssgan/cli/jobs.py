"""``ssgan jobs``: trainings and searches on a cluster."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ssgan.config import Config

Insecure = Annotated[bool, typer.Option("--insecure", help="Also where the cluster does not ask for a token.")]

jobs = typer.Typer(help="Trainings on the cluster of cluster.address: list, logs, stop.", no_args_is_help=True)


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
    from ssgan.runs import submit

    client = _jobs()
    job = client.get(job_id)
    if follow:
        submit.follow(client, job, cluster_config().cluster.pending_timeout_s, typer.echo)
    else:
        typer.echo(client.logs(job.id), nl=False)


@jobs.command("stop")
def stop(job_id: str) -> None:
    """End a job. Its checkpoints stay: the same training resumes from them when it is submitted again."""
    client = _jobs()
    job = client.get(job_id)
    typer.echo(f"{job.id} had {job.status.lower()}" if not job.live else f"{job.id} is {client.stop(job.id).status.lower()}")


def cluster_config(insecure: bool = False) -> Config:
    """The parameters, with what the command line says of safety."""
    from ssgan.config import load

    config = load()
    cluster = config.cluster.model_copy(update={"insecure": config.cluster.insecure or insecure})
    return config.model_copy(update={"cluster": cluster})


def _jobs(insecure: bool = False) -> Any:
    from ssgan.cluster.jobs import Jobs

    return Jobs(cluster_config(insecure).cluster)


def _when(moment: float | None) -> str:
    return datetime.datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M:%S") if moment else "not started        "


def _lasted(job: Any) -> str:
    return f"{job.ended - job.started:.0f} s" if job.started and job.ended else ""
