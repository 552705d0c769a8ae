"""Which licenses of weights ask a person first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from ssgan.backbones import embedded, timm, torchvision
from ssgan.backbones.license import accepted_license
from ssgan.errors import ConfigError

RESTRICTED = replace(embedded.record(), name="x", license="dinov3-license", restricted=True, source="somewhere")


def test_a_restrictive_license_has_to_be_accepted() -> None:
    with pytest.raises(ConfigError, match=r"of x under the license 'dinov3-license'.*somewhere.*--accept-license"):
        accepted_license(RESTRICTED, False)
    assert accepted_license(RESTRICTED, True) == "dinov3-license"


def test_nothing_is_asked_where_nothing_restricts() -> None:
    assert accepted_license(embedded.record(), False) is None
    assert accepted_license(embedded.record(), True) is None, "what was not asked is not recorded"
    assert accepted_license(None, False) is None


@pytest.mark.parametrize(("architecture", "license"), [("convnextv2_atto.fcmae", "cc-by-nc-4.0"), ("test_vit", "apache-2.0")])
def test_licenses_of_timm(architecture: str, license: str, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"any")
    record = timm.record(architecture, tmp_path / "weights")
    assert (record.license, record.restricted) == (license, license != "apache-2.0")


@pytest.mark.parametrize(("weights", "restricted"), [("IMAGENET1K_SWAG_LINEAR_V1", True), ("IMAGENET1K_V1", False)])
def test_weights_of_torchvision_may_have_a_license_of_their_own(
    weights: str, restricted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision, "_headless", lambda name: nn.Flatten())  # 86 million weights that nobody needs here
    (tmp_path / "weights").write_bytes(b"any")
    record = torchvision.record(f"vit_b_16.{weights}", tmp_path / "weights")
    assert record.restricted is restricted
    assert ("SWAG" in record.license) is restricted
