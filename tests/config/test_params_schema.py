"""The schema that editors check params.yaml with says what reading the file says."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ssgan import templates
from ssgan.cli.app import run
from ssgan.cli.init import SCHEMA
from ssgan.config import Config, parse
from ssgan.errors import ConfigError
from ssgan.project import checks
from ssgan.project.params_schema import schema, text
from tests.support.choices import CHOICES
from tests.support.closure import ROOT

CHECK = jsonschema.Draft202012Validator(schema())
TEMPLATE = yaml.safe_load(templates.fill("parameters.yaml", CHOICES))
OURS = yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.mark.parametrize("name", templates.recipe_names())
def test_every_recipe_is_accepted(name: str) -> None:
    filled = templates.laid_over(templates.fill("parameters.yaml", CHOICES), templates.recipe(name))
    assert list(CHECK.iter_errors(yaml.safe_load(filled))) == []


@pytest.mark.parametrize("parameters", [TEMPLATE, OURS, {}], ids=["new", "ours", "none"])
def test_the_files_that_are_there_are_accepted(parameters: dict[str, Any]) -> None:
    assert list(CHECK.iter_errors(parameters)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trian", {}),
        ("train.stepps", 5),
        ("train.steps", 0),
        ("train.steps", "ten"),
        ("train.loggers", ["wandb"]),
        ("data.image_size", 33),
        ("data.source", {"kind": "s3", "url": "http://bucket"}),
        ("data.source", {"kind": "folder", "paht": "images"}),
        ("method.name", "fixmach"),
        ("net.family", "layers"),
        ("evaluate.max_risk", 2.0),
        ("tune.space", {"net.noise": {"unifrom": [0.0, 1.0]}}),
    ],
)
def test_what_reading_refuses_is_marked(key: str, value: Any) -> None:
    wrong = copy.deepcopy(TEMPLATE)
    section, _, name = key.partition(".")
    if name:
        wrong[section][name] = value
    else:
        wrong[section] = value
    assert list(CHECK.iter_errors(wrong))
    if key not in ("method.name", "net.family"):  # looked up later, when files of methods and networks are loaded
        with pytest.raises(ConfigError):
            parse(Config, wrong, "params.yaml")


def test_every_key_is_explained_to_the_person_who_points_at_it() -> None:
    definitions = schema()["$defs"]
    found = {field["$ref"].rsplit("/", 1)[1] for field in schema()["properties"].values()}
    keys = {f"{name}.{key}": value for name in found for key, value in definitions[name]["properties"].items()}
    missing = [key for key, value in keys.items() if not value.get("description")]
    assert missing == []


def test_editors_find_it_in_a_new_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert run(["init", str(tmp_path / "p")]) == 0
    first = (tmp_path / "p/params.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMA}"
    assert (tmp_path / "p" / SCHEMA).read_text() == text()
    CHECK.check_schema(json.loads(text()))


def test_after_an_upgrade_doctor_says_so_and_init_writes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    params, path = tmp_path / "params.yaml", tmp_path / SCHEMA
    assert run(["init", "--refresh"]) == 2, "this is no project"
    params.write_text(templates.fill("parameters.yaml", CHOICES))
    before = params.read_text()
    for old in (None, text().replace("steps", "turns")):
        if old:
            path.write_text(old)
        found = checks.schema(params)
        assert (found.level, found.remedy) == ("note", "run `ssgan init --refresh`")
        assert run(["init", "--refresh"]) == 0
        assert path.read_text() == text()
        assert checks.schema(params).level == "ok"
    assert sorted(file.name for file in tmp_path.iterdir()) == [SCHEMA, "params.yaml"]
    assert params.read_text() == before
    capsys.readouterr()
    params.write_text("train: {}\n")
    assert checks.schema(params).found == "params.yaml names none"
