"""How pages say what advice may do and did."""

from collections.abc import Mapping
from typing import Final

from kernel.said import noted
from kernel.schema.effects import EffectState, Kind, Mode
from kernel.schema.moderation import Level

SHOWS: Final[Mapping[str, str]] = {
    "asks": noted("Asks for you"),
    "acts": noted("Acts by itself"),
    "trial": noted("Would have acted"),
    "agreed": noted("You agreed"),
    "over": noted("Over"),
}
STATES: Final[Mapping[EffectState, str]] = {
    EffectState.TRIAL: noted("It would have acted. Your rules say that it only shows."),
    EffectState.WAITING: noted("Enough of them say so. It begins soon, if nobody minds."),
    EffectState.HELD: noted("Nothing was done. Please look at it."),
    EffectState.BEGUN: noted("It is off public lists for now. That takes nothing from anybody."),
    EffectState.APPLIED: noted("It holds, because of what they say."),
    EffectState.AGREED: noted("You decided so because of it."),
    EffectState.REVIEW: noted("It still holds. Please look at it again."),
    EffectState.ENDED: noted("It is over."),
    EffectState.REFUSED: noted("Nothing was done."),
}
ENDS: Final[Mapping[str, str]] = {
    "basis gone": noted("Nobody says so any more."),
    "trial: basis gone": noted("Nobody says so any more."),
    "trial: acts now": noted("By your rules it acts now."),
    "decided": noted("You or a list decided about this server."),
    "protected": noted("Nothing may be decided about this server."),
    "taken back": noted("Somebody took it back."),
    "kept": noted("You kept it, as a decision of your own."),
    "person": noted("Somebody here said no."),
    "no opinion": noted("Nobody here had an opinion for 30 days."),
    "caps": noted("It would touch many people here, or a report that is open."),
    "ties": noted("To go further would take somebody away from somebody here."),
    "batch": noted("They said very much at once."),
    "budget": noted("They said enough for one day."),
    "peer": noted("It is about a place that you trust."),
    "pact": noted("The pact that it came through has ended."),
    "restored": noted("This place was restored from a backup."),
}
"""Why it stands so, by the word that is kept of it."""
LEVELS: Final[Mapping[Level, str]] = {
    Level.FILTER: noted("Off public lists"),
    Level.REJECT: noted("Do not talk with it"),
}
MODES: Final[Mapping[Mode, str]] = {
    Mode.IGNORE: noted("Leave it alone"),
    Mode.SHOW: noted("Show it, and note what it would have done"),
    Mode.HOLD: noted("Let it wait for a person"),
    Mode.APPLY: noted("Let it act where enough others say the same"),
}
KINDS: Final[Mapping[Kind, str]] = {
    Kind.ADVICE_DOMAIN: noted("Advice about servers"),
    Kind.ADVICE_ACTOR: noted("Advice about people"),
    Kind.LABEL_CONTENT: noted("Labels on posts"),
    Kind.LABEL_RESOURCE: noted("Labels on help"),
    Kind.REPORT: noted("Reports"),
    Kind.TAKEDOWN: noted("Requests to take something down"),
    Kind.CARE: noted("Requests to look after somebody"),
    Kind.APPEAL: noted("Appeals"),
}
VERBS: Final[Mapping[str, str]] = {
    "advice weighed": noted("It was counted who says so"),
    "advice previewed": noted("It was worked out what it would cut"),
    "advice would act": noted("It would have acted"),
    "advice waits": noted("It began to wait"),
    "advice held": noted("It was held for a person"),
    "advice begins": noted("It began, in a mild form"),
    "advice acts": noted("It went further"),
    "advice milder": noted("It became milder"),
    "advice ends": noted("It ended"),
    "advice goes": noted("It was to end"),
    "advice review": noted("Somebody was asked to look again"),
    "advice reminder": noted("Somebody was reminded"),
    "advice first yes": noted("The first of two people said yes"),
    "advice agreed": noted("A person decided so"),
    "advice refused": noted("It was left alone"),
    "advice kept": noted("A person kept it"),
    "peer froze itself": noted("They advised against a protected place, and are not heard"),
    "roll back": noted("What they did was rolled back"),
    "signal rule": noted("A rule was changed"),
}
