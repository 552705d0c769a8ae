"""As ``benchmarks.harm``, from pixels: every method against the supervised network with the same labels and augmentation.

PROJECT is a folder in which ``ssgan ingest`` has run, on images whose class folders are all there; the embedded digits will do.
Pools and labels are those of ``benchmarks.harm``, but for the foreign images: the last half of the classes is foreign then, it
has no labels and is not in the test set. Methods have their default options but for those below, on a small perceptron: what
counts is the difference to the twin. Methods that augment by default are compared with a twin that does so too. The averaged
model after the last step is judged; nothing is chosen. A call that was interrupted goes on where it stood.

    python -m benchmarks.harm_pixels PROJECT --labels 4 --draws 10 --out harm-pixels.json
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.harm import CELLS, Ints, Setting, cell_text, setting
from benchmarks.pixels_table import Images, Sets, averaged, load
from ssgan.config import Config, parse

BATCH = 50
SHARED = {"batch_size": BATCH, "labeled_batch_size": BATCH, "lr_tail": 0.5}
AUGMENT = {"shift_px": 1, "rotate_degrees": 5.0, "scale": 0.1}
TWINS = {"supervised": {}, "supervised, augmented": {"augment": True}}
PLAIN = ("pseudo_label", "vat", "gan", "explicit_fake", "implicit_fake", "feature_matching", "categorical_gan", "bad_gan")
AUGMENTED = ("mean_teacher", "fixmatch", "teacher_gan")
Errors = dict[str, dict[str, list[float]]]  # by cell and title, one for each draw


@dataclass(frozen=True)
class Drawn(Sets):
    """A draw, as a training reads the files of a split; ``rows`` are those of the labels."""

    given: Setting
    foreign: npt.NDArray[np.uint8]

    def inputs(self, name: str) -> npt.NDArray[np.uint8]:
        if name != "unlabeled":
            return super().inputs(name)
        return np.concatenate([self.images.train[self.given.pool], self.foreign[self.given.foreign]])

    def labels(self, name: str) -> Ints:
        return self.given.classes if name == "labeled" else super().labels(name)


def without_foreign(images: Images) -> tuple[Images, npt.NDArray[np.uint8]]:
    """The first half of the classes as the images that are to be told apart, and the training images of the others."""
    classes = len(images.names) // 2
    train, test = images.train_y < classes, images.test_y < classes
    kept = replace(
        images,
        names=images.names[:classes],
        train=images.train[train],
        train_y=images.train_y[train],
        test=images.test[test],
        test_y=images.test_y[test],
    )
    return kept, images.train[~train]


def config_of(title: str, seed: int, steps: int) -> Config:
    """The parameters of a run."""
    options = SHARED | TWINS.get(title, {})
    value: dict[str, Any] = {
        "method": {"name": title.partition(",")[0], "options": options},
        "net": {"family": "mlp", "width": 0.3},
        "augment": AUGMENT,
        "train": {"backend": "inline", "steps": steps, "seed": seed, "precision": "auto", "val_every": steps, "twin": False},
    }
    return parse(Config, value, "benchmarks.harm_pixels")


def error(title: str, sets: Drawn, seed: int, steps: int) -> float:
    """Test error of a method."""
    found = averaged(config_of(title, seed, steps), sets)
    return float(np.average(found != sets.images.test_y, weights=sets.given.weights))


def table(found: Errors) -> str:
    """Markdown: the twins' errors in %, then the points fewer than the twin, with half of the 95 % interval."""
    cells = list(found)
    lines = ["| | " + " | ".join(cells) + " |", "|---" * (len(cells) + 1) + "|"]
    for twin, methods in zip(TWINS, (PLAIN, AUGMENTED), strict=True):
        errors = " | ".join(f"{100 * np.mean(found[cell][twin]):.1f}" for cell in cells)
        lines.append(f"| test error of `supervised`{twin.removeprefix('supervised')}, % | {errors} |")
        for title in (title for title in methods if title in found[cells[0]]):
            lines.append(
                f"| `{title}` | " + " | ".join(cell_text(found[cell][title], found[cell][twin]) for cell in cells) + " |"
            )
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--labels", type=int, default=4, help="per class")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--methods", nargs="+", choices=(*PLAIN, *AUGMENTED), default=[*PLAIN, *AUGMENTED])
    parser.add_argument("--out", type=Path, default=Path("harm-pixels.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    whole = load(arguments.project)
    settings = {"labels": arguments.labels, "first": arguments.first, "steps": arguments.steps}
    before = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"settings": settings, "errors": {}}
    if before["settings"] != settings:
        raise SystemExit(f"{arguments.out} is of {before['settings']}, this call of {settings}; name another file by --out")
    found: Errors = before["errors"]
    seconds = dict.fromkeys([*TWINS, *arguments.methods], 0.0)
    for cell in arguments.cells:
        images, foreign = without_foreign(whole) if cell == "foreign" else (whole, whole.train[:0])
        column = found.setdefault(cell, {})
        for draw in range(arguments.first, arguments.first + arguments.draws):
            given = setting(images.train_y, images.test_y, cell, arguments.labels, draw, len(foreign))
            sets = Drawn(images, given.labeled, given=given, foreign=foreign)
            for title in seconds:
                if len(of := column.setdefault(title, [])) > draw - arguments.first:
                    continue  # of an earlier call
                begun = time.process_time()
                of.append(error(title, sets, draw, arguments.steps))
                seconds[title] += time.process_time() - begun
            arguments.out.write_text(json.dumps({"settings": settings, "errors": found}, indent=1))
        print(cell, {title: round(value, 1) for title, value in seconds.items()}, flush=True)
    print(f"\n{len(whole.train):,} images, {len(whole.test):,} test, {len(whole.names)} classes\n\n{table(found)}")


if __name__ == "__main__":
    main()
