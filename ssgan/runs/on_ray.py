"""Training on Ray Train: a local Ray that starts and ends with the run, or the cluster at RAY_ADDRESS.

Ray places the workers, connects them (gloo or NCCL) and replaces lost ones. Checkpoints and results do not go through Ray:
rank 0 writes them to ``storage.url`` with a manifest, and a worker that is started again resumes from the newest whole one
(decision 0004). Progress and the reason of a failure travel through one small actor.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ssgan import scratch
from ssgan.cluster.connection import connected
from ssgan.cluster.resources import available
from ssgan.cluster.versions import require_nodes, require_versions, versions
from ssgan.errors import SsganError, TrainingError
from ssgan.runs.curves import OnRecord, board_for
from ssgan.runs.mailbox import mailbox_of, open_mailbox
from ssgan.runs.watchdog import Watchdog
from ssgan.storage import absolute
from ssgan.storage.lease import Guard, guarded
from ssgan.training.context import ProgressEvent, Role, Run, RunContext

POLL_SECONDS = 0.5

OnProgress = Callable[[Role, ProgressEvent], None]


class WorkerSettings(NamedTuple):
    """What every worker gets."""

    run: Run
    roles: list[Role]
    storage: str
    threads: int
    versions: dict[str, str]
    records: bool  # whether the driver wants them
    guard: Guard | None  # of the driver, for what they write


def train_roles(
    run: Run,
    roles: Sequence[Role],
    on_progress: OnProgress,
    on_record: OnRecord | None = None,
    guard: Guard | None = None,
) -> None:
    """Train the given roles, one after the other, in one launch of workers. Both callbacks are called in this process.

    ``guard``: the claim under which they are written, which this process holds.

    Raises:
        TrainingError: fewer CPUs or GPUs than asked for; a worker lost more often than ``train.max_failures`` allows; or
            the error of a worker itself, of its own class.
    """
    config = run.config
    with connected() as ray:
        cpus, gpu = available(ray, config.train, config.cluster.room_timeout_s)
        mailbox = open_mailbox(ray, run.id)  # starts while the nodes answer
        require_nodes(ray)
        storage, records = absolute(config.storage.url), on_record is not None
        assignment = WorkerSettings(run, list(roles), storage, cpus, versions(), records, guard)
        with _printing(ray, mailbox, on_progress, on_record):
            lost = _fit(assignment, gpu)
        failure = ray.get(mailbox.failure.remote())
        if failure:
            raise _as_error(*failure)
        if lost:
            raise TrainingError(lost)


def _fit(assignment: WorkerSettings, gpu: bool) -> str | None:
    """Run the workers to their end. Returns why that failed, or None."""
    from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig, TrainingFailedError

    from ssgan.cluster.trainer import DriverTrainer

    train = assignment.run.config.train
    workers = train.num_workers if train.min_workers is None else (train.min_workers, train.num_workers)
    with scratch.folder("ray") as ray_storage:
        trainer = DriverTrainer(
            _worker,
            train_loop_config={"assignment": assignment},
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu, resources_per_worker={"CPU": assignment.threads}),
            run_config=RunConfig(
                name=assignment.run.id,
                storage_path=str(ray_storage),
                # The controller fails where workers do not come up in time, as when Ray still counts on a node that is gone.
                failure_config=FailureConfig(max_failures=train.max_failures, controller_failure_limit=train.max_failures),
                logging_config=LoggingConfig(log_level="CRITICAL"),  # what there is to say, we say
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            first = str(error).strip().splitlines()
            return (
                f"workers were lost more than {train.max_failures} times (train.max_failures): {first[-1] if first else error}"
            )
    return None


def _worker(settings: dict[str, WorkerSettings]) -> None:
    """What every Ray worker runs."""
    import ray
    import ray.train
    import ray.train.torch
    import torch

    from ssgan.storage.store import open_store
    from ssgan.training.experiment import train
    from ssgan.training.history import live_board

    run, roles, storage, threads, driver_versions, records, guard = settings["assignment"]
    mailbox = mailbox_of(ray, run.id)
    if ray.get(mailbox.failure.remote()):
        return  # started again after an error that trying again cannot fix; the driver raises it
    torch.set_num_threads(threads)
    place = f"rank {ray.train.get_context().get_world_rank()} on {socket.gethostname()}"
    _forward_storage_warnings(lambda text: mailbox.say.remote(f"{place}: {text}"))
    limit_s = run.config.train.step_timeout_s
    watchdog = Watchdog(limit_s, lambda stacks: ray.get(mailbox.say.remote(_hung(place, limit_s, stacks)), timeout=5))
    try:
        require_versions(driver_versions, "as on the driver of the run")
        with live_board(storage, run.id) as board:
            context = RunContext(
                guarded(open_store(storage), guard),
                ray.train.torch.get_device(),
                lambda role, event: mailbox.report.remote(role, event),
                board_for(run.config, board),
                watchdog.heartbeat,
                (lambda role, record: mailbox.record.remote(role, record)) if records else None,
            )
            for role in roles:
                train(run, role, context)
    except SsganError as error:
        ray.get(mailbox.fail.remote(type(error).__name__, str(error)))
        raise
    except Exception as error:
        if not is_lost_peer(error):
            ray.get(mailbox.fail.remote("TrainingError", explained(error, place)))
        raise
    finally:
        watchdog.stop()


def explained(error: Exception, place: str) -> str:
    """What ended a worker, for people: a full disk, or a bug."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk is full where {place} keeps its temporary files ({tempfile.gettempdir()}); free space there, or set "
            "TMPDIR, then run the same command again: it resumes from the last checkpoint"
        )
    return f"{type(error).__name__}: {error} ({place}; `ssgan train --debug` with train.backend inline shows where)"


def _forward_storage_warnings(say: Callable[[str], object]) -> None:
    """From now on, warnings of storage in this process are forwarded to the driver: a wait must not look like a hang."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(record.getMessage())

    logger = logging.getLogger("ssgan.storage")
    logger.handlers = [Handler(logging.WARNING)]  # not one more: a worker process may train more than once


def is_lost_peer(error: BaseException) -> bool:
    """Does a collective call fail because another rank is gone? Then trying again may help; any other error is our own."""
    frames = traceback.extract_tb(error.__traceback__)
    return any("torch/distributed" in frame.filename.replace("\\", "/") for frame in frames)


def _hung(place: str, limit_s: float, stacks: str) -> str:
    return f"{place} has not finished a step for {limit_s:.0f} s (train.step_timeout_s) and is ended; it is here:\n{stacks}"


@contextlib.contextmanager
def _printing(ray: Any, mailbox: Any, on_progress: OnProgress, on_record: OnRecord | None) -> Iterator[None]:
    """Inside, a thread hands the workers' progress and records to their callbacks, and their texts to the terminal."""
    stop = threading.Event()

    def drain() -> None:
        for role, event in ray.get(mailbox.take_events.remote()):
            on_progress(role, event)
        for role, record in ray.get(mailbox.take_records.remote()):
            if on_record:
                on_record(role, record)
        for text in ray.get(mailbox.take_texts.remote()):
            sys.stderr.write(f"{text}\n")

    def poll() -> None:
        while not stop.wait(POLL_SECONDS):
            with contextlib.suppress(ray.exceptions.RayError):
                drain()

    thread = threading.Thread(target=poll, name="ssgan-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    drain()


def _as_error(kind: str, message: str) -> SsganError:
    import ssgan.errors

    error_class: type[SsganError] = getattr(ssgan.errors, kind, TrainingError)
    return error_class(message)
