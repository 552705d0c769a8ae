#!/usr/bin/env bash
# Label Studio's JSON-MIN has one key for a column of the data and a choice of the same name: a label nobody gave
#   appears.
#
# Version: label-studio-sdk 2.1.2 (the converter that Label Studio exports with).
# Source: convert_to_json_min in label_studio_sdk/converter/converter.py copies the data and writes the choices over
#   them; exports/csv2.py renames such a column of the data to _data_NAME.
# Behavior: tasks have a column "label" (a guess of an older model) and the control is named "label". JSON-MIN gives
#   the person's choice where there is one, and the guess, under the same key, where the annotation was submitted
#   empty or there is none. CSV gives an empty cell there. If the control is named "image" as the column is, the
#   choice is written over the address.
# Why it matters: "label" and "image" are common names of both. An importer takes the guesses of a model for votes, or
#   finds images named "dog". Only the keys annotator and annotation_id tell tasks without an annotation; a submitted
#   empty one has both.
#
# Seen:
#   choice named label, JSON-MIN: ['dog', 'cat', 'cat'], CSV: ['dog', '', '']
#   choice named image, JSON-MIN: ['dog', '2.jpg', '3.jpg'], CSV: ['1.jpg', '2.jpg', '3.jpg']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check 'label-studio-sdk==2.1.2'
cd "$folder"
env/bin/python - <<'PYTHON'
import csv
import json
from pathlib import Path

from label_studio_sdk.converter import Converter


def exported(control: str) -> tuple[list[dict[str, object]], list[dict[str, str]]]:
    """Three tasks as JSON-MIN and as CSV: one labeled, one submitted without a choice, one not yet seen."""
    view = f"""<View><Image name="picture" value="$image"/><Choices name="{control}" toName="picture">
        <Choice value="cat"/><Choice value="dog"/></Choices></View>"""
    choice = {"type": "choices", "from_name": control, "to_name": "picture", "value": {"choices": ["dog"]}}

    def annotation(number: int, *results: dict[str, object]) -> dict[str, object]:
        when = "2026-11-02T10:00:00Z"
        facts = {"completed_by": 1, "was_cancelled": False, "created_at": when, "updated_at": when, "lead_time": 2.5}
        return {"id": number, "result": [{"id": "r", **result} for result in results], **facts}

    annotations = ([annotation(1, choice)], [annotation(2)], [])
    tasks = [
        {"id": number, "data": {"image": f"{number}.jpg", "label": "cat"}, "annotations": given, "predictions": []}
        for number, given in enumerate(annotations, 1)
    ]
    Path("tasks.json").write_text(json.dumps(tasks))
    converter = Converter(view, project_dir=".", download_resources=False)
    assert {"JSON_MIN", "CSV"} <= set(converter.supported_formats)
    for kind in ("JSON_MIN", "CSV"):
        converter.convert("tasks.json", f"{control}-{kind}", kind, is_dir=False)
    with Path(f"{control}-CSV/result.csv").open() as file:
        return json.loads(Path(f"{control}-JSON_MIN/result.json").read_text()), list(csv.DictReader(file))


rows, table = exported("label")
print(f"choice named label, JSON-MIN: {[row['label'] for row in rows]}, CSV: {[row['label'] for row in table]}")
assert [row["label"] for row in rows] == ["dog", "cat", "cat"]
assert [row["label"] for row in table] == ["dog", "", ""]
assert [row["_data_label"] for row in table] == ["cat", "cat", "cat"]
rows, table = exported("image")
print(f"choice named image, JSON-MIN: {[row['image'] for row in rows]}, CSV: {[row['_data_image'] for row in table]}")
assert [row["image"] for row in rows] == ["dog", "2.jpg", "3.jpg"]
assert [row["_data_image"] for row in table] == ["1.jpg", "2.jpg", "3.jpg"]
PYTHON
