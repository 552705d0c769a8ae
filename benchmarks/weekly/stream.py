"""What arrives each week: images without labels, and what annotators write about some of them, faults included."""

from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ssgan.provenance import file_sha256

WRONG = 0.05  # share of the first annotator's labels that name another class
AGAIN = 0.25  # share of the images that a second annotator labels too, rightly
REPEATED = 3  # lines that come twice
SNEAKED = 2  # test images in a batch, with a wrong label
SNEAKED_WEEK = 3


class Image(NamedTuple):
    """A raw image: where it lies, the sha256 of its bytes, and its true class."""

    path: Path
    sha256: str
    truth: str


class Stream(NamedTuple):
    """test: the official test set, there from the first week; weeks: what arrives."""

    test: list[Image]
    weeks: list[list[Image]]
    classes: list[str]


def read(folder: Path, weeks: int, test: int, limit: int, seed: int) -> Stream:
    """Class folders as a stream: ``test`` random images, then ``weeks`` equal parts of up to ``limit`` others.

    Copies of one file count once. Where the folder has ``train`` and ``test``, the test images come from the latter.
    """
    apart = (folder / "test").is_dir() and (folder / "train").is_dir()
    held = _images(folder / "test", seed)[:test] if apart else []
    rest = _images(folder / "train" if apart else folder, seed)
    held, rest = (held, rest) if apart else (rest[:test], rest[test:])
    known = {image.sha256 for image in held}
    rest = [image for image in rest if image.sha256 not in known][:limit]
    each = -(-len(rest) // weeks)
    return Stream(held, [rest[i * each : (i + 1) * each] for i in range(weeks)], sorted({i.truth for i in rest}))


def _images(folder: Path, seed: int) -> list[Image]:
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    random.Random(seed).shuffle(paths)
    found = {digest: Image(path, digest, path.parent.name) for path in paths for digest in [file_sha256(path)]}
    return list(found.values())


def place(images: Sequence[Image], folder: Path) -> None:
    """Raw files as a team has them: no class in their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        shutil.copyfile(image.path, folder / f"{image.sha256[:20]}{image.path.suffix}")


class Batch(NamedTuple):
    """Lines of a label file, and the faults that were put in."""

    lines: list[tuple[str, str, str, str]]  # sha256, label, annotator, time
    wrong: int
    repeated: int
    sneaked: int


def annotate(images: Sequence[Image], stream: Stream, week: int, seed: int) -> Batch:
    """What comes back from the annotators in one week."""
    rng = random.Random(f"{seed} {week}")
    day = f"2026-01-{5 + week:02d}"
    labels = [_other(one, stream, rng) if rng.random() < WRONG else one.truth for one in images]
    anna = [(one.sha256, label, "anna", f"{day}T10:00:00") for one, label in zip(images, labels, strict=True)]
    ben = [(one.sha256, one.truth, "ben", f"{day}T15:00:00") for one in images if rng.random() < AGAIN]
    wrong = sum(line[1] != one.truth for line, one in zip(anna, images, strict=True))
    repeated = anna[:REPEATED]
    test = stream.test[:SNEAKED] if week == SNEAKED_WEEK else []
    sneaked = [(one.sha256, _other(one, stream, rng), "anna", f"{day}T11:00:00") for one in test]
    return Batch([*anna, *ben, *repeated, *sneaked], wrong, len(repeated), len(sneaked))


def _other(image: Image, stream: Stream, rng: random.Random) -> str:
    return rng.choice([name for name in stream.classes if name != image.truth])


def write(lines: Sequence[tuple[str, str, str, str]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("sha256", "label", "annotator", "time"), *lines])


def decide(queue: Path, truth: dict[str, str]) -> int:
    """A person fills the queue in, rightly. Returns how many images were in it."""
    with queue.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows, header = list(reader), reader.fieldnames or []
    with queue.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows({**row, "label": truth[row["sha256"]]} for row in rows)
    return len(rows)
