"""``ssgan submit``: train on a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from ssgan.cli.jobs import Insecure, cluster_config


def submit(
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end of the job.")] = False,
    insecure: Insecure = False,
) -> None:
    """Train on the cluster of cluster.address, and fetch the results -> runs/train. Comes back to a job that is running."""
    from pipelines.train import OUT, SPLITS, train_with
    from ssgan.errors import ConfigError
    from ssgan.runs.launch import requested_run, unfinished
    from ssgan.runs.submit import submit as send
    from ssgan.storage.store import open_store

    config = cluster_config(insecure)
    if config.cluster.address is None:
        raise ConfigError("`cluster.address` is null; set it to the cluster's address, such as http://127.0.0.1:8265")
    if not detach:
        train_with(config)
        return
    run = requested_run(config, SPLITS, OUT)
    if not unfinished(run, open_store(config.storage.url)):
        typer.echo(f"{run.id} is finished, nothing is submitted; `ssgan submit` fetches its results")
        return
    _, job, known = send(run, SPLITS)
    typer.echo(
        f"{'already there' if known else 'submitted'}: {job.id}; `ssgan submit` comes back to it and fetches its results"
    )
