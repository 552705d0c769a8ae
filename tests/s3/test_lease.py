"""The lock of a run in a bucket."""

from __future__ import annotations

import pytest

from ssgan.errors import HeldError
from ssgan.storage.lease import held
from tests.support.faultproxy import FaultProxy
from tests.support.lease_contract import LEASE_S, RUN, LeaseContract

pytestmark = [pytest.mark.s3, pytest.mark.slow]


class TestBucket(LeaseContract):
    @pytest.fixture
    def url(self, s3: str) -> str:
        return s3


def test_a_server_that_refuses_conditional_writes_has_a_lock_all_the_same(s3: str, proxy: FaultProxy) -> None:
    fault = proxy.add(kind="status", code=501, s3code="NotImplemented", method="PUT", path="/lock/", times=1)
    with held(s3, RUN, LEASE_S), pytest.raises(HeldError, match="is being trained by process"):
        held(s3, RUN, LEASE_S).__enter__()
    assert fault.hits


def test_a_lost_answer_to_a_claim_is_no_rival(s3: str, proxy: FaultProxy) -> None:
    fault = proxy.add(kind="drop_after", method="PUT", path="/lock/", times=1)
    with held(s3, RUN, LEASE_S):
        pass
    assert fault.hits
