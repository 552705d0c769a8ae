"""Small data sets and runs for tests. Everything is made here, from seeds; nothing is downloaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ssgan import methods
from ssgan.backbones import embedded
from ssgan.backbones.record import Backbone
from ssgan.config import Config, ImageSpec, parse
from ssgan.data import schema
from ssgan.data.decode import DecodeLimits
from ssgan.data.files import SplitFiles
from ssgan.data.image_shards import ImageBatch, ImageRow, ShardWriter
from ssgan.data.recipe import DecodeRecipe
from ssgan.data.signatures import signatures
from ssgan.features import files as feature_files
from ssgan.storage.store import open_store
from ssgan.training.context import Run, RunContext

Images = npt.NDArray[np.uint8]


def blobs(n: int, spec: ImageSpec, classes: int, seed: int, noise: float = 25.0) -> tuple[Images, npt.NDArray[np.int64]]:
    """Images of a class are one random pattern plus noise: (n, C, S, S) uint8 and (n,) labels, classes in turn."""
    patterns = np.random.default_rng(99).uniform(40, 215, (classes, *spec.shape))
    random = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = patterns[labels] + random.normal(0, noise, (n, *spec.shape))
    return np.clip(images, 0, 255).astype(np.uint8), labels


def write_set(folder: Path, images: Images, labels: npt.NDArray[np.int64] | None, spec: ImageSpec, classes: list[str]) -> None:
    """One shard with row groups of 64."""
    folder.mkdir(parents=True)
    columns: dict[str, Any] = {
        "id": [hashlib.sha256(image.tobytes()).digest() for image in images],
        "pixels": schema.numpy_to_pixels(images),
        "path": [f"{i}.png" for i in range(len(images))],
        "label": None if labels is None else labels.astype(np.int32),
    }
    kind = schema.unlabeled_schema if labels is None else schema.labeled_schema
    table_schema = kind(spec, classes)
    table = pa.table([pa.array(columns[f.name], f.type) for f in table_schema], schema=table_schema)
    pq.write_table(table, folder / "part-00000.parquet", row_group_size=64, compression="none")


def write_splits(
    root: Path, *, size: int = 8, channels: int = 1, classes: int = 3, labeled: int = 6, unlabeled: int = 200
) -> SplitFiles:
    """A whole data set of blobs."""
    spec = ImageSpec(channels, size, "fit")
    names = [f"class-{k}" for k in range(classes)]
    for seed, (name, n) in enumerate((("labeled", labeled), ("unlabeled", unlabeled), ("val", 30), ("test", 60))):
        images, labels = blobs(n, spec, classes, seed)
        write_set(root / name, images, None if name == "unlabeled" else labels, spec, names)
    (root / "split.json").write_text(json.dumps({"made_by": "tests"}))
    return SplitFiles(str(root))


def write_store(data: Path, spec: ImageSpec, name: str, rows: Sequence[ImageRow], pixels: Images) -> None:
    """Images that ``ingest`` has written, and their index, in row groups of a few."""
    made_by = DecodeRecipe(spec, DecodeLimits(1, 1), ())
    writer = ShardWriter(data, made_by, spec.bytes)
    writer._group = 7
    writer.write(name, ImageBatch(list(rows), pixels, signatures(pixels)))


class MemoryFeatures:
    """Features of two views of every image of some splits: a fixed random projection of its pixels, and noise on the second."""

    def __init__(self, splits: SplitFiles, dimension: int = 24, views: int = 2) -> None:
        self.backbone, self.views = BACKBONE, views
        self.identity = {"backbone": BACKBONE.identity, "views": views}
        assert dimension == BACKBONE.dimension
        self._rows: dict[str, npt.NDArray[np.float16]] = {}
        random = np.random.default_rng(7)
        for name in schema.SETS:
            table = splits.read(name, ["id", "pixels"])
            pixels = schema.pixels_to_numpy(table["pixels"], splits.image_spec()).reshape(len(table), -1) / 255.0 - 0.5
            matrix = np.random.default_rng(3).normal(size=(pixels.shape[1], dimension)) / pixels.shape[1] ** 0.5
            plain = pixels @ matrix
            every = np.stack([plain] + [plain + random.normal(0, 0.05, plain.shape) for _ in range(views - 1)], 1)
            self._rows |= dict(zip(table["id"].to_pylist(), every.astype(np.float16), strict=True))

    def groups(self) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]]]:
        """Everything as one part."""
        ids = np.frombuffer(bytes.fromhex("".join(self._rows)), np.uint8).reshape(-1, 32)
        yield ids, self.read(list(self._rows)).reshape(len(ids), -1)

    def read(self, ids: Sequence[str], views: int | None = None) -> npt.NDArray[np.float16]:
        """(N, V, D)."""
        return np.stack([self._rows[one][: views or 2] for one in ids])


BACKBONE = Backbone(
    name="random_projection",
    provider="timm",
    architecture="none",
    sha256="0" * 64,
    size=8,
    resize="crop",
    crop_share=1.0,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    pooling="avg",
    parts=(24,),
    license="Apache-2.0",
    restricted=False,
    source="tests",
)


def write_features(splits: SplitFiles) -> Path:
    """The features of ``MemoryFeatures`` as the stage leaves them, said to be of the embedded backbone."""
    record = embedded.record()
    rows = MemoryFeatures(splits)
    folder = Path(splits.root).with_name("features") / record.key
    folder.mkdir(parents=True)
    columns = feature_files.layout(record, rows.views)

    def tables() -> Iterator[pa.Table]:
        for ids, found in rows.groups():
            whole = np.zeros((len(ids), rows.views, record.dimension), np.float16)
            whole[:, :, : BACKBONE.dimension] = found.reshape(len(ids), rows.views, -1)
            yield pa.Table.from_arrays(
                [schema.binary(ids), schema.binary(whole.reshape(len(ids), -1).view(np.uint8))], schema=columns
            )

    feature_files.write_shard(folder / "00000.parquet", columns, tables())
    return folder


ON_FEATURES: dict[str, Any] = {"features": {"backbone": "efficientnet_lite0", "dimensions": 16}, "net": {"family": "head"}}


def on_features(splits: SplitFiles) -> SplitFiles:
    """The same splits, for runs that learn on features."""
    return replace(splits, features=MemoryFeatures(splits))


def config(**changes: Any) -> Config:
    """A small and quick config; keyword arguments are sections, laid over it."""
    base: dict[str, Any] = {
        "train": {
            "backend": "inline",
            "steps": 30,
            "val_every": 10,
            "checkpoint_every": 10,
            "device": "cpu",
            "cpus_per_worker": 1,
            "twin": False,
        },
        "method": {"name": "feature_matching", "options": {"batch_size": 20, "labeled_batch_size": 6}},
        "net": {"family": "mlp", "width": 0.1, "latent_dim": 10},
    }
    for section, values in changes.items():
        base[section] = {**base.get(section, {}), **values}
    return parse(Config, base, "test config")


# Settings of a method that compute something else than its defaults: what every method must keep, they must keep too.
VARIANTS: dict[str, dict[str, Any]] = {
    "fixmatch+freematch": {"thresholds": "freematch", "threshold_decay": 0.9},
    "fixmatch+softmatch": {"thresholds": "softmatch", "threshold_decay": 0.9},
}


def short(name: str, **options: float) -> dict[str, Any]:
    """The ``method`` section for a run of a few steps: what begins after thousands of steps by default begins after five, and
    what happens in some steps happens in every one. ``name``: of a method, or of one of ``VARIANTS``."""
    options = {**VARIANTS.get(name, {}), **options}
    name = name.partition("+")[0]
    keys = methods.module(name).Config.model_fields
    starts = dict.fromkeys((key for key in keys if key.endswith(("_start", "pretrain_steps"))), 5)
    rates = dict.fromkeys((key for key in keys if key.endswith("_every")), 1)
    return {"name": name, "options": {"batch_size": 20, "labeled_batch_size": 6, **starts, **rates, **options}}


def run_of(config: Config, files: SplitFiles, **identity: Any) -> Run:
    """A run under the key ``run``, whatever its inputs."""
    return Run("run", identity, config, files)


def context(folder: Path) -> RunContext:
    """A context that stores into ``folder`` and says nothing."""
    return RunContext(open_store(str(folder)), torch.device("cpu"), lambda role, event: None)


def final_weights(folder: Path, role: str = "main") -> dict[str, torch.Tensor]:
    """The last averaged weights of a finished role."""
    from safetensors.torch import load_file

    return load_file(folder / "run" / role / "final" / "last" / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
