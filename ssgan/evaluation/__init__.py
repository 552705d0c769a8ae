"""Evaluation of finished models: sums and counts, divided once at the end. Numpy only, no torch.

    scores.py       logits and labels -> error rate, balanced accuracy, recall, negative log-likelihood, confusion
    calibration.py  temperature, reliability bins, expected calibration error
    abstention.py   which images are left to a person: a threshold from val with a promise; risk against coverage
    comparison.py   intervals of Wilson and Tango, exact McNemar test, verdict
    proofs.py       hashes of the run, classes, label budget: what must hold before a number is worth reading
    judge.py        all of the above for one model, and for a model and its twin: the metrics
    serving.py      which model is handed out: the method's, or its baseline
    rows.py         on features: probe, automatic choice and method, compared in pairs; foreign.py: unlabeled images of no class
    challenger.py   two finished models on the test images that both were evaluated on; gate.py: may one replace the other?
    history.py      the training history as rows
    published.py    what evaluate.json says of one model: temperature, threshold, model id
    outputs.py      files: CSV for ``dvc plots``, Parquet and npy for the report

Letters: N images, K classes, M calibration bins, T temperature.
"""

from ssgan.evaluation.judge import ModelEvaluation, describe, judge, metrics
from ssgan.evaluation.outputs import KEPT_IMAGES, write_all
from ssgan.evaluation.proofs import BudgetProof, prove_budget, require_same_classes, trained_model, verify_run

__all__ = [
    "KEPT_IMAGES",
    "BudgetProof",
    "ModelEvaluation",
    "describe",
    "judge",
    "metrics",
    "prove_budget",
    "require_same_classes",
    "trained_model",
    "verify_run",
    "write_all",
]
