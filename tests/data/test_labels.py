"""Labels from folders and CSV files, and what happens when they contradict each other or the images."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.config import SplitConfig
from ssgan.data import classes
from ssgan.data.classes import ClassRegistry
from ssgan.data.index import paths_of
from ssgan.data.label_csv import read_csv
from ssgan.data.labels import NO_LABEL, Votes, resolve
from ssgan.errors import DataError
from tests.support.split_project import Copy, Image, Project, images_of


def write(folder: Path, data: bytes | str) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def pairs(path: Path) -> list[tuple[str, str]]:
    return [(line.path or line.sha256, line.name) for line in read_csv(path)]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.png,cat\nb.png,dog\n",
        "path,label\r\na.png,cat\r\nb.png,dog",
        "\ufeffpath,label\na.png,cat\nb.png,dog\n",
        "\n\npath,label\n\na.png,cat\n , \nb.png,dog\n\n",
        " Path , LABEL \n a.png ,  cat \nb.png , dog\n",
        "label,annotator,path,time,weight\ncat,eva,a.png,2026-01-01,0.5\ndog,,b.png,,\n",
        '"path","label"\n"a.png","cat"\n"b.png", "dog"\n',
        "path,label\na.png,cat,,\nb.png,dog\n",
    ],
)
def test_what_spreadsheets_write(tmp_path: Path, text: str) -> None:
    assert pairs(write(tmp_path, text)) == [("a.png", "cat"), ("b.png", "dog")]


def test_quotes_keep_commas_and_hashes_lose_case(tmp_path: Path) -> None:
    text = 'path,sha256,label\n"a, b.png",,"cat, striped"\nz.png,AB12,dog\n'
    assert read_csv(write(tmp_path, text))[0][1:4] == ("a, b.png", "", "cat, striped")
    assert read_csv(write(tmp_path, text))[1][1:4] == ("z.png", "ab12", "dog")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("file,class\na,b\n", r"columns \['file', 'class'\]; it needs `label`"),
        ("path;label\na;b\n", r"columns \['path;label'\].*commas"),
        ("path,sha256\na,b\n", "needs `label`"),
        ("path,label,label\na,b,c\n", "only once"),
        ("", "is empty"),
        ("path,label\na.png,cat\n,dog\n", "line 3 does not name an image"),
        ("path,label\na,b.png,cat\n", "line 2 has 3 values for 2 columns.*double quotes"),
        ("path,label\na,käse\n".encode("latin-1"), "not UTF-8"),
        ("path,label\na,b\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_broken_files_say_what_to_do(tmp_path: Path, data: bytes | str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_csv(write(tmp_path, data))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"split.labels.*does not exist"):
        read_csv(tmp_path / "nothing.csv")


NAMES = ["dog", "cat", "eel"]
votes = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), max_size=20)


def as_votes(pairs: list[tuple[int, int]]) -> Votes:
    """Of pairs of a row and a number in NAMES."""
    rows, codes = np.array(pairs, np.int64).reshape(-1, 2).T
    return Votes(rows, codes.astype(np.int32), NAMES, lambda vote: "here")


@given(votes, st.randoms())
@settings(max_examples=50)
def test_one_class_per_image_whatever_the_order(votes: list[tuple[int, int]], random: object) -> None:
    config = SplitConfig(on_conflict="drop")
    labels = resolve(as_votes(votes), 6, config, {})
    said = {row: {NAMES[code] for at, code in votes if at == row} for row in range(6)}
    for row, names in said.items():
        expected = names.pop() if len(names) == 1 else None
        assert (labels.names[labels.index[row]] if labels.index[row] != NO_LABEL else None) == expected
    random.shuffle(votes)  # type: ignore[attr-defined]
    again = resolve(as_votes(votes), 6, config, {})
    assert (again.names, again.index.tolist(), again.counts) == (labels.names, labels.index.tolist(), labels.counts)
    assert labels.counts["votes"] == len(votes)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """40 images in two class folders, split as a team would."""
    project = Project(tmp_path, {"mode": "team", "val_fraction": 0.1, "test_fraction": 0.3})
    return project.images(images_of({"cat": 20, "dog": 20}))


def labels_for(*images: Image) -> dict[str, str]:
    return {image.path: str(image.folder_class) for image in images}


HALF = [image for image in images_of({"cat": 20, "dog": 20}) if int(image.name.split("-")[1]) % 2]


def test_a_label_file_replaces_folders(project: Project) -> None:
    summary = project.label(labels_for(*HALF)).split()
    assert summary.labels == {
        "votes": 20, "labeled_images": 20, "repeated": 0, "conflicts_dropped": 0, "lines_without_label": 0, "unknown_images": 0,
        "removed_images": 0,
    }  # fmt: skip
    assert sum(summary.sets[name].images for name in ("labeled", "val", "test")) == 20


def test_sha256_and_path_name_the_same_image_and_repetition_is_counted(project: Project) -> None:
    by_path = project.label(labels_for(*HALF)).split()
    lines = "".join(f"{i.id.upper()},,{i.folder_class}\n,./{i.path},{i.folder_class}\n" for i in HALF)
    by_both = project.csv("sha256,path,label\n" + lines).split()
    assert by_both.sets == by_path.sets
    assert by_both.labels["repeated"] == 20


def test_a_class_that_is_called_like_a_placeholder_is_one_once_it_is_known(project: Project) -> None:
    project.label({**labels_for(*HALF), HALF[0].path: "none"})
    with pytest.raises(DataError, match="none"):
        project.split()
    classes.save(project.root / "classes.json", ClassRegistry(["cat", "dog", "none"]))
    assert project.split(on_class_without_label="report").labels["labeled_images"] == 20


def test_line_without_label_is_no_vote(project: Project) -> None:
    summary = project.label({**labels_for(*HALF), "cat/cat-0.png": ""}).split()
    assert summary.labels["lines_without_label"] == 1
    assert summary.labels["labeled_images"] == 20


def test_label_for_unknown_image(project: Project) -> None:
    unknown = {f"elsewhere/{i}.png": "cat" for i in range(7)}
    project.label({**labels_for(*HALF), **unknown})
    with pytest.raises(
        DataError, match=r"7 labels for images.*'elsewhere/4.png' \(line 26\) and 2 more.*on_unknown_image"
    ) as e:
        project.split()
    assert "elsewhere/5.png" not in str(e.value)
    assert not project.out.exists()
    assert project.split(on_unknown_image="report").labels["unknown_images"] == 7


def test_conflict_in_a_label_file(project: Project) -> None:
    text = "path,label\n" + "".join(f"{path},{name}\n" for path, name in labels_for(*HALF).items())
    project.csv(text + f"{HALF[0].path},dog\n")
    with pytest.raises(DataError, match=r"1 image has two.*'cat' \(line 2\) but 'dog' \(line 22\).*split.on_conflict: drop"):
        project.split()
    summary = project.split(on_conflict="drop")
    assert summary.labels["conflicts_dropped"] == 1
    assert all(HALF[0].id not in project.ids(name) for name in ("labeled", "val", "test"))


def test_conflict_between_copies_in_two_folders(project: Project) -> None:
    project.label({}).config["labels"] = None
    image = HALF[0]
    project.copies([Copy(image, "dog/copy.png", "dog"), Copy(HALF[1], "cat/copy.png", "cat")])
    with pytest.raises(DataError, match=r"1 image has two.*'cat' \(cat/cat-1.png\) but 'dog' \(dog/copy.png\)"):
        project.split(mode="benchmark", num_labels=4)
    summary = project.split(mode="benchmark", num_labels=4, on_conflict="drop")
    assert summary.labels["conflicts_dropped"] == 1
    assert summary.labels["repeated"] == 1  # the copy of HALF[1] says the same
    assert all(image.id not in project.ids(name) for name in ("labeled", "val", "test"))


def test_a_copy_may_be_named_by_its_own_path(project: Project) -> None:
    project.copies([Copy(HALF[0], "inbox/1.png")])
    labels = {"inbox/1.png": "cat", **labels_for(*HALF[1:])}
    assert project.label(labels).split().labels["labeled_images"] == 20


def test_class_without_training_label(project: Project) -> None:
    (project.root / "classes.json").write_text('{"version": 1, "classes": ["zebra", "dog"]}')
    project.label(labels_for(*HALF))
    with pytest.raises(DataError, match=r"1 class .*'?zebra.*on_class_without_label: report"):
        project.split()
    summary = project.split(on_class_without_label="report")
    assert summary.classes == ["zebra", "dog", "cat"]  # zebra keeps its id, cat comes behind
    assert summary.classes_without_label == ["zebra"]
    ids = project.files.ids("test")
    paths = paths_of(project.root / "index", ids)
    found = zip(ids, project.files.labels("test").tolist(), strict=True)
    assert {(paths[one].split("/")[0], label) for one, label in found} == {("dog", 1), ("cat", 2)}


@pytest.mark.parametrize("known", [(), ("1", "dog")])
def test_numbers_that_pandas_rewrote_are_no_new_classes(tmp_path: Path, known: tuple[str, ...]) -> None:
    path = write(tmp_path, "path,label\na.png,1\nb.png,1.0\n" if not known else "path,label\na.png,1.0\n")
    with pytest.raises(DataError, match=r"line [23]: is '1\.0' the class '1'\?"):
        read_csv(path, known=known)
    assert read_csv(write(tmp_path, "path,label\na.png,2.0\n"))[0].name == "2.0"
