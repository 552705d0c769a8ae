"""How every stage script ends: an error that a person can mend is one sentence and an exit code, not a stack trace."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from ssgan.errors import ConfigError, SsganError

FAILED, MISCONFIGURED, INTERRUPTED = 1, 2, 130


def main(run: Callable[[], None]) -> None:
    """Run a stage. Exits with 1 on an SsganError, 2 on a ConfigError, 130 on Ctrl-C; other exceptions are bugs and propagate.

    With SSGAN_DEBUG=1 in the environment nothing is caught.
    """
    if os.environ.get("SSGAN_DEBUG") == "1":
        run()
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster that ends a job means what Ctrl-C means
    try:
        run()
    except SsganError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISCONFIGURED if isinstance(error, ConfigError) else FAILED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
