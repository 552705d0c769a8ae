"""Stage ``evaluate``: the only code that opens the test set, and it says so in the metrics.

Reads data/splits, the images that it names and runs/train; writes metrics/evaluate.json, plots/*.csv and runs/evaluate.
"""

from __future__ import annotations

from pathlib import Path

from ssgan import evaluation
from ssgan.config import load
from ssgan.data import classes as registry
from ssgan.data import schema
from ssgan.data.files import SplitFiles
from ssgan.data.index import with_paths
from ssgan.data.previews import previews_of
from ssgan.evaluation import KEPT_IMAGES, serving
from ssgan.evaluation.rows import answer, three_rows
from ssgan.features.files import stored
from ssgan.model import Model, load_model
from ssgan.prediction.by_id import inputs_of, unlike_labeled
from ssgan.prediction.nearest import nearest_images
from ssgan.prediction.sets import judge_sets, labeled_images

SPLITS, INDEX, FEATURES, TRAIN = (Path(name) for name in ("data/splits", "data/index", "data/features", "runs/train"))


def run() -> None:
    """Verify first, then load, then judge: a changed file or a leak stops the stage before there is a number."""
    parameters = load()
    config = parameters.evaluate
    manifest = evaluation.verify_run(TRAIN)
    folders = {role: evaluation.trained_model(TRAIN, manifest, role, config.checkpoint) for role in ("main", "twin", "auto")}
    files = SplitFiles(SPLITS.as_posix())
    ids = {name: files.ids(name) for name in schema.SETS}
    proof = evaluation.prove_budget(manifest, ids, twin=folders["twin"] is not None)

    val, test = labeled_images(files, "val"), with_paths(labeled_images(files, "test"), INDEX)
    classes, former = files.classes(), registry.load(SPLITS / "classes.json").former
    models = {role: _load(folder, classes, former) for role, folder in folders.items() if folder}
    features = stored(parameters, FEATURES)
    inputs = inputs_of(models["main"], features)
    judged = {role: judge_sets(model, inputs, val, test, config) for role, model in models.items()}

    main, twin, facts = serving.served(judged, manifest["config"]["method"]["name"], config)
    about = {"run_id": manifest["run_id"], "classes": classes, **facts}
    numbers = evaluation.metrics(main, twin, proof, config, {name: len(values) for name, values in ids.items()}, about)
    rows = three_rows(judged, manifest, config, unlike_labeled(models["main"], features, ids, config)) if features else None
    numbers |= {"rows": rows} if rows else {}
    generated = nearest_images(models["main"], inputs, files, KEPT_IMAGES) if features else models["main"].sample(KEPT_IMAGES)
    evaluation.write_all(test, main, twin, numbers, generated, TRAIN, previews_of(parameters.data))
    print(evaluation.describe(numbers))
    if rows:
        print(f"  {answer(rows)}")


def _load(folder: Path, classes: list[str], former: dict[str, list[str]]) -> Model:
    model = load_model(folder)
    evaluation.require_same_classes(model.classes, classes, str(folder), former)
    return model
