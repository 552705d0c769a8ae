"""Votes for property-based tests of the ledger."""

from __future__ import annotations

from hypothesis import strategies as st

from ssgan.ledger import Vote

IMAGES = [digit * 64 for digit in "abc"]

times = st.integers(1, 6).map(lambda day: f"2026-01-0{day}T00:00:00.000Z")
names = st.sampled_from(["cat", "dog", "fox", "Cat"])
votes = st.builds(
    Vote, st.sampled_from(IMAGES), names, st.sampled_from(["eva", "bob", ""]), times, st.sampled_from(["a.csv", "b.csv"]),
    st.one_of(st.just(""), times),
)  # fmt: skip
