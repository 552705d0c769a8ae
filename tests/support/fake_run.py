"""A project after ``train``, made in a second: splits in the real schema, a manifest with real hashes, fake models.

The fake models need no torch: they compare an image with one prototype per class, through blurred glasses.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ssgan.config import Config, ImageSpec
from ssgan.provenance import ids_sha256
from tests.support.data import write_data


@dataclass
class Fake:
    """What the fake project contains; tests change one thing and run the stages."""

    root: Path
    classes: list[str] = field(default_factory=lambda: ["ant", "bee", "cat"])
    channels: int = 1
    size: int = 8
    num_labels: int = 12
    num_unlabeled: int = 50
    num_val: int = 40
    num_test: int = 120
    blur: dict[str, float] = field(default_factory=lambda: {"main": 0.5, "twin": 2.0})  # noise of the logits
    twin: bool = True
    steps: tuple[int, ...] = (100, 200, 300)
    paths: dict[int, str] = field(default_factory=dict)  # position in test -> path
    warnings: tuple[str, ...] = ()
    generator: bool = True
    method: str = "feature_matching"
    foreign_ids: dict[tuple[str, int], str] = field(default_factory=dict)  # (set, position) -> id

    def __post_init__(self) -> None:
        rng = np.random.default_rng(7)
        self.spec = ImageSpec(self.channels, self.size, "fit")
        self.prototypes = rng.uniform(0, 255, size=(len(self.classes), *self.spec.shape))

    def images(self, labels: np.ndarray, seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).normal(0, 30, size=(len(labels), *self.spec.shape))
        return np.clip(self.prototypes[labels] + noise, 0, 255).astype(np.uint8)

    def logits(self, role: str, images: np.ndarray) -> np.ndarray:
        flat = images.reshape(len(images), self.prototypes[0].size).astype(np.float64)
        distance = ((flat[:, None] - self.prototypes.reshape(len(self.classes), -1)[None]) ** 2).mean(axis=2)
        blur = np.random.default_rng([ord(c) for c in role]).normal(0, self.blur[role], size=distance.shape)
        return (3 * (blur - distance / 10_000)).astype(np.float32)

    def write(self) -> Fake:
        self._write_sets()
        self._write_run()
        metrics = self.root / "metrics"
        metrics.mkdir(exist_ok=True)
        ingest = {
            "seen": 230,
            "accepted": 222,
            "duplicates": 5,
            "rejected": 3,
            "rejected_by_reason": {"truncated": 2, "bomb": 1},
        }
        (metrics / "ingest.json").write_text(json.dumps(ingest))
        (self.root / "data/splits/split.json").write_text(json.dumps({"leak_removed": 2}))
        (self.root / "params.yaml").write_text("evaluate: {}\n")
        return self

    def ids(self, name: str, count: int) -> list[str]:
        own = [hashlib.sha256(f"{name}{i}".encode()).hexdigest() for i in range(count)]
        return [self.foreign_ids.get((name, i), value) for i, value in enumerate(own)]

    def _write_sets(self) -> None:
        counts = {"labeled": self.num_labels, "unlabeled": self.num_unlabeled, "val": self.num_val, "test": self.num_test}
        sets: dict[str, Any] = {}
        for seed, (name, count) in enumerate(counts.items()):
            labels = np.arange(count) % len(self.classes)
            sets[name] = (self.images(labels, seed), None if name == "unlabeled" else labels)
        named = {name: [bytes.fromhex(one) for one in self.ids(name, count)] for name, count in counts.items()}
        paths = {one: self.paths.get(i, f"test/{i}.png") for i, one in enumerate(named["test"])}
        write_data(self.root / "data", sets, self.spec, self.classes, named, paths)

    def _write_run(self) -> None:
        run = self.root / "runs/train"
        for role in ("main", "twin") if self.twin else ("main",):
            (run / role / "last").mkdir(parents=True, exist_ok=True)
            (run / role / "last/model.safetensors").write_bytes(role.encode() * 10)
            (run / role / "last/config.json").write_text("{}")
            lines = [self._line(step, role) for step in self.steps]
            (run / role / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.write_manifest()

    def _line(self, step: int, role: str) -> dict[str, Any]:
        error = (0.05 if role == "main" else 0.3) + 40 / step if self.num_val else None
        line = {"step": step, "seconds": step / 50, "images_per_second": 5000.0, "data_wait_share": 0.02}
        return {**line, "terms": {"discriminator/total": 1.0}, "val_error_rate": error, "warnings": list(self.warnings)}

    def write_manifest(self, **changes: Any) -> None:
        run = self.root / "runs/train"
        files = {p.relative_to(run).as_posix(): p for p in sorted(run.rglob("*")) if p.is_file() and p.name != "manifest.json"}
        seen = {"main": self.num_labels} | ({"twin": self.num_labels} if self.twin else {})
        manifest = {
            "format": 1,
            "run_id": "fake-run",
            "code_version": "abc123",
            "data_version": "def456",
            "steps": self.steps[-1],
            "world_size": 1,
            "label_budget": self.num_labels,
            "distinct_labeled_ids_seen": seen,
            "labeled_ids_sha256": ids_sha256(self.ids("labeled", self.num_labels)),
            "twin": self.twin,
            "files": {
                name: {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
                for name, path in files.items()
            },
            "config": Config.model_validate({"method": {"name": self.method}}).model_dump(),
            "seconds": {"main": 321.0} | ({"twin": 45.0} if self.twin else {}),
            "device": "cpu",
            "versions": {"python": "3.11", "torch": "2.14", "ray": "2.60"},
        }
        (run / "manifest.json").write_text(json.dumps({**manifest, **changes}))

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work in the project, with ``ssgan.model`` replaced by the fake models."""
        monkeypatch.chdir(self.root)
        module = ModuleType("ssgan.model")
        module.Model = FakeModel  # type: ignore[attr-defined]
        module.load_model = lambda folder, device="cpu": FakeModel(self, Path(folder).parent.name)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "ssgan.model", module)

    def evaluate(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Run the stage and give back its metrics."""
        self.install(monkeypatch)
        spec = importlib.util.find_spec("pipelines.evaluate")
        assert spec is not None
        assert spec.loader is not None
        stage = importlib.util.module_from_spec(spec)  # a private copy: it holds on to the fake models
        spec.loader.exec_module(stage)
        stage.run()
        return json.loads((self.root / "metrics/evaluate.json").read_text())


@dataclass
class FakeModel:
    """The part of the model that ``evaluate`` uses."""

    backbone = None

    fake: Fake
    role: str
    method: str = "fake"
    steps: int = 300

    @property
    def classes(self) -> list[str]:
        return list(self.fake.classes)

    def predict_logits(self, images: np.ndarray) -> np.ndarray:
        return self.fake.logits(self.role, images)

    def sample(self, n: int) -> np.ndarray | None:
        return self.fake.images(np.arange(n) % len(self.fake.classes), 99) if self.fake.generator else None
