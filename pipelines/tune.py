"""Stage ``tune`` (tune/dvc.yaml, outside of the main pipeline): search better parameters, into reports/tune.

Reads data/splits, never its test set. Nothing is applied: ``ssgan tune apply`` does that, when a person says so.
"""

from __future__ import annotations

from pathlib import Path

from ssgan.config import Config, load
from ssgan.report.figures import png
from ssgan.tuning import board, figures
from ssgan.tuning.search import prepare, trials_of
from ssgan.tuning.study import importance
from ssgan.tuning.trials import Trial, best

SPLITS, OUT = Path("data/splits"), Path("reports/tune")


def run() -> None:
    """Search, then write the leaderboard, the figures and best.yaml."""
    config = load()
    spec = prepare(config, SPLITS)
    trials = trials_of(spec, SPLITS, lambda text: print(text, flush=True))
    write(trials, config, spec.val_images, OUT)
    print(board.as_text(trials, config.evaluate.checkpoint, spec.val_images))
    print(f"tune: {OUT}/leaderboard.csv, parallel.png, importance.png", end="")
    print(" and best.yaml; `ssgan tune apply` writes it into params.yaml" if (OUT / "best.yaml").exists() else "")


def write(trials: list[Trial], config: Config, images: int, out: Path) -> None:
    """What a search leaves: tables, figures, and the best point where a trial has finished."""
    checkpoint, space = config.evaluate.checkpoint, config.tune.space
    out.mkdir(parents=True, exist_ok=True)
    (out / "leaderboard.csv").write_text(board.as_csv(trials, checkpoint), encoding="utf-8")
    (out / "leaderboard.md").write_text(board.as_markdown(trials, checkpoint), encoding="utf-8")
    png(figures.parallel(space, trials, checkpoint), out / "parallel.png")
    finished = sum(1 for trial in trials if trial.state == "finished")
    png(figures.importance(importance(space, trials, checkpoint), finished), out / "importance.png")
    first = best(trials, checkpoint)
    (out / "best.yaml").unlink(missing_ok=True)  # of an earlier search
    if first:
        (out / "best.yaml").write_text(board.best_yaml(first, checkpoint, images), encoding="utf-8")
