"""The stage features where there is nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.cli.app import run


def test_without_a_backbone_the_output_is_not_empty_which_dvc_would_warn_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_text("features: {backbone: null}\n")
    monkeypatch.chdir(tmp_path)
    assert run(["features"]) == 0
    (only,) = (tmp_path / "data/features").iterdir()
    assert "features.backbone" in only.read_text()
