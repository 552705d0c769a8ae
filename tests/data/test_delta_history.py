"""Whatever happened to the files before: nothing but the layout of shards tells an ingest from a fresh one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssgan.data.files import SplitFiles
from ssgan.data.schema import SETS
from ssgan.data.sources import listing
from tests.support.delta import TINY, run, sha, splits
from tests.support.images import blob, ingested, write

pytestmark = pytest.mark.usefixtures("settled")

files = st.dictionaries(
    st.tuples(st.sampled_from("ab"), st.integers(0, 30)).map(lambda key: f"{key[0]}/{key[1]:02d}"),
    st.sampled_from([*range(12), "bad", "cut"]),
    max_size=25,
)


def content(value: Any) -> bytes:
    return b"text" if value == "bad" else blob(1)[:50] if value == "cut" else blob(value)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(files, min_size=1, max_size=4),
    removed=st.lists(st.sets(st.integers(0, 11)), min_size=4, max_size=4),
    longest=st.sampled_from([1, 5, listing.LONGEST_BATCH]),
)
def test_any_history_ends_with_what_a_fresh_ingest_makes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, Any]], removed: list[set[int]], longest: int
) -> None:
    """Files come, go, change, move, and are removed on request: tables, rows and what all splits show are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "LONGEST_BATCH", longest)
        _history(tmp_path_factory, steps, removed)


def _history(tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, Any]], removed: list[set[int]]) -> None:
    root = tmp_path_factory.mktemp("history")
    always = {f"{c}/always-{i}": 100 + i for i, c in enumerate("abab" * 5)}
    metrics: dict[str, Any] = {}
    gone: frozenset[bytes] = frozenset()
    for step, tombs in zip(steps, removed, strict=False):
        shutil.rmtree(root / "raw", ignore_errors=True)
        write(root / "raw", {name: content(value) for name, value in (always | step).items()})
        gone = frozenset(sha(content(value)) for value in tombs)
        metrics = run(root / "raw", root / "out", TINY, removed=gone).metrics()
        splits(root / "out")
    assert run(root / "raw", root / "fresh", TINY, removed=gone).metrics() == metrics
    splits(root / "fresh")
    for name in ("rejected.parquet", "duplicates.parquet"):
        assert (root / "out" / name).read_bytes() == (root / "fresh" / name).read_bytes()
    tables = [ingested(root / which).sort_by("id") for which in ("out", "fresh")]
    assert tables[0].equals(tables[1])
    texts = [{path.name: path.read_text() for path in (root / which / "splits").glob("*.json")} for which in ("out", "fresh")]
    assert texts[0] == texts[1]
    assert seen(root / "out/splits") == seen(root / "fresh/splits")


def seen(folder: Path) -> list[list[str]]:
    """Ids of all sets, in the order in which a run sees them; none where there was no split."""
    files = SplitFiles(str(folder))
    return [files.ids(name) for name in SETS] if (folder / "test.parquet").exists() else []
