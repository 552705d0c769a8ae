"""torch's device ``meta`` in the place of a GPU: it has shapes and no numbers, so whoever asks it for one gets an exception."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

SILENT = torch.device("meta")


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, notes the operations of torch that are carried out, and the types of device of all tensors in and out of each."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[tuple[str, frozenset[str]]] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        tensors = (one for one in tree_iter((args, kwargs, result)) if isinstance(one, torch.Tensor))
        self.seen.append((operation.name(), frozenset(one.device.type for one in tensors)))
        return result

    def copies(self) -> list[str]:
        """Operations on tensors of the host and of the device at once."""
        return [name for name, devices in self.seen if len(devices) > 1]

    def of_the_host(self) -> list[str]:
        """Operations on tensors of the host."""
        return [name for name, devices in self.seen if "cpu" in devices]

    def questions(self) -> list[str]:
        """Operations that give Python a number out of a tensor."""
        return [name for name, _ in self.seen if name == "aten::_local_scalar_dense"]


@contextmanager
def usable() -> Iterator[None]:
    """Inside, the parts of torch that know real devices only take ``meta`` too."""

    def known(device: Any) -> str:
        return "cpu" if str(device) == "meta" else str(device)

    class Generator(torch.Generator):
        def __new__(cls, device: Any = "cpu") -> Generator:
            return super().__new__(cls, known(device))  # type: ignore[call-arg]

    real_autocast, real_enabled = torch.autocast, torch.is_autocast_enabled
    fusing = sys.modules[torch.optim.Optimizer.__module__]  # torch.optim hides it

    with pytest.MonkeyPatch.context() as patch:
        devices = [*fusing._get_fused_kernels_supported_devices(), "meta"]
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(torch, "autocast", lambda device, *args, **kwargs: real_autocast(known(device), *args, **kwargs))
        patch.setattr(torch, "is_autocast_enabled", lambda device: real_enabled(known(device)))
        patch.setattr(fusing, "_get_fused_kernels_supported_devices", lambda: devices)
        yield
