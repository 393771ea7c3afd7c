"""What a member would rather not read: people, threads, servers, words (SEC-U8).

All of it lies in the member's sealed blob and is applied while a page is drawn, for every name of
theirs. Nobody else's page, document or count changes by it, so nobody can tell.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Final, Self, TypeVar
from uuid import UUID

from kernel.errors import Malformed, NotAllowed
from kernel.said import noted, said
from members.seen import long, short

MAX_PEOPLE: Final = 100
MAX_THREADS: Final = 50
MAX_SERVERS: Final = 25
MAX_WORDS: Final = 30
MAX_WORD: Final = 40
MAX_SERVER: Final = 80

T = TypeVar("T")

_SERVER: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


class Why(StrEnum):
    """Why something is not shown, or is folded."""

    BLOCKED = "blocked"
    SERVER = "server"
    MUTED = "muted"
    WORD = "word"

    @property
    def hides(self) -> bool:
        """Whether the words are left out, not only folded."""
        return self in (Why.BLOCKED, Why.SERVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody muted or blocked, up to and with the day `until`, or for good."""

    id: UUID
    blocked: bool
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A muted thread, as `Person`."""

    id: int
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Everything that a member mutes, blocks or filters."""

    people: tuple[Person, ...] = ()
    threads: tuple[Thread, ...] = ()
    servers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def with_person(self, person: Person) -> Self:
        """Mute or block somebody; what was chosen before about them is replaced."""
        others = tuple(each for each in self.people if each.id != person.id)
        return replace(self, people=_within((*others, person), MAX_PEOPLE, noted("people")))

    def with_thread(self, thread: Thread) -> Self:
        """Mute a thread."""
        others = tuple(each for each in self.threads if each.id != thread.id)
        return replace(self, threads=_within((*others, thread), MAX_THREADS, noted("threads")))

    def with_server(self, name: str) -> Self:
        """Block a server and all below it. Raises Malformed: that is no name of a server."""
        name = name.strip().lower().removeprefix("https://").rstrip("/").rpartition("@")[2]
        if len(name) > MAX_SERVER or not _SERVER.fullmatch(name):
            raise Malformed("Please write the name of a server, such as example.org.")
        return replace(
            self, servers=_within(_added(self.servers, name), MAX_SERVERS, noted("servers"))
        )

    def with_word(self, word: str) -> Self:
        """Fold what has a word or a few in it. Raises Malformed: none, or too long."""
        word = " ".join(word.split())
        if not word or len(word) > MAX_WORD:
            raise Malformed(
                said("Please write a word, or a few, of up to {limit} letters.", limit=MAX_WORD)
            )
        return replace(self, words=_within(_added(self.words, word), MAX_WORDS, noted("words")))

    def without(self, kind: str, key: str) -> Self:
        """Take one choice back: of a person or thread by id, of a server or word by itself."""
        return replace(
            self,
            people=_but(self.people, lambda each: kind == "person" and str(each.id) == key),
            threads=_but(self.threads, lambda each: kind == "thread" and str(each.id) == key),
            servers=_but(self.servers, lambda each: kind == "server" and each == key),
            words=_but(self.words, lambda each: kind == "word" and each == key),
        )

    def on(self, day: date) -> Self:
        """What of it still holds that day."""
        return replace(
            self,
            people=_but(self.people, lambda each: each.until is not None and each.until < day),
            threads=_but(self.threads, lambda each: each.until is not None and each.until < day),
        )

    def plain(self) -> list[Any]:
        """As it stands in the blob."""
        return [
            [[short(each.id), int(each.blocked), _day(each.until)] for each in self.people],
            [[each.id, _day(each.until)] for each in self.threads],
            list(self.servers),
            list(self.words),
        ]

    @classmethod
    def of(cls, plain: list[Any]) -> Self:
        """From `plain`."""
        people, threads, servers, words = plain
        return cls(
            people=tuple(
                Person(id=long(key), blocked=bool(blocked), until=_read(until))
                for key, blocked, until in people
            ),
            threads=tuple(Thread(id=key, until=_read(until)) for key, until in threads),
            servers=tuple(servers),
            words=tuple(words),
        )


def _added(those: tuple[str, ...], one: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*those, one)))


def _within(those: tuple[T, ...], most: int, what: str) -> tuple[T, ...]:
    if len(those) > most:
        raise NotAllowed(
            said(
                "Your list has {most} {what} already. Take one off it to make room.",
                most=most,
                what=said(what),
            )
        )
    return those


def _but(those: Iterable[T], goes: Callable[[T], bool]) -> tuple[T, ...]:
    return tuple(each for each in those if not goes(each))


def _day(until: date | None) -> int:
    return until.toordinal() if until else 0


def _read(until: int) -> date | None:
    return date.fromordinal(until) if until else None


class Sieve:
    """A member's choices, made ready for a page; for most members it lets everything through."""

    def __init__(self, quiet: Quiet, day: date) -> None:
        now = quiet.on(day)
        self._people = {each.id: each.blocked for each in now.people}
        self._threads = {each.id for each in now.threads}
        self._servers = now.servers
        self._words: re.Pattern[str] | None = None
        if now.words:
            each = "|".join(re.escape(word.casefold()) for word in now.words)
            self._words = re.compile(rf"(?<!\w)(?:{each})(?!\w)")

    @property
    def empty(self) -> bool:
        """Whether it lets everything through."""
        return not (self._people or self._threads or self._servers or self._words)

    @property
    def has_words(self) -> bool:
        """Whether words have to be looked at."""
        return self._words is not None

    def author(self, author_id: UUID | None, host: str) -> Why | None:
        """Why somebody's words are not shown, if so; what hides them goes before what folds."""
        blocked = self._people.get(author_id) if author_id else None
        if blocked:
            return Why.BLOCKED
        if self.server(host):
            return Why.SERVER
        return None if blocked is None else Why.MUTED

    def server(self, host: str) -> bool:
        """Whether a server is blocked."""
        name = host.partition(":")[0]
        return any(name == each or name.endswith("." + each) for each in self._servers)

    def words(self, *texts: str) -> Why | None:
        """Whether one of the words stands in plain texts."""
        if self._words is None:
            return None
        return Why.WORD if any(self._words.search(each.casefold()) for each in texts) else None

    def thread(self, thread_id: int | None) -> bool:
        """Whether a thread is muted."""
        return thread_id in self._threads


OPEN: Final = Sieve(Quiet(), date.min)  # lets everything through: for visitors
