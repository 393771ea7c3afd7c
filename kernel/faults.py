"""Named moments between two writes at which a test may end the process (tests/faults).

A running node does nothing here: what happens at a point is set from outside, by a test.
"""

from collections.abc import Callable
from enum import StrEnum


class Point(StrEnum):
    """Where a crash hurts most: something is true on one side and not yet on the other."""

    AFTER_PARSE = "after parse"  # the request was read, nothing of it is written
    BEFORE_COMMIT = "after insert, before commit"  # of an arrival, or of what a handler did
    AFTER_COMMIT = "after commit, before answer"  # it is on disk, and the sender does not know
    AFTER_ACCEPTED = "after the peer's 202, before our mark"  # the peer has it, we do not know


At = Callable[[Point], None]


def _nothing(point: Point) -> None:
    """A node outside a test."""


_at: At = _nothing


def reached(point: Point) -> None:
    """Say that the work came to `point`."""
    _at(point)


def install(at: At = _nothing) -> None:
    """Call `at` at every point from now on; without it, nothing again. For tests alone."""
    global _at
    _at = at
