"""What pages say of care cases: clocks, states, endings, reasons to look sooner (MOD-5.14)."""

from collections.abc import Mapping
from typing import Final

from kernel.said import noted
from kernel.schema.care import CareState, Ending, Level

LEVELS: Final[Mapping[Level, str]] = {
    Level.NOW: noted("Right now"),
    Level.HIGH: noted("Within the hour"),
    Level.MEDIUM: noted("Within half a day"),
    Level.LOW: noted("Within a day"),
}

HINTS: Final[Mapping[Level, str]] = {
    Level.NOW: noted("Somebody may be in danger today. We look within 10 minutes."),
    Level.HIGH: noted("It sounds serious. We look within 1 hour."),
    Level.MEDIUM: noted("It is hard for them, and not about today. We look within 12 hours."),
    Level.LOW: noted("A kind word would help. We look within 24 hours."),
}

STATES: Final[Mapping[CareState, str]] = {
    CareState.OPEN: noted("Nobody looks after it yet"),
    CareState.HELD: noted("Somebody looks after it"),
    CareState.CLOSED: noted("It is over"),
}

ENDINGS: Final[Mapping[Ending, str]] = {
    Ending.SUPPORTED: noted("Somebody was there for them"),
    Ending.NOT_NEEDED: noted("It was not needed"),
    Ending.GONE: noted("They took their words back"),
}

FAMILIES: Final[Mapping[str, str]] = {
    "a burden": noted("feels like a burden"),
    "alone": noted("feels alone"),
    "cannot go on": noted("cannot go on"),
    "cannot keep safe": noted("does not feel safe"),
    "goodbyes": noted("sounds like goodbye"),
    "no hope": noted("sees no hope"),
    "no way out": noted("sees no way out"),
    "tonight": noted("is about tonight"),
    "urge to hurt oneself": noted("feels an urge to hurt oneself"),
    "voices": noted("hears voices"),
    "wish not to live": noted("would rather not live"),
    "worried about somebody": noted("is worried about somebody"),
}
"""Of `moderation.care.sooner`: what some words sound like. It can be wrong."""

HOURS: Final[Mapping[str, str]] = {
    "6": noted("For 6 hours"),
    "24": noted("For a day"),
    "72": noted("For three days"),
}
