"""Adam without torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from ssgan.training.optimizers import EagerAdam, laid_out_as

STEPS = """
import sys, torch
from ssgan.training.optimizers import EagerAdam
p = torch.nn.Parameter(torch.ones(3))
adam = EagerAdam([p], fused=True)
p.grad = torch.ones(3)
adam.step()
adam.zero_grad()
adam.load_state_dict(adam.state_dict())
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""


def test_it_does_not_load_the_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("fused", [False, True])
def test_it_computes_what_adam_does(fused: bool) -> None:
    results = []
    for kind in (torch.optim.Adam, EagerAdam):
        torch.manual_seed(0)
        p = torch.nn.Parameter(torch.randn(7))
        adam = kind([p], lr=0.1, betas=(0.5, 0.9), weight_decay=0.01, fused=fused)
        for _ in range(5):
            p.grad = torch.sin(p.detach())
            adam.step()
        results.append(p.detach().clone())
    assert torch.equal(*results)


def test_a_gradient_is_laid_out_as_its_weight() -> None:
    """As a convolution on some device may give it; the fused kernel adds by memory, not by index."""
    weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    gradient = torch.randn(4, 3, 2, 2)
    results = []
    for fused in (True, False):
        p = torch.nn.Parameter(weight.clone(memory_format=torch.preserve_format))
        p.grad = laid_out_as(p, gradient)
        torch.testing.assert_close(p.grad, gradient, rtol=0, atol=0)
        EagerAdam([p], lr=0.1, fused=fused).step()
        results.append(p.detach())
    torch.testing.assert_close(*results)
