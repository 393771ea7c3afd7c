"""The group and the good server of the tests of the wire."""

from tests.wire.conftest import alder, ana, good, sleep

__all__ = ["alder", "ana", "good", "sleep"]
