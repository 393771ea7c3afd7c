"""What one person does at their node, page by page, as anybody could."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from node.demo.people import Community, Person
from node.demo.visitor import Form, Lost, Page, Visitor

_INVITATION = re.compile(r"https?://[^\s\"'<>]+/sign-up\?invite=[\w-]+")
_THREAD = re.compile(r"/t/\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A person with a browser. The password is made up and lives as long as the demo."""

    person: Person
    node: str
    visitor: Visitor
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)

    @property
    def login(self) -> str:
        return self.person.login

    async def settle(self, welcome: str, community: Community) -> None:
        """Follow the link of the first start: an administrator's account, and the node's words."""
        await self.visitor.fill(
            welcome,
            {
                "login": self.login,
                "password": self.password,
                "name": community.name,
                "about": community.about,
                "contact": f"hello@{community.node}.example",
                "sign_up": "invitation",
            },
        )

    async def invite(self) -> str:
        """A link with which others can sign up."""
        page = await self.visitor.fill("/settings/node", {"uses": "10"}, action="invitations")
        if found := _INVITATION.search(page.html):
            return found[0]
        raise Lost("/settings/node shows no invitation")

    async def sign_up(self, invitation: str) -> None:
        """Make an account."""
        page = await self.visitor.open(invitation)
        form = page.form("login", "password", "adult", "agree")
        answers = {"login": self.login, "password": self.password}
        ticked = {name: form.choice(name, "") for name in ("adult", "agree")}
        await self.visitor.submit(page, form, {**answers, **ticked})

    async def log_in(self) -> None:
        """Come back with the password."""
        answers = {"login": self.login, "password": self.password}
        page = await self.visitor.fill("/log-in", answers)
        if any("password" in form.names for form in page.forms):
            raise Lost("/log-in did not let them in")

    async def take_name(self) -> None:
        """Make the persona that speaks."""
        await self.visitor.fill(
            "/personas/new", {"handle": self.person.handle, "name": self.person.name}
        )

    async def found_group(self, community: Community) -> None:
        """Make the community's group, open to everyone, and look after it."""
        page = await self.visitor.open("/groups/new")
        form = page.form("handle", "guidelines")
        answers = {
            "handle": community.group,
            "name": community.title,
            "about": community.purpose,
            "guidelines": community.guidelines,
            "sees": "everyone",
            "posts": "members",
            "joining": "open",
            "premoderation": "none",
        }
        await self.visitor.submit(page, form, {**answers, **self._speaks(form)})

    async def join(self, group: str) -> Page:
        """Join a group of this node, or `name@host` elsewhere, its guidelines read."""
        page = await self.visitor.open(f"/g/{group}/join")
        form = page.form(action="join")
        return await self.visitor.submit(page, form, self._speaks(form))

    async def find_group(self, address: str) -> None:
        """Look a group elsewhere up by its address."""
        page = await self.visitor.fill("/search", {"q": address})
        page.link(f"/g/{address.removeprefix('@')}")

    async def start(self, group: str, title: str, words: str) -> str:
        """Start a thread; its path here."""
        page = await self.visitor.open(f"/g/{group}/new")
        form = page.form("title", "text")
        answers = {"title": title, "text": words, **self._speaks(form)}
        landed = await self.visitor.submit(page, form, answers)
        return self._thread_path(landed.url.path)

    async def find_thread(self, group: str, title: str) -> str:
        """The path here of a thread in a group, as soon as it is listed."""
        path = f"/g/{group}"
        page = await self.visitor.until(path, lambda page: title in page.text)
        return self._thread_path(page.link(title))

    async def reply(self, thread: str, words: str) -> str:
        """Answer a thread; the path of the new post."""
        page = await self.visitor.open(thread)
        form = page.form("text", action="/reply")
        landed = await self.visitor.submit(page, form, {"text": words, **self._speaks(form)})
        mine = [href for href, _ in landed.links if re.fullmatch(r"/p/\d+/edit", href)]
        if words not in landed.text or not mine:
            raise Lost(f"{thread} does not show the answer that was just sent")
        return max(mine, key=lambda href: int(href.split("/")[2])).removesuffix("/edit")

    async def edit(self, post: str, words: str) -> None:
        """Change one's own words."""
        page = await self.visitor.open(f"{post}/edit")
        form = page.form("text", action="/edit")
        await self.visitor.submit(page, form, {"text": words, **self._speaks(form)})

    async def take_back(self, post: str) -> None:
        """Delete one's own words."""
        page = await self.visitor.open(f"{post}/delete")
        form = page.form(action="/delete")
        await self.visitor.submit(page, form, self._speaks(form))

    async def reads(self, thread: str, holds: Callable[[str], bool], seconds: float = 15) -> None:
        """Wait until what the thread's page says makes `holds` true. Raises Lost: it does not."""
        await self.visitor.until(
            thread, lambda page: page.status == 200 and holds(page.text), seconds=seconds
        )

    def _speaks(self, form: Form) -> dict[str, str]:
        """Choose the name to speak with, and tick the guidelines where a form asks for that."""
        answers = {}
        if "as" in form.names:
            fixed = dict(form.fields).get("as")
            answers["as"] = fixed or form.choice("as", self.person.name)
        if "guidelines" in form.names and any(name == "guidelines" for name, *_ in form.choices):
            answers["guidelines"] = form.choice("guidelines", "")
        return answers

    @staticmethod
    def _thread_path(href: str) -> str:
        if found := _THREAD.search(href):
            return found[0]
        raise Lost("that page is no thread")
