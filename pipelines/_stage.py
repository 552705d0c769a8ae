"""What every stage script shares: errors that people can mend become one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ssgan.errors import ConfigError, SsganError


def main(run: Callable[[], None]) -> None:
    """Call ``run``; an SsganError is printed as ``error: ...`` on stderr and exits 1 (ConfigError: 2), without a trace."""
    try:
        run()
    except SsganError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
