"""Numbers in plain words. Everything a reader sees as a sentence is made here, so that it can be tested as one."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from ssgan.evaluation.comparison import p_text, too_few
from ssgan.evaluation.serving import sentence
from ssgan.report.inputs import Facts
from ssgan.wording import counted

DIRECTION = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NETWORKS = {  # families as words
    "mlp": "multilayer perceptrons",
    "compact": "small convolutional ones (compact)",
    "improved_gan": "convolutional ones (improved_gan)",
    "head": "small ones on features (head)",
}
SUPERVISED = ("supervised", "linear_probe")  # methods that use no unlabeled image


@dataclass(frozen=True)
class Story:
    """The first screen: ``verdict`` is gain, none, harm or unknown; ``badge`` says it in two or three words."""

    verdict: str
    badge: str
    headline: str
    lead: str
    caveat: str
    title: str = "With unlabeled images"  # of the model's figure


@dataclass(frozen=True)
class BudgetCheck:
    """One line of the label budget proof."""

    ok: bool
    text: str
    value: str


def percent(fraction: float | None, digits: int = 1) -> str:
    """0.0421 -> "4.2%"; None -> "none"."""
    return "none" if fraction is None else f"{100 * fraction:.{digits}f}%"


def points(fraction: float) -> str:
    """0.0421 -> "4.2"; a difference of two percentages, without a minus sign in front of zero."""
    text = f"{100 * fraction:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "\N{MINUS SIGN}")


def number(value: float) -> str:
    """1203 -> "1,203"; up to four significant digits behind a point."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def duration(seconds: float) -> str:
    """4000 -> "1 h 7 min"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def tell(facts: Facts) -> Story:
    """The headline and what stands below it."""
    n = facts.metrics
    labels, unlabeled = counted(n["budget"]["label_budget"], "label"), counted(unlabeled_images(facts), "unlabeled image")
    main = percent(n["main"]["error_rate"])
    headline = f"The model gets {main} of unseen images wrong."
    if labels_only(facts):
        lead = f"It was trained on {labels} alone. {_left_out(n)}"
        return Story("unknown", "Labels only", headline, lead, _scope(n), title="Labels alone")
    start = f"With {labels} and {unlabeled}, the model gets {main} of unseen images wrong"
    if n["gain"] is None:
        known = "Whether the unlabeled images helped is not known: no supervised baseline was trained (train.twin is false)."
        lead = f"{start}. {known}"
        return Story("unknown", "Gain not measured", headline, lead, _scope(n))
    other = "a linear probe" if facts.manifest.get("backbone") else "the same network"
    lead = f"{start}; {other} trained on the {labels} alone gets {percent(n['twin']['error_rate'])} wrong."
    badge, headline = _verdict(n)
    return Story(n["gain"]["verdict"], badge, headline, lead, f"{_chance(n)} {_scope(n)}")


def _left_out(n: dict[str, Any]) -> str:
    """Why a model of labels alone is handed out."""
    if not (out := n.get("left_out")):
        return "This run is the comparison for runs that also use unlabeled images."
    gain = out["gain"]
    return (
        f"{sentence(n)} On the test images {out['method']} gets {percent(out['error_rate'])} wrong, a gain over the "
        f"baseline of {points(gain['error_rate'])} points ({points(gain['low'])} to {points(gain['high'])})."
    )


def about(facts: Facts, title: str) -> str:
    """The title of a picture: what it shows, of which run, on how many images."""
    images = facts.metrics["images"]
    of = "val" if title == "Error while training" else "test"
    on = counted(images[of], "validation image" if of == "val" else "test image")
    return f"{title}\n{facts.metrics['run_id']}, {on}"


def unlabeled_images(facts: Facts) -> int:
    """Images that were used without a label only: a benchmark's unlabeled set also holds the labeled ones."""
    n = facts.metrics
    return int(n["images"]["unlabeled"] - n["budget"]["labeled_and_unlabeled"])


def labels_only(facts: Facts) -> bool:
    """Whether the model that is handed out is the supervised comparison."""
    return bool(facts.metrics.get("left_out")) or supervised(facts)


def supervised(facts: Facts) -> bool:
    """Whether the run itself uses no unlabeled image."""
    return _parameters(facts).get("method.name") in SUPERVISED


def _parameters(facts: Facts) -> dict[str, Any]:
    """The resolved parameters by dotted key."""
    return dict(flat(facts.manifest.get("config") or {}))


def _verdict(n: dict[str, Any]) -> tuple[str, str]:
    share = n["gain"]["share_of_errors_removed"]
    if n["gain"]["verdict"] == "gain":
        removed = "all errors" if n["main"]["errors"] == 0 else f"{max(1, round(100 * share))} of every 100 errors"
        return "Measured gain", f"The unlabeled images removed {removed}."
    if n["gain"]["verdict"] == "harm":
        if n["twin"]["errors"] == 0:
            return "Worse", "The unlabeled images hurt: without them there is no error at all."
        return "Worse", f"The unlabeled images hurt: {counted(max(1, round(-100 * share)), 'more error')} for every 100."
    if n["gain"]["verdict"] == "too_few":
        few = counted(n["images"]["test"], "test image is", "test images are")
        return ("Too few test images", f"{few} too few to tell what the unlabeled images did.")
    return "No measurable gain", "The unlabeled images made no measurable difference."


def _chance(n: dict[str, Any]) -> str:
    gain, sure = n["gain"], percent(n["confidence"], 0)
    only = f"{counted(gain['only_main_right'], 'test image is', 'test images are')} right only with the unlabeled images, "
    only += f"{number(gain['only_twin_right'])} only without them"
    if gain["verdict"] in ("none", "too_few"):
        few = f" {too_few(gain, n['images']['test'])}." if gain["verdict"] == "too_few" else ""
        if gain["only_main_right"] + gain["only_twin_right"] == 0:
            return f"The model and its supervised baseline are right and wrong on exactly the same test images.{few}"
        return f"{only}, which can be chance ({p_text(gain['mcnemar_p'])}).{few}"
    return f"{only}: a difference this large is hardly chance ({p_text(gain['mcnemar_p'])}, tested at {sure} confidence)."


def _scope(n: dict[str, Any]) -> str:
    return (
        f"Measured once, on {counted(n['images']['test'], 'test image')} that training never saw. The intervals cover the "
        "choice of test images; another choice of labels or another seed can shift the result further."
    )


def checks(facts: Facts) -> list[BudgetCheck]:
    """The label budget proof, one line per claim. ``evaluate`` stops before it writes where one of them fails."""
    b = facts.metrics["budget"]
    seen = [("Different labeled images the model saw", b["main_ids_seen"])]
    if b["twin_ids_seen"] is not None:
        seen.append(("Different labeled images the baseline saw", b["twin_ids_seen"]))
    budget = int(b["label_budget"])
    out = [
        BudgetCheck(
            b["labeled_images"] == budget, "Labels in the training set", f"{number(b['labeled_images'])} of {number(budget)}"
        )
    ]
    out += [BudgetCheck(count == budget, text, f"{number(count)} of {number(budget)}") for text, count in seen]
    for pair in ("labeled_and_test", "labeled_and_val", "unlabeled_and_test", "unlabeled_and_val", "val_and_test"):
        first, second = pair.replace("val", "validation").split("_and_")
        out.append(BudgetCheck(b[pair] == 0, f"Images in both {first} and {second}", number(b[pair])))
    out.append(BudgetCheck(b["test_opened_by"] == "evaluate", "Test set opened by", f"the {b['test_opened_by']} stage only"))
    removed = (facts.split or {}).get("leak_removed")
    if isinstance(removed, int):
        out.append(BudgetCheck(True, "Near-duplicates of test images that were taken out of training", number(removed)))
    if b["labeled_and_unlabeled"]:
        text = "Labeled images shown among the unlabeled ones as well, without their label (a benchmark's habit)"
        out.append(BudgetCheck(True, text, number(b["labeled_and_unlabeled"])))
    return out


def ran(facts: Facts) -> list[tuple[str, str]]:
    """What ran, as (title, value); what the manifest does not say is left out."""
    m = facts.manifest
    known = _parameters(facts)
    source = [known.get(f"data.source.{key}") for key in ("kind", "dataset", "url", "path")]
    size, channels = known.get("data.image_size"), known.get("data.channels")
    seconds, stepped = m.get("seconds") or {}, "main" not in m.get("fitted", {})
    rows = [
        ("Source", ": ".join(str(part) for part in source if part)),
        ("Image size", f"{size} × {size}, {'gray' if channels == 1 else 'color'}" if size else ""),
        ("Backbone", f"{m['backbone']['name']}, {m['backbone']['license']}" if m.get("backbone") else ""),
        ("Method", str(known.get("method.name") or "").replace("_", " ")),
        ("Networks", NETWORKS.get(str(known.get("net.family")), str(known.get("net.family") or ""))),
        ("Steps", number(m["steps"]) if "steps" in m and stepped else ""),
        ("Device", f"{m.get('device', '')}, {counted(m.get('world_size', 1), 'worker')}"),
        (
            "Training time, method" if facts.metrics.get("left_out") else "Training time, model",
            duration(seconds["main"]) if seconds.get("main") else "",
        ),
        ("Training time, baseline", duration(seconds["twin"]) if seconds.get("twin") else ""),
        ("Speed, images per second", _median(facts, "images_per_second", number) if stepped else ""),
        ("Time spent waiting for data", _median(facts, "data_wait_share", percent) if stepped else ""),
    ]
    return [(title, value) for title, value in rows if value]


def _median(facts: Facts, key: str, show: Callable[[float], str]) -> str:
    """Over the model's history: one slow line (a checkpoint, a neighbor on the machine) does not move a median."""
    values = [float(row[key]) for row in facts.history["main"] if row.get(key) is not None]
    return show(median(values)) if values else ""


def warnings(facts: Facts) -> list[tuple[str, str, int, int]]:
    """(model, warning, first step, how often), in the order of first appearance."""
    found: dict[tuple[str, str], list[int]] = {}
    for role, rows in facts.history.items():
        for row in rows:
            for text in row.get("warnings") or ():
                found.setdefault((role, str(text)), []).append(row["step"])
    return [(role, text, steps[0], len(steps)) for (role, text), steps in found.items()]


def ingested(facts: Facts) -> str:
    """One sentence: every file that was seen is accounted for. Empty where ingest left no such counts."""
    counts = [(facts.ingest or {}).get(key) for key in ("seen", "accepted", "rejected", "duplicates")]
    if not all(isinstance(count, int) for count in counts):
        return ""
    seen, accepted, rejected, duplicates = (count for count in counts if isinstance(count, int))
    found = f"{counted(seen, 'file')} seen = {accepted:,} accepted + {rejected:,} rejected"
    return f"{found} + {counted(duplicates, 'duplicate')}."


def visible(text: str) -> str:
    """Control characters, and those that turn the direction of text, as escapes: ``exe.png`` must not hide ``gnp.exe``."""
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) == "Cc" or c in DIRECTION else c for c in text)


def words(key: str) -> str:
    """rejected_by_reason.bomb -> rejected by reason: bomb."""
    return key.replace("_", " ").replace(".", ": ")


def flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A nested value as ("a.b", leaf) pairs; lists of simple values are leaves."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from flat(child, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value
