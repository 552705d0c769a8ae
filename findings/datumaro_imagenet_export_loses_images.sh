#!/usr/bin/env bash
# Datumaro's ImageNet export writes images of different subsets over each other.
#
# Version: datumaro 1.13.12.
# Source: datumaro/plugins/data_formats/imagenet.py saves each image to CLASS/NAME without asking whether it is there.
#   It logs that the subsets are lost if there are several, and names the format that keeps them; it does not log that
#   images are.
# Behavior: two subsets, each with the images 0 to 3, all with different pixels: 8 items, 4 files, those of the subset
#   that came last, wherever both have the same class. The export succeeds, the import succeeds and has 4 items. The
#   format imagenet_with_subset_dirs keeps all 8.
# Why it matters: numbers as names begin anew in each folder, in each camera and in each batch of labels, so equal
#   names are ordinary. Which images are missing depends on their labels, for only equal classes collide.
#
# Seen:
#   imagenet: 8 items, 4 files, 4 items after import
#   imagenet_with_subset_dirs: 8 items, 8 files, 8 items after import
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'datumaro==1.13.12' 'numpy==2.4.6'
cd "$folder"
env/bin/python - <<'PYTHON'
import logging
from pathlib import Path

import numpy as np
from datumaro.components.annotation import Label
from datumaro.components.dataset import Dataset
from datumaro.components.dataset_base import DatasetItem
from datumaro.components.media import Image

logging.disable(logging.WARNING)
items = [
    DatasetItem(
        str(number),
        subset=subset,
        media=Image.from_numpy(np.full((8, 8, 3), shade + 10 * number, np.uint8)),
        annotations=[Label(number % 2)],
    )
    for subset, shade in (("train", 0), ("val", 128))
    for number in range(4)
]
seen = {}
for kind in ("imagenet", "imagenet_with_subset_dirs"):
    Dataset.from_iterable(items, categories=["cat", "dog"]).export(kind, kind, save_media=True)
    files = [path for path in Path(kind).rglob("*") if path.is_file()]
    shades = sorted(int(item.media.data.mean()) for item in Dataset.import_from(kind, kind))
    seen[kind] = (len(files), shades)
    print(f"{kind}: {len(items)} items, {len(files)} files, {len(shades)} items after import")
assert seen["imagenet_with_subset_dirs"][0] == len(seen["imagenet_with_subset_dirs"][1]) == 8
assert seen["imagenet"][0] == len(seen["imagenet"][1]) == 4
assert min(seen["imagenet"][1]) > 100, "those that are left are all of one subset"
PYTHON
