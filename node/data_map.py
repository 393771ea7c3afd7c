"""What this node keeps: of what kind, for how long, why, and who gets it (DOM-I1, DOM-I5).

`/about/kept` prints this table, and its numbers are those of the timers (`kernel/keep_times.py`).
Every table of the database is in a row; what has a timer has a test that moves the clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from activitypub.refusals import KEPT as REFUSALS
from groups.earlier import VERSIONS
from kernel import keep_times
from media.copies import MAX_COPIES
from members.notices import MOST as NOTICES

NOBODY: Final = "Nobody."
READERS: Final = "Those who may read the group, and their servers."
MODERATORS: Final = "The moderators of the group."
OPERATORS: Final = "The people who run this place."


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One kind of thing that is kept; every part is a sentence for a page.

    `after` is the timer that takes it away, where there is one; `tables` are where it lies.
    """

    what: str
    until: str
    why: str
    who: str
    tables: Sequence[str] = ()
    after: timedelta | None = None


def span(time: timedelta) -> str:
    """A time as a page says it: "1 day", "3 weeks", "30 days"."""
    if time.days % 7 == 0:
        number, word = time.days // 7, "week"
    else:
        number, word = time.days, "day"
    return f"{number} {word}{'' if number == 1 else 's'}"


def _timed(what: str, time: timedelta, words: str, why: str, who: str, *tables: str) -> Kept:
    until = words.format(span(time))
    return Kept(what=what, until=until, why=why, who=who, tables=tables, after=time)


def _kept(what: str, until: str, why: str, who: str, *tables: str) -> Kept:
    return Kept(what=what, until=until, why=why, who=who, tables=tables)


YOU: Final = (
    _kept(
        "Your log-in name, password and recovery code, in a form that cannot be read back, and "
        "your settings, locked with your password",
        "Until you close your account.",
        "So that you, and nobody else, can come in.",
        NOBODY,
        "accounts",
    ),
    _timed(
        "That you are logged in on a device",
        keep_times.SESSION,
        "{}, or until you log out.",
        "So that you need no password on every page.",
        NOBODY,
        "sessions",
    ),
    _kept(
        "That a code of your app or an answer of your passkey was used, without saying whose",
        "Until the end of the next day.",
        "So that each works only once.",
        NOBODY,
        "spent",
    ),
    _kept(
        "Invitations that nobody has used yet",
        "Until they are used.",
        "So that people can be invited.",
        "Whoever was given the link.",
        "invitations",
        "group_invitations",
    ),
    _kept(
        "Internet addresses, to count how often somebody tries",
        "A day at most, and only in the computer's working memory. They are never written down.",
        "So that nobody can guess passwords.",
        NOBODY,
    ),
)

NAMES: Final = (
    _kept(
        "Your names, what each says about itself, and the month each was made",
        "Until the name closes. Then its bare address stays, so that nobody else can take it and "
        "a ban still holds.",
        "So that others know who speaks.",
        "Everybody who reads, and their servers.",
        "actors",
        "actor_keys",
    ),
    _timed(
        "Which names close because their member left, or because nobody uses them",
        keep_times.LEAVING_UNTIL,
        "{} at most; each name closes on a random day. It can be read with the node key only.",
        "So that names do not vanish together.",
        NOBODY,
        "departures",
    ),
    _kept(
        "Which names were made for one thread",
        "Until the name closes. It can be read with the node key only.",
        "So that each closes by itself.",
        NOBODY,
        "departures",
    ),
    _kept(
        "A name that you do not use any more",
        f"{span(keep_times.SILENT)} after its last post it closes by itself. A name for one thread "
        f"closes {span(keep_times.ONE_THREAD)} after the last answer there. One that looks after a "
        "group stays.",
        "So that nothing of you lies about that you have forgotten.",
        NOBODY,
    ),
    _kept(
        "Which groups a name belongs to or looks after",
        "Until it leaves the group, or closes.",
        "So that posts reach it.",
        "The moderators, and the group's server where that is another one.",
        "follows",
        "moderators",
    ),
    _kept(
        "Who elsewhere told us that they block a name",
        "Until they stop, or the name closes.",
        "So that they hear nothing from it.",
        NOBODY,
        "blocks",
    ),
    _timed(
        "Whom a name followed, and who followed it, where this place stopped talking with a server",
        keep_times.SEVERED,
        "{}, or until they talk again, or the name closes.",
        "So that it can be put back.",
        "You.",
        "severed_follows",
        "severed_moderators",
    ),
    _timed(
        "Which servers were asked to forget a name that closed, or not to list it any more, and "
        "what they answered",
        keep_times.RECEIPT,
        "{}.",
        "So that you can see who has done so.",
        "Whoever has the code of the receipt.",
        "receipts",
    ),
)

WORDS: Final = (
    _kept(
        "Posts, their titles, tags, polls and pictures, and that somebody heard them",
        "Until you delete them, or the name closes. An empty place stays where others answered.",
        "They are what this place is for.",
        READERS,
        "posts",
        "threads",
        "attachments",
        "media",
        "polls",
        "poll_options",
        "post_tags",
        "reactions",
        "moved_threads",
    ),
    _timed(
        "Posts that are not out yet",
        keep_times.UNSENT,
        "Until they go out. What did not, and what you took back, is kept for {}.",
        "So that no word of yours is lost.",
        "You.",
        "waiting",
    ),
    _timed(
        "Messages between two, sealed with the key of this place",
        keep_times.MESSAGE,
        "{}, or until whoever wrote them deletes them, or one of the two names closes.",
        "So that two can talk.",
        "The two. Whoever runs this place could read them, and who runs the other one's place.",
        "messages",
        "conversations",
    ),
    _kept(
        "Who may write to a name, whom it blocks there, and whether it takes messages",
        f"Until you change it, or a name closes. That somebody asked ends after "
        f"{span(keep_times.ASKED)}.",
        "So that nobody writes to you whom you do not want.",
        "Each of the two their own part.",
        "correspondents",
        "message_boxes",
    ),
    _timed(
        "Drafts, locked with your password",
        keep_times.DRAFT,
        "{} after you last changed them.",
        "So that you can go on writing.",
        NOBODY,
        "drawers",
    ),
    _timed(
        "What a post said before it was changed",
        keep_times.EARLIER_WORDS,
        f"{{}}, and at most {VERSIONS} times. Deleting the post takes it along.",
        "So that a change hides nothing from the moderators.",
        MODERATORS,
        "post_edits",
    ),
    _kept(
        "Labels that moderators or other places give a post, and why; not which moderator",
        "Until they end, a year at most. Deleting the post, or taking it out, takes them along.",
        "So that people can choose what they read.",
        READERS,
        "post_labels",
    ),
    _timed(
        "What a name was told: somebody answered it, or moderators decided about a post of its",
        keep_times.NOTICE,
        f"{{}}, and at most the last {NOTICES}.",
        "So that you see it when you come back.",
        "You.",
        "notices",
    ),
    _timed(
        "In which word a name said how its week is, where a group asks",
        keep_times.CHECK_IN,
        "{}, and gone at once when you take it back.",
        "So that the group sees how people are, in sums.",
        "Nobody sees whose word it was.",
        "check_ins",
    ),
    _kept(
        "Which name chose what in a poll",
        "Until the poll is over. Then only the numbers stay.",
        "So that nobody is counted twice.",
        "The server of who asked.",
        "poll_votes",
    ),
    _timed(
        "A picture in a form that was never sent",
        keep_times.DRAFT_PICTURE,
        "{}, and what is left of that day.",
        "So that you can describe it first.",
        NOBODY,
        "media",
    ),
    _kept(
        "Copies of pictures from other servers",
        f"Until {MAX_COPIES // 1024**3} GiB are full. Then what nobody looked at for longest goes.",
        "So that no other server learns who reads.",
        READERS,
        "copies_wanted",
    ),
)

SERVERS: Final = (
    _timed(
        "What your names told other servers, as it was sent",
        keep_times.ACTIVITY,
        "{} where it is about no post here; as long as the post where it is. Deleting blanks it at "
        "once, and what is between two people goes once it has arrived.",
        "So that others can check that it is true.",
        "The servers it was for.",
        "activities",
    ),
    _timed(
        "What still has to be sent",
        keep_times.DELIVERY,
        f"{{}}; votes and “I hear you” {span(keep_times.VOTE)}.",
        "So that a server that was away hears it later.",
        "The server it is for.",
        "deliveries",
    ),
    _timed(
        "Which messages came from other servers",
        keep_times.SEEN_ID,
        "The message itself until it was read, its number for {}.",
        "So that nothing counts twice.",
        NOBODY,
        "received",
    ),
    _timed(
        "The address of a post elsewhere that was deleted before it came",
        keep_times.BURIED,
        "{}.",
        "So that it does not come back.",
        NOBODY,
        "tombstones",
    ),
    _timed(
        "People elsewhere who have to do with nobody here, and their servers",
        keep_times.STRANGER,
        "{} after we last read who they are.",
        "So that their signatures can be checked.",
        NOBODY,
        "actors",
        "peers",
    ),
    _kept(
        "What another server would not take: its kind and an error code",
        f"The last {REFUSALS} of each server, without a time.",
        "So that mistakes are found.",
        OPERATORS,
        "refusals",
    ),
    _kept(
        "What is to be read at other servers, and when a thread of theirs was last read",
        "As long as the group or thread is known here.",
        "So that no answer is missed.",
        NOBODY,
        "errands",
        "refreshes",
    ),
)

CARE: Final = (
    _kept(
        "What was reported, and why; of a message a copy. Not who reported it, nor at what time",
        f"Until somebody has decided; where something was taken out, {span(keep_times.CASE_WORDS)} "
        "longer, so that its author can ask about it. Deleting a message does not take that copy "
        "along.",
        "So that somebody can help, and nobody can take the proof away.",
        "The moderators of the group; of messages, the people who look after this place.",
        "reports",
    ),
    _kept(
        "That something was reported, since which day, what came of it, and notes of moderators. "
        "Not which moderator it was",
        f"The notes as long as the report; what came of it for {span(keep_times.CASE)}.",
        "So that nobody has to decide twice, and nothing is forgotten.",
        "The moderators of the group; of messages and people, those who look after this place.",
        "cases",
        "case_notes",
    ),
    _kept(
        "What the moderators of another server are to be told, in the words of a moderator here",
        "Until it is sent: an hour at most.",
        "So that the moment says nothing about who reported.",
        NOBODY,
        "flags",
    ),
    _kept(
        "That people here look after somebody: which post, how soon, and notes. Not who was "
        "worried, or who looks",
        "The words until it is over, or until the post is taken back; the rest for "
        f"{span(keep_times.CARE)} more.",
        "So that somebody is there in time.",
        "The moderators of the group, and those who look after this place.",
        "care_cases",
        "care_words",
        "care_handovers",
    ),
    _kept(
        "Which server asked us to look after somebody",
        "Until it is over.",
        "So that it hears that somebody looks.",
        NOBODY,
        "care_requests",
    ),
    _kept(
        "How many times people here looked after somebody, by month",
        "As long as this place is here.",
        "So that there are enough helpers.",
        "Moderators.",
        "care_counts",
    ),
    _kept(
        "That a moderator looked at a post sooner: a mark that only this server can make",
        f"{span(keep_times.LOOKED).capitalize()}.",
        "So that nobody reads the same twice.",
        NOBODY,
        "care_looks",
    ),
    _kept(
        "That a name does not want its posts sorted by how they sound: a mark that only this "
        "server can make",
        "Until it is changed, or the name closes.",
        "So that no list looks through what that name posts.",
        NOBODY,
        "care_objections",
    ),
    _kept(
        "How often the list that sorts what moderators read was right, by week",
        "As long as this place is here.",
        "So that everybody can see what it is good for.",
        "Moderators.",
        "look_counts",
    ),
    _kept(
        "How many reports another server sent today",
        "Until the next day.",
        "So that nobody is buried under them.",
        NOBODY,
        "flag_budgets",
    ),
    _timed(
        "What moderators here asked those of another server, or were asked by them",
        keep_times.ASKED_PEER,
        "{} after it is over. The words are sealed, and name nobody here.",
        "So that both can see what came of it.",
        "The moderators of that server.",
        "asks_out",
        "asks_in",
    ),
    _kept(
        "Servers that a group keeps at a distance, and why",
        "Until its moderators take it back, or the group closes.",
        "So that a decision holds.",
        "The moderators of the group.",
        "group_domains",
    ),
    _kept(
        "Bans and their reasons",
        "Until they end or are lifted.",
        "So that a decision holds.",
        "The moderators of the group, and whoever is banned.",
        "bans",
    ),
    _kept(
        "What moderators decided, on which day and why",
        "As long as the group is here, and whoever it was about.",
        "So that moderators can be held to it.",
        "The moderators of the group; of what was about you, you too.",
        "audit",
    ),
    _kept(
        "Of each decision the kind, the day, and a sum over all earlier ones",
        "For good.",
        "So that nobody changes what was decided without being found out.",
        MODERATORS,
        "audit_chain",
    ),
    _timed(
        "A mark of each decision that only whoever made it can make again",
        keep_times.DECIDED,
        "{}.",
        "So that somebody else looks at it when you ask for that.",
        NOBODY,
        "audit_marks",
    ),
    _timed(
        "What you wrote when you asked moderators to look again, and their answer",
        keep_times.APPEAL,
        "{} after the answer. "
        f"With no answer it goes {span(keep_times.UNANSWERED_APPEAL)} after you asked.",
        "So that somebody can look at it.",
        "You, and the moderators who look at it.",
        "appeals",
    ),
    _kept(
        "Whose posts a moderator reads first for a while, and until when",
        "Until that day.",
        "So that a decision holds, and ends.",
        "The moderators of the group, and whoever it is about.",
        "limits",
    ),
    _kept(
        "Whose names do nothing here for a while, and until when",
        "Until that day, or until somebody changes it.",
        "So that a decision holds, and ends.",
        "The people who look after this place, and whoever it is about.",
        "stops",
    ),
    _kept(
        "That people look after a group after somebody was hurt, and which steps are done",
        "Until they end it.",
        "So that nobody is forgotten, and nothing is done twice.",
        MODERATORS,
        "aftercare",
        "aftercare_steps",
    ),
    _kept(
        "How much was written and answered here in a month, rounded",
        "As long as this place is here.",
        "So that everybody can see how it goes.",
        "Everybody.",
        "month_numbers",
    ),
    _kept(
        "Which threads about somebody who died are watched over, and until when",
        "As long as the thread is here.",
        "So that moderators stay with them.",
        MODERATORS,
        "memorials",
    ),
    _kept(
        "Where people who look after a group or this place want to hear that something waits: an "
        "address that can be read with the node key only, tied to no account and no name",
        "Until one of them takes it off.",
        "So that nobody who needs help waits unseen.",
        OPERATORS,
        "alert_channels",
        "alert_calls",
    ),
    _kept(
        "Servers that this place keeps away or at a distance, and lists that name such servers",
        "Until the people who run it change their mind.",
        "To keep harm out.",
        OPERATORS,
        "domain_blocks",
        "domain_filters",
        "domain_lists",
        "domain_policies",
    ),
    _kept(
        "What was decided about other servers, and how many ties that cut; it names nobody",
        "As long as this place is here.",
        "So that it can be undone, and explained.",
        OPERATORS,
        "domain_changes",
    ),
    _timed(
        "What a list of servers said before other rows of it were taken",
        keep_times.SEVERED,
        "{}, or until the list is ended.",
        "So that taking them can be taken back.",
        OPERATORS,
        "list_taken_rows",
        "list_takings",
    ),
    _kept(
        "What is still to be counted anew, or let go, after a decision about a server",
        "Until it is done, some minutes.",
        "So that nothing is left half done.",
        NOBODY,
        "domain_errands",
    ),
    _kept(
        "Pacts with other places, and what each of them promised",
        "For good, once one was made; offers for two months.",
        "So that it is clear whom this place trusts, and why.",
        "The people who run the two places.",
        "pacts",
    ),
    _kept(
        "What this place advises others about servers, in the order it was said",
        "For good: others check that nothing was changed. A court may have words taken out.",
        "So that others are warned, and can see what was said when.",
        "Whoever it is shown to, which the people who run this place choose.",
        "datasets",
        "signal_changes",
    ),
    _timed(
        "What other places advise about servers, and which lists are read",
        keep_times.SIGNAL,
        "{} after its last day.",
        "So that somebody can decide what to do about it.",
        OPERATORS,
        "signals",
        "signal_links",
        "signal_sources",
    ),
    _kept(
        "How far other places' advice may go here, and what it did; it names nobody",
        "The rules as long as this place is here; what it did until a year after it is over.",
        "So that what acts by itself can be explained, and taken back.",
        OPERATORS,
        "signal_rules",
        "signal_effects",
    ),
    _kept(
        "What other places' advice did about somebody elsewhere whom this place has met",
        "As long as that advice holds, and what somebody here answered as long as they are known.",
        "So that what acts by itself can be explained, and taken back.",
        OPERATORS,
        "people_effects",
    ),
    _kept(
        "What this place advises trusted places about somebody elsewhere",
        "Until a day that is chosen with it, 180 days away at most, or until it is taken back.",
        "So that others can be careful; it is told by a code that only they can read.",
        OPERATORS,
        "people_advice",
        "people_advice_said",
    ),
    _kept(
        "How many of a place's requests to look after somebody were not needed; it names nobody",
        "As a number for each place, as long as this place is here.",
        "So that a place that often asks in vain may ask less.",
        OPERATORS,
        "care_peers",
    ),
    _kept(
        "Groups, their settings and every version of their guidelines",
        "As long as the group is here.",
        "So that it is clear what was agreed.",
        "Those who may see the group.",
        "groups",
        "group_moves",
        "guidelines",
    ),
    _kept(
        "What this place says about itself and about safety, in every version",
        "For good.",
        "So that it can be seen what was promised, and when.",
        "Everybody; the weighing of risks only the people who run this place.",
        "node",
        "new_places",
        "veil",
        "safety_records",
    ),
)

BESIDE: Final = (
    _kept(
        "A list of what was deleted, closed, banned or blocked: addresses, with the names in them, "
        "and the last day of a ban; no words. Also where the log of decisions ended on each day",
        "For good.",
        "So that a backup brings back nothing that was taken away.",
        NOBODY,
    ),
    _kept(
        "Backups",
        "As long as the people who run this place keep them; they are advised 30 days. Words "
        "you delete stay in a backup until then, and are deleted again when one is used.",
        "So that a broken disk is not the end.",
        OPERATORS,
    ),
    _kept(
        "A log of what the program does: ids, and no words, addresses or names",
        "As long as the computer it runs on keeps it.",
        "So that faults are found.",
        OPERATORS,
    ),
)

MAP: Final = {
    "You": YOU,
    "Your names": NAMES,
    "Your words": WORDS,
    "Other servers": SERVERS,
    "Looking after groups": CARE,
    "Beside the database": BESIDE,
}
"""Every row, under the heading that a page gives it."""


def rows() -> Sequence[Kept]:
    """Every row, in the order of the page."""
    return [row for several in MAP.values() for row in several]
