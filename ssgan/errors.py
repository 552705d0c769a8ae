"""The errors that are meant for people: one sentence that names the key, the value and the remedy.

The command line prints them without a stack trace (unless ``--debug``). Anything else that escapes is a bug.
"""

from __future__ import annotations

from enum import IntEnum


class SsganError(ValueError):
    """Base of every error that a user can fix."""


class ConfigError(SsganError):
    """A parameter is unknown, has the wrong type or contradicts another one."""


class DataError(SsganError):
    """Images, labels or splits are not what they have to be."""


class CheckpointError(SsganError):
    """A checkpoint is missing, damaged or belongs to another config, data set or code."""


class StorageError(SsganError):
    """Storage (a folder or S3) refused, or failed for good after the retries."""


class UnusableError(StorageError):
    """A folder in storage is damaged or incomplete; storage itself works, and another folder may do."""


class HeldError(StorageError):
    """Another process trains this run, or has taken it over."""


class TrainingError(SsganError):
    """Training cannot go on: too few resources, a lost worker, results that are not what was asked for."""


class NonFiniteError(TrainingError):
    """A loss or a gradient is NaN or infinite; all ranks see it in the same step."""


class RefusedError(SsganError):
    """The gate does not let a model through, or there is no verdict that says so: a person has to decide."""


class Exit(IntEnum):
    """Exit codes of commands, and of drivers on a cluster."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # wrong usage or parameters
    PERSON = 3  # a person has to decide
    INTERRUPTED = 130

    @staticmethod
    def of(error: Exception) -> Exit:
        """How a command ends that could not be carried out."""
        if isinstance(error, RefusedError):
            return Exit.PERSON
        return Exit.USAGE if isinstance(error, ConfigError) else Exit.FAILED
