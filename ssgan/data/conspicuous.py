"""What an ingest should say of pictures that came out strangely: blank, nearly black, or damaged."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.data.raw import HIGHEST
from ssgan.data.row_writer import numbers, values
from ssgan.data.schema import fixed, shards
from ssgan.wording import counted

LOW_CONTRAST = 32  # gray levels, an eighth of the range
SHOWN = 3  # examples
LEAST_BITS, MOST_BITS = 9, 15  # that data.deep_bits can be

Example = tuple[str, int, int]  # path, lowest and highest value


@dataclass
class Some:
    """Images of one kind: how many, examples, and the highest value of all."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)
    highest: int = 0

    def add(self, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> None:
        """Those rows of an index that are chosen."""
        rows = np.flatnonzero(chosen)
        if len(rows):
            part = table.select(["path", "low", "high"]).take(numbers(rows, pa.int64())).to_pydict()
            self.count += len(rows)
            self.examples = nsmallest(SHOWN, [*self.examples, *zip(*part.values(), strict=True)])
            self.highest = max(self.highest, *part["high"])

    def describe(self) -> str:
        """Examples for people."""
        more = ", ..." if self.count > SHOWN else ""
        return ", ".join(f"{path} ({low} to {high})" for path, low, high in self.examples) + more


@dataclass
class Conspicuous:
    """Counted over all accepted images.

    Attributes:
        deep: files of more than 8 bits.
        blank: of one value.
        low_contrast: of more values, but within less than LOW_CONTRAST.
        dim: those of files of 16 bits that are blank or of low contrast.
        plain_blank, plain_low: the same of all other files.
        damaged: accepted despite damage.
    """

    deep: int = 0
    blank: int = 0
    low_contrast: int = 0
    dim: Some = field(default_factory=Some)
    plain_blank: Some = field(default_factory=Some)
    plain_low: Some = field(default_factory=Some)
    damaged: Some = field(default_factory=Some)

    def metrics(self) -> dict[str, int]:
        """For ``metrics/ingest.json``."""
        return {
            "deep": self.deep,
            "blank": self.blank,
            "low_contrast": self.low_contrast,
            "damaged_accepted": self.damaged.count,
        }

    def notes(self, deep_bits: int | None) -> list[str]:
        """Sentences with examples and the remedy; ``deep_bits``: `data.deep_bits`."""
        found = []
        if self.deep:
            how = f"{deep_bits} of 16 bits" if deep_bits else "the range that each file declares"
            found.append(f"{counted(self.deep, 'file')} of more than 8 bits: {how} became 0-255 (data.deep_bits)")
        if self.dim.count:
            found.append(
                f"{counted(self.dim.count, 'file')} of 16 bits are {_of_low_contrast(self.dim)}; {self._remedy(deep_bits)}"
            )
        if self.plain_blank.count:
            told = f"{counted(self.plain_blank.count, 'image is', 'images are')} blank, such as {self.plain_blank.describe()}"
            found.append(f"{told}; check these files")
        if self.plain_low.count:
            told = f"{counted(self.plain_low.count, 'image is', 'images are')} {_of_low_contrast(self.plain_low)}"
            found.append(f"{told}; they are learned from as they are")
        if self.damaged.count:
            told = f"{counted(self.damaged.count, 'image is', 'images are')} damaged, such as {self.damaged.describe()}"
            found.append(f"{told}; data.damaged: reject leaves them out")
        return found

    def _remedy(self, deep_bits: int | None) -> str:
        peak = (1 << deep_bits) - 1 if deep_bits else HIGHEST
        bits = max(LEAST_BITS, int((self.dim.highest + 0.5) * peak / 255).bit_length())
        if bits >= (deep_bits or MOST_BITS + 1):
            return "check these files"
        return f"their values fit {bits} bits: set data.deep_bits to what the camera or scanner records, {bits} or more"


def _of_low_contrast(some: Some) -> str:
    return f"blank or within less than {LOW_CONTRAST} of 256 gray levels, such as {some.describe()}"


def conspicuous(index: Path) -> Conspicuous:
    """Look through the index of all images."""
    found = Conspicuous()
    for shard in shards(index):
        table = pq.ParquetFile(shard).read(columns=["path", "bits", "low", "high", "damaged"])
        bits, low, high = (fixed(table[name])[:, 0].astype(np.int16) for name in ("bits", "low", "high"))
        blank, narrow = low == high, high - low < LOW_CONTRAST
        found.deep += int((bits > 8).sum())
        found.blank += int(blank.sum())
        found.low_contrast += int((narrow & ~blank).sum())
        found.dim.add(table, narrow & (bits == 16))
        found.plain_blank.add(table, blank & (bits != 16))
        found.plain_low.add(table, narrow & ~blank & (bits != 16))
        found.damaged.add(table, values(table["damaged"]).astype(np.bool_))
    return found
