"""Networks that learn from pixels, on the labels and test images of ``features_table``: what stands beside its rows.

Each project is a folder in which ``ssgan ingest`` has run, on images whose class folders are all there. Labels, unlabeled and
test images are those that ``features_table`` draws from the same index. The network is the small convolutional one, augmented,
with the settings of the MNIST table's track C (``benchmarks/mnist/rows.py``); nothing was chosen on these data. The averaged
model after the last step is judged. Lines of JSON are added to a file as runs end; what stands there is not run again.

    python -m benchmarks.pixels_table cifar=/path/to/project --budgets 2 10 50 --draws 3 --out pixels.jsonl
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.features_table import drawn, index_of, train_and_test
from benchmarks.mnist.rows import Row, config_of
from ssgan.config import Config, ImageSpec, parse
from ssgan.data.files import SplitFiles
from ssgan.data.store import ImageStore
from ssgan.storage.store import open_store
from ssgan.training.context import Run, RunContext
from ssgan.training.derived import plan_of
from ssgan.training.experiment import prepared
from ssgan.training.loop import one_step
from ssgan.training.precision import in_bf16

ROWS = (
    Row("C", "network (labels alone)", "supervised", {"augment": True}),
    Row("C", "`teacher_gan` without its GAN", "teacher_gan", {"unlabeled_weight": 0.0}),
    Row("C", "`teacher_gan`", "teacher_gan"),
)


@dataclass(frozen=True)
class Images:
    """The images of a project: (N, C, S, S) uint8 and classes (N,), to train on and to test."""

    spec: ImageSpec
    names: list[str]
    train: npt.NDArray[np.uint8]
    train_y: npt.NDArray[np.int64]
    test: npt.NDArray[np.uint8]
    test_y: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sets:
    """A draw of labels, as a training reads the files of a split."""

    images: Images
    rows: npt.NDArray[np.int64]  # of the labels
    features: ClassVar[None] = None

    def inputs(self, name: str) -> npt.NDArray[np.uint8]:
        return {"labeled": self.images.train[self.rows], "unlabeled": self.images.train}.get(name, self.images.train[:0])

    def labels(self, name: str) -> npt.NDArray[np.int64]:
        return self.images.train_y[self.rows] if name == "labeled" else self.images.train_y[:0]

    def num_rows(self, name: str) -> int:
        return len(self.inputs(name))

    def image_spec(self) -> ImageSpec:
        return self.images.spec

    def classes(self) -> list[str]:
        return self.images.names


def load(project: Path) -> Images:
    """Pixels and classes of a project."""
    table = index_of(project)
    names = sorted({name for name in table["folder_class"] if name})
    y = np.array([names.index(name) for name in table["folder_class"]])
    store = ImageStore(str(project / "data/images"))
    where = {one.tobytes().hex(): row for row, one in enumerate(store.gather(np.arange(len(store)), "id"))}
    rows = np.array([where[one] for one in table["id"]])
    train, test = train_and_test(table, None)
    return Images(store.spec, names, store.pixels(rows[train]), y[train], store.pixels(rows[test]), y[test])


def error(row: Row, sets: Sets, seed: int, steps: int, flip: bool) -> float:
    """Test error of a row."""
    settings = config_of(row, seed, steps, threads=1)
    settings["augment"] = settings["augment"] | {"flip": flip}
    settings["train"]["precision"] = "auto"
    found = averaged(parse(Config, settings, "benchmarks.mnist.rows"), sets)
    return float((found != sets.images.test_y).mean())


def averaged(config: Config, sets: Sets) -> npt.NDArray[np.int64]:
    """What the averaged model after the last step answers on the test images."""
    context = RunContext(open_store("."), torch.device("cpu"), lambda role, event: None)
    trainer, batches = prepared(Run("run", {}, config, cast(SplitFiles, sets)), "main", context)
    plan = plan_of(config, trainer.method.config, in_bf16(config.train.precision, context.device)[0])
    trainer.method.nets.train()
    for batch in batches.iterate(0, config.train.steps):
        one_step(trainer, plan, batch)
    trainer.method.nets.eval()
    with torch.no_grad(), trainer.average.applied():
        parts = torch.split(torch.from_numpy(sets.images.test), 500)
        answers: npt.NDArray[np.int64] = torch.cat([trainer.method.predict(p / 255.0).argmax(1) for p in parts]).numpy()
    return answers


def table(lines: Sequence[dict[str, Any]], name: str, budgets: Sequence[int]) -> str:
    """Markdown, a line for each row: mean and range of the test error in %, and draws."""
    out = [f"| {name}: labels per class | " + " | ".join(map(str, budgets)) + " | CPU min |", "|---" * (len(budgets) + 2) + "|"]
    for row in dict.fromkeys(line["row"] for line in lines):
        of_row = [line for line in lines if (line["data"], line["row"]) == (name, row)]
        cells = [_cell([100 * line["error"] for line in of_row if line["labels"] == budget]) for budget in budgets]
        if of_row:
            minutes = np.median([line["cpu_seconds"] for line in of_row]) / 60
            out.append(f"| {row} | " + " | ".join(cells) + f" | {minutes:.1f} |")
    return "\n".join(out)


def _cell(errors: list[float]) -> str:
    return "" if not errors else f"{np.mean(errors):.1f} ({min(errors):.1f} to {max(errors):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="+", help="NAME=FOLDER")
    parser.add_argument("--budgets", nargs="+", type=int, default=[2, 10, 50], help="labels per class")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rows", nargs="+", help="parts of titles; all where not given")
    parser.add_argument("--no-flip", action="store_true", help="mirror images change their meaning")
    parser.add_argument("--out", type=Path, default=Path("pixels_table.jsonl"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [json.loads(text) for text in arguments.out.read_text().splitlines()] if arguments.out.exists() else []
    rows = [row for row in ROWS if not arguments.rows or any(part in row.name for part in arguments.rows)]
    for given in arguments.projects:
        name, _, folder = given.partition("=")
        images = load(Path(folder))
        for draw in range(arguments.draws):
            for budget in arguments.budgets:
                sets = Sets(images, drawn(images.train_y, budget, draw))
                for row in rows:
                    what = {"data": name, "row": row.name, "labels": budget, "draw": draw, "steps": arguments.steps}
                    if any(what.items() <= line.items() for line in lines):
                        continue
                    begun = time.process_time()
                    found = error(row, sets, draw, arguments.steps, not arguments.no_flip)
                    lines.append({**what, "error": found, "cpu_seconds": round(time.process_time() - begun, 1)})
                    with arguments.out.open("a") as file:
                        file.write(json.dumps(lines[-1]) + "\n")
                    print(lines[-1], flush=True)
        print(table(lines, name, arguments.budgets), flush=True)


if __name__ == "__main__":
    main()
