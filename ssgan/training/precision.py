"""Whether a training computes in bfloat16: where the device has instructions for it, half of the bits are half of the time.

A CPU without them emulates it, and a step takes about ten times as long as in float32 (docs/results/speed.md).
"""

from __future__ import annotations

import torch

from ssgan.config import Precision
from ssgan.core.distributed import summed, world_size

CPU_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")  # x86 with AVX-512, x86 with AMX, ARM


def native_bf16(device: torch.device) -> bool:
    """Whether the device, or this machine's CPU, has instructions for bfloat16 that torch uses."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = torch.cpu.get_capabilities()
    return bool(torch.backends.mkldnn.is_available()) and any(  # type: ignore[no-untyped-call]
        flags.get(flag, False) for flag in CPU_FLAGS
    )


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
    return "a CPU of this training has no instructions for it: a step takes about ten times as long as in float32"
