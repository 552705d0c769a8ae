"""A project of the weekly loop: the same commands that a team types, and how long each took."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.weekly import stream as streams
from benchmarks.weekly.stream import Image

COMMAND = [sys.executable, "-c", "from ssgan.cli.app import main; main()"]
QUEUE, SELECTION = "label-queue.csv", "next"
NEEDS_PERSON = 3


class Project:
    """A folder with params.yaml, images and a ledger. ``seconds`` holds the time of each command since it was last emptied."""

    def __init__(self, folder: Path, params: dict[str, Any]) -> None:
        self.folder, self.seconds = folder, dict[str, float]()
        folder.mkdir(parents=True)
        (folder / "params.yaml").write_text(yaml.safe_dump(params))

    def run(self, *words: str, may_need_person: bool = False) -> tuple[int, str]:
        """One command of ssgan. Raises RuntimeError with its output where it fails."""
        start = time.perf_counter()
        done = subprocess.run([*COMMAND, *words], cwd=self.folder, capture_output=True, text=True, check=False)
        name = " ".join(words[:2]) if words[0] in ("labels",) else words[0]
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        if done.returncode not in ((0, NEEDS_PERSON) if may_need_person else (0,)):
            raise RuntimeError(f"ssgan {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.returncode, done.stdout

    def arrive(self, images: list[Image], side: str) -> None:
        streams.place(images, self.folder / "images" / side / "unlabeled")

    def import_labels(self, lines: list[tuple[str, str, str, str]], name: str, *options: str) -> dict[str, Any]:
        """Import what is clear; what is not goes to the queue. Returns what the command says, as JSON."""
        streams.write(lines, self.folder / name)
        _, output = self.run("labels", "import", name, "--partial", "--json", *options, may_need_person=True)
        found: dict[str, Any] = json.loads(output)
        return found

    def decide(self, truth: dict[str, str]) -> int:
        """A person answers the queue, if there is one. Returns the number of images in it."""
        queue = self.folder / QUEUE
        if not queue.exists():
            return 0
        decided = streams.decide(queue, truth)
        self.run("labels", "import", QUEUE, "--annotator", "chief")
        queue.unlink()
        return decided

    def metrics(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / f"metrics/{name}.json").read_text())
        return found

    def held_by(self) -> list[str]:
        """The rules of the gate that the last comparison failed."""
        verdict = json.loads((self.folder / "reports/compare/verdict.json").read_text())
        return [rule["name"] for rule in verdict["rules"] if rule["passed"] is False]

    def picks(self) -> list[str]:
        """The images that `ssgan next` chose, by their sha256."""
        record = json.loads((self.folder / SELECTION / "selection.json").read_text())
        return [pick["sha256"] for pick in record["picks"]]
