"""Pages of a seeded node: time to the first byte, statements per request, plans.

Beside them, in turns: a page with nothing in it, and one with a single query of twenty rows. Each
list is asked for its first page and for a far one, a visitor's pages and a member's.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import cycle, pairwise
from time import perf_counter

import sqlalchemy as sa
from aiohttp import web

from activitypub.keys import generate
from activitypub.state import ENGINE
from bench import machine
from bench.bare import Task
from bench.load import Connection, request
from bench.place import READ, Place, place
from bench.report import Report, median, most, percentile
from bench.statements import Statements, explain
from groups import membership
from groups.browsing import PAGE as THREAD_PAGE
from groups.groups import get as get_group
from kernel.schema.groups import Joining, Sees
from kernel.schema.tables import groups, posts, threads
from members import accounts, personas, sessions
from members.vault import Cost
from node import seeding
from node.app import create_app
from node.demo.nodes import free_port
from node.pages.groups import PAGE
from node.pages.session import cookie_name
from node.seeding import Size

FAR = 50  # the far page
JOINED = 5
WARM = 3

TIMES = 6.0  # a bar: times the page with one query
FARTHER = 1.5  # times its own first page
VISITOR, MEMBER = 2, 6  # statements: a member's session, account, names and news are four more


async def run(report: Report, *, seconds: float, posts: int, plans: bool) -> None:
    """Seed `posts` posts, then ask for every page in turns for about `seconds`."""
    async with (
        machine.own_postgres() as (server, directory),
        place(server, directory) as on,
        AsyncExitStack() as stack,
    ):
        begun = perf_counter()
        size = Size(posts=posts, personas=max(20, posts // 10), groups=max(5, posts // 250))
        await seeding.seed(on.engine, on.here, size)
        report.add(f"seeding {posts:,} posts", perf_counter() - begun, "s")
        cookie = await _member(on)
        wanted = await _addresses(on, cookie)
        task = Task(port=free_port(), dsn=on.node.database_url, socket=str(server.socket_dir))
        limit = await stack.enter_async_context(
            machine.child("bench.bare", port=task.port, stdin=task.to_json())
        )
        limits = {"bare: empty page": "/empty", "bare: one query": "/query"}
        asked = {
            **{name: (limit.port, _get("bare", path)) for name, path in limits.items()},
            **{name: (on.port, data) for name, data in wanted.items()},
        }
        times = await _time(asked, seconds)
        middle = {name: median(found) for name, found in times.items()}
        for name, found in times.items():
            report.add(name, 1000 * middle[name], "ms")
            report.add("  95 %", 1000 * percentile(found, 95), "ms")
            if name in wanted:
                ratio = middle[name] / middle["bare: one query"]
                report.add("  times the page with one query", ratio, at_most=TIMES)
        for name, far in _pairs(wanted):
            report.add(f"{far} / page 1", middle[far] / middle[name], at_most=FARTHER)
        await on.node.stop()
        await _count(report, on, wanted, plans=plans)


def _pairs(wanted: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """First pages, each with the far page of the same list."""
    return list(pairwise(wanted))[::2]


def _get(host: str, path: str, cookie: str = "") -> bytes:
    headers = {"Host": host, "Accept": "text/html"}
    return request("GET", path, {**headers, **({"Cookie": cookie} if cookie else {})})


async def _member(on: Place) -> str:
    """A member with one name in the largest groups: the cookie of their session."""
    prepared = await accounts.prepare(
        on.here,
        login="measure",
        password="seven small stones",  # noqa: S106
        cost=Cost(memory=8, passes=1),
    )
    async with on.engine.begin() as conn:
        await accounts.insert(conn, on.here, prepared)
    async with on.engine.begin() as conn:
        actor = await personas.create(
            conn, on.here, prepared.member, handle="somebody", name="", keys=generate()
        )
    async with on.engine.begin() as conn:
        speaker = await personas.speaker(conn, prepared.member, actor.id)
        busiest = await conn.scalars(
            sa.select(threads.c.group_id)
            .join(groups, groups.c.actor_id == threads.c.group_id)
            .where(groups.c.sees == Sees.EVERYONE, groups.c.joining == Joining.OPEN)
            .group_by(threads.c.group_id)
            .order_by(sa.func.count().desc())
            .limit(JOINED)
        )
        for group_id in busiest.all():
            group = await get_group(conn, group_id)
            await membership.join(conn, on.here, speaker, group, guidelines=READ)
    cookie = await sessions.open(on.engine, on.here, prepared.member)
    return f"{cookie_name(on.here)}={cookie}"


async def _addresses(on: Place, cookie: str) -> Mapping[str, bytes]:
    """Requests for the largest group, its longest thread and the member's own page."""
    async with on.engine.connect() as conn:
        group_id, thread_id = (
            await conn.execute(
                sa.select(threads.c.group_id, threads.c.id)
                .join(groups, groups.c.actor_id == threads.c.group_id)
                .where(groups.c.sees == Sees.EVERYONE)
                .order_by(threads.c.replies.desc())
                .limit(1)
            )
        ).one()
        name = (await get_group(conn, group_id)).actor.handle
        after = (
            await conn.scalars(
                sa.select(posts.c.id).where(posts.c.thread_id == thread_id).order_by(posts.c.id)
            )
        ).all()
        before = (
            await conn.scalars(
                sa.select(threads.c.latest_id)
                .where(threads.c.group_id == group_id, threads.c.shown)
                .order_by(threads.c.latest_id.desc())
            )
        ).all()
    far_post, deep = _far(after, THREAD_PAGE)
    far_thread, far = _far(before, PAGE)
    paths = {
        "thread, page 1": f"/t/{thread_id}",
        f"thread, far page ({deep})": f"/t/{thread_id}?after={far_post}",
        "group, page 1": f"/g/{name}",
        f"group, far page ({far})": f"/g/{name}?before={far_thread}",
    }
    own = {"home, page 1": "/", f"home, far page ({far})": f"/?before={far_thread}"}
    visitor = {f"{title} (visitor)": _get(on.here.host, path) for title, path in paths.items()}
    member = {title: _get(on.here.host, path, cookie) for title, path in {**paths, **own}.items()}
    return {**visitor, **member}


def _far(ids: Sequence[int], page: int) -> tuple[int, int]:
    """The key that leads to the far page, or the last one there is; and which page that is."""
    number = max(1, min(FAR, (len(ids) - 1) // page))
    return ids[min(len(ids) - 1, (number - 1) * page - 1)] if number > 1 else ids[0], number


async def _time(
    asked: Mapping[str, tuple[int, bytes]], seconds: float
) -> Mapping[str, list[float]]:
    """Seconds to the first byte of each, one after another, on connections that stay open."""
    connections = {port: await Connection.open(port) for port in {p for p, _ in asked.values()}}
    times: dict[str, list[float]] = {name: [] for name in asked}
    until = perf_counter() + seconds
    for round_number, (name, (port, data)) in enumerate(cycle(asked.items())):
        if round_number >= (WARM + 2) * len(asked) and perf_counter() > until:
            break
        answer = await connections[port].ask(data)
        if answer.status != 200:
            raise RuntimeError(f"{name} answers {answer.status}")
        if round_number >= WARM * len(asked):
            times[name].append(answer.first_byte)
    for connection in connections.values():
        connection.close()
    return times


async def _count(report: Report, on: Place, wanted: Mapping[str, bytes], *, plans: bool) -> None:
    """The same pages from an application in this process, where every statement can be seen."""
    app = create_app(on.settings, database_url=on.node.database_url)
    seen = Statements()
    seen.attach(app[ENGINE])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        connection = await Connection.open(runner.addresses[0][1])
        planned: dict[str, tuple[object, ...]] = {}
        took: dict[str, int] = {}
        for name, data in wanted.items():
            await connection.ask(data)  # the node's name is in memory now
            seen.clear()
            await connection.ask(data)
            took[name] = seen.statements
            bar = VISITOR if "visitor" in name else MEMBER
            report.add(f"{name}: statements", seen.statements, at_most=bar)
            report.add(f"{name}: round trips", seen.round_trips)
            report.notes += [f"{name}:", *most(seen.counts, 1)]
            planned = {**seen.asked, **planned}
        more = [took[far] - took[name] for name, far in _pairs(wanted)]
        report.add("statements that a far page has more", max(more), at_most=0)
        connection.close()
        if plans:
            async with app[ENGINE].connect() as conn:
                raw = (await conn.get_raw_connection()).driver_connection
                for statement, values in planned.items():
                    report.notes.append(f"\n{statement}\n{await explain(raw, statement, values)}")
    finally:
        await runner.cleanup()
