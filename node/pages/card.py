"""Crisis lines for the one who just wrote something very heavy, and for nobody else (DOM-D10).

Whether they are shown is found out as a thread's page is drawn for the author of a new post in it:
no row, no log, nothing in the address, no word to anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from aiohttp import web

from activitypub.state import HERE
from groups.posts import Post
from kernel.errors import TooMany
from moderation.duty import Duty
from moderation.visibility import Viewer
from node.pages import duty, look
from node.pages.memory import MEMORY, known_site
from node.pages.session import PREFERENCES, SESSION
from resources import crisis
from resources.crisis import Country
from resources.heavy import sounds_heavy

RECENT: Final = timedelta(minutes=15)  # how long a post is one that somebody just wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Lines of one country, or a way to all of them."""

    country: Country | None
    emergency: str
    if_nobody_answers: str
    duty: Duty | None

    @classmethod
    def of(cls, request: web.Request, country: str) -> Self:
        """For whoever asks. `country` (ISO 3166-1): the node's own, where the browser says none."""
        code = look.country_of(request, country)
        return cls(
            country=crisis.countries().get(code),
            emergency=crisis.emergency(code),
            if_nobody_answers=crisis.IF_NOBODY_ANSWERS,
            duty=duty.now(request),
        )


def after_posting(request: web.Request, posts: Sequence[Post], viewer: Viewer) -> Card | None:
    """The card of a page with `posts`, some of which its reader may have just written."""
    since = request.app[HERE].now() - RECENT
    mine = [it for it in posts if it.author_id in viewer.voices and it.published > since]
    return for_words(request, [(f"{it.title}\n{it.source}", it.language) for it in mine])


def while_held(request: web.Request) -> Card:
    """The card for a member of whom a post is held for how it tells of harm (DOM-A11)."""
    return Card.of(request, known_site(request.app[MEMORY], request.app[HERE]).country)


def for_words(request: web.Request, said: Sequence[tuple[str, str]]) -> Card | None:
    """The card for what a member just wrote, with its languages: once in a day, if they like it."""
    session = request.get(SESSION)
    if session is None or not request[PREFERENCES].card:
        return None
    if not any(sounds_heavy(words, language) for words, language in said):
        return None
    try:
        request.app[MEMORY].cards.check(session.member.account_id)
    except TooMany:
        return None
    return Card.of(request, known_site(request.app[MEMORY], request.app[HERE]).country)
