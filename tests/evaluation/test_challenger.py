"""Champion against challenger: which images decide, and the numbers, against formulas of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.config import EvaluateConfig
from ssgan.errors import DataError
from ssgan.evaluation.challenger import Predictions, compare_pairs, pair

CONFIG = EvaluateConfig()
NAMES = ["ant", "bee", "cat"]


def answers(
    rows: dict[str, tuple[str, str]], classes: list[str] | None = None, sure: float = 0.8, nll: float = 0.5
) -> Predictions:
    """From id -> (label, answer)."""
    known = classes or NAMES
    n = len(rows)
    table = pa.table(
        {
            "id": list(rows),
            "path": [f"{one}.png" for one in rows],
            "label": pa.array([known.index(label) for label, _ in rows.values()], pa.int32()),
            "main_pred": pa.array([known.index(said) for _, said in rows.values()], pa.int32()),
            "main_prob": pa.array(np.full(n, sure)),
            "main_nll": pa.array(np.full(n, nll)),
        }
    )
    return Predictions.of(table, known, "predictions.parquet")


def judged(champion: Predictions, challenger: Predictions) -> dict[str, Any]:
    return compare_pairs(pair(champion, challenger), CONFIG)


Table = dict[str, tuple[str, str]]  # from id -> (label, answer)
tables = st.dictionaries(
    st.sampled_from([f"i{k}" for k in range(30)]), st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1
)


@settings(deadline=None, max_examples=60)
@given(first=tables, second=tables, data=st.data())
def test_the_images_that_both_judged_decide_whatever_the_order(first: Table, second: Table, data: st.DataObject) -> None:
    shared = sorted(first.keys() & second.keys())
    if not shared:
        with pytest.raises(DataError, match="none of them the same"):
            pair(answers(first), answers(second))
        return
    numbers = judged(answers(first), answers(second))
    labels = {one: second[one][0] for one in shared}  # today's
    assert numbers["images"] == {
        "shared": len(shared),
        "only_champion": len(first) - len(shared),
        "only_challenger": len(second) - len(shared),
        "relabeled": sum(first[one][0] != labels[one] for one in shared),
    }
    for role, table in (("champion", first), ("challenger", second)):
        assert numbers[role]["errors"] == sum(table[one][1] != labels[one] for one in shared)
    for row in numbers["per_class"]:
        of_it = [one for one in shared if labels[one] == row["class"]]
        recall = [sum(table[one][1] == row["class"] for one in of_it) / len(of_it) for table in (first, second)]
        assert [row["champion"], row["challenger"]] == pytest.approx(recall, abs=1e-6)
        assert row["difference"] == pytest.approx(recall[1] - recall[0], abs=2e-6)
        assert row["low"] <= row["difference"] + 1e-6
        assert row["high"] >= row["difference"] - 1e-6
    assert sum(row["images"] for row in numbers["per_class"]) == len(shared)
    other_order = data.draw(st.permutations(list(first)))
    assert judged(answers({one: first[one] for one in other_order}), answers(second)) == numbers


@settings(deadline=None, max_examples=30)
@given(labels=st.lists(st.sampled_from(NAMES), min_size=1, max_size=30), data=st.data())
def test_changing_sides_changes_every_sign(labels: list[str], data: st.DataObject) -> None:
    said = [data.draw(st.lists(st.sampled_from(NAMES), min_size=len(labels), max_size=len(labels))) for _ in range(2)]
    one, other = (answers({f"i{k}": pair_ for k, pair_ in enumerate(zip(labels, words, strict=True))}) for words in said)
    there, back = judged(one, other), judged(other, one)
    assert there["gain"]["error_rate"] == -back["gain"]["error_rate"]
    assert there["gain"]["only_challenger_right"] == back["gain"]["only_champion_right"]
    assert there["gain"]["mcnemar_p"] == back["gain"]["mcnemar_p"]
    assert [row["lost"] for row in there["per_class"]] == [row["won"] for row in back["per_class"]]
    there_pairs, back_pairs = pair(one, other), pair(other, one)
    assert set(there_pairs.worse) == set(back_pairs.better)
    assert set(there_pairs.suspects) == set(back_pairs.suspects)


def test_a_changed_label_counts_as_it_is_today_and_is_named() -> None:
    numbers = judged(answers({"x": ("ant", "ant"), "y": ("bee", "bee")}), answers({"x": ("cat", "cat"), "y": ("bee", "bee")}))
    assert numbers["relabeled"] == [{"id": "x", "path": "x.png", "was": "ant", "is": "cat"}]
    assert numbers["champion"]["errors"] == 1
    assert numbers["challenger"]["errors"] == 0


def test_the_likelihood_is_that_of_labels_that_stayed() -> None:
    old = replace(answers({"x": ("ant", "ant"), "y": ("bee", "bee")}), nll=np.array([9.0, 0.25]))
    new = replace(answers({"x": ("cat", "cat"), "y": ("bee", "bee")}), nll=np.array([7.0, 0.75]))
    numbers = judged(old, new)
    assert (numbers["champion"]["nll"], numbers["challenger"]["nll"]) == (0.25, 0.75)
    only = judged(answers({"x": ("ant", "ant")}), answers({"x": ("cat", "cat")}))
    assert only["champion"]["nll"] is None


def test_classes_are_matched_by_name() -> None:
    """The same name at another position is the same class; lists may grow, and what is gone is named."""
    old = answers({"x": ("bee", "bee"), "y": ("ant", "bee")}, ["ant", "bee"])
    new = answers({"x": ("bee", "bee"), "y": ("dog", "dog")}, ["bee", "dog"])
    numbers = judged(old, new)
    assert numbers["classes"] == {"lost": ["ant"], "new": ["dog"]}
    assert [row["class"] for row in numbers["per_class"]] == ["bee", "dog"]
    assert numbers["gain"]["only_challenger_right"] == 1


def test_flipped_images_come_with_the_surest_mistake_first() -> None:
    labels = dict.fromkeys("abcd", ("ant", "ant"))
    new = replace(
        answers({one: ("ant", "bee" if one in "bcd" else "ant") for one in "abcd"}), probability=np.array([0.9, 0.5, 0.99, 0.7])
    )
    pairs = pair(answers(labels), new)
    assert list(pairs.challenger.ids[pairs.worse]) == ["c", "d", "b"]
    assert list(pairs.better) == []


def test_a_label_is_suspect_where_both_are_sure_of_the_same_other_class() -> None:
    rows = {"a": ("ant", "bee"), "b": ("ant", "bee"), "c": ("ant", "ant"), "d": ("ant", "cat")}
    old = replace(answers(rows), probability=np.array([0.95, 0.5, 0.95, 0.95]))
    new = replace(answers({**rows, "d": ("ant", "bee")}), probability=np.array([0.93, 0.95, 0.95, 0.95]))
    pairs = pair(old, new)
    assert list(pairs.challenger.ids[pairs.suspects]) == ["a"]


def test_a_table_of_an_older_version_or_with_an_image_twice_is_refused() -> None:
    table = pa.table({"id": ["a"], "path": ["a"], "label": [0], "main_pred": [0], "main_prob": [0.5]})
    with pytest.raises(DataError, match="no column main_nll; run `dvc repro evaluate`"):
        Predictions.of(table, NAMES, "p")
    twice = pa.concat_tables([table.append_column("main_nll", [[0.5]])] * 2)
    with pytest.raises(DataError, match="1 image twice"):
        Predictions.of(twice, NAMES, "p")
