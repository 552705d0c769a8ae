"""Which image a label is for. A path that is not ingested never becomes one that is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.data.classes import ClassRegistry
from ssgan.intake.addresses import as_written
from ssgan.intake.matching import UPLOAD, Match, Matcher
from ssgan.intake.project_index import ProjectIndex
from ssgan.intake.raw_label import RawLabel


def index(*paths: str, source: str = "/srv/data/images") -> ProjectIndex:
    return ProjectIndex(dict(zip(paths, paths, strict=True)), {path: path for path in paths}, {}, ClassRegistry(), source)


def match(project: ProjectIndex, *addresses: str, prefix: str = "") -> list[Match]:
    return Matcher(project, prefix).match([RawLabel("", address, "cat", "") for address in addresses])


def images(found: list[Match]) -> list[str | None]:
    return [one.image for one in found]


NUMBERED = index("0001.png", "0002.png", "0007.png", "day1/0001.png", "day1/0003.png", "cat/0009.png")


@pytest.mark.parametrize(
    "address",
    [
        "day2/0001.png",  # another day, numbered anew
        "day2/0007.png",  # and the only one of this name
        "day2/day1/0003.png",
        "day2/cat/0009.png",
        "/mnt/nas/0007.png",
        "C:\\scans\\0007.png",
        "/data/local-files/?d=day2/0007.png",
        "s3://bucket/day2/0007.png",
        "s3://bucket/images/0007.png",  # another place than /srv/data/images
        "https://host/day2/0007.png",
        "https://host/0007.png",
        "https://images/0007.png",
        "other/images/0007.png",
        "/mnt/2024/images/0007.png",
        "../0007.png",
        "20240131-0007.png",  # eight digits, but no upload
        "day1/20240131-0003.png",
        "/data/local-files/?d=images/20240131-0007.png",
        "0003.png",  # a name alone
        "0007",
        "0007.PNG",
        "x0007.png",
        "",
    ],
)
def test_a_path_that_was_not_ingested_is_no_other_one(address: str) -> None:
    assert images(match(NUMBERED, address, "0002.png")) == [None, "0002.png"]


@pytest.mark.parametrize(
    ("address", "image"),
    [
        ("./0001.png", "0001.png"),
        ("day1\\0001.png", "day1/0001.png"),
        ("images/0001.png", "0001.png"),
        ("images\\day1\\0001.png", "day1/0001.png"),
        ("../images/0001.png", "0001.png"),
        ("data/images/0001.png", "0001.png"),
        ("/srv/data/images/day1/0003.png", "day1/0003.png"),
        ("file:///srv/data/images/0001.png", "0001.png"),
        ("/data/local-files/?d=images/day1/0003.png", "day1/0003.png"),
        ("http://localhost:8080/data/local-files/?d=images/day1/0003.png", "day1/0003.png"),
        ("https://host/images/0001.png?token=abc", "0001.png"),
    ],
)
def test_the_source_itself_may_stand_before_a_path(address: str, image: str) -> None:
    assert images(match(NUMBERED, address)) == [image]


ODD = index("my photo 1.png", "cats & dogs 1+1.png", "photo #3.png", "100%.png", "a%20b.png", "tür/é.png", source="images")


@pytest.mark.parametrize(
    ("address", "image"),
    [
        ("/data/local-files/?d=images/my%20photo%201.png", "my photo 1.png"),
        ("/data/local-files/?d=images/my+photo+1.png", "my photo 1.png"),
        ("/data/local-files/?d=images/cats & dogs 1+1.png", "cats & dogs 1+1.png"),
        ("/data/local-files/?d=images/cats%20%26%20dogs%201%2B1.png", "cats & dogs 1+1.png"),
        ("/data/local-files/?d=images/photo #3.png", "photo #3.png"),
        ("/data/local-files/?d=images/100%.png", "100%.png"),
        ("/data/local-files/?d=images/100%25.png", "100%.png"),
        ("https://host/images/photo%20%233.png", "photo #3.png"),
        ("/data/local-files/?d=images/t%C3%BCr/%C3%A9.png", "tür/é.png"),
        ("images/tu\u0308r/e\u0301.png", "tür/é.png"),
        ("a%20b.png", "a%20b.png"),
    ],
)
def test_quoted_or_not(address: str, image: str) -> None:
    assert images(match(ODD, address)) == [image]


def test_a_bucket_is_its_own() -> None:
    bucket = index("cat/1.png", "cat//2.png", source="s3://bucket/raw/images/")
    addresses = ["s3://bucket/raw/images/cat/1.png", "s3://other/raw/images/cat//2.png", "s3://bucket/raw/cat//2.png"]
    assert images(match(bucket, *addresses)) == ["cat/1.png", None, None]
    for address in (
        "s3://bucket/raw/images/cat//2.png", "raw/images/cat/2.png", "cat//2.png",
        "https://bucket.s3.amazonaws.com/raw/images/cat//2.png", "https://s3.amazonaws.com/bucket/raw/images/cat//2.png",
    ):  # fmt: skip
        assert images(match(bucket, address)) == ["cat//2.png"], address


def test_names_in_either_form_are_found_and_two_files_that_differ_only_in_that_are_two() -> None:
    mac, other = "Lo\u0308we/1.png", "L\u00f6we/1.png"
    assert images(match(index(mac), other)) == [mac]
    assert images(match(index(other), mac)) == [other]
    assert images(match(index(mac, other), mac, other)) == [mac, other]


def test_an_address_that_may_be_two_images_is_a_question() -> None:
    nested = index("images/1.png", "1.png", "2.png")
    found = match(nested, "images/1.png", "images/2.png")  # seen from above the source: so images/1.png is 1.png?
    assert images(found) == [None, "2.png"]
    assert found[0].unclear == "images/1.png may be '1.png' or 'images/1.png'"
    assert images(match(nested, "images/1.png", "images/2.png", prefix="images")) == ["1.png", "2.png"]
    assert images(match(nested, "images/1.png", prefix="images")) == ["1.png"]
    assert images(match(nested, "images/1.png", "2.png")) == ["images/1.png", "2.png"]  # all are literal: no question
    quoted = match(index("a b.png", "a%20b.png"), "/data/local-files/?d=images/a%20b.png")
    assert images(quoted) == [None]
    assert quoted[0].unclear


def test_two_addresses_never_come_to_one_picture() -> None:
    found = match(NUMBERED, "images/0001.png", "0001.png", "0002.png", "images/x.png")
    assert images(found) == [None, None, "0002.png", None]
    assert found[0].unclear == "images/0001.png and '0001.png' would both be '0001.png'"
    root = match(index("plain.jpg"), "/data/local-files/?d=root/train/plain.jpg", "/data/local-files/?d=root/val/plain.jpg")
    assert images(root) == [None, None]


def test_two_ways_to_write_one_path_are_one_address() -> None:
    assert images(match(NUMBERED, "./day1/0001.png", "day1\\0001.png", "day1/0001.png")) == ["day1/0001.png"] * 3


def test_copies_with_paths_of_their_own_are_no_question() -> None:
    project = ProjectIndex({"A": "1.png"}, {"1.png": "A", "inbox/copy.png": "A"}, {}, ClassRegistry(), "images")
    assert images(match(project, "1.png", "images/inbox/copy.png")) == ["A", "A"]


def test_uploads_to_label_studio_are_known_by_their_cleaned_name() -> None:
    photos = index("in/IMG (1).jpg", "IMG_2.jpg", "tür é.jpg", "922d9ea2-a2a7-4a13-8d57-138404fcca2a.png", "b/922d9ea2-b.png")
    for address, image in (
        ("/data/upload/3/54a9f142-IMG_1.jpg", "in/IMG (1).jpg"),
        ("/data/upload/54a9f142-IMG_2.jpg", "IMG_2.jpg"),
        ("http://host/data/upload/3/54a9f142-IMG_2.jpg", "IMG_2.jpg"),
        ("..\\..\\label-studio\\media\\upload\\4\\cb0618f6-IMG_2.jpg", "IMG_2.jpg"),
        ("/data/upload/3/54a9f142-tu\u0308r_é.jpg", "tür é.jpg"),
        ("/data/upload/3/54a9f142-t%C3%BCr_%C3%A9.jpg", "tür é.jpg"),
        ("/data/upload/1/0a1b2c3d-922d9ea2-a2a7-4a13-8d57-138404fcca2a.png", "922d9ea2-a2a7-4a13-8d57-138404fcca2a.png"),
    ):
        assert match(photos, address) == [Match(image, image, UPLOAD)], address
    store = index("54a9f142-IMG_1.jpg", "d19a88e7-IMG_1.jpg", source="/label-studio/media/upload/3")
    assert images(match(store, "/data/upload/3/d19a88e7-IMG_1.jpg")) == ["d19a88e7-IMG_1.jpg"]
    for address in (
        "/data/upload/3/IMG_2.jpg",
        "/data/upload/3/54a9f14-IMG_2.jpg",
        "54a9f142-IMG_2.jpg",
        "/data/upload/3/x/54a9f142-b.png",
    ):
        assert images(match(photos, address)) == [None], address


def test_uploads_that_may_be_several_or_come_twice_are_questions() -> None:
    both = match(index("IMG (1).jpg", "IMG_1.jpg"), "/data/upload/3/54a9f142-IMG_1.jpg")
    assert both[0].unclear == "/data/upload/3/54a9f142-IMG_1.jpg may be 'IMG (1).jpg' or 'IMG_1.jpg'"
    twice = match(index("IMG_1.jpg"), "/data/upload/3/54a9f142-IMG_1.jpg", "/data/upload/3/d19a88e7-IMG_1.jpg")
    assert images(twice) == [None, None]
    assert all("would both be 'IMG_1.jpg'" in one.unclear for one in twice)


@pytest.mark.parametrize(
    ("prefix", "address"),
    [
        ("s3://lab/raw/", "s3://lab/raw/day1/0003.png"),
        ("s3://lab/raw", "s3://lab/raw/day1/0003.png"),
        ("/data/local-files/?d=scans/", "/data/local-files/?d=scans/day1%2F0003.png"),
        ("C:\\data\\images", "C:\\data\\images\\day1\\0003.png"),
        ("day2", "day2/day1/0003.png"),
    ],
)
def test_a_person_may_say_what_stands_before_the_paths(prefix: str, address: str) -> None:
    assert images(match(NUMBERED, address, "day22/day1/0003.png", prefix=prefix)) == ["day1/0003.png", None]


def test_a_sha256_counts_whatever_the_path_says() -> None:
    labels = [RawLabel("0001.png", "gone/elsewhere.png", "cat", ""), RawLabel("ab" * 32, "0001.png", "cat", "")]
    assert images(Matcher(NUMBERED).match(labels)) == ["0001.png", None]


@pytest.mark.parametrize(
    ("address", "hint", "cut"),
    [
        ("day2/0007.png", "'0007.png' is ingested, which may be another picture", "day2/"),
        ("C:\\x\\day1\\0003.png", "'day1/0003.png' is ingested, which may be another picture", "C:\\x\\"),
        ("0009.jpg", "is it 'cat/0009.png'?", ""),
        ("0001", "is it '0001.png' or 'day1/0001.png'?", ""),
        ("nothing.png", "", ""),
    ],
)
def test_an_unknown_path_says_what_it_is_like(address: str, hint: str, cut: str) -> None:
    assert match(NUMBERED, address) == [Match(None, "", cut, "", hint)]


def test_an_unknown_name_with_dots_is_compared_without_its_extension_alone() -> None:
    project = index(*(f"cat.{number}.jpg" for number in (1, 10, 19)))
    assert [one.hint for one in match(project, "CAT.19.JPG", "cat.7.jpg")] == ["is it 'cat.19.jpg'?", ""]


def test_a_source_that_is_a_link_is_known_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "images").symlink_to(tmp_path / "disk")
    project = index("1.png", "2.png", source=str(tmp_path / "images"))
    assert images(match(project, "images/1.png", "disk/2.png")) == ["1.png", "2.png"]


def test_beginnings_are_shown_as_people_write_them() -> None:
    assert [as_written(one) for one in ("s3:/bucket/raw/", "s3://bucket/", "https:/host/images/", "images/", "C:/x/")] == [
        "s3://bucket/raw/", "s3://bucket/", "https://host/images/", "images/", "C:/x/",
    ]  # fmt: skip
