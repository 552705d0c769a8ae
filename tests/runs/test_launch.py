"""From params and splits to verified models, in this process."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.train import KEPT, kept
from ssgan.config import Config
from ssgan.data.files import SplitFiles
from ssgan.errors import ConfigError, TrainingError
from ssgan.evaluation.proofs import verify_run
from ssgan.runs import identity
from ssgan.runs.launch import describe, train
from ssgan.runs.progress import ProgressLine, progress_of
from ssgan.storage.store import open_store
from ssgan.training.context import ProgressEvent
from tests.support.data import config, write_splits


def inline(storage: Path, **train: object) -> Config:
    return config(train={"twin": True, "steps": 20, **train}, storage={"url": str(storage)})


def quiet(role: str, event: ProgressEvent) -> None:
    pass


def test_results_arrive_with_a_manifest_that_vouches_for_them(splits: SplitFiles, tmp_path: Path) -> None:
    out = tmp_path / "runs/train"
    manifest = train(inline(tmp_path / "storage"), Path(splits.root), out, quiet)
    assert verify_run(out) == json.loads(json.dumps(manifest))
    assert manifest["distinct_labeled_ids_seen"] == {"main": 6, "twin": 6}
    assert manifest["label_budget"] == 6
    assert manifest["steps"] == 20
    assert {"main/last/model.safetensors", "twin/best/model.safetensors", "main/history.jsonl"} <= manifest["files"].keys()
    assert list((out / "main/tensorboard").glob("events.*"))


def test_what_was_fitted_at_once_took_no_steps() -> None:
    manifest: dict[str, Any] = dict.fromkeys(KEPT, 1) | {"run_id": "run-a", "steps": 2000, "fitted": {"main": "linear_probe"}}
    manifest["seconds"] = {"main": 6.0, "twin": 0.2}
    assert describe(manifest) == "trained run-a: fitted at once (semi-supervised model 6 s, supervised baseline 0 s)"
    assert "steps" not in kept(manifest)
    assert kept({**manifest, "fitted": {"twin": "linear_probe"}})["steps"] == 2000


def test_a_finished_run_is_only_fetched(splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "runs/train"
    first = train(inline(tmp_path / "storage"), Path(splits.root), out, quiet)
    shutil.rmtree(out)
    monkeypatch.setattr("ssgan.runs.inline.train_roles", lambda *args: pytest.fail("nothing is left to train"))
    assert train(inline(tmp_path / "storage"), Path(splits.root), out, quiet)["files"] == first["files"]


def test_other_inputs_are_another_run(splits: SplitFiles, tmp_path: Path) -> None:
    def name(c: Config, files: SplitFiles = splits) -> str:
        return identity.run_id(identity.identity(c, files))

    base = inline(tmp_path)
    assert name(base) == name(inline(tmp_path))
    assert name(base) != name(inline(tmp_path, seed=1))
    assert name(base) != name(config(train={"twin": True, "steps": 20}, method={"options": {"learning_rate": 1e-3}}))
    assert name(base) != name(base, write_splits(tmp_path / "other", labeled=9))
    assert name(base) == name(inline(tmp_path, backend="ray", max_failures=9)), "how it runs is not what it computes"


def test_editing_another_method_is_the_same_code() -> None:
    files = {f.name for f in identity.code_files("feature_matching")}
    assert "feature_matching.py" in files
    assert "supervised.py" in files, "the twin"
    assert "implicit_fake.py" not in files


def test_a_result_that_did_less_than_asked_is_refused(splits: SplitFiles, tmp_path: Path) -> None:
    c = inline(tmp_path / "storage")
    train(c, Path(splits.root), tmp_path / "out", quiet)
    run = next((tmp_path / "storage").glob("run-*"))
    store, folder = open_store(str(tmp_path / "storage")), tmp_path / "forged"
    store.get(f"{run.name}/main/final", folder)
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, "steps": 19}))
    store.put(folder, f"{run.name}/main/final")
    with pytest.raises(TrainingError, match="main has steps 19, but 20 was asked for"):
        train(c, Path(splits.root), tmp_path / "out2", quiet)
    assert not (tmp_path / "out2").exists()


def test_inline_is_one_process(splits: SplitFiles, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`train\.num_workers` is 2, but train\.backend 'inline' is one process"):
        train(inline(tmp_path, num_workers=2), Path(splits.root), tmp_path / "out", quiet)


@pytest.mark.parametrize("uptime_s", [0.0, 1e6])
def test_progress_is_lines_without_a_terminal_and_one_line_on_it(monkeypatch: pytest.MonkeyPatch, uptime_s: float) -> None:
    monkeypatch.setattr("time.monotonic", lambda: uptime_s)
    events = [ProgressEvent(s, 100, 1234.5, 0.013, None if s < 50 else 0.25) for s in (1, 50, 100)]
    plain = io.StringIO()
    line = ProgressLine(3600, ["main", "twin"], 50, plain)
    for event in events:
        line("main", event)
    lines = plain.getvalue().splitlines()
    assert len(lines) == 2, "the first, and the end"
    assert lines[-1] == (
        "semi-supervised model (1 of 2): 1,234 images/s, 1.3% waiting for data, validation error 25.0%, step 100/100, "
        "at most 0:00 left in all"
    )
    assert "left" not in lines[0], "nothing is known after one step"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_there_is_a_bar_for_each_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    line = ProgressLine(3600, ["main", "twin"], 50, terminal)
    for role in ("main", "twin"):
        for step in (1, 50, 100):
            line(role, ProgressEvent(step, 100, 1234.5, 0.013, 0.25))
        line(role, ProgressEvent(100, 100, 1.0, 0.0, 0.25, (f"{role} is odd",)))
    line.close()
    shown = terminal.getvalue()
    for words in (
        "semi-supervised model ",
        "━━━",
        "supervised baseline ",
        "at most 0:00 left in all",
        "main is odd",
        "twin is odd",
    ):
        assert words in shown, words
    assert shown.endswith("\x1b[?25h"), "the cursor is back"


def test_the_time_left_is_that_of_all_models(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter((0.0, 100.0, 1000.0, 1030.0))
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    out = io.StringIO()
    line = ProgressLine(0, ["main", "twin"], 50, out)
    line("main", ProgressEvent(1, 101, 1.0, 0.0, None))
    line("main", ProgressEvent(51, 101, 1.0, 0.0, None))
    line("twin", ProgressEvent(1, 101, 1.0, 0.0, None))
    line("twin", ProgressEvent(31, 101, 1.0, 0.0, None))
    _, main, _, twin = out.getvalue().splitlines()
    assert main.endswith("at most 5:02 left in all"), "2 s for each of 50 + 101 steps"
    assert twin.endswith(" 1:10 left")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (170, "supervised baseline: stopped at step 170 of 200; it resumes at step 150"),
        (49, "supervised baseline: stopped at step 49 of 200; it starts over: there is no checkpoint of it yet"),
        (200, ""),
    ],
)
def test_whoever_interrupts_is_told_where_it_goes_on(
    step: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        with progress_of(inline(tmp_path, checkpoint_every=50)) as line:
            line("twin", ProgressEvent(step, 200, 1.0, 0.0, None))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err.strip() == said


def test_warnings_are_always_printed() -> None:
    out = io.StringIO()
    ProgressLine(3600, ["main"], 50, out)("main", ProgressEvent(7, 100, 1.0, 0.0, None, ("the generator collapsed",)))
    assert "warning (semi-supervised model, step 7): the generator collapsed" in out.getvalue()


def test_a_training_that_goes_on_says_where() -> None:
    out = io.StringIO()
    line = ProgressLine(3600, ["main"], 50, out)
    for step in (150, 151, 200):
        line("main", ProgressEvent(step, 200, 1.0, 0.0, None))
    assert out.getvalue().splitlines()[0] == "semi-supervised model: resumes at step 150 of 200"
    assert out.getvalue().count("resumes") == 1
