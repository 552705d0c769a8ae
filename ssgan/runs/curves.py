"""Where the curves of a training go besides its own files, `train.loggers`: only the main process of a training writes there.

Records come from rank 0, on Ray through the mailbox. What is at ``MLFLOW_TRACKING_URI`` may fail while a training runs, which
then goes on without it: its own history holds every record.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssgan import installation
from ssgan.config import Config
from ssgan.errors import ConfigError, TrainingError
from ssgan.training.context import Role, Run

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from ssgan.training.history import Record

EXPERIMENT = "ssgan"  # unless MLFLOW_EXPERIMENT_NAME says otherwise
OnRecord = Callable[[Role, "Record"], None]
RUN, ROLE = "ssgan.run", "ssgan.role"  # tags
SPEED = ("images_per_second", "data_wait_share")
# By itself the client tries a request for minutes, in which a training would stand still.
CLIENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
LONGEST = 500  # characters of a value


def require_loggers(config: Config) -> None:
    """Raises ConfigError where a package is missing."""
    if "mlflow" in config.train.loggers and importlib.util.find_spec("mlflow") is None:
        raise ConfigError(
            f"`train.loggers` has mlflow, which is not installed; {installation.remedy('mlflow')}, or take it out"
        )


def where_to_look(config: Config) -> list[str]:
    """For people: how to see the curves of a finished training."""
    train = config.train
    shown = ["curves: tensorboard --logdir runs/train"] if "tensorboard" in train.loggers else []
    return shown + (["curves: MLflow, as MLFLOW_TRACKING_URI says"] if "mlflow" in train.loggers else [])


def board_for(config: Config, board: Path) -> Path | None:
    """The folder for TensorBoard's events, where they are wanted."""
    return board if "tensorboard" in config.train.loggers else None


@contextmanager
def recorded(run: Run) -> Iterator[OnRecord | None]:
    """What takes the records of a run; None where only TensorBoard wants them.

    Raises:
        ConfigError: MLflow is not installed.
        TrainingError: its server does not answer.
    """
    require_loggers(run.config)
    if "mlflow" not in run.config.train.loggers:
        yield None
        return
    log = MlflowLog(run)
    status = "FAILED"
    try:
        yield log
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        log.close(status)


class MlflowLog:
    """One run of MLflow for each role, found again by its tags when a training goes on."""

    def __init__(self, run: Run) -> None:
        for name, value in CLIENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self._run, self._ids, self._last = run, dict[Role, str](), dict[Role, int]()
        self._client: MlflowClient | None = None
        try:
            client = MlflowClient()
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
            found = client.get_experiment_by_name(name)
            self._experiment = found.experiment_id if found else client.create_experiment(name)
        except MlflowException as error:
            raise TrainingError(
                f"MLflow cannot be reached ({str(error).splitlines()[0]}); correct MLFLOW_TRACKING_URI, or take mlflow out of "
                "`train.loggers`"
            ) from None
        self._client = client

    def __call__(self, role: Role, record: Record) -> None:
        """Log one record, unless an earlier attempt of this training did."""
        if self._client is None:
            return
        try:
            self._log(self._client, role, record)
        except Exception as error:  # whatever its stores and its network raise
            self._give_up(error)

    def close(self, status: str) -> None:
        """Say how the training ended: FINISHED, FAILED or KILLED."""
        for id in self._ids.values() if self._client else ():
            try:
                self._client.set_terminated(id, status)  # type: ignore[union-attr]
            except Exception as error:
                self._give_up(error)
                return

    def _log(self, client: MlflowClient, role: Role, record: Record) -> None:
        from mlflow.entities import Metric

        if role not in self._ids:
            self._ids[role] = self._begin(client, role)
        if record["step"] <= self._last[role]:
            return
        values = {**record["terms"], **{f"speed/{name}": record[name] for name in SPEED}}
        if record["val_error_rate"] is not None:
            values["val/error_rate"] = record["val_error_rate"]
        now = round(1000 * time.time())
        metrics = [Metric(name, float(value), now, record["step"]) for name, value in values.items()]
        client.log_batch(self._ids[role], metrics=metrics)
        self._last[role] = record["step"]

    def _begin(self, client: MlflowClient, role: Role) -> str:
        wanted = f"tags.`{RUN}` = '{self._run.id}' and tags.`{ROLE}` = '{role}'"
        if found := client.search_runs([self._experiment], wanted, max_results=1):
            id: str = found[0].info.run_id
            self._last[role] = max((point.step for point in client.get_metric_history(id, f"speed/{SPEED[0]}")), default=0)
            client.update_run(id, status="RUNNING")
            return id
        made: str = client.create_run(
            self._experiment, tags={RUN: self._run.id, ROLE: role}, run_name=f"{self._run.id} {role}"
        ).info.run_id
        self._last[role] = 0
        for key, value in _flat(self._run.identity.get("params", {})):
            client.log_param(made, key, str(value)[:LONGEST])
        return made

    def _give_up(self, error: Exception) -> None:
        self._client = None
        sys.stderr.write(f"warning: MLflow failed ({str(error).splitlines()[0]}); training continues without it\n")


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
