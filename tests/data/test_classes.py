"""Class ids are permanent."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssgan.data import classes
from ssgan.data.classes import ClassRegistry
from ssgan.errors import DataError
from ssgan.names import class_name

names = st.lists(st.text(min_size=1, max_size=8).map(class_name).filter(bool), max_size=8)


@given(names, names)
def test_ids_never_change_and_new_classes_come_sorted_behind(first: list[str], second: list[str]) -> None:
    before = classes.extend([], first)
    after = classes.extend(before, second)
    assert before == sorted(set(first))
    assert after[: len(before)] == before
    assert after[len(before) :] == sorted(set(second) - set(first))


@given(names=names)
def test_text_comes_back(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("classes") / "classes.json"
    known = classes.extend([], names)
    classes.save(path, ClassRegistry(known))
    assert classes.load(path) == ClassRegistry(known)


def test_no_file_is_no_class(tmp_path: Path) -> None:
    assert classes.load(None) == classes.load(tmp_path / "classes.json") == ClassRegistry()


def test_saving_refuses_to_move_an_id_and_keeps_the_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    classes.save(path, ClassRegistry(["cat", "dog"]))
    for changed in (["dog", "cat"], ["cat"], ["ant", "cat", "dog"]):
        with pytest.raises(DataError, match="append-only"):
            classes.save(path, ClassRegistry(changed))
    classes.save(path, ClassRegistry(["cat", "dog", "ant"]))
    assert classes.load(path).names == ["cat", "dog", "ant"]
    assert [f.name for f in tmp_path.iterdir()] == ["classes.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "no list `classes`"),
        ('{"version": 1, "classes": ["cat", 3]}', "no list `classes`"),
        ('{"version": 2, "classes": ["cat"]}', "`version` 2"),
        ('{"version": 1, "classes": ["cat", "cat"]}', "'cat'.* twice"),
    ],
)
def test_a_broken_registry_is_never_replaced_by_a_new_one(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "classes.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        classes.load(path)
    with pytest.raises(DataError):
        classes.save(path, ClassRegistry(["cat"]))
    assert path.read_text() == text


def test_format_on_disk(tmp_path: Path) -> None:
    classes.save(tmp_path / "classes.json", ClassRegistry(["käse"]))
    assert json.loads((tmp_path / "classes.json").read_text(encoding="utf-8")) == {"version": 1, "classes": ["käse"]}


def test_similar_spellings() -> None:
    assert classes.similar(["Golden Retriever", "cat", "golden-retriever", "cats", "+", "-"]) == [
        ["Golden Retriever", "golden-retriever"]
    ]


@pytest.mark.parametrize(
    "pair", [("1.0", "10"), ("-5", "5"), ("C++", "C"), ("C#", "C"), ("A-", "A"), ("1-2", "12"), ("2 1", "21")]
)
def test_punctuation_counts_where_it_is_all_there_is(pair: tuple[str, str]) -> None:
    assert classes.similar(pair) == []


@pytest.mark.parametrize(
    "pair",
    [("St. Bernard", "st bernard"), ("class 1", "Class-1"), ("cat.", "cat"), ("Bär", "bär"), ("1.0", "1")],
)
def test_spellings_of_one_name(pair: tuple[str, str]) -> None:
    assert classes.similar(pair) == [list(pair)]


COMPOSED, DECOMPOSED = "L\u00f6we", "Lo\u0308we"


@pytest.mark.parametrize("on_disk", [[DECOMPOSED, "cat"], [COMPOSED, "cat"]])
def test_an_old_registry_keeps_its_ids_when_names_are_compared_in_one_form(tmp_path: Path, on_disk: list[str]) -> None:
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"version": 1, "classes": on_disk, "former_names": {on_disk[0]: ["a", DECOMPOSED + "2"]}}))
    assert classes.load(path) == ClassRegistry([COMPOSED, "cat"], {COMPOSED: ["a", COMPOSED + "2"]})
    classes.save(path, classes.load(path))
    assert classes.load(path).names == [COMPOSED, "cat"]


def test_two_ids_for_one_name_in_two_forms_both_stay(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    path.write_text(json.dumps({"version": 1, "classes": [DECOMPOSED, COMPOSED]}))
    assert classes.load(path).names == [DECOMPOSED, COMPOSED]
