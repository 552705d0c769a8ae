"""What was measured, as one page of Markdown."""

from __future__ import annotations

from typing import Any

TITLES = {
    "conformance": "Conformance: deviations are in units of what is tolerated, at most 1 where all is well",
    "speed": "Speed of a step: as it is, as a CUDA graph, in a stack of 8 runs (of one), and its matrix products alone",
    "accuracy": "Test error on digits, 100 labels, in %",
    "features": "Features of the embedded backbone",
    "memory": "Memory",
    "messages": "Messages in a group of one rank",
}


def page(found: dict[str, Any]) -> str:
    """Of the JSON that ``benchmarks/gpu.py`` writes."""
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    lines = [f"`{found['command']}`: {machine}; {found['seconds']:.0f} s."]
    for name, section in found["sections"].items():
        lines += ["", f"## {TITLES[name]}", ""]
        if "error" in section:
            lines.append(f"Failed: {section['error'].splitlines()[-1]}")
        lines += table(section.get("rows", []))
        lines += [f"- not as it should be: {one}" for one in section.get("failures", [])]
    return "\n".join(lines) + "\n"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """A row each, with all columns that any of them has."""
    if not rows:
        return []
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names), *([cell(row.get(name)) for name in names] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def cell(value: Any) -> str:
    """Numbers to three digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, list):
        return " to ".join(cell(one) for one in value) if len(value) == 2 else ", ".join(cell(one) for one in value)
    return str(value).replace("|", "/")
