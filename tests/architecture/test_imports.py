"""What is loaded when: preparation without torch, the core without Ray, the command line without any of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.closure import ROOT

HEAVY = ("torch", "ray", "s3fs", "botocore", "dvc", "pyarrow", "numpy", "pydantic", "matplotlib")


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
    edge = ("ssgan.runs.on_ray", "ssgan.prediction.on_ray", "ssgan.storage.s3", "ssgan.tuning", "ssgan.cli")
    names = [name for name in modules_below("ssgan") if not name.startswith(edge)]
    loaded = loaded_by(*names)
    assert "torch" in loaded
    assert not loaded & {"ray", "s3fs", "botocore", "dvc"}


def test_training_inline_never_loads_ray() -> None:
    assert not loaded_by("pipelines.train", "ssgan.runs.inline") & {"ray", "s3fs", "botocore"}


def test_a_node_answers_and_the_mailbox_opens_before_torch_is_loaded() -> None:
    """Every start of a run on a cluster waits for these processes; torch would double what they take."""
    assert not loaded_by("ssgan.cluster.versions", "ssgan.runs.mailbox", "ssgan.training.context") & {"torch", "ray"}


@pytest.mark.parametrize("module", ["ssgan.cli", "ssgan.cli.app"])
def test_the_command_line_answers_before_anything_heavy_is_loaded(module: str) -> None:
    assert loaded_by(module) == set()
