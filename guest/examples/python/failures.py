"""What goes wrong: from Python's exceptions to the failures that the WIT knows."""

import functools
from collections.abc import Callable

from componentize_py_types import Err
from wit_world.exports import pool
from wit_world.imports import logging, types

from sessions import Corrupted


def rejected(why: str) -> Err:
    """The request cannot be met as the pool stands. Nothing was changed."""
    return Err(pool.Failure_Rejected(why))


def failing(verb: Callable) -> Callable:
    """Lets a verb raise what it meets: the host's errors, or that the registry is none."""

    @functools.wraps(verb)
    def called(*arguments):
        try:
            return verb(*arguments)
        except Corrupted as error:
            at = pool.Corruption(error.line, error.column, error.detail)
            raise Err(pool.Failure_Corrupted(at)) from error
        except Err as error:
            said = error.value
            if isinstance(said, pool.Failure):
                raise
            if not isinstance(said, types.Error):
                # The place that settings come from has errors of its own.
                said = types.Error_System(said.value)
            raise Err(pool.Failure_Host(said)) from error

    return called


def words(error: Exception) -> str:
    """What happened, for whoever reads the answer."""
    if isinstance(error, Corrupted):
        return f"it is corrupted at line {error.line}, column {error.column}: {error.detail}"
    return error.value.value


def warn(message: str) -> None:
    """Writes a warning into the host's log."""
    logging.log(logging.Level.WARN, "policy", message)
