"""What pages say of cases: reasons, states, outcomes, kind sentences to begin with (DOM-D18)."""

from collections.abc import Mapping
from typing import Final

from kernel.said import noted
from kernel.schema.cases import CaseState, Outcome, Subject
from kernel.schema.messages import Why
from moderation.cases import Priority

WHYS: Final = {
    Why.PRESSURE: noted("They want secrets, pictures or money, or put somebody under pressure"),
    Why.CONTACT: noted("They want to meet, or to talk somewhere else"),
    Why.ENCOURAGING: noted("It makes hurting oneself sound good, even gently"),
    Why.UNKIND: noted("It is unkind, or about who somebody is"),
    Why.WORRIED: noted("I am worried about whoever wrote it"),
    Why.ELSE: noted("Something else"),
}

SHORT: Final = {
    Why.PRESSURE: noted("Secrets, money or pressure"),
    Why.CONTACT: noted("Wants to meet or talk elsewhere"),
    Why.ENCOURAGING: noted("Makes hurting oneself sound good"),
    Why.UNKIND: noted("Unkind, or about who somebody is"),
    Why.WORRIED: noted("Somebody is worried about them"),
    Why.ELSE: noted("Something else"),
}

PRIORITIES: Final = {
    Priority.NOW: noted("Now"),
    Priority.TODAY: noted("Today"),
    Priority.ROUTINE: noted("When there is time"),
}

HOW_MANY: Final = {
    "one": noted("Somebody reported it."),
    "few": noted("A few people reported it."),
    "many": noted("Many people reported it."),
}

SUBJECTS: Final = {
    Subject.POST: noted("A post"),
    Subject.PERSON: noted("A person"),
    Subject.MESSAGE: noted("A message"),
}

STATES: Final = {
    CaseState.OPEN: noted("Nobody looks at it yet"),
    CaseState.CLAIMED: noted("Somebody looks at it"),
    CaseState.SECOND: noted("A second opinion is asked for"),
    CaseState.CLOSED: noted("Decided"),
}

OUTCOMES: Final = {
    Outcome.NOTHING: noted("Nothing was needed"),
    Outcome.SUPPORTED: noted("Its author was supported"),
    Outcome.REMOVED: noted("It was taken out"),
    Outcome.AWAY: noted("Its author stays out of the group"),
    Outcome.PASSED: noted("Others look at it"),
    Outcome.STOPPED: noted("Its author rests for now"),
    Outcome.HELD: noted("It is read in peace"),
}

OPEN_STATES: Final = (CaseState.OPEN, CaseState.CLAIMED, CaseState.SECOND)

REMOVING: Final[Mapping[str, str]] = {
    "detail": noted(
        "Thank you for trusting us with this. It says how somebody can get hurt, and that can be "
        "hard for others here. You are welcome to write it again without that part."
    ),
    "contact": noted(
        "Thank you for writing. We keep phone numbers and addresses out of the group so that "
        "everybody is safe. You are welcome to write it again without them."
    ),
    "unkind": noted(
        "Thank you for taking part. This could hurt somebody who reads it. You are still welcome "
        "here, and we would like to hear what is behind it."
    ),
    "spam": noted("Thank you for your interest. We keep offers and adverts out of the group."),
}

STOPPING: Final[Mapping[str, str]] = {
    "pause": noted(
        "Thank you for the time you spent here. For now this place is not good for you and the "
        "others together. The help lines are there for you day and night, and you can ask for a "
        "second look."
    ),
    "safe_here": noted(
        "Thank you for reading this. We want everybody here to feel safe, so we ask you to rest. "
        "The help lines are there for you too, and you can ask for a second look."
    ),
}

HOLDING: Final[Mapping[str, str]] = {
    "read": noted(
        "Thank you for writing. We would like to read this in peace before others do. "
        "You did nothing wrong."
    ),
}

KEEPING_OUT: Final[Mapping[str, str]] = {
    "rest": noted(
        "Thank you for the time you spent with us. This group is not the right place for now. "
        "The help lines are there for you day and night, and you can write to us about this."
    ),
    "safe": noted(
        "Thank you for reading this. We want everybody here to feel safe, so we ask you to stay "
        "away from this group. "
        "The help lines are there for you too, and you can write to us about this."
    ),
}

STARTS: Final[Mapping[str, str]] = {**REMOVING, **KEEPING_OUT, **STOPPING, **HOLDING}
"""Every sentence that somebody can choose to begin with."""
