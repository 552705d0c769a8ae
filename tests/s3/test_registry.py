"""The registry in a real S3 server."""

from __future__ import annotations

import pytest

from ssgan.registry.registry import LOG, Registry
from tests.s3.conftest import FAST
from tests.support.faultproxy import FaultProxy
from tests.support.registry_contract import BY, RegistryContract, version

__all__ = ["version"]

pytestmark = [pytest.mark.s3, pytest.mark.strict_s3]


@pytest.fixture
def url(s3: str) -> str:
    return s3


class TestS3(RegistryContract):
    pass


def test_a_move_whose_answer_got_lost_is_known_to_have_won(s3: str, proxy: FaultProxy) -> None:
    """The second attempt meets the object that the first one wrote; that is no lost race."""
    lost = proxy.add("drop_after", times=1, method="PUT", path=LOG)
    move = Registry(s3, FAST).move("champion", "m-aaaa", None, BY)
    assert lost.hits == 1
    assert move.serial == 1
    assert [m.id for m in Registry(s3, FAST).history()] == [move.id]


def test_a_move_survives_a_server_that_is_busy(s3: str, proxy: FaultProxy) -> None:
    busy = proxy.add("status", code=409, s3code="ConditionalRequestConflict", times=2, method="PUT", path=LOG)
    Registry(s3, FAST).move("champion", "m-aaaa", None, BY)
    assert busy.hits == 2
    assert Registry(s3, FAST).aliases() == {"champion": "m-aaaa"}
