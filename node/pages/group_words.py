"""What a group's settings mean, in one sentence each."""

from collections.abc import Mapping
from typing import Final

from groups.groups import Group
from groups.readers import Readers
from kernel.said import Said, joined, noted, said, said_many
from kernel.schema.groups import Joining, Posts, Premoderation, Sees
from kernel.schema.posts import Wish

SEES: Final[Mapping[Sees, str]] = {
    Sees.EVERYONE: noted("Everyone can read, here and on other servers that follow the group."),
    Sees.MEMBERS: noted("Only members of the group can read."),
    Sees.NODE: noted("Everyone with an account here can read."),
}
POSTS: Final[Mapping[Posts, str]] = {
    Posts.ANYONE: noted("Everyone can post."),
    Posts.MEMBERS: noted("Members can post."),
    Posts.APPROVED: noted("Members can post once a moderator says so."),
}
JOINING: Final[Mapping[Joining, str]] = {
    Joining.OPEN: noted("Anyone can join."),
    Joining.APPROVAL: noted("You ask to join, and a moderator answers."),
    Joining.INVITATION: noted("You join with an invitation from a moderator."),
}
PREMODERATION: Final[Mapping[Premoderation, str]] = {
    Premoderation.NONE: noted("Posts are shown at once."),
    Premoderation.FIRST: noted("A moderator reads the first post of each name before it is shown."),
    Premoderation.ALL: noted("A moderator reads every post before it is shown."),
}

WEEKDAYS: Final[Mapping[str, str]] = {
    "0": noted("Every Monday"),
    "1": noted("Every Tuesday"),
    "2": noted("Every Wednesday"),
    "3": noted("Every Thursday"),
    "4": noted("Every Friday"),
    "5": noted("Every Saturday"),
    "6": noted("Every Sunday"),
}
ABOUT_STORIES: Final = noted(
    "Members can tell how they came through a hard time. They say what it was like, what helped, "
    "and what they do now. Another moderator reads each story before anybody else does."
)

ABOUT_COARSE: Final = noted(
    "When somebody wrote can be read to five minutes only: harder to match with what else they do. "
    "What is there already keeps its time."
)

ABOUT_DETAILS: Final = noted(
    "A post may tell others how somebody can be hurt, or that they should be. Then a moderator "
    "reads it first. Saying how bad things are never counts. Only English words are noticed."
)

WISHES: Final[Mapping[Wish, str]] = {
    Wish.LISTEN: noted("Just listen"),
    Wish.STORIES: noted("Similar stories"),
    Wish.IDEAS: noted("Ideas are welcome"),
    Wish.PRACTICAL: noted("Practical help"),
    Wish.NO_REPLIES: noted("No replies: I want to say it, and be read"),
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
    return said("Half of new threads get a first answer within {time}.", time=_roughly(minutes))


def _roughly(minutes: int) -> Said:
    """So many minutes in words, rounded up."""
    if minutes <= 50:
        return said("{number} minutes", number=max(1, -(-minutes // 10)) * 10)
    hours = -(-minutes // 60)
    if hours < 48:
        return said("an hour") if hours == 1 else said("{number} hours", number=hours)
    return said("{number} days", number=-(-hours // 24))


def readers(group: Group) -> str:
    """Who will read what is posted now."""
    if group.settings is None and group.actor.members_only:
        return said(
            "Only members of this group can read this. It is kept here and on {host}.",
            host=group.actor.host,
        )
    if group.settings is None:
        return said(
            "This group lives on {host}. Everyone who reads it there, "
            "and on other servers that follow it, can read this.",
            host=group.actor.host,
        )
    if group.settings.sees is Sees.EVERYONE:
        where = noted("Everyone can read this, here and on other servers that follow this group.")
        return joined(where, PROOFS if group.proves else "")
    if group.settings.spans:
        return said(
            "Only members of this group can read this. It is kept here and on {host}.",
            host=group.settings.circle,
        )
    if group.settings.sees is Sees.MEMBERS:
        return noted("Only members of this group can read this. It stays on this server.")
    return noted("Everyone with an account here can read this. It stays on this server.")


def who_reads(group: Group, found: Readers, *, changes: bool = False) -> str:
    """The readers of what is about to be sent, counted; with `changes`, of new words for it."""
    if group.settings is None:
        return _goes_to(group, found)
    people = {
        "members": said_many("{number} member here", "{number} members here", number=found.members),
        "servers": _others(found.servers) if found.servers else said("no other server"),
    }
    first = _FIRST if group.settings.premoderation is Premoderation.ALL and not changes else ""
    if group.settings.sees is Sees.EVERYONE:
        return joined(
            said("Readers: {members}, {servers}, and everyone else: it is public.", **people),
            _TOLD_AGAIN if changes else "",
            PROOFS if group.proves else "",
            noted("Whoever you name with @ gets it, too."),
            _SEEN,
            first,
        )
    if group.settings.sees is Sees.MEMBERS:
        return joined(said("Readers: {members}, {servers}, not public.", **people), _SEEN, first)
    account = said(
        "Readers: everyone with an account here ({members} of the group), {servers}, not public.",
        **people,
    )
    return joined(account, _SEEN, first)


_SEEN: Final = noted("Moderators of this group can see this name, not you.")
_FIRST: Final = noted("One of them reads it before anybody else does.")
_TOLD_AGAIN: Final = noted("Servers that are not told again may keep the old words.")


def _others(servers: int) -> Said:
    return said_many("{number} other server", "{number} other servers", number=servers)


def _goes_to(group: Group, found: Readers) -> str:
    """Of a group elsewhere: it decides, and everyone with an account here can read along."""
    host = group.actor.host
    if group.actor.members_only:
        return joined(
            said("Readers: members of this group, here and on {host}. Not public.", host=host),
            "" if found.home else said("{host} cannot be sent anything now.", host=host),
            noted("Moderators there can see this name, not you."),
        )
    if not found.home:
        return said(
            "Readers: everyone with an account here. {host} cannot be sent anything now.",
            host=host,
        )
    return joined(
        said("This goes to {host}, which decides who reads it.", host=host),
        said(
            "It also goes to {servers}, to people it answers or names.",
            servers=_others(found.servers),
        )
        if found.servers
        else "",
        noted("Everyone with an account here can read it."),
        noted("Moderators there can see this name, not you."),
    )


def how_it_works(group: Group) -> list[str]:
    """The group's ways, for people who think about joining."""
    settings = group.settings
    if settings is None:
        rules = said("This group lives on {host}, which has its own rules.", host=group.actor.host)
        if not group.actor.members_only:
            return [rules]
        return [
            rules,
            noted("Only members of the group can read it, there and here."),
            noted("Its moderators say who may join. What you write is kept there as well."),
        ]
    found = [
        SEES[settings.sees],
        POSTS[settings.posts],
        JOINING[settings.joining],
        PREMODERATION[settings.premoderation],
    ]
    if settings.cap:
        found.append(
            said(
                "It has room for {limit} people, so that they can know each other.",
                limit=settings.cap,
            )
        )
    if settings.spans:
        found.append(
            said(
                "People of {host} may be members. What is written goes to that computer, too.",
                host=settings.circle,
            )
        )
    if settings.sees is Sees.MEMBERS:
        found.append(noted("People find it through a link from its moderators."))
    if settings.notes_required:
        found.append(noted("Every post has a content note, so that readers can choose."))
    if not settings.contacts:
        found.append(
            noted("No contact details: people stay safe because nobody can find them outside.")
        )
    if group.proves:
        found.append(PROOFS)
    if settings.check_in is not None:
        found.append(
            said(
                "{day} the group asks how people are. You answer only if you like.",
                day=said(WEEKDAYS[str(settings.check_in)]),
            )
        )
    if settings.one_voice:
        found.append(noted("Each member has one name here."))
    if not settings.one_time:
        found.append(noted("People post with a name they keep."))
    if settings.slow_minutes:
        found.append(
            said(
                "The group goes slowly: one post every {minutes} minutes.",
                minutes=settings.slow_minutes,
            )
        )
    if settings.details_held:
        found.append(noted("A moderator first reads posts that tell how harm is done."))
    if settings.coarse:
        found.append(noted("Times of posts are told to five minutes, no finer."))
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
    ("1", noted("Walking at night helped me."), noted("Walking helps. Do it.")),
    ("2", noted("Would ideas help you?"), noted("Here is what you should do.")),
    (
        "3",
        noted("I was in a very dark place."),
        noted("I was there, with this, and so much of it."),
    ),
    (
        "4",
        noted("Content note: grief. My brother died."),
        noted("My brother died, with no note before it."),
    ),
    ("5", noted("I would like to talk with you here."), noted("Write to me somewhere else.")),
    (
        "6",
        noted("Somebody once told me this helps."),
        noted("In the other group Kay told us that …"),
    ),
    ("7", noted("My doctor changed mine, and it took weeks."), noted("Take half of it, or stop.")),
    (
        "8",
        noted("May I ask people about a study? I wrote to the moderators."),
        noted("Fill in my survey."),
    ),
    (
        "9",
        noted("I do not know your faith. Tell me about it?"),
        noted("People like that are all the same."),
    ),
    (
        "10",
        noted("I told a moderator that I worry about Kay."),
        noted("I stayed up all night to watch over Kay."),
    ),
)
"""For each of them what fits it, and what does not."""
