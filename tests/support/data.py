"""Small data sets and runs for tests. Everything is made here, from seeds; nothing is downloaded."""

from __future__ import annotations

import hashlib
import json
import shutil
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
from ssgan.data.split_files import write_rows
from ssgan.data.store import ImageStore
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


def write_data(
    root: Path,
    sets: dict[str, tuple[Images, npt.NDArray[np.int64] | None]],
    spec: ImageSpec,
    classes: list[str],
    named: dict[str, list[bytes]] | None = None,
    paths: dict[bytes, str] | None = None,
    shard: int = 1_000_000,
    group: int = 64,
) -> SplitFiles:
    """A store in ``root/images`` with its index, and its sets in ``root/splits``.

    Args:
        sets: (N, C, S, S) images and (N,) labels (None: the unlabeled set) of each.
        named: (N,) ids of each; None: hashes of the pixels.
        paths: of some images by id.
        shard, group: images of a shard and of a row group; shards are filled in the order of the sets.
    """
    named = named or {name: [hashlib.sha256(one.tobytes()).digest() for one in images] for name, (images, _) in sets.items()}
    every = {one: image for name, (images, _) in sets.items() for one, image in zip(named[name], images, strict=True)}
    rows = [ImageRow(one, (paths or {}).get(one, f"{one.hex()[:8]}.png"), 8, 8, "L", None, None) for one in every]
    pixels = np.stack(list(every.values())) if every else np.empty((0, *spec.shape), np.uint8)
    place: dict[bytes, int] = {}
    for start in range(0, max(1, len(rows)), shard):
        some = rows[start : start + shard]
        write_store(root, spec, f"{start // shard:05d}.parquet", some, pixels[start : start + shard], group)
        place |= {one: start + row for row, one in enumerate(sorted(image.id for image in some))}
    store = ImageStore(str(root / "images")).describe()
    (root / "splits").mkdir(exist_ok=True)
    for name, (_, labels) in sets.items():
        at, path = np.array([place[one] for one in named[name]], np.int64), root / f"splits/{name}.parquet"
        if labels is None:
            write_rows(path, schema.unlabeled_schema(spec, classes, store), np.sort(at))
        else:
            more = (pa.array(named[name], pa.binary(32)), pa.array(labels.astype(np.int32), pa.int32()))
            write_rows(path, schema.labeled_schema(spec, classes, store), at, *more)
    return SplitFiles(str(root / "splits"))


def write_splits(
    root: Path, *, size: int = 8, channels: int = 1, classes: int = 3, labeled: int = 6, unlabeled: int = 200
) -> SplitFiles:
    """A whole data set of blobs."""
    spec = ImageSpec(channels, size, "fit")
    sets: dict[str, Any] = {}
    for seed, (name, n) in enumerate((("labeled", labeled), ("unlabeled", unlabeled), ("val", 30), ("test", 60))):
        images, labels = blobs(n, spec, classes, seed)
        sets[name] = (images, None if name == "unlabeled" else labels)
    files = write_data(root, sets, spec, [f"class-{k}" for k in range(classes)])
    (root / "splits/split.json").write_text(json.dumps({"made_by": "tests"}))
    return files


def reserve(data: Path, ids: Sequence[str]) -> None:
    """Let these images of the store wait for a label."""
    known = schema.read_set(data / "images", ["id"])["id"].to_pylist()
    table = pa.table({"position": pa.array([known.index(one) for one in ids], pa.uint32()), "set": ["val"] * len(ids)})
    pq.write_table(table, data / "splits/reserved.parquet")


def copied(splits: SplitFiles, data: Path) -> SplitFiles:
    """The same images and sets in another folder."""
    shutil.copytree(Path(splits.root).parent, data, dirs_exist_ok=True)
    return SplitFiles(str(data / "splits"))


def write_store(data: Path, spec: ImageSpec, name: str, rows: Sequence[ImageRow], pixels: Images, group: int = 7) -> None:
    """Images that ``ingest`` has written, and their index, in row groups of a few."""
    made_by = DecodeRecipe(spec, DecodeLimits(1, 1), ())
    writer = ShardWriter(data, made_by, spec.bytes)
    writer._group = group
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
            ids, pixels = splits.ids(name), splits.inputs(name)
            pixels = pixels.reshape(len(pixels), -1) / 255.0 - 0.5
            matrix = np.random.default_rng(3).normal(size=(pixels.shape[1], dimension)) / pixels.shape[1] ** 0.5
            plain = pixels @ matrix
            every = np.stack([plain] + [plain + random.normal(0, 0.05, plain.shape) for _ in range(views - 1)], 1)
            self._rows |= dict(zip(ids, every.astype(np.float16), strict=True))

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

# What methods do with options that are off by default: the method, and the options.
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "improved_gan": (
        "feature_matching",
        {"minibatch_kernels": 10, "historical_weight": 0.1, "label_smoothing": 0.1, "virtual_batch_norm": True},
    ),
    "bad_gan_pixels": ("bad_gan", {"density": "pixels", "density_width": 4, "density_images": 8, "variational_weight": 0.1}),
    "muon": ("supervised", {"muon_rate": 0.02}),
    "clipped": ("supervised", {"gradient_clip": 1.0}),
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
