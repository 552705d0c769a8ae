"""``ssgan init --recipe``: parameters for known data, in a file that still explains itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan import methods, nets
from ssgan.cli.app import run
from ssgan.config import Problem, load
from ssgan.errors import ConfigError
from ssgan.methods import resolve_config
from ssgan.templates import fill, laid_over, recipe, recipe_names
from tests.support.choices import CHOICES


@pytest.fixture(autouse=True)
def _quiet_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_makes_a_project_whose_networks_fit_its_images(name: str, tmp_path: Path) -> None:
    assert run(["init", str(tmp_path / "p"), "--mode", "benchmark", "--recipe", name]) == 0
    config = load(tmp_path / "p/params.yaml")
    for section, values in recipe(name).items():
        found = getattr(config, section).model_dump()
        assert {key: found[key] for key in values} == values
    resolve_config(config.method.name, config.method.options)
    assert config.method.name in methods.names()
    from ssgan.config import FeatureSpec, ImageSpec

    image = ImageSpec(config.data.channels, config.data.image_size, "fit")
    problem = Problem(FeatureSpec(config.features.dimensions) if config.features.backbone else image, 2, config.net)
    nets.family(config.net.family).classifier(problem, 2)
    nets.family(config.net.family).generator(problem)


def test_the_command_line_wins_over_the_recipe(tmp_path: Path) -> None:
    assert run(["init", str(tmp_path / "p"), "--recipe", "cats_dogs", "--image-size", "32"]) == 0
    data = load(tmp_path / "p/params.yaml").data
    assert (data.image_size, data.channels, data.resize) == (32, 3, "crop")


def test_comments_and_all_other_lines_stay() -> None:
    before = fill("parameters.yaml", CHOICES)
    after = laid_over(before, {"train": {"steps": 7}, "net": {"width": 0.5}})
    changed = [(a, b) for a, b in zip(before.split("\n"), after.split("\n"), strict=True) if a != b]
    assert [b for _, b in changed] == [
        "  width: 0.5 # factor on the number of hidden units or channels",
        "  steps: 7 # steps; one step is one update of every network",
    ]


def test_wrong_names_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "p"), "--recipe", "cat_dogs"]) == 2
    assert (
        "'cat_dogs', which does not exist; choose one of cats_dogs, cats_dogs_features, cifar10, mnist, svhn"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "p").exists()
    with pytest.raises(ConfigError, match=r"net\.with"):
        laid_over("net:\n  width: 1.0\n", {"net": {"with": 2}})
