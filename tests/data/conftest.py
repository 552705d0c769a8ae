"""What tests of an ingest after an earlier one share."""

from __future__ import annotations

import pytest

from ssgan.data.sources import folder as folder_source


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of these tests are trusted from the moment they were written."""
    monkeypatch.setattr(folder_source, "RACY_NS", -(10**12))
