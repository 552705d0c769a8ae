#!/usr/bin/env bash
# The imagefolder of Hugging Face datasets takes a class named "valid" for a split and leaves the other classes out.
#
# Version: datasets 5.2.0.
# Source: SPLIT_KEYWORDS in datasets/data_files.py (train, training, validation, valid, dev, val, test, testing, eval,
#   evaluation). The page "File names and splits" lists these words for folders of splits; a comment in issue 7529 of
#   huggingface/datasets calls it by design, issue 5021 was the same with names of files.
# Behavior: with folders "valid" and "defect" the result is one split, "validation", with the images of "valid" and
#   without a label column. The images of "defect" are in no split. No warning. "good" and "defect" give both classes.
#   A part of a name is enough: "test_strip" is taken for the split "test".
# Why it matters: valid and invalid, test strips, trains among vehicles are ordinary classes of inspection, medicine
#   and traffic; half of the data is gone and the rest has lost its labels.
#
# Seen:
#   ('good', 'defect'): {'train': (8, ['defect', 'good'])}
#   ('valid', 'defect'): {'validation': (4, None)}
#   ('test_strip', 'vial'): {'test': (4, None)}
#   ('train', 'plane'): {'train': (4, None)}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'datasets==5.2.0' 'pyarrow==26.0.1' 'pillow==13.0.0' 'numpy==2.4.6' 'pandas==3.1.1'
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/hub" env/bin/python - <<'PYTHON'
from pathlib import Path

from datasets import disable_progress_bars, load_dataset
from PIL import Image

disable_progress_bars()


def loaded(*classes: str) -> dict[str, tuple[int, list[str] | None]]:
    """Images and classes of each split of a folder with four images of each class."""
    root = Path("-".join(classes))
    for shade, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 8), (shade * 100 + number, 0, 0)).save(root / name / f"{number}.png")
    splits = load_dataset("imagefolder", data_dir=str(root), cache_dir="cache")
    found = {}
    for split, rows in splits.items():
        label = rows.features.get("label")
        found[split] = (len(rows), label.names if label else None)
    print(f"{classes}: {found}")
    return found


assert loaded("good", "defect") == {"train": (8, ["defect", "good"])}
assert loaded("valid", "defect") == {"validation": (4, None)}
assert loaded("test_strip", "vial") == {"test": (4, None)}
assert loaded("train", "plane") == {"train": (4, None)}
PYTHON
