"""People at browsers without JavaScript, on a real node over real HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from io import BytesIO
from urllib.parse import urljoin, urlsplit

from aiohttp import FormData
from multidict import CIMultiDict
from yarl import URL

from activitypub.actors import Actor
from kernel.schema.node import SignUp
from members import accounts, sessions
from members import node as node_store
from members.accounts import Prepared
from members.vault import Cost
from moderation.standing import Speaker
from node.demo.visitor import Form, Page
from node.pages.memory import MEMORY, forget_site
from node.pages.session import cookie_name
from tests.members import people
from tests.nodes import Node

PASSWORD = people.PASSWORD


@dataclass(frozen=True)
class Answer:
    """What came back, and the page in it."""

    status: int
    headers: CIMultiDict[str] = field(repr=False)
    body: bytes = field(repr=False)
    page: Page = field(repr=False)

    @property
    def text(self) -> str:
        return self.page.text

    @property
    def html(self) -> str:
        return self.page.html

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


@dataclass
class Browser:
    """One person's browser at one node: it keeps cookies and says where forms come from."""

    node: Node
    cookies: dict[str, str] = field(default_factory=dict)

    async def send(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | list[tuple[str, str]] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        origin: str | None = "",
        data: bytes | FormData | None = None,
    ) -> Answer:
        """One request, redirects not followed. `origin`: empty is our own, None sends none."""
        sent = {"Host": self.node.name, "Accept": "text/html,*/*;q=0.8", **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method not in ("GET", "HEAD") and origin is not None:
            sent.setdefault("Origin", origin or self.node.origin)
        async with self.node.session.request(
            method,
            URL(f"http://127.0.0.1:{self.node.port}{path}", encoded=True),
            data=data if data is not None else fields,
            headers=sent,
            allow_redirects=False,
        ) as response:
            body = await response.read()
            for line in response.headers.getall("Set-Cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
                    if morsel["max-age"] == "0":
                        del self.cookies[name]
            return Answer(
                status=response.status,
                headers=CIMultiDict(response.headers),
                body=body,
                page=Page.read(URL(path), response.status, body.decode("utf-8", "replace")),
            )

    async def open(self, path: str, **headers: str) -> Answer:
        """GET; underscores in names of headers are dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send("GET", path, headers=named)

    async def submit(self, at: Answer, form: Form, **answers: str) -> Answer:
        """Send a form of a page, whatever its answer."""
        path = urljoin(str(at.page.url), form.action) if form.action else str(at.page.url)
        return await self.send(form.method.upper(), path, form.filled(answers))

    async def bring(self, at: Answer, form: Form, files: Sequence[bytes], **answers: str) -> Answer:
        """Send a form of a page with files, as a browser does."""
        data = FormData(quote_fields=False, default_to_multipart=True)
        for name, value in form.filled(answers):
            if name != "files":
                data.add_field(name, value)
        for number, body in enumerate(files):
            data.add_field("files", BytesIO(body), filename=f"Somebody {number}.jpg")
        return await self.send("POST", form.action, data=data)

    async def fill(self, path: str, action: str = "", **answers: str) -> Answer:
        """Open a page, fill in the form with these controls, send it."""
        at = await self.open(path)
        return await self.submit(at, at.page.form(*answers, action=action), **answers)

    async def follow(self, answer: Answer) -> Answer:
        """Where a redirect leads, on this node."""
        assert answer.status == 303, (answer.status, answer.text)
        parts = urlsplit(answer.location)
        assert not parts.netloc, answer.location
        return await self.open(answer.location.partition("#")[0])


@dataclass
class Person(Browser):
    """A signed-in member with one name."""

    prepared: Prepared = field(kw_only=True)
    actor: Actor = field(kw_only=True)

    @property
    def speaker(self) -> Speaker:
        return Speaker.alone(self.actor)


async def person(
    node: Node,
    handle: str = "ana",
    *,
    roles: frozenset[str] = frozenset(),
    cost: Cost = people.CHEAP,
) -> Person:
    """A member of `node`, signed in, with the name `handle`.

    Only with the cost that pages use can they log in with their password.
    """
    prepared = await accounts.prepare(
        node.here, login=f"{handle}-logs-in", password=PASSWORD, roles=roles, cost=cost
    )
    async with node.engine.begin() as conn:
        await accounts.insert(conn, node.here, prepared)
    cookie = await sessions.open(node.engine, node.here, prepared.member)
    actor = await people.persona(node.engine, node.here, prepared.member, handle)
    return Person(
        node=node, cookies={cookie_name(node.here): cookie}, prepared=prepared, actor=actor
    )


async def settle(
    node: Node,
    *,
    sign_up: SignUp = SignUp.OPEN,
    name: str = "Alder House",
    about: str = "",
    contact: str = "hello@alder.example",
    crisis_policy: str = "",
) -> None:
    """The node as its administrators describe it."""
    async with node.engine.begin() as conn:
        await node_store.settle(
            conn,
            name=name,
            about=about,
            contact=contact,
            country="IE",
            languages=("en",),
            sign_up=sign_up,
            crisis_policy=crisis_policy,
        )
    forget_site(node.app[MEMORY])
