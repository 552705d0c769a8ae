"""Eight weeks in the life of a project: images arrive, labels come back with faults, and every week the loop is run.

Class folders (IMAGES) become a stream: a fixed test set, and equal parts of the other images, one a week, without classes.
Each week: `ssgan ingest`, `labels import` (some labels wrong, some contradicting, some twice, and once two test images among
them; a person answers the queue, rightly), `split`, `train`, `evaluate`, `compare`, `promote` where the gate lets it, `next`.
It is done twice: the images to label are those that `ssgan next` chose, or drawn at random. The first week's are random.

    python -m benchmarks.weekly_loop IMAGES params.yaml OUT --weeks 8 --budget 40

A line per week goes to OUT/runs.jsonl, a table is printed, and OUT/weekly.png shows error against labels. "Picks less random":
on the images chosen a week ago the model was wrong more often, by so many points, than on their random control. "Promoted: no"
names the rules of the gate that held the model.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

from benchmarks.weekly import stream as streams
from benchmarks.weekly.project import SELECTION, Project
from benchmarks.weekly.stream import Image, Stream
from ssgan.data.files import SplitFiles

ARMS = {"next": "chosen by ssgan next", "random": "drawn at random"}
COPIES = 3  # files of a week that come twice, under another name
STAGES = ("ingest", "labels import", "split", "train", "evaluate", "compare", "promote", "next")


def params_of(base: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a team that keeps a ledger, on this machine."""
    data = {**base.get("data", {}), "source": {"kind": "folder", "path": "images", "layout": "split_classes"}}
    split = {"mode": "team", "labels": "labels", "on_conflict": "drop", "label_policy": "require_agreement"}
    split |= {"on_class_without_label": "report"}  # the first random images may leave a class out
    train = {**base.get("train", {}), "backend": "inline"}
    return {**base, "data": data, "split": split, "train": train, "storage": {"url": "storage"}, "tune": {}}


def replay(arm: str, stream: Stream, params: dict[str, Any], folder: Path, budget: int, seed: int) -> list[dict[str, Any]]:
    """All weeks of one arm; a record of each."""
    project = Project(folder, params)
    arrived = {image.sha256: image for image in stream.test}
    project.arrive(stream.test, "test")
    chosen: list[str] = []
    records = []
    for week, images in enumerate(stream.weeks):
        project.seconds.clear()
        project.arrive(images, "train")
        for image in images[:COPIES]:
            (project.folder / "images/train/unlabeled" / f"copy-{image.path.name}").write_bytes(image.path.read_bytes())
        arrived |= {image.sha256: image for image in images}
        project.run("ingest")
        if week == 0:
            chosen = [image.sha256 for image in images[:budget]]
            gold = [(one.sha256, one.truth, "gold", "2026-01-01") for one in stream.test]
            project.import_labels(gold, "gold.csv", *(word for name in stream.classes for word in ("--new-class", name)))
        record = {"arm": arm, "week": week + 1} | _week(project, stream, [arrived[one] for one in chosen], week, seed)
        chosen = _choose(project, arm, budget, week, seed)
        records.append(record | {"seconds": {name: round(project.seconds.get(name, 0.0), 1) for name in STAGES}})
        print(describe(records[-1]), flush=True)
    return records


def _week(project: Project, stream: Stream, labeled: list[Image], week: int, seed: int) -> dict[str, Any]:
    """From labels to the verdict."""
    batch = streams.annotate(labeled, stream, week, seed)
    truth = {image.sha256: image.truth for image in [*labeled, *stream.test]}
    imported = project.import_labels(batch.lines, f"week-{week + 1}.csv")
    decided = project.decide(truth)
    worth = _worth(project) if week and (project.folder / SELECTION).exists() else None
    for stage in ("split", "train", "evaluate"):
        project.run(stage)
    project.run("compare", may_need_person=True)
    held = project.held_by()
    if not held:
        project.run("promote")
    numbers, ingest = project.metrics("evaluate"), project.metrics("ingest")
    return {
        "images": ingest["accepted"],
        "duplicates": ingest["duplicates"],
        "labels": numbers["budget"]["label_budget"],
        "val": numbers["images"]["val"],
        "faults": batch._asdict() | {"lines": len(batch.lines)},
        "intake": {kind: count for kind, count in imported["counts"].items() if count},
        "decided": decided,
        "error": [numbers["main"][key] for key in ("error_rate", "error_rate_low", "error_rate_high")],
        "twin": numbers["twin"] and numbers["twin"]["error_rate"],
        "held_by": held,
        "worth": worth,
    }


def _worth(project: Project) -> dict[str, Any]:
    """What `ssgan next status` says now that the labels are back."""
    found: dict[str, Any] = json.loads(project.run("next", "status", "--json")[1])
    return {key: found[key] for key in ("difference", "interval", "pool_error", "answer")}


def _choose(project: Project, arm: str, budget: int, week: int, seed: int) -> list[str]:
    """The images to label next week."""
    if arm == "next":
        project.run("next", "--budget", str(budget), "--control", "0.25", "--seed", str(seed + week), "--overwrite")
        return project.picks()
    splits = SplitFiles(str(project.folder / "data/splits"))
    pool = sorted([*splits.ids("unlabeled"), *splits.reserved()])
    return random.Random(f"{seed} {week}").sample(pool, min(budget, len(pool)))


def describe(record: dict[str, Any]) -> str:
    """A row of the table."""
    error, low, high = (100 * value for value in record["error"])
    intake = Counter(record["intake"])
    refused = ", ".join(f"{count} {kind}" for kind, count in intake.items() if kind not in ("new", "unchanged")) or "none"
    took = ", ".join(f"{name} {seconds:.0f}" for name, seconds in record["seconds"].items() if seconds)
    worth = record["worth"]
    more = "{:.0f} ({:.0f} to {:.0f})".format(*(100 * v for v in (worth["difference"], *worth["interval"]))) if worth else ""
    promoted = f"no: {', '.join(record['held_by'])}" if record["held_by"] else "yes"
    return (
        f"| {record['arm']} | {record['week']} | {record['images']} | {record['labels']} + {record['val']} "
        f"| {error:.1f} ({low:.1f} to {high:.1f}) | {100 * record['twin']:.1f} | {more} "
        f"| {promoted} | {refused}; {record['decided']} decided | {took} |"
    )


COLUMNS = (
    "labels by",
    "week",
    "images",
    "labels: training + val",
    "% wrong on test (95 %)",
    "twin",
    "picks less random",
    "promoted",
    "of the labels",
    "seconds",
)
HEADER = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def figure(records: list[dict[str, Any]]) -> Figure:
    """Error on test against training labels, with intervals."""
    drawn = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = drawn.subplots()
    for (arm, label), color in zip(ARMS.items(), ("tab:blue", "tab:orange"), strict=True):
        mine = [record for record in records if record["arm"] == arm]
        if mine:
            labels = [record["labels"] for record in mine]
            error, low, high = ([100 * record["error"][i] for record in mine] for i in range(3))
            axes.plot(labels, error, "o-", color=color, label=label)
            axes.fill_between(labels, low, high, color=color, alpha=0.15, linewidth=0)
    axes.set(xlabel="training labels", ylabel="wrong answers on test, %", ylim=(0, None))
    axes.grid(linewidth=0.5, color="#d5dae0")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="class folders, or train and test with class folders")
    parser.add_argument("params", type=Path, help="networks, method and steps; source and labels are the loop's own")
    parser.add_argument("out", type=Path, help="a folder that does not exist yet; the projects stay there")
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--budget", type=int, default=40, help="images labeled per week")
    parser.add_argument("--test", type=int, default=400, help="test images")
    parser.add_argument("--limit", type=int, default=8000, help="other images, over all weeks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=ARMS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True)
    stream = streams.read(arguments.images, arguments.weeks, arguments.test, arguments.limit, arguments.seed)
    params = params_of(yaml.safe_load(arguments.params.read_text()) or {})
    print(HEADER, flush=True)
    records = []
    for arm in [arguments.only] if arguments.only else ARMS:
        records += replay(arm, stream, params, arguments.out / arm, arguments.budget, arguments.seed)
        (arguments.out / "runs.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    figure(records).savefig(arguments.out / "weekly.png", dpi=120)


if __name__ == "__main__":
    main()
