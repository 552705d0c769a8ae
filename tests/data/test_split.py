"""What a split promises: frozen test, no leak, honest budget, same bytes."""

import itertools
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.config import SplitConfig
from ssgan.data import classes, schema, split_files
from ssgan.errors import ConfigError, DataError
from tests.data.split_project import Copy, Image, Project, images_of

SIDES = {"labeled": 0, "unlabeled": 0, "val": 1, "test": 2}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """120 images of three classes, all labeled."""
    project = Project(tmp_path, {"mode": "benchmark", "num_labels": 12})
    return project.images(images_of({"cat": 40, "dog": 40, "eel": 40}))


def new_project(factory: pytest.TempPathFactory, **config: object) -> Project:
    return Project(factory.mktemp("split"), dict(config))


# --- sets ------------------------------------------------------------------------------------------------------------


def test_benchmark_sets(project: Project) -> None:
    summary = project.split()
    ids = {name: project.ids(name) for name in schema.SETS}
    assert ids["labeled"] < ids["unlabeled"]
    assert not ids["unlabeled"] & ids["val"]
    assert not ids["unlabeled"] & ids["test"]
    assert not ids["val"] & ids["test"]
    assert len(ids["unlabeled"] | ids["val"] | ids["test"]) == 120
    assert summary.sets["labeled"].classes == {"cat": 4, "dog": 4, "eel": 4}
    assert summary.labeled_in_unlabeled == 12
    assert 5 <= len(ids["val"]) <= 20
    assert 12 <= len(ids["test"]) <= 36
    stored = json.loads((project.out / "split.json").read_text())
    assert stored["sets"]["labeled"]["ids_sha256"] == split_files.ids_sha256(ids["labeled"])
    assert "Salimans" in stored["unlabeled_rule"]
    assert stored["config"]["num_labels"] == 12


def test_files_follow_the_schemas(project: Project) -> None:
    project.split()
    names = ["cat", "dog", "eel"]
    spec = schema.spec_of(schema.read_metadata(project.table("test").schema, "test"))
    for name in ("labeled", "val", "test"):
        assert project.table(name).schema.equals(schema.labeled_schema(spec, names), check_metadata=True)
    assert project.table("unlabeled").schema.equals(schema.unlabeled_schema(spec, names), check_metadata=True)
    assert project.table("unlabeled").column_names == ["id", "pixels"]  # neither label nor path
    assert classes.load(project.out / "classes.json") == names
    assert sorted(f.name for f in project.out.iterdir()) == [
        "classes.json",
        "labeled",
        "split.json",
        "test",
        "unlabeled",
        "val",
    ]


def test_every_row_keeps_its_own_pixels_and_label(project: Project) -> None:
    images = {i.id: i for i in images_of({"cat": 40, "dog": 40, "eel": 40})}
    project.split()
    for name in schema.SETS:
        for row in project.table(name).to_pylist():
            image = images[row["id"]]
            assert row["pixels"] == image.pixels.tobytes()
            if name != "unlabeled":
                assert (row["path"], ["cat", "dog", "eel"][row["label"]]) == (image.path, image.folder_class)


def test_position_tells_nothing_about_the_class(project: Project) -> None:
    project.split()
    images = {i.id: i.folder_class for i in images_of({"cat": 40, "dog": 40, "eel": 40})}
    names = [images[i] for i in project.table("unlabeled")["id"].to_pylist()]
    changes = sum(a != b for a, b in itertools.pairwise(names))
    assert changes > len(names) / 2  # 2/3 by chance; 2 in all if sorted by class


def test_team_sets_and_reserved_images(project: Project) -> None:
    images = images_of({"cat": 40, "dog": 40, "eel": 40})
    labels = {i.path: str(i.folder_class) for i in images if int(i.name.split("-")[1]) < 25}
    summary = project.label(labels).split(mode="team")
    ids = {name: project.ids(name) for name in schema.SETS}
    assert sum(map(len, ids.values())) == len(set().union(*ids.values())) == 120 - sum(summary.reserved.values())
    assert ids["labeled"] | ids["val"] | ids["test"] == {i.id for i in images if i.path in labels}
    assert summary.reserved["test"] > 0
    assert summary.reserved["val"] > 0
    train_only = ids["labeled"] | ids["unlabeled"]
    still_open = next(i.path for i in images if i.id in ids["unlabeled"])  # a split needs one unlabeled image
    project.label({i.path: str(i.folder_class) for i in images if i.path != still_open}).split(mode="team")
    assert ids["test"] < project.ids("test")
    assert ids["val"] < project.ids("val")
    assert not train_only & (project.ids("test") | project.ids("val"))  # nothing trained first and is tested now


# --- properties ------------------------------------------------------------------------------------------------------

batches = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from(["cat", "dog", None]), st.integers(0, 3)), min_size=1, max_size=30
)


def images_from(batch: list[tuple[int, str | None, int]], offset: int) -> list[Image]:
    """Images around 25 centers: equal pixels, near-duplicates and strangers; class None: without a label."""
    return [Image(f"batch-{offset + i}", c, seed=seed, brighter=b) for i, (seed, c, b) in enumerate(batch)]


BASE = images_of({"cat": 30, "dog": 30, None: 20})


@given(first=batches, second=batches, relabel=st.integers(0, 19), shards=st.integers(1, 3), rnd=st.randoms())
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


@given(rnd=st.randoms(use_true_random=False), shards=st.integers(1, 4), mode=st.sampled_from(["benchmark", "team"]))
@settings(max_examples=10, deadline=None)
def test_order_of_rows_and_shards_is_irrelevant(
    tmp_path_factory: pytest.TempPathFactory, rnd: object, shards: int, mode: str
) -> None:
    images = BASE if mode == "team" else BASE[:60]
    project = new_project(tmp_path_factory, mode=mode, num_labels=7)
    project.images(images).split()
    bytes_before = project.bytes()
    shuffled = list(images)
    rnd.shuffle(shuffled)  # type: ignore[attr-defined]
    project.images(shuffled, shards).split()
    assert project.bytes() == bytes_before


def test_same_bytes_twice_also_when_the_registry_is_there(project: Project) -> None:
    first = project.split()
    before = project.bytes()
    classes.save(project.root / "classes.json", first.classes)
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


# --- official test sets ----------------------------------------------------------------------------------------------


def official(project: Project, *more: Image) -> list[Image]:
    train = images_of({"cat": 40, "dog": 40}, official_split="train")
    test = images_of({"cat": 10, "dog": 10}, start=100, official_split="test")
    project.images([*train, *test, *more])
    return test


def test_official_test_set_is_kept_as_it_is(project: Project) -> None:
    test = official(project)
    summary = project.split(val_fraction=0.2)
    assert project.ids("test") == {i.id for i in test}
    assert summary.official_test
    assert 4 <= summary.sets["val"].images <= 30
    assert summary.leak_removed == summary.official_overlap == 0


def test_near_duplicates_of_official_test_leave_training_but_do_not_join_test(project: Project) -> None:
    twins = [Image(f"twin-{i}", "cat", side, seed=7, brighter=i) for i, side in enumerate(["test", "train", "train"])]
    test = official(project, *twins)
    summary = project.split()
    assert project.ids("test") == {i.id for i in test} | {twins[0].id}
    assert summary.leak_removed == 2
    assert summary.moved == {"to_val": 0, "to_test": 0}
    assert not {t.id for t in twins[1:]} & (project.ids("unlabeled") | project.ids("val"))


def test_near_duplicates_within_official_test_stay(project: Project) -> None:
    twins = [Image(f"twin-{i}", "cat", "test", seed=7, brighter=i) for i in range(3)]
    official(project, *twins)
    assert project.split().leak_removed == 0
    assert {t.id for t in twins} <= project.ids("test")


def test_file_in_official_train_and_test_counts_as_test(project: Project) -> None:
    image = Image("both", "cat", "train")
    test = official(project, image)
    project.copies([Copy(image, "test/cat/both.png", "cat", "test")])
    summary = project.split()
    assert project.ids("test") == {i.id for i in test} | {image.id}
    assert summary.official_overlap == 1
    assert image.id not in project.ids("unlabeled")


def test_planted_near_duplicates_follow_the_strictest_side(project: Project) -> None:
    twins = [Image(f"cat-twin-{i}", "cat", seed=7, brighter=i % 4) for i in range(30)]
    other = Image("dog-twin", "dog", seed=7)
    project.images([*images_of({"cat": 40, "dog": 40}), *twins, other])
    summary = project.split(mode="benchmark", num_labels=4)
    assert {t.id for t in twins} | {other.id} <= project.ids("test")
    assert summary.near_duplicates["groups"] == 1
    assert summary.near_duplicates["images_in_groups"] == summary.near_duplicates["largest_group"] == 31
    assert summary.near_duplicates["conflicting_pairs"] > 0
    assert summary.moved["to_test"] >= 15


# --- errors ----------------------------------------------------------------------------------------------------------


def test_budget_below_the_number_of_classes(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"split.num_labels is 2.*3 classes"):
        project.split(num_labels=2)


def test_class_with_too_few_images_is_named(project: Project) -> None:
    project.images(images_of({"cat": 40, "dog": 40, "eel": 3}))
    with pytest.raises(DataError, match=r"class 'eel' has \d training images.*num_labels: 60"):
        project.split(num_labels=60)


def test_benchmark_needs_every_label_even_if_conflicts_are_dropped(project: Project) -> None:
    project.images(images_of({"cat": 40, "dog": 40, None: 7}))
    for policy in ("error", "drop"):
        with pytest.raises(DataError, match=r"7 images have no label: flat/None-.* and 2 more.*split.mode: team"):
            project.split(on_conflict=policy)


@pytest.mark.parametrize(
    ("classes", "config", "message"),
    [
        ({None: 30}, {"mode": "team"}, "no image has a label.*`split.labels`"),
        ({"cat": 30, "dog": 30}, {"mode": "team"}, "unlabeled set is empty.*benchmark"),
        ({"cat": 30}, {"test_fraction": 0.0001, "num_labels": 1}, "test set is empty.*test_fraction"),
        (
            {"cat": 1, None: 30},
            {"mode": "team", "test_fraction": 0.89, "val_fraction": 0.0},
            "labeled set is empty.*add labels",
        ),
    ],
)
def test_a_set_that_would_be_empty(project: Project, classes: dict, config: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        project.images(images_of(classes)).split(**config)


def test_no_val_is_one_empty_shard(project: Project) -> None:
    assert project.split(val_fraction=0.0).sets["val"].images == 0
    assert project.table("val").num_rows == 0
    assert len(schema.shards(project.out / "val")) == 1


def test_failure_leaves_the_old_split(project: Project) -> None:
    project.split()
    before = project.bytes()
    with pytest.raises(ConfigError):
        project.split(num_labels=1)
    assert project.bytes() == before
    assert sorted(f.name for f in project.root.iterdir()) == ["images", "splits"]


def test_a_folder_that_is_no_split_is_not_overwritten(project: Project) -> None:
    project.out.mkdir()
    (project.out / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="is not a split"):
        project.split()
    assert (project.out / "thesis.txt").read_text() == "mine"


def test_the_same_image_twice_is_refused(project: Project) -> None:
    with pytest.raises(DataError, match="1 images twice"):
        project.images([*images_of({"cat": 20}), Image("cat-0", "cat")]).split()


def test_no_images(project: Project) -> None:
    with pytest.raises(DataError, match="holds no image"):
        project.images([]).split()


# --- files -----------------------------------------------------------------------------------------------------------


def test_shards_and_row_groups_are_cut_by_bytes(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.split()
    whole = {name: project.table(name) for name in schema.SETS}
    monkeypatch.setattr(split_files, "ROW_GROUP_BYTES", 64 * 8)
    monkeypatch.setattr(split_files, "SHARD_BYTES", 64 * 20)  # 2 row groups of 8 images
    project.split()
    sizes = [pq.ParquetFile(f).metadata for f in schema.shards(project.out / "unlabeled")]
    assert {m.num_rows for m in sizes[:-1]} == {16}
    assert {m.row_group(i).num_rows for m in sizes[:-1] for i in range(m.num_row_groups)} == {8}
    assert all(project.table(name).equals(whole[name]) for name in schema.SETS)


def test_preparation_never_imports_torch() -> None:
    code = "import sys, ssgan.data.splits; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sides_do_not_depend_on_the_class() -> None:
    draw = split_files._draw([i.id for i in images_of({"cat": 4000})])
    share = Counter((draw >> 60).tolist())
    assert len(share) == 16
    assert max(share.values()) < 350


def test_golden_draw() -> None:
    """The hash that freezes test sets must never change: a new one would mix train and test of every user."""
    assert split_files._draw(["abc"]).tolist() == [GOLDEN]
    assert SplitConfig().test_fraction == 0.2


GOLDEN = 13050305134784537552
