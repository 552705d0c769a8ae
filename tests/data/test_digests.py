"""Numbers of digests, against a dict."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.data.digests import NONE, DigestMap, digests
from ssgan.data.schema import fixed, hex_ids, ids_column

some = st.lists(st.integers(0, 40).map(lambda i: hashlib.sha256(bytes([i])).digest()), max_size=30)


@given(known=some, wanted=some)
def test_it_is_a_dict_in_which_the_first_of_equal_ones_counts(known: list[bytes], wanted: list[bytes]) -> None:
    expected: dict[bytes, int] = {}
    for number, one in enumerate(known):
        expected.setdefault(one, 10 * number)
    found = DigestMap(digests(known), 10 * np.arange(len(known)))
    assert found.get(digests(wanted)).tolist() == [expected.get(one, NONE) for one in wanted]
    assert [one in found for one in wanted] == [one in expected for one in wanted]


def test_digests_that_begin_alike_are_told_apart() -> None:
    known, other = bytes(32), bytes(31) + b"\1"
    found = DigestMap(digests([known]), np.array([7]))
    assert found.get(digests([known, other, b"\xff" * 32])).tolist() == [7, NONE, NONE]
    assert known in found
    assert other not in found
    assert b"\xff" * 32 not in found


@settings(deadline=None)  # the first column imports pandas
@given(values=some, cut=st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_columns_whole_and_in_pieces(values: list[bytes], cut: tuple[int, int]) -> None:
    column = pa.chunked_array([pa.array(values, pa.binary(32))] * 2, pa.binary(32)).slice(*cut)
    expected = (values * 2)[cut[0] : sum(cut)]
    assert fixed(column).tobytes() == b"".join(expected)
    assert hex_ids(column).to_pylist() == [one.hex() for one in expected]
    assert ids_column([*map(bytes.hex, expected), "no sha256"]).to_pylist() == expected
