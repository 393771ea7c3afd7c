"""A signed-in member, and the sealed blob that the account keeps for them (DESIGN)."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

from kernel.errors import Malformed, NotAllowed
from kernel.here import Here
from kernel.release import AT_ONCE, MAX_UNDO, OFFSETS, Timing
from kernel.said import said
from kernel.sealing import derive, seal, unseal
from members.quiet import Quiet
from members.seen import Seen

BLOB_BYTES: Final = 16 * 1024
MAX_LABEL: Final = 30
MAX_HANDED: Final = 10  # cases that somebody wants to hear the end of
_MOST: Final = BLOB_BYTES - 16

_VERSION = 1
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
_MAX_LANGUAGES = 30
_MAX_COVERS = 50


class Theme(StrEnum):
    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class Cover(StrEnum):
    """How posts with a label stand before a reader."""

    SHOW = "show"
    FOLD = "fold"
    HIDE = "hide"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Who is signed in: in memory only, for the length of a request.

    `roles`: "administrator", "moderator" (of the node).
    """

    account_id: UUID
    root: bytes = field(repr=False)
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a member likes; applied when a page is drawn, told to nobody.

    `languages` are BCP 47 tags in order of liking; none means all. `covers` are what was chosen by
    label; others are folded. `hints`: small helps while they write. `stories` of recovery
    stand beside heavy threads (DOM-B13). `easier` pages are calmer and
    larger (DOM-J2); on `private` ones no title, icon or list of pages tells where somebody was
    (DOM-I10). `card`: crisis lines are shown after posting something very heavy (DOM-D10).
    `language` is that of our own words; empty: as the browser says. `labels` are what they call
    their personas for themselves.
    `timing`: of what they post.
    """

    theme: Theme = Theme.AUTO
    languages: tuple[str, ...] = ()
    labels: Mapping[UUID, str] = field(default_factory=dict)
    covers: Mapping[str, Cover] = field(default_factory=dict)
    hints: bool = True
    stories: bool = True
    easier: bool = False
    private: bool = False
    card: bool = True
    language: str = ""
    timing: Timing = AT_ONCE

    def check(self) -> None:
        """Raises Malformed: a language tag that is none, or too many."""
        if len(self.languages) > _MAX_LANGUAGES:
            raise Malformed(said("Please choose up to {limit} languages.", limit=_MAX_LANGUAGES))
        for tag in filter(None, (*self.languages, self.language)):
            if not _LANGUAGE.fullmatch(tag):
                raise Malformed("Please choose languages from the list.")
        for words in self.labels.values():
            if len(words) > MAX_LABEL or not words.isprintable():
                raise Malformed(said("A label can have up to {limit} letters.", limit=MAX_LABEL))
        if len(self.covers) > _MAX_COVERS:
            raise Malformed("Please choose from the list of content notes.")
        if not 0 <= self.timing.undo <= MAX_UNDO:
            raise Malformed(
                said("You can have up to {limit} minutes to take your words back.", limit=MAX_UNDO)
            )
        if self.timing.night is not None and self.timing.night not in OFFSETS:
            raise Malformed("Please choose your time from the list.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Everything an account keeps, as one sealed piece of one size."""

    roles: frozenset[str] = frozenset()
    preferences: Preferences = field(default_factory=Preferences)
    quiet: Quiet = field(default_factory=Quiet)
    seen: Seen = field(default_factory=Seen)
    looked: tuple[int, int] = (0, 0)  # a day, and how many cases they opened on it (DOM-H3)
    handed: tuple[UUID, ...] = ()  # cases that they gave to others, to hear how these ended

    def opened(self, day: date) -> int:
        """How many reports and care cases the member opened on that day."""
        return self.looked[1] if self.looked[0] == day.toordinal() else 0

    def with_one_more(self, day: date) -> Self:
        """With one more that the member opened."""
        return replace(self, looked=(day.toordinal(), self.opened(day) + 1))

    def with_handed(self, case_id: UUID) -> Self:
        """With one more case whose end they want to hear; the last few are kept (DOM-H3)."""
        others = [each for each in self.handed if each != case_id]
        return replace(self, handed=(*others, case_id)[-MAX_HANDED:])

    def without_handed(self, case_ids: Collection[UUID]) -> Self:
        """They have heard how these ended."""
        return replace(self, handed=tuple(each for each in self.handed if each not in case_ids))

    def marked(self, before: int, also: Sequence[int], polls: Collection[int]) -> Self:
        """With notices seen up to `before` and `also` these, and of these polls nothing more."""
        first, others = self.seen.up_to(before, also)
        voted = tuple(each for each in self.seen.voted if each[1] not in polls)
        return replace(self, seen=Seen(before=first, also=others, voted=voted))

    def voted(self, persona_id: UUID, post_id: int) -> Self:
        """With one more poll whose end the member hears of."""
        return replace(
            self, seen=replace(self.seen, voted=self.seen.with_vote(persona_id, post_id))
        )

    def seal(self, here: Here, account_id: UUID, root: bytes) -> bytes:
        """Sealed by the root key, then by the node key: always the same number of bytes.

        Raises NotAllowed: the member chose more than there is room for.
        """
        inner = seal(derive(root, "blob"), self.text(), _context(account_id), padded_to=BLOB_BYTES)
        return seal(here.node_key.derive("blobs"), inner, _context(account_id))

    def text(self) -> bytes:
        """As it is sealed. Raises NotAllowed: see `seal`."""
        plain = {
            "roles": sorted(self.roles),
            "theme": self.preferences.theme,
            "languages": list(self.preferences.languages),
            "labels": {
                persona_id.hex: words for persona_id, words in self.preferences.labels.items()
            },
            "covers": dict(self.preferences.covers),
            "hints": self.preferences.hints,
            "stories": self.preferences.stories,
            "easier": self.preferences.easier,
            "private": self.preferences.private,
            "card": self.preferences.card,
            "language": self.preferences.language,
            "undo": self.preferences.timing.undo,
            "night": self.preferences.timing.night,
            "quiet": self.quiet.plain(),
            "seen": self.seen.plain(),
            "looked": list(self.looked),
            "handed": [each.hex for each in self.handed],
        }
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) > _MOST:
            raise NotAllowed("There is no more room for your choices. Please take some back first.")
        return text

    @classmethod
    def open(cls, here: Here, account_id: UUID, root: bytes, sealed: bytes) -> Self:
        """Raises Unsealable: another member's, another node's, or altered."""
        inner = unseal(here.node_key.derive("blobs"), sealed, _context(account_id))
        plain = json.loads(unseal(derive(root, "blob"), inner, _context(account_id)))
        return cls(
            roles=frozenset(plain["roles"]),
            preferences=Preferences(
                theme=Theme(plain["theme"]),
                languages=tuple(plain["languages"]),
                labels={UUID(hex=each): words for each, words in plain.get("labels", {}).items()},
                covers={name: Cover(value) for name, value in plain.get("covers", {}).items()},
                hints=plain.get("hints", True),
                stories=plain.get("stories", True),
                easier=plain.get("easier", False),
                private=plain.get("private", False),
                card=plain.get("card", True),
                language=plain.get("language", ""),
                timing=Timing(undo=plain.get("undo", 0), night=plain.get("night")),
            ),
            quiet=Quiet.of(plain["quiet"]) if "quiet" in plain else Quiet(),
            seen=Seen.of(plain["seen"]) if "seen" in plain else Seen(),
            looked=(plain["looked"][0], plain["looked"][1]) if "looked" in plain else (0, 0),
            handed=tuple(UUID(hex=each) for each in plain.get("handed", ())),
        )


def _context(account_id: UUID) -> str:
    return f"account {account_id} blob {_VERSION}"
