"""What holds for all images, labels, orders and seeds."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.data import classes, holdout, schema
from ssgan.errors import DataError
from tests.support.split_project import Image, Project, images_of

SIDES = {"labeled": 0, "unlabeled": 0, "val": 1, "test": 2}


def new_project(factory: pytest.TempPathFactory, **config: object) -> Project:
    return Project(factory.mktemp("split"), dict(config))


batches = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from(["cat", "dog", None]), st.integers(0, 3)), min_size=1, max_size=30
)


def images_from(batch: list[tuple[int, str | None, int]], offset: int) -> list[Image]:
    """Images around 25 centers: equal pixels, near-duplicates and strangers; class None: without a label."""
    return [Image(f"batch-{offset + i}", c, seed=seed, brighter=b) for i, (seed, c, b) in enumerate(batch)]


BASE = images_of({"cat": 30, "dog": 30, None: 20})


@given(first=batches, second=batches, relabel=st.integers(0, 10), shards=st.integers(1, 3), rnd=st.randoms())
@settings(max_examples=25, deadline=None)
def test_nothing_leaves_test_or_val_when_data_is_added(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[int, str | None, int]],
    second: list[tuple[int, str | None, int]],
    relabel: int,
    shards: int,
    rnd: object,
) -> None:
    project = new_project(tmp_path_factory, mode="team")
    before = BASE + images_from(first, 0)
    project.images(before, shards).split()
    old = {name: project.ids(name) for name in schema.SETS}
    labels = {i.path: str(i.folder_class) for i in before if i.folder_class}
    more = images_from(second, 100)
    labels |= {i.path: str(i.folder_class) for i in more if i.folder_class}
    labels |= {i.path: "cat" for i in BASE[60 : 60 + relabel]}  # labels of images that had none
    everything = before + more
    rnd.shuffle(everything)  # type: ignore[attr-defined]
    project.images(everything, shards).label(labels).split()
    new = {name: project.ids(name) for name in schema.SETS}
    assert old["test"] <= new["test"]
    assert old["val"] <= new["val"] | new["test"]
    by_id = {i.id: i for i in everything}
    where = {image: SIDES[name] for name in schema.SETS for image in new[name]}
    for a in where:
        for b in where:
            if by_id[a].seed is not None and by_id[a].seed == by_id[b].seed:  # near-duplicates
                assert where[a] == where[b]


@given(first=batches, second=batches, gone=st.sets(st.integers(0, 79), max_size=20), shards=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_adding_and_removing_at_once_moves_nothing_back(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[tuple[int, str | None, int]],
    second: list[tuple[int, str | None, int]],
    gone: set[int],
    shards: int,
) -> None:
    """An image that was in test only because of a near-duplicate may go where it belongs once that one is removed; no other."""
    project = new_project(tmp_path_factory, mode="team")
    before = BASE + images_from(first, 0)
    project.images(before, shards).split()
    old = {name: project.ids(name) for name in schema.SETS}
    removed = [image for number, image in enumerate(before) if number in gone or number - 80 in gone]
    seeds = {image.seed for image in removed}
    left = [image for image in before if image not in removed] + images_from(second, 100)
    project.images(left, 4 - shards).split()
    new = {name: project.ids(name) for name in schema.SETS}
    held = {image.id for image in left if image.seed is None or image.seed not in seeds}
    assert old["test"] & held <= new["test"]
    assert old["val"] & held <= new["val"] | new["test"]
    by_id = {image.id: image for image in left}
    where = {image: SIDES[name] for name in schema.SETS for image in new[name]}
    sides: dict[int | None, set[int]] = {}
    for image, side in where.items():
        sides.setdefault(by_id[image].seed, set()).add(side)
    assert all(len(found) == 1 for seed, found in sides.items() if seed is not None)


@given(rnd=st.randoms(use_true_random=False), shards=st.integers(1, 4), mode=st.sampled_from(["benchmark", "team"]))
@settings(max_examples=10, deadline=None)
def test_order_of_rows_and_shards_is_irrelevant(
    tmp_path_factory: pytest.TempPathFactory, rnd: object, shards: int, mode: str
) -> None:
    images = BASE if mode == "team" else BASE[:60]
    project = new_project(tmp_path_factory, mode=mode, num_labels=7)
    project.images(images).split()
    before, texts = project.seen(), {name: text for name, text in project.bytes().items() if name.endswith(".json")}
    shuffled = list(images)
    rnd.shuffle(shuffled)  # type: ignore[attr-defined]
    project.images(shuffled, shards).split()
    assert project.seen() == before  # what a run sees, in its order: rows of the store are other ones
    assert {name: text for name, text in project.bytes().items() if name.endswith(".json")} == texts


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """120 images of three classes, all labeled."""
    project = Project(tmp_path, {"mode": "benchmark", "num_labels": 12})
    return project.images(images_of({"cat": 40, "dog": 40, "eel": 40}))


def test_same_bytes_twice_also_when_the_registry_is_there(project: Project) -> None:
    first = project.split()
    before = project.bytes()
    classes.save(project.root / "classes.json", first.registry)
    second = project.split()
    assert project.bytes() == before
    assert (first.new_classes, second.new_classes) == (["cat", "dog", "eel"], [])


@given(small=st.integers(3, 30), large=st.integers(3, 30), seed=st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_label_draws_are_nested_and_balanced(
    tmp_path_factory: pytest.TempPathFactory, small: int, large: int, seed: int
) -> None:
    project = new_project(tmp_path_factory, split_seed=seed).images(images_of({"cat": 30, "dog": 30, "eel": 30}))
    small, large = sorted((small, large))
    counts = project.split(num_labels=small).sets["labeled"].classes or {}
    assert sum(counts.values()) == small
    assert max(counts.values()) - min(counts.values()) <= 1
    few = project.ids("labeled")
    project.split(num_labels=large)
    assert few <= project.ids("labeled")


def test_seed_changes_the_labels_and_nothing_else(project: Project) -> None:
    summaries = [project.split(split_seed=seed, num_labels=13) for seed in range(6)]
    assert len({s.sets["labeled"].ids_sha256 for s in summaries}) == 6
    assert len({tuple((s.sets["labeled"].classes or {}).items()) for s in summaries}) > 1  # who gets the 13th label
    for name in ("unlabeled", "val", "test"):
        assert len({s.sets[name].ids_sha256 for s in summaries}) == 1


def test_other_test_fraction_moves_nothing_between_train_and_val(project: Project) -> None:
    project.split(test_fraction=0.1)
    val = project.ids("val")
    project.split(test_fraction=0.4)
    assert project.ids("val") == val


ADDED = st.tuples(st.integers(5, 60), st.sampled_from(["cat", "dog", None]), st.just("images"))
LABELED = st.tuples(st.floats(0, 1), st.integers(0, 5), st.just("labels"))
TARGETS = st.tuples(st.sampled_from([None, 1, 5, 12, 40]), st.sampled_from([None, 1, 5, 12, 40]), st.just("targets"))


@given(steps=st.lists(ADDED | LABELED | TARGETS, min_size=1, max_size=9))
@settings(max_examples=60, deadline=None)
def test_whatever_the_order_of_images_labels_and_targets_nothing_trained_on_is_tested_and_nothing_leaves_test(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, Any, str]]
) -> None:
    project = new_project(tmp_path_factory, mode="team", near_duplicate_bits=0, test_fraction=0.4, val_fraction=0.3)
    images = list(BASE)
    labels = {image.path: str(image.folder_class) for image in images if image.folder_class}
    trained: set[str] = set()
    tested: set[str] = set()
    validated: set[str] = set()
    for number, (first, second, what) in enumerate([(0, "", ""), *steps]):
        if what == "images":
            more = [Image(f"step-{number}-{i}", second) for i in range(first)]
            images += more
            labels |= {image.path: second for image in more if second}
        elif what == "labels":  # of images that are there, by chance
            rest = [image.path for image in images if image.path not in labels]
            labels |= {path: "cat" for path in rest[:-3] if Random(f"{second}{path}").random() < first}
        elif what == "targets":
            project.config |= {"val_target": first, "test_target": second}
        try:
            summary = project.images(images).label(labels).split()
        except DataError as error:
            assert "set is empty" in str(error)  # noqa: PT017 - a target of one image may have no label
            continue
        classes.save(project.root / "classes.json", summary.registry)
        holdout.save(project.root / holdout.FILE, summary.holdout)
        sets = {name: project.ids(name) for name in schema.SETS}
        assert not trained & (sets["test"] | sets["val"])
        assert tested <= sets["test"]
        assert validated <= sets["val"]
        tested, validated = sets["test"], sets["val"]
        trained |= sets["labeled"] | sets["unlabeled"]


def test_a_target_holds_back_what_is_needed_and_no_share_of_everything(project: Project) -> None:
    images = images_of({None: 3000})
    labels = {image.path: ("cat", "dog")[i % 2] for i, image in enumerate(images[:600])}
    config: dict[str, Any] = {"mode": "team", "near_duplicate_bits": 0, "val_target": 20, "test_target": 50}
    summary = project.images(images).label(labels).split(**config)
    held = {name: summary.reserved[name] + summary.sets[name].images for name in ("val", "test")}
    assert held == {"val": 20, "test": 50}
    whole = project.split(**config | {"val_target": None, "test_target": None})
    assert sum(whole.reserved.values()) > 600
