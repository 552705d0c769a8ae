"""The graph that leaves. Letters: N images, H, W their size, K classes."""

from __future__ import annotations

import json

import torch
import torch.fx
from torch import Tensor, nn

from ssgan import __version__
from ssgan.evaluation.published import Published
from ssgan.exporting.prepare import Prepare
from ssgan.model import Model

INPUT = "images"
MEANINGS = {  # of the input and the outputs, in their order
    INPUT: "uint8 (N, H, W, 3): RGB images of any size, upright, not resized: the graph brings them to what the model takes",
    "probabilities": "float32 (N, K): calibrated, in the order of `classes`",
    "label": "int64 (N,): position of the most probable class in `classes`",
    "abstain": "bool (N,): leave the image to a person",
}
OUTPUTS = tuple(name for name in MEANINGS if name != INPUT)
AXES = ("N", "H", "W")


class Deployed(nn.Module):
    """(N, H, W, 3) uint8 RGB -> probabilities (N, K) float32, label (N,) int64, abstain (N,) bool.

    The K real classes only: what tells real from generated images does not leave the model. ``abstain``: the largest
    probability is not above the threshold. H and W are those of the decoded files, the same for all N.
    """

    def __init__(self, model: Model, temperature: float, threshold: float | None) -> None:
        super().__init__()
        self._logits, self._prepare = model.logits, Prepare(model.image)
        nets = {**model.nets, "backbone": model.network} if model.backbone else dict(model.nets.items())
        self.nets = nn.ModuleDict(nets).requires_grad_(False)
        self.temperature, self.threshold = temperature, threshold

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        probabilities = (self._logits(self._prepare(images)) / self.temperature).softmax(1)
        top, label = probabilities.max(1)
        return probabilities, label, top <= (-1.0 if self.threshold is None else self.threshold)

    def program(self) -> torch.export.ExportedProgram:
        """The graph for any number of images of any size, with the networks that it uses and no other."""
        program = self._traced()
        used = {node.name for node in program.graph.nodes if node.op == "placeholder" and node.users}
        targets = [spec.target for spec in program.graph_signature.input_specs if spec.arg.name in used and spec.target]
        keys = {target.split(".")[1] for target in targets}
        if keys == set(self.nets):
            return program
        for key in set(self.nets) - keys:  # a generator has no part in an answer
            del self.nets[key]
        return self._traced()

    def _traced(self) -> torch.export.ExportedProgram:
        # Three different sizes above one: torch takes a one for a constant, and equal ones for the same.
        images = torch.zeros(2, 37, 51, 3, dtype=torch.uint8)
        axes = {i: torch.export.Dim(name, min=1) for i, name in enumerate(AXES)}
        program = torch.export.export(self, (images,), dynamic_shapes={INPUT: axes})
        graphs = [m for m in program.graph_module.modules() if isinstance(m, torch.fx.GraphModule)]
        for node in (node for graph in graphs for node in graph.graph.nodes):
            node.meta.pop("stack_trace", None)  # paths of this machine must not leave it
        return program


def deployed(model: Model, published: Published) -> Deployed:
    """The model with what evaluation published of it."""
    return Deployed(model, published.temperature, published.threshold)


def about(model: Model, published: Published, license: dict[str, str] | None = None) -> dict[str, str]:
    """What is written into every file beside the graph: JSON by key. ``classes`` are in the order of ``probabilities``.

    ``license``: which one of the backbone's weights was accepted, by whom and when, where it restricts.
    """
    facts = {
        "meanings": MEANINGS,
        "classes": model.classes,
        "temperature": published.temperature,
        "threshold": published.threshold,
        "calibration": published.note,
        "abstention": published.abstention,
        "model_id": published.model_id,
        "method": model.method,
        "image": model.image._asdict(),
        "backbone": model.backbone.describe() if model.backbone else None,
        "license_accepted": license,
        "ssgan": __version__,
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()}
