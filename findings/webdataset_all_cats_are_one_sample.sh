#!/usr/bin/env bash
# WebDataset takes Kaggle's cat.0.jpg, cat.1.jpg, ... for one sample with many fields.
#
# Version: webdataset 1.0.2.
# Source: base_plus_ext in webdataset/tariterators.py cuts a name at its first dot. Issue 237 of webdataset/webdataset
#   (2022, open) says that this is by design and will be put into the documentation.
# Behavior: what is before the first dot is the key of a sample, all behind it is the name of a field. Consecutive
#   files of one key are one sample. A tar of three cats and three dogs has two samples, and neither has a field
#   "jpg". Nothing is raised and no byte is missing.
# Why it matters: the names of Kaggle's photos have the class before the first dot, cameras write "IMG_1.5x.jpg",
#   dates have dots. Names need a dash instead of all dots but the last before they are packed.
#
# Seen:
#   {kind}-{number}.jpg: 6 samples, the first has the fields ['jpg']
#   {kind}.{number}.jpg: 2 samples, the first has the fields ['0.jpg', '1.jpg', '2.jpg']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'webdataset==1.0.2' 'numpy==2.4.6' 'pillow==13.0.0'
cd "$folder"
env/bin/python - <<'PYTHON'
import io
import tarfile

import webdataset
from PIL import Image


def samples(name: str) -> list[dict[str, object]]:
    """Samples of a tar of three cats and three dogs, named after a pattern."""
    with tarfile.open("shard.tar", "w") as archive:
        for kind in ("cat", "dog"):
            for number in range(3):
                data = io.BytesIO()
                Image.new("RGB", (16, 16), (number * 80, 0, 0)).save(data, "JPEG")
                member = tarfile.TarInfo(name.format(kind=kind, number=number))
                member.size = data.tell()
                data.seek(0)
                archive.addfile(member, data)
    return list(webdataset.WebDataset("file:shard.tar", shardshuffle=False))


def fields(sample: dict[str, object]) -> list[str]:
    return sorted(key for key in sample if not key.startswith("__"))


for pattern in ("{kind}-{number}.jpg", "{kind}.{number}.jpg"):
    found = samples(pattern)
    print(f"{pattern}: {len(found)} samples, the first has the fields {fields(found[0])}")
dashes, dots = samples("{kind}-{number}.jpg"), samples("{kind}.{number}.jpg")
assert len(dashes) == 6
assert all(fields(sample) == ["jpg"] for sample in dashes)
assert [sample["__key__"] for sample in dots] == ["cat", "dog"]
assert all(fields(sample) == ["0.jpg", "1.jpg", "2.jpg"] for sample in dots)
PYTHON
