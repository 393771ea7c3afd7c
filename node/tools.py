"""The ledger of automated tools: everything here that looks at what people write (DOM-H5).

`/about/tools` prints it. Its numbers are measured on lines of our own; a test counts them anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from moderation import harm
from moderation.care import sooner


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How a tool did on lines that it is for, and on lines that it must leave alone."""

    day: date
    noticed: int
    of: int
    wrongly: int
    others: int

    def __str__(self) -> str:
        return (
            f"Of {self.of} lines that it is for, it noticed {self.noticed}. "
            f"Of {self.others} other lines, it wrongly noticed {self.wrongly}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool; every part is a sentence or two for a page, `source` the file that holds it."""

    id: str
    name: str
    does: str
    never: str
    weak: str
    off: str
    source: str
    version: date  # when its list was last changed or read through
    measured: Measured


_DAY: Final = date(2026, 11, 26)  # when all of them were counted last
HARM: Final = Measured(day=_DAY, noticed=18, of=20, wrongly=0, others=40)
CONTACTS: Final = Measured(day=_DAY, noticed=150, of=150, wrongly=0, others=175)
HINTS: Final = Measured(day=_DAY, noticed=56, of=56, wrongly=0, others=58)
CARD: Final = Measured(day=_DAY, noticed=30, of=30, wrongly=0, others=32)
SOONER: Final = Measured(day=_DAY, noticed=40, of=40, wrongly=0, others=40)

TOOLS: Final[Sequence[Tool]] = (
    Tool(
        id="harm",
        name="The list of words that tell how harm is done",
        does="It holds a post, or a change of one, until a moderator of the group has read it. "
        "It looks for how, where or how much, and for telling somebody to die. "
        "The author is told at once, and sees crisis lines.",
        never="It never removes or refuses a post. It counts nothing against anybody, and keeps no "
        "note of what it found. Saying how bad things are is not on the list.",
        weak="It knows English only: words in other languages are not looked at. It misses what is "
        "said in a roundabout way, what is asked instead of told, and what is in a picture. "
        "Moderators' own posts and messages between two people are not held. It can be wrong.",
        off="The moderators of a group can switch it off in the settings of the group.",
        source="moderation/harm.py",
        version=harm.REVIEWED,
        measured=HARM,
    ),
    Tool(
        id="contacts",
        name="The guard for contact details",
        does="Before a post is sent, it asks its author about phone numbers, addresses and names. "
        "Where a group wants none of these, a moderator reads the post first if its author says "
        "that it is nothing of the kind.",
        never="It keeps no note of what it found. Numbers of help can always be shared.",
        weak="It knows how some European languages say it, and guesses. "
        "It looks at no picture, and at no post that comes from another server.",
        off="The moderators of a group can allow contact details. "
        "The question before sending cannot be switched off.",
        source="moderation/contacts.py",
        version=_DAY,
        measured=CONTACTS,
    ),
    Tool(
        id="hints",
        name="Hints while you write",
        does="Before a post is sent, it shows plainer words for some that can hurt, and asks to "
        "leave out some details. Where you tell others what to take, or what heals, it offers a "
        "label. For an answer, it says which words can close a door. "
        "It also says where you repeat what another of your names wrote.",
        never="It never stops a post: one press sends it as it is. It keeps nothing and tells "
        "nobody.",
        weak="It knows English only, and phrases, not what you mean.",
        off="You can switch it off in your settings.",
        source="groups/hints.py, groups/repeats.py",
        version=_DAY,
        measured=HINTS,
    ),
    Tool(
        id="card",
        name="The card with crisis lines",
        does="After you post words that sound very heavy, it shows you the crisis lines of your "
        "country, at most once a day.",
        never="It shows them to nobody else, tells nobody, keeps nothing, and changes nothing "
        "about your post.",
        weak="It knows English only. It misses what is said in other words, and it can show up "
        "when all is well.",
        off="You can switch it off in your settings.",
        source="resources/heavy.py",
        version=_DAY,
        measured=CARD,
    ),
    Tool(
        id="sooner",
        name="The list that says what moderators read sooner",
        does="It puts posts that nobody has answered, and reports about posts, in an order for "
        "moderators: what sounds as if somebody needs somebody comes first, with the reason "
        "beside it. Moderators choose how many in a day. Answers that give support count for less.",
        never="It does nothing but that order. It holds, removes, limits and reports nothing, and "
        "tells nobody but the moderators who look. What it finds is written down nowhere.",
        weak="It was tried in English, and a little in German and Spanish: in other languages it "
        "says that nobody tried it. It misses much. In published tests, lists like this one found "
        "about half of what people would have wanted to read sooner, and half of what they found "
        "was nothing. Moderators see each week how often it was right.",
        off="The people who look after this place can set the number of a day to 0.",
        source="moderation/care/sooner.py, moderation/care/data/look_sooner.json",
        version=sooner.reviewed(),
        measured=SOONER,
    ),
)
