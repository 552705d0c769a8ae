"""Every format, for every family of networks and every kind of class output: the file alone computes what the model does."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors import safe_open

from ssgan import nets
from ssgan.config import ImageSpec
from ssgan.data.decode import from_pixels
from ssgan.errors import CheckpointError
from ssgan.evaluation.published import Published
from ssgan.exporting import deployed as deployed_module
from ssgan.exporting import export
from ssgan.exporting.check import TOLERANCE, check
from ssgan.exporting.export import export_model
from ssgan.exporting.formats import EXTRA_FILE, FORMATS, SUFFIXES, ExportFormat, Outputs
from ssgan.model import Model, load_model
from tests.support.data import blobs, write_data
from tests.support.model_folder import CLASSES, write_model

pytestmark = pytest.mark.slow
ByHand = tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.bool_]]
TEMPERATURE, THRESHOLD = 0.05, 0.6  # sharp: networks that nobody trained are sure of nothing
KINDS = [("explicit_fake", "mlp"), ("implicit_fake", "mlp"), ("teacher_gan", "mlp"), ("triple_gan", "mlp"), ("gan", "mlp")]
CASES = KINDS + [("explicit_fake", family) for family in nets.names() if family not in ("mlp", "head")]


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> Published:
    """What evaluation is said to have published."""
    value = Published("run/main/last@abc", TEMPERATURE, THRESHOLD, True, "calibrated", "up to 0.6")
    monkeypatch.setattr(export, "published", lambda model, metrics: value)
    return value


def by_hand(model: Model, images: npt.NDArray[np.uint8]) -> ByHand:
    """Probabilities, labels and decisions from the logits, in float64."""
    logits = model.predict_logits(images).astype(np.float64) / TEMPERATURE
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return p, p.argmax(1), p.max(1) <= THRESHOLD


def rgb(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(N, 3, S, S) -> (N, S, S, 3)"""
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1))


@pytest.mark.parametrize(("name", "family"), CASES)
@pytest.mark.parametrize("format", list(FORMATS))
def test_a_file_computes_what_the_model_does(
    tmp_path: Path, facts: Published, monkeypatch: pytest.MonkeyPatch, format: ExportFormat, name: str, family: str
) -> None:
    folder = write_model(tmp_path / "model", name, family)
    model = load_model(folder)
    images, labels = blobs(40, model.image, 3, seed=1)
    write_data(tmp_path, {"labeled": (images, labels)}, model.image, CLASSES)
    threshold = float(np.median(by_hand(model, images)[0].max(1)))  # half of the images are left to a person
    monkeypatch.setattr(export, "published", lambda model, metrics: replace(facts, threshold=threshold))
    done = export_model(format, folder, tmp_path / f"out{SUFFIXES[format]}", tmp_path / "no.json", tmp_path / "splits/labeled")
    assert done.difference.images == 40
    predict = FORMATS[format].read(done.path)
    for n in (1, 7, 40):
        p, label, abstain = predict(rgb(images[:n]))
        expected, answer, _ = by_hand(model, images[:n])
        assert p.shape == (n, 3)
        np.testing.assert_allclose(p, expected, atol=TOLERANCE)
        assert (label == answer).all()
        assert (abstain == (expected.max(1) <= threshold)).all()
    assert abstain.sum() == 20
    assert [p.name for p in tmp_path.glob("*out*")] == [done.path.name]
    said = about(done.path)
    assert (said["classes"], said["temperature"], said["threshold"]) == (CLASSES, TEMPERATURE, threshold)
    assert (said["image"], said["model_id"]) == (model.image._asdict(), "run/main/last@abc")
    assert str(Path(deployed_module.__file__).parents[2]).encode() not in everything(done.path)


def about(path: Path) -> dict[str, Any]:
    """The facts inside a file, read as somebody else's program would."""
    if path.suffix == ".onnx":
        import onnxruntime

        found = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    elif path.suffix == ".pt2":
        extra = {EXTRA_FILE: ""}
        torch.export.load(path, extra_files=extra)
        found = json.loads(extra[EXTRA_FILE])
    else:
        with safe_open(path, "pt") as file:
            found = file.metadata()
    return {key: json.loads(value) for key, value in found.items()}


def everything(path: Path) -> bytes:
    if path.suffix != ".pt2":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def test_only_the_classifier_leaves(tmp_path: Path, facts: Published) -> None:
    folder = write_model(tmp_path / "model", "explicit_fake", "mlp")
    export_model("torch-export", folder, tmp_path / "out.pt2", Path(), tmp_path / "no")
    kept = torch.export.load(tmp_path / "out.pt2").state_dict
    assert kept
    assert not [name for name in kept if "generator" in name]
    assert [name for name in load_model(folder).nets.state_dict() if "generator" in name]


@pytest.mark.parametrize(
    "change", [{"temperature": TEMPERATURE * 1.1}, {"threshold": 0.9}, {"threshold": None}], ids=["temperature", "high", "none"]
)
def test_a_file_that_differs_is_an_error_and_is_deleted(
    tmp_path: Path, facts: Published, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    folder = write_model(tmp_path / "model", "implicit_fake", "mlp")
    settings = {"temperature": TEMPERATURE, "threshold": THRESHOLD} | change
    monkeypatch.setattr(export, "deployed", lambda model, facts: deployed_module.Deployed(model, **settings))
    with pytest.raises(CheckpointError, match="does not compute what the model does, so it was deleted"):
        export_model("torch-export", folder, tmp_path / "out.pt2", Path(), tmp_path / "no")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]


def test_the_check_finds_what_is_wrong_with_larger_batches_only(tmp_path: Path, facts: Published) -> None:
    model = load_model(write_model(tmp_path / "model", "implicit_fake", "mlp"))
    images, _ = blobs(21, model.image, 3, seed=1)

    def wrong(answers: Outputs, n: int) -> Outputs:
        p, label, abstain = answers
        return (p, label if n == 1 else (label + 1) % 3, abstain)

    def answer(x: npt.NDArray[np.uint8]) -> Any:
        return by_hand(model, np.stack([from_pixels(one, model.image) for one in x]))

    p, label, abstain = by_hand(model, images)
    assert check(answer, model, facts, images)[::2] == pytest.approx((0, 0), abs=1e-6)
    with pytest.raises(CheckpointError, match=r"batch of 7 of 8 x 8 pixels, .* 7 labels and 0 decisions"):
        check(lambda x: wrong(answer(x), len(x)), model, facts, images)
    with pytest.raises(CheckpointError, match="gives shapes"):
        check(lambda x: (p[:2], label[:2], abstain[:2]), model, facts, images)
    with pytest.raises(CheckpointError, match="differ by up to nan"):
        check(lambda x: (np.full_like(answer(x)[0], np.nan), *answer(x)[1:]), model, facts, images)
    with pytest.raises(CheckpointError, match="batch of 1 of 19 x 11 pixels"):
        check(lambda x: answer(x[:, ::-1] if x.shape[1] != 8 else x), model, facts, images)


def test_images_of_another_shape_are_refused(tmp_path: Path, facts: Published) -> None:
    folder = write_model(tmp_path / "model", "implicit_fake", "mlp")
    spec = ImageSpec(1, 8, "fit")
    images, labels = blobs(5, spec, 3, seed=1)
    write_data(tmp_path, {"labeled": (images, labels)}, spec, CLASSES)
    with pytest.raises(CheckpointError, match="holds images of shape"):
        export_model("safetensors", folder, tmp_path / "out.safetensors", Path(), tmp_path / "splits/labeled")


def test_a_probability_that_equals_the_threshold_is_no_answer() -> None:
    class Undecided:
        nets = torch.nn.ModuleDict()
        image, backbone = ImageSpec(1, 8, "fit"), None

        def logits(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(images), 2)

    images = torch.zeros(3, 8, 8, 3, dtype=torch.uint8)
    for threshold, left in ((0.5, True), (0.499, False), (None, False)):
        assert deployed_module.Deployed(Undecided(), 1.0, threshold)(images)[2].tolist() == [left] * 3  # type: ignore[arg-type]
