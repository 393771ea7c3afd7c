"""Who was stopped or put out does nothing more, by any door of any process (MOD-H12, SEC-L9)."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub.actors import Actor
from groups import desk, stopping
from groups import groups as group_store
from groups.groups import GroupSettings
from kernel.schema.groups import Posts, Sees
from kernel.schema.moderation import Level
from kernel.schema.tables import care_cases, correspondents, messages, posts, reactions
from moderation import impact
from moderation.impact import Seen
from moderation.policy import Policy
from node import keeping_away
from node.demo.visitor import Form
from tests.faults.victim import Victim, victim
from tests.nodes import Node, settle
from tests.pages.conftest import House, looked_at
from tests.pages.people import Answer, Person
from tests.pages.test_live import SOON, listening, replace_port
from tests.pages.test_messages import old, turn_on
from tests.peer import PUBLIC, Document, PeerFactory
from tests.peer import Person as Elsewhere


async def stop(node: Node, person: Actor) -> None:
    async with node.engine.begin() as conn:
        acting = await actor_store.by_uri(conn, f"{node.origin}/desk/node")
        assert acting is not None
        now = await actor_store.get(conn, person.id)
        await stopping.stop(conn, node.here, acting, now, "Please rest.")


async def go_on(node: Node, person: Actor) -> None:
    async with node.engine.begin() as conn:
        acting = await actor_store.by_uri(conn, f"{node.origin}/desk/node")
        assert acting is not None
        await stopping.go_on(conn, node.here, acting, await actor_store.get(conn, person.id))


async def done(node: Node) -> list[tuple[object, ...]]:
    """What people said and did so far."""
    async with node.engine.connect() as conn:
        return [
            tuple(row)
            for table in (
                sa.select(posts.c.id, posts.c.content, posts.c.state),
                sa.select(reactions.c.post_id, reactions.c.actor_uri),
                sa.select(messages.c.id),
                sa.select(correspondents.c.owner_id, correspondents.c.state),
            )
            for row in await conn.execute(table)
        ]


@dataclass(frozen=True)
class Open:
    """A page that somebody has open, and what they are about to send."""

    who: Person
    at: Answer
    form: Form
    answers: Mapping[str, str]

    async def send(self) -> Answer:
        return await self.who.submit(self.at, self.form, **self.answers)


async def about_to_act(who: Person, house: House) -> list[Open]:
    """All that somebody does to be heard, in pages that they have open."""
    own, root = f"/p/{house.answer.id}", f"/p/{house.thread.id}"
    acts = {
        f"{root}/reply": {"text": "Still here."},
        "/g/open/new": {"title": "Still here", "text": "Still here."},
        f"{root}/heard": {"feeling": "same_here"},
        f"{own}/edit": {"text": "Other words."},
        "/write": {"to": "@ana"},
    }
    found = []
    for path, answers in acts.items():
        at = await who.open(path)
        form = at.page.form(*answers, action=path.rpartition("/")[2])
        found.append(Open(who, at, form, answers))
    return found


async def test_mod_H12_a_stopped_name_does_nothing_through_another_process(
    house: House, other: Victim
) -> None:
    node, ben = house.node, replace_port(house.ben, other.port)
    await _write_to_each_other(house)
    acts = await about_to_act(ben, house)
    before = await done(node)
    await stop(node, house.ben.actor)
    for act in acts:
        answer = await act.send()
        assert answer.status in (400, 403, 404), (act.form.action, answer.status, answer.text)
    assert await done(node) == before
    await go_on(node, house.ben.actor)
    for act in acts:
        assert (await act.send()).status == 303, act.form.action


async def test_mod_H12_who_is_put_out_says_nothing_there_through_another_process(
    house: House, other: Victim
) -> None:
    node, ben = house.node, replace_port(house.ben, other.port)
    await _write_to_each_other(house)
    acts = await about_to_act(ben, house)
    before = await done(node)
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, house.ana.speaker)
        await desk.ban(conn, node.here, house.open, acting, house.ben.actor, "Please rest.")
    for act in acts:
        answer = await act.send()
        assert answer.status in (400, 403, 404), (act.form.action, answer.status, answer.text)
    assert await done(node) == before
    joined = await ben.fill("/g/open/join", guidelines="1")
    assert "asked you to stay away" in joined.text


async def _write_to_each_other(house: House) -> None:
    await old(house.node, house.ana, house.ben)
    for who in (house.ana, house.ben):
        await turn_on(who)


async def test_mod_H12_a_lock_and_a_limit_hold_for_what_is_said_through_another_process(
    house: House, other: Victim
) -> None:
    node, ben = house.node, replace_port(house.ben, other.port)
    visitor = replace(house.visitor, node=replace(node, port=other.port))
    path = f"/p/{house.thread.id}/reply"
    until = node.here.now().date()
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, house.ana.speaker)
        await desk.lock(conn, node.here, house.open, acting, house.thread)
    before = await done(node)
    locked = await ben.send("POST", path, {"text": "Too late.", "as": str(ben.actor.id)})
    assert locked.status in (400, 403, 404), locked.text
    assert await done(node) == before
    async with node.engine.begin() as conn:
        await desk.unlock(conn, node.here, house.open, acting, house.thread)
        await desk.limit(conn, node.here, house.open, acting, ben.actor, "Please rest.", until)
    assert (await ben.fill(path, text="Read me first.")).status == 303
    assert "Read me first." not in (await visitor.open(f"/t/{house.thread.id}")).text
    async with node.engine.begin() as conn:
        await desk.end_limit(conn, node.here, house.open, acting, ben.actor)
    assert (await ben.fill(path, text="Shown at once.")).status == 303
    assert "Shown at once." in (await visitor.open(f"/t/{house.thread.id}")).text


async def test_sec_L9_open_pages_end_or_hear_nothing_once_their_reader_may_not_read(
    house: House, other: Victim
) -> None:
    """Stopped, put out of the group, or outside when it closes: in another process."""
    node = house.node
    await node.join(house.ben.speaker, house.private.actor.uri)
    root = await node.start(house.ana.speaker, house.private.actor.uri, "Closed", "Words.")
    inside, port = f"/t/{root.id}", other.port
    async with listening(house.ben, inside, port=port) as page:
        async with node.engine.begin() as conn:
            acting = await desk.require(conn, house.private, house.ana.speaker)
            await desk.ban(conn, node.here, house.private, acting, house.ben.actor, "Please rest.")
        await page.ends(SOON)
    async with listening(house.ben, f"/t/{house.thread.id}", port=port) as page:
        await stop(node, house.ben.actor)
        await page.ends(SOON)
    async with listening(house.cleo, f"/t/{house.thread.id}", port=port) as page:
        async with node.engine.begin() as conn:
            group = await group_store.get(conn, house.open.id)
            assert group.settings is not None
            await group_store.update(
                conn,
                node.here,
                group,
                name="Open",
                about="",
                settings=replace(group.settings, sees=Sees.MEMBERS),
            )
        await node.reply(house.ana.speaker, house.thread.uri, "Among us.")
        await page.ends(SOON)


async def test_mod_H12_what_others_send_is_heard_no_more_by_another_process(
    house: House, peer: PeerFactory
) -> None:
    """From a name elsewhere that was stopped, or put out of a group; from a domain kept away."""
    node = house.node
    wide = await node.group("wide", house.ana.speaker, settings=GroupSettings(posts=Posts.ANYONE))
    good = await peer("good.test", node)
    async with victim(node, None, works=False) as other:
        there = replace(node, port=other.port)
        people = {name: good.person(name) for name in ("ann", "bob", "cat")}

        async def says(name: str, words: str) -> tuple[int, Document]:
            note = good.note(people[name], words, to=[PUBLIC, wide.actor.uri], name=words)
            status = await good.send(there, good.create(people[name], note), people[name])
            await settle(node)
            return status, note

        for name in people:
            status, note = await says(name, "Before.")
            assert (status, await node.post(note["id"]) is not None) == (202, True)
        await stop(node, await known(node, people["ann"]))
        async with node.engine.begin() as conn:
            acting = await desk.require(conn, wide, house.ana.speaker)
            bob = await actor_store.by_uri(conn, people["bob"].uri)
            assert bob is not None
            await desk.ban(conn, node.here, wide, acting, bob, "Please rest.")
        for name in ("ann", "bob"):
            _, note = await says(name, "After.")
            assert await node.post(note["id"]) is None, name
        for level in (Level.REJECT, Level.DROP):
            async with node.engine.connect() as conn:
                would = await impact.of(conn, node.here, [good.name], level)
            seen = Seen(would.digest, looked=True)
            await keeping_away.decide(node.engine, node.here, good.name, Policy(level), seen=seen)
            await asyncio.sleep(SOON)
            status, note = await says("cat", "After.")
            assert await node.post(note["id"]) is None, level
            assert (status == 202) == (level is Level.DROP), (level, status)
        await keeping_away.forget(node.engine, node.here, good.name)
        await asyncio.sleep(SOON)
        status, note = await says("cat", "Again.")
        assert (status, await node.post(note["id"]) is not None) == (202, True)


async def known(node: Node, person: Elsewhere) -> Actor:
    async with node.engine.connect() as conn:
        found = await actor_store.by_uri(conn, person.uri)
    assert found is not None
    return found


async def test_mod_5_12_who_is_stopped_still_reports_and_asks_for_a_second_look(
    house: House, other: Victim
) -> None:
    """They may be in danger, or right: what asks people for help is taken, by every process."""
    node, ben = house.node, replace_port(house.ben, other.port)
    ana = replace_port(house.ana, other.port)
    await node.join(house.cleo.speaker, house.open.actor.uri)
    ours = await node.start(house.cleo.speaker, house.open.actor.uri, "Nights", "It was long.")
    await stop(node, house.ben.actor)
    assert (await ben.open("/help")).status == 200
    said = {"why": "unkind", "words": "Look at this one."}
    for path in (f"/p/{ours.id}/report", "/u/cleo/report"):
        sent = await ben.fill(path, path, **said)
        assert (sent.status, "Thank you" in sent.text) == (200, True), sent.text
    worried = f"/p/{ours.id}/report"
    sent = await ben.fill(worried, worried, why="worried", soon="1")
    assert sent.status == 200, sent.text
    assert "crisis" in sent.text.lower(), "and sees lines of help at once"
    assert "Look at this one." in (await looked_at(ana, "/g/open/desk/cases")).text
    waiting = (await ana.open("/moderation")).text
    assert "A post · cleo" in waiting
    assert "A person · cleo" in waiting
    async with node.engine.connect() as conn:
        case = await conn.scalar(sa.select(care_cases.c.id))
    assert f"/moderation/care/{case}" in (await ana.open("/moderation/care")).html

    mine = await ben.open("/personas/ben/decisions")
    why = re.search(r"/decisions/\d+", mine.html)
    assert why is not None, mine.text
    asked = await ben.fill(why[0], f"{why[0]}/appeal", words="I was ill.")
    assert asked.status == 303, asked.text
    assert "I was ill." in (await ben.open(why[0])).text
    assert "I was ill." in (await ana.open("/settings/node/appeals")).text
    refused = await ben.send("POST", f"/p/{ours.id}/reply", {"text": "Hm", "as": str(ben.actor.id)})
    assert refused.status in (400, 403, 404), "and says nothing"
