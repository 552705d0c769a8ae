"""The place of one annotator in the queue. Every change is in the journal before it counts."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ssgan.errors import DataError
from ssgan.intake.spelling import similar_names
from ssgan.labelpage.journal import Act, Journal
from ssgan.labelpage.sheets import Item, items_of
from ssgan.ledger.event import NO_CLASS, UNUSABLE
from ssgan.ledger.taxonomy import Taxonomy
from ssgan.ledger.vote import time_text

NOTE = 300  # letters of a note, with the reason before it
RESERVED = "us"  # undo, skip
LETTERS = [letter for letter in string.ascii_lowercase if letter not in RESERVED]
NO_TAXONOMY = Taxonomy()


class OutOfStepError(DataError):
    """The page acted on another image than the one that is due: two pages are open."""


class UnknownClassError(DataError):
    """A name that is no class yet; a person has to agree to a new one. similar: classes that may be meant."""

    def __init__(self, name: str, similar: list[str]) -> None:
        super().__init__(f"{name!r} is no class yet")
        self.similar = similar


class Wish(NamedTuple):
    """What the page asks for. out: places within the sheet of images that do not belong; new: the label may be a new class."""

    do: str
    image: str | None
    label: str = ""
    out: Sequence[int] = ()
    new: bool = False


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
        queue: sha256 of the images in order, and the cluster of each ("": none); images of one cluster are shown as sheets,
            before all others.
        classes: names; another label is accepted as a new class only.
        done: images of the queue that this annotator labeled in earlier sessions; they are not shown again.
        taxonomy: former names of classes, which no new class can have.
    """

    def __init__(
        self,
        queue: Mapping[str, str],
        classes: Sequence[str],
        journal: Journal,
        done: frozenset[str],
        taxonomy: Taxonomy = NO_TAXONOMY,
    ) -> None:
        self._classes, self._journal, self._taxonomy = list(classes), journal, taxonomy
        self._items = items_of(queue, done)
        self._total = len(queue)
        self._before = self._total - sum(len(item.images) for item in self._items)

    def classes(self) -> list[str]:
        """Names, the new ones of this session last."""
        return list(dict.fromkeys([*self._classes, *(act.label for act in self._journal.standing() if act.new)]))

    def _queue(self, acts: Sequence[Act]) -> list[Item]:
        """Sheets and single images; what was taken out of a sheet comes behind all others, one by one."""
        items = list(self._items)
        for place, act in enumerate(acts):
            if act.do in ("sheet", "apart"):
                items += [Item((image,)) for image in items[place].images if image not in act.images]
        return items

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        acts = self._journal.standing()
        items, place, classes = self._queue(acts), len(acts), self.classes()
        labeled = sum(len(act.labeled) for act in acts)
        skipped = sum(len(items[i].images) for i, act in enumerate(acts) if act.do == "skip")
        aside = sum(act.do == "aside" for act in acts)
        due = items[place] if place < len(items) else Item(())
        ahead = items[place + 1 : place + 3]
        return {
            "total": self._total,
            "place": self._before + labeled + skipped + aside,
            "labeled": self._before + labeled,
            "skipped": skipped,
            "aside": aside,
            "image": due.images[0] if due.images else None,
            "following": [item.images[0] for item in ahead if not item.sheet],
            "sheet": {"images": due.images, "number": due.sheet, "of": sum(item.sheet > 0 for item in items)}
            if due.sheet
            else None,
            "next_sheet": ahead[0].images if ahead and ahead[0].sheet else [],
            "can_undo": bool(acts),
            "last": acts[-1].label or None if acts and acts[-1].labeled else None,
            "classes": [{"name": n, "key": k} for n, k in zip(classes, keys(classes), strict=True)],
        }

    def act(self, wish: Wish) -> dict[str, Any]:
        """Label or skip the image or the sheet that is due, or undo the last act. Returns the new state.

        Raises:
            OutOfStepError: ``image`` is not the one that the page should show now.
            UnknownClassError: the label is no class, and nobody said that it should become one.
            DataError: no such act, or nothing to undo.
        """
        state = self.state()
        if wish.image != state["image"]:
            raise OutOfStepError("another page has moved on; this one shows the current image now")
        if wish.do == "undo" and not state["can_undo"]:
            raise DataError("there is nothing to undo in this session")
        if wish.do != "undo" and wish.image is None:
            raise DataError("the queue is at its end")
        self._journal.add(self._checked(wish, state["sheet"]))
        return self.state()

    def _checked(self, wish: Wish, sheet: dict[str, Any] | None) -> Act:
        """The act that a wish means. Raises UnknownClassError, DataError."""
        now, image, label = time_text(datetime.now(UTC)), wish.image or "", wish.label.strip()
        if wish.do == "undo":
            return Act("undo", "", "", now)
        if wish.do == "skip":
            return Act("skip", image, "", now)
        if wish.do == "aside" and not sheet:
            reason, _, note = label.partition(":")
            if reason not in (NO_CLASS, UNUSABLE) or len(label) > NOTE:
                raise DataError(f"an image is set aside as {NO_CLASS!r} or {UNUSABLE!r}, with a note of at most {NOTE} letters")
            return Act("aside", image, f"{reason}: {note.strip()}" if note.strip() else reason, now)
        if wish.do == "apart" and sheet:
            return Act("apart", image, "", now)
        if wish.do == "sheet" and sheet and label:
            kept = tuple(one for place, one in enumerate(sheet["images"]) if place not in wish.out)
            if not kept:
                raise DataError("every image of the sheet is taken out; put one back, or show them one by one")
            return Act("sheet", image, label, now, kept, self._is_new(label, wish.new))
        if wish.do == "label" and not sheet and label:
            return Act("label", image, label, now, new=self._is_new(label, wish.new))
        raise DataError(f"{wish.do!r} with {wish.label!r} is not an action on what is shown")

    def _is_new(self, label: str, agreed: bool) -> bool:
        """Whether a label makes a new class."""
        if label in (known := self.classes()):
            return False
        if self._taxonomy.is_former_name(label):
            today = self._taxonomy.current_name(label)
            raise DataError(f"{label!r} is a former name of {today!r}; use that")
        if not agreed:
            raise UnknownClassError(label, similar_names(label, known))
        return True
