"""From the pool to the picks: a random control group first, then images of what may be an unknown class, then uncertain ones.

Images for val and test are drawn beside them, from those that are reserved for these sets. They have to be a fair sample, so
no model scores them.

Letters: N images, M candidates, K classes, C, S, S of one image.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from ssgan.data.files import SplitFiles
from ssgan.errors import DataError
from ssgan.selection.diversity import Chosen, alike, best_first, greedy, groups
from ssgan.selection.pool import (
    U8,
    Candidates,
    PoolSummary,
    PredictOutputs,
    ScoredImages,
    draw,
    find_candidates,
    score_images,
    stream,
    summarize_pool,
)
from ssgan.selection.scoring import I64, Floats, distance, unit
from ssgan.selection.shares import Shares, Slice, interleaved
from ssgan.wording import counted

SPARE = 10  # candidates kept for one that is wanted: among fewer, diversity has little to choose from
CLASS_FACTOR = 2.0  # no predicted class takes more than twice its even share of the uncertain slice


class SelectionRules(NamedTuple):
    """What the queue should be. ``bits`` and ``rmse``: what a near-duplicate is (split.near_duplicate_*).

    clusters: sheets to make where typical images are asked for; None: one image after the other.
    """

    shares: Shares
    seed: int
    bits: int
    rmse: float
    clusters: int | None = None


class Pick(NamedTuple):
    """One image of the queue. ``score`` ranks it within its slice, None: drawn; ``rank`` counts from 1 in the queue.

    predicted, probability: by the model; None where it was not asked. cluster: images that people see as one sheet, if any.
    """

    sha256: str
    slice: Slice
    reason: str
    score: float | None
    predicted: str | None
    probability: float | None
    rank: int
    cluster: int | None = None


class Selection(NamedTuple):
    """Picks in the order of the queue, and the pool that they come from. beyond_share: picks over the share of their class."""

    picks: list[Pick]
    pool: PoolSummary
    beyond_share: int


def select(
    files: SplitFiles,
    predict: PredictOutputs,
    temperature: float,
    classes: Sequence[str],
    labeled: Collection[str],
    rules: SelectionRules,
) -> Selection:
    """Choose images to label next, of the pool and of those reserved for val and test. The same input gives the same picks.

    There are fewer uncertain or unknown picks than asked for where all that is left is a near-duplicate of another image.

    Args:
        predict: what the model says of images, by ids and stored pixels (N, C, S, S) uint8.
        labeled: ids of images that have a label already, in the labeled set or elsewhere; they are left out.

    Raises:
        DataError: the pool holds fewer images than the budget.
    """
    shares = rules.shares
    pool, wanted = summarize_pool(files, labeled, shares.control, rules.seed), shares.budget - shares.held_out
    if pool.size < wanted:
        raise DataError(
            f"the pool holds {counted(pool.size, 'image')} without a label, fewer than the {wanted} that --budget takes of it; "
            "lower the budget, or add images"
        )
    cap = math.ceil(CLASS_FACTOR * shares.uncertain / len(classes))
    scored = (score_images(ids, pixels, predict, temperature) for ids, pixels in stream(files, "unlabeled", labeled))
    found = find_candidates(scored, pool.control, rules.seed, SPARE * cap, SPARE * max(1, shares.unknown))
    chosen, beyond = _choose(found, files, predict, cap, rules)
    blocks: dict[Slice, ScoredImages] = {"uncertain": found.uncertain, "unknown": found.unknown, "control": found.control}
    slices = [[_pick(name, blocks[name], of, place, classes) for place in range(len(of.rows))] for name, of in chosen.items()]
    slices.append(held_out(waiting(files, labeled), rules) if shares.held_out else [])
    return Selection(in_queue(slices), pool, beyond)


def in_queue(slices: Sequence[Sequence[Pick]]) -> list[Pick]:
    """All picks in the order of the queue, which mixes the slices evenly, with their ranks."""
    picks = [slices[number][place] for number, place in interleaved(map(len, slices))]
    return [pick._replace(rank=rank) for rank, pick in enumerate(picks, 1)]


def waiting(files: SplitFiles, labeled: Collection[str]) -> list[str]:
    """Ids of the images that are reserved for val and test and still have no label."""
    return [image for image in files.reserved() if image not in labeled]


def held_out(waiting: Sequence[str], rules: SelectionRules) -> list[Pick]:
    """Images for val and test, drawn uniformly from those that wait for a label."""
    drawn = sorted((draw(rules.seed, image), image) for image in waiting)[: rules.shares.held_out]
    return [Pick(image, "held_out", "drawn at random, for val and test", None, None, None, 0) for _, image in drawn]


def _choose(
    found: Candidates, files: SplitFiles, predict: PredictOutputs, cap: int, rules: SelectionRules
) -> tuple[dict[Slice, Chosen], int]:
    """Rows of each slice's block, and how many uncertain picks are beyond the share of their class."""
    together = ScoredImages.join([found.control, found.unknown, found.uncertain])
    nearest, similar_labeled = _labeled(together, files, predict, rules.bits)
    group = groups(np.concatenate([together.pixels, similar_labeled]), rules.bits, rules.rmse)
    edges = np.cumsum([len(found.control), len(found.unknown), len(found.uncertain)])
    of_control, of_unknown, of_uncertain, of_labeled = np.split(group, edges)
    taken = {*of_control.tolist(), *of_labeled.tolist()}
    control = Chosen.every(len(found.control))
    unknown = best_first(found.unknown.unknown, of_unknown, taken, rules.shares.unknown)
    taken |= set(of_unknown[unknown.rows].tolist())
    block = found.uncertain
    others = np.concatenate([found.control.features, found.unknown.features[unknown.rows]])
    nearest = np.minimum(nearest[edges[1] :], distance(block.features, others))
    uncertain, beyond = _within_shares(block, nearest, of_uncertain, taken, cap, rules.shares.uncertain)
    return {"uncertain": uncertain, "unknown": unknown, "control": control}, beyond


def _labeled(together: ScoredImages, files: SplitFiles, predict: PredictOutputs, bits: int) -> tuple[Floats, U8]:
    """Distance of each candidate to the nearest labeled image (M,), and the labeled images that may be near-duplicates."""
    nearest, similar_labeled = np.full(len(together), np.inf), [together.pixels[:0]]
    for ids, pixels in stream(files, "labeled"):
        nearest = np.minimum(nearest, distance(together.features, unit(predict(ids.tolist(), pixels).features)))
        similar_labeled.append(pixels[alike(pixels, together.pixels, bits)])
    return nearest, np.concatenate(similar_labeled)


def _within_shares(
    block: ScoredImages, nearest: Floats, group: I64, taken: set[int], cap: int, wanted: int
) -> tuple[Chosen, int]:
    """Uncertain images, no class beyond its share unless the others have no more to give; and how many are beyond it."""
    kind = block.top[:, 0]
    first = greedy(block.uncertainty, block.features, nearest, group, taken, kind, cap, wanted)
    missing = wanted - len(first.rows)
    if not missing:
        return first, 0
    taken = taken | set(group[first.rows].tolist())
    nearest = np.minimum(nearest, distance(block.features, block.features[first.rows]))
    more = greedy(block.uncertainty, block.features, nearest, group, taken, kind, missing, missing)
    both = Chosen(first.rows + more.rows, first.scores + more.scores, first.distances + more.distances)
    return both, len(more.rows)


def _pick(name: Slice, block: ScoredImages, chosen: Chosen, place: int, classes: Sequence[str]) -> Pick:
    """One pick, its reason in words; the rank comes later."""
    row = chosen.rows[place]
    first, second = (classes[k] for k in block.top[row])
    p, q = block.probability[row]
    top_two = f"{first} ({p:.0%}) or {second} ({q:.0%})"
    reason = {
        "control": "drawn at random, to compare with",
        "unknown": f"may be no known class, place {row + 1} of the pool; the model says {top_two}",
        "uncertain": f"the model is uncertain: {top_two}; distance {chosen.distances[place]:.2f} from all labeled or chosen",
    }[name]
    score = None if name == "control" else chosen.scores[place]
    return Pick(str(block.ids[row]), name, reason, score, first, float(p), 0)
