#!/usr/bin/env bash
# Two safetensors files of the same weights and the same metadata have different bytes.
#
# Version: safetensors 0.8.0.
# Source: issue 584 of safetensors/safetensors (2025, open) and pull request 790 (2026, open): user metadata go
#   through a hash map with a random order.
# Behavior: tensors are sorted, so without metadata the bytes are always equal. With two or more keys of metadata the
#   JSON header has them in a random order, within one process and between processes. All files are read alike.
# Why it matters: mean, std, size and license of a backbone travel in these metadata, and weights are named by their
#   SHA-256. An unchanged export looks new: caches miss, DVC and registries store it again, a pinned hash refuses a
#   file made anew. Write one key with sorted JSON in it, or hash tensors instead of files.
#
# Seen:
#   50 files: 1 hash without metadata, 1 hash with one key of metadata, more than 10 hashes with six keys
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'safetensors==0.8.0' 'numpy==2.4.6'
cd "$folder"
env/bin/python - <<'PYTHON'
import hashlib

import numpy as np
from safetensors.numpy import load, save

weights = {"head.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "head.bias": np.zeros(3, np.float32)}
facts = {"mean": "0.5", "std": "0.5", "size": "224", "crop": "0.875", "interpolation": "bicubic", "license": "apache-2.0"}


def hashes(metadata: dict[str, str] | None) -> int:
    """Different files among fifty of the same weights."""
    files = [save(weights, metadata=metadata) for _ in range(50)]
    for file in files:
        assert all((load(file)[name] == value).all() for name, value in weights.items())
    return len({hashlib.sha256(file).hexdigest() for file in files})


assert hashes(None) == 1
assert hashes({"mean": "0.5"}) == 1
assert hashes(facts) > 10
print("50 files: 1 hash without metadata, 1 hash with one key of metadata, more than 10 hashes with six keys")
PYTHON
