"""Moderators who live elsewhere (WIRE-A9, WIRE-G31, WIRE-T15, SEC-S23)."""

import json

import pytest
import sqlalchemy as sa

from groups import appointing, desk, distance
from groups import groups as group_store
from groups.groups import Group
from kernel.errors import NotAllowed, NotFound
from kernel.schema.groups import Distance
from kernel.schema.tables import audit
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer, Person
from tests.wire import strict
from tests.wire.world import Follower, ask, last_received


async def _appoint(alder: Node, ana: Speaker, group: Group, person_uri: str) -> None:
    person = await alder.meet(person_uri)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        await appointing.appoint(conn, alder.here, group, actor, person)
    await settle(alder)


async def _dismiss(alder: Node, ana: Speaker, group: Group, person_uri: str) -> None:
    person = await alder.meet(person_uri)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        await appointing.dismiss(conn, alder.here, group, actor, person)
    await settle(alder)


async def _listed(alder: Node) -> list[str]:
    found: Document = json.loads((await ask(alder, "/g/sleep/moderators")).body)
    strict.check(found)
    items: list[str] = found["orderedItems"]
    return items


async def _send(alder: Node, peer: Peer, document: Document, actor: Person) -> str:
    assert await peer.send(alder, document, actor) == 202
    await settle(alder)
    return (await last_received(alder))[0]


async def test_wire_G31_T15_the_desk_tells_of_moderators_elsewhere_and_of_nobody_here(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, mastodon: Follower, good: Peer
) -> None:
    kay = await alder.persona("quiet_kay")
    await alder.join(kay, sleep.actor.uri)
    mo = good.person("mo")
    target = f"{sleep.actor.uri}/moderators"
    await _appoint(alder, ana, sleep, kay.actor.uri)
    assert lemmy.peer.inbox == []
    await _appoint(alder, ana, sleep, mo.uri)
    assert await _listed(alder) == [f"{alder.origin}/desk/sleep", mo.uri]
    await _appoint(alder, ana, sleep, mo.uri)  # a repeat says nothing
    await _dismiss(alder, ana, sleep, mo.uri)
    await _dismiss(alder, ana, sleep, kay.actor.uri)
    assert await _listed(alder) == [f"{alder.origin}/desk/sleep"]

    add, remove = [each["object"] for each in lemmy.peer.inbox]
    assert (add["type"], remove["type"]) == ("Add", "Remove")
    for each in (add, remove):
        assert each["actor"] == f"{alder.origin}/desk/sleep"
        assert (each["object"], each["target"]) == (mo.uri, target)
        assert (each["to"], each["cc"], each["audience"]) == (
            [PUBLIC],
            [sleep.actor.uri],
            sleep.actor.uri,
        )
    assert mastodon.peer.inbox == []
    for raw in lemmy.peer.raw:
        assert b"quiet_kay" not in raw
        assert b"/u/ana" not in raw


async def test_wire_G31_sec_S23_a_moderator_elsewhere_asks_another_one_in(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    mo, flo, ann = good.person("mo"), good.person("flo"), good.person("ann")
    await alder.meet(flo.uri)
    await _appoint(alder, ana, sleep, mo.uri)
    lemmy.peer.inbox.clear()
    target = f"{sleep.actor.uri}/moderators"
    for actor, wrong in (
        (ann, target),  # listed nowhere
        (mo, f"{target}/"),
        (mo, f"{target}?x=1"),
        (mo, f"{alder.origin}/g/SLEEP/moderators"),
        (mo, f"{alder.origin}/desk/sleep/moderators"),
    ):
        document = good.activity("Add", actor, flo.uri, target=wrong)
        assert await _send(alder, good, document, actor) != "done", wrong
    unknown = good.activity("Add", mo, f"{good.origin}/u/nobody", target=target)
    assert await _send(alder, good, unknown, mo) == "refused"
    assert f"{good.origin}/u/nobody" not in good.fetched
    assert await _listed(alder) == [f"{alder.origin}/desk/sleep", mo.uri]
    assert lemmy.peer.inbox == []

    add = good.activity("Add", mo, flo.uri, target=target)
    assert await _send(alder, good, add, mo) == "done"
    assert await _listed(alder) == [f"{alder.origin}/desk/sleep", flo.uri, mo.uri]
    assert [each["object"] for each in lemmy.peer.inbox] == [add]
    async with alder.engine.connect() as conn:
        rows = await conn.execute(sa.select(audit.c.verb, audit.c.object_uri).order_by(audit.c.id))
    assert [tuple(row) for row in rows] == [("appoint", mo.uri), ("appoint", flo.uri)]


async def test_sec_S23_a_moderator_elsewhere_puts_nobody_out_and_names_nobody_here(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    kay = await alder.persona("kay")
    await alder.join(kay, sleep.actor.uri)
    mo, flo = good.person("mo"), good.person("flo")
    for each in (mo, flo):
        await _appoint(alder, ana, sleep, each.uri)
    lemmy.peer.inbox.clear()
    target = f"{sleep.actor.uri}/moderators"
    desk_uri = f"{alder.origin}/desk/sleep"
    for kind, uri in (
        ("Remove", flo.uri),
        ("Remove", desk_uri),
        ("Remove", ana.actor.uri),
        ("Add", kay.actor.uri),
        ("Add", sleep.actor.uri),
    ):
        document = good.activity(kind, mo, uri, target=target)
        assert await _send(alder, good, document, mo) == "refused", (kind, uri)
    block = good.activity("Block", mo, flo.uri, target=sleep.actor.uri)
    assert await _send(alder, good, block, mo) == "refused"
    assert await _listed(alder) == [desk_uri, flo.uri, mo.uri]
    assert lemmy.peer.inbox == []

    away = good.activity("Remove", mo, mo.uri, target=target)
    assert await _send(alder, good, away, mo) == "done"
    assert await _listed(alder) == [desk_uri, flo.uri]
    again = good.activity("Add", mo, mo.uri, target=target)
    assert await _send(alder, good, again, mo) == "refused"


async def test_sec_S23_each_decision_from_elsewhere_holds_in_one_group_and_leaves_a_line(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower, good: Peer
) -> None:
    other = await alder.group("other", ana)
    mo, ann = good.person("mo"), good.person("ann")
    await alder.meet(ann.uri)
    await _appoint(alder, ana, sleep, mo.uri)
    mine = await alder.start(ana, sleep.actor.uri, "Mine", "Some words.")
    theirs = await alder.start(ana, other.actor.uri, "Theirs", "Some words.")
    await settle(alder)

    def decisions(uri: str, group: Group, actor: Person) -> list[tuple[str, Document]]:
        lock = good.activity("Lock", actor, uri)
        block = good.activity("Block", actor, ann.uri, target=group.actor.uri, summary="rules")
        delete = good.activity("Delete", actor, uri, summary="rules")
        return [
            ("lock", lock),
            ("unlock", good.activity("Undo", actor, lock)),
            ("ban", block),
            ("unban", good.activity("Undo", actor, block)),
            ("pin", good.activity("Add", actor, uri, target=f"{group.actor.uri}/featured")),
            ("unpin", good.activity("Remove", actor, uri, target=f"{group.actor.uri}/featured")),
            ("remove", delete),
            ("restore", good.activity("Undo", actor, delete)),
        ]

    async def lines() -> list[str]:
        async with alder.engine.connect() as conn:
            return list(await conn.scalars(sa.select(audit.c.verb).order_by(audit.c.id)))

    lemmy.peer.inbox.clear()
    before = await lines()
    for actor, post, group in ((mo, theirs, other), (ann, mine, sleep)):
        for verb, document in decisions(post.uri, group, actor):
            assert await _send(alder, good, document, actor) != "done", verb
    assert await lines() == before
    for post in (mine, theirs):
        kept = await alder.post(post.uri)
        assert kept is not None
        assert (kept.shown, kept.locked, kept.pinned) == (True, False, False)
    assert lemmy.peer.inbox == []
    for verb, document in decisions(mine.uri, sleep, mo):
        assert await _send(alder, good, document, mo) == "done", verb
        before = [*before, verb]
        assert await lines() == before, verb


async def test_sec_S23_founders_appoint_and_the_last_one_here_stays(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    kay, lea = await alder.persona("kay"), await alder.persona("lea")
    for each in (kay, lea):
        await alder.join(each, sleep.actor.uri)
    await _appoint(alder, ana, sleep, kay.actor.uri)
    async with alder.engine.begin() as conn:
        await appointing.require_founder(conn, sleep, ana.voices)
        with pytest.raises(NotAllowed):
            await appointing.require_founder(conn, sleep, kay.voices)
    with pytest.raises(NotFound):
        await _appoint(alder, ana, sleep, f"{alder.origin}/desk/node")
    with pytest.raises(NotFound):
        await _dismiss(alder, ana, sleep, lea.actor.uri)
    await _dismiss(alder, ana, sleep, ana.actor.uri)
    async with alder.engine.begin() as conn:
        await appointing.require_founder(conn, sleep, kay.voices)  # nobody is left who did
    with pytest.raises(NotAllowed):
        await _dismiss(alder, kay, sleep, kay.actor.uri)
    mo = good.person("mo")
    await _appoint(alder, kay, sleep, mo.uri)
    with pytest.raises(NotAllowed):  # who lives elsewhere has no page here
        await _dismiss(alder, kay, sleep, kay.actor.uri)


async def test_wire_G31_whoever_is_banned_or_gone_does_not_moderate(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    mo, eve = good.person("mo"), good.person("eve")
    banned = await alder.meet(eve.uri)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.ban(conn, alder.here, sleep, actor, banned, "a reason")
    with pytest.raises(NotAllowed):
        await _appoint(alder, ana, sleep, eve.uri)
    await _appoint(alder, ana, sleep, mo.uri)
    gone = good.activity("Delete", mo, mo.uri)
    assert await _send(alder, good, gone, mo) == "done"
    assert await _listed(alder) == [f"{alder.origin}/desk/sleep"]


async def test_mod_5_7_nobody_moderates_from_a_server_that_the_group_takes_nothing_from(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    mo = good.person("mo")
    await alder.meet(mo.uri)
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, sleep, ana)
        await distance.decide(conn, alder.here, sleep, acting, "good.test", Distance.REJECT)
        kept = await group_store.get(conn, sleep.id)
    with pytest.raises(NotAllowed, match="takes nothing from that server"):
        await _appoint(alder, ana, kept, mo.uri)
    assert await _listed(alder) == [f"{alder.origin}/desk/sleep"]
