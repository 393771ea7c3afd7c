"""How pages about pacts and advice say what is kept in a word."""

from collections.abc import Mapping
from typing import Final

from kernel.said import noted
from kernel.schema.pacts import Afterwards, SignalState
from moderation.signals.vocabulary import Change

AFTERWARDS: Final[Mapping[Afterwards, str]] = {
    Afterwards.KEEP: noted("Keep what their advice led to"),
    Afterwards.REVIEW: noted("Somebody looks at each of it again"),
    Afterwards.UNDO: noted("Undo what rests on their advice alone"),
}
SIGNAL_STATES: Final[Mapping[SignalState, str]] = {
    SignalState.HELD: noted("Waiting for you"),
    SignalState.SHOWN: noted("It stands"),
    SignalState.IGNORED: noted("Left alone"),
    SignalState.REPLACED: noted("They said something newer"),
    SignalState.RETRACTED: noted("They took it back"),
    SignalState.EXPIRED: noted("Its last day is over"),
}
CHANGES: Final[Mapping[Change, str]] = {
    Change.ADVISORY: noted("A note"),
    Change.RECOMMENDATION: noted("Advice"),
    Change.RETRACTION: noted("Taken back"),
    Change.TOMBSTONE: noted("Erased"),
}
ASIDE: Final[Mapping[str, str]] = {
    "gap": noted("Something is missing between what they said before and now."),
    "repeat": noted("They gave the same number to two things."),
    "fork": noted("What they show now is not what they showed before."),
    "two views": noted("They showed others something else than us."),
    "went back": noted("They show less than they did before."),
    "bad signature": noted("It is not signed with the key that you agreed on."),
    "wrong place": noted("It comes from another place than the one you agreed on."),
    "no number": noted("It has no order that we can check."),
    "no head": noted("It does not say how far it goes."),
    "too long": noted("It says far more than a list of advice needs."),
    "too much about one": noted("It says far more than a list of advice needs."),
}
"""Why a dataset was put aside, by the word that is kept of it."""
