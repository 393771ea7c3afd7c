"""Crisis lines for the one who just wrote something very heavy, and for nobody else (DOM-D10).

Every post leads on to an address that says it was just posted, so that the address tells nothing.
Whether lines are shown is found out as the page is drawn: no row, no log, no word to anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from aiohttp import web

from groups.posts import Post
from kernel.errors import TooMany
from moderation.visibility import Viewer
from node.pages import look
from node.pages.memory import MEMORY
from node.pages.paging import number
from node.pages.session import PREFERENCES, SESSION
from resources import crisis
from resources.crisis import Country
from resources.heavy import sounds_heavy


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Lines of one country, or a way to all of them."""

    country: Country | None
    emergency: str
    if_nobody_answers: str

    @classmethod
    def of(cls, request: web.Request, country: str) -> Self:
        """For whoever asks. `country` (ISO 3166-1): the node's own, where the browser says none."""
        code = look.country_of(request, country)
        return cls(
            country=crisis.countries().get(code),
            emergency=crisis.emergency(code),
            if_nobody_answers=crisis.IF_NOBODY_ANSWERS,
        )


def posted(path: str, post: Post) -> str:
    """Where somebody goes on after posting."""
    return f"{path}?posted={post.id}"


def after_posting(
    request: web.Request, posts: Sequence[Post], viewer: Viewer, country: str
) -> Card | None:
    """The card of a page with `posts`, once in a day for each member who does not mind it."""
    asked, session = number(request.query.get("posted")), request.get(SESSION)
    if asked is None or session is None or not request[PREFERENCES].card:
        return None
    mine = [post for post in posts if post.id == asked and post.author_id in viewer.voices]
    if not any(sounds_heavy(f"{it.title}\n{it.source}", it.language) for it in mine):
        return None
    try:
        request.app[MEMORY].cards.check(session.member.account_id)
    except TooMany:
        return None
    return Card.of(request, country)
