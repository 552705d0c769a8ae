"""Whether fine-tuning the whole backbone on the answers of ``auto`` pays: test error, paired over random draws of labels.

For each draw, ``auto`` is fitted to features of the frozen network, as people get it. Its surest answers on the unlabeled
images, and the labels, are what the embedded backbone then learns on, with a linear classifier that begins as the probe of the
same answers: AdamW, random crops and flips, batch normalization with the statistics that it came with. Five test errors:

    frozen    auto on features of the frozen network, at its own resolution
    small     the same at the resolution of the tuning: what that alone is worth
    answers   the probe of the answers, before the backbone is tuned
    head      the tuned network
    auto      auto on features of the tuned network, with the same labels

The learning rate was fixed on draws 100 and 101. The project: as for ``benchmarks/features_table.py``, its originals in place.

    OMP_NUM_THREADS=1 python -m benchmarks.tune_backbone cifar=/path/to/project --labels 10 --draws 10 --out tune.json
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import t as student_t
from torch import Tensor

from benchmarks.features_table import COMPONENTS, Data, drawn, load, train_and_test
from ssgan import config
from ssgan.backbones import Network, embedded, provider
from ssgan.backbones.folding import folded
from ssgan.data import schema
from ssgan.data.decode import DecodeLimits, decode
from ssgan.data.sources import make_source
from ssgan.features.fine_tuning import STRENGTH, Settings, Tuned, tune
from ssgan.features.space import Space
from ssgan.fitting.choice import choose
from ssgan.fitting.linear import Linear, logistic
from ssgan.fitting.self_training import surest

EXTRACTED = 4  # images in a forward pass: what the caches of a CPU hold

Ints = npt.NDArray[np.int64]


def pixels(project: Path, size: int, images: int | None) -> tuple[Tensor, Tensor]:
    """(N, 3, B, B) uint8 of the images to train on and to test, with the side that a crop of ``size`` pixels is cut from."""
    table = schema.read_set(project / "data/index", ["id", "path", "official_split"]).to_pydict()
    paths = np.array(table["path"], dtype=object)
    spec, about = replace(embedded.record(), size=size).image, config.load(project / "params.yaml").data
    source, limits = make_source(about.source), DecodeLimits.of(about)
    items = {item.path: item for item in source.items()}

    def read(rows: Ints) -> Tensor:
        files = (source.read(items[path], limits.max_file_bytes) for path in paths[rows])
        return torch.from_numpy(np.stack([decode(data, spec, limits) for data in files]))

    train, test = train_and_test(table, images)
    return read(train), read(test)


def untuned(size: int) -> Network:
    """The embedded backbone for images of another size."""
    backbone = replace(embedded.record(), size=size)
    network = Network(backbone, provider(backbone.provider).build(backbone, embedded.weights()))
    return network.eval()  # and so it stays


@torch.no_grad()
def features(network: Network, images: Tensor) -> Tensor:
    """(N, 3, B, B) -> (N, D)."""
    fast = folded(network, images[:1])
    return torch.cat([fast(part) for part in torch.split(images, EXTRACTED)])


def in_space(train: Tensor, test: Tensor) -> tuple[Space, Tensor, Tensor]:
    """The space of the unlabeled images, and both sets in it."""
    space = Space(train.shape[1], COMPONENTS)
    space.fit(train)
    return space, space(train), space(test)


def auto(x: Tensor, y: Ints, pool: Tensor, classes: int, seed: int) -> Linear:
    """What the method ``auto`` fits to (L, P) labeled and (U, P) unlabeled vectors."""
    labeled, unlabeled = x.double().numpy(), pool.double().numpy()
    return choose(labeled, y, unlabeled, classes, seed).model


def answers(model: Linear, pool: Tensor, labels: Ints, y: Ints, share: float) -> tuple[Ints, Ints]:
    """Rows of the images to learn on, and their classes: the surest answers of every class, and the labels."""
    logits = model.logits(pool.double().numpy())
    given = logits.argmax(1)
    given[labels] = y
    sure = surest(torch.from_numpy(logits).softmax(1).amax(1).numpy(), given, share, logits.shape[1])
    rows = np.union1d(sure, labels)
    return rows, given[rows]


def error(model: Linear, x: Tensor, y: Ints) -> float:
    return float((model.logits(x.double().numpy()).argmax(1) != y).mean())


class Bench(NamedTuple):
    """What all draws have in common: images, their classes and their features as published, and those at the lower size."""

    data: Data
    images: tuple[Tensor, Tensor]
    train: Tensor  # (N, D) of the frozen network
    test: Tensor

    @classmethod
    def of(cls, project: Path, size: int, images: int | None) -> Bench:
        found, network = pixels(project, size, images), untuned(size)
        return cls(load(project, images), found, *(features(network, one) for one in found))


def measured(bench: Bench, labels: Ints, settings: Settings, seed: int) -> dict[str, float]:
    """Test errors with these labels, and the CPU seconds of tuning and of the features made anew."""
    data = bench.data
    y, pool = data.train_y[labels], data.train[:, 0]
    frozen = auto(pool[labels], y, pool, data.classes, seed)
    rows, given = answers(frozen, pool, labels, y, settings.share)
    space, train, test = in_space(bench.train, bench.test)
    probe = logistic(train[rows].double().numpy(), given, data.classes, STRENGTH)
    model = Tuned(untuned(settings.size), space, probe)
    begun = time.process_time()
    tune(model, bench.images[0][rows], torch.from_numpy(given), settings, seed)
    tuned = time.process_time()
    raw, raw_test = (features(model.network, images) for images in bench.images)
    after = time.process_time()
    with torch.no_grad():
        head = float((model.head(space(raw_test)).argmax(1).numpy() != data.test_y).mean())
    _, again, again_test = in_space(raw, raw_test)
    return {
        "wrong answers": float((given != data.train_y[rows]).mean()),
        "frozen": error(frozen, data.test[:, 0], data.test_y),
        "small": error(auto(train[labels], y, train, data.classes, seed), test, data.test_y),
        "answers": error(probe, test, data.test_y),
        "head": head,
        "auto": error(auto(again[labels], y, again, data.classes, seed), again_test, data.test_y),
        "tuning s": tuned - begun,
        "features s": after - tuned,
    }


def half_interval(x: npt.NDArray[np.float64]) -> float:
    """Half of the 95 % interval of a mean."""
    return float(student_t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / len(x) ** 0.5) if len(x) > 1 else float("nan")


def table(rows: list[dict[str, float]]) -> str:
    """Markdown: mean and standard deviation of each test error, and points fewer than frozen, paired."""
    lines = ["| | test error | points fewer than frozen |", "|---|---|---|"]
    frozen = 100 * np.array([row["frozen"] for row in rows])
    for name in ("frozen", "small", "answers", "head", "auto"):
        e = 100 * np.array([row[name] for row in rows])
        gain = frozen - e
        half = half_interval(gain)
        lines.append(f"| {name} | {e.mean():.2f} ± {e.std(ddof=1):.2f} | {gain.mean():+.2f} ± {half:.2f} |")
    minutes = [np.mean([row[name] for row in rows]) / 60 for name in ("tuning s", "features s")]
    wrong = 100 * np.mean([row["wrong answers"] for row in rows])
    lines.append(f"\nanswers wrong: {wrong:.1f} %; CPU minutes: {minutes[0]:.1f} tuning, {minutes[1]:.1f} features")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", help="NAME=FOLDER")
    parser.add_argument("--labels", type=int, default=10, help="per class")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--images", type=int, help="to train on and to test, only so many; all where not given")
    parser.add_argument("--size", type=int, default=128, help="pixels")
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.8, help="of the answers")
    parser.add_argument("--out", type=Path, default=Path("tune_backbone.json"))
    arguments = parser.parse_args()
    name, _, folder = arguments.project.partition("=")
    settings = Settings(size=arguments.size, rate=arguments.rate, passes=arguments.passes, share=arguments.share)
    bench, rows = Bench.of(Path(folder), settings.size, arguments.images), []
    for draw in range(arguments.first, arguments.first + arguments.draws):
        rows.append(measured(bench, drawn(bench.data.train_y, arguments.labels, draw), settings, draw))
        print(draw, {key: round(value, 4) for key, value in rows[-1].items()}, flush=True)
        arguments.out.write_text(json.dumps({"name": name, "settings": settings._asdict(), "draws": rows}, indent=1))
    print(f"\n{name}: {len(bench.data.train):,} images, {len(bench.data.test):,} test, {arguments.labels} labels per class\n")
    print(table(rows))


if __name__ == "__main__":
    main()
