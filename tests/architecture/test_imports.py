"""What is loaded when: preparation without torch, the core without Ray, the command line without any of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.closure import ROOT

HEAVY = ("torch", "ray", "s3fs", "botocore", "dvc", "pyarrow", "numpy", "pydantic", "matplotlib", "sklearn", "scipy", "timm")


def loaded_by(*modules: str) -> set[str]:
    """Which of the heavy packages a fresh Python holds after importing our modules."""
    code = (
        f"import importlib, json, sys\nfor name in {modules!r}:\n    importlib.import_module(name)\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def modules_below(package: str) -> list[str]:
    files = sorted((ROOT / package.replace(".", "/")).rglob("*.py"))
    return [".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for f in files]


def test_preparing_data_never_loads_torch() -> None:
    batches = ("ssgan.data.loaders", "ssgan.data.sampler", "ssgan.data.streaming")  # the other half of ssgan.data
    names = [name for name in modules_below("ssgan.data") if name not in batches]
    loaded = loaded_by(*names, "pipelines.ingest", "pipelines.split")
    assert "pyarrow" in loaded
    assert not loaded & {"torch", "ray", "s3fs", "botocore"}


def test_the_core_never_loads_ray_nor_an_s3_client() -> None:
    edge = (
        "ssgan.cluster.trainer",
        "ssgan.runs.on_ray",
        "ssgan.prediction.on_ray",
        "ssgan.storage.s3",
        "ssgan.tuning",
        "ssgan.cli",
    )
    names = [name for name in modules_below("ssgan") if not name.startswith(edge)]
    loaded = loaded_by(*names)
    assert "torch" in loaded
    assert not loaded & {"ray", "s3fs", "botocore", "dvc"}


def test_training_inline_never_loads_ray() -> None:
    assert not loaded_by("pipelines.train", "ssgan.runs.inline") & {"ray", "s3fs", "botocore"}


def test_training_and_evaluation_wait_for_no_package_of_features() -> None:
    """Those that a run on pixels does not use cost a second of every start."""
    modules = ("pipelines.train", "pipelines.evaluate", "ssgan.training.experiment", "ssgan.methods.feature_matching")
    assert not loaded_by(*modules) & {"sklearn", "scipy", "timm"}


def test_a_node_answers_and_the_mailbox_opens_before_torch_is_loaded() -> None:
    """Every start of a run on a cluster waits for these processes; torch would double what they take."""
    assert not loaded_by("ssgan.cluster.versions", "ssgan.runs.mailbox", "ssgan.training.context") & {"torch", "ray"}


@pytest.mark.parametrize("module", ["ssgan.cli", "ssgan.cli.app"])
def test_the_command_line_answers_before_anything_heavy_is_loaded(module: str) -> None:
    assert loaded_by(module) == set()


def test_help_and_usage_errors_load_nothing_heavy() -> None:
    """Of every command and of every command of a group, one after the other in one Python."""
    heavy = {*HEAVY, "pandas"} - {"pydantic"}  # Typer itself checks values with that
    code = f"""
import contextlib, io, json, sys
import typer
from ssgan.cli.app import app, run
group = typer.main.get_command(app)
loaded = {{}}
for name in group.commands:
    command = group.get_command(None, name)
    for words in ([name], *([name, below] for below in getattr(command, "commands", ()))):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            codes = [run([*words, "--help"]), run([*words, "--no-such-option"])]
        loaded[" ".join(words)] = codes, sorted({heavy!r} & sys.modules.keys())
print(json.dumps(loaded))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {"doctor", "train", "jobs logs", "labels import", "next", "next status", "tune apply"} <= set(found)
    assert {name: result for name, result in found.items() if result != [[0, 2], []]} == {}


def test_a_command_is_imported_when_it_is_asked_for() -> None:
    code = "import sys\nfrom ssgan.cli.app import run\nrun(['doctor', '--help'])\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = {name for name in done.stdout.split() if name.startswith("ssgan.cli.")}
    assert modules == {"ssgan.cli.app", "ssgan.cli.doctor", "ssgan.cli.listing"}
