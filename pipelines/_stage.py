"""How every stage script ends: an error that a person can mend is one sentence and an exit code, not a stack trace."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable

from ssgan.errors import ConfigError, SsganError
from ssgan.stage_times import timed

FAILED, MISCONFIGURED, INTERRUPTED = 1, 2, 130


def main(run: Callable[[], None], stage: str | None = None) -> None:
    """Run a stage. Exits with 1 on an SsganError, 2 on a ConfigError, 130 on Ctrl-C; other exceptions are bugs and propagate.

    With SSGAN_DEBUG=1 in the environment nothing is caught. ``stage``: the name under which its time is noted for `ssgan plan`;
    a training notes its own.
    """
    noted = timed(stage) if stage else contextlib.nullcontext()
    if os.environ.get("SSGAN_DEBUG") == "1":
        with noted:
            run()
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cluster that ends a job means what Ctrl-C means
    try:
        with noted:
            run()
    except SsganError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MISCONFIGURED if isinstance(error, ConfigError) else FAILED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
