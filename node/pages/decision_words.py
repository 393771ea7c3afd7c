"""What decisions are called, for those they are about and for everybody (DOM-D18)."""

from collections.abc import Mapping
from typing import Final

from kernel.said import noted
from kernel.schema.moderation import Role

MINE: Final[Mapping[str, str]] = {
    "remove": noted("Moderators took a post of yours out"),
    "restore": noted("A post of yours is shown again"),
    "release": noted("A moderator read your post, and now it is shown"),
    "ban": noted("You were asked to stay away"),
    "unban": noted("You may come back"),
    "limit": noted("For a while, a moderator reads your posts first"),
    "end limit": noted("Your posts are shown at once again"),
    "warn": noted("A word from the moderators"),
    "lock": noted("A thread of yours takes no more answers"),
    "unlock": noted("A thread of yours takes answers again"),
    "appoint": noted("You were made a moderator"),
    "dismiss": noted("You are a moderator no longer"),
    "uphold after appeal": noted("Somebody looked again: it stays as it was decided"),
    "change after appeal": noted("Somebody looked again, and changed it"),
}
"""As whom it is about reads it; what is not here is about no one."""

STAYS: Final[Mapping[str, str]] = {
    "remove": noted(
        "Thank you for writing it. Your words are still here, for you alone. "
        "You can go on taking part as before."
    ),
    "ban": noted(
        "Thank you for having been here. What you wrote stays, and you can still delete it. "
        "Other groups stay open to you."
    ),
    "limit": noted(
        "You can go on writing. A moderator reads it first, and then it is shown. "
        "This ends by itself."
    ),
    "warn": noted("Thank you for taking part. Nothing else changes for you."),
}
"""What is said first, and what stays as it was."""

KINDS: Final[Mapping[str, str]] = {
    "remove": noted("Posts taken out"),
    "restore": noted("Posts shown again"),
    "release": noted("Posts shown after a moderator read them"),
    "warn": noted("Kind words to somebody"),
    "limit": noted("Posts of somebody read first for a while"),
    "end limit": noted("Not read first any more"),
    "ban": noted("People asked to stay away"),
    "unban": noted("People who may come back"),
    "lock": noted("Threads closed to answers"),
    "unlock": noted("Threads opened again"),
    "uphold after appeal": noted("Second looks: it stayed"),
    "change after appeal": noted("Second looks: it was changed"),
    "moderator out of reach": noted("Moderators whose server this place does not talk with now"),
    "moderator back": noted("Moderators who can be reached again"),
    "pause server": noted("Servers that wait"),
    "resume server": noted("Servers that go on"),
}
"""As a heading of what moderators decided."""

ROLES: Final[Mapping[str, str]] = {
    Role.GROUP: noted("the moderators of the group"),
    Role.NODE: noted("the moderators of this place"),
    Role.ADMINISTRATOR: noted("the people who run this place"),
    Role.PEER: noted("the people who run another place"),
}
