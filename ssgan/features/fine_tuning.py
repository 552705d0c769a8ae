"""Fine-tuning the whole backbone on the surest answers of ``auto``, so that its features suit these images.

What the backbone was pretrained on may be far from a team's images: then this is worth several points, and where it is near,
nothing or less than that (docs/results/photos.md). The tuned network is another backbone, in a file of its own, which sees
images at the size of the tuning: features, comparison and export treat it like any. It has learned from the labels and the
unlabeled images of the training set alone.

Letters: N images, S side that the network sees, B side that crops are cut from, D numbers of the backbone, K classes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ssgan import atomic, backbones
from ssgan.backbones import Network, provider
from ssgan.config import Config
from ssgan.data.decode import DecodeLimits, decode
from ssgan.data.files import SplitFiles
from ssgan.data.index import paths_of
from ssgan.data.sources import make_source, text
from ssgan.errors import ConfigError, DataError
from ssgan.features.space import Space
from ssgan.fitting.choice import choose
from ssgan.fitting.linear import Linear, logistic
from ssgan.fitting.self_training import surest
from ssgan.wording import counted

BATCH = 16
WEIGHT_DECAY = 0.01
STRENGTH = 1.0  # of the probe that the classifier begins as

Ints = npt.NDArray[np.int64]


class Settings(NamedTuple):
    """images: of the pool, drawn at random. size: S. rate: learning rate at first, falling to zero. share: of the answers."""

    images: int = 4000
    size: int = 128  # pixels: a third of the cost of 224
    rate: float = 1e-4
    passes: int = 1
    share: float = 0.8


class Tuned(nn.Module):
    """(N, 3, B, B) uint8 -> (N, K) logits: the network, the space of the features, and a linear classifier."""

    def __init__(self, network: Network, space: Space, model: Linear) -> None:
        super().__init__()
        self.network, self.space = network.eval(), space  # eval: batch normalization keeps its statistics
        self.head = nn.Linear(*model.weight.shape)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(model.weight.T.copy()))
            self.head.bias.copy_(torch.from_numpy(model.bias))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.space(self.network(images)))
        return logits


def fine_tune(config: Config, files: SplitFiles, index: Path, settings: Settings, out: Path) -> Iterator[str]:
    """Tune the backbone of ``features`` and write its weights to ``out``. Yields lines for people.

    Args:
        files: the splits, with features.
        index: the folder with ``index/*.parquet``.

    Raises:
        ConfigError: the backbone cannot be trained.
        DataError: originals are gone.
    """
    backbone, weights = backbones.find(config.features, config.data.deep_bits)
    if backbone.provider != "timm":
        raise ConfigError(
            f"`features.backbone` is {config.features.backbone!r}; only the embedded backbone and those of timm can be tuned"
        )
    seed, unlabeled = config.train.seed, files.ids("unlabeled")[: settings.images]
    ids = list(dict.fromkeys([*files.ids("labeled"), *unlabeled]))
    answers, vectors, space = surest_answers(config, files, ids, settings.share)
    rows = np.flatnonzero(answers >= 0)
    confident = f"the most confident predictions for {len(rows):,} of {counted(len(ids), 'image')}"
    yield f"learning from {counted(len(files.ids('labeled')), 'label')} and {confident}"
    size = settings.size if len(backbone.parts) > 1 else backbone.size  # a transformer's positions are bound to their number
    smaller = replace(backbone, size=size)
    images = torch.from_numpy(np.stack(list(originals(config, smaller, index, [ids[row] for row in rows]))))
    probe = logistic(vectors[rows].double().numpy(), answers[rows], len(files.classes()), STRENGTH)
    model = Tuned(Network(smaller, provider(backbone.provider).build(backbone, weights)), space, probe)
    lines: list[str] = []
    tune(model, images, torch.from_numpy(answers[rows]), settings._replace(size=size), seed, lines.append)
    yield from lines
    source = f"fine-tuned from weights with sha256 {backbone.sha256[:12]}..."
    about = {"source": source, "license": backbone.license, **settings._asdict(), "size": size}
    trunk = cast(nn.Module, model.network.trunk.network)
    with atomic.replaced(out) as part:
        save_file({k: v.contiguous() for k, v in trunk.state_dict().items()}, part, {"ssgan": json.dumps(about)})
    name = f"timm:{backbone.architecture}"
    yield f"wrote {out}; use it in params.yaml: features.backbone: {name}, features.weights: {out}, then `dvc repro`"
    was = config.features.backbone or ""
    before = f"{was}={config.features.weights}" if config.features.weights else was
    yield f"then compare on val (folds flatter it, it has seen the labels): ssgan backbones compare {before} {name}={out}"


def surest_answers(config: Config, files: SplitFiles, ids: list[str], share: float) -> tuple[Ints, Tensor, Space]:
    """(N,) class of each image: its label, or one of the surest answers of ``auto``, else -1; (N, P) vectors; their space."""
    if files.features is None:
        raise ConfigError("`features.backbone` is null; name a backbone, and run `ssgan features`")
    raw = torch.from_numpy(files.features.read(ids, 1)[:, 0])
    space = Space(raw.shape[1], config.features.dimensions)
    space.fit(raw)
    vectors, y, seed = space(raw), files.labels("labeled"), config.train.seed
    place = {one: row for row, one in enumerate(ids)}
    labeled = np.array([place[one] for one in files.ids("labeled")])
    x, pool = vectors[labeled].double().numpy(), vectors.double().numpy()
    logits = choose(x, y, pool, len(files.classes()), seed).model.logits(pool)
    given, found = logits.argmax(1), np.full(len(ids), -1, np.int64)
    given[labeled] = y
    sure = surest(torch.from_numpy(logits).softmax(1).amax(1).numpy(), given, share, logits.shape[1])
    found[sure], found[labeled] = given[sure], y
    return found, vectors, space


def originals(config: Config, backbone: backbones.Backbone, index: Path, ids: list[str]) -> Iterator[npt.NDArray[np.uint8]]:
    """(3, B, B) of each image, from its original file."""
    paths, source, limits = paths_of(index, ids), make_source(config.data.source), DecodeLimits.of(config.data)
    wanted = set(paths.values())
    items = {text(item.path): item for item in source.items() if text(item.path) in wanted}
    gone = sorted(wanted - items.keys())
    if gone:
        raise DataError(f"{len(gone)} originals are gone, such as {gone[0]!r}; bring them back, or run `dvc repro ingest`")
    for one in ids:
        yield decode(source.read(items[paths[one]], limits.max_file_bytes), backbone.image, limits)


def tune(
    model: Tuned, images: Tensor, y: Tensor, settings: Settings, seed: int, say: Callable[[str], object] = lambda line: None
) -> None:
    """AdamW on (N, 3, B, B) uint8 images of classes (N,); the learning rate falls to zero."""
    torch.manual_seed(seed)
    model.network.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), settings.rate, weight_decay=WEIGHT_DECAY)
    parts = torch.split(torch.cat([torch.randperm(len(y)) for _ in range(settings.passes)]), BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, len(parts))
    losses = []
    for rows in parts:
        loss = nn.functional.cross_entropy(model(augmented(images[rows], settings.size)), y[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    model.network.requires_grad_(False)
    tenth = max(1, len(losses) // 10)
    first, last = np.mean(losses[:tenth]), np.mean(losses[-tenth:])
    say(f"cross-entropy {first:.3f} at first, {last:.3f} at the end of {counted(len(losses), 'step')}")


def augmented(images: Tensor, size: int) -> Tensor:
    """(N, 3, B, B) -> (N, 3, S, S): a random crop of each, mirrored with probability 1/2."""
    places = torch.randint(0, images.shape[-1] - size + 1, (len(images), 2)).tolist()
    crops = torch.stack([one[:, top : top + size, left : left + size] for one, (top, left) in zip(images, places, strict=True)])
    return torch.where(torch.rand(len(crops), 1, 1, 1) < 0.5, crops.flip(3), crops)
