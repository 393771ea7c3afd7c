"""Who lives in the demo, and what they say. Nobody here is a real person."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with one name. The log-in name is another one, as it should be."""

    name: str
    handle: str
    login: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """A node, who looks after it, who lives there, and its group."""

    node: str
    name: str
    about: str
    keeper: Person
    people: tuple[Person, ...]
    group: str  # its name in addresses
    title: str
    purpose: str
    guidelines: str
    thread: str
    opening: str


ANA: Final = Person(name="Ana", handle="ana", login="lantern")
BEN: Final = Person(name="Ben", handle="ben", login="pebble")
CLEO: Final = Person(name="Cleo", handle="cleo", login="meadow")
CLINIC: Final = Person(name="Riverside Clinic", handle="riverside_clinic", login="riverside")

COMMUNITIES: Final = (
    Community(
        node="alder",
        name="Alder House",
        about="A neighbourhood house by the river. We meet on Thursdays, and here at any hour.",
        keeper=Person(name="Robin", handle="robin", login="kettle"),
        people=(ANA, CLINIC),
        group="sleep",
        title="Sleeping badly",
        purpose="For everyone whose nights are long: new to it, or used to it.",
        guidelines=(
            "- Say what it is like for you. Ask before you give advice.\n"
            "- No medicine names with doses. Your doctor or pharmacist knows yours.\n"
            "- What is written here stays here.\n"
            "- If you are in danger, the page “Help now” has people who answer at once."
        ),
        thread="Welcome, and how we talk here",
        opening=(
            "This is a place for tired people. You do not have to be interesting, or cheerful, "
            "or done with it. Read for a while if you like. Somebody is often awake."
        ),
    ),
    Community(
        node="birch",
        name="Birch Circle",
        about="People who lost somebody, and people who sit with them. We began with six chairs.",
        keeper=Person(name="Maya", handle="maya", login="thimble"),
        people=(BEN,),
        group="grief",
        title="Grief",
        purpose="For those who miss somebody. It does not matter how long ago it was.",
        guidelines=(
            "- There is no right way to do this, and no right time to be finished.\n"
            "- We do not compare losses.\n"
            "- Silence is an answer too. Nobody has to reply.\n"
            "- If it gets too heavy to carry alone, “Help now” is at the top of every page."
        ),
        thread="Say their name, if you want to",
        opening=(
            "Mine was called Irene. She whistled while she cooked, always the same four notes. "
            "You can leave a name here, or a small thing you remember. That is all."
        ),
    ),
    Community(
        node="cedar",
        name="Cedar Street",
        about="Parents of small children on three streets, and whoever found their way to us.",
        keeper=Person(name="Jonas", handle="jonas", login="bobbin"),
        people=(CLEO,),
        group="new_parents",
        title="New parents",
        purpose="For the first two years: the love, the worry, and the laundry.",
        guidelines=(
            "- Every child is different. So is every parent.\n"
            "- No photos or names of children.\n"
            "- “I cannot do this today” is a complete sentence here.\n"
            "- If you are afraid for yourself or a child, please use “Help now”."
        ),
        thread="Small victories",
        opening=(
            "Today I drank a cup of tea while it was still warm. "
            "What went well for you, however small?"
        ),
    ),
)

CLINIC_THREAD: Final = "What often helps when sleep does not come"
CLINIC_WORDS: Final = (
    "People ask us this every week, so here is what we tell them.\n\n"
    "- Get up at the same hour each day, even after a bad night. It sets the clock inside.\n"
    "- If you lie awake for a good while, get up and do something quiet until you feel sleepy.\n"
    "- Daylight in the morning helps more than most people think.\n"
    "- Worries like paper. Write them down in the evening and leave them there.\n\n"
    "If it lasts longer than a month, or your days are hard to get through, please see a doctor. "
    "Treatments without medicine work well for many people."
)

THREAD: Final = "Awake at four again"
WORDS: Final = (
    "I wake at four and my thoughts begin to walk in circles. "
    "Does anybody know this? What do you do with that hour?"
)
ANSWER: Final = (
    "Every night for a year. I stopped fighting it. I make tea, sit by the window, and tell myself "
    "that resting counts as well. You are not the only lit window."
)
BEFORE_EDIT: Final = "I moved the clock out of the bedrom. Not seeing the hour helped me a little."
AFTER_EDIT: Final = "I moved the clock out of the bedroom. Not seeing the hour helped me a lot."
TAKEN_BACK: Final = "This is more than I wanted to tell. My street has a blue door."
KEPT: Final = (
    "Small thing {number}, while {victim} was away: written down, and here in the morning."
)

LOSS: Final = "It began in May, when my father died. At four I listen for his key in the door."
TOPIC: Final = "grief"
WHY: Final = "She tells of her father, who died."

BAD_SERVER: Final = "sellers.example"
ADVICE: Final = "They write to people who lost somebody, and sell them things."
WORRY: Final = "She sounded further away than last week."
NOISE: Final = "Bad place."
NOISY_AT_FIRST: Final = "corner.example"
THORN: Final = Community(
    node="thorn",
    name="Thorn",
    about="A place that says a lot about others.",
    keeper=Person(name="Nobody", handle="nobody_here", login="gravel"),
    people=(),
    group="",
    title="",
    purpose="",
    guidelines="",
    thread="",
    opening="",
)
