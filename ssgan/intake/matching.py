"""Which image a label is for: by its sha256, else by its path. The only place that decides that, whatever the format.

A path must be that of an ingested image, in any notation (``addresses``). A beginning is left away only where it is known what
it is: the address of the source itself or an end of that (``images/`` where the source is ``/data/images``), or one that a
person names (``--path-prefix``). A shorter path, or a file's name alone, is never enough: pictures are numbered anew in
every folder. The exception is an upload to Label Studio, which keeps nothing but the name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import NamedTuple

from ssgan.intake.addresses import below_host, cleaned, key, notations, own_beginnings, tails, uploaded_names
from ssgan.intake.project_index import ProjectIndex
from ssgan.intake.raw_label import RawLabel

UPLOAD = "(upload)"  # in place of a beginning: found by the name of an upload
SHOWN = 3  # paths in a message


class Match(NamedTuple):
    """What was found for one label.

    image: its id; None where it is unknown or unclear. path: as ingested; empty where the sha256 told. cut: the beginning that
    was left away, or would have to be. unclear: why no single image can be meant; empty for an unknown one. hint: what an
    unknown path is like.
    """

    image: str | None
    path: str = ""
    cut: str = ""
    unclear: str = ""
    hint: str = ""


class Matcher:
    """Finds the images of all labels of one file.

    Args:
        prefix: what a person says that the paths of the file have before those of the project; empty: nothing.
    """

    def __init__(self, project: ProjectIndex, prefix: str = "") -> None:
        self.project = project
        self.prefix = prefix.replace("\\", "/")
        self.beginnings = own_beginnings(project.source)

    def match(self, labels: Sequence[RawLabel]) -> list[Match]:
        """One match for each label, in their order."""
        paths = {label.path for label in labels if not label.sha256}
        # if all are literally those of the index, nobody needs to think about beginnings
        literal = not self.prefix and all(_plain(path) in self.project.ids for path in paths)
        found = {path: self._literal(path) if literal else self._find(path) for path in paths}
        self._part_twins(found)
        return [self._by_bytes(label.sha256) if label.sha256 else found[label.path] for label in labels]

    def _by_bytes(self, sha256: str) -> Match:
        return Match(sha256 if sha256 in self.project.path else None)

    def _literal(self, path: str) -> Match:
        return Match(self.project.ids[_plain(path)], _plain(path))

    def _find(self, address: str) -> Match:
        readings = self._readings(address)
        images = {self.project.ids[path] for path in readings}
        if len(images) == 1:
            path, cut = next(iter(readings.items()))
            return Match(images.pop(), path, cut)
        if images:
            return Match(None, unclear=f"{address} may be {_listed(readings)}")
        return self._unknown(address)

    def _readings(self, address: str) -> dict[str, str]:
        """Every ingested path that an address may mean, with the beginning that is then left away."""
        found: dict[str, str] = {}
        if behind := self._behind_prefix(address):  # a person has said what it means
            return {path: self.prefix for rest in behind for path in self._ingested(rest)}
        names = notations(address)
        literal = _plain(address) in self.project.ids
        if literal:
            found[_plain(address)] = ""
        for name in names:
            for cut, rest in self._rests(name):
                for path in self._ingested(rest) if cut or not literal else ():
                    found.setdefault(path, cut)
        return found or self._uploaded(names)

    def _uploaded(self, names: Iterable[str]) -> dict[str, str]:
        """The same for an upload to Label Studio; the source may be the very folder of uploads."""
        for way in zip(*(uploaded_names(name) for name in names if uploaded_names(name)), strict=True):
            if found := {path: UPLOAD for name in way for path in self.uploads.get(name, ())}:
                return found
        return {}

    def _rests(self, name: str) -> Iterable[tuple[str, str]]:
        yield "", name
        seen = below_host(name)
        for beginning in self.beginnings:
            if seen.startswith(beginning):
                yield name[: len(name) - len(seen)] + beginning, seen[len(beginning) :]

    def _behind_prefix(self, address: str) -> list[str]:
        whole = address.replace("\\", "/")
        if not self.prefix or not whole.startswith(self.prefix):
            return []
        rest = whole[len(self.prefix) :]
        return notations(rest) if self.prefix[-1] in "/=" or rest[:1] == "/" else []

    def _ingested(self, name: str) -> list[str]:
        exact = [name] if name in self.project.ids else []
        return exact or self.odd.get(name, [])

    @cached_property
    def odd(self) -> dict[str, list[str]]:
        """Ingested paths whose key is not what they are, by their keys."""
        return _grouped((name, path) for path in self.project.ids if (name := key(path)) != path)

    @cached_property
    def uploads(self) -> dict[str, list[str]]:
        """Ingested paths by the name that Label Studio would give to an upload of them."""
        return _grouped((cleaned(path.rpartition("/")[2]), path) for path in self.project.ids)

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """Ingested paths by their bare names."""
        return _grouped((_bare(path), path) for path in self.project.ids)

    def _part_twins(self, found: dict[str, Match]) -> None:
        """Two addresses that come to one picture cannot both be right: neither counts."""
        users = _grouped((match.path, address) for address, match in found.items() if match.image is not None)
        for path, addresses in users.items():
            if len({key(one) for one in addresses}) > 1:
                for address in addresses:
                    others = [one for one in sorted(addresses) if one != address]
                    found[address] = Match(None, unclear=f"{address} and {_listed(others)} would both be {path!r}")

    def _unknown(self, address: str) -> Match:
        """No match, with what is ingested and looks like the address, for a person."""
        names = notations(address) or [""]
        tail = next((tail for name in names[:2] for tail in tails(name) if tail in self.project.ids), None)
        if tail is not None:
            cut = address[: -len(tail)] if address.replace("\\", "/").endswith(tail) else ""
            return Match(None, cut=cut, hint=f"{tail!r} is ingested, which may be another picture")
        alike = self.names.get(_bare(names[0]), [])
        return Match(None, hint=f"is it {_listed(alike)}?" if alike else "")


def _plain(path: str) -> str:
    return path.removeprefix("./")


def _bare(path: str) -> str:
    """The name of a file without folders, case and extension."""
    return PurePosixPath(path).stem.casefold()


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, one in pairs:
        found[name].append(one)
    return dict(found)


def _listed(paths: Iterable[str]) -> str:
    names = sorted(paths)
    more = f" or {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return " or ".join(map(repr, names[:SHOWN])) + more
