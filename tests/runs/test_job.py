"""The driver of a submitted job: how it ends, which the submitter reads."""

from __future__ import annotations

import pytest

from ssgan.errors import ConfigError, DataError
from ssgan.runs.job import main


@pytest.mark.parametrize(("error", "code"), [(DataError("x"), 1), (ConfigError("x"), 2), (KeyboardInterrupt(), 130)])
def test_exit_codes(error: BaseException, code: int) -> None:
    def run() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        main(run)
    assert caught.value.code == code


def test_bugs_are_not_hidden() -> None:

    def run() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main(run)
