"""The node's one source of chance for ids, tie-breaks and jitter; a test can make it repeatable.

Not for secrets: those come from `secrets` and the ciphers alone.
"""

import uuid
from random import Random, SystemRandom

_source: Random = SystemRandom()


def bits(count: int) -> int:
    """A number of so many random bits."""
    return _source.getrandbits(count)


def share() -> float:
    """A number from 0 up to 1."""
    return _source.random()


def new_uuid() -> uuid.UUID:
    """A version 4 UUID."""
    return uuid.UUID(int=_source.getrandbits(128), version=4)


def install(source: Random | None = None) -> None:
    """Draw from `source` from now on; without it, from the system again. For tests alone."""
    global _source
    _source = source or SystemRandom()
