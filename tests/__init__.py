"""All tests, and the processes that they start, compute on one thread: small tensors are fastest so, and threads that wait for
each other cost many times the work itself where the machine has other things to do. Set before anything heavy is imported."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
pytest.register_assert_rewrite("tests.support")  # what a helper asserts is explained as in a test
