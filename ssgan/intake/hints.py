"""What a person may do about this very file: remedies with its own paths, names and fields in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ssgan.intake.project_index import ProjectIndex
from ssgan.intake.raw_label import USER_NUMBER, LabelFormat, ParsedFile
from ssgan.intake.votes import ResolvedVotes


def nothing_came_in(parsed: ParsedFile) -> str:
    """Why a file without a problem holds no label either."""
    found = ", ".join(f"{count} {what}" for what, count in parsed.skipped.items())
    tags = "; CVAT leaves tags out of COCO: export CVAT for images 1.1" if parsed.kind == LabelFormat.coco else ""
    return f"no label came in: the file holds {found or 'no label at all'}{tags}"


def hints(parsed: ParsedFile, resolved: ResolvedVotes, project: ProjectIndex) -> list[str]:
    """One line for each thing to do."""
    problems = Counter(one.remedy for one in parsed.problems)
    return [*_paths(resolved, project), *(f"problem ({count}): {remedy}" for remedy, count in problems.most_common())]


def same_person(names: Iterable[str]) -> list[str]:
    """How to say who is behind names that stand for an unknown person."""
    stands = sorted({"label-studio" if name.startswith(USER_NUMBER) else name for name in names})
    return [f"the same person, who changed the labels: --annotator {name!r}; another one: --annotator NAME" for name in stands]


def _paths(resolved: ResolvedVotes, project: ProjectIndex) -> list[str]:
    paths = [lost for lost in resolved.lost if lost.raw.path and not (lost.raw.sha256 or lost.match.unclear)]
    if not paths:
        return []
    found = [f"ingested paths look like {next(iter(project.ids))!r}, those of the file like {paths[0].raw.path!r}"]
    cut = Counter(lost.match.cut for lost in paths if lost.match.cut).most_common(1)
    return found + [
        f"{count} paths would fit without {start!r} in front; only if that is where the ingested images lie: "
        f"--path-prefix {start!r}"
        for start, count in cut
    ]
