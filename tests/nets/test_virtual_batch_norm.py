"""Virtual batch normalisation against Salimans et al. 2016, section 3.5: statistics of every group by themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssgan import nets
from ssgan.config import ImageSpec, NetConfig, Problem
from ssgan.nets.layers import BatchNorm
from ssgan.nets.virtual_batch_norm import VirtualBatchNorm, VirtuallyNormalized

RANDOM = np.random.default_rng(0)


def tensor(a: np.ndarray) -> torch.Tensor:
    return torch.tensor(a, dtype=torch.float32)


@pytest.mark.parametrize("shape", [(3,), (3, 2, 4)])
def test_a_row_is_normalized_with_the_reference_and_itself(shape: tuple[int, ...]) -> None:
    reference, rows = 5, 4
    norm = BatchNorm(3, eps=1e-3)
    with torch.no_grad():
        norm.weight.normal_()  # type: ignore[union-attr]
        norm.bias.normal_()  # type: ignore[union-attr]
    x = RANDOM.normal(size=(reference + rows, *shape), loc=2.0)
    x[reference:] *= 7
    found = VirtualBatchNorm(norm, reference)(tensor(x)).detach().numpy()
    g, b = norm.weight.detach().numpy(), norm.bias.detach().numpy()  # type: ignore[union-attr]
    for i in range(reference + rows):
        group = x[:reference] if i < reference else np.concatenate([x[:reference], x[i : i + 1]])
        for o in range(3):
            mean, var = group[:, o].mean(), group[:, o].var()
            expected = g[o] * (x[i, o] - mean) / np.sqrt(var + 1e-3) + b[o]
            np.testing.assert_allclose(found[i, o], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", [name for name in nets.names() if name != "head"])
def test_a_generated_image_does_not_depend_on_its_batch(family: str) -> None:
    torch.manual_seed(0)
    problem = Problem(ImageSpec(3, 32, "fit"), 5, NetConfig(family=family, width=0.1, latent_dim=12))
    generator = VirtuallyNormalized(nets.family(family).generator(problem), torch.rand(8, 12))
    assert not any(isinstance(m, BatchNorm) for m in generator.modules())
    assert any(isinstance(m, VirtualBatchNorm) for m in generator.modules())
    z = torch.rand(6, 12)
    z[3:] = 30 * z[3:]
    images = generator(z)
    assert images.shape == (6, *problem.image.shape)
    for i in range(6):
        torch.testing.assert_close(generator(z[i : i + 1]), images[i : i + 1], rtol=1e-4, atol=1e-5)
    generator.latents.mul_(0.5)
    assert not torch.allclose(generator(z), images, atol=1e-4), "the reference must count"
