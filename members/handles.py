"""Plain words: handles for those who want none of their own, and what to call a random thing."""

import secrets
from typing import Final

_FIRST: Final = (  # noqa: SIM905
    "amber autumn blue brave bright brown calm clear cosy copper early east evening fair fern "
    "first gentle gold green hazel honest ivory kind late light little lucky maple mild misty "
    "morning new north olive open orange patient plain purple quick quiet red river round silver "
    "simple slow small soft south spring steady still summer sunny tall warm west white wide "
    "winter wise yellow young"
).split()
_SECOND: Final = (  # noqa: SIM905
    "acorn apple badger basket beach bell bench birch bird boat bridge brook button candle canoe "
    "cedar cloud clover coat cup daisy door drum feather field finch fox garden gate hare harbour "
    "heron hill island jar kettle kite lake lamp lantern leaf meadow moon moss otter owl path "
    "pebble pine pond robin rose sail seed shell sparrow star stone tea tree tulip valley wren"
).split()


def suggest_handle() -> str:
    """Such as `quiet_birch_0384`: drawn from some forty million, each as likely as the others."""
    number = secrets.randbelow(10_000)
    return f"{secrets.choice(_FIRST)}_{secrets.choice(_SECOND)}_{number:04}"


def words_of(seed: bytes) -> str:
    """Two plain words that stand for a random id on its owner's pages: `quiet birch`."""
    return f"{_FIRST[seed[0] % len(_FIRST)]} {_SECOND[seed[1] % len(_SECOND)]}"
