"""The administrators' page of other servers: what is wrong comes first, and can be dealt with."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape

import pytest
import sqlalchemy as sa
from aiohttp import web

from activitypub import refusals
from activitypub.refusals import Refusal
from kernel.schema.federation import Rank, Scheme
from kernel.schema.tables import activities, audit, deliveries, peers
from node.pages import table
from tests.nodes import Node, block
from tests.pages.conftest import House
from tests.pages.people import Person
from tests.pages.test_paging import counted

HOSTS = ("away.example", "fine.example", "paused.example", "worse.example:8443")


@pytest.fixture
async def known(house: House) -> House:
    """A node that knows some servers; two rows wait for one of them, since three days."""
    now = house.node.here.now()
    async with house.node.engine.begin() as conn:
        await conn.execute(
            peers.insert(),
            [
                {"host": host, "next_attempt": now, "failures": failures, "paused": paused}
                for host, failures, paused in zip(
                    HOSTS, (3, 0, 0, 12), (False, False, True, False), strict=True
                )
            ],
        )
        await conn.execute(
            sa.update(peers)
            .where(peers.c.host == "away.example")
            .values(
                software="lemmy",
                wrapped=True,
                refusal="503",
                scheme=Scheme.ED25519,
                scheme_day=now.date(),
            )
        )
        days = sa.cast(sa.literal(now.date()), sa.Date)
        for number, parked in enumerate((None, None, "broke the sender")):
            uri = f"{house.node.origin}/a/x{number}"
            await conn.execute(
                activities.insert().values(
                    uri=uri,
                    actor_uri="",
                    kind="Update",
                    object_uri="",
                    body="{}",
                    public=True,
                    month=days,
                )
            )
            await conn.execute(
                deliveries.insert().values(
                    host="away.example",
                    inbox="http://away.example/inbox",
                    lane="1",
                    activity_uri=uri,
                    signer_id=house.open.id,
                    parked=parked,
                    day=now.date() if number else now.date().replace(year=now.year - 1),
                    rank=Rank.FIRST if number else Rank.IN_ORDER,
                )
            )
        await refusals.keep(
            conn,
            {
                "away.example": [
                    Refusal(status=400, kind="Create", words=""),
                    Refusal(status=403, kind="Accept", words="<b>Not from you</b>"),
                ]
            },
        )
    return house


def _hosts(html: str) -> list[str]:
    return re.findall(r'<h2><a href="/admin/peers/[^"]+">([^<]+)</a>', html)


async def _peer(node: Node, host: str) -> sa.Row[*tuple[object, ...]]:
    async with node.engine.connect() as conn:
        return (await conn.execute(sa.select(peers).where(peers.c.host == host))).one()


async def test_those_in_trouble_come_first(known: House) -> None:
    answer = await known.ana.open("/admin/peers")
    assert _hosts(answer.html) == [
        "paused.example", "worse.example:8443", "away.example", "fine.example",
    ]  # fmt: skip
    assert "2 waiting, since 36" in answer.text
    assert "1 put aside" in answer.text
    assert "lemmy · reads groups" in answer.text


async def test_a_server_is_found_by_part_of_its_name_and_signs_mean_nothing(known: House) -> None:
    assert _hosts((await known.ana.open("/admin/peers?q=Away")).html) == ["away.example"]
    for nothing in ("%25", "_", "'", "nobody"):
        answer = await known.ana.open(f"/admin/peers?q={nothing}")
        assert answer.status == 200
        assert _hosts(answer.html) == []


async def test_the_list_goes_on_page_by_page_in_as_many_statements(
    known: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.pages.peers.PAGE", 1)
    found, path, numbers = list[str](), "/admin/peers", set[int]()
    await known.ana.open(path)  # the node's own row is read once
    while path:
        with counted(known.node) as heard:
            answer = await known.ana.open(path)
        numbers.add(len(heard))
        found += _hosts(answer.html)[:1]
        more = re.search(r'href="([^"]+)" rel="next"', answer.html)
        path = f"/admin/peers{unescape(more[1])}" if more and len(found) < 10 else ""
    assert found == ["paused.example", "worse.example:8443", "away.example", "fine.example"]
    assert len(numbers) == 1


@pytest.mark.parametrize("after", ["x", "1_", "_x", "99999999999_x", "5_a/b", "4294967296_x"])
async def test_a_place_in_the_list_that_is_none_is_not_found(known: House, after: str) -> None:
    assert (await known.ana.open(f"/admin/peers?after={after}")).status == 404


async def test_one_server_is_shown_with_what_it_refused_as_plain_text(known: House) -> None:
    answer = await known.ana.open("/admin/peers/away.example")
    assert "did not answer 3 times in a row" in answer.text
    assert "FEP-1b12): it says that it runs lemmy." in answer.text
    assert "RFC 9421, Ed25519" in answer.text
    assert "&lt;b&gt;Not from you&lt;/b&gt;" in answer.html
    assert re.search(r"403.*400", answer.text, re.S)  # newest first
    assert (await known.ana.open("/admin/peers/worse.example:8443")).status == 200
    assert (await known.ana.open("/admin/peers/nobody.example")).status == 404


async def test_a_server_is_paused_and_resumed_and_that_is_logged(known: House) -> None:
    node, path = known.node, "/admin/peers/away.example"
    sent = await known.ana.send("POST", f"{path}/pause", {"reason": "They are moving."})
    assert (sent.status, sent.headers["Location"]) == (303, path)
    assert "paused here" in (await known.ana.open(path)).text
    assert (await _peer(node, "away.example")).paused
    await known.ana.send("POST", f"{path}/resume", {})
    row = await _peer(node, "away.example")
    assert (row.paused, row.next_attempt) == (False, node.here.now())
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(audit.c.verb, audit.c.object_uri, audit.c.reason, audit.c.group_id)
            .where(audit.c.group_id.is_(None))
            .order_by(audit.c.id)
        )
        assert [tuple(row) for row in rows] == [
            ("pause server", "away.example", "They are moving.", None),
            ("resume server", "away.example", "", None),
        ]


async def test_a_reason_that_is_too_long_comes_back_as_it_was_typed(known: House) -> None:
    reason = "They are moving. " * 40
    sent = await known.ana.send("POST", "/admin/peers/away.example/pause", {"reason": reason})
    assert sent.status == 400
    assert reason.strip() in sent.html
    assert not (await _peer(known.node, "away.example")).paused


async def test_a_server_that_rests_can_be_tried_now(known: House) -> None:
    async with known.node.engine.begin() as conn:
        await conn.execute(
            sa.update(peers).values(next_attempt=sa.func.now() + sa.text("interval '5 hours'"))
        )
    await known.ana.send("POST", "/admin/peers/away.example/try", {})
    row = await _peer(known.node, "away.example")
    assert (row.next_attempt, row.failures) == (known.node.here.now(), 3)
    for task in ("pause", "resume", "try"):
        sent = await known.ana.send("POST", f"/admin/peers/nobody.example/{task}", {})
        assert sent.status == 404


async def test_a_blocked_server_says_so(known: House) -> None:
    async with known.node.engine.begin() as conn:
        await block(conn, known.node.here, "away.example")
    answer = await known.ana.open("/admin/peers/away.example")
    assert "blocked here" in answer.text
    assert "kept for up to 30 days" in answer.text


def _addresses() -> Iterator[tuple[str, str]]:
    yield "GET", "/admin/peers"
    yield "GET", "/admin/peers/away.example"
    for task in ("pause", "resume", "try"):
        yield "POST", f"/admin/peers/away.example/{task}"


async def test_sec_D8_who_does_not_run_the_node_is_refused_before_anything_is_asked(
    known: House,
) -> None:
    for method, path in _addresses():
        with counted(known.node) as heard:
            answer = await known.visitor.send(method, path, {} if method == "POST" else None)
        assert answer.status == (303 if method == "GET" else 403), path  # to log in
        assert heard == [], path
        with counted(known.node) as heard:
            answer = await known.ben.send(method, path, {} if method == "POST" else None)
        assert answer.status == 403, path
        assert not any("peers" in statement for statement in heard), path
    assert not (await _peer(known.node, "away.example")).paused


async def test_sec_D8_no_address_of_the_nodes_own_asks_anything_for_a_visitor(known: House) -> None:
    """Every one that the router knows, so that a new one is asked about too."""
    own = [
        route
        for route in table.routes()
        if isinstance(route, web.RouteDef)
        and route.path.startswith(("/admin", "/settings/node", "/search", "/desk"))
    ]
    assert len(own) > 8
    for route in own:
        path = re.sub(r"\{[^}]+\}", "away.example", route.path)
        with counted(known.node) as heard:
            fields: dict[str, str] | None = {} if route.method == "POST" else None
            answer = await known.visitor.send(route.method, path, fields)
        assert answer.status in (303, 401, 403, 404), path
        assert heard == [], path


async def test_only_an_administrator_is_shown_the_way_there(known: House) -> None:
    assert "/admin/peers" in (await known.ana.open("/settings/node")).html
    for browser in (known.visitor, known.ben):
        page = await browser.open("/")
        assert "/admin/peers" not in page.html
    assert isinstance(known.ana, Person)


async def test_a_server_that_is_slowed_is_shown_so(known: House) -> None:
    for days, word in ((0, "today"), (1, "yesterday"), (3, "3 days ago")):
        day = known.node.here.now().date() - timedelta(days=days)
        async with known.node.engine.begin() as conn:
            query = sa.update(peers).where(peers.c.host == "fine.example").values(slowed=day)
            await conn.execute(query)
        assert f"last slowed {word}" in (await known.ana.open("/admin/peers/fine.example")).text
    assert "slowed" not in (await known.ana.open("/admin/peers/away.example")).text
