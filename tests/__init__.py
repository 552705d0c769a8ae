"""All tests, and the processes that they start, compute on one thread: small tensors are fastest so, and threads that wait for
each other cost many times the work itself where the machine has other things to do. Set before anything heavy is imported."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
