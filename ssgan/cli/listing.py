"""The list of commands that ``ssgan --help`` prints: by how often somebody needs them, each in one line of 80 columns."""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "Begin": {
        "init": "Write a project; by its images, with what to begin with.",
        "doctor": "Are machine, parameters, images and labels in place?",
        "circles": "A picture of what unlabeled images are worth.",
    },
    "Every day": {
        "summary": "Did the unlabeled images help, and where is the report?",
        "runs": "All runs as a table and a page: error, gain, cost.",
        "plan": "What `dvc repro` would run, why, and for about how long.",
        "predict": "Classify a folder, a bucket or the pool.",
        "export": "The classifier as one file: ONNX, torch.export, safetensors.",
    },
    "Every week": {
        "labels": "The label ledger: import, conflicts, undo, blame, ...",
        "next": "Choose the images to label next.",
        "label": "Label them in a browser, or on a phone.",
        "audit": "Find labels that look wrong.",
        "compare": "Is the new model better than the one that is live?",
        "promote": "Let it take its place, or go back.",
        "models": "The registry: what is there, what is live, and why.",
        "tune": "Search better parameters, and take them over.",
        "backbones": "Pretrained networks: list, fetch, compare, tune.",
        "remove": "Take images out of data, caches and reports for good.",
    },
    "Stages, which `dvc repro` runs in this order": {
        "ingest": "Raw images -> data/images, data/index.",
        "features": "Images -> feature vectors of a pretrained backbone.",
        "split": "Images and labels -> labeled, unlabeled, validation, test.",
        "train": "The method and its supervised baseline -> runs/train.",
        "evaluate": "The models on the test set -> metrics, plots.",
        "report": "The page for people -> report/index.html.",
    },
    "On a cluster": {
        "publish": "Put the splits into storage, for a job.",
        "submit": "Train on the cluster of cluster.address.",
        "jobs": "Trainings there: list, logs, stop.",
    },
}
