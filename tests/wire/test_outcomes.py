"""A peer reads what became of its own advice, and nothing of anybody else's (MOD-5.12)."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub import keys
from kernel.ids import random_uuid
from kernel.schema.tables import actors as actor_table
from kernel.schema.tables import pacts as pact_table
from moderation import audit, outcomes
from moderation.signals import people, rules
from moderation.signals.rules import Kind, Mode, Rule
from node import acting
from tests.peer import Document, PeerFactory, Person
from tests.wire.desks import Other

PATH = "/datasets/outcomes"
AT_ONCE: dict[str, Any] = {
    "kind": Kind.ADVICE_DOMAIN, "mode": Mode.APPLY, "weight": 1.0, "delay": timedelta(0),
}  # fmt: skip


async def answer(other: Other, *, by: Person | None = None, path: str = PATH) -> tuple[int, bytes]:
    """What somebody of that server gets, its desk by default."""
    signed = other.peer.signed_get(other.alder, by or other.desk, path)
    found = await other.alder.get(path, headers=signed)
    assert found.status == 404 or "private" in found.headers["Cache-Control"]
    return found.status, await found.read()


async def told(other: Other, path: str = PATH) -> Document:
    signed = other.peer.signed_get(other.alder, other.desk, path)
    found = await other.alder.get(path, headers=signed)
    assert found.status == 200
    document: Document = await found.json(content_type=None)
    return document


async def words(other: Other) -> list[tuple[str, str]]:
    return [(it["outcome"], it["object"]) for it in (await told(other))["orderedItems"]]


async def noted(other: Other, verb: str, about: str, *basis: str) -> None:
    async with other.alder.engine.begin() as conn:
        await audit.note(
            conn, other.alder.here, verb=verb, about=about, basis=basis, reason="ask @robin",
        )  # fmt: skip


@pytest.fixture
async def witness(other: Other, peer: PeerFactory) -> Other:
    """Another peer of the same node."""
    made = Other(await peer("cedar.test", other.alder, "hearthold"), other.alder)
    await other.agree()
    await made.agree()
    return made


async def test_mod_5_12_a_peer_reads_what_became_of_its_own_advice_and_no_other_does(
    other: Other, witness: Other
) -> None:
    alder = other.alder
    alder.clock.now = alder.clock.now.replace(hour=1) + timedelta(days=1)
    change = other.say("bad.example")["id"]
    other.show()
    await other.read()
    async with alder.engine.begin() as conn:
        await rules.write(conn, alder.here, Rule(host="birch.test", **AT_ONCE))
    for _ in range(2):
        await acting.take_stock(alder.engine, alder.here)
        alder.clock.forward(hours=1)
    assert await words(other) == [], "a day is told once it is over"
    alder.clock.forward(days=1)
    assert await words(other) == [("begins", change)]
    assert await words(witness) == []

    day = alder.clock().date() - timedelta(days=1)
    page = await told(other)
    assert page["type"] == "OrderedCollectionPage"
    assert page["orderedItems"][0] == {
        "type": "Outcome", "object": change, "outcome": "begins",
        "published": f"{day}T00:00:00Z",
    }  # fmt: skip
    assert "next" not in page
    # the server's own actor reads the same, and so does a peer that we do not listen to
    root = Person(f"{other.peer.origin}/", "birch.test", keys.generate(), "Application", {})
    other.peer.show(root.document())
    assert await answer(other, by=root) == await answer(other)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(pact_table).values(frozen=True))
    assert await words(other) == [("begins", change)]


async def test_mod_5_12_whoever_is_no_peer_finds_no_outcomes(
    other: Other, witness: Other, peer: PeerFactory
) -> None:
    alder = other.alder
    unknown = await (await alder.get("/datasets/nothing")).read()
    stranger = Other(await peer("dogwood.test", alder, "hearthold"), alder)
    refused = [
        await answer(stranger),
        await answer(other, by=other.peer.person("eve")),
        await answer(other, path=f"{PATH}?page=0"),
        await answer(other, path=f"{PATH}?page=11"),
        await answer(other, path=f"{PATH}?page=x"),
    ]
    plain = await alder.get(PATH)
    refused.append((plain.status, await plain.read()))
    assert (await answer(other))[0] == (await answer(other, path=f"{PATH}?page=10"))[0] == 200
    for table, values in (
        (pact_table, {"frozen_there": True}),
        (actor_table, {"ed25519": witness.desk.keys.ed25519_multibase}),
        (pact_table, {"state": "ended"}),
    ):
        mine = (
            pact_table.c.host == "birch.test"
            if table is pact_table
            else actor_table.c.uri == other.desk.uri
        )
        async with alder.engine.begin() as conn:
            before = (await conn.execute(sa.select(table).where(mine))).one()._mapping
            await conn.execute(sa.update(table).where(mine).values(values))
        refused.append(await answer(other))
        async with alder.engine.begin() as conn:
            old = {name: before[name] for name in values}
            await conn.execute(sa.update(table).where(mine).values(old))
    assert refused == [(404, unknown)] * len(refused)


async def test_mod_5_12_outcomes_name_no_person_and_nobody_elses_words(
    other: Other, witness: Other
) -> None:
    """Nor do they say which line was a trap, nor that somebody was met who is known by a hash."""
    alder, robin = other.alder, other.peer.person("robin")
    await other.tell("Like", f"{alder.origin}/p/1", by=robin)
    base = f"{other.peer.origin}/changes"
    ours, theirs = f"{base}/1", f"{witness.peer.origin}/changes/1"
    async with alder.engine.connect() as conn:
        known = await actor_store.by_uri(conn, robin.uri)
    assert known is not None
    await noted(other, "advice agreed", "bad.example", theirs, ours)
    await noted(other, "advice refused", "bad.example", "http://birch.test.example/changes/1")
    await noted(other, "advice refused", "bad.example", "http://_irch.test/changes/1")
    await noted(other, "advice refused", robin.uri, f"{base}/2")
    await noted(other, "advice acts", people.place(alder.here, known.id), f"{base}/3")
    await noted(other, "advice acts", people.place(alder.here, random_uuid()), f"{base}/4")
    await noted(other, "hold", f"{alder.origin}/p/2", f"{base}/5")
    for number, verb in enumerate(("peer froze itself", "roll back", "advice first yes"), 6):
        await noted(other, verb, "birch.test", f"{base}/{number}")
    alder.clock.forward(days=1)
    assert await words(other) == [("agreed", ours)]
    assert await words(witness) == [("agreed", theirs)]
    _, said = await answer(other)
    for name in ("robin", "bad.example", "cedar", "/u/", "/desk", "ask", str(known.id)):
        assert name.encode() not in said, name


async def test_mod_5_12_outcomes_come_in_pages_and_their_order_within_a_day_tells_nothing(
    other: Other, witness: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    alder, url = other.alder, f"{other.alder.origin}{PATH}"
    changes = [f"{other.peer.origin}/changes/{number}" for number in (3, 1, 4, 2)]
    for change in changes:
        await noted(other, "advice begins", "bad.example", change)
    alder.clock.forward(days=1)
    assert [change for _, change in await words(other)] == sorted(changes, reverse=True)
    monkeypatch.setattr(outcomes, "PAGES", 2)
    async with alder.engine.connect() as conn:
        today = alder.clock().date()

        async def page(number: int, limit: int) -> tuple[list[str], bool]:
            found, more = await outcomes.of_origin(
                conn, other.peer.origin, today=today, page=number, limit=limit
            )
            return [it.change[-1] for it in found], more

        assert await page(1, 3) == (["4", "2", "1"], True)
        assert await page(2, 3) == (["3"], False)
        assert await page(1, 1) == (["2"], True)
        assert await page(2, 1) == (["4"], False), "older ones are told no more"
    for number in range(outcomes.PAGE):
        await noted(other, "advice ends", f"bad{number}.example", changes[0])
    alder.clock.forward(days=1)
    assert (await told(other))["next"] == f"{url}?page=2"
    assert "next" not in await told(other, f"{PATH}?page=2")
