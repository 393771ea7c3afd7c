"""A person at a browser without JavaScript: opens pages, fills in forms, reads what comes."""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Self

from aiohttp import ClientSession, ClientTimeout, CookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

_NOT_SHOWN = frozenset({"script", "style", "template", "head"})
_INLINE = frozenset({"a", "abbr", "b", "bdi", "code", "em", "i", "s", "span", "strong", "u"})

Answers = Mapping[str, str | Sequence[str]]
"""What is typed or ticked, by the name of the control."""


class Lost(Exception):
    """The page is not what a person would expect there; says which, and quotes no words of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form as it stands on a page, with what it would send if nothing were changed."""

    action: str
    method: str
    fields: tuple[tuple[str, str], ...] = ()
    names: frozenset[str] = frozenset()  # of every control, boxes that are not ticked among them
    choices: tuple[tuple[str, str, str], ...] = ()  # (name, value, words): lists, boxes, buttons

    def choice(self, name: str, words: str) -> str:
        """The value behind the choice `name` that reads `words`. Raises Lost: there is none."""
        for control, value, shown in self.choices:
            if control == name and words in shown:
                return value
        raise Lost(f"the form to {self.action} has no such choice of {name}")

    def filled(self, answers: Answers) -> list[tuple[str, str]]:
        """The pairs to send once `answers` are typed; of several ticks under one name, each.

        Raises Lost: there is no such control.
        """
        if missing := answers.keys() - self.names:
            raise Lost(f"the form to {self.action} has no {', '.join(sorted(missing))}")
        pairs = [(name, value) for name, value in self.fields if name not in answers]
        for name, given in answers.items():
            pairs += [(name, each) for each in ([given] if isinstance(given, str) else given)]
        return pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What came back, and from where. `text` is what a person reads on it."""

    url: URL
    status: int
    html: str = field(repr=False)
    text: str = field(repr=False)
    forms: tuple[Form, ...] = field(repr=False)
    links: tuple[tuple[str, str], ...] = field(repr=False)  # (address, words)
    covers: tuple[str, ...] = field(repr=False)  # what opens with a click, its line first

    @classmethod
    def read(cls, url: URL, status: int, html: str) -> Self:
        reader = _Reader()
        reader.feed(html)
        reader.close()
        return cls(
            url=url,
            status=status,
            html=html,
            text=" ".join("".join(reader.words).split()),
            forms=tuple(reader.forms),
            links=tuple((href, " ".join(words.split())) for href, words in reader.links),
            covers=tuple(" ".join(words.split()) for words in reader.covers),
        )

    def form(self, *names: str, action: str = "") -> Form:
        """The first form with all these controls, whose action holds `action`.

        Raises Lost: there is none.
        """
        for form in self.forms:
            if form.names.issuperset(names) and action in form.action:
                return form
        wanted = ", ".join(filter(None, [*names, action]))
        raise Lost(f"{self.url.path} ({self.status}) has no form with {wanted or 'anything'}")

    def link(self, part: str) -> str:
        """The address of the first link whose address or words hold `part`. Raises Lost."""
        for href, words in self.links:
            if part in href or part in words:
                return href
        raise Lost(f"{self.url.path} ({self.status}) has no link with {part}")


class _Reader(HTMLParser):
    """Collects what a person sees and can use; scripts, styles and the head are not shown."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self.covers: list[str] = []
        self._details: list[bool] = []  # those that are open, and whether each is a cover
        self._in_form = False
        self._in_link = False
        self._in_choice = False
        self._silent = 0
        self._textarea: tuple[str, str] | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _NOT_SHOWN:
            self._silent += 1
        elif tag == "form":
            method = given.get("method", "get").lower()
            self.forms.append(Form(action=given.get("action", ""), method=method))
            self._in_form = True
        elif tag == "a" and "href" in given:
            self.links.append((given["href"], ""))
            self._in_link = True
        elif tag == "details":
            self._details.append(given.get("class", "") == "cover")
            if self._details[-1]:
                self.covers.append("")
        elif self._in_form:
            self._control(tag, given)

    def _control(self, tag: str, given: Mapping[str, str]) -> None:
        name = given.get("name", "")
        kind = given.get("type", "submit" if tag == "button" else "text").lower()
        if tag == "option" and self._select:
            value = given.get("value", "")
            first = self._select not in (pair[0] for pair in self.forms[-1].fields)
            if "selected" in given or first:
                self._send(self._select, value, instead=True)
            self._offer(self._select, value)
        elif tag == "select" and name:
            self._send(name, None)
            self._select = name
        elif tag == "textarea" and name:
            self._textarea = (name, "")
        elif tag in ("button", "input") and kind in ("submit", "image"):
            self._send(name, None)
            self._offer(name, given.get("value", ""))
        elif tag == "input" and kind in ("checkbox", "radio") and name:
            value = given.get("value", "on")
            self._send(name, value if "checked" in given else None)
            self._offer(name, value)
        elif tag == "input" and name:
            self._send(name, given.get("value", ""))

    def _send(self, name: str, value: str | None, *, instead: bool = False) -> None:
        form = self.forms[-1]
        kept = tuple(pair for pair in form.fields if not (instead and pair[0] == name))
        fields = kept if value is None else (*kept, (name, value))
        self.forms[-1] = replace(form, fields=fields, names=form.names | {name})

    def _offer(self, name: str, value: str) -> None:
        form = self.forms[-1]
        self.forms[-1] = replace(form, choices=(*form.choices, (name, value, "")))
        self._in_choice = True

    def _read_choice(self, data: str) -> None:
        form = self.forms[-1]
        name, value, words = form.choices[-1]
        self.forms[-1] = replace(form, choices=(*form.choices[:-1], (name, value, words + data)))

    def handle_endtag(self, tag: str) -> None:
        if tag in _NOT_SHOWN:
            self._silent = max(0, self._silent - 1)
        elif tag == "form":
            self._in_form = self._in_choice = False
        elif tag == "a":
            self._in_link = False
        elif tag == "details" and self._details:
            self._details.pop()
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._textarea is not None:
            name, words = self._textarea
            self._send(name, words.removeprefix("\n"))
            self._textarea = None
        elif tag in ("label", "option", "button"):
            self._in_choice = False
        if tag not in _INLINE:
            self._read(" ")

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            name, words = self._textarea
            self._textarea = (name, words + data)
            return
        if self._silent:
            return
        self._read(data)
        if self._in_choice:
            self._read_choice(data)
        if self._in_link:
            href, words = self.links[-1]
            self.links[-1] = (href, words + data)

    def _read(self, data: str) -> None:
        self.words.append(data)
        if any(self._details):
            self.covers[-1] += data


class OnThisComputer(AbstractResolver):
    """Every name is this computer: `alder.localhost` needs no entry anywhere."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        return None


class Visitor:
    """One person's browser at one node, cookies and all."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._session = ClientSession(
            connector=TCPConnector(resolver=OnThisComputer()),
            cookie_jar=CookieJar(treat_as_secure_origin=URL(origin)),
            timeout=ClientTimeout(total=15),
            headers={"Accept": "text/html", "Accept-Language": "en"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the browser; the node is told nothing."""
        await self._session.close()

    async def open(self, path: str) -> Page:
        """The page at `path` or at an address of this node, whatever its status."""
        async with self._session.get(self._url(path)) as answer:
            return Page.read(answer.url, answer.status, await answer.text())

    async def submit(self, page: Page, form: Form, answers: Answers) -> Page:
        """The page one lands on after sending `form`. Raises Lost: it was refused."""
        url = page.url.join(URL(form.action)) if form.action else page.url
        pairs = form.filled(answers)
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        request = (
            self._session.post(url, data=pairs, headers=headers)
            if form.method == "post"
            else self._session.get(url.with_query(pairs))
        )
        async with request as answer:
            landed = Page.read(answer.url, answer.status, await answer.text())
        if landed.status >= 400:
            raise Lost(f"{url.path} answered {landed.status}")
        return landed

    async def fill(self, path: str, answers: Answers, *, action: str = "") -> Page:
        """Open `path`, fill in its form that has these controls, send it: where that leads."""
        page = await self.open(path)
        return await self.submit(page, page.form(*answers, action=action), answers)

    async def until(self, path: str, reads: Callable[[Page], bool], *, seconds: float = 15) -> Page:
        """The page at `path` as soon as `reads` holds of it. Raises Lost: it does not in time."""
        deadline = time.monotonic() + seconds
        while True:
            page = await self.open(path)
            if reads(page):
                return page
            if time.monotonic() > deadline:
                raise Lost(f"{path} at {self.origin} did not change within {seconds:.0f} s")
            await asyncio.sleep(0.15)

    def _url(self, path: str) -> URL:
        return URL(path) if "://" in path else URL(self.origin + path)
