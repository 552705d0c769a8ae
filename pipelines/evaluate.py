"""Stage ``evaluate``: the only code that opens the test set, and it says so in the metrics.

Reads data/splits and runs/train; writes metrics/evaluate.json, plots/*.csv and runs/evaluate.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ssgan import evaluation
from ssgan.config import EvaluateConfig, load
from ssgan.data import classes as registry
from ssgan.data import schema
from ssgan.model import Model, load_model

SPLITS, TRAIN = Path("data/splits"), Path("runs/train")


def run() -> None:
    """Verify first, then load, then judge: a changed file or a leak stops the stage before there is a number."""
    config = load().evaluate
    manifest = evaluation.verify_run(TRAIN)
    folders = {role: evaluation.trained_model(TRAIN, manifest, role, config.checkpoint) for role in ("main", "twin")}
    ids = {name: schema.read_set(SPLITS / name, columns=["id"])["id"].to_pylist() for name in schema.SETS}
    proof = evaluation.prove_budget(manifest, ids, twin=folders["twin"] is not None)

    val, test = schema.read_set(SPLITS / "val"), schema.read_set(SPLITS / "test")
    classes: list[str] = schema.read_metadata(test.schema, str(SPLITS / "test"))["classes"]
    former = registry.load(SPLITS / "classes.json").former
    models = {role: _load(folder, classes, former) for role, folder in folders.items() if folder}
    judged = {role: _judge(model, val, test, classes, config) for role, model in models.items()}

    counts = {name: len(values) for name, values in ids.items()}
    about = {"run_id": manifest["run_id"], "classes": classes}
    numbers = evaluation.metrics(judged["main"], judged.get("twin"), proof, config, counts, about)
    generated = models["main"].sample(evaluation.KEPT_IMAGES)
    evaluation.write_all(test, judged["main"], judged.get("twin"), numbers, generated, TRAIN)
    print(evaluation.describe(numbers))


def _load(folder: Path, classes: list[str], former: dict[str, list[str]]) -> Model:
    model = load_model(folder)
    evaluation.require_same_classes(model.classes, classes, str(folder), former)
    return model


def _judge(
    model: Model, val: pa.Table, test: pa.Table, classes: list[str], config: EvaluateConfig
) -> evaluation.ModelEvaluation:
    spec = schema.spec_of(schema.read_metadata(test.schema, str(SPLITS / "test")))
    logits, val_logits = (model.predict_logits(schema.pixels_to_numpy(table["pixels"], spec)) for table in (test, val))
    return evaluation.judge(logits, test["label"].to_numpy(), val_logits, val["label"].to_numpy(), classes, config)
