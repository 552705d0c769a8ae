"""Finished projects, made in a second: fake models, real stages, real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssgan.config import Config, load
from ssgan.provenance import ids_sha256
from tests.support.fake_run import Fake

GOOD, BAD = 0.2, 2.5  # noise of the logits


def finished(root: Path, monkeypatch: pytest.MonkeyPatch, name: str = "run-a", noise: float = GOOD, **changes: object) -> Path:
    """A project after ``evaluate``; its main model is the better, the less ``noise`` it has."""
    root.mkdir(parents=True, exist_ok=True)
    fake = Fake(root, blur={"main": noise, "twin": 3.0}, **changes).write()  # type: ignore[arg-type]
    fake.write_manifest(run_id=name)
    sets = {
        name: {"images": count, "ids_sha256": ids_sha256(fake.ids(name, count))}
        for name, count in (
            ("labeled", fake.num_labels),
            ("unlabeled", fake.num_unlabeled),
            ("val", fake.num_val),
            ("test", fake.num_test),
        )
    }
    (root / "data/splits/split.json").write_text(json.dumps({"sets": sets}))
    before = Path.cwd()
    fake.evaluate(monkeypatch)
    monkeypatch.chdir(before)
    return root


def parameters(folder: Path, url: str = "storage", gate: str = "{max_ece: null}") -> Config:
    """Parameters of the folder in which models are compared."""
    path = folder / "params.yaml"
    path.write_text(f"storage: {{url: '{url}'}}\ngate: {gate}\n")
    return load(path)
