"""How each format is written, and read back from the file alone. Letters: N images, H, W their size, K classes."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ssgan import __version__, installation
from ssgan.errors import ConfigError
from ssgan.exporting.deployed import AXES, INPUT, MEANINGS, OUTPUTS, Deployed
from ssgan.model import Model

ExportFormat = Literal["onnx", "torch-export", "safetensors"]
SUFFIXES: dict[ExportFormat, str] = {"onnx": ".onnx", "torch-export": ".pt2", "safetensors": ".safetensors"}
EXTRA_FILE = "ssgan.json"  # of a torch.export archive

Outputs = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.bool_]]
Predict = Callable[[npt.NDArray[np.uint8]], Outputs]  # (N, H, W, 3) uint8 RGB -> probabilities, label, abstain


class FormatIO(NamedTuple):
    """A format: ``write(model, graph, about, path)`` and ``read(path)``, which knows nothing but the file."""

    write: Callable[[Model, Deployed, dict[str, str], Path], None]
    read: Callable[[Path], Predict]


def _numpy(outputs: Any) -> Outputs:
    probabilities, label, abstain = (value.numpy() for value in outputs)
    return probabilities, label, abstain


# --- onnx ------------------------------------------------------------------------------------------------------------


def _write_onnx(model: Model, graph: Deployed, about: dict[str, str], path: Path) -> None:
    _need("onnx", "onnxscript", "onnxruntime")
    import onnx

    with _quiet():
        made = torch.onnx.export(graph.program(), dynamo=True, verbose=False, input_names=[INPUT], output_names=list(OUTPUTS))
    assert made is not None
    proto = made.model_proto
    _explain(proto, json.loads(about["method"]))
    onnx.helper.set_model_props(proto, about)
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def _explain(proto: Any, method: str) -> None:
    """Names for the axes, and for people what goes in and comes out."""
    graph = proto.graph
    (images,) = graph.input
    symbols = [dim.dim_param for dim in images.type.tensor_type.shape.dim]
    names = dict(zip(symbols, AXES, strict=False))
    for value in (images, *graph.output, *graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in names:
                dim.dim_param = names[dim.dim_param]
    for value in (images, *graph.output):
        value.doc_string = MEANINGS[value.name]
    proto.doc_string = graph.doc_string = (
        f"Image classifier made by ssgan {__version__} ({method}); the metadata holds classes, threshold and origin as JSON."
    )
    proto.producer_name, proto.producer_version = "ssgan", __version__


def _read_onnx(path: Path) -> Predict:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: tuple(session.run(list(OUTPUTS), {INPUT: images}))


# --- torch.export ----------------------------------------------------------------------------------------------------


def _write_program(model: Model, graph: Deployed, about: dict[str, str], path: Path) -> None:
    with _quiet():
        torch.export.save(graph.program(), path, extra_files={EXTRA_FILE: json.dumps(about)})


def _read_program(path: Path) -> Predict:
    with _quiet():
        run = torch.export.load(path).module()
    return lambda images: _numpy(run(torch.from_numpy(images)))


# --- safetensors -----------------------------------------------------------------------------------------------------


def _write_safetensors(model: Model, graph: Deployed, about: dict[str, str], path: Path) -> None:
    weights = {name: tensor.contiguous() for name, tensor in model.nets.state_dict().items()}
    save_file(weights, path, {**about, "config": json.dumps(model.description, ensure_ascii=False)})


def _read_safetensors(path: Path) -> Predict:
    with safe_open(path, "pt") as file:
        about = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a handle, no dict
    config, temperature, threshold = (json.loads(about[key]) for key in ("config", "temperature", "threshold"))
    graph = Deployed(Model(config, weights), temperature, threshold)
    return torch.no_grad()(lambda images: _numpy(graph(torch.from_numpy(images))))


FORMATS: dict[ExportFormat, FormatIO] = {
    "onnx": FormatIO(_write_onnx, _read_onnx),
    "torch-export": FormatIO(_write_program, _read_program),
    "safetensors": FormatIO(_write_safetensors, _read_safetensors),
}


def _need(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"format onnx needs {', '.join(missing)}; {installation.remedy('export')}, or choose torch-export")


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn of what is of no use to people: of their own deprecations, and of operators that they look for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
