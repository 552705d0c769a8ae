"""Bad parameters: one error that names the key, the value and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssgan import methods
from ssgan.config import Config, load, parse
from ssgan.errors import ConfigError


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"train": {"stpes": 3}}, r"`train\.stpes` is not a parameter; did you mean `steps`"),
        ({"trian": {}}, r"`trian` is not a parameter; did you mean `train`"),
        ({"train": {"steps": "3e4"}}, r"`train\.steps` is the text '3e4'; write the number without quotes: 3e4"),
        ({"train": {"steps": 3e4}}, r"`train\.steps` is 30000\.0 .*integer: write 30000"),
        ({"train": {"steps": 0}}, r"`train\.steps` is 0; write a value that is greater than 0"),
        ({"train": {"steps": 2.5}}, r"`train\.steps` is 2\.5"),
        ({"train": {"twin": "yes"}}, r"`train\.twin` is 'yes'"),
        ({"train": {"backend": "spark"}}, r"`train\.backend` is 'spark'.*'ray' or 'inline'"),
        ({"data": {"source": {"kind": "folder", "pth": "x"}}}, r"`data\.source\.path` is required.*did you mean `path`"),
        ({"data": {"source": {"kind": "foldr"}}}, r"`data\.source`.*'folder'"),
        ({"data": {"source": {"kind": "s3", "url": "http://x"}}}, r"`data\.source\.url` is 'http://x'"),
        ({"data": {"image_size": 30}}, r"`data\.image_size` is 30.*multiple of 4"),
        ({"split": {"val_fraction": 0.5, "test_fraction": 0.5}}, r"`split`: val_fraction \+ test_fraction is 1"),
    ],
)
def test_says_what_is_wrong(raw: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse(Config, raw, "params.yaml")


def test_names_all_mistakes_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(Config, {"train": {"steps": 0, "seed": -1}}, "params.yaml")
    assert "train.steps" in str(caught.value)
    assert "train.seed" in str(caught.value)


def test_missing_file_and_bad_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not exist; run `ssgan init`"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("train: [")
    with pytest.raises(ConfigError, match="not valid YAML"):
        load(tmp_path / "params.yaml")


def test_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    assert load(tmp_path / "params.yaml") == Config()


def test_unknown_method_lists_the_methods() -> None:
    with pytest.raises(ConfigError, match=r"`method\.name` is 'fature_matching'.*feature_matching"):
        methods.module("fature_matching")


def test_unknown_option_names_the_method() -> None:
    with pytest.raises(ConfigError, match=r"of method 'supervised'.*`learnin_rate`.*did you mean `learning_rate`"):
        methods.resolve_config("supervised", {"learnin_rate": 0.1})


def test_the_file_is_read_as_dvc_writes_it(tmp_path: Path) -> None:
    """``dvc exp run -S train.x=0.00001`` writes 1e-05, and nothing for null."""
    path = tmp_path / "params.yaml"
    path.write_text("method: {options: {learning_rate: 1e-05}}\ntrain: {val_every: 50, seed: 010}\nsplit:\n  labels:\n")
    config = load(path)
    assert config.method.options == {"learning_rate": 1e-5}
    assert (config.train.val_every, config.train.seed, config.split.labels) == (50, 10, None)
    path.write_text("split: {labels: no}\n")
    assert load(path).split.labels == "no"
