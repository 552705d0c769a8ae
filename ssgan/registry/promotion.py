"""Compare two models, and let one become the champion: what ``ssgan compare`` and ``ssgan promote`` do.

A model is named by an alias of the registry, by (the start of) its version, or by the folder of a finished run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ssgan.backbones import Backbone
from ssgan.backbones.license import accepted_license
from ssgan.config import Config
from ssgan.errors import ConfigError, DataError, RefusedError
from ssgan.evaluation.challenger import Pairs, compare_pairs, pair
from ssgan.evaluation.gate import Rule, judge_gate, passes
from ssgan.evaluation.serving import method_of, role_of
from ssgan.registry.registry import PREVIOUS, Move, Reason, Registry, checked_alias
from ssgan.registry.version import MISTAKES, Version, assemble
from ssgan.report.challenger import KeptById, kept_images, render

PROMOTE, PERSON = "promote", "person"  # decisions: the gate is passed; a person has to decide
FORMAT = 1
ERROR = ("error_rate", "error_rate_low", "error_rate_high", "errors")  # keys of the metrics of a model


@dataclass(frozen=True)
class Comparison:
    """Two models, side by side. ``champion``, ``pairs`` and ``results`` are None where no model has the name yet."""

    named: str  # what the champion was asked for by
    champion: Version | None
    challenger: Version
    pairs: Pairs | None
    results: dict[str, Any] | None
    rules: list[Rule]

    def verdict(self, config: Config) -> dict[str, Any]:
        """The content of ``verdict.json``: a function of the two models and the parameters, without a clock."""
        return {
            "format": FORMAT,
            "decision": PROMOTE if passes(self.rules) else PERSON,
            "named": self.named,
            "champion": _about(self.champion) if self.champion else None,
            "challenger": _about(self.challenger),
            "gate": config.gate.model_dump(),
            "confidence": config.evaluate.confidence,
            "rules": [asdict(rule) for rule in self.rules],
            "comparison": self.results,
        }


def compare_models(config: Config, champion: str, challenger: str, scratch: Path) -> Comparison:
    """Judge ``challenger`` against ``champion`` on the test images that both were judged on.

    Files of the registry are fetched into the folder ``scratch``.

    Raises:
        ConfigError: a name means nothing. DataError, CheckpointError: a run is not evaluated, or not intact.
    """
    registry = Registry(config.storage.url)
    first = load(registry, champion, scratch / "champion")
    second = load(registry, challenger, scratch / "challenger")
    if second is None:
        raise ConfigError(
            f"no model is named {challenger!r} in {registry.url}, and there is no such folder; name one that exists"
        )
    return _compared(config, champion, first, second)


def _compared(config: Config, named: str, champion: Version | None, challenger: Version) -> Comparison:
    pairs = pair(champion.predictions(), challenger.predictions()) if champion else None
    results = compare_pairs(pairs, config.evaluate) if pairs else None
    return Comparison(named, champion, challenger, pairs, results, judge_gate(results, challenger.metrics, config.gate))


def load(registry: Registry, name: str, into: Path) -> Version | None:
    """The model behind a name, in the new folder ``into``; None for a name that no model has yet."""
    folder = Path(name)
    if (folder / "manifest.json").is_file() or (folder / "runs/train").is_dir():
        return assemble(folder, into)
    if folder.is_dir() and name not in registry.aliases():
        raise DataError(f"{folder} holds no finished run (no runs/train); run `dvc repro` there, or name a version")
    version = registry.find(name)
    return registry.fetch(version, into) if version else None


def write_all(comparison: Comparison, verdict: dict[str, Any], out: Path, config: Config) -> None:
    """``verdict.json`` for CI, ``index.html`` for people, ``flipped.csv`` with every image that changed sides."""
    out.mkdir(parents=True, exist_ok=True)
    both = [one for one in (comparison.champion, comparison.challenger) if one]
    kept: KeptById = {}
    for one in both:
        kept |= kept_images(one.folder / MISTAKES)
    render(verdict, comparison.pairs, kept, out, config.report.mistakes)
    text = json.dumps(verdict, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (out / "verdict.json").write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class PromotionRequest:
    """The arguments of ``promote``."""

    run: str
    alias: str
    verdict: Path
    by: str
    why: str | None = None
    force: bool = False
    accept_license: bool = False


class Promotion(NamedTuple):
    """What was done, and the backbone that the model rests on, if any."""

    move: Move
    backbone: Backbone | None


def promote(config: Config, request: PromotionRequest, scratch: Path) -> Promotion | None:
    """Register a model and give it the name ``request.alias``; None where it has that name already.

    A model that had the name before gets it back with a reason alone (a rollback); a new one needs a passing verdict about
    exactly this pair, which is worked out again here, or force and a reason.

    Raises:
        RefusedError: there is no such verdict. ConfigError: no reason, a name that means nothing, or a restrictive license of
            the backbone that nobody has accepted, now or in an earlier move of this model.
        RaceError: someone else moved the name meanwhile.
    """
    if checked_alias(request.alias) == PREVIOUS:
        raise ConfigError(f"{PREVIOUS} follows the champion by itself; name another alias")
    registry = Registry(config.storage.url)
    challenger = load(registry, request.run, scratch / "challenger")
    if challenger is None and request.run == PREVIOUS:
        raise ConfigError(
            "there is no champion before the current one to roll back to (`ssgan models history`); promote a run or a version"
        )
    if challenger is None:
        raise ConfigError(f"no model is named {request.run!r} in {registry.url}; name a run or a version to promote")
    moves = registry.history()
    held = moves[-1].aliases.get(request.alias) if moves else None
    if held == challenger.id:
        return None
    had_it = any(move.alias == request.alias and move.to == challenger.id for move in moves)
    kind = "rollback" if had_it else "forced" if request.force else "gate"
    if kind != "gate" and not (request.why or "").strip():
        what = "a rollback" if kind == "rollback" else "a promotion past the gate"
        raise ConfigError(f"{what} is recorded with its reason; add --why TEXT")
    known = any(move.to == challenger.id and move.license for move in moves)
    backbone = backbone_of(challenger)
    license = accepted_license(backbone, request.accept_license or known)
    proof = None
    if kind == "gate":
        champion = registry.fetch(held, scratch / "champion") if held else None
        proof = _proven(config, request, _compared(config, request.alias, champion, challenger))
    registry.add(challenger)
    reason = Reason(request.by, kind, proof, request.why, license)
    return Promotion(registry.move(request.alias, challenger.id, held, reason), backbone)


def backbone_of(version: Version) -> Backbone | None:
    """The backbone on whose features a model learned."""
    description = version.training.get("backbone")
    return Backbone.of(description) if description else None


def _proven(config: Config, request: PromotionRequest, comparison: Comparison) -> str:
    """The sha256 of a verdict file that lets this pair pass. Raises RefusedError."""
    again = f"run `ssgan compare {request.alias} {request.run}`"
    try:
        data = request.verdict.read_bytes()
        verdict = json.loads(data)
        recorded = _pair(verdict), verdict["gate"], verdict["decision"]
    except FileNotFoundError:
        raise RefusedError(f"{request.verdict} does not exist; {again} first") from None
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"{request.verdict} is not a verdict ({error!r}); {again}") from None
    fresh = comparison.verdict(config)
    if recorded[0] != _pair(fresh):
        raise RefusedError(
            f"{request.verdict} is about {_words(recorded[0])}, but this would be {_words(_pair(fresh))}; {again}"
        )
    if recorded[1] != fresh["gate"]:
        raise RefusedError(f"{request.verdict} was made with other rules than `gate` of params.yaml has now; {again}")
    if PERSON in (recorded[2], fresh["decision"]):
        failed = ", ".join(rule.name for rule in comparison.rules if rule.passed is False) or "its decision was edited"
        raise RefusedError(
            f"the gate does not let {comparison.challenger.id} pass ({failed}); look at the page of the comparison, and if you "
            "decide otherwise, promote with --force --why TEXT"
        )
    return hashlib.sha256(data).hexdigest()


def _pair(verdict: dict[str, Any]) -> tuple[str | None, str]:
    champion = verdict["champion"]
    return (champion["version"] if champion else None), verdict["challenger"]["version"]


def _words(versions: tuple[str | None, str]) -> str:
    return f"{versions[1]} against {versions[0] or 'none'}"


def _about(version: Version) -> dict[str, Any]:
    """What it is, what it cost, and what its unlabeled images were worth to it."""
    metrics, training = version.metrics, version.training
    return {
        "version": version.id,
        "run_id": training["run_id"],
        "method": method_of(metrics, training),
        "label_budget": metrics["budget"]["label_budget"],
        "unlabeled": metrics["images"]["unlabeled"],
        "steps": training["steps"],
        "error": {key: metrics["main"][key] for key in ERROR},
        "baseline": metrics["twin"] and {key: metrics["twin"][key] for key in ERROR},
        "seconds": training.get("seconds", {}).get(role_of(metrics)),
        "device": training.get("device"),
        "test_images": metrics["images"]["test"],
        "ssl_gain": metrics["gain"] and {key: metrics["gain"][key] for key in ("error_rate", "low", "high", "verdict")},
    }
