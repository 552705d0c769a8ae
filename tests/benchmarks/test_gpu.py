"""What benchmarks/gpu.py does, as small as can be on a CPU, and what it makes of failures."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu
from benchmarks.on_gpu import conformance, page, speed
from benchmarks.on_gpu.parts import Case, Setting, stepped
from ssgan.errors import ConfigError
from tests.support import methods

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CPU = torch.device("cpu")
SETTING = Setting(CPU, True, time.perf_counter() + 3600)


def test_a_dry_run_does_every_section(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--dry-run", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert list(found["sections"]) == list(gpu.SECTIONS)
    assert all(section["rows"] for section in found["sections"].values())
    text = (tmp_path / "gpu.md").read_text()
    assert all(title in text for title in page.TITLES.values())


IMPORTED = """
import sys
import benchmarks.gpu
from ssgan import backbones, methods
for name in methods.names():
    methods.module(name)
found = {name.partition(".")[0] for name in sys.modules}
print(sorted(found & {"ray", "dvc", "s3fs", "botocore", "mlflow", "fsspec", "pyarrow", "ruamel", "typer", "scipy", "pandas"}))
"""


def test_it_imports_no_more_than_it_needs() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_section_that_fails_says_so_and_the_others_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(setting: Setting) -> list[dict[str, Any]]:
        raise RuntimeError("no kernel image")

    rows = [{"method": "vat", "nets": "mlp", "resumes_exactly": False, "deviation_from_cpu": 1.5, "asks_nothing": True}]
    sections = {"messages": broken, "memory": lambda _: [{"peak_mb": 1.0}], "conformance": lambda _: rows}
    monkeypatch.setattr(gpu, "SECTIONS", sections)
    monkeypatch.setattr(sys, "argv", ["gpu", "--dry-run", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        gpu.main()
    assert caught.value.code == 1
    found = json.loads((tmp_path / "gpu.json").read_text())["sections"]
    assert found["messages"]["error"].endswith("RuntimeError: no kernel image")
    assert found["memory"]["rows"] == [{"peak_mb": 1.0}]
    assert found["conformance"]["failures"] == ["vat on mlp, deviation_from_cpu: 1.5", "vat on mlp, resumes_exactly: False"]
    text = (tmp_path / "gpu.md").read_text()
    assert "Failed: RuntimeError: no kernel image" in text
    assert "- not as it should be: vat on mlp, resumes_exactly: False" in text


def test_a_gpu_is_asked_for() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 1
    assert done.stderr.startswith("error: torch finds no GPU here")


def test_it_knows_the_methods_that_are_trained_in_steps() -> None:
    assert stepped() == methods.stepped()


@pytest.mark.parametrize("name", stepped())
def test_steps_are_compared_and_resumed_for_every_method(name: str) -> None:
    case = Case(name, "compact", (1, 16, 16), 0.25, 10, 20, quick=True)
    assert conformance.as_on_a_cpu(case, SETTING) == 0
    assert conformance.resumes(case, SETTING)


def test_a_deviation_is_seen() -> None:
    a = {"x": torch.tensor([1.0, 2.0]), "none": torch.zeros(0)}
    assert conformance.farthest(a, a) == 0
    assert conformance.farthest({**a, "x": torch.tensor([1.0, 2.1])}, a) == pytest.approx(0.1 / 0.021, rel=1e-3)
    nan = {**a, "x": torch.tensor([1.0, torch.nan])}
    assert conformance.failures([{"method": "m", "nets": "n", "deviation_from_cpu": conformance.farthest(nan, a)}])


def test_products_are_those_of_the_step_and_no_more() -> None:
    x, w = torch.rand(3, 4), torch.rand(4, 5)
    with speed.Products() as products:
        (x @ w).relu().sum()
    with speed.Products() as again:
        products.again()
    assert len(again._calls) == 1


def test_a_graph_is_refused_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match=r"^`train\.graphs` is true, but this training runs on cpu"):
        conformance.replays(Case("supervised", "mlp", (1, 8, 8), 0.1, 10, 20), SETTING)
