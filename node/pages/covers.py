"""What a reader wants to see at once, folded, or not at all: applied while a page is drawn.

Nothing of it is stored but in the member's sealed preferences, and no list is read differently
(DOM-A9, DOM-A18).
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from aiohttp import web

from groups.browsing import ThreadLine
from groups.posts import Post
from members.member import Cover, Preferences
from moderation import labels
from node.pages.paging import number
from node.pages.session import PREFERENCES

ALL: Final = "all"
SHOW: Final = "show"
_NOBODYS: Final = Preferences()


class Noted(Protocol):
    """A post, or a line about one, that may have a content note."""

    @property
    def note(self) -> str: ...
    @property
    def sensitive(self) -> bool: ...
    @property
    def labels(self) -> str: ...


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


def cover(post: Noted, chosen: Mapping[str, Cover]) -> Cover:
    """How a post stands before a reader: the most careful choice of all its labels holds.

    What has a note in other words is folded, as everything with a note is where nothing was chosen.
    """
    if not (post.note or post.sensitive):
        return Cover.SHOW
    ids = post.labels.split()
    wanted = {chosen.get(each, Cover.FOLD) for each in ids}
    if Cover.HIDE in wanted:
        return Cover.HIDE
    if wanted == {Cover.SHOW} and not labels.own_words(ids, post.note):
        return Cover.SHOW
    return Cover.FOLD


def seen(request: web.Request, post: Post, *, mine: bool) -> Cover:
    """As `cover`, for the page of its thread: nobody's own words hide from them.

    What the address asks for is open.
    """
    if post.id == revealed(request):
        return Cover.SHOW
    found = cover(post, preferences(request).covers)
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
