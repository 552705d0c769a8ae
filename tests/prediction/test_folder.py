"""Predictions as a folder of parts: killed with SIGKILL and gone on, every file exactly once, nothing mixed up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ssgan.cli.app import run
from ssgan.data.digests import as_hex
from ssgan.data.files import named_images
from ssgan.prediction import folder as prediction_folder
from tests.support.closure import ROOT
from tests.support.trained_project import project_to_predict

pytestmark = pytest.mark.usefixtures("project")
OUT = Path("answers")
COMMAND = ["predict", "new", "--out", "answers", "--part-files", "4"]


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what predict reads; the current folder."""
    project_to_predict(trained, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def many(count: int = 60) -> set[str]:
    """More files: ``count`` images, every tenth with the bytes of the one before it, and a text among ten."""
    source = sorted(Path("new/below").iterdir())
    Path("new/more").mkdir()
    for n in range(count):
        data = source[(n - (n % 10 == 9)) % len(source)].read_bytes()
        # A trailing byte after the end of a PNG is no part of the image, but makes the file another one.
        Path(f"new/more/{n:03d}.png").write_bytes(b"text" if n % 10 == 4 else data + bytes([n - (n % 10 == 9)]))
    return {path.relative_to("new").as_posix() for path in Path("new").rglob("*") if not path.is_dir()}


def rows(out: Path = OUT) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return pq.read_table(out / "predicted").to_pylist(), pq.read_table(out / "rejected").to_pylist()


def assert_every_file_once(files: set[str]) -> None:
    predicted, rejected = rows()
    paths = Counter(row["path"] for row in predicted + rejected)
    assert set(paths) == files
    assert set(paths.values()) == {1}
    done = json.loads((OUT / "done.json").read_text())
    assert done["seen"] == len(files) == done["predicted"] + done["duplicates"] + done["rejected"]
    assert done["predicted"] == len({row["id"] for row in predicted})
    assert done["rejected"] == len(rejected)


def assert_same(a: pa.Table, b: pa.Table) -> None:
    """Equal but for the last bits of probabilities: the network got the images in other batches."""
    inexact = [name for name in a.column_names if name.startswith("probability")]
    assert a.drop_columns(inexact).equals(b.drop_columns(inexact))
    for name in inexact:
        np.testing.assert_allclose(a[name], b[name], atol=1e-6)


def test_a_folder_holds_what_one_table_holds(capsys: pytest.CaptureFixture[str]) -> None:
    files = many()
    assert run(COMMAND) == 0
    assert "93 files = 78 predicted + 6 duplicates + 9 rejected -> answers" in capsys.readouterr().out
    assert_every_file_once(files)
    assert run(["predict", "new", "--out", "one.parquet"]) == 0
    assert "93 files = 78 predicted + 6 duplicates + 9 rejected -> one.parquet" in capsys.readouterr().out
    assert_same(pq.read_table(OUT / "predicted"), pq.read_table("one.parquet"))
    assert pq.read_table(OUT / "rejected").equals(pq.read_table("one.rejected.parquet"))


def test_a_killed_prediction_goes_on_and_does_nothing_twice() -> None:
    files = many()
    killed = 0
    for parts in (2, 14):  # kills at two places, with whatever is half done there
        with subprocess.Popen([sys.executable, "-c", SLOW, *COMMAND], env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
            while process.poll() is None and len(list(OUT.glob("predicted/*.parquet"))) < parts:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
    assert killed == 2
    assert not (OUT / "done.json").exists()
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in OUT.glob("*/*.parquet")}
    complete = {path.name for path in OUT.glob("predicted/*.parquet")}
    assert len(complete) >= 14
    assert run(COMMAND) == 0
    for path, stamp in before.items():
        if path.name in complete:
            assert (path.stat().st_ino, path.stat().st_mtime_ns) == stamp, path
    assert_every_file_once(files)
    assert not list(OUT.glob("*/.*"))


SLOW = """
import sys, time
from ssgan import atomic
sync = atomic.sync
def slow(path):
    time.sleep(0.02)  # so that kills fall between the bytes of a part and its name too
    sync(path)
atomic.sync = slow
from ssgan.cli.app import run
from ssgan.data.schema import read_set
sys.exit(run(sys.argv[1:]))
"""


def test_rejections_without_answers_are_done_again() -> None:
    assert run(COMMAND) == 0
    expected = rows()
    (OUT / "predicted/00003.parquet").unlink()
    (OUT / "predicted/00004.parquet").write_bytes(b"torn")
    short = next(path for path in OUT.glob("rejected/*.parquet") if pq.read_metadata(path).num_rows)
    pq.write_table(pq.read_table(short).slice(1), short)
    assert run(COMMAND) == 0
    assert rows() == expected


def test_what_is_complete_is_said_and_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(COMMAND) == 0
    Path("new/late.png").write_bytes(next(Path("new/below").iterdir()).read_bytes())
    capsys.readouterr()
    assert run(COMMAND) == 0
    said = capsys.readouterr().out
    assert "went on with answers: 9 parts were complete; files that came since it began are not in it" in said
    assert "33 files" in said
    assert run([*COMMAND, "--overwrite"]) == 0
    assert "34 files = 30 predicted + 1 duplicate + 3 rejected" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--top-k", "2"], "was started with top_k 3, now 2"),
        (["--model", "runs/train/twin/last"], "was started with model_id"),
        (["--metrics", "none.json"], "was started with temperature"),
        (["--part-files", "5"], "was started with part_files 4"),
    ],
)
def test_another_request_does_not_go_on(change: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(COMMAND) == 0
    before = {path: path.read_bytes() for path in OUT.rglob("*") if path.is_file()}
    assert run([*COMMAND, *change]) == 2
    assert words in capsys.readouterr().err
    assert {path: path.read_bytes() for path in OUT.rglob("*") if path.is_file()} == before


def test_a_list_that_was_changed_does_not_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(COMMAND) == 0
    pq.write_table(pq.read_table(OUT / "inputs.parquet").slice(1), OUT / "inputs.parquet")
    assert run(COMMAND) == 1
    assert "is not the list that this run started with" in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    OUT.mkdir()
    (OUT / "thesis.txt").write_text("mine")
    for more in ([], ["--overwrite"]):
        assert run([*COMMAND, *more]) == 2
        assert "'thesis.txt'" in capsys.readouterr().err
        assert (OUT / "thesis.txt").read_text() == "mine"


def test_two_processes_do_not_write_one_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with prediction_folder.locked(OUT):
        assert run(COMMAND) == 2
    assert "another process is writing answers" in capsys.readouterr().err
    assert run(COMMAND) == 0


@pytest.mark.parametrize("out", ["answers", "pool.parquet"])
@pytest.mark.parametrize("pool", ["data/splits/unlabeled", "data/images"])
def test_the_pool_is_predicted_without_its_files(trained: Path, pool: str, out: str) -> None:
    folder = trained / pool
    assert run(["predict", "--pool", str(folder), "--out", out, "--part-files", "300"]) == 0
    found = pq.read_table(OUT / "predicted" if out == "answers" else out)
    store, rows = named_images(folder)
    assert found["id"].to_pylist() == as_hex(store.gather(rows, "id"))
    assert (found["path"].null_count == len(found)) == (pool == "data/splits/unlabeled")
    if pool == "data/images":  # the same pixels as from the files
        assert run(["predict", str(trained / "raw"), "--out", "files.parquet"]) == 0
        files = {row["path"]: row for row in pq.read_table("files.parquet").to_pylist()}
        for row in found.to_pylist():
            assert row["label"] == files[row["path"]]["label"]
            assert row["probability"] == pytest.approx(files[row["path"]]["probability"], abs=1e-6)


def test_a_row_says_whether_a_person_should_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "new", "--out", "never.parquet"]) == 0
    never = pq.read_table("never.parquet")
    assert set(never["abstain"].to_pylist()) == {"never"}
    threshold = pc.quantile(never["probability"], 0.5, interpolation="lower")[0].as_py()
    path = Path("metrics/evaluate.json")
    numbers = json.loads(path.read_text())
    numbers["main"]["abstention"] = {"max_risk": 0.1, "threshold": threshold, "note": "chosen on 178 val images"}
    path.write_text(json.dumps(numbers))
    capsys.readouterr()
    assert run(["predict", "new"]) == 0
    found = pq.read_table("predictions.parquet").to_pylist()
    assert {row["abstain"] for row in found} == {"yes", "no"}
    assert all((row["abstain"] == "no") == (row["probability"] > threshold) for row in found)
    manifest = json.loads(Path("runs/train/manifest.json").read_text())
    assert {row["model_id"].split("@")[0] for row in found} == {f"{manifest['run_id']}/main/last"}
    assert f"abstains: up to probability {threshold:.4g}" in capsys.readouterr().out


@pytest.mark.parametrize("inputs", [[], ["new", "--pool", "new"], ["nowhere"], ["--pool", "nowhere"]])
def test_one_source_has_to_be_named(inputs: list[str]) -> None:
    assert run(["predict", *inputs]) == 2
