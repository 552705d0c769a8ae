"""What is it like on a GPU? Everything that a machine without one cannot tell, in one command of at most 8 minutes.

    python -m benchmarks.gpu --out gpu            # on a machine with one GPU
    python -m benchmarks.gpu --out gpu --dry-run  # the same, as small as can be, on a CPU

It needs no network, no Ray and no data: the machine's own torch, numpy, pydantic and safetensors; scikit-learn for the
digits, timm and the package of the embedded backbone's weights for the features. A section that fails, or for which no time is
left, says so, and the others run. Writes gpu.json, all that was measured, and gpu.md, the tables. The exit code is 1 where
anything failed.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ssgan  # noqa: F401 - before torch: sets how OpenMP threads wait

import torch  # isort: skip

from benchmarks.on_gpu import conformance, others, speed
from benchmarks.on_gpu.page import page
from benchmarks.on_gpu.parts import Setting

MINUTES = 7.5  # after which no section begins
SECTIONS: dict[str, Callable[[Setting], list[dict[str, Any]]]] = {
    "messages": others.messages,
    "memory": others.memory,
    "features": others.features,
    "conformance": conformance.run,
    "accuracy": others.accuracy,
    "speed": speed.run,
}


def measured(name: str, setting: Setting) -> dict[str, Any]:
    """A section: its rows, or the error that it ended with; and seconds."""
    start, found = time.perf_counter(), dict[str, Any]()
    try:
        rows = SECTIONS[name](setting)
        found = {"rows": rows}
        if bad := failures(name, rows):
            found["failures"] = bad
    except Exception:
        found = {"error": traceback.format_exc().rstrip()}
    return found | {"seconds": round(time.perf_counter() - start, 1)}


def failures(name: str, rows: list[dict[str, Any]]) -> list[str]:
    """What is not as it should be, or could not be measured."""
    if name == "conformance":
        return conformance.failures(rows)
    bad = [f"{row}: {row[key]}" for row in rows for key in row if key.endswith("error") and isinstance(row[key], str)]
    return bad + [f"{row['collective']} is wrong" for row in rows if row.get("right") is False]


def machine(setting: Setting) -> dict[str, str]:
    """What it ran on."""
    found = {"torch": torch.__version__, "Python": platform.python_version()}
    if setting.cuda:
        found |= {"GPU": torch.cuda.get_device_name(setting.device), "CUDA": str(torch.version.cuda)}
    return found | {"commit": commit(), "threads": str(torch.get_num_threads())}


def commit() -> str:
    """Of this code; unknown outside of a clone."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parent).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder of gpu.json and gpu.md")
    parser.add_argument("--dry-run", action="store_true", help="on a CPU, as small as can be")
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=list(SECTIONS))
    arguments = parser.parse_args()
    if not arguments.dry_run and not torch.cuda.is_available():
        sys.exit("error: torch finds no GPU here; --dry-run does the same on a CPU, as small as can be")
    start = time.perf_counter()
    setting = Setting(torch.device("cpu" if arguments.dry_run else "cuda"), arguments.dry_run, start + 60 * MINUTES)
    arguments.out.mkdir(parents=True, exist_ok=True)
    command = "python -m benchmarks.gpu" + " --dry-run" * arguments.dry_run
    found: dict[str, Any] = {"command": command, "machine": machine(setting), "sections": {}}
    for name in arguments.only:
        section = {"error": f"no time was left after {MINUTES:g} minutes"} if setting.late else measured(name, setting)
        found["sections"][name] = section
        found["seconds"] = time.perf_counter() - start
        (arguments.out / "gpu.json").write_text(json.dumps(found, indent=1))  # after each: whoever is stopped has those before
        (arguments.out / "gpu.md").write_text(page(found))
        print(
            f"{name}: {'failed' if {'error', 'failures'} & set(section) else 'done'} after {found['seconds']:.0f} s", flush=True
        )
    print((arguments.out / "gpu.md").read_text())
    sys.exit(any({"error", "failures"} & set(section) for section in found["sections"].values()))


if __name__ == "__main__":
    main()
