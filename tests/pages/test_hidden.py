"""What somebody may not see is not there, by any address and for every verb (SECURITY 7).

The addresses come from the router, so a page that is new is asked as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
import sqlalchemy as sa

from groups import groups as group_store
from groups import membership
from groups.posts import Post
from inbox import routes as federation
from kernel.schema.tables import actors, posts
from node.pages import table
from tests.nodes import Node
from tests.pages.conftest import House
from tests.pages.people import Answer, Browser, Person

MARK = "zebrafinch"
UNKNOWN = 12345
DOCUMENT = "application/activity+json"

Face = tuple[int, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Hidden:
    """A closed group that is called by a rare word; Ben left it, Cleo and others never came."""

    house: House
    thread: Post
    deleted: Post

    @property
    def posts(self) -> Sequence[int]:
        """What none of them may see: a post, one that is gone, and one that waits elsewhere."""
        return self.thread.id, self.deleted.id, self.house.held.id

    def readers(self) -> Iterator[Browser]:
        yield from (self.house.visitor, self.house.cleo)

    def former(self) -> Person:
        return self.house.ben


@pytest.fixture
async def hidden(house: House) -> Hidden:
    node, group = house.node, house.private
    await node.join(house.ben.speaker, group.actor.uri)
    async with node.engine.begin() as conn:
        await group_store.set_guidelines(conn, group, f"Be a {MARK}.", material=False)
        await conn.execute(
            sa.update(actors)
            .where(actors.c.id == group.id)
            .values(name=MARK.title(), summary=f"<p>{MARK}</p>", source=MARK)
        )
        await membership.leave(
            conn, node.here, house.ben.speaker, await group_store.get(conn, group.id)
        )
    thread = await node.start(house.ana.speaker, group.actor.uri, MARK, f"{MARK} #{MARK}", MARK)
    deleted = await node.start(house.ana.speaker, group.actor.uri, MARK, f"{MARK} #{MARK}")
    await node.delete(house.ana.speaker, deleted.uri)
    return Hidden(house, thread, deleted)


def _routes(method: str, part: str) -> list[str]:
    """Every address for a method that has this part, those for other servers too."""
    found = [*table.routes(), *federation.routes()]
    return sorted({each.path for each in found if each.method == method and part in each.path})


def _filled(path: str, *, post: int = UNKNOWN, group: str = "nobody") -> str:
    sample = {"{id}": str(post), "{name}": group, "{task}": "remove", "{tag}": MARK}
    for part, value in sample.items():
        path = path.replace(part, value)
    return path


def face(answer: Answer, *mine: object) -> Face:
    """All of an answer, but for what was asked for and when."""
    body = answer.body.decode()
    headers = [(k, v) for k, v in answer.headers.items() if k not in ("Date", "Content-Length")]
    for each in map(str, mine):
        body = body.replace(each, "…")
        headers = [(k, v.replace(each, "…")) for k, v in headers]
    return answer.status, body, tuple(headers)


GROUP_PATHS = ("/g/{name}", "/desk/{name}")


async def _same_as_unknown(hidden: Hidden, browser: Browser, method: str, *, accept: str) -> int:
    asked = 0
    headers = {"Accept": accept}
    fields = None if method == "GET" else {"text": "x", "title": "x", "reason": "x", "as": "x"}
    for path in _routes(method, "{id}"):
        at = _filled(path)
        unknown = face(await browser.send(method, at, fields, headers=headers), UNKNOWN)
        for post in hidden.posts:
            at = _filled(path, post=post)
            told = face(await browser.send(method, at, fields, headers=headers), post)
            assert told == unknown, (method, at)
            asked += 1
    for path in _routes(method, "{name}"):
        if not path.startswith(GROUP_PATHS) or path.endswith("/inbox"):
            continue
        at = _filled(path)
        unknown = face(await browser.send(method, at, fields, headers=headers), "nobody")
        at = _filled(path, group="private")
        told = face(await browser.send(method, at, fields, headers=headers), "private")
        assert told == unknown, (method, at)
        asked += 1
    return asked


async def test_sec_L2_gone_hidden_and_unknown_are_the_same_by_every_address(
    hidden: Hidden,
) -> None:
    for browser in (*hidden.readers(), hidden.former()):
        if browser is hidden.former():  # he wrote the one that waits
            hidden = replace(hidden, house=replace(hidden.house, held=hidden.thread))
        assert await _same_as_unknown(hidden, browser, "GET", accept="text/html") > 30
    assert await _same_as_unknown(hidden, hidden.house.visitor, "GET", accept=DOCUMENT) > 30


async def test_sec_L3_nothing_can_be_done_to_what_cannot_be_seen(hidden: Hidden) -> None:
    before = await _rows(hidden.house.node)
    assert await _same_as_unknown(hidden, hidden.house.cleo, "POST", accept="text/html") > 30
    assert await _rows(hidden.house.node) == before


async def _rows(node: Node) -> list[tuple[object, ...]]:
    async with node.engine.connect() as conn:
        query = sa.select(posts.c.id, posts.c.state, posts.c.content).order_by(posts.c.id)
        return [tuple(row) for row in await conn.execute(query)]


def _everywhere(house: House) -> Iterator[tuple[str, str]]:
    """Every address of a GET, as a person asks and as a server does."""
    for route in [*table.routes(), *federation.routes()]:
        if route.method != "GET" or route.path in ("/leave", "/static/{hash}/{name}"):
            continue
        path = route.path
        for group in ("private", "open") if path.startswith(GROUP_PATHS) else ("ana",):
            at = house.sample(path.replace("{name}", group).replace("{tag}", MARK))
            yield at, "text/html"
            yield at, DOCUMENT
    yield from (
        (f"/search?q={MARK}", "text/html"),
        ("/search?q=%40private%40alder.test", "text/html"),
        ("/interact?uri=http://alder.test/g/private", "text/html"),
        ("/.well-known/webfinger?resource=acct:private@alder.test", "application/json"),
        ("/groups?after=a", "text/html"),
    )


async def test_sec_L6_no_address_tells_anything_of_a_closed_group(hidden: Hidden) -> None:
    house = hidden.house
    seen = 0
    for path, accept in _everywhere(house):
        readers = [*hidden.readers(), hidden.former()] if accept != DOCUMENT else [house.visitor]
        if accept != DOCUMENT:
            seen += (
                MARK
                in (await house.ana.open(path, accept=accept)).body.decode(errors="replace").lower()
            )
        for browser in readers:
            answer = await browser.open(path, Accept=accept)
            told = answer.body.decode(errors="replace").lower() + str(answer.headers).lower()
            assert told.count(MARK) <= 3 * path.lower().count(MARK), (path, accept)
            assert "private" in path or "/g/private" not in told, (path, accept)
    assert seen >= 5, "a member is told of it, so there was something to find"


async def test_sec_L11_no_feed_preview_or_list_shows_a_closed_group(hidden: Hidden) -> None:
    house, visitor = hidden.house, hidden.house.visitor
    post = hidden.thread.id
    for path in (
        "/g/private.rss", "/g/private/feed", "/g/private/rss", "/g/private.atom", "/feed",
        "/rss", f"/t/{post}.rss", f"/t/{post}/embed", f"/p/{post}/embed", "/sitemap.xml",
        f"/oembed?url=http://alder.test/t/{post}", f"/api/oembed?url=http://alder.test/t/{post}",
        "/api/v1/timelines/public", "/api/v3/post/list", "/g/private/featured",
        "/g/private/outbox", f"/t/{post}", f"/p/{post}/replies",
    ):  # fmt: skip
        for accept in ("text/html", DOCUMENT, "application/rss+xml", "application/json"):
            answer = await visitor.open(path, Accept=accept)
            assert answer.status in (404, 406), (path, accept)
            assert MARK not in answer.body.decode().lower()
    for path in (f"/t/{house.thread.id}", "/g/open", "/"):
        html = (await visitor.open(path)).html
        assert 'property="og:' not in html, "pages offer no preview that could be kept"
        assert "oembed" not in html


async def test_sec_L13_whoever_left_sees_nothing_new(hidden: Hidden) -> None:
    house, ben = hidden.house, hidden.former()
    new = await house.node.start(
        house.ana.speaker, house.private.actor.uri, "After he left", "Something new."
    )
    for browser in (ben, house.cleo, house.visitor):
        unknown = face(await browser.open(f"/t/{UNKNOWN}"), UNKNOWN)
        assert face(await browser.open(f"/t/{new.id}"), new.id) == unknown
        for path in ("/", "/groups", "/g/open"):
            assert "After he left" not in (await browser.open(path)).text
    assert "After he left" in (await house.ana.open(f"/t/{new.id}")).text


@dataclass
class SharedCache:
    """A cache in front of the node, as HTTP allows one to be (RFC 9111 §3, §4.1)."""

    kept: dict[tuple[str, tuple[str, ...]], Answer]

    async def get(self, browser: Browser, path: str, accept: str) -> tuple[Answer, bool]:
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        asked = {"Cookie": cookie, "Accept": accept}
        for (kept_path, key), answer in self.kept.items():
            if kept_path == path and key == self._key(answer, asked):
                return answer, True
        answer = await browser.open(path, Accept=accept)
        control = answer.headers.get("Cache-Control", "")
        if not any(word in control for word in ("private", "no-store", "no-cache")):
            self.kept[path, self._key(answer, asked)] = answer
        return answer, False

    @staticmethod
    def _key(answer: Answer, asked: dict[str, str]) -> tuple[str, ...]:
        names = [each.strip() for each in answer.headers.get("Vary", "").split(",")]
        return tuple(asked.get(name, "") for name in names)


async def test_sec_L7_what_a_member_saw_is_shown_to_nobody_else_by_a_cache(
    hidden: Hidden,
) -> None:
    house = hidden.house
    paths = [
        (path, accept)
        for path, accept in _everywhere(house)
        if "/inbox" not in path and not path.startswith("/welcome")
    ] + [(f"/t/{hidden.thread.id}", "text/html"), (f"/p/{hidden.thread.id}/reply", "text/html")]
    for first, second in ((house.ana, house.visitor), (house.visitor, house.ana)):
        cache = SharedCache({})
        for path, accept in paths:
            await cache.get(first, path, accept)
            through, kept = await cache.get(second, path, accept)
            if kept:
                direct = await second.open(path, Accept=accept)
                assert (through.status, through.body) == (direct.status, direct.body), path
        assert cache.kept, "something may be kept, or this would show nothing"
