"""The place of one annotator in the queue. Every change is in the journal before it counts."""

from __future__ import annotations

import string
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ssgan.errors import DataError
from ssgan.labelpage.journal import Act, Journal
from ssgan.ledger.vote import time_text

RESERVED = "us"  # undo, skip
LETTERS = [letter for letter in string.ascii_lowercase if letter not in RESERVED]


class OutOfStepError(DataError):
    """The page acted on another image than the one that is due: two pages are open."""


def keys(classes: Sequence[str]) -> list[str]:
    """The key of each class: 1 to 9, then letters without u and s, then none.

    Where every class is one digit or letter (digits, an alphabet), each is its own key.
    """
    own = [name.lower() for name in classes]
    if len(set(own)) == len(own) and set(own) <= {*string.digits, *LETTERS}:
        return own
    names = [*"123456789", *LETTERS]
    return [names[i] if i < len(names) else "" for i in range(len(classes))]


class Session:
    """One annotator and one queue.

    Args:
        queue: sha256 of the images in order.
        classes: names; no other label is accepted.
        done: images of the queue that this annotator labeled in earlier sessions; they are not shown again.
    """

    def __init__(self, queue: Sequence[str], classes: Sequence[str], journal: Journal, done: frozenset[str]) -> None:
        self.classes, self._journal = list(classes), journal
        self._todo = [image for image in queue if image not in done]
        self._before = len(queue) - len(self._todo)

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        acts = self._journal.standing()
        place = len(acts)
        labeled = sum(act.do == "label" for act in acts)
        return {
            "total": self._before + len(self._todo),
            "place": self._before + place,
            "labeled": self._before + labeled,
            "skipped": place - labeled,
            "image": self._todo[place] if place < len(self._todo) else None,
            "following": self._todo[place + 1 : place + 3],
            "can_undo": bool(acts),
            "last": acts[-1].label or None if acts else None,
            "classes": [{"name": n, "key": k} for n, k in zip(self.classes, keys(self.classes), strict=True)],
        }

    def act(self, do: str, image: str | None, label: str = "") -> dict[str, Any]:
        """Label or skip the image that is due, or undo the last act. Returns the new state.

        Raises:
            OutOfStepError: ``image`` is not the one that the page should show now.
            DataError: no such act, class, or nothing to undo.
        """
        state = self.state()
        if image != state["image"]:
            raise OutOfStepError("another page has moved on; this one shows the current image now")
        now = time_text(datetime.now(UTC))
        if do == "undo":
            if not state["can_undo"]:
                raise DataError("there is nothing to undo in this session")
            self._journal.add(Act("undo", "", "", now))
        elif image is None:
            raise DataError("the queue is at its end")
        elif do == "skip":
            self._journal.add(Act("skip", image, "", now))
        elif do == "label" and label in self.classes:
            self._journal.add(Act("label", image, label, now))
        else:
            raise DataError(f"{do!r} with {label!r} is not an action on an image")
        return self.state()
