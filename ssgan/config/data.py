"""Sections ``data`` and ``split``: from raw images to the four sets."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, model_validator

from ssgan.config.base import MIB, Strict

Layout = Literal["auto", "classes", "split_classes", "flat"]


class DigitsSource(Strict):
    """scikit-learn's 1,797 handwritten digits (8x8, 10 classes), written out as PNG files on first use."""

    kind: Literal["digits"] = "digits"
    path: str = "data/raw/digits"  # folder that receives the PNG files


class FolderSource(Strict):
    """A local folder of images."""

    kind: Literal["folder"] = "folder"
    path: str
    # auto: detected; classes: CLASS/image; split_classes: {train,test}/CLASS/image; flat: no class in the path
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
    # significant bits of 16-bit files, larger values are rejected; null: the range that the file declares
    deep_bits: int | None = Field(default=None, ge=9, le=15)
    damaged: Literal["reject", "accept"] = "reject"  # files that decode, though a checksum or the decoder finds damage
    max_file_bytes: int = Field(default=64 * MIB, gt=0)  # larger files are rejected before they are read
    max_pixels: int = Field(default=100_000_000, gt=0)  # larger images are rejected before they are decoded
    shard_bytes: int = Field(default=64 * MIB, ge=MIB)  # size of one Parquet file, in bytes of pixels
    workers: Literal["local", "ray"] = (
        "local"  # where images are decoded: this machine, or tasks of the cluster at RAY_ADDRESS; same result
    )

    @property
    def image(self) -> ImageSpec:
        """What every image is brought to."""
        return ImageSpec(self.channels, self.image_size, self.resize, self.deep_bits)


class ImageSpec(NamedTuple):
    """Shape of every image of a data set, and how raw images were brought to it."""

    channels: int
    image_size: int
    resize: str
    deep_bits: int | None = None  # see DataConfig

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
    # largest number of images of the set, labeled and reserved; null: the whole fraction
    val_target: int | None = Field(default=None, ge=1)
    test_target: int | None = Field(default=None, ge=1)
    near_duplicate_bits: int = Field(default=4, ge=0, le=8)  # of 64 bits of perceptual hash: distance that proposes a pair
    near_duplicate_rmse: float = Field(default=6.0, ge=0.0)  # in gray levels (0-255): distance of pixels that confirms it
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
