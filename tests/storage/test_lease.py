"""The lock of a run in a folder, and on servers that do not know conditional writes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ssgan.errors import HeldError
from ssgan.storage.lease import Claim, Claims, Guard
from ssgan.storage.local import LocalObjects
from ssgan.storage.retries import RetryLimits
from tests.support.lease_contract import RUN, LeaseContract

pytestmark = pytest.mark.slow  # leases have to run out


class TestFolder(LeaseContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return str(tmp_path / "storage")


class Unconditional(LocalObjects):
    """As servers that ignore If-None-Match."""

    def create(self, name: str, data: bytes) -> bool:
        self.write(name, data)
        return True


def test_without_conditional_writes_one_of_two_rivals_holds(tmp_path: Path) -> None:
    claims = Claims(Unconditional(tmp_path), RetryLimits(), RUN)
    both = threading.Barrier(2)
    made: dict[str, bool] = {}

    def rival(token: str) -> None:
        both.wait()
        made[token] = claims.make(1, Claim(token, 60.0))

    rivals = [threading.Thread(target=rival, args=(token,)) for token in ("a", "b")]
    for thread in rivals:
        thread.start()
    for thread in rivals:
        thread.join()
    holding = []
    for token in made:
        try:
            Guard(RUN, 1, token).require(claims)
            holding.append(token)
        except HeldError:
            pass
    assert len(holding) == 1, "the other one is refused at its first write, at the latest"
    assert made[holding[0]]
