"""The embedded backbone: the network that its weights were made for, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from ssgan import backbones
from ssgan.backbones import embedded
from ssgan.backbones.folding import folded
from ssgan.backbones.record import Backbone
from ssgan.config import FeaturesConfig
from ssgan.errors import ConfigError


@pytest.fixture(scope="module")
def network() -> backbones.Network:
    return backbones.load(*backbones.find(FeaturesConfig(backbone=embedded.NAME)))


def test_it_computes_what_an_independent_implementation_does(network: backbones.Network) -> None:
    """``efficientnet-lite-pytorch`` 0.1.0, which loads these weights by their names."""
    from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped]

    reference = EfficientNet.from_name("efficientnet-lite0")
    reference.load_state_dict(torch.load(embedded.weights(), weights_only=True))
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = reference.eval().extract_features(x).mean((2, 3))
        found = network.trunk(x)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_parts_have_the_widths_of_the_record(network: backbones.Network) -> None:
    images = torch.randint(0, 256, (2, 3, 256, 256), dtype=torch.uint8)
    found = network(images)
    assert found.shape == (2, embedded.record().dimension)
    assert torch.equal(found, network(images[..., 16:240, 16:240])), "the middle is cut out"


def test_other_weights_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(3)}, other)
    with pytest.raises(ConfigError, match=r"has sha256 .* but backbone efficientnet_lite0 was used with 579344248a93"):
        backbones.load(embedded.record(), other)
    with pytest.raises(ConfigError, match="does not hold the weights of tf_efficientnet_lite0"):
        backbones.provider("timm").build(embedded.record(), other)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("efficientnet_lite9", "is not known; write efficientnet_lite0, or PROVIDER:ARCHITECTURE"),
        ("keras:vgg", "is not known"),
        ("timm:convnext_tiny.in12k_ft_in1k", "are not on this machine; run `ssgan backbones fetch timm:convnext_tiny"),
    ],
)
def test_what_is_not_here_is_told(name: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=sentence):
        backbones.find(FeaturesConfig(backbone=name))


def test_a_record_survives_json_and_its_key_forgets_the_license() -> None:
    record = embedded.record()
    assert Backbone.of(record.describe()) == record
    assert dataclasses.replace(record, license="other", restricted=True).key == record.key
    assert dataclasses.replace(record, size=160).key != record.key


def test_normalizations_are_folded_and_features_stay(network: backbones.Network) -> None:
    images = torch.randint(0, 256, (3, 3, 224, 224), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    plain = backbones.Network(embedded.record(), backbones.provider("timm").build(embedded.record(), embedded.weights())).eval()
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in plain.modules()) == 49
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    torch.testing.assert_close(network(images), plain(images), rtol=1e-4, atol=1e-4)


class Branching(nn.Module):
    """Its convolution goes two ways: a fold would change the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)
        nn.init.constant_(self.norm.running_mean, 3.0)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.conv(x)
        return out + self.norm(out)


def test_what_would_change_features_is_not_folded() -> None:
    network = Branching().eval()
    assert folded(network, torch.rand(1, 3, 8, 8)) is network
    chain = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4)).eval()
    kept = folded(chain, torch.rand(1, 3, 8, 8))
    assert [type(layer).__name__ for layer in kept.children()] == ["BatchNorm2d", "Conv2d", "Identity", "ReLU", "BatchNorm2d"]


def test_features_of_another_range_of_deep_files_are_others() -> None:
    config = FeaturesConfig(backbone=embedded.NAME)
    plain, deep = backbones.find(config)[0], backbones.find(config, 12)[0]
    assert plain == embedded.record()
    assert "deep_bits" not in plain.describe()  # what was made before stays usable
    assert plain.key != deep.key
    assert (plain.image.deep_bits, deep.image.deep_bits) == (None, 12)
    assert Backbone.of(deep.describe()) == deep
