"""Records that were made before: the network is built once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from ssgan import backbones
from ssgan.backbones import known
from ssgan.config import FeaturesConfig


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeaturesConfig:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.manual_seed(0)
    save_file(timm.create_model("test_vit").state_dict(), tmp_path / "a.safetensors")
    return FeaturesConfig(backbone="timm:test_vit", weights=str(tmp_path / "a.safetensors"))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the networks that timm was asked to build."""
    names: list[str] = []
    create = timm.create_model

    def counting(name: str, **options: Any) -> Any:
        names.append(name)
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", counting)
    return names


def test_a_network_is_not_built_to_know_what_is_known(config: FeaturesConfig, built: list[str]) -> None:
    first = backbones.find(config)
    assert built == ["test_vit"]
    assert backbones.find(config) == first
    assert built == ["test_vit"]
    assert backbones.load(*first).backbone == first[0]


def test_other_weights_are_another_backbone(config: FeaturesConfig, built: list[str]) -> None:
    first, path = backbones.find(config)
    save_file(timm.create_model("test_vit").state_dict(), path)
    second, _ = backbones.find(config)
    assert first.sha256 != second.sha256
    assert len(built) == 3, "one of them by this test"


@pytest.mark.parametrize("damage", ["", "{", '{"name": "test_vit"}'])
def test_a_damaged_record_is_made_again(damage: str, config: FeaturesConfig, built: list[str]) -> None:
    first = backbones.find(config)
    (path,) = known.folder().iterdir()
    path.write_text(damage)
    assert backbones.find(config) == first
    assert len(built) == 2


def test_without_a_place_to_keep_it_a_record_is_made_each_time(
    config: FeaturesConfig, built: list[str], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("no folder")
    assert backbones.find(config) == backbones.find(config)
    assert len(built) == 2
