"""How pages look for whoever reads: light or dark, easier, private, in which language (DOM-J2).

A member's own settings lie in their sealed blob. What a browser was asked for lies in a cookie of
that browser, needs no account and no database, and goes before them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from activitypub.state import HERE
from kernel.here import Here
from kernel.said import noted
from members.member import Preferences, Theme
from node.pages import catalogues, forms
from node.pages.catalogues import LANGUAGES, MIRRORED
from node.pages.forms import Form
from node.pages.session import PREFERENCES
from node.pages.words import Words
from resources import crisis

LASTS: Final = 365 * 86_400  # seconds that a browser keeps what was chosen in it

THEMES: Final[Mapping[Theme, str]] = {
    Theme.AUTO: noted("As my device does"),
    Theme.LIGHT: noted("Light"),
    Theme.DARK: noted("Dark"),
}

_COUNTRY: Final = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a browser was asked for; None: nothing, so a member's own settings hold."""

    theme: Theme | None = None
    easier: bool | None = None
    private: bool | None = None
    language: str | None = None
    country: str | None = None

    @classmethod
    def read(cls, cookie: str) -> Self:
        """`dark.easier.lang-de.from-ie`; what we do not know counts as not there."""
        theme = easier = private = language = country = None
        for word in cookie[:100].split("."):
            kind, _, value = word.partition("-")
            if word in THEMES:
                theme = Theme(word)
            elif word in ("easier", "usual"):
                easier = word == "easier"
            elif word in ("private", "open"):
                private = word == "private"
            elif kind == "lang" and (value in LANGUAGES or value == MIRRORED):
                language = value
            elif kind == "from" and _COUNTRY.fullmatch(value.upper()):
                country = value.upper()
        return cls(theme=theme, easier=easier, private=private, language=language, country=country)

    def written(self) -> str:
        """For the cookie."""
        words = [
            self.theme or "",
            {True: "easier", False: "usual", None: ""}[self.easier],
            {True: "private", False: "open", None: ""}[self.private],
            f"lang-{self.language}" if self.language else "",
            f"from-{self.country.lower()}" if self.country else "",
        ]
        return ".".join(filter(None, words))

    def changed(self, form: Form) -> Self:
        """With what a form asks for; a field that it does not have, or that is odd, stays."""
        asked = {
            "theme": form.text("theme"),
            "easier": {"yes": "easier", "no": "usual"}.get(form.text("easier"), ""),
            "private": {"yes": "private", "no": "open"}.get(form.text("private"), ""),
            "language": f"lang-{form.text('language')}",
            "country": f"from-{form.text('country')}",
        }
        found = self.read(".".join(asked.values()))
        values = {name: getattr(found, name) for name in asked}
        return replace(self, **{name: each for name, each in values.items() if each is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one page is drawn. `private`: no title, icon or list of pages tells where somebody was.

    `country` is the one chosen in this browser (ISO 3166-1), or empty.
    """

    theme: Theme = Theme.AUTO
    easier: bool = False
    private: bool = False
    language: str = catalogues.SOURCE
    country: str = ""

    @property
    def direction(self) -> str:
        return catalogues.direction(self.language)


def of(request: web.Request) -> Look:
    """What this browser was asked for, then what the member likes, then what the browser says."""
    chosen = chosen_in(request)
    mine = request.get(PREFERENCES) or Preferences()
    language = chosen.language or mine.language
    return Look(
        theme=chosen.theme or mine.theme,
        easier=mine.easier if chosen.easier is None else chosen.easier,
        private=mine.private if chosen.private is None else chosen.private,
        language=language or catalogues.wanted(request.headers.get(hdrs.ACCEPT_LANGUAGE, "")),
        country=chosen.country or "",
    )


def words(request: web.Request) -> Words:
    """Times and numbers as this reader's pages say them."""
    seen = of(request)
    return Words(catalogues.catalogue(seen.language), seen.easier, seen.language)


def chosen_in(request: web.Request) -> Chosen:
    """What lies in the browser's cookie."""
    return Chosen.read(request.cookies.get(cookie_name(request.app[HERE]), ""))


def country_of(request: web.Request, otherwise: str = "") -> str:
    """Whose crisis lines to show: chosen here, else guessed from languages, else `otherwise`."""
    hint = crisis.guess(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
    known = crisis.countries()
    return next((c for c in (chosen_in(request).country, hint, otherwise) if c in known), "") or ""


def cookie_name(here: Here) -> str:
    """As the session's: bound to this host where there is https."""
    return "__Host-look" if here.origin.startswith("https:") else "look"


def remember(request: web.Request, answer: web.Response, chosen: Chosen) -> None:
    """Let this browser keep what was chosen in it, and nobody else."""
    here = request.app[HERE]
    written = chosen.written()
    answer.set_cookie(
        cookie_name(here),
        written,
        max_age=LASTS if written else 0,
        path="/",
        secure=here.origin.startswith("https:"),
        httponly=True,
        samesite="Lax",
    )


def carry(request: web.Request, answer: web.Response) -> None:
    """Let this browser know what its member likes: help pages ask no database, and look the same.

    What was chosen in the browser stays.
    """
    mine = request.get(PREFERENCES)
    if mine is None or mine == Preferences(languages=mine.languages):
        return
    chosen = chosen_in(request)
    known = Chosen(
        theme=chosen.theme or (mine.theme if mine.theme is not Theme.AUTO else None),
        easier=(mine.easier or None) if chosen.easier is None else chosen.easier,
        private=(mine.private or None) if chosen.private is None else chosen.private,
        language=chosen.language or mine.language or None,
        country=chosen.country,
    )
    if known != chosen:
        remember(request, answer, known)


def forget(request: web.Request, answer: web.Response) -> None:
    """Take the cookie back: nothing says what was liked here, whoever opens the browser next."""
    if cookie_name(request.app[HERE]) in request.cookies:
        remember(request, answer, Chosen())


def saved(request: web.Request, answer: web.Response, mine: Preferences) -> None:
    """What a member saved is what this browser shows from now on."""
    chosen = Chosen(
        theme=mine.theme,
        easier=mine.easier,
        private=mine.private,
        language=mine.language or None,
        country=chosen_in(request).country,
    )
    remember(request, answer, chosen)


async def choose(request: web.Request) -> web.Response:
    """POST /look: kept in this browser alone, then back to the page it was chosen on.

    Pages do not say their address here: one that is hidden and one that is not there are the same.
    """
    form = await forms.read(request)
    asked_on = urlsplit(request.headers.get(hdrs.REFERER, ""))
    before = f"{asked_on.path}?{asked_on.query}" if asked_on.query else asked_on.path
    path = forms.local_path(form.text("then") or before)
    answer = web.Response(status=303, headers={"Location": path})
    remember(request, answer, chosen_in(request).changed(form))
    return answer
