#!/usr/bin/env bash
# DVC does not see a parameter change from 1 to true, and sees one in .nan each time.
#
# Version: dvc 3.67.1.
# Source: dvc/dependency/param.py compares values with Python's !=, and for tuples, which were always modified (issue
#   8803 of treeverse/dvc), in another way.
# Behavior: in Python 1 == True and nan != nan. After `flips: 1` became `flips: true`, `dvc repro` says that the
#   pipeline is up to date, and the model of `1` stays; `dvc params diff` and `dvc status` are silent. A stage with a
#   parameter .nan is "modified" in each `dvc status`, right after it ran. 0 and false are alike.
# Why it matters: augmentations are switched by a count in one version and by a boolean in the next, and .nan may
#   stand for "no threshold". The first leaves a model that does not belong to its parameters, the second is never
#   done.
#
# Seen:
#   set to flips: 1, the model has flips: 1
#   set to flips: true, the model has flips: 1
#   set to flips: 2, the model has flips: 2
#   set to flips: true, the model has flips: true
#   set to flips: 0, the model has flips: 0
#   set to flips: false, the model has flips: 0
#   set to flips: .nan, it is modified right after it ran
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'dvc==3.67.1'
cd "$folder"
env/bin/python - <<'PYTHON'
import os
import subprocess
from pathlib import Path

os.environ.update(DVC_NO_ANALYTICS="1", DVC_SITE_CACHE_DIR=os.path.abspath("site"), DVC_GLOBAL_CONFIG_DIR=os.path.abspath("global"))
program = os.path.abspath("env/bin/dvc")
Path("project").mkdir()
os.chdir("project")


def dvc(*words: str) -> str:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


dvc("init", "--no-scm", "--quiet")
dvc("config", "core.check_update", "false")
Path("dvc.yaml").write_text("stages:\n  train:\n    cmd: cp params.yaml model\n    params: [flips]\n    outs: [model]\n")


def model_after(value: str) -> str:
    """The parameters that the model was made with, after they were set to a value."""
    Path("params.yaml").write_text(f"flips: {value}\n")
    dvc("repro")
    return Path("model").read_text().strip()


for value in ("1", "true", "2", "true", "0", "false"):
    print(f"set to flips: {value}, the model has {model_after(value)}")
assert [model_after(value) for value in ("1", "true", "2", "true", "0", "false")] == [
    *("flips: 1", "flips: 1", "flips: 2", "flips: true", "flips: 0", "flips: 0"),
]
assert "up to date" in dvc("status")
assert model_after(".nan") == "flips: .nan"
assert "modified" in dvc("status")
print("set to flips: .nan, it is modified right after it ran")
PYTHON
