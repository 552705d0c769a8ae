"""Every parameter of the system: typed, with its unit and default.

The models are strict: an unknown key, a string where a number belongs (PyYAML reads ``3e-4`` as a string) or a value out
of range is an error that names the key, the value and the remedy. ``load`` is the only way in.

Hyperparameters of a method live with the method (``ssgan/methods/NAME.py``, class ``Config``), and are overridden under
``method.options``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from ssgan.config_errors import explain
from ssgan.config_gate import GateConfig
from ssgan.config_tune import Strict, TuneConfig
from ssgan.errors import ConfigError

MIB = 1 << 20

M = TypeVar("M", bound=BaseModel)


# --- data ------------------------------------------------------------------------------------------------------------

Layout = Literal["auto", "classes", "split_classes", "flat"]


class DigitsSource(Strict):
    """scikit-learn's 1,797 handwritten digits (8x8, 10 classes), written out as PNG files on first use."""

    kind: Literal["digits"] = "digits"
    path: str = "data/raw/digits"  # folder that receives the PNG files


class FolderSource(Strict):
    """A local folder of images."""

    kind: Literal["folder"] = "folder"
    path: str
    # auto: decide by looking; classes: CLASS/image; split_classes: {train,test}/CLASS/image; flat: no class in the path
    layout: Layout = "auto"


class S3Source(Strict):
    """A prefix in S3 (or anything that speaks S3; the endpoint comes from AWS_ENDPOINT_URL)."""

    kind: Literal["s3"] = "s3"
    url: str = Field(pattern=r"^s3://[^/]+(/.*)?$")  # s3://bucket/prefix
    layout: Layout = "auto"


class TorchvisionSource(Strict):
    """A data set of torchvision; a local copy under ``root`` is used where there is one."""

    kind: Literal["torchvision"] = "torchvision"
    dataset: Literal["MNIST", "FashionMNIST", "SVHN", "CIFAR10", "OxfordIIITPet"]
    root: str = "data/raw/torchvision"
    download: bool = False  # fetch from the data set's own site when there is no local copy


Source = Annotated[DigitsSource | FolderSource | S3Source | TorchvisionSource, Field(discriminator="kind")]


class DataConfig(Strict):
    """What ``ingest`` reads and what it makes of it."""

    source: Source = DigitsSource()
    image_size: int = Field(default=8, ge=8, le=256, multiple_of=4)  # pixels, height = width
    channels: Literal[1, 3] = 1
    # fit: whole image, padded with black; crop: fill the square, cut the rest; stretch: ignore the aspect ratio
    resize: Literal["fit", "crop", "stretch"] = "fit"
    max_file_bytes: int = Field(default=64 * MIB, gt=0)  # larger files are rejected before they are read
    max_pixels: int = Field(default=100_000_000, gt=0)  # larger images are rejected before they are decoded
    shard_bytes: int = Field(default=64 * MIB, ge=MIB)  # size of one Parquet file, in bytes of pixels
    workers: Literal["local", "ray"] = "local"  # who decodes: this machine, or tasks of the cluster at RAY_ADDRESS; same result


class ImageSpec(NamedTuple):
    """Shape of every image of a data set, and how raw images were brought to it."""

    channels: int
    image_size: int
    resize: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, S, S)"""
        return (self.channels, self.image_size, self.image_size)

    @property
    def bytes(self) -> int:
        """Bytes of one image."""
        return self.channels * self.image_size**2


class SplitConfig(Strict):
    """How images become labeled, unlabeled, val and test sets."""

    # benchmark: every image has a label, keep num_labels of them; team: use all labels that were given
    mode: Literal["benchmark", "team"] = "benchmark"
    labels: str | None = None  # CSV with columns (path or sha256) and label, or folder of a label ledger; null: class folders
    # of a label ledger: which label its votes give an image (of one annotator, the newest vote)
    label_policy: Literal["latest", "majority", "require_agreement"] = "require_agreement"
    num_labels: int = Field(default=40, gt=0)  # label budget in total over all classes; benchmark mode only
    split_seed: int = Field(default=0, ge=0)  # which labels are kept; benchmark mode only
    val_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    test_fraction: float = Field(default=0.2, gt=0.0, lt=1.0)  # ignored where the source has an official test set
    near_duplicate_bits: int = Field(default=4, ge=0, le=8)  # of 64 bits of perceptual hash: distance that proposes a pair
    near_duplicate_rmse: float = Field(default=6.0, ge=0.0)  # in grey levels (0-255): distance of pixels that confirms it
    on_unknown_image: Literal["error", "report"] = "error"  # a label for an image that was not ingested
    on_conflict: Literal["error", "drop"] = "error"  # two different labels for one image; drop: it becomes unlabeled
    on_class_without_label: Literal["error", "report"] = "error"  # a class of classes.json that has no training label

    @model_validator(mode="after")
    def _fractions(self) -> SplitConfig:
        if self.val_fraction + self.test_fraction >= 0.9:
            raise ValueError(
                f"val_fraction + test_fraction is {self.val_fraction + self.test_fraction:g}: nothing is left to train "
                "on; keep the sum below 0.9"
            )
        return self


# --- model and training ----------------------------------------------------------------------------------------------


class MethodConfig(Strict):
    """Hyperparameters that every method has. A method's own ``Config`` derives from this one."""

    batch_size: int = Field(default=100, gt=0)  # global batch (over all workers) of unlabeled and of fake images
    labeled_batch_size: int = Field(default=100, gt=0)  # global batch of labeled images
    augment: bool = False  # apply the label-preserving augmentation of the `augment` section to real images
    ema_halflife_images: float = Field(default=693_000.0, gt=0)  # averaging horizon, in images of the global batch
    # The horizon never exceeds this share of the images that the whole run sees, so that short runs average too.
    ema_max_share: float = Field(default=0.05, gt=0, le=1)
    lr_tail: float = Field(default=0.0, ge=0.0, le=1.0)  # share of the run, at its end, over which the rate falls to 0
    muon_rate: float = Field(default=0.0, ge=0.0, lt=1.0)  # of Muon, for the classifier's hidden weights; 0: Adam for all
    # Longest gradient of a phase, in usual lengths (what Adam remembers); a longer one is shortened to that. 0: not clipped;
    # null: 2 for the methods with one discriminator and one generator on convolutional networks without Muon, else 0
    gradient_clip: float | None = Field(default=None, ge=0.0)

    @property
    def settled_step(self) -> int:
        """First step at which all of the method takes part: every phase has begun, every ramp has reached its end.

        A search stops no trial before it: until then the method is not yet what is compared.
        """
        return 0


class MethodSelection(Strict):
    """Which method runs, and what differs from its defaults."""

    name: str = "feature_matching"
    options: dict[str, Any] = Field(default={})


class NetConfig(Strict):
    """Which family of networks (a file of ``ssgan/nets``) plays the roles, and how wide it is."""

    family: str = "mlp"
    width: float = Field(default=1.0, gt=0)  # multiplies the number of hidden units or channels
    noise: float = Field(default=1.0, ge=0, le=1)  # multiplies the classifier's Gaussian noise and dropout
    latent_dim: int = Field(default=100, gt=0)  # Z


@dataclass(frozen=True)
class Problem:
    """What a method is asked to learn: image shape, number of classes K, networks to use."""

    image: ImageSpec
    num_classes: int
    net: NetConfig


class AugmentConfig(Strict):
    """Transformations that keep the label on this data set. All zero: none. Used by methods with ``augment: true``."""

    shift_px: int = Field(default=0, ge=0)  # largest shift, in pixels, both axes
    flip: bool = False  # mirror left-right with probability 1/2 (never for digits or text)
    rotate_degrees: float = Field(default=0.0, ge=0, le=180)  # largest rotation
    scale: float = Field(default=0.0, ge=0, lt=0.9)  # largest relative change of size


Precision = Literal["auto", "float32", "bf16"]


class TrainConfig(Strict):
    """How training runs."""

    backend: Literal["ray", "inline"] = "ray"  # inline: the same experiment in this process, without Ray
    num_workers: int = Field(default=1, ge=1)
    min_workers: int | None = Field(default=None, ge=1)  # Ray: go on with as few where nodes are lost; null: always num_workers
    device: Literal["auto", "cpu", "cuda"] = "auto"
    cpus_per_worker: int | None = Field(default=None, ge=1)  # null: share the machine's (or the cluster's) CPUs evenly
    max_failures: int = Field(default=3, ge=0)  # lost workers that Ray Train replaces before it gives up
    step_timeout_s: float = Field(default=900.0, gt=0)  # a worker that finishes no step for so long is ended and replaced
    steps: int = Field(default=6000, gt=0)
    seed: int = Field(default=0, ge=0)  # everything random but the choice of labels (split.split_seed)
    precision: Precision = "float32"  # auto: bf16 where the CPU or GPU has instructions for it
    val_every: int = Field(default=500, gt=0)  # steps between two looks at val
    checkpoint_every: int = Field(default=500, gt=0)  # steps
    keep_checkpoints: int = Field(default=2, ge=1)  # newest ones kept in storage, besides the best
    log_every_seconds: float = Field(default=10.0, gt=0)  # progress lines where there is no terminal
    twin: bool = True  # also train the supervised twin: same classifier, same labels, no unlabeled images
    # null: random weights; previous: the model in runs/train; or a model folder (RUN/main/last, its twin beside it)
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
    shuffle_row_groups: int = Field(default=4, ge=1)  # row groups mixed in the second level of the streaming shuffle
    prefetch_windows: int = Field(default=1, ge=1)  # windows of row groups read ahead while streaming


class StorageConfig(Strict):
    """Where checkpoints in flight and finished runs lie: a folder or ``s3://bucket/prefix``."""

    url: str = "storage"


class ClusterConfig(Strict):
    """A Ray cluster that trains in the place of this machine; both must reach ``storage.url``."""

    address: str | None = None  # of the head's dashboard, http://HOST:8265; null: train on this machine
    insecure: bool = False  # submit to a cluster without authentication that others can reach too
    environment: dict[str, str] = Field(default={})  # variables of the job, seen by everybody on the cluster: nothing secret
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
                f"{', '.join(secret)} would be readable by everybody on the cluster; give the nodes a role, a profile or a "
                "mounted file"
            )
        return value


class EvaluateConfig(Strict):
    """How the finished models are judged."""

    checkpoint: Literal["last", "best"] = "last"  # best is chosen on val
    bootstrap_samples: int = Field(default=10_000, ge=100)
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    ece_bins: int = Field(default=15, ge=2)
    # share of wrong answers that the team accepts among images that are answered; null: every image is answered
    max_risk: float | None = Field(default=None, gt=0.0, lt=1.0)


class ReportConfig(Strict):
    """What the report shows."""

    mistakes: int = Field(default=24, ge=0, le=256)  # most confident mistakes shown as images
    generated: int = Field(default=64, ge=0, le=256)  # generated images in the grid


class Config(Strict):
    """The whole of ``params.yaml``."""

    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    method: MethodSelection = MethodSelection()
    net: NetConfig = NetConfig()
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    loader: LoaderConfig = LoaderConfig()
    storage: StorageConfig = StorageConfig()
    cluster: ClusterConfig = ClusterConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    report: ReportConfig = ReportConfig()
    tune: TuneConfig = TuneConfig()
    gate: GateConfig = GateConfig()


# --- loading ---------------------------------------------------------------------------------------------------------


def load(path: str | Path = "params.yaml") -> Config:
    """Read ``params.yaml``.

    Raises:
        ConfigError: naming every wrong key at once, with its value and a remedy.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; run `ssgan init` to write one, or change to the project's folder") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    return parse(Config, raw or {}, where=str(path))


def parse(model: type[M], raw: Any, where: str) -> M:
    """Validate ``raw`` against ``model``; ``where`` names the origin in messages. Raises ConfigError."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = [explain(model, raw, e) for e in error.errors()]
        raise ConfigError(f"{where}: " + "; ".join(problems)) from None
