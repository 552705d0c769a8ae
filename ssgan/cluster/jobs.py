"""Ray's Jobs API: the jobs of this project on a cluster, by the id of their run.

A job is called ``RUN-ATTEMPT``; its metadata holds the run. Two submitters that choose the same attempt cannot both win: the
cluster knows each name once.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from ssgan.cluster.connection import set_environment
from ssgan.config import ClusterConfig
from ssgan.errors import ConfigError, TrainingError

TRAIN, TUNE = "python -m ssgan.runs.job", "python -m ssgan.tuning.job"  # entry points
LIVE = ("PENDING", "RUNNING")
TIMEOUT_S = 10.0
RUN, ATTEMPT = "ssgan_run", "ssgan_attempt"  # keys of a job's metadata


@dataclass(frozen=True)
class Job:
    """One try to train a run, or to search, on the cluster."""

    id: str
    run: str
    attempt: int
    status: str  # PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED
    started: float | None  # Unix time in seconds
    ended: float | None
    exit_code: int | None
    message: str

    @property
    def live(self) -> bool:
        return self.status in LIVE


class Jobs:
    """The cluster's jobs. Raises ConfigError for an address that is not safe, TrainingError where nothing answers."""

    def __init__(self, config: ClusterConfig) -> None:
        if not config.address:
            raise ConfigError("`cluster.address` is null; set it to the address of a Ray head, such as http://127.0.0.1:8265")
        self.address = config.address.rstrip("/")
        self._patience_s = config.patience_s
        set_environment()
        require_authentication(self.address, config.insecure)
        from ray.job_submission import JobSubmissionClient

        for name in ("ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging"):
            logging.getLogger(name).setLevel(logging.WARNING)  # the upload is ours to report
        self._client = self._ask("connecting", lambda: JobSubmissionClient(self.address))

    def list(self, run: str | None = None) -> list[Job]:
        """Jobs that ssgan submitted, oldest first; of one run, or of all."""
        details = self._ask("listing jobs", self._client.list_jobs)
        found = [_job(one) for one in details if RUN in (one.metadata or {})]
        return sorted((job for job in found if run in (None, job.run)), key=lambda job: (job.started or 0.0, job.attempt))

    def get(self, job_id: str) -> Job:
        """A job by its id. Raises TrainingError if the cluster does not know it."""
        for job in self.list():
            if job.id == job_id:
                return job
        raise TrainingError(f"{self.address} knows no job {job_id!r} of ssgan; `ssgan jobs list` shows those that it knows")

    def submit(
        self, run: str, attempt: int, working_dir: str, environment: dict[str, str], entrypoint: str = TRAIN
    ) -> str | None:
        """Submit an attempt. Returns the id of the job, or None if another process submitted this attempt just before."""
        job_id = f"{run}-{attempt}"

        def send() -> str | None:
            try:
                return str(
                    self._client.submit_job(
                        entrypoint=entrypoint,
                        submission_id=job_id,
                        runtime_env={"working_dir": working_dir, "env_vars": environment},
                        metadata={RUN: run, ATTEMPT: str(attempt)},
                    )
                )
            except RuntimeError as error:
                if "already exists" in str(error):
                    return None
                raise

        return self._ask("submitting", send)

    def logs(self, job_id: str) -> str:
        """All that the job has printed so far."""
        return str(self._ask("reading the log", lambda: self._client.get_job_logs(job_id)))

    def stop(self, job_id: str, wait_s: float = 30.0) -> Job:
        """Ask a job to stop and wait until it has. Raises TrainingError if it has not after ``wait_s``.

        A job that still waits for resources ignores the request, which is Ray's way.
        """
        self._ask("stopping", lambda: self._client.stop_job(job_id))
        deadline = time.monotonic() + wait_s
        while (job := self.get(job_id)).live:
            if time.monotonic() > deadline:
                raise TrainingError(f"{job_id} is still {job.status} {wait_s:.0f} s after it was asked to stop; try again")
            time.sleep(0.5)
        return job

    def _ask(self, what: str, request: Callable[[], Any]) -> Any:
        """Repeat a request for as long as the cluster does not answer, up to ``cluster.patience_s``."""
        deadline, pause = time.monotonic() + self._patience_s, 0.5
        while True:
            try:
                return request()
            except (ConnectionError, requests.exceptions.RequestException) as error:
                if time.monotonic() + pause > deadline:
                    raise TrainingError(
                        f"{what}: {self.address} does not answer ({type(error).__name__}); a job that runs there goes on "
                        "without this process: check the cluster and the way to it, then run the same command again"
                    ) from None
                time.sleep(pause)
                pause = min(2 * pause, 5.0)
            except Exception as error:
                # Ray raises RuntimeError and its own AuthenticationError, which derives from Exception alone.
                if isinstance(error, RuntimeError) or type(error).__name__ == "AuthenticationError":
                    raise TrainingError(_refused(what, self.address, str(error))) from None
                raise


def require_authentication(address: str, insecure: bool) -> None:
    """Refuse a cluster to which anyone may send code, unless it can be reached from this machine only.

    Raises ConfigError for such a cluster, and for an address that is no URL; TrainingError where nothing answers.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"`cluster.address` is {address!r}; write http://HOST:8265, the address of the head's dashboard")
    try:
        answer = requests.get(f"{address}/api/authentication_mode", timeout=TIMEOUT_S)
        mode = answer.json().get("authentication_mode", "disabled") if answer.ok else "disabled"
    except (requests.exceptions.RequestException, ValueError) as error:
        raise TrainingError(
            f"`cluster.address` is {address}, but no Ray head answers there ({type(error).__name__}); start it, or correct it"
        ) from None
    if mode == "token" or insecure or _is_loopback(parts.hostname):
        return
    raise ConfigError(
        f"{address} lets anyone run code (its authentication is {mode!r}); start the head with RAY_AUTH_MODE=token, "
        "or set cluster.insecure to true (`ssgan submit --insecure`)"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(what: str, address: str, message: str) -> str:
    if any(word in message for word in ("401", "403", "nauthenticated", "nauthorized")) or "token" in message.lower():
        have = "one is set" if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH") else "none is set"
        return (
            f"{what}: {address} refused the token ({have} in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, else ~/.ray/auth_token "
            "is taken); use the cluster's token"
        )
    return f"{what}: {address} refused: {message.strip().splitlines()[0] if message.strip() else 'no reason given'}"


def _job(details: Any) -> Job:
    metadata = details.metadata
    return Job(
        id=details.submission_id,
        run=metadata[RUN],
        attempt=int(metadata.get(ATTEMPT, 0)),
        status=str(getattr(details.status, "value", details.status)),
        started=details.start_time / 1000 if details.start_time else None,
        ended=details.end_time / 1000 if details.end_time else None,
        exit_code=details.driver_exit_code,
        message=details.message or "",
    )
