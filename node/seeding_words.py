"""What seeded communities are called and say. Nobody here is a real person."""

from random import Random
from typing import Final

TOPICS: Final = (
    ("sleep", "Sleeping badly", "For everyone whose nights are long."),
    ("grief", "Grief", "For those who miss somebody, however long ago it was."),
    ("new_parents", "New parents", "For the first two years, and the laundry."),
    ("carers", "Looking after somebody", "For people who care for a person they love."),
    ("low_days", "Low days", "For days that are grey and slow. You do not have to explain."),
    ("worry", "Worry", "For heads that will not stop. We know that one."),
    ("panic", "Panic", "For a heart that races for no reason it will tell you."),
    ("drinking_less", "Drinking less", "One evening at a time, and no score is kept."),
    ("long_illness", "Living with an illness", "For bodies that make plans of their own."),
    ("pain", "Pain that stays", "For people who hurt, and people who are tired of saying so."),
    ("students", "Students", "For exams, shared kitchens and being far from home."),
    ("night_shift", "Night shift", "For those who sleep by day and talk by night."),
    ("after_separation", "After a separation", "For the first year alone, and the second."),
    ("shyness", "Shyness", "For people who rehearse their telephone calls."),
    ("attention", "Scattered minds", "For those with forty tabs open, one of them music."),
    ("eating", "Peace with eating", "No numbers, no plans. Only company."),
    ("out_of_work", "Out of work", "For mornings with nowhere to be."),
    ("moving_here", "New in this country", "For two languages and one heart."),
    ("hearing_voices", "Hearing voices", "For people who hear what others do not."),
    ("ups_and_downs", "Ups and downs", "For moods with weather of their own."),
    ("young_carers", "Young carers", "For those who grew up a little early."),
    ("later_years", "Later years", "For long memories and quiet afternoons."),
    ("farm_life", "Farm life", "For work that never asks how you slept."),
    ("small_steps", "Small steps", "For what went well today, however small."),
)  # fmt: skip
PLACES: Final = ("river", "hill", "harbour", "garden", "bridge", "lantern", "orchard", "meadow")
FIRST: Final = (
    "amber", "autumn", "blue", "brave", "calm", "clear", "early", "gentle", "green", "kind",
    "light", "little", "misty", "north", "open", "patient", "quiet", "silver", "slow", "soft",
    "steady", "still", "sunny", "tall", "warm", "west", "wide", "winter", "wise", "young",
)  # fmt: skip
SECOND: Final = (
    "acorn", "badger", "bell", "birch", "boat", "brook", "button", "candle", "cedar", "cloud",
    "daisy", "door", "feather", "finch", "gate", "hare", "heron", "island", "kettle", "lake",
    "lamp", "leaf", "moss", "otter", "owl", "pebble", "pine", "robin", "sail", "wren",
)  # fmt: skip
GUIDELINES: Final = (
    "- Say what it is like for you. Ask before you give advice.\n"
    "- No medicine names with doses.\n"
    "- What is written here stays here.\n"
    "- If you are in danger, the page “Help now” has people who answer at once."
)
NOTES: Final = ("sleep", "low mood", "family", "hospital", "money", "food", "loss, family")
CHECK_IN: Final = "How is everybody today?"

_TITLES: Final = (
    "Awake again and {when}", "Does anybody else know this?", "A small good thing {when}",
    "I do not know how to tell my {who}", "What helps you {when}?", "First time here",
    "It was a hard week with my {who}", "Tired of being brave", "Back after a long while",
    "How do you rest when your {who} cannot?", "My {who} said something kind",
    "I went outside {when}", "Asking for help {when}", "Is it normal to feel this slow?",
    "Somebody to sit with {when}", "I said no, and nothing bad happened",
)  # fmt: skip
_WHEN: Final = (
    "at four in the morning", "on Sundays", "before work", "in the evening", "this winter",
    "after the appointment", "when the house is quiet", "on the bus home", "today", "this month",
)  # fmt: skip
_WHO: Final = (
    "sister", "mother", "doctor", "neighbour", "boss", "son", "daughter", "partner", "father",
    "friend", "teacher", "brother",
)  # fmt: skip
_TELLING: Final = (
    "It has been like this {when}, and I am not sure when it began.",
    "My {who} asked how I am and I said fine, because it is shorter.",
    "I wrote this three times and took it out again.",
    "Some days I manage the dishes, and that has to be enough.",
    "I cancelled again {when}, and then I felt bad about that as well.",
    "The hardest part is {when}, when nobody needs anything from me.",
    "I sat in the car for a while before I went in.",
    "My {who} means well, and it still makes me tired.",
    "I made a list with one thing on it, and I did that thing.",
    "I keep the light on in the hall now.",
    "There was a moment {when} when I noticed that I was not thinking about it.",
    "I have an appointment next week and I do not know what to say there.",
    "I walked to the corner and back. It was raining, which suited me.",
    "My {who} does not know that I write here.",
    "I slept for five hours in a row, which has not happened in a while.",
    "It comes in waves, and {when} the waves are taller.",
    "I laughed at something {when} and then felt strange about it.",
    "I am not looking for advice, only for somebody who knows it.",
)
_ASKING: Final = (
    "Does anybody know this?", "What do you do with that hour?", "How did it go for you?",
    "I would like to hear how you manage.", "Thank you for reading this far.",
    "That is all, really.", "Is it all right to just leave this here?",
)  # fmt: skip
_ANSWERING: Final = (
    "I know that one, and you are not odd for feeling it.",
    "Thank you for writing this down. I could not have said it better.",
    "It was like that for me for a year, and then a little less.",
    "You do not have to be finished with it by any date.",
    "I read this twice. I am glad that you are here.",
    "What helped me was telling my {who} one small piece of it.",
    "I make tea and sit by the window {when}. It does not solve anything, and it helps.",
    "Resting counts. I did not believe that for a long time.",
    "Could you ask your {who} to come along? Mine waited outside, and that was enough.",
    "My {who} said the same to me, and it took me weeks to hear it.",
    "Nobody here will count the days for you.",
    "Same here {when}. You are not the only lit window.",
    "I have no advice, only company.",
    "One thing a day is plenty. Some days it is brushing your teeth.",
    "I hope that the appointment is kind to you.",
    "That sounds heavy. I am sorry that you carry it alone {when}.",
    "Please come back and tell us how it went, if you feel like it.",
    "Small steps are steps.",
)
_LINKS: Final = (
    "Our library had a leaflet that I liked: https://library.example/leaflets/rest",
    "Somebody gave me this page once: https://help.example/a-quiet-hour",
)


def handle(dice: Random) -> str:
    """Such as `quiet_birch_0384`."""
    return f"{dice.choice(FIRST)}_{dice.choice(SECOND)}_{dice.randrange(10_000):04}"


def title(dice: Random) -> str:
    """What somebody calls a thread."""
    return _fill(dice, dice.choice(_TITLES))


def opening(dice: Random) -> tuple[str, ...]:
    """The paragraphs that begin a thread, as Markdown."""
    told = [_some(dice, _TELLING, 1, 4) for _ in range(dice.choice((1, 1, 2, 2, 3)))]
    return (*told, dice.choice(_ASKING))


def answer(dice: Random) -> tuple[str, ...]:
    """The paragraphs of an answer, as Markdown."""
    said = [_some(dice, _ANSWERING, 1, 3)]
    if dice.random() < 0.4:
        said.append(_some(dice, _TELLING, 1, 2))
    if dice.random() < 0.03:
        said.append(dice.choice(_LINKS))
    if dice.random() < 0.05:
        said.append("- Drink some water.\n- Open a window.\n- *Then* think about it.")
    return tuple(said)


def _some(dice: Random, lines: tuple[str, ...], least: int, most: int) -> str:
    chosen = dice.sample(lines, dice.randint(least, most))
    return " ".join(_fill(dice, line) for line in chosen)


def _fill(dice: Random, line: str) -> str:
    return line.format(when=dice.choice(_WHEN), who=dice.choice(_WHO))
