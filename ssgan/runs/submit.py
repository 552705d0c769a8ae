"""A training or a search as a job on a cluster that shares no disk with this machine: publish, submit, wait, or come back.

What makes the stage green is not that the job ended well, but that its results are in storage and pass the checks of
``launch`` (of ``tuning/job.py``), which reads them back.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ssgan import scratch
from ssgan.cluster.jobs import TRAIN, Job, Jobs
from ssgan.cluster.versions import versions
from ssgan.errors import ConfigError, Exit, SsganError, TrainingError
from ssgan.runs import bundle
from ssgan.runs.publish import publish, require_shared
from ssgan.training.context import Run

POLL_S = 2.0
NODE_LOG = re.compile(r"\s+\[(state-dump\]|[^]]+\] \(raylet\) )")  # last lines of a lost node, below the one that reports it
TRIES = 3  # when several submitters want the same attempt

Say = Callable[[str], None]


def say_line(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def submit(run: Run, splits: Path, entrypoint: str = TRAIN) -> tuple[Jobs, Job, bool]:
    """The live job of this run, or a new one. Returns the cluster, the job, and whether it was there already."""
    config = run.config
    require_shared(config.storage.url)
    bundle.require_sendable(config.cluster)  # before the splits go into storage, which may be large
    jobs = Jobs(config.cluster)
    for _ in range(TRIES):
        known = jobs.list(run.id)
        if known and known[-1].live:
            return jobs, known[-1], True
        attempt = 1 + max((job.attempt for job in known), default=0)
        pointer = publish(config, splits)
        submission = {"run": run.id, "attempt": attempt, "identity": run.identity, "versions": versions()}
        with scratch.folder("upload") as folder:
            bundle.write(Path(folder), config.cluster, pointer, submission)
            job_id = jobs.submit(run.id, attempt, str(folder), config.cluster.environment, entrypoint)
        if job_id:
            return jobs, jobs.get(job_id), False
    raise TrainingError(f"another process submits {run.id} at the same time, {TRIES} times in a row; see `ssgan jobs list`")


def submit_and_wait(run: Run, splits: Path, say: Say = say_line, entrypoint: str = TRAIN) -> None:
    """Have a run trained, or a search made, on the cluster and wait for its end. Ctrl-C leaves the job running.

    Raises:
        ConfigError, TrainingError: the job could not be sent, or failed: with its own first reason.
    """
    jobs, job, attached = submit(run, splits, entrypoint)
    say(f"{'found again' if attached else 'submitted'}: {job.id} on {jobs.address} (`ssgan jobs logs {job.id}` shows it too)")
    try:
        job = follow(jobs, job, run.config.cluster.pending_timeout_s, say)
    except KeyboardInterrupt:
        sys.stderr.write(
            f"{job.id} keeps running without this process; run the same command again to reattach, "
            f"or end it with `ssgan jobs stop {job.id}`\n"
        )
        raise
    require_success(jobs, job)


def follow(jobs: Jobs, job: Job, pending_timeout_s: float, say: Say = say_line) -> Job:
    """Print what the job prints until it has ended. Raises TrainingError if it never starts."""
    printed, deadline = 0, time.monotonic() + pending_timeout_s
    while True:
        job = jobs.get(job.id)
        text = jobs.logs(job.id) if job.status != "PENDING" else ""
        whole = text if not job.live else text[: text.rfind("\n") + 1]  # no half lines
        for line in whole[printed:].splitlines():
            if not is_noise(line):
                say(line)
        printed = max(printed, len(whole))
        if not job.live:
            return job
        if job.status == "PENDING" and time.monotonic() > deadline:
            raise TrainingError(
                f"{job.id} has been waiting for {pending_timeout_s:.0f} s (cluster.pending_timeout_s) and did not start: "
                f"{job.message or 'no reason given'}; see whether the cluster has room, then `ssgan jobs stop {job.id}`"
            )
        time.sleep(POLL_S)


def require_success(jobs: Jobs, job: Job) -> None:
    """Raises the job's own error, of its own kind, unless it ended well."""
    if job.status == "SUCCEEDED":
        return
    if job.status == "STOPPED":
        raise TrainingError(f"{job.id} was stopped; run the same command again to resume from its last checkpoint")
    raise explained(job, jobs.logs(job.id))


def explained(job: Job, log: str) -> SsganError:
    """The first ``error:`` line of a failed job as an exception; else the last line that it printed."""
    errors = re.findall(r"^error: (.+)$", log, re.MULTILINE)
    kind = ConfigError if job.exit_code == Exit.USAGE else TrainingError
    where = f"(job {job.id}; `ssgan jobs logs {job.id}` shows all)"
    if errors:
        return kind(f"{errors[0]} {where}")
    lines = [line for line in log.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else job.message or "it printed nothing"
    return TrainingError(f"the job ended with code {job.exit_code}: {last} {where}")


def is_noise(line: str) -> bool:
    """Lines that Ray puts into a job's log, which say nothing about the training; `ssgan jobs logs` shows them too."""
    known = "job_manager.py", "job_supervisor.py", "Connecting to existing Ray cluster"
    return any(name in line for name in known) or NODE_LOG.match(line) is not None
