"""``ssgan backbones fetch`` against a hub on this machine: the one command that downloads, and stages that never do."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
import yaml
from safetensors.torch import save

from tests.support.fake_hub import FakeHub
from tests.support.photos import PARAMS, write_photos

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAME = "timm:test_vit.r160_in1k"  # 160 pixels, 370,000 weights


@pytest.fixture(scope="module")
def weights() -> bytes:
    torch.manual_seed(0)
    return save(timm.create_model("test_vit").state_dict())


def ssgan(folder: Path, hub: FakeHub, *words: str) -> tuple[int, str]:
    """Exit code and all output of a command in a process whose hub and cache are these."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_") and "proxy" not in key.lower()}
    environment = {**clean, "HF_ENDPOINT": hub.address, "HF_HOME": str(folder / "hf"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", "ssgan", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout + done.stderr


def sentence(output: str) -> str:
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in output
    return line


def test_weights_come_once_and_then_a_project_needs_no_network(weights: bytes, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 4)
    changed = {**PARAMS, "features": {"backbone": NAME}, "split": {"num_labels": 2, "test_fraction": 0.3}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed))
    with FakeHub({"timm/test_vit.r160_in1k": weights}) as hub:
        assert ssgan(tmp_path, hub, "ingest")[0] == 0
        code, output = ssgan(tmp_path, hub, "features")
        assert code == 2
        assert f"run `ssgan backbones fetch {NAME}` where there is a network" in sentence(output)
        assert hub.requests == [], "a stage never downloads, also where it could"

        code, output = ssgan(tmp_path, hub, "backbones", "fetch", NAME)
        assert code == 0, output
        assert f"sha256 {hashlib.sha256(weights).hexdigest()}, license apache-2.0" in output
        asked = list(hub.requests)
        assert "GET /timm/test_vit.r160_in1k/resolve/main/model.safetensors" in asked
        assert ssgan(tmp_path, hub, "backbones", "fetch", NAME) == (0, output)
        code, output = ssgan(tmp_path, hub, "features")
        assert code == 0, output
        code, output = ssgan(tmp_path, hub, "backbones", "list")
        assert code == 0, output
        assert NAME in output
        assert hub.requests == asked, "what is here is not asked for again"


def test_what_the_hub_does_not_have_is_told(tmp_path: Path) -> None:
    with FakeHub({}) as hub:
        code, output = ssgan(tmp_path, hub, "backbones", "fetch", NAME)
        assert code == 1
        assert sentence(output).startswith("error: timm/test_vit.r160_in1k could not be fetched (")
        assert ssgan(tmp_path, hub, "backbones", "fetch", "timm:no_such_network")[0] == 2
        assert ssgan(tmp_path, hub, "backbones", "fetch", "onnx:mine")[0] == 2
    code, output = ssgan(tmp_path, hub, "backbones", "fetch", NAME)  # nobody is there any more
    assert code == 1
    assert "check the name, the network, and HF_ENDPOINT" in sentence(output)


def test_other_bytes_than_the_hub_names_are_not_kept(weights: bytes, tmp_path: Path) -> None:
    with FakeHub({"timm/test_vit.r160_in1k": weights}, damaged=True) as hub:
        code, output = ssgan(tmp_path, hub, "backbones", "fetch", NAME)
        assert code == 1
        assert "model.safetensors arrived damaged" in sentence(output)
    with FakeHub({"timm/test_vit.r160_in1k": weights}) as hub:
        assert ssgan(tmp_path, hub, "backbones", "fetch", NAME)[0] == 0
