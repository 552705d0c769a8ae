"""The records of a search, in storage: proposals when they are made, trials when they have ended.

    SEARCH/proposed/RUN/trial.json      written once, before the trial starts
    SEARCH/ended/RUN/trial.json         written once; a trial without it is unfinished, and the next search goes on with it
    SEARCH/closed/TRIALS/runs.json      written last: the runs of a search for so many trials, all of them ended

Only the driver of the search writes here. What a finished trial found is read from the files of its run, not from Ray.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssgan import scratch
from ssgan.training.context import FolderStore, final_key
from ssgan.tuning.trials import Trial


class TrialLog:
    """The records of one search."""

    def __init__(self, store: FolderStore, search: str) -> None:
        self.store, self.search = store, search

    def propose(self, trial: Trial) -> None:
        """Record a trial that is about to start."""
        self._write("proposed", trial)

    def end(self, trial: Trial) -> Trial:
        """Record a trial that has ended; it counts as finished exactly if its run is complete in storage."""
        ended = finished(self.store, trial) or trial
        self._write("ended", ended)
        return ended

    def close(self, wanted: int, trials: list[Trial]) -> None:
        """Record that the search for ``wanted`` trials is at its end; it may have found fewer points than that."""
        if self.closed(wanted) is None:
            self._put(f"closed/{wanted}", "runs.json", [trial.run for trial in trials])

    def closed(self, wanted: int) -> list[str] | None:
        """The runs of a search for ``wanted`` trials, or None where it is not at its end."""
        key = f"{self.search}/closed/{wanted}"
        found = key in self.store.keys(f"{self.search}/closed")
        return list(json.loads(read(self.store, key, "runs.json"))) if found else None

    def read(self) -> list[Trial]:
        """All trials so far, in the order of their proposal; the unfinished ones are ``running``."""
        ended = {trial.run: trial for trial in self._read("ended")}
        trials = [ended.get(trial.run, trial) for trial in self._read("proposed")]
        return sorted(trials, key=lambda trial: trial.number)

    def _write(self, kind: str, trial: Trial) -> None:
        self._put(f"{kind}/{trial.run}", "trial.json", trial.to_json())

    def _put(self, key: str, name: str, content: Any) -> None:
        with scratch.folder("trial") as temporary:
            folder = Path(temporary)
            (folder / name).write_text(json.dumps(content, indent=1))
            self.store.put(folder, f"{self.search}/{key}")

    def _read(self, kind: str) -> list[Trial]:
        keys = self.store.keys(f"{self.search}/{kind}")
        return [Trial.from_json(json.loads(read(self.store, key, "trial.json"))) for key in keys]


def finished(store: FolderStore, trial: Trial) -> Trial | None:
    """The trial as the files of its run record it, or None if the run is not at its end."""
    key = final_key(trial.run, "main")
    if key not in store.keys(f"{trial.run}/main"):
        return None
    with scratch.folder("run") as temporary:
        folder = Path(temporary) / "final"
        store.get(key, folder)
        history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        seconds = json.loads((folder / "summary.json").read_text())["seconds"]
    validations = tuple((record["step"], record["val_error_rate"]) for record in history)
    return replace(trial, state="finished", validations=validations, seconds=seconds, reason="")


def read(store: FolderStore, key: str, name: str) -> str:
    """One file of a folder in storage."""
    with scratch.folder("read") as temporary:
        folder = Path(temporary) / "folder"
        store.get(key, folder)
        return (folder / name).read_text()
