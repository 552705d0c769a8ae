"""Jobs that learn on features: these travel with the splits, and no node needs the backbone."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ssgan.backbones import embedded
from ssgan.data.files import SplitFiles
from ssgan.features.files import FeatureFiles
from ssgan.runs import inline
from ssgan.runs.publish import local_splits
from ssgan.storage.store import filesystem
from tests.support.closure import ROOT
from tests.support.data import ON_FEATURES, config, final_weights, run_of, same, write_features
from tests.support.submitter import Project
from tests.support.trials import RATE
from tests.support.world import World

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(1200)]

SHORT: dict[str, Any] = {"steps": 40, "val_every": 20, "checkpoint_every": 20}
AUTO = {**ON_FEATURES, "method": {"name": "auto", "options": {"batch_size": 100, "labeled_batch_size": 100}}}


@pytest.fixture
def featured(project: Project) -> Project:
    """The project, with features of all of its images."""
    write_features(SplitFiles(str(project.folder / "data/splits")))
    return project


def trained_here(project: Project, folder: Path, sections: dict[str, Any], **train: Any) -> Path:
    """The same training in this process; ``folder`` is its storage, and returned."""
    c = config(**sections, train={"cpus_per_worker": 1, **train}, storage={"url": str(folder)})
    inline.train_roles(run_of(c, local_splits(c, project.folder / "data/splits")), ["main"], lambda role, event: None)
    return folder


def manifest(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.folder / "runs/train/manifest.json").read_text())
    return found


def test_features_travel_and_a_run_starts_from_the_last_one(featured: Project, world: World, tmp_path: Path) -> None:
    featured.configure(sections=ON_FEATURES, **SHORT, twin=True)
    code, output = featured.run("ssgan", "train")
    assert code == 0, output
    assert same(featured.weights(), final_weights(trained_here(featured, tmp_path / "here", ON_FEATURES, **SHORT)))
    first = manifest(featured)
    assert set(first["seconds"]) == {"main", "twin", "auto"}
    assert first["backbone"] == embedded.record().describe()

    (key,) = featured.keys("splits")
    fs, root = filesystem(featured.url)
    stored = FeatureFiles(f"{root}/{key}/features", fs)
    have = {one.tobytes().hex() for ids, _ in stored.groups() for one in ids}
    files = SplitFiles(str(featured.folder / "data/splits"))
    assert have == {one for name in ("labeled", "unlabeled", "val") for one in files.ids(name)}, "the test set stays home"

    featured.configure(sections=ON_FEATURES, **SHORT, twin=True, start_from="previous")
    code, output = featured.run("ssgan", "submit")
    assert code == 0, output
    second = manifest(featured)
    assert second["start"] == {"main": first["files"]["main/last/model.safetensors"]["sha256"]}
    assert not same(featured.weights(), final_weights(tmp_path / "here"))


def test_a_job_that_is_sent_by_hand_is_fitted_at_once(featured: Project, world: World, tmp_path: Path) -> None:
    featured.configure(sections=AUTO, **SHORT)
    shutil.copy(ROOT / "ssgan/templates/project/rayignore", featured.folder / ".rayignore")
    code, output = featured.run("ssgan", "publish")
    assert code == 0, output
    submit = ["ray", "job", "submit", "--address", world.nodes.address, "--working-dir", "."]
    code, output = featured.run(*submit, "--", "python", "-m", "ssgan.runs.job")
    assert code == 0, output
    code, output = featured.run("ssgan", "train")
    assert code == 0, output
    assert "submitted" not in output
    assert manifest(featured)["fitted"]["main"]["chosen"]
    assert same(featured.weights(), final_weights(trained_here(featured, tmp_path / "here", AUTO, **SHORT)))


def test_a_search_on_features_is_a_job(featured: Project, world: World) -> None:
    space = {RATE: {"loguniform": [1e-3, 1e-2]}, "features.dimensions": {"choice": [4, 8]}}
    tune = {"space": space, "trials": 2, "scheduler": "none", "cpus_per_trial": 1}
    featured.configure(sections={**ON_FEATURES, "tune": tune}, **SHORT, num_workers=1)
    code, output = featured.run("ssgan", "tune")
    assert code == 0, output
    rows = list(csv.DictReader((featured.folder / "reports/tune/leaderboard.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["finished"] * 2
