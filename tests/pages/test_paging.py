"""Lists are read a page at a time, by the same few statements however long they are."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from html import unescape

import pytest
import sqlalchemy as sa

from activitypub.state import ENGINE
from groups import browsing, desk
from groups import groups as group_store
from kernel.schema.accounts import AccountState
from kernel.schema.groups import Joining, Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, groups, posts, threads
from node import seeding
from node.seeding import Size
from tests.members import people
from tests.nodes import Node, NodeFactory, block
from tests.pages.conftest import House
from tests.pages.people import Browser, Person, person, settle
from tests.privacy.recorder import Recorder, violations

ONE_SELF = 3  # the session, the account's blob, the member's names
STATEMENTS = {"thread": 2, "group": 2, "groups": 1, "home": 3}  # a visitor's; home has only members

_NEXT = re.compile(r'<a [^>]*rel="next"[^>]*>')
_HREF = re.compile(r'href="([^"]*)"')


@contextmanager
def counted(node: Node) -> Iterator[list[str]]:
    """What the node asks its database meanwhile, but for its own name, which it knows for 5 s."""
    heard: list[str] = []

    def hear(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM node" not in statement:
            heard.append(statement)

    engine = node.app[ENGINE].sync_engine
    sa.event.listen(engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        sa.event.remove(engine, "before_cursor_execute", hear)


async def crawl(browser: Browser, path: str) -> AsyncIterator[tuple[str, int]]:
    """Every page of a list, and how many statements it took."""
    seen = set()
    while path:
        assert path not in seen
        seen.add(path)
        with counted(browser.node) as heard:
            answer = await browser.open(path)
        assert answer.status == 200, path
        yield answer.html, len(heard)
        link = _NEXT.search(answer.html)
        href = _HREF.search(link.group()) if link else None
        path = unescape(href.group(1)) if href else ""


async def seeded(node: NodeFactory, posts_: int) -> tuple[Node, Person, str, int]:
    """A node with so many posts, a member of its groups, its largest group and longest thread."""
    alder = await node("alder.test")
    await settle(alder)
    size = Size(posts=posts_, personas=max(5, posts_ // 20), groups=max(3, posts_ // 50))
    await seeding.seed(alder.engine, alder.here, size, seed=5)
    ana = await person(alder, "ana_reads")
    async with alder.engine.connect() as conn:
        busiest = (
            await conn.execute(
                sa.select(threads.c.group_id, actors.c.uri)
                .join(actors, actors.c.id == threads.c.group_id)
                .join(groups, groups.c.actor_id == threads.c.group_id)
                .where(groups.c.sees == Sees.EVERYONE, groups.c.joining == Joining.OPEN)
                .group_by(threads.c.group_id, actors.c.uri)
                .order_by(sa.func.count().desc())
                .limit(3)
            )
        ).all()
        group = await group_store.get(conn, busiest[0].group_id)
        thread_id = await conn.scalar(
            sa.select(threads.c.id)
            .join(groups, groups.c.actor_id == threads.c.group_id)
            .where(groups.c.sees == Sees.EVERYONE)
            .order_by(threads.c.replies.desc())
            .limit(1)
        )
    for each in busiest:
        await alder.join(ana.speaker, each.uri)
    assert thread_id is not None
    return alder, ana, group.actor.handle, thread_id


@pytest.mark.slow
@pytest.mark.parametrize("size", [20, 2_000])
async def test_every_page_of_a_list_takes_the_stated_number_of_statements(
    node: NodeFactory, size: int
) -> None:
    alder, ana, group, thread_id = await seeded(node, size)
    visitor = Browser(alder)
    lists = {"thread": f"/t/{thread_id}", "group": f"/g/{group}", "groups": "/groups", "home": "/"}
    for browser, more in ((visitor, 0), (ana, ONE_SELF)):
        for what, path in lists.items():
            if what == "home" and browser is visitor:
                continue
            await browser.open(path)
            took = [number async for _, number in crawl(browser, path)]
            assert set(took) == {STATEMENTS[what] + more}, (what, took)
            assert size == 20 or len(took) > 1, what


@pytest.mark.slow
async def test_a_crawl_meets_every_post_and_every_thread_once(node: NodeFactory) -> None:
    alder, ana, group, thread_id = await seeded(node, 2_000)
    async with alder.engine.connect() as conn:
        every = (
            await conn.scalars(
                sa.select(posts.c.id)
                .where(posts.c.thread_id == thread_id, posts.c.state != PostState.HELD)
                .order_by(posts.c.id)
            )
        ).all()
        held_here = await conn.scalars(
            sa.select(threads.c.id)
            .join(actors, actors.c.id == threads.c.group_id)
            .where(actors.c.handle == group, threads.c.shown)
            .order_by(threads.c.latest_id.desc())
        )
        lines = held_here.all()

    found = [int(i) async for page, _ in crawl(ana, f"/t/{thread_id}")
             for i in re.findall(r'<article class="post[^"]*" id="p(\d+)"', page)]  # fmt: skip
    listed = [int(i) async for page, _ in crawl(ana, f"/g/{group}")
              for i in re.findall(r'<h3><a href="/t/(\d+)"', page)]  # fmt: skip
    mine = [int(i) async for page, _ in crawl(ana, "/")
            for i in re.findall(r'<h3><a href="/t/(\d+)"', page)]  # fmt: skip

    assert found == every
    assert len(every) > browsing.PAGE
    assert listed == lines
    assert len(mine) == len(set(mine)) > len(lines)
    assert [each for each in mine if each in set(lines)] == lines


async def test_a_place_that_is_none_is_not_found(house: House) -> None:
    for path in (
        f"/t/{house.thread.id}?after=9999999999999999999",
        f"/t/{house.thread.id}?after=-1",
        "/g/open?before=99999999999999999999",
        "/groups?after=nonsense",
        "/groups?after=00000000-0000-0000-0000-000000000000&name=%00",
        "/g/%00",
    ):
        assert (await house.ben.open(path)).status == 404, path


async def test_the_lists_of_a_desk_go_on_where_they_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.pages.desk.PAGE", 1)
    monkeypatch.setattr("node.pages.node_settings.PAGE", 1)
    monkeypatch.setattr("node.pages.domains.PAGE", 1)
    node, ana = house.node, house.ana
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, ana.speaker)
        for who in (house.ben, house.cleo):
            await desk.ban(
                conn, node.here, house.open, acting, who.actor, f"rest, {who.actor.name}"
            )
        for domain in ("bad.example", "worse.example"):
            await block(conn, node.here, domain)
    for login in ("asks-one", "asks-two"):
        await people.sign_up(
            node.engine, node.here, login, state=AccountState.WAITING, request=f"this {login}"
        )
    for handle in ("wants_one", "wants_two"):
        await node.join(await node.persona(handle), house.careful.actor.uri)
    await node.start(house.ben.speaker, house.careful.actor.uri, "Second", "Read me second.")

    for path, name, lines in (
        ("/g/open/desk", "out", {'"hint">rest, ben<', '"hint">rest, cleo<'}),
        ("/g/careful/desk", "waiting", {"@wants_one@", "@wants_two@"}),
        ("/g/careful/desk", "held", {"Read me first.", "Read me second."}),
        ("/settings/node", "waiting", {"this asks-one", "this asks-two"}),
        ("/settings/node/domains", "q", {">bad.example<", ">worse.example<"}),
    ):
        first = await ana.open(path)
        link = re.search(rf'href="({path}\?{name}=[^"#]+)#', first.html)
        assert link is not None, (path, name)
        second = await ana.open(unescape(link[1]))
        shown = [{line for line in lines if line in page.html} for page in (first, second)]
        assert all(len(each) == 1 for each in shown), (name, shown)
        assert shown[0] | shown[1] == lines


async def test_no_page_of_a_member_touches_both_sides_in_one_transaction(house: House) -> None:
    with Recorder.listening(house.node.engine) as recorder:
        for path in ("/", "/groups", "/g/open", "/g/open/join", f"/t/{house.thread.id}",
                     f"/p/{house.answer.id}", f"/p/{house.thread.id}/reply", "/personas",
                     "/settings", "/g/careful/desk", "/settings/node"):  # fmt: skip
            answer = await house.ana.open(path)
            assert answer.status in (200, 303), path

    assert violations(recorder.transactions) == []
    named = [name for each in recorder.transactions for s in each.statements for name in s.tables]
    assert {"sessions", "accounts", "actors", "posts"} <= set(named)
    assert not any(" OFFSET " in s.sql for each in recorder.transactions for s in each.statements)
