"""A finished classifier as one file that runs elsewhere, with its temperature, threshold and class list inside.

    prepare.py    decoded pixels of any size -> what the model takes, as a graph
    deployed.py   the graph that leaves: uint8 RGB images -> calibrated probabilities of the K real classes, label, abstain
    formats.py    onnx, torch-export, safetensors: how each is written, and read back by itself
    check.py      what the file computes against what the model computes here
    export.py     all of it, from a model folder to a file that is right

Letters: N images, C channels, S image_size, K classes.
"""

from ssgan.exporting.export import Allowed, Exported, export_model, path_for

__all__ = ["Allowed", "Exported", "export_model", "path_for"]
