"""A run that begins with the weights of an earlier one: equal where it must be, grown where classes have come."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ssgan import methods
from ssgan.config import Config
from ssgan.core.method import SemiSupervisedMethod
from ssgan.data.files import SplitFiles
from ssgan.errors import CheckpointError, ConfigError
from ssgan.runs import launch
from ssgan.runs.identity import identity, run_id
from ssgan.runs.start_from import publish_start
from ssgan.storage.retries import Patience
from ssgan.storage.write_once import open_once
from ssgan.training import derived, experiment
from ssgan.training.checkpoint import Trainer
from ssgan.training.context import Role, RunContext
from ssgan.training.roles import role_method
from tests.support.data import (
    ON_FEATURES,
    MemoryFeatures,
    config,
    context,
    copied,
    on_features,
    run_of,
    same,
    short,
    write_splits,
)
from tests.support.methods import stepped


def small(name: str, **options: Any) -> Config:
    return config(method=short(name, **options), train={"steps": 2, "val_every": 2, "checkpoint_every": 2})


def trained(c: Config, files: SplitFiles, folder: Path, role: Role = "main") -> Path:
    """The model folder of a short training."""
    experiment.train(run_of(c, files), role, context(folder))
    return folder / "run" / role / "final" / "last"


def trainer_at_step_0(c: Config, files: SplitFiles, model: Path, folder: Path) -> Trainer:
    """What a run that starts from ``model`` has before its first step."""
    store = open_once(str(folder / "storage"))
    start = publish_start(c.model_copy(update={"train": c.train.model_copy(update={"start_from": str(model)})}), folder, store)
    surroundings = RunContext(store, torch.device("cpu"), lambda role, event: None)
    return experiment.prepared(run_of(c, files, start=start), "main", surroundings)[0]


@pytest.mark.parametrize("name", stepped())
def test_with_the_same_classes_all_weights_are_those_of_the_model(name: str, splits: SplitFiles, tmp_path: Path) -> None:
    c = small(name)
    model = trained(c, splits, tmp_path / "first")
    trainer = trainer_at_step_0(c, splits, model, tmp_path)
    weights = load_file(model / "model.safetensors")
    assert same(trainer.method.nets.state_dict(), weights)
    assert all(torch.equal(value, weights[key]) for key, value in trainer.average.tensors.items())
    assert (trainer.progress.step, trainer.average.updates) == (0, 0)
    assert not any(optimizer.state for optimizer in trainer.optimizers.values())


def grown(files: SplitFiles, folder: Path, names: list[str]) -> SplitFiles:
    """The same images, with another list of classes."""
    import pyarrow.parquet as pq

    more = copied(files, folder)
    for path in (folder / "splits").glob("*.parquet"):
        table = pq.read_table(path)
        metadata = json.loads(table.schema.metadata[b"ssgan"]) | {"classes": names}
        pq.write_table(table.replace_schema_metadata({b"ssgan": json.dumps(metadata)}), path)
    return more


@pytest.mark.parametrize("name", stepped())
def test_a_new_class_extends_the_head_and_changes_no_other_logit(name: str, tmp_path: Path) -> None:
    files = write_splits(tmp_path / "splits", classes=3)
    more = grown(files, tmp_path / "more", ["class-0", "new", "class-1", "class-2", "newer"])  # not only at the end
    c = small(name)
    model = trained(c, files, tmp_path / "first")
    trainer = trainer_at_step_0(c, more, model, tmp_path)
    old = methods.build(name, *_problem(c, files))
    old.nets.load_state_dict(load_file(model / "model.safetensors"))
    x = torch.rand(40, 1, 8, 8)
    before, after = (_logits(method, x) for method in (old, trainer.method))
    assert after.shape == (40, 5)
    assert torch.allclose(after[:, [0, 2, 3]], before, rtol=1e-5, atol=1e-6)  # a wider product rounds otherwise
    for key, value in load_file(model / "model.safetensors").items():
        found = trainer.method.nets.state_dict()[key]
        if key.rpartition(".")[0].endswith(("classifier.output", "classifier")) and found.shape != value.shape:
            assert torch.equal(found[[0, 2, 3]], value[:3]), key
        elif found.shape == value.shape:
            assert torch.equal(found, value), key
    assert torch.isfinite(after).all()
    assert after[:, [1, 4]].std() > 0
    experiment.train(run_of(c, more), "main", context(tmp_path / "second"))  # it does train


def _problem(c: Config, files: SplitFiles) -> Any:
    return role_method(c, "main")[1], derived.problem_of(c, files)


@torch.no_grad()
def _logits(method: SemiSupervisedMethod, x: torch.Tensor) -> torch.Tensor:
    method.nets.eval()
    return method.predict(x)


@pytest.mark.parametrize(
    ("name", "key"), [("explicit_fake", "classifier.output.bias"), ("triple_gan", "generator.dense1.weight")]
)
def test_what_is_no_class_moves_along(name: str, key: str, tmp_path: Path) -> None:
    """The fake logit stays behind the classes, latents before them."""
    files = write_splits(tmp_path / "splits", classes=3)
    more = grown(files, tmp_path / "more", ["new", "class-0", "class-1", "class-2"])
    c = small(name)
    model = trained(c, files, tmp_path / "first")
    found = trainer_at_step_0(c, more, model, tmp_path).method.nets.state_dict()[key]
    weights = load_file(model / "model.safetensors")[key]
    if key.endswith("bias"):
        assert torch.equal(found[1:], weights)
    else:
        z = c.net.latent_dim
        assert torch.equal(found[:, :z], weights[:, :z])
        assert torch.equal(found[:, z + 1 :], weights[:, z:])


def test_weights_and_nothing_else_decide_on_the_identity(splits: SplitFiles, tmp_path: Path) -> None:
    c = small("feature_matching")
    model = trained(c, splits, tmp_path / "first")
    shutil.copytree(model.parents[2], tmp_path / "elsewhere")
    ids = []
    for path in (model, tmp_path / "elsewhere/main/final/last", None):
        started = c.model_copy(update={"train": c.train.model_copy(update={"start_from": path and str(path)})})
        start = publish_start(started, tmp_path, open_once(str(tmp_path / "storage")))
        ids.append(run_id(identity(started, splits, start=start)))
    assert ids[0] == ids[1] != ids[2]
    assert ids[2] == run_id(identity(c, splits))
    weights = load_file(model / "model.safetensors")
    save_file({key: value + 1 for key, value in weights.items()}, model / "model.safetensors")
    started = c.model_copy(update={"train": c.train.model_copy(update={"start_from": str(model)})})
    assert publish_start(started, tmp_path, open_once(str(tmp_path / "storage"))) != start


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": {"width": 0.2}}, r"trained with net\.width 0\.1 \(here 0\.2\)"),
        ({"net": {"family": "compact"}}, r"net\.family 'mlp' \(here 'compact'\)"),
        ({"method": {"name": "vat"}}, r"method\.name 'feature_matching' \(here 'vat'\)"),
    ],
)
def test_a_model_of_another_kind_is_refused(change: Any, message: str, splits: SplitFiles, tmp_path: Path) -> None:
    model = trained(small("feature_matching"), splits, tmp_path / "first")
    other = config(**{"method": short("feature_matching")} | change)
    with pytest.raises(ConfigError, match=message):
        trainer_at_step_0(other, splits, model, tmp_path)


def test_images_of_another_size_and_other_classes_are_refused(splits: SplitFiles, tmp_path: Path) -> None:
    model = trained(small("feature_matching"), splits, tmp_path / "first")
    with pytest.raises(ConfigError, match=r"data\.image_size 8 \(here 12\)"):
        trainer_at_step_0(small("feature_matching"), write_splits(tmp_path / "large", size=12), model, tmp_path)
    renamed = grown(splits, tmp_path / "renamed", ["a", "b", "c"])
    with pytest.raises(ConfigError, match="as many, but others"):
        trainer_at_step_0(small("feature_matching"), renamed, model, tmp_path)


def test_the_whole_way_with_a_twin(splits: SplitFiles, tmp_path: Path) -> None:
    """train, train on from ``previous``: both roles begin with their own weights; what is finished is not trained again."""
    storage = {"url": str(tmp_path / "storage")}
    first = config(train={"steps": 4, "val_every": 2, "checkpoint_every": 2, "twin": True}, storage=storage)
    out = tmp_path / "runs/train"
    with pytest.raises(CheckpointError, match=r"no model in .*main/last; train once with"):
        launch.train(_from(first, "previous"), Path(splits.root), out, lambda role, event: None)
    before = launch.train(first, Path(splits.root), out, lambda role, event: None)
    assert before["start"] is None
    after = launch.train(_from(first, "previous"), Path(splits.root), out, lambda role, event: None)
    assert after["start"] == {r: before["files"][f"{r}/last/model.safetensors"]["sha256"] for r in ("main", "twin")}
    assert after["run_id"] != before["run_id"]
    shutil.rmtree(out / "twin")
    with pytest.raises(CheckpointError, match="no supervised baseline in"):
        launch.train(_from(first, str(out / "main/last")), Path(splits.root), out, lambda role, event: None)


def _from(c: Config, start_from: str) -> Config:
    return c.model_copy(update={"train": c.train.model_copy(update={"start_from": start_from})})


def test_two_runs_that_put_the_same_model_into_storage_do_not_harm_each_other(
    splits: SplitFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one does all of it while the first is in the middle of its own."""
    c = small("feature_matching")
    model = trained(c, splits, tmp_path / "first")
    started = c.model_copy(update={"train": c.train.model_copy(update={"start_from": str(model)})})
    first, second = (open_once(str(tmp_path / "storage")) for _ in range(2))
    upload, other = first._upload, list[object]()

    def interrupted(local: Path, name: str, patience: Patience) -> None:
        if not other:
            other.append(publish_start(started, tmp_path, second))
        upload(local, name, patience)

    monkeypatch.setattr(first, "_upload", interrupted)
    assert publish_start(started, tmp_path, first) == other[0]
    (key,) = first.keys("starts")
    first.get(key, tmp_path / "back")
    assert (tmp_path / "back/main/model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()


def featured(name: str, **sections: Any) -> Config:
    """A short run on features."""
    train = {"steps": 2, "val_every": 2, "checkpoint_every": 2}
    return config(**{**ON_FEATURES, "method": short(name), "train": train} | sections)


@pytest.mark.parametrize("classes", [["class-0", "class-1", "class-2"], ["new", "class-0", "class-1", "class-2"]])
def test_on_features_weights_and_their_space_are_those_of_the_model(
    classes: list[str], splits: SplitFiles, tmp_path: Path
) -> None:
    """Weights mean something in the space that they were learned in: it comes along, whatever the unlabeled images are now."""
    c = featured("feature_matching")
    model = trained(c, on_features(splits), tmp_path / "first")
    files = on_features(grown(splits, tmp_path / "more", classes))
    files = replace(files, features=Doubled(files))
    found = trainer_at_step_0(c, files, model, tmp_path).method.nets.state_dict()
    weights = load_file(model / "model.safetensors")
    kept = slice(len(classes) - 3, None)
    assert torch.equal(found["classifier.output.bias"][kept], weights["classifier.output.bias"])
    assert same({k: v for k, v in found.items() if "output" not in k}, {k: v for k, v in weights.items() if "output" not in k})


class Doubled(MemoryFeatures):
    """Features of another spread: a space that was fitted to them would be another one."""

    def read(self, ids: Any, views: int | None = None) -> Any:
        return super().read(ids, views) * 2


def test_a_model_on_other_features_is_refused(splits: SplitFiles, tmp_path: Path) -> None:
    c, files = featured("feature_matching"), on_features(splits)
    model = trained(c, files, tmp_path / "first")
    assert files.features
    rows = MemoryFeatures(splits)
    rows.backbone = replace(files.features.backbone, name="another", sha256="1" * 64)
    other = replace(files, features=rows)
    with pytest.raises(ConfigError, match=r"features\.backbone 'random_projection-\w+' \(here 'another-\w+'\)"):
        trainer_at_step_0(c, other, model, tmp_path)
    fewer = featured("feature_matching", features={**ON_FEATURES["features"], "dimensions": 8})
    with pytest.raises(ConfigError, match=r"features\.dimensions 16 \(here 8\)"):
        trainer_at_step_0(fewer, files, model, tmp_path)
    pixels = trained(small("feature_matching"), splits, tmp_path / "pixels")
    with pytest.raises(ConfigError, match=r"features\.backbone None \(here 'random_projection-\w+'\)"):
        trainer_at_step_0(c, files, pixels, tmp_path)
    with pytest.raises(ConfigError, match=r"features\.backbone 'random_projection' \(here None\)"):
        trainer_at_step_0(small("feature_matching"), splits, model, tmp_path)


def test_what_is_fitted_at_once_starts_from_nothing(splits: SplitFiles, tmp_path: Path) -> None:
    """A run of ``auto`` says so; beside a method with steps, probe and auto are fitted anew and need no earlier model."""
    model = trained(featured("feature_matching"), on_features(splits), tmp_path / "first")
    store = open_once(str(tmp_path / "storage"))
    with pytest.raises(ConfigError, match=r"train\.start_from .* but auto is fitted at once.*set train\.start_from to null"):
        publish_start(_from(featured("auto"), str(model)), tmp_path, store)
    both = featured("feature_matching", train={"steps": 2, "val_every": 2, "checkpoint_every": 2, "twin": True})
    start = publish_start(_from(both, str(model)), tmp_path, store)
    assert start is not None
    assert set(start) == {"main"}
    surroundings = RunContext(store, torch.device("cpu"), lambda role, event: None)
    for role in ("main", "twin", "auto"):
        experiment.train(run_of(both, on_features(splits), start=start), role, surroundings)
