"""What a cluster refuses before anything is trained: a submitter or a node with other versions."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from tests.support.submitter import Project
from tests.support.world import World

pytestmark = [pytest.mark.ray, pytest.mark.s3, pytest.mark.slow, pytest.mark.timeout(1200)]


def other_versions(folder: Path, **versions: str) -> dict[str, str]:
    """The environment of a machine where ``importlib.metadata`` finds other versions of packages.

    The packages themselves are the same: what is made here is only the metadata that pip would have left beside them, in a
    folder that is searched first.
    """
    for name, version in versions.items():
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}


def test_a_submitter_with_other_versions_is_told(project: Project, tmp_path: Path) -> None:
    project.configure(seed=23)
    here = [f"{name}={value}" for name, value in other_versions(tmp_path / "here", torch="0.0.1").items()]
    code, output = project.run("env", *here, "ssgan", "train")
    assert code == 1, output
    assert "instead of 0.0.1 (as on the submitter); use the same image on all nodes and here" in output
    assert project.names("checkpoints/") == []


def test_a_node_with_other_versions_is_named_before_anything_is_trained(project: Project, world: World, tmp_path: Path) -> None:
    """Also torch, over which Ray Train's own set-up of the workers would stumble first."""
    world.nodes.add_worker("foreign", other_versions(tmp_path / "there", torch="0.0.1", numpy="1.0.0"))
    try:
        project.configure(seed=24)
        code, output = project.run("ssgan", "train")
    finally:
        world.nodes.kill("foreign")
        world.nodes.wait(2)
    assert code == 1, output
    assert "error: node foreign (" in output
    assert " has torch 0.0.1 instead of " in output
    assert ", numpy 1.0.0 instead of " in output
    assert "(compared with the driver of the run); use the same image on all nodes and here" in output
    assert "node worker-1" not in output
    assert [name for name in project.names("checkpoints/") if "/lock/" not in name] == []


def test_another_python_does_not_join(world: World, tmp_path: Path) -> None:
    """Ray itself refuses, down to the patch version; the node's own output says why."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Version(tuple):\n"
        "    major, minor, micro, releaselevel, serial = (property(lambda self, i=i: self[i]) for i in range(5))\n"
        "sys.version_info = Version([*sys.version_info[:2], 99, 'final', 0])\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    world.nodes.start_worker("other-python", {"PYTHONPATH": path})
    process = world.nodes.processes["other-python"]
    try:
        assert process.wait(120) == 1
    except subprocess.TimeoutExpired:
        world.nodes.kill("other-python")
        raise
    world.nodes.processes.pop("other-python")
    said = (world.nodes.folder / "other-python.log").read_text()
    assert "RuntimeError: Version mismatch: The cluster was started with:" in said
    assert f"Python: {platform.python_version()}" in said
    assert f"Python: {'.'.join(platform.python_version_tuple()[:2])}.99" in said
