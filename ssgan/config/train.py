"""Sections ``train``, ``loader``, ``storage`` and ``cluster``: how and where a training runs."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ssgan.config.base import MIB, Strict

Precision = Literal["auto", "float32", "bf16"]


class TrainConfig(Strict):
    """How training runs."""

    backend: Literal["ray", "inline"] = "ray"  # inline: the same experiment in this process, without Ray
    num_workers: int = Field(default=1, ge=1)
    min_workers: int | None = Field(
        default=None, ge=1
    )  # Ray: continue with as few after losing nodes; null: always num_workers
    device: Literal["auto", "cpu", "cuda"] = "auto"
    cpus_per_worker: int | None = Field(default=None, ge=1)  # null: share the machine's (or the cluster's) CPUs evenly
    max_failures: int = Field(default=3, ge=0)  # lost workers that Ray Train replaces before it gives up
    step_timeout_s: float = Field(default=900.0, gt=0)  # a worker that finishes no step for so long is ended and replaced
    steps: int = Field(default=6000, gt=0)
    seed: int = Field(default=0, ge=0)  # everything random except the choice of labels (split.split_seed)
    precision: Precision = "float32"  # auto: bf16 where the CPU or GPU has fast instructions for it
    # record the steps of a GPU as CUDA graphs and replay them; one worker only, and as yet unmeasured
    graphs: bool = False
    val_every: int = Field(default=500, gt=0)  # validation interval, in steps
    checkpoint_every: int = Field(default=500, gt=0)  # steps
    # steps between two looks whether all numbers are finite, besides those before a validation or a checkpoint
    check_every: int = Field(default=50, gt=0)
    keep_checkpoints: int = Field(default=2, ge=1)  # newest ones kept in storage, besides the best
    log_every_seconds: float = Field(default=10.0, gt=0)  # progress lines where there is no terminal
    # where its curves go besides runs/train; mlflow: to MLFLOW_TRACKING_URI, with the extra `mlflow` of ssgan
    loggers: list[Literal["tensorboard", "mlflow"]] = Field(default=["tensorboard"])
    twin: bool = True  # also train the supervised baseline: same classifier, same labels, no unlabeled images
    # null: random weights; previous: the model in runs/train; or a model folder (RUN/main/last, its baseline beside it)
    start_from: str | None = None

    @property
    def worker_range(self) -> range:
        """The numbers of workers that a run may have."""
        return range(self.min_workers or self.num_workers, self.num_workers + 1)

    @model_validator(mode="after")
    def _elastic(self) -> TrainConfig:
        if self.min_workers is None:
            return self
        if self.min_workers > self.num_workers:
            raise ValueError(f"min_workers is {self.min_workers}, above num_workers {self.num_workers}; lower it")
        if self.cpus_per_worker is None:
            raise ValueError(
                "min_workers needs cpus_per_worker as well: the machine's share changes with its nodes; give a number"
            )
        return self


class LoaderConfig(Strict):
    """How batches are made."""

    memory_budget: int = Field(default=2048 * MIB, gt=0)  # bytes of uint8 images held on the device, else streaming
    shuffle_row_groups: int = Field(default=128, ge=1)  # row groups (256 KiB) that a streamed run shuffles together
    prefetch_windows: int = Field(default=1, ge=1)  # windows of row groups read ahead while streaming


class StorageConfig(Strict):
    """Where checkpoints in flight and finished runs lie: a folder or ``s3://bucket/prefix``."""

    url: str = "storage"


class ClusterConfig(Strict):
    """A Ray cluster that trains instead of this machine; both must reach ``storage.url``."""

    address: str | None = None  # of the head's dashboard, http://HOST:8265; null: train on this machine
    insecure: bool = False  # submit to a cluster without authentication that others can reach too
    environment: dict[str, str] = Field(default={})  # variables of the job, visible to everyone on the cluster: nothing secret
    include: list[str] = Field(default=[])  # files and folders that the job needs besides params.yaml and the code
    upload_limit: int = Field(default=16 * MIB, gt=0)  # bytes of all that is sent with a job
    pending_timeout_s: float = Field(default=900.0, gt=0)  # how long a job may wait to be started
    room_timeout_s: float = Field(default=0.0, ge=0)  # how long an autoscaling cluster may take to grow; 0: refuse at once
    patience_s: float = Field(default=60.0, gt=0)  # how long a cluster may not answer

    @field_validator("environment")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        secret = sorted(name for name in value if re.search(r"SECRET|TOKEN|PASSWORD|ACCESS_KEY|CREDENTIAL", name.upper()))
        if secret:
            raise ValueError(
                f"{', '.join(secret)} would be readable by everyone on the cluster; give the nodes a role, a profile or a "
                "mounted file"
            )
        return value
