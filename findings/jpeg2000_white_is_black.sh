#!/usr/bin/env bash
# Pillow reads the white of a 16-bit color JPEG 2000 as black.
#
# Versions: Pillow 13.0.0; OpenCV 5.0.0 (opencv-python-headless 5.0.0.93) writes the file and reads it back as
#   control.
# Source: src/libImaging/Jpeg2KDecode.c of Pillow adds half a step to each sample, shifts it to 8 bits and stores the
#   result in a byte without a bound (j2ku_srgb_rgb).
# Behavior: there is no 16-bit color mode, so samples are rounded to 8 bits. Whatever rounds up to 256 is stored as 0:
#   the brightest 128 of 65,536 values turn black. No warning, and no other value is affected.
# Why it matters: scans of slides and documents have a white background. A classifier learns from images whose
#   background is black where it was whitest; saturated spots of a photo become holes.
#
# Seen:
#   16 bits:     0 is read as   0
#   16 bits: 32768 is read as 128
#   16 bits: 65280 is read as 255
#   16 bits: 65407 is read as 255
#   16 bits: 65408 is read as   0
#   16 bits: 65535 is read as   0
#    8 bits:   255 is read as 255
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'pillow==13.0.0' 'opencv-python-headless==5.0.0.93' 'numpy==2.4.6'
cd "$folder"
env/bin/python - <<'PYTHON'
import io

import cv2
import numpy as np
from PIL import Image


def by_pillow(value: int, dtype: type) -> int:
    """What Pillow reads from an image that has one value everywhere."""
    written, data = cv2.imencode(".jp2", np.full((64, 64, 3), value, dtype))
    assert written
    control = np.unique(cv2.imdecode(data, cv2.IMREAD_UNCHANGED)).tolist()
    assert control == [value], "the file is what was meant"
    with Image.open(io.BytesIO(data.tobytes())) as image:
        assert image.mode == "RGB"
        (found,) = np.unique(np.asarray(image)).tolist()
    return found


seen = {value: by_pillow(value, np.uint16) for value in (0, 32768, 65280, 65407, 65408, 65535)}
for value, found in seen.items():
    print(f"16 bits: {value:5} is read as {found:3}")
print(f" 8 bits:   255 is read as {by_pillow(255, np.uint8)}")
assert seen == {0: 0, 32768: 128, 65280: 255, 65407: 255, 65408: 0, 65535: 0}
assert by_pillow(255, np.uint8) == 255
PYTHON
