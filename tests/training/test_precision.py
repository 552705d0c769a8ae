"""bfloat16 where the machine has it: chosen alike on all ranks, said where it is slow, recorded with the result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ssgan.config import Precision
from ssgan.core.distributed import rank
from ssgan.data.files import SplitFiles
from ssgan.training import experiment
from ssgan.training.context import ProgressEvent, RunContext
from ssgan.training.precision import in_bf16, native_bf16
from tests.support.data import config, context, final_weights, run_of, same
from tests.support.ranks import run_ranks

CPU = torch.device("cpu")
WITH: list[dict[str, bool | str]] = [
    {"avx512_bf16": True, "cpu_name": "AMD EPYC 9R14"},
    {"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"},
    {"bf16": True},
]
WITHOUT: list[dict[str, bool | str]] = [
    {},
    {"avx2": True, "avx512_bf16": False},
    {"avx512_bf16": True, "amx_bf16": False, "cpu_name": "Intel Xeon"},  # at half the speed of float32
]


def this_cpu_has(monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool | str]) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: flags)
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: True)


@pytest.mark.parametrize("flags", WITH + WITHOUT)
def test_auto_is_what_the_machine_has(flags: dict[str, bool | str], monkeypatch: pytest.MonkeyPatch) -> None:
    this_cpu_has(monkeypatch, flags)
    has_it = flags in WITH
    assert native_bf16(CPU) == has_it
    assert in_bf16("auto", CPU) == (has_it, ())
    assert in_bf16("float32", CPU) == (False, ())
    wanted, said = in_bf16("bf16", CPU)
    assert wanted, "what is asked for is done"
    assert bool(said) != has_it


def test_instructions_that_torch_does_not_use_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    this_cpu_has(monkeypatch, {"bf16": True})
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    assert not native_bf16(CPU)


def test_a_gpu_that_emulates_it_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not native_bf16(torch.device("cuda"))


def on_a_mixed_cluster() -> tuple[bool, bool]:
    """Rank 0 has the instructions, rank 1 has not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": rank() == 0})
        patch.setattr("torch.backends.mkldnn.is_available", lambda: True)
        wanted, said = in_bf16("bf16", CPU)
        assert wanted
        return in_bf16("auto", CPU)[0], bool(said)


def test_one_rank_without_is_enough(tmp_path: Path) -> None:
    assert run_ranks(on_a_mixed_cluster, 2, tmp_path) == [(False, True)] * 2


@pytest.mark.parametrize("flags", [WITH[0], WITHOUT[0]])
def test_a_run_computes_in_what_was_chosen_and_says_so(
    flags: dict[str, bool | str], splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this_cpu_has(monkeypatch, flags)
    events: list[ProgressEvent] = []

    def trained(precision: Precision) -> tuple[dict[str, torch.Tensor], str]:
        here = RunContext(context(tmp_path / precision).store, CPU, lambda role, event: events.append(event))
        experiment.train(run_of(config(train={"steps": 10, "precision": precision}), splits), "main", here)
        summary = json.loads((tmp_path / precision / "run/main/final/summary.json").read_text())
        return final_weights(tmp_path / precision), summary["precision"]

    auto, said = trained("auto")
    assert not [event for event in events if event.warnings]
    assert said == ("bf16" if flags else "float32")
    full, half = trained("float32"), trained("bf16")
    assert (full[1], half[1]) == ("float32", "bf16")
    assert same(auto, half[0]) == bool(flags)
    assert same(auto, full[0]) == (not flags)
    warnings = [w for event in events for w in event.warnings]
    assert any("set it to auto or float32" in w for w in warnings) == (not flags)
