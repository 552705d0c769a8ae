"""The leaderboard on the terminal and as a table, and ``best.yaml``: pure functions."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import yaml

from ssgan.tuning.trials import Checkpoint, Trial, best, ranked, standard_error
from ssgan.wording import counted

SHOWN = 10  # trials on the terminal; all of them stand in the table


def percent(share: float | None) -> str:
    """A share for people."""
    return "" if share is None else f"{100 * share:.2f} %"


def rows(trials: Sequence[Trial], checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """The whole leaderboard, best first."""
    found = []
    for rank, trial in enumerate(ranked(trials, checkpoint), 1):
        lowest, last = trial.validation("best"), trial.validation("last")
        row: dict[str, Any] = {
            "rank": rank,
            "trial": trial.number,
            "state": trial.state,
            "score": trial.score(checkpoint),
            "last_val_error_rate": last and last[1],
            "last_step": last and last[0],
            "best_val_error_rate": lowest and lowest[1],
            "best_step": lowest and lowest[0],
            "seconds": round(trial.seconds, 1),
            "run": trial.run,
        }
        found.append(row | trial.point | {"reason": trial.reason})
    return found


def as_csv(trials: Sequence[Trial], checkpoint: Checkpoint) -> str:
    """The leaderboard as a table."""
    table, text = rows(trials, checkpoint), io.StringIO()
    writer = csv.DictWriter(text, list(table[0]) if table else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def as_markdown(trials: Sequence[Trial], checkpoint: Checkpoint) -> str:
    """The leaderboard for a page or a pull request."""
    table = rows(trials, checkpoint)
    names = list(table[0]) if table else []
    lines = [names, ["---"] * len(names)]
    lines += [[_cell(name, value) for name, value in row.items()] for row in table]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return percent(value) if name == "score" or name.endswith("error_rate") else str(value).replace("|", "/").replace("\n", " ")


def as_text(trials: Sequence[Trial], checkpoint: Checkpoint, images: int) -> str:
    """The leaderboard for the terminal, and how much of it is chance."""
    lines = [f"{'':>4} {'trial':>5} {'error on val':>12} {'steps':>7}  {'':<8} parameters"]
    for rank, trial in enumerate(ranked(trials, checkpoint)[:SHOWN], 1):
        point = ", ".join(f"{key.split('.')[-1]} {value}" for key, value in trial.point.items())
        shown = percent(trial.score(checkpoint))
        lines.append(f"{rank:>4} {trial.number:>5} {shown:>12} {trial.steps:>7,}  {trial.state:<8} {point}")
    if len(trials) > SHOWN:
        lines.append(f"{'':>4} and {len(trials) - SHOWN} more in leaderboard.csv")
    first = best(trials, checkpoint)
    if first:
        score = first.score(checkpoint) or 0.0
        close = sum(1 for trial in trials if trial.state == "finished" and _within_noise(trial, first, checkpoint, images)) - 1
        noise = percent(standard_error(score, images))
        lines.append(
            f"val has {counted(images, 'image')}: the best score is {percent(score)} ± {noise} (one standard error); "
            f"{_close(close)}"
        )
    return "\n".join(lines)


def _within_noise(trial: Trial, first: Trial, checkpoint: Checkpoint, images: int) -> bool:
    score, lowest = trial.score(checkpoint) or 0.0, first.score(checkpoint) or 0.0
    return score - lowest <= standard_error(lowest, images)


def _close(others: int) -> str:
    if not others:
        return "no other trial is that close"
    return f"{counted(others, 'other trial is', 'other trials are')} within it"


def best_yaml(trial: Trial, checkpoint: Checkpoint, images: int) -> str:
    """The best point as a file that a person reads and ``ssgan tune apply`` writes into params.yaml."""
    score = trial.score(checkpoint) or 0.0
    content = {
        "trial": trial.number,
        "run": trial.run,
        "score": score,
        "standard_error": round(standard_error(score, images), 6),
        "val_images": images,
        "checkpoint": checkpoint,
        "params": trial.point,
    }
    head = (
        "# The best finished trial: `ssgan tune apply` writes its `params` into params.yaml and commits that.\n"
        "# score: error rate on val of the averaged weights at `checkpoint`; run: key of its run in storage.\n"
    )
    return head + str(yaml.dump(content, Dumper=_Dumper, sort_keys=False))


def represent_real(dumper: Any, value: float) -> Any:
    """A number that every reader of YAML takes for a number: libraries write 1e-05, which PyYAML reads as text."""
    text = repr(value)
    text = text.replace("e", ".0e") if "e" in text and "." not in text else text
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(float, represent_real)
