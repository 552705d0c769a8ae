"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ssgan import atomic

KILLED = """
import os, sys
from pathlib import Path
from ssgan import atomic
with atomic.{how}(Path(sys.argv[1])) as part:
    {write}
    os._exit(9)
"""


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_a_file_takes_the_place_of_another_one(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a", "one\r\nä")
    atomic.write_text(tmp_path / "a", "two\n")
    assert contents(tmp_path) == {"a": "two\n"}
    assert (tmp_path / "a").stat().st_nlink == 1


def test_a_file_that_fails_on_the_way_leaves_the_old_one_and_no_rest(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a", "old")
    with pytest.raises(IsADirectoryError), atomic.replaced(tmp_path / "a") as part:
        (part.write_text("half"), tmp_path.write_text("no"))
    assert contents(tmp_path) == {"a": "old"}


def test_bytes_are_on_disk_before_the_name_and_the_name_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    replace, fsync = os.replace, os.fsync

    def noted(handle: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)

    def publish(part: Path, path: Path) -> None:
        done.append("published")
        replace(part, path)

    with atomic.replaced(tmp_path / "a", publish) as part:
        part.write_text("x")
    assert [Path(one).suffix for one in done] == [".part", "", ""]
    assert done[1:] == ["published", str(tmp_path)]


def test_a_link_does_not_replace(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a", "first")
    with pytest.raises(FileExistsError), atomic.replaced(tmp_path / "a", os.link) as part:
        part.write_text("second")
    assert contents(tmp_path) == {"a": "first"}


def test_a_folder_takes_the_place_of_another_one(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with atomic.replaced_folder(tmp_path / "deep/out") as part:
            (part / "sub").mkdir()
            (part / "sub" / name).write_text(name)
    assert contents(tmp_path) == {"deep/out/sub/two": "two"}


def test_a_folder_that_fails_on_the_way_leaves_the_old_one_and_no_rest(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with atomic.replaced_folder(out) as part:
        (part / "a").write_text("old")
    with pytest.raises(IsADirectoryError), atomic.replaced_folder(out) as part:
        ((part / "a").write_text("half"), tmp_path.write_text("no"))
    assert contents(tmp_path) == {"out/a": "old"}


@pytest.mark.parametrize(
    ("how", "write"), [("replaced", "part.write_text('half')"), ("replaced_folder", "(part / 'a').write_text('half')")]
)
def test_a_killed_process_leaves_nothing_that_is_read(how: str, write: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED.format(how=how, write=write), str(out)]
    assert subprocess.run(command, check=False).returncode == 9
    assert not out.exists()
    if how == "replaced_folder":
        with atomic.replaced_folder(out) as part:
            assert contents(part) == {}, "what the killed one has left is gone"
            (part / "a").write_text("whole")
        assert contents(tmp_path) == {"out/a": "whole"}


def test_a_process_killed_between_two_renames_does_not_cost_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / ".out.old.part").mkdir()
    (tmp_path / ".out.old.part/a").write_text("old")
    with pytest.raises(ZeroDivisionError), atomic.replaced_folder(tmp_path / "out"):
        raise ZeroDivisionError
    assert contents(tmp_path) == {"out/a": "old"}


def test_two_processes_do_not_build_the_same_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with atomic.replaced_folder(out) as part:
        (part / "a").write_text("first")
        code = KILLED.format(how="replaced_folder", write="pass")
        done = subprocess.run([sys.executable, "-c", code, str(out)], capture_output=True, text=True, check=False)
        assert f"another process is writing {out}; wait until it has ended" in done.stderr
    assert contents(tmp_path) == {"out/a": "first"}
