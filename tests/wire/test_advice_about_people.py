"""Peers advise each other about people by hashes: who is never met is never named (MOD-5.3)."""

import asyncio
import json
import threading
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.state import REMOTE
from groups.groups import Group
from kernel import sealing
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.ids import random_uuid
from kernel.schema.pacts import Afterwards, SignalState
from kernel.schema.tables import (
    activities,
    actors,
    alert_calls,
    alert_channels,
    follows,
    metadata,
    people_advice,
    people_advice_said,
    signal_sources,
    signals,
)
from kernel.schema.tables import (
    node as node_table,
)
from kernel.schema.tables import (
    pacts as pacts_table,
)
from moderation import pact_mail, pact_making, pacts, why
from moderation.signals import (
    about_people,
    datasets,
    effects,
    hashing,
    heads,
    people,
    published,
    received,
    rules,
    sources,
)
from moderation.signals.about_people import Words
from moderation.signals.lines import Line
from moderation.signals.people import Effect
from moderation.signals.rules import Kind, Mode, Rule
from moderation.signals.vocabulary import Policy
from node import acting
from node.pages.session import ADMINISTRATOR
from tests.nodes import Node, NodeFactory, settle, until_it_waits
from tests.pages.people import person
from tests.pages.people import settle as describe
from tests.peer import Peer, PeerFactory, Person
from tests.wire.pacting import agree

HOUR = timedelta(hours=1)
DAYS = timedelta(days=100)


@dataclass(frozen=True)
class Two:
    """Alder advises about Mallory, who lives elsewhere; Birch is its peer, and has a group."""

    alder: Node
    birch: Node
    elsewhere: Peer
    mallory: Person
    group: Group

    async def at_alder(self) -> Actor:
        return await self.alder.meet(self.mallory.uri)

    def words(self, policy: Policy = Policy.FILTER, **more: Any) -> Words:
        return Words(policy=policy, until=self.alder.clock().date() + DAYS, **more)

    async def advise(self, policy: Policy = Policy.FILTER, **more: Any) -> bool:
        actor = await self.at_alder()
        async with self.alder.engine.begin() as conn:
            done = await about_people.advise(
                conn, self.alder.here, actor, self.words(policy, confidence=1.0, **more)
            )
        await settle(self.alder, self.birch)
        return done

    async def take_back(self) -> None:
        actor = await self.at_alder()
        async with self.alder.engine.begin() as conn:
            await about_people.take_back(conn, self.alder.here, actor.id)
        await settle(self.alder, self.birch)

    async def trust(self, mode: Mode = Mode.APPLY, **more: Any) -> None:
        values: dict[str, Any] = {"weight": 0.8, "delay": timedelta(0), **more}
        rule = Rule(host="alder.test", kind=Kind.ADVICE_ACTOR, mode=mode, **values)
        async with self.birch.engine.begin() as conn:
            await rules.write(conn, self.birch.here, rule)
            await received.stand_anew(conn, self.birch.here, "alder.test")
        await acting.take_stock(self.birch.engine, self.birch.here)

    async def speak(self) -> None:
        """Something of Mallory's comes to Birch."""
        await self.elsewhere.follow(self.birch, self.mallory, self.group.actor.uri)
        await settle(self.birch)

    async def later(self, by: timedelta = HOUR) -> None:
        self.birch.clock.forward(seconds=by.total_seconds())
        await acting.take_stock(self.birch.engine, self.birch.here)

    async def there(self) -> Actor | None:
        async with self.birch.engine.connect() as conn:
            return await actor_store.by_uri(conn, self.mallory.uri)

    async def state(self) -> tuple[str, str, bool] | None:
        """How far it has come at Birch, why, and whether it holds."""
        actor = await self.there()
        if actor is None:
            return None
        async with self.birch.engine.connect() as conn:
            try:
                effect = await people.one(conn, actor.id)
            except NotFound:
                return ("", "", actor.filtered)
        return (effect.state.value, effect.why, actor.filtered)

    async def effect(self) -> Effect:
        actor = await self.there()
        assert actor is not None
        async with self.birch.engine.connect() as conn:
            return await people.one(conn, actor.id)


@pytest.fixture
async def two(node: NodeFactory, peer: PeerFactory) -> Two:
    alder, birch = await node("alder.test"), await node("birch.test")
    elsewhere = await peer("cedar.test", alder)
    await agree(alder, birch)
    group = await birch.group("sleep", await birch.persona("ben"))
    return Two(alder, birch, elsewhere, elsewhere.person("mallory"), group)


async def everything(node: Node) -> str:
    """All that a thief of the database would have, bytes in hex and in base64."""
    found = []
    async with node.engine.connect() as conn:
        for table in metadata.sorted_tables:
            for row in await conn.execute(sa.select(table)):
                for value in row:
                    if isinstance(value, bytes):
                        found += [value.hex(), urlsafe_b64encode(value).decode()]
                        found.append(value.decode(errors="replace"))
                    else:
                        found.append(str(value))
    return "\n".join(found)


async def test_mod_5_3_who_is_never_met_is_named_neither_in_the_list_nor_where_it_is_read(
    two: Two,
) -> None:
    await two.trust()
    assert await two.advise(Policy.REJECT) is False, "it takes two people"
    await two.advise(summary="Unwanted messages after posts", labels=("harassment",))
    async with two.birch.engine.connect() as conn:
        lines = (await conn.execute(sa.text("SELECT * FROM signals"))).all()
        (source,) = await conn.execute(sa.select(signal_sources).where(signal_sources.c.people))
    assert [(it.entity_kind, it.policy, it.summary) for it in lines] == [
        ("actorhash", "filter", "Unwanted messages after posts")
    ]
    assert len(lines[0].entity_key) == 43
    stolen = await everything(two.birch)
    assert lines[0].entity_key in stolen
    async with two.alder.engine.connect() as conn:
        dataset = datasets.for_peer(two.alder.here, "birch.test")
        leaked = json.dumps(
            [it.body for it in await published.after(conn, published.FIRST, 100, "birch.test")]
        )
    assert dataset.url == source.url
    assert lines[0].entity_key in leaked
    for words in ("mallory", "cedar.test"):
        assert words not in stolen
        assert words not in leaked
    # nor can it be tried who is meant: nothing in a database makes the key
    async with two.birch.engine.connect() as conn:
        pact = await pacts.one(conn, "alder.test")
    assert pact.paper is not None
    key = hashing.key_with(two.birch.here, "alder.test", pact.paper)
    assert key is not None
    guess = hashing.hash_of(key, "alder.test", two.alder.clock().date(), two.mallory.uri)
    assert guess == lines[0].entity_key
    for form in (key, two.birch.here.node_key.derive("advice about people alder.test")):
        assert form.hex() not in stolen
        assert urlsafe_b64encode(form).decode() not in stolen


async def test_mod_5_2_somebody_who_is_met_is_off_public_lists_until_it_is_taken_back(
    two: Two,
) -> None:
    await two.trust()
    await two.advise()
    assert await two.state() is None
    await two.speak()
    assert await two.state() == ("waiting", "", False)
    await two.later()
    assert await two.state() == ("applied", "", True)
    effect = await two.effect()
    assert (effect.hosts, effect.issuers) == (["alder.test"], 1)
    assert effect.decision is not None
    async with two.birch.engine.connect() as conn:
        told = await why.of(conn, effect.decision)
        assert [it.verb for it in told.steps] == [
            "advice weighed", "advice previewed", "advice waits", "advice begins",
        ]  # fmt: skip
        assert [(it.host, it.policy) for it in told.basis] == [("alder.test", "filter")]
        assert "mallory" not in str(
            await conn.scalar(sa.text("SELECT string_agg(audit::text, '') FROM audit"))
        )
    other = await two.birch.group("night", await two.birch.persona("cleo"))
    await two.elsewhere.follow(two.birch, two.mallory, other.actor.uri)
    await settle(two.birch)
    async with two.birch.engine.connect() as conn:
        states = await conn.execute(
            sa.text(
                "SELECT follows.state FROM follows JOIN actors ON actors.id = followed_id "
                "JOIN actors AS who ON who.id = follower_id AND NOT who.local "
                "ORDER BY actors.handle"
            )
        )
        assert [row.state for row in states] == ["pending", "accepted"], (
            "nothing is cut; joining asks"
        )
    await two.take_back()
    await two.later()
    assert await two.state() == ("", "", False)


async def test_mod_5_10_one_peer_that_counts_less_does_nothing_and_rules_decide(two: Two) -> None:
    await two.advise()
    await two.speak()
    assert await two.state() == ("", "", False), "as usual such advice is left alone"
    await two.trust(weight=0.7)
    await two.speak()
    assert await two.state() == ("", "", False)
    await two.trust(Mode.SHOW)
    await two.speak()
    assert await two.state() == ("trial", "", False)
    await two.trust(Mode.HOLD)
    await two.speak()
    assert await two.state() == ("held", "rule", False)
    actor = await two.there()
    assert actor is not None
    async with two.birch.engine.begin() as conn:
        await people.agree(conn, two.birch.here, actor.id)
    assert await two.state() == ("agreed", "", True)
    await two.take_back()
    await two.later()
    assert await two.state() == ("review", "basis gone", True)
    async with two.birch.engine.begin() as conn:
        await people.refuse(conn, two.birch.here, actor.id)
        with pytest.raises(Conflict):
            await people.refuse(conn, two.birch.here, actor.id)
    assert await two.state() == ("refused", "person", False)
    await two.trust(weight=1.0)
    await two.advise()
    await two.speak()
    await two.later()
    assert await two.state() == ("applied", "", True), "they say it anew"
    async with two.birch.engine.begin() as conn:
        await people.refuse(conn, two.birch.here, actor.id)
    await two.speak()
    await two.later()
    assert await two.state() == ("refused", "person", False)


@pytest.mark.parametrize("brake", ["roll back", "freeze", "rule"])
async def test_mod_5_9_how_many_people_it_is_about_is_said_before(two: Two, brake: str) -> None:
    await two.trust()
    await two.advise()
    await two.speak()
    await two.later()
    assert await two.state() == ("applied", "", True)
    engine, here = two.birch.engine, two.birch.here
    since = here.now().date() - timedelta(days=9)
    if brake == "roll back":
        would = await acting.roll_back(engine, here, "alder.test", since, dry_run=True)
    elif brake == "freeze":
        would = await acting.freeze(engine, here, "alder.test", dry_run=True)
    else:
        rule = Rule(host="alder.test", kind=Kind.ADVICE_ACTOR, mode=Mode.IGNORE)
        would = await acting.if_rule(engine, here, rule)
    assert (would.turns, would.people) == ([], 1)
    await describe(two.birch)
    ana = await person(two.birch, "ana", roles=frozenset({ADMINISTRATOR}))
    at = "/settings/node/signals/rules/alder.test"
    if brake == "roll back":
        looked = await ana.send("POST", f"{at}/back", {"since": since.isoformat()})
        assert "What holds about 1 person elsewhere" in looked.text
        assert "Nothing ends" not in looked.text
    elif brake == "rule":
        given = {"kind": "advice.actor", "mode": "ignore", "look": "yes"}
        looked = await ana.send("POST", at, given)
        assert "1 person elsewhere is treated otherwise." in looked.text
        assert "Nothing changes." not in looked.text
    assert await two.state() == ("applied", "", True), "it was only tried"
    if brake == "roll back":
        assert await acting.roll_back(engine, here, "alder.test", since) == would
    elif brake == "freeze":
        assert await acting.freeze(engine, here, "alder.test") == would
    else:
        await two.trust(Mode.IGNORE)
    assert (await two.state() or ("", "", True))[2] is False


async def test_mod_5_16_advice_about_somebody_that_nobody_answers_is_recalled_once(
    two: Two,
) -> None:
    await two.trust(Mode.HOLD)
    await two.advise()
    await two.speak()
    assert await two.state() == ("held", "rule", False)
    birch = two.birch
    async with birch.engine.begin() as conn:
        await conn.execute(
            alert_channels.insert().values(
                id=random_uuid(), way="webhook", sealed=b"", pace=60, confirmed=True
            )
        )

    async def called(days: int) -> int:
        await two.later(timedelta(days=days))
        async with birch.engine.begin() as conn:
            return (await conn.execute(sa.delete(alert_calls))).rowcount

    assert [await called(days) for days in (6, 1, 1)] == [0, 1, 0]
    assert await two.state() == ("held", "rule", False)
    await called(22)
    assert await two.state() == ("refused", "no opinion", False)


async def test_mod_5_10_an_answer_brings_no_line_back_that_was_taken_back(two: Two) -> None:
    await two.trust(Mode.HOLD)
    await two.advise()
    await two.speak()
    actor = await two.there()
    assert actor is not None
    async with two.birch.engine.begin() as conn:
        await people.agree(conn, two.birch.here, actor.id)
    await two.take_back()
    await two.later()
    assert await two.state() == ("review", "basis gone", True)
    async with two.birch.engine.begin() as conn:
        await people.refuse(conn, two.birch.here, actor.id)
        states = await conn.scalars(sa.select(signals.c.state).order_by(signals.c.place))
        assert states.all() == ["retracted", "noted"]


async def test_mod_5_2_whom_a_line_is_about_is_looked_at_anew_once_a_person_lets_it_stand(
    two: Two,
) -> None:
    await two.trust()
    await two.advise()

    async def decide(state: SignalState) -> None:
        async with two.birch.engine.begin() as conn:
            line = await conn.scalar(sa.select(signals.c.id))
            assert line is not None
            await received.decide(conn, two.birch.here, line, state)
        await two.speak()

    await decide(SignalState.IGNORED)
    assert await two.state() == ("", "", False)
    await decide(SignalState.SHOWN)
    assert await two.state() == ("waiting", "", False)


async def test_mod_5_10_of_desks_people_here_and_who_is_near_nothing_follows_by_itself(
    two: Two,
) -> None:
    await two.trust()
    ben = await two.birch.persona("dora")
    desk = await two.alder.meet(f"{two.birch.origin}/desk/node")
    mine = await two.alder.persona("ana")
    async with two.alder.engine.begin() as conn:
        for actor in (desk, mine.actor):
            with pytest.raises(NotAllowed):
                await about_people.advise(conn, two.alder.here, actor, two.words())
        for wrong in (
            two.words(summary="It is @mallory@cedar.test"), two.words(labels=("nothing",)),
            replace(two.words(), until=date(2030, 1, 1)), two.words(confidence=1.5),
        ):  # fmt: skip
            with pytest.raises(Malformed):
                await about_people.advise(conn, two.alder.here, await two.at_alder(), wrong)
    there = await two.alder.meet(ben.actor.uri)
    async with two.alder.engine.begin() as conn:
        await about_people.advise(conn, two.alder.here, there, two.words(confidence=1.0))
    await settle(two.alder, two.birch)
    async with two.birch.engine.begin() as conn:
        await people.meet(conn, two.birch.here, [ben.actor])
        assert await people.listed(conn) == []
    # somebody whom six people here follow is looked at by a person
    await two.advise()
    await two.speak()
    assert await two.state() == ("waiting", "", False)
    mallory = await two.there()
    assert mallory is not None
    names = [await two.birch.persona(name) for name in ("eva", "finn", "gus", "hal", "ida")]
    async with two.birch.engine.begin() as conn:
        rows = [
            {
                "follower_id": it.id,
                "followed_id": mallory.id,
                "state": "accepted",
                "uri": str(it.id),
            }
            for it in names
        ]  # with the group that Mallory is in, these are six
        await conn.execute(follows.insert(), rows)
    await two.later()
    assert await two.state() == ("held", "caps", False)


async def test_mod_5_10_harsh_advice_about_somebody_takes_two_people(two: Two) -> None:
    actor = await two.at_alder()
    words = two.words(Policy.REJECT, confidence=1.0)
    ana, ben = (replace(two.alder.here, decider=name) for name in (b"ana", b"ben"))
    async with two.alder.engine.begin() as conn:
        assert not await about_people.advise(conn, ana, actor, words)
        with pytest.raises(Conflict, match="one more person"):
            await about_people.advise(conn, ana, actor, words)
        assert not (await conn.execute(sa.select(people_advice_said))).all()
        assert await about_people.advise(conn, ben, actor, words)
        assert len((await conn.execute(sa.select(people_advice_said))).all()) == 1
        await about_people.tell(conn, ana)
        assert len((await conn.execute(sa.select(people_advice_said))).all()) == 1
    await two.trust(max_policy=Policy.DROP)
    await settle(two.alder, two.birch)
    await two.speak()
    await two.later(timedelta(days=5))
    assert await two.state() == ("applied", "", True), "a filter, and never more"


async def test_mod_5_3_hashes_of_many_people_are_worked_out_beside_the_loop(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    await two.trust()
    await two.advise()
    met = [await two.birch.meet(two.elsewhere.person(name).uri) for name in ("mallory", *"abcde")]
    derived: list[tuple[str, bool]] = []
    derive = sealing.derive

    def counted(key: bytes, label: str) -> bytes:
        derived.append((label, threading.current_thread() is threading.main_thread()))
        return derive(key, label)

    monkeypatch.setattr(sealing, "derive", counted)
    async with two.birch.engine.begin() as conn:
        await people.meet(conn, two.birch.here, met)
    of_epochs = [each for each in derived if each[0].startswith("alder.test ")]
    assert len(of_epochs) == len(set(of_epochs)) > 1, "once for each host and time"
    assert not any(on_the_loop for _, on_the_loop in of_epochs)
    assert await two.state() == ("waiting", "", False)


async def test_mod_5_2_much_that_is_said_about_people_is_told_in_rounds_of_a_few(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(about_people, "STEP", 2)
    alder, peer = two.alder, sa.update(pacts_table)
    people_there = [await alder.meet(two.elsewhere.person(name).uri) for name in "abcde"]
    async with alder.engine.begin() as conn:
        await conn.execute(peer.values(unsafe=True))
        for actor in people_there:
            await about_people.advise(conn, alder.here, actor, two.words())
        await conn.execute(peer.values(unsafe=False))

    async def tell() -> list[tuple[int, int]]:
        """After each round: lines that the peer has heard and that count, and nudges."""
        found, more = [], True
        while more:
            more = await about_people.tell_some(alder.engine, alder.here)
            async with alder.engine.connect() as conn:
                counts = (
                    sa.select(sa.func.count()).select_from(people_advice_said),
                    sa.select(sa.func.count()).where(activities.c.kind == "Nudge"),
                )
                lines, nudges = [await conn.scalar(count) or 0 for count in counts]
            found.append((lines, nudges))
        return found

    assert await tell() == [(2, 1), (4, 2), (5, 3)]
    async with alder.engine.begin() as conn:
        await conn.execute(sa.delete(people_advice))
    assert await tell() == [(3, 4), (1, 5), (0, 6)]


async def test_mod_5_11_it_ends_on_its_day_and_an_old_key_is_read_until_then(two: Two) -> None:
    await two.trust()
    await two.advise()
    two.birch.clock.forward(days=95)  # the key is another one by now
    await settle(two.alder, two.birch)
    await two.trust(weight=1.0, ttl_cap=timedelta(days=180))
    await two.speak()
    assert await two.state() == ("", "", False), "what is old begins nothing"
    await two.take_back()
    await two.advise()
    await two.later()
    async with two.alder.engine.connect() as conn:
        keys = {
            it.entity_key for it in await published.after(conn, published.FIRST, 100, "birch.test")
        }
    assert len(keys) == 2, "of two keys"
    two.birch.clock.forward(days=40)
    await settle(two.alder, two.birch)
    await two.trust(Mode.HOLD)
    await two.speak()
    assert await two.state() == ("held", "rule", False)
    two.birch.clock.forward(days=70)
    async with two.birch.engine.begin() as conn:
        await received.sweep(conn, two.birch.here)
    await two.later()
    assert await two.state() == ("", "", False)


async def status(node: Node, url: str) -> int:
    reader = node.app[REMOTE].for_refresh()
    return (await reader.answer(url, accept="application/json", limit=1_000_000)).status


async def test_mod_5_6_the_end_of_a_pact_ends_it_and_only_the_peer_reads_it(two: Two) -> None:
    await two.trust()
    await two.advise()
    await two.speak()
    await two.later()
    assert await two.state() == ("applied", "", True)
    dataset = datasets.for_peer(two.alder.here, "birch.test")
    other = datasets.for_peer(two.alder.here, "cedar.test")
    assert await status(two.birch, dataset.url) == 200
    assert await status(two.birch, f"{dataset.url}/snapshot") == 200
    for url in (other.url, f"{other.url}/changes", f"{other.url}/snapshot"):
        assert await status(two.birch, url) == 404
    assert (await two.alder.get(dataset.url.removeprefix(two.alder.origin))).status == 404
    async with two.birch.engine.connect() as conn:
        assert await heads.held(conn, heads.digest(dataset.url)) is None, "each sees another one"
    async with two.birch.engine.begin() as conn:
        await pact_making.end(conn, two.birch.here, "alder.test", Afterwards.UNDO)
    await two.later()
    assert await two.state() == ("", "", False)


@pytest.mark.parametrize("afterwards", Afterwards)
async def test_mod_5_6_where_they_end_a_pact_a_person_says_what_becomes_of_it(
    two: Two, afterwards: Afterwards
) -> None:
    await two.trust()
    await two.advise()
    await two.speak()
    await two.later()
    assert await two.state() == ("applied", "", True)
    async with two.alder.engine.begin() as conn:
        await pact_making.end(conn, two.alder.here, "birch.test", Afterwards.KEEP)
    await settle(two.alder, two.birch)
    await two.later()
    assert await two.state() == ("review", "pact", True)
    async with two.birch.engine.begin() as conn:
        await pacts.decide_afterwards(conn, two.birch.here, "alder.test", afterwards)
    await two.later()
    assert (
        await two.state()
        == {
            Afterwards.KEEP: ("agreed", "kept", True),
            Afterwards.REVIEW: ("review", "pact", True),
            Afterwards.UNDO: ("", "", False),
        }[afterwards]
    )


@pytest.mark.parametrize("by", ["us", "them", "afterwards", "meeting"])
async def test_mod_5_16_who_waits_for_advice_keeps_nobody_else_waiting(two: Two, by: str) -> None:
    await two.trust()
    await two.advise()
    birch, here = two.birch, two.birch.here
    mallory, desk = (
        await birch.meet(two.mallory.uri),
        await birch.meet(f"{two.alder.origin}/desk/node"),
    )
    async with birch.engine.begin() as conn:
        uri = (await pacts.one(conn, "alder.test")).uri
        if by == "afterwards":
            await pact_mail.left(conn, here, desk, uri)

    async def come() -> None:
        async with birch.engine.begin() as conn:
            match by:
                case "us":
                    await pact_making.end(conn, here, "alder.test", Afterwards.REVIEW)
                case "them":
                    await pact_mail.left(conn, here, desk, uri)
                case "afterwards":
                    await pacts.decide_afterwards(conn, here, "alder.test", Afterwards.UNDO)
                case "meeting":
                    await people.meet(conn, here, [mallory])

    async with birch.engine.begin() as conn:
        await effects.lock(conn)
        coming = asyncio.create_task(come())
        await until_it_waits(birch, coming)
        assert not coming.done()
        for table in (node_table, pacts_table, actors):  # as who carries advice out may need any
            await conn.execute(
                sa.select(sa.literal(1)).select_from(table).with_for_update(nowait=True)
            )
    await coming


async def test_mod_5_16_any_order_and_every_repetition_ends_the_same(two: Two) -> None:
    await two.trust()
    await two.advise()
    await two.take_back()
    await two.advise()
    await two.speak()
    await two.later()
    assert await two.state() == ("applied", "", True)
    today, actor = two.birch.clock().date(), await two.there()
    assert actor is not None
    async with two.alder.engine.connect() as conn:
        entries = await published.after(conn, published.FIRST, 100, "birch.test")
    async with two.birch.engine.connect() as conn:
        source = next(it for it in await sources.listed(conn) if it.people)
    lines = [
        hashing.checked(Line.read(entry.body, source.url, today), people=True) for entry in entries
    ]
    assert len(lines) == 3
    for order in permutations(lines):
        async with two.birch.engine.begin() as conn:
            await conn.execute(sa.delete(signals).where(signals.c.source_id == source.id))
            await people.take(conn, two.birch.here)
            assert await people.listed(conn) == []
        for batch in (order[:1], order[1:], order[:2], order[2:]):
            async with two.birch.engine.begin() as conn:
                await received.take_in(conn, two.birch.here, source, batch)
                await people.meet(conn, two.birch.here, [actor])
        await two.later()
        assert await two.state() == ("applied", "", True)


async def test_mod_5_3_a_list_that_names_people_is_not_kept(two: Two) -> None:
    today = two.birch.clock().date()

    def line(kind: str, key: str, **more: str) -> Line:
        said = {
            "id": "http://alder.test/datasets/1/changes/1", "type": "Recommendation",
            "entityKind": kind, "entityKey": key, "recommendedPolicy": "filter", **more,
        }  # fmt: skip
        return Line.read(dict(said), "http://alder.test/datasets/1", today)

    name, mallory = "h" * 43, two.mallory.uri
    assert hashing.checked(line("actorHash", name), people=True).entity_key == name
    told = line("actorHash", name, summary=f"It is {mallory}")
    assert hashing.checked(told, people=True).summary == ""
    for kind, key, in_people in (
        ("actor", mallory, True), ("actor", mallory, False), ("actorHash", name, False),
        ("actorHash", mallory, True), ("domain", "bad.example", True),
    ):  # fmt: skip
        with pytest.raises(Malformed):
            hashing.checked(line(kind, key), people=in_people)
    assert hashing.checked(line("domain", "bad.example"), people=False).entity_kind == "domain"
