"""What decisions are called, for those they are about and for everybody (DOM-D18)."""

from collections.abc import Mapping
from typing import Final

from kernel.said import noted
from kernel.schema.directed import Category
from kernel.schema.moderation import Role
from kernel.schema.pacts import Tier
from moderation.signals.vocabulary import Policy
from node.pages import advice_words

MINE: Final[Mapping[str, str]] = {
    "remove": noted("Moderators took a post of yours out"),
    "restore": noted("A post of yours is shown again"),
    "release": noted("A moderator read your post, and now it is shown"),
    "hold over": noted("What held your post is over, and it is shown again"),
    "ban": noted("You were asked to stay away"),
    "unban": noted("You may come back"),
    "limit": noted("For a while, a moderator reads your posts first"),
    "limit for a peer": noted("A post of yours waits for a moderator for a day"),
    "end limit": noted("Your posts are shown at once again"),
    "warn": noted("A word from the moderators"),
    "label": noted("Moderators gave a post of yours a label"),
    "take label off": noted("A label of a post of yours is gone"),
    "hold": noted("A moderator reads a post of yours in peace"),
    "suspend": noted("You were asked to rest for now"),
    "end suspend": noted("You can go on"),
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
    "limit for a peer": noted(
        "Another place asked us to look at it. Your words are still here. "
        "A moderator reads them. After a day they are shown again, unless a moderator decides."
    ),
    "warn": noted("Thank you for taking part. Nothing else changes for you."),
    "hold": noted(
        "Thank you for writing it. Your words are still here, for you and the moderators. "
        "You did nothing wrong, and you can go on taking part as before."
    ),
    "suspend": noted(
        "Thank you for the time you spent here. What you wrote stays, and help is there for you "
        "as before. With none of your names you can write, join or read inside groups for now."
    ),
}
"""What is said first, and what stays as it was."""

KINDS: Final[Mapping[str, str]] = {
    "remove": noted("Posts taken out"),
    "restore": noted("Posts shown again"),
    "release": noted("Posts shown after a moderator read them"),
    "hold over": noted("Posts shown again, since what held them is over"),
    "warn": noted("Kind words to somebody"),
    "limit": noted("Posts of somebody read first for a while"),
    "limit for a peer": noted("Posts that wait for a day since another place asked"),
    "end limit": noted("Not read first any more"),
    "ban": noted("People asked to stay away"),
    "unban": noted("People who may come back"),
    "label": noted("Posts that were given a label"),
    "take label off": noted("Labels taken off"),
    "hold": noted("Posts out of sight until they are read in peace"),
    "suspend": noted("People asked to rest for now"),
    "end suspend": noted("People who can go on"),
    "aftercare": noted("Steps begun after somebody was hurt"),
    "aftercare step": noted("Steps done after somebody was hurt"),
    "end aftercare": noted("Looked after to the end, after somebody was hurt"),
    "lock": noted("Threads closed to answers"),
    "unlock": noted("Threads opened again"),
    "uphold after appeal": noted("Second looks: it stayed"),
    "change after appeal": noted("Second looks: it was changed"),
    "moderator out of reach": noted("Moderators whose server this place does not talk with now"),
    "moderator back": noted("Moderators who can be reached again"),
    "close node": noted("This place was said to close"),
    "keep node open": noted("This place does not close after all"),
    "share circle": noted("Groups shared with another place"),
    "part circle": noted("Groups not shared with another place any more"),
    "plan move": noted("Groups that are to go on at another place"),
    "agree to move": noted("Moves of a group that the people who run this place agreed to"),
    "call off move": noted("Groups that stay after all"),
    "move group": noted("Groups that went on at another place"),
    "take group in": noted("Groups of another place that go on here"),
    "take no group in": noted("Groups of another place that do not go on here after all"),
    "ask peer report": noted("Another place asked to have a look"),
    "ask peer takedown": noted("Another place asked to take something down"),
    "ask peer appeal": noted("Another place asked to look at its advice again"),
    "appeal unanswered": noted("Another place did not answer about its advice"),
    "answer a peer's appeal": noted("Answers about our advice"),
    "change what a peer is asked": noted("What another place is asked, changed"),
    "take back what a peer is asked": noted("What another place is asked, taken back"),
    "peer asked report": noted("Asked by another place to have a look"),
    "peer asked takedown": noted("Asked by another place to take something down"),
    "peer asked appeal": noted("Asked by another place about our advice"),
    "peer asked too often": noted("Another place asked too often in a day"),
    "group server note": noted("Notes about a server"),
    "group server filter": noted("Servers from which a moderator reads posts first"),
    "group server reject": noted("Servers from which nobody takes part"),
    "group server as any other": noted("Servers treated as any other again"),
    "label effects": noted("What labels do in this group"),
    "case told": noted("Moderators of another server who were told"),
    "pause server": noted("Servers that wait"),
    "resume server": noted("Servers that go on"),
}
"""As a heading of what moderators decided."""

_ADVISED: Final = noted("What this place advises about servers")
_ABOUT_PEOPLE: Final = noted("What this place advises about people")
_WHO_READS: Final = noted("Who may read what this place advises")
_NOT_TAKEN: Final = noted("Asked by another place, and not taken")

OF_NODE: Final[Mapping[str, str]] = {
    **KINDS,
    **advice_words.VERBS,
    "peer answered held": noted("Another place let a question wait for a person"),
    "peer answered seen": noted("Another place looks at what it was asked"),
    "peer answered refused": noted("Another place did not take what it was asked"),
    "peer answered closed": noted("Another place is done with what it was asked"),
    "signal held": noted("Advice that waits for a person"),
    "signal shown": noted("Advice that was noted"),
    "signal ignored": noted("Advice that was left alone"),
    "signal replaced": noted("Advice that was said anew"),
    "signal retracted": noted("Advice that was taken back"),
    "signal expired": noted("Advice whose last day is over"),
    "domain accept": noted("Servers treated as any other"),
    "domain note": noted("Something written down about a server"),
    "domain filter": noted("Servers kept off public lists"),
    "domain reject": noted("Servers not talked to"),
    "domain drop": noted("Servers not talked to, and not told so"),
    "domain forgotten": noted("Decisions about a server, taken back"),
    "domain decision ended": noted("Decisions about a server whose last day is over"),
    "ties cut": noted("Ties that were cut"),
    "list added": noted("Lists brought in"),
    "list changed": noted("Lists that are taken in another way"),
    "list taken": noted("Rows taken from a list"),
    "list taken back": noted("Rows of a list, taken back"),
    "list rows held": noted("Rows of a list that wait for a person"),
    "list rows refused": noted("Rows of a list that were not taken"),
    "list removed": noted("Lists that were ended"),
    "offer pact": noted("Pacts offered"),
    "make pact": noted("Pacts made"),
    "refuse pact": noted("Pacts that were not made"),
    "take pact back": noted("Offers of a pact, taken back"),
    "end pact": noted("Pacts ended"),
    "freeze peer": noted("Places not listened to for now"),
    "listen to peer again": noted("Places listened to again"),
    "after the pact": noted("What was kept or ended after a pact"),
    "freeze ourselves": noted("Other places asked not to trust this one for now"),
    "put source aside": noted("Lists of advice that are not trusted"),
    "read list": noted("Lists of advice that are read"),
    "list read": noted("Lists that were read"),
    "stop reading list": noted("Lists of advice that are not read any more"),
    "domain end waits": noted("Decisions about a server whose end waits for a person"),
    **dict.fromkeys(("advise", *(f"advise {each}" for each in Policy)), _ADVISED),
    **dict.fromkeys((f"advise peers {each}" for each in Policy), _ABOUT_PEOPLE),
    "renew advice": noted("Advice of ours, said for longer"),
    "take advice back": noted("Advice of ours, taken back"),
    "erase advice": noted("Advice of ours, erased"),
    **dict.fromkeys((f"show advice to {each}" for each in Tier), _WHO_READS),
    "label link": noted("Labels given to pages elsewhere"),
    "take link label off": noted("Labels of pages elsewhere, taken off"),
    **dict.fromkeys((f"peer refused {each}" for each in Category), _NOT_TAKEN),
}
"""As the log of the node has them, which is about servers, too."""

ROLES: Final[Mapping[str, str]] = {
    Role.GROUP: noted("the moderators of the group"),
    Role.NODE: noted("the moderators of this place"),
    Role.ADMINISTRATOR: noted("the people who run this place"),
    Role.PEER: noted("the people who run another place"),
}
