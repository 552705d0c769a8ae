"""Whether a training computes in bfloat16: where the device is faster in it, half of the bits are half of the time.

A CPU without instructions for it emulates it, and a step takes about ten times as long as in float32. Intel's AVX-512 has
some that take twice as long as those of float32, so that there only AMX counts (docs/results/speed.md).
"""

from __future__ import annotations

import torch

from ssgan.config import Precision
from ssgan.core.distributed import summed, world_size

CPU_FLAGS = ("amx_bf16", "bf16")  # x86 with AMX, ARM
AVX512 = "avx512_bf16"


def native_bf16(device: torch.device) -> bool:
    """Whether the device, or this machine's CPU, has instructions for bfloat16 that torch uses and that are fast."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = torch.cpu.get_capabilities()
    flags = CPU_FLAGS if str(cpu.get("cpu_name", "")).startswith("Intel") else (*CPU_FLAGS, AVX512)
    return bool(torch.backends.mkldnn.is_available()) and any(cpu.get(flag) for flag in flags)  # type: ignore[no-untyped-call]


def in_bf16(precision: Precision, device: torch.device) -> tuple[bool, tuple[str, ...]]:
    """What all ranks compute in, and what the user should know of it. Every rank calls this.

    ``auto`` is bfloat16 where every rank has it: gradients of two precisions are not averaged.
    """
    native = int(summed(torch.tensor(float(native_bf16(device)), device=device))) == world_size()
    if precision == "bf16" and not native:
        return True, (f"train.precision is bf16, but {_lacks(device)}; set it to auto or float32",)
    return precision == "bf16" or (precision == "auto" and native), ()


def _lacks(device: torch.device) -> str:
    if device.type == "cuda":
        return "a GPU of this training has no instructions for it: float32 may be faster"
    return "a CPU of this training has no fast instructions for it: a step takes two to ten times as long as in float32"
