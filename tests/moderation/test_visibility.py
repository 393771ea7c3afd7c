"""Who may read what: the rule as SQL, by itself and on pages."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.vocab import PUBLIC
from kernel.schema.tables import actors, domain_blocks
from moderation.visibility import VISITOR, host_is_welcome, may_see_group
from tests.nodes import NodeFactory, block, settle
from tests.pages.people import Browser, person
from tests.pages.people import settle as describe
from tests.peer import PeerFactory

WELCOME = ("good.example", "notbad.example", "example", "bad.example.org", "ad.example:8080")
UNWELCOME = (
    "bad.example",
    "bad.example:8080",
    "www.bad.example",
    "a.b.c.bad.example:1",
    "xn--1.test",
)


async def test_sec_L10_a_block_covers_a_domain_and_all_below_it(engine: AsyncEngine) -> None:
    who = sa.values(sa.column("host", sa.Text), sa.column("local", sa.Boolean), name="who").data(
        [*((host, False) for host in WELCOME + UNWELCOME), ("own.bad.example", True)]
    )
    async with engine.begin() as conn:
        everybody = (await conn.scalars(sa.select(who.c.host).where(host_is_welcome(who)))).all()
        assert set(everybody) == {*WELCOME, *UNWELCOME, "own.bad.example"}
        for domain in ("bad.example", "xn--1.test", *(f"{n}.example" for n in range(300))):
            await conn.execute(domain_blocks.insert().values(domain=domain))
        left = (await conn.scalars(sa.select(who.c.host).where(host_is_welcome(who)))).all()

    assert set(left) == {*WELCOME, "own.bad.example"}


async def test_sec_I4_a_statement_that_was_not_told_who_reads_is_refused(
    engine: AsyncEngine,
) -> None:
    query = sa.select(actors.c.id).where(may_see_group(actors.c.id))
    async with engine.connect() as conn:
        assert (await conn.execute(query, VISITOR.values)).all() == []
        with pytest.raises(StatementError, match="viewer_"):
            await conn.execute(query)


async def test_sec_L10_what_came_before_a_block_is_hidden_from_everybody(
    node: NodeFactory, peer: PeerFactory
) -> None:
    alder = await node("alder.test")
    await describe(alder)
    good = await peer("good.test", alder)
    ann, ben = good.person("ann"), await person(alder, "ben")
    group = await alder.group("sleep", ben.speaker)
    root = await alder.start(ben.speaker, group.actor.uri, "A title", "Words.")
    await good.follow(alder, ann, group.actor.uri)
    answer = good.note(ann, "an answer", to=[PUBLIC, group.actor.uri], inReplyTo=root.uri)
    await good.send(alder, good.create(ann, answer), ann)
    await settle(alder)
    stored = await alder.post(answer["id"])
    assert stored is not None
    readers = (Browser(alder), ben)
    for reader in readers:
        assert "an answer" in (await reader.open(f"/t/{root.id}")).html
        assert (await reader.open(f"/p/{stored.id}")).status == 303

    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "good.test")

    for reader in readers:
        assert "an answer" not in (await reader.open(f"/t/{root.id}")).html
        hidden, none = await reader.open(f"/p/{stored.id}"), await reader.open("/p/1")
        assert (hidden.status, hidden.body) == (none.status, none.body) == (404, none.body)
