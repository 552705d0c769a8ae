#!/usr/bin/env bash
# ONNX Resize with antialias=1 is not Pillow's resize; with two more attributes it is, to the last digit.
#
# Versions: onnx 1.23.2 (opset 19), onnxruntime 1.32.0 on the CPU, Pillow 13.0.0.
# Source: the operator's schema gives the defaults exclude_outside=0 and cubic_coeff_a=-0.75; what it says of
#   antialias names neither. Pull request 2916 of microsoft/onnxscript (2026) sets the first in PyTorch's exporter.
# Behavior: Resize smooths when told to, but at the border it repeats pixels that are not there and gives them weight,
#   and its cubic filter is not the one of Pillow (a = -0.5). A photo-like image of 64x64, scaled to 28x28 in floating
#   point, differs by up to 3 (linear) and 8 (cubic) of 255 gray values. With exclude_outside=1 and, for cubic,
#   cubic_coeff_a=-0.5 by 0.
# Why it matters: backbones were trained on images that Pillow scaled. A model exported with its preprocessing inside
#   scales differently from what it was tested with, and the test images do not tell, for they were scaled outside.
#
# Seen:
#   {'mode': 'linear', 'antialias': 1}: differs by up to 3.28
#   {'mode': 'linear', 'antialias': 1, 'exclude_outside': 1}: differs by up to 0.00
#   {'mode': 'cubic', 'antialias': 1}: differs by up to 7.56
#   {'mode': 'cubic', 'antialias': 1, 'exclude_outside': 1}: differs by up to 7.56
#   {'mode': 'cubic', 'antialias': 1, 'cubic_coeff_a': -0.5}: differs by up to 1.32
#   {'mode': 'cubic', 'antialias': 1, 'cubic_coeff_a': -0.5, 'exclude_outside': 1}: differs by up to 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'onnx==1.23.2' 'onnxruntime==1.32.0' 'pillow==13.0.0' 'numpy==2.4.6'
cd "$folder"
env/bin/python - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image

SIDE = 28
rng = np.random.default_rng(0)
coarse = Image.fromarray(rng.uniform(0, 255, (16, 16)).astype(np.float32))
image = np.asarray(coarse.resize((64, 64), Image.Resampling.BICUBIC))  # smooth, as photos are


def by_onnx(**attributes: object) -> np.ndarray:
    node = helper.make_node("Resize", ["image", "", "", "size"], ["small"], **attributes)
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 64, 64])],
        [helper.make_tensor_value_info("small", TensorProto.FLOAT, [1, 1, SIDE, SIDE])],
        [helper.make_tensor("size", TensorProto.INT64, [4], [1, 1, SIDE, SIDE])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image[None, None]})[0][0, 0]


def largest(pillow: Image.Resampling, **attributes: object) -> float:
    """Largest difference from Pillow, in gray values of 0 to 255."""
    wanted = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), pillow))
    found = float(np.abs(by_onnx(**attributes) - wanted).max())
    print(f"{attributes}: differs by up to {found:.2f}")
    return found


linear, cubic = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
assert largest(linear, mode="linear", antialias=1) > 1
assert largest(linear, mode="linear", antialias=1, exclude_outside=1) < 0.01
assert largest(cubic, mode="cubic", antialias=1) > 1
assert largest(cubic, mode="cubic", antialias=1, exclude_outside=1) > 1
assert largest(cubic, mode="cubic", antialias=1, cubic_coeff_a=-0.5) > 0.3
assert largest(cubic, mode="cubic", antialias=1, cubic_coeff_a=-0.5, exclude_outside=1) < 0.01
PYTHON
