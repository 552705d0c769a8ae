"""Stage ``ingest``: raw images -> data/images, data/rejected.parquet, data/duplicates.parquet, metrics/ingest.json."""

from __future__ import annotations

import json
import time
from pathlib import Path

from pipelines import _stage
from ssgan.config import DataConfig, load
from ssgan.data.images import IngestSummary, ingest
from ssgan.data.workers import Elsewhere
from ssgan.runtime.sources import open_source


def run() -> None:
    """Read params.yaml, ingest, write the metrics and say what happened."""
    config, start = load().data, time.perf_counter()
    summary = ingest(open_source(config.source), config, Path("data"), progress=_Progress(), elsewhere=_elsewhere(config))
    Path("metrics").mkdir(exist_ok=True)
    Path("metrics/ingest.json").write_text(json.dumps(summary.metrics(), indent=2) + "\n")
    print(describe(summary, time.perf_counter() - start))


def _elsewhere(config: DataConfig) -> Elsewhere | None:
    """Workers of a Ray cluster, where asked for; Ray is not loaded otherwise."""
    if config.workers == "local":
        return None
    from ssgan.runtime.ray_ingest import elsewhere

    return elsewhere(config.source)


def describe(summary: IngestSummary, seconds: float) -> str:
    """Three lines for people; the rate stands here, as metrics must not change from run to run."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(summary.rejected.items())) or "none"
    crossing = f"{summary.duplicates_across_classes} across classes, {summary.duplicates_across_splits} across splits"
    return (
        f"ingest: {summary.source}; {' '.join(summary.notes)}\n"
        f"  {summary.seen} files seen = {summary.accepted} accepted + {sum(summary.rejected.values())} rejected ({reasons})"
        f" + {summary.duplicates} duplicates ({crossing})\n"
        f"  {summary.shards} shards, {summary.seen / seconds:,.0f} files/s"
    )


class _Progress:
    """A line every ten seconds, so that a long ingest is seen to live."""

    start = last = time.monotonic()

    def __call__(self, seen: int) -> None:
        now = time.monotonic()
        if now - self.last >= 10:
            self.last = now
            print(f"ingest: {seen} files, {seen / (now - self.start):,.0f}/s", flush=True)


if __name__ == "__main__":
    _stage.main(run)
