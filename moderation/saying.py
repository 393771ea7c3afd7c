"""What is said of a post by others than its author, and what its readers see of that (MOD-5.18)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, Self

from kernel.errors import Malformed
from kernel.said import said
from kernel.schema.labels import Effect, Giver
from kernel.urls import parse
from moderation.labels import BY_ID, MEDICAL, may_give

MAX_WHY: Final = 500  # letters
MAX_SOURCES: Final = 5
MAX_SOURCE: Final = 300  # letters of an address
NEEDED: Final = 2  # sources of a reviewer's note (DOM-C14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A label as readers of a post see it. `by`: "group", "node", or the host of another server.

    `older`: the post was changed since, so it is about words that are not there any more.
    """

    label: str
    by: str
    effect: Effect
    starts: date
    ends: date
    why: str
    sources: tuple[str, ...]
    older: bool

    @property
    def name(self) -> str:
        """What it is called, to be translated."""
        return BY_ID[self.label].name

    @property
    def folds(self) -> bool:
        """Whether words with it are opened by a click, where their reader chose nothing else."""
        return self.effect in (Effect.FOLD, Effect.HOLD) and not self.older

    @property
    def by_peer(self) -> bool:
        """Whether another server says so."""
        return self.by not in (Giver.GROUP, Giver.NODE)


def read_given(given: str, today: date) -> Sequence[Given]:
    """What holds today of a post's labels by others; what is over is so without anybody's doing."""
    if not given:
        return ()
    return [each for each in _read(given) if each.starts <= today < each.ends]


@lru_cache(maxsize=1_000)
def _read(given: str) -> tuple[Given, ...]:
    return tuple(
        Given(
            label=each["label"],
            by=each["by"],
            effect=Effect(each["effect"]),
            starts=date.fromisoformat(each["starts"]),
            ends=date.fromisoformat(each["ends"]),
            why=each.get("why", ""),
            sources=tuple(each.get("sources", ())),
            older=each.get("older", False),
        )
        for each in json.loads(given)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What somebody says of a post. `until`: the first day on which it does not hold."""

    label: str
    giver: Giver
    effect: Effect
    why: str = ""
    sources: tuple[str, ...] = ()
    starts: date
    ends: date
    host: str = ""
    signal: str = ""
    version: datetime | None = None

    @classmethod
    def here(
        cls,
        label: str,
        giver: Giver,
        *,
        today: date,
        effect: str = "",
        why: str = "",
        sources: Sequence[str] = (),
        days: int | None = None,
    ) -> Self:
        """As moderators here say it from today on.

        Raises Malformed: there is no such label, or such people may not give it, or something of
        it cannot be. A claim that nobody checked needs a reviewer's note with two sources. What
        blames somebody is shown to no reader, so it holds the post until a person has read it.
        """
        known = may_give(giver).get(label)
        if known is None:
            raise Malformed(said("There is no label called {name}.", name=label[:50]))
        if effect and effect not in {*Effect}:
            raise Malformed("Please choose what the label does.")
        why = " ".join(why.split())
        if len(why) > MAX_WHY:
            raise Malformed(said("That can have up to {limit} letters.", limit=MAX_WHY))
        links = tuple(dict.fromkeys(each.strip() for each in sources if each.strip()))
        if len(links) > MAX_SOURCES:
            raise Malformed(said("Up to {number} sources are enough.", number=MAX_SOURCES))
        for link in links:
            check_link(link)
        if label == MEDICAL and (not why or len(links) < NEEDED):
            raise Malformed(
                "Please write what is known about it, and name two places where that can be read."
            )
        if days is None:
            days = known.days
        if not 1 <= days <= known.days:
            raise Malformed(said("It may hold from 1 to {number} days.", number=known.days))
        return cls(
            label=label,
            giver=giver,
            effect=Effect(effect) if effect and not known.blames else known.effect,
            why=why,
            sources=links,
            starts=today,
            ends=today + timedelta(days=days),
        )

    def later(self, by: timedelta) -> Self:
        """The same, but that others see it later than its author."""
        return replace(self, starts=self.starts + by, ends=self.ends + by)


def is_link(link: str) -> bool:
    """Whether it is the address of a page that a label may name."""
    try:
        check_link(link)
    except Malformed:
        return False
    return True


def check_link(link: str) -> None:
    """Raises Malformed: it is no address of a page, or too long."""
    if len(link) > MAX_SOURCE:
        raise Malformed(said("That can have up to {limit} letters.", limit=MAX_SOURCE))
    parse(link, allow_http=False, allow_fragment=True)
