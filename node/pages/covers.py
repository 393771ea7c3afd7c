"""What a reader wants to see at once, folded, or not at all: applied while a page is drawn.

Nothing of it is stored but in the member's sealed preferences, and no list is read differently
(DOM-A9, DOM-A18).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from aiohttp import web

from activitypub.state import HERE
from groups.browsing import ThreadLine
from groups.posts import Post
from kernel.schema.labels import Effect
from members.member import Cover, Preferences
from moderation import labels
from moderation.saying import Given, read_given
from node.pages.paging import number
from node.pages.session import PREFERENCES

ALL: Final = "all"
SHOW: Final = "show"
_NOBODYS: Final = Preferences()
NO_EFFECTS: Final[Mapping[str, Effect]] = {}


class Noted(Protocol):
    """A post, or a line about one, that may have a content note."""

    @property
    def note(self) -> str: ...
    @property
    def sensitive(self) -> bool: ...
    @property
    def labels(self) -> str: ...
    @property
    def given(self) -> str: ...


class Spoken(Protocol):
    """What is written in a language, or does not say in which."""

    @property
    def language(self) -> str: ...


def preferences(request: web.Request) -> Preferences:
    """Those of whoever reads; a visitor has the usual ones."""
    return request.get(PREFERENCES) or _NOBODYS


def revealed(request: web.Request) -> int | None:
    """The one hidden post that the address asks for."""
    return number(request.query.get(SHOW))


def cover(
    post: Noted,
    chosen: Mapping[str, Cover],
    now: datetime,
    effects: Mapping[str, Effect] = NO_EFFECTS,
) -> Cover:
    """How a post stands before a reader: the most careful choice of all its labels holds.

    Its author's labels count, and those that others gave it. What has a note in other words is
    folded, as every label is that folds where nothing was chosen: by the reader, or else, as
    `effects`, by the group (MOD-5.18).
    """
    own = _by_author(post, chosen, effects) if post.note or post.sensitive else Cover.SHOW
    if not post.given:
        return own
    found = [own, *(_by_other(each, chosen) for each in read_given(post.given, now.date()))]
    return max(found, key=_CAREFUL.index)


_CAREFUL: Final = (Cover.SHOW, Cover.FOLD, Cover.HIDE)  # from the least


def usual(label: str, effects: Mapping[str, Effect] = NO_EFFECTS) -> Cover:
    """How posts with a label stand before those who chose nothing about it."""
    known = labels.BY_ID.get(label)
    effect = effects.get(label, known.effect if known is not None else Effect.FOLD)
    return Cover.SHOW if effect in (Effect.NONE, Effect.WARN) else Cover.FOLD


def _by_author(post: Noted, chosen: Mapping[str, Cover], effects: Mapping[str, Effect]) -> Cover:
    ids = post.labels.split()
    wanted = {chosen.get(each, usual(each, effects)) for each in ids}
    if Cover.HIDE in wanted:
        return Cover.HIDE
    if wanted == {Cover.SHOW} and not labels.own_words(ids, post.note):
        return Cover.SHOW
    return Cover.FOLD


def _by_other(given: Given, chosen: Mapping[str, Cover]) -> Cover:
    """What is about earlier words, or says only something good, covers nothing."""
    if given.older or given.effect is Effect.NONE:
        return Cover.SHOW
    return chosen.get(given.label, Cover.FOLD if given.folds else Cover.SHOW)


def given(post: Noted, now: datetime) -> Sequence[Given]:
    """The labels by others that hold now, for a page."""
    return read_given(post.given, now.date())


def topics(post: Noted, now: datetime) -> Sequence[str]:
    """What a post is about that its reader would rather not see: names of the labels of others."""
    return [] if post.note else [each.name for each in given(post, now) if not each.older]


def seen(
    request: web.Request, post: Post, *, mine: bool, effects: Mapping[str, Effect] = NO_EFFECTS
) -> Cover:
    """As `cover`, for the page of its thread: nobody's own words hide from them.

    What the address asks for is open.
    """
    if not (post.note or post.sensitive or post.given) or post.id == revealed(request):
        return Cover.SHOW
    now, chosen = request.app[HERE].now(), preferences(request).covers
    found = cover(post, chosen, now, effects)
    return Cover.FOLD if mine and found is Cover.HIDE else found


def foreign(post: Spoken, read: Sequence[str]) -> str:
    """The post's language (BCP 47), where the reader said that they read others only."""
    if not read or not post.language:
        return ""
    return "" if _base(post.language) in map(_base, read) else post.language


def _base(tag: str) -> str:
    return tag.partition("-")[0].lower()


def in_languages(request: web.Request, lines: Sequence[ThreadLine]) -> tuple[list[ThreadLine], int]:
    """The lines that the reader can read, and how many are left out (DOM-A18)."""
    if ALL in request.query:
        return list(lines), 0
    read = preferences(request).languages
    kept = [line for line in lines if not foreign(line, read)]
    return kept, len(lines) - len(kept)
