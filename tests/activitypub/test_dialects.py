"""What an administrator is told of how a peer is spoken to (WIRE 3.5)."""

from dataclasses import dataclass

import pytest

from activitypub import dialects
from activitypub.dialects import Dialect


@dataclass
class Known:
    software: str
    wrapped: bool | None


@pytest.mark.parametrize(
    ("software", "wrapped", "dialect", "because"),
    [
        ("lemmy", True, Dialect.WRAPPED, "it says that it runs lemmy."),
        ("mastodon", False, Dialect.PLAIN, "it says that it runs mastodon."),
        ("mastodon", True, Dialect.WRAPPED, "its actors say so; it says that it runs mastodon."),
        ("", True, Dialect.WRAPPED, "its actors say so."),
        ("", None, Dialect.UNKNOWN, "it has not said what it runs."),
    ],
)
def test_a_peers_dialect_comes_with_its_reason(
    software: str, wrapped: bool | None, dialect: Dialect, because: str
) -> None:
    peer = Known(software, wrapped)
    assert dialects.of(peer) is dialect
    words = dialects.describe(peer)
    assert words.endswith(because)
    assert ("FEP-1b12" in words) is (dialect is Dialect.WRAPPED)
