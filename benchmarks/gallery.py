"""Every method with the same labels and network: what its generator draws, and its error against time, as two pictures.

PARAMS is a ``params.yaml``: its networks, augmentation, steps, precision, batch sizes and tail of the rate hold for all
methods; their other options are the defaults. Methods run one after the other and are judged on val, the last averaged model
once on test too: nothing is chosen by either. Time is CPU time of this process, evenly over the steps, so that whatever else
the machine does costs no method anything. A method that stands in OUT/runs.jsonl with the same settings is not run again.

    python -m benchmarks.gallery data/splits params.yaml OUT --threads 1
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip  # noqa: F401

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.alone import Finished, train
from ssgan import config as configs
from ssgan.config import Config
from ssgan.data.files import SplitFiles

GENERATIVE = ("gan", "explicit_fake", "implicit_fake", "feature_matching", "categorical_gan", "bad_gan", "triple_gan", "ugan")
OTHERS = ("teacher_gan", "supervised", "pseudo_label", "vat", "mean_teacher", "fixmatch")
SHARED = ("batch_size", "labeled_batch_size", "lr_tail", "augment")  # options that all methods take over from PARAMS
SIDE = 8  # generated images per side of a method's square
LINES = ("-", "--", "-.", ":")


def config_of(method: str, base: Config) -> Config:
    """``base`` with another method in its place."""
    options = {key: value for key, value in base.method.options.items() if key in SHARED}
    whole = base.model_dump() | {"method": {"name": method, "options": options}}
    whole["train"] |= {"checkpoint_every": base.train.steps}
    return configs.parse(Config, whole, "benchmarks.gallery")


def line_of(config: Config, threads: int, finished: Finished, files: SplitFiles, cpu_seconds: float) -> dict[str, Any]:
    """What is recorded. Steps are taken to cost the same, as the clock also counts what else the machine did."""
    settings = {"config": config.model_dump(mode="json"), "threads": threads}
    each = cpu_seconds / config.train.steps
    curve = [(each * record["step"], record["val_error_rate"]) for record in finished.history]
    return {"method": config.method.name, "settings": settings, "curve": curve, "test": finished.error_rate(files, "test")}


def squares(out: Path, methods: list[str]) -> Figure:
    """Generated images of all methods that have some, side by side."""
    drawn = [m for m in methods if (out / f"{m}.npy").exists()]
    columns = min(5, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.8 * rows), layout="constrained")
    for i, method in enumerate(drawn):
        axes = figure.add_subplot(rows, columns, i + 1)
        tiles = np.load(out / f"{method}.npy")  # (SIDE * SIDE, C, S, S)
        _, c, s, _ = tiles.shape
        sheet = tiles.reshape(SIDE, SIDE, c, s, s).transpose(0, 3, 1, 4, 2).reshape(SIDE * s, SIDE * s, c)
        axes.imshow(sheet.squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(method, fontsize=10)
        axes.axis("off")
    return figure


def curves(lines: list[dict[str, Any]]) -> Figure:
    """Error on val against CPU seconds of training."""
    figure = Figure(figsize=(7.2, 5), layout="constrained")
    axes = figure.subplots()
    colors = mpl.colormaps["tab10"].colors  # type: ignore[attr-defined]
    for i, line in enumerate(lines):
        seconds, errors = zip(*line["curve"], strict=True)
        style = LINES[i // len(colors) % len(LINES)] if i >= len(colors) else "-"
        axes.plot(seconds, 100 * np.array(errors), style, color=colors[i % len(colors)], label=line["method"], linewidth=1.6)
    axes.set(xlabel="CPU seconds of training", ylabel="wrong answers on val, %", yscale="log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.grid(which="both", linewidth=0.5, color="#d5dae0")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits")
    parser.add_argument("params")
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=[*GENERATIVE, *OTHERS], default=[*GENERATIVE, *OTHERS])
    arguments = parser.parse_args()
    out, methods = arguments.out, arguments.only
    out.mkdir(parents=True, exist_ok=True)
    files = SplitFiles(str(Path(arguments.splits).absolute()))
    base, record = configs.load(arguments.params), out / "runs.jsonl"
    known = [json.loads(text) for text in record.read_text().splitlines()] if record.exists() else []
    for method in methods:
        config = config_of(method, base)
        settings = {"config": config.model_dump(mode="json"), "threads": arguments.threads}
        if any(line["settings"] == settings for line in known):
            continue
        start = time.process_time()
        finished = train(config, files, arguments.threads)
        spent = time.process_time() - start
        images = finished.model.sample(SIDE * SIDE)
        if images is not None:
            np.save(out / f"{method}.npy", images)
        line = line_of(config, arguments.threads, finished, files, spent)
        with record.open("a") as file:
            file.write(json.dumps(line) + "\n")
        known.append(line)
        print(f"{method}: {100 * line['test']:.1f} % wrong on test after {spent:.0f} CPU seconds", flush=True)
    latest = {line["method"]: line for line in known}
    squares(out, methods).savefig(out / "generated.png", dpi=120)
    curves([latest[m] for m in methods if m in latest]).savefig(out / "error-against-time.png", dpi=120)


if __name__ == "__main__":
    main()
