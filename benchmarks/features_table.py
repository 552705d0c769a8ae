"""What each method is worth on features: test error over label budgets and draws, paired with the linear probe.

Each project is a folder in which ``ssgan ingest`` and ``ssgan features`` have run, on images whose class folders are all there.
Labels are drawn at random, as many of each class; the test set is the official one, or a fifth of the images by a hash of their
ids. Every method sees the same labels, the same unlabeled images (all that are not test) and the same space. Options were fixed
before, on draws from 100 on. Rows and seconds go to a JSON file, the table (Markdown) to the terminal.

    python -m benchmarks.features_table pets=/path/to/project --budgets 1 2 5 10 20 50 --draws 10 --out features.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmarks.paired import half_width
from ssgan import methods
from ssgan.config import FeatureSpec, NetConfig, Problem
from ssgan.core.batch import Batch
from ssgan.core.method import Phase, SemiSupervisedMethod
from ssgan.core.seeds import fold
from ssgan.data import schema
from ssgan.data.sampler import Stream
from ssgan.features.files import FeatureFiles
from ssgan.features.space import Space
from ssgan.players.fitted import FittedMethod
from ssgan.training.ema import Average
from ssgan.training.loop import linear_tail
from ssgan.training.optimizers import make_optimizers
from ssgan.training.step import run_step

COMPONENTS = 128
PROBE = "linear_probe"


class Data(NamedTuple):
    """Vectors (N, V, P) of a set of images, and their classes (N,)."""

    train: Tensor
    train_y: npt.NDArray[np.int64]
    test: Tensor
    test_y: npt.NDArray[np.int64]
    classes: int


class Row(NamedTuple):
    """A method with options, as the table shows it."""

    title: str
    method: str
    options: dict[str, Any]
    steps: int = 0  # 0: fitted at once
    control: bool = False  # fakes are real vectors whose coordinates come from different images


STEPS = 500
ALONE = {"labeled_batch_size": 50, "lr_tail": 0.5}
PAIRED = {**ALONE, "batch_size": 100}
GAN = {**PAIRED, "learning_rate": 1e-3}
TEACHER = {**PAIRED, "strong_labeled_steps": 0, "stroke_steps": 0, "adversarial_start": 0, "adversarial_every": 1}
ROWS = (
    Row("linear probe (labels alone)", PROBE, {}),
    Row("label spreading", "label_spreading", {}),
    Row("self-training", "self_training", {}),
    Row("self-training, equal shares", "self_training", {"shares": "equal"}),
    Row("Gaussian mixture", "gaussian_mixture", {}),
    Row("auto", "auto", {}),
    Row("network (labels alone)", "supervised", ALONE, STEPS),
    Row("control: shuffled features as fakes", "feature_matching", GAN, STEPS, control=True),
    Row("feature matching GAN", "feature_matching", GAN, STEPS),
    Row("bad GAN", "bad_gan", {**GAN, "density_start": 100}, STEPS),
    Row("teacher-GAN without its GAN", "teacher_gan", {**TEACHER, "unlabeled_weight": 0.0}, STEPS),
    Row("teacher-GAN", "teacher_gan", TEACHER, STEPS),
    Row("FixMatch", "fixmatch", {**PAIRED, "threshold": 0.8}, STEPS),
    Row("FixMatch, weights of SoftMatch", "fixmatch", {**PAIRED, "thresholds": "softmatch"}, STEPS),
)


def load(project: Path, images: int | None = None) -> Data:
    """The images of a project that have a class folder, in the space of those that are not test.

    ``images``: only so many to train on and to test; None: all.
    """
    table, raw = read(project)
    classes = sorted({name for name in table["folder_class"] if name})
    y = np.array([classes.index(name) for name in table["folder_class"]])
    train, test = train_and_test(table, images)
    vectors = in_space(raw, raw[train])
    return Data(vectors[train], y[train], vectors[test], y[test], len(classes))


def foreign(project: Path, of: Path, without: Sequence[str]) -> Tensor:
    """(N, V, P) images of another project, without those of some class folders, in the space of ``load(of)``."""
    (other, strangers), (table, raw) = read(project), read(of)
    kept = np.flatnonzero(~np.isin(np.array(other["folder_class"], dtype=object), without))
    return in_space(strangers[kept], raw[train_and_test(table, None)[0]])


def read(project: Path) -> tuple[dict[str, Any], Tensor]:
    """Columns of the index, and features (N, V, D) in its order."""
    table = index_of(project)
    (folder,) = (path for path in (project / "data/features").iterdir() if path.is_dir())
    return table, torch.from_numpy(FeatureFiles(str(folder)).read(table["id"]))


def index_of(project: Path) -> dict[str, Any]:
    """Columns of the index: id, class folder, official split."""
    table: dict[str, Any] = schema.read_set(project / "data/index", ["id", "folder_class", "official_split"]).to_pydict()
    return table


def in_space(raw: Tensor, train: Tensor) -> Tensor:
    """(N, V, D) -> (N, V, P), in the space of the plain views of ``train``."""
    space = Space(raw.shape[2], COMPONENTS)
    space.fit(train[:, 0])
    return torch.cat([space(part.flatten(0, 1)).unflatten(0, part.shape[:2]) for part in torch.split(raw, 4096)])


def train_and_test(table: dict[str, Any], images: int | None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the index: test is the official set, or a fifth by a hash of the id; of both only ``images`` at random."""
    official = np.array(table["official_split"], dtype=object)
    by_hash = np.array([int(one[:8], 16) % 5 == 0 for one in table["id"]])
    test = official == "test" if (official == "test").any() else by_hash
    random, found = np.random.default_rng(0), (np.flatnonzero(~test), np.flatnonzero(test))
    if images is None:
        return found
    train, held_out = (np.sort(random.choice(rows, min(images, len(rows)), replace=False)) for rows in found)
    return train, held_out


def drawn(y: npt.NDArray[np.int64], per_class: int, draw: int) -> npt.NDArray[np.int64]:
    """Rows of the labels: ``per_class`` of each class."""
    random = np.random.default_rng(draw)
    return np.concatenate([random.choice(np.flatnonzero(y == k), per_class, replace=False) for k in range(y.max() + 1)])


class Shuffled(nn.Module):
    """Of real vectors, each coordinate from another image: fakes without a generator."""

    def __init__(self, pool: Tensor) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, z: Tensor) -> Tensor:
        rows = (z[:, :1] * 0 + torch.rand(len(z), self.pool.shape[1])).mul(len(self.pool)).long()
        x = self.pool.gather(0, rows)
        return nn.functional.normalize(x, dim=1) * x.shape[1] ** 0.5


def pool_of(data: Data, few: int | None, draw: int) -> Tensor:
    """Unlabeled images: all that are not test, or, with ``few``, only so many of one class, which changes by draw."""
    if few is None:
        return data.train
    rare = draw % data.classes
    kept = np.random.default_rng(draw).choice(np.flatnonzero(data.train_y == rare), few, replace=False)
    return data.train[np.concatenate([np.flatnonzero(data.train_y != rare), kept])]


def error(row: Row, data: Data, labels: npt.NDArray[np.int64], pool: Tensor, seed: int) -> float:
    """Test error of a method with these labels and unlabeled images."""
    return float((answers(row, data, labels, data.train_y[labels], pool, seed) != data.test_y).mean())


def answers(
    row: Row, data: Data, labels: npt.NDArray[np.int64], classes: npt.NDArray[np.int64], pool: Tensor, seed: int
) -> npt.NDArray[np.int64]:
    """What a method answers on the test images; ``classes`` are those that the labels name."""
    method = trained(row, data, labels, classes, pool, seed)
    with torch.no_grad():
        found: npt.NDArray[np.int64] = method.predict(data.test[:, 0]).argmax(1).numpy()
        return found


def trained(
    row: Row, data: Data, labels: npt.NDArray[np.int64], classes: npt.NDArray[np.int64], pool: Tensor, seed: int
) -> SemiSupervisedMethod:
    """A method, trained to its end."""
    torch.manual_seed(fold(seed, "weights"))
    problem = Problem(FeatureSpec(data.train.shape[2]), data.classes, NetConfig(family="head"))
    method = methods.build(row.method, methods.resolve_config(row.method, row.options), problem)
    x_l, y_l = data.train[labels], torch.from_numpy(classes)
    if isinstance(method, FittedMethod):
        method.fit(x_l[:, 0], y_l, pool[:, 0], seed)
    else:
        _train(row, method, x_l, y_l, pool, seed)
    method.nets.eval()
    return method


def _train(row: Row, method: Any, x_l: Tensor, y_l: Tensor, pool: Tensor, seed: int) -> None:
    """The steps of a method, and at the end its averaged weights."""
    if row.control:
        method.nets["generator"] = Shuffled(pool[:, 0])
        phases: Sequence[Phase] = [phase for phase in method.phases() if phase.name == "discriminator"]
        method.phases = lambda: phases
    c, labeled = method.config, method.config.labeled_batch_size
    streams = [Stream(len(pool), c.batch_size, seed, name) for name in ("unlabeled-1", "unlabeled-2")]
    of_labels = Stream(len(x_l), labeled, seed, "labeled")
    method.nets.train()
    method.init(Batch(x_l[:, 0], y_l, pool[:500, 0], pool[:0, 0], -1, fold(seed, "init")))
    optimizers = make_optimizers(method)
    average = Average({name: method.nets[name] for name in method.averaged}, 0.05 * row.steps)
    for step in range(row.steps):
        rows, one, two = (torch.from_numpy(stream.indices(step)) for stream in (of_labels, *streams))
        x_u2 = _view(pool[one] if method.second_view else pool[two], step)
        torch.manual_seed(fold(seed, "noise", step))
        batch = Batch(x_l[rows, 0], y_l[rows], pool[one, 0], x_u2, step, fold(seed, "step", step))
        run_step(method, optimizers, batch, linear_tail(step, row.steps, c.lr_tail))
        average.update()
    for name, value in method.nets.state_dict().items():
        value.copy_(average.tensors.get(name, value))


def _view(x: Tensor, step: int) -> Tensor:
    """(N, V, P) -> (N, P): another view in every step."""
    return x[:, step % x.shape[1]]


def table(results: dict[str, dict[str, list[float]]], budgets: Sequence[int], seconds: dict[str, float]) -> str:
    """Markdown, a line for each method: mean and standard deviation of the test error, and points fewer than the probe."""
    lines = ["| labels per class | " + " | ".join(map(str, budgets)) + " | CPU s |", "|---" * (len(budgets) + 2) + "|"]
    for title, columns in results.items():
        cells = [_cell(columns[str(b)], results[ROWS[0].title][str(b)]) for b in budgets]
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {seconds[title]:.1f} |")
    return "\n".join(lines)


def _cell(errors: list[float], probe: list[float]) -> str:
    e, gain = 100 * np.array(errors), 100 * (np.array(probe) - np.array(errors))
    return f"{e.mean():.2f} ± {e.std(ddof=1):.2f} ({gain.mean():+.1f} ± {half_width(gain):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="+", help="NAME=FOLDER")
    parser.add_argument("--budgets", nargs="+", type=int, default=[1, 2, 5, 10, 20, 50], help="labels per class")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--few", type=int, help="unlabeled images of one class, all of the others: a skewed pool")
    parser.add_argument("--rows", nargs="+", help="parts of titles; all where not given")
    parser.add_argument("--out", type=Path, default=Path("features_table.json"))
    arguments = parser.parse_args()
    rows = [row for row in ROWS if not arguments.rows or any(part in row.title for part in (*arguments.rows, "linear probe"))]
    found = {}
    for given in arguments.projects:
        name, _, folder = given.partition("=")
        data, first = load(Path(folder)), arguments.first
        draws = range(first, first + arguments.draws)
        results, seconds = measured(rows, data, arguments.budgets, draws, arguments.few, partial(print, flush=True))
        found[name] = {"errors": results, "seconds": seconds}
        arguments.out.write_text(json.dumps(found, indent=1))
        print(f"\n{name}: {len(data.train):,} images, {len(data.test):,} test, {data.classes} classes")
        print("test error in % (points fewer than the probe):\n")
        print(table(results, arguments.budgets, seconds), flush=True)


def measured(
    rows: Sequence[Row], data: Data, budgets: Sequence[int], draws: range, few: int | None, say: Callable[[str], None]
) -> tuple[dict[str, dict[str, list[float]]], dict[str, float]]:
    """Test errors by title and budget, one for each draw, and CPU seconds of a run by title."""
    results: dict[str, dict[str, list[float]]] = {row.title: {str(b): [] for b in budgets} for row in rows}
    seconds = dict.fromkeys(results, 0.0)
    for budget in budgets:
        for draw in draws:
            labels, pool = drawn(data.train_y, budget, draw), pool_of(data, few, draw)
            for row in rows:
                begun = time.process_time()
                results[row.title][str(budget)].append(error(row, data, labels, pool, draw))
                seconds[row.title] += (time.process_time() - begun) / (len(budgets) * len(draws))
        say(f"{budget} labels per class: done")
    return results, seconds


if __name__ == "__main__":
    main()
