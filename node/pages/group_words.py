"""What a group's settings mean, in one sentence each."""

from collections.abc import Mapping
from typing import Final

from groups.groups import Group
from groups.readers import Readers
from kernel.said import noted
from kernel.schema.groups import Joining, Posts, Premoderation, Sees
from kernel.schema.posts import Wish
from node.pages import words
from node.pages.catalogues import SOURCE, catalogue

SEES: Final[Mapping[Sees, str]] = {
    Sees.EVERYONE: "Everyone can read, here and on other servers that follow the group.",
    Sees.MEMBERS: "Only members of the group can read.",
    Sees.NODE: "Everyone with an account here can read.",
}
POSTS: Final[Mapping[Posts, str]] = {
    Posts.ANYONE: "Everyone can post.",
    Posts.MEMBERS: "Members can post.",
    Posts.APPROVED: "Members can post once a moderator says so.",
}
JOINING: Final[Mapping[Joining, str]] = {
    Joining.OPEN: "Anyone can join.",
    Joining.APPROVAL: "You ask to join, and a moderator answers.",
    Joining.INVITATION: "You join with an invitation from a moderator.",
}
PREMODERATION: Final[Mapping[Premoderation, str]] = {
    Premoderation.NONE: "Posts are shown at once.",
    Premoderation.FIRST: "A moderator reads the first post of each name before it is shown.",
    Premoderation.ALL: "A moderator reads every post before it is shown.",
}

WEEKDAYS: Final[Mapping[str, str]] = {
    "0": "Every Monday",
    "1": "Every Tuesday",
    "2": "Every Wednesday",
    "3": "Every Thursday",
    "4": "Every Friday",
    "5": "Every Saturday",
    "6": "Every Sunday",
}
ABOUT_STORIES: Final = noted(
    "Members can tell how they came through a hard time. They say what it was like, what helped, "
    "and what they do now. Another moderator reads each story before anybody else does."
)

WISHES: Final[Mapping[Wish, str]] = {
    Wish.LISTEN: "Just listen",
    Wish.STORIES: "Similar stories",
    Wish.IDEAS: "Ideas are welcome",
    Wish.PRACTICAL: "Practical help",
    Wish.NO_REPLIES: "No replies: I want to say it, and be read",
}

ABOUT_CONTACTS: Final = noted(
    "Phone numbers, addresses and accounts elsewhere. Their author is asked first, either way. "
    "Without this tick a moderator reads what may be one before anybody else does."
)
ABOUT_PROOFS: Final = noted(
    "Answers then reach people on Mastodon too, and other servers need not ask here. But a proof "
    "lasts for ever: whoever kept a copy can show who wrote it, also after it was deleted. Leave "
    "this off where people speak of what could hurt them. It is only for groups that everyone can "
    "read."
)
PROOFS: Final = noted(
    "Posts carry a proof of the name that wrote them, which stays true after they are deleted."
)


def first_answers(group: Group) -> str:
    """How soon new threads are answered; empty where there is nothing true to say (DOM-A12)."""
    minutes = group.answer_minutes
    if minutes is None:
        return ""
    return f"Half of new threads get a first answer within {_roughly(minutes)}."


def _roughly(minutes: int) -> str:
    """So many minutes in words, rounded up."""
    if minutes <= 10:
        return "10 minutes"
    if minutes < 60:
        return f"{-(-minutes // 10) * 10} minutes" if minutes <= 50 else "an hour"
    hours = -(-minutes // 60)
    if hours < 48:
        return "an hour" if hours == 1 else f"{hours} hours"
    return f"{-(-hours // 24)} days"


def readers(group: Group) -> str:
    """Who will read what is posted now."""
    if group.settings is None:
        return (
            f"This group lives on {group.actor.host}. Everyone who reads it there, "
            "and on other servers that follow it, can read this."
        )
    if group.settings.sees is Sees.EVERYONE:
        where = "Everyone can read this, here and on other servers that follow this group."
        return f"{where} {PROOFS}" if group.proves else where
    if group.settings.sees is Sees.MEMBERS:
        return "Only members of this group can read this. It stays on this server."
    return "Everyone with an account here can read this. It stays on this server."


_COUNTED: Final = words.Words(catalogue(SOURCE))


def who_reads(group: Group, found: Readers, *, changes: bool = False) -> str:
    """The readers of what is about to be sent, counted; with `changes`, of new words for it."""
    if group.settings is None:
        return _goes_to(group, found)
    members = _COUNTED.count(found.members, "member here", "members here")
    others = _COUNTED.count(found.servers, "other server", "other servers")
    servers = others if found.servers else "no other server"
    first = _FIRST if group.settings.premoderation is Premoderation.ALL and not changes else ""
    if group.settings.sees is Sees.EVERYONE:
        said = f"Readers: {members}, {servers}, and everyone else: it is public."
        if changes:
            said += " Servers that are not told again may keep the old words."
        if group.proves:
            said += f" {PROOFS}"
        return f"{said} Whoever you name with @ gets it, too. {_SEEN}{first}"
    if group.settings.sees is Sees.MEMBERS:
        return f"Readers: {members}, {servers}, not public. {_SEEN}{first}"
    account = "Readers: everyone with an account here"
    return f"{account} ({members} of the group), {servers}, not public. {_SEEN}{first}"


_SEEN: Final = noted("Moderators of this group can see this name, not you.")
_FIRST: Final = " One of them reads it before anybody else does."


def _goes_to(group: Group, found: Readers) -> str:
    """Of a group elsewhere: it decides, and everyone with an account here can read along."""
    host = group.actor.host
    if not found.home:
        return f"Readers: everyone with an account here. {host} cannot be sent anything now."
    said = f"This goes to {host}, which decides who reads it."
    if found.servers:
        others = _COUNTED.count(found.servers, "other server", "other servers")
        said += f" It also goes to {others}, to people it answers or names."
    return (
        f"{said} Everyone with an account here can read it. "
        "Moderators there can see this name, not you."
    )


def how_it_works(group: Group) -> list[str]:
    """The group's ways, for people who think about joining."""
    settings = group.settings
    if settings is None:
        return [f"This group lives on {group.actor.host}, which has its own rules."]
    found = [
        SEES[settings.sees],
        POSTS[settings.posts],
        JOINING[settings.joining],
        PREMODERATION[settings.premoderation],
    ]
    if settings.cap:
        found.append(f"It has room for {settings.cap} people, so that they can know each other.")
    if settings.sees is Sees.MEMBERS:
        found.append("People find it through a link from its moderators.")
    if settings.notes_required:
        found.append("Every post has a content note, so that readers can choose.")
    if not settings.contacts:
        found.append("No contact details: people stay safe because nobody can find them outside.")
    if group.proves:
        found.append(PROOFS)
    if settings.check_in is not None:
        day = WEEKDAYS[str(settings.check_in)]
        found.append(f"{day} the group asks how people are. You answer only if you like.")
    if settings.one_voice:
        found.append("Each member has one name here.")
    if not settings.one_time:
        found.append("People post with a name they keep.")
    if settings.slow_minutes:
        found.append(f"The group goes slowly: one post every {settings.slow_minutes} minutes.")
    return found


def path(group: Group) -> str:
    """Where the group's page is on this node."""
    actor = group.actor
    return f"/g/{actor.handle}" if actor.local else f"/g/{actor.handle}@{actor.host}"


STARTER: Final = """\
1. **Speak from your own life.** What helped you may not help others, and that is fine.
2. **Ask before you give ideas.** Sometimes people want to be heard and nothing else.
3. **Leave out how, where and how much.** Details of harm can hurt somebody who reads along.
4. **Add a content note** when something may be hard to read.
5. **No contact details, and no meeting up from here.** That keeps everybody safe.
6. **What is said here stays here.**
7. **No doses, and no “stop your medicine”.** You can tell your own experience instead.
8. **No selling, no recruiting, no research** without asking the moderators.
9. **Different lives are welcome.** Slurs are not.
10. **If you are worried about somebody, tell a moderator.** You do not have to carry it alone.
"""
"""Guidelines to begin with (DOM, appendix C); every group changes them as it likes."""

EXAMPLES: Final = (
    ("1", "Walking at night helped me.", "Walking helps. Do it."),
    ("2", "Would ideas help you?", "Here is what you should do."),
    ("3", "I was in a very dark place.", "I was there, with this, and so much of it."),
    ("4", "Content note: grief. My brother died.", "My brother died, with no note before it."),
    ("5", "I would like to talk with you here.", "Write to me somewhere else."),
    ("6", "Somebody once told me this helps.", "In the other group Kay told us that …"),
    ("7", "My doctor changed mine, and it took weeks.", "Take half of it, or stop."),
    ("8", "May I ask people about a study? I wrote to the moderators.", "Fill in my survey."),
    ("9", "I do not know your faith. Tell me about it?", "People like that are all the same."),
    (
        "10",
        "I told a moderator that I worry about Kay.",
        "I stayed up all night to watch over Kay.",
    ),
)
"""For each of them what fits it, and what does not."""
