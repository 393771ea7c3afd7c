"""Messages on pages: asking in no words, one rule for both doors, and reports of nobody's."""

import re
from html import escape

import pytest
import sqlalchemy as sa

from activitypub.actors import Actor
from groups import desk
from kernel.schema.actors import ActorState
from kernel.schema.messages import Standing
from kernel.schema.tables import (
    actors,
    bans,
    blocks,
    cases,
    correspondents,
    message_boxes,
    reports,
)
from members import conversations, personas, requests, sessions
from members import correspondents as circle
from moderation.standing import Speaker
from tests.members import people
from tests.nodes import Node, settle
from tests.pages.conftest import House, looked_at
from tests.pages.people import Answer, Person
from tests.peer import Peer, PeerFactory
from tests.peer import Person as Elsewhere
from tests.wire.messaging import accepts, direct, read, stands, takes
from tests.wire.world import said


async def old(node: Node, *who: Person) -> None:
    """They have been here for longer than a month."""
    async with node.engine.begin() as conn:
        await conn.execute(
            sa.update(actors)
            .where(actors.c.id.in_([each.actor.id for each in who]))
            .values(since=sa.text("date '2020-01-01'"))
        )


async def turn_on(who: Person) -> None:
    name = who.actor.handle
    sent = await who.fill(f"/messages/{name}", f"/messages/{name}/switch", on="yes")
    assert sent.status == 303, sent.text


@pytest.fixture
async def pair(house: House) -> House:
    """Ana and Ben have been here for a while and take messages."""
    await old(house.node, house.ana, house.ben)
    await turn_on(house.ana)
    await turn_on(house.ben)
    return house


async def asks(who: Person, to: str) -> Answer:
    return await who.fill("/write", "/write", to=to)


async def befriend(house: House) -> str:
    """Ben asks, Ana says yes: the conversation, as Ana's address of it."""
    assert (await asks(house.ben, "@ana")).status == 303
    page = await house.ana.open("/messages/ana")
    form = page.page.form("person", action="/messages/ana/answer")
    sent = await house.ana.submit(page, form, answer="yes")
    assert sent.status == 303, sent.text
    return sent.location


async def writes(who: Person, path: str, words: str) -> Answer:
    return await who.fill(path, path, text=words)


def mine(path: str, name: str) -> str:
    """The same conversation, as somebody else's address of it."""
    return re.sub(r"^/messages/\w+", f"/messages/{name}", path)


async def test_two_write_to_each_other_once_one_asked_and_one_said_yes(pair: House) -> None:
    path = await befriend(pair)
    assert "Ben said yes" not in (await pair.ana.open("/notices")).text
    assert "ana said yes" in (await pair.ben.open("/notices")).text
    sent = await writes(pair.ben, mine(path, "ben"), "Dearest *Ana*")
    assert sent.status == 303, sent.text
    page = await pair.ana.open(path)
    assert "Dearest <em>Ana</em>" in page.html
    assert "Only ben reads this" in page.text
    assert "ben wrote to you" in (await pair.ana.open("/notices")).text
    assert "Dearest" not in (await pair.ana.open("/notices")).text
    for stranger in (pair.cleo, pair.visitor):
        other = await stranger.open(path)
        assert "Dearest" not in other.html
    assert (await pair.cleo.open(mine(path, "cleo"))).status == 404

    delete = await pair.ben.open(mine(path, "ben"))
    form = next(each for each in delete.page.forms if each.action.endswith("/delete"))
    assert (await pair.ben.submit(delete, form)).status == 303
    assert "Dearest" not in (await pair.ana.open(path)).html
    assert await pair.node.mentions("Dearest") == []

    await writes(pair.ana, path, "One more")
    async with pair.node.engine.connect() as conn:  # what goes into an archive
        own = [
            [each.source for each in several]
            for who in (pair.ana, pair.ben)
            async for several in conversations.written(conn, pair.node.here, who.actor.id)
        ]
    assert own == [["One more"], []]
    stop = await pair.ben.open(mine(path, "ben"))
    form = next(each for each in stop.page.forms if each.action.endswith("/stop"))
    assert (await pair.ben.submit(stop, form)).status == 303
    for who, name in ((pair.ana, "ana"), (pair.ben, "ben")):
        assert "You cannot write to them now" in (await who.open(mine(path, name))).text
    late = await pair.ana.send("POST", path, {"text": "Wait", "as": "x"})
    assert late.status in {400, 403}


async def test_contact_details_are_refused_and_the_words_are_kept(pair: House) -> None:
    path = await befriend(pair)
    for words in (
        "Call me: 0176 1234567", "I am on insta: annie_99", "kay@gmail.com",
        "Find @kay@far.example", "Look at far.example/x",
        "Read https://far.example/x", "My name is Kay Miller",
        r"[my garden](https\://far.example)", "[x](https&#58;//far.example/)",
        "Call me: 01&#55;6 1234567", "Read https://[",
    ):  # fmt: skip
        refused = await writes(pair.ana, path, words)
        assert (refused.status, escape(words) in refused.html) == (400, True), words
        assert "Nothing is sent yet" in refused.text
        assert "can stay as it is" not in refused.text
    assert await read(pair.node, pair.ben.speaker) == []
    fine = ("Samaritans: 116 123", f"See {pair.node.origin}/g/open", "I slept 8 hours @home")
    for words in fine:
        assert (await writes(pair.ana, path, words)).status == 303, words


async def test_newcomers_neither_ask_nor_take_messages(house: House) -> None:
    page = await house.cleo.open("/messages/cleo")
    assert "once it has a post here" in page.text
    sent = await house.cleo.send("POST", "/messages/cleo/switch", {"on": "yes"})
    assert sent.status == 403
    refused = await asks(house.cleo, "@ana")
    assert (refused.status, "@ana" in refused.html) == (403, True)
    await old(house.node, house.cleo, house.ben)
    assert (await asks(house.cleo, "@ana")).status == 403  # no post yet
    off = await asks(house.ben, "@ana")
    assert "turn them on first" in off.text
    async with house.node.engine.connect() as conn:
        assert (await conn.execute(sa.select(correspondents))).all() == []


async def test_sec_U8_whoever_asks_learns_nothing_of_whom_they_asked(pair: House) -> None:
    node, speakers = pair.node, {}
    for name in ("off", "on", "blocks", "leaves"):
        speakers[name] = await node.persona(name)
        if name != "off":
            await takes(node, speakers[name])
    async with node.engine.begin() as conn:
        await circle.block(conn, node.here, speakers["blocks"].id, pair.ben.actor.id)
        await conn.execute(
            sa.update(actors)
            .where(actors.c.handle == "leaves")
            .values(closes_on=node.here.now().date())
        )
    seen = set()
    for name in speakers:
        answer = await asks(pair.ben, f"@{name}")
        page = await pair.ben.follow(answer)
        seen.add((answer.status, answer.location, page.text.replace(name, "…").count("…") > 0))
        assert f"@{name}@alder.test" in page.text  # asked, whatever became of it
    assert len(seen) == 1
    assert await stands(node, speakers["off"], pair.ben.actor) == Standing.HIDDEN
    assert await stands(node, speakers["on"], pair.ben.actor) == Standing.ASKED
    async with node.engine.begin() as conn:
        await requests.say_not_now(conn, node.here, speakers["on"].id, pair.ben.actor.id)
        await circle.unblock(conn, node.here, speakers["blocks"].id, pair.ben.actor.id)
    assert await stands(node, speakers["blocks"], pair.ben.actor) == Standing.HIDDEN
    again = await pair.ben.open("/messages/ben")
    for name in ("on", "blocks"):
        assert f"@{name}@alder.test" in again.text

    assert (await asks(pair.ben, "@cleo")).status == 303
    sixth = await asks(pair.ben, "@ana")
    assert sixth.status == 403
    assert "have not answered" in sixth.text


async def test_design_V3_a_sibling_of_somebody_banned_is_refused_and_nobody_else_learns_it(
    pair: House,
) -> None:
    path = await befriend(pair)
    node, member = pair.node, pair.ben.prepared.member
    sibling = await people.persona(node.engine, node.here, member, "sibling")
    async with node.engine.begin() as conn:
        actor = await desk.require(conn, pair.open, pair.ana.speaker)
        await desk.ban(conn, node.here, pair.open, actor, sibling, "Please rest.")
    refused = await writes(pair.ben, mine(path, "ben"), "Hello?")
    assert (refused.status, "Hello?" in refused.html) == (403, True)
    assert "While that holds" in refused.text
    assert (await writes(pair.ana, path, "Are you there?")).status == 303  # ben is not banned


RELATIONS = (
    "nothing", "asked", "hidden", "accepted", "blocked", "off", "banned", "suspended", "closing",
    "closed", "writer banned", "writer suspended",
)  # fmt: skip


async def relate(node: Node, reader: Speaker, writer: Actor, relation: str) -> None:
    """Put a writer and a reader into a relation."""
    state = {"nothing": None, "asked": Standing.ASKED, "hidden": Standing.HIDDEN}.get(
        relation, Standing.ACCEPTED
    )
    today = node.here.now().date()
    async with node.engine.begin() as conn:
        if relation != "off":
            await conn.execute(message_boxes.insert().values(persona_id=reader.id))
        if state is not None:
            await conn.execute(
                correspondents.insert().values(
                    owner_id=reader.id, other_id=writer.id, state=state, until=today
                )
            )
        if relation == "blocked":
            await circle.block(conn, node.here, reader.id, writer.id)
        which = writer.id if relation.startswith("writer") else reader.id
        changes: dict[str, dict[str, object]] = {
            "suspended": {"state": ActorState.SUSPENDED}, "closed": {"state": ActorState.CLOSED},
            "writer suspended": {"state": ActorState.SUSPENDED}, "closing": {"closes_on": today},
        }  # fmt: skip
        if changed := changes.get(relation):
            await conn.execute(sa.update(actors).where(actors.c.id == which).values(changed))


async def by_page(house: House, reader: Speaker) -> bool:
    """Whether Ben's words arrive from a page."""
    node = house.node
    async with node.engine.begin() as conn:
        conversation = await conversations.open_with(conn, node.here, house.ben.actor.id, reader.id)
    current = await sessions.read(node.engine, node.here, next(iter(house.ben.cookies.values())))
    assert current is not None
    token = personas.seal_choice(current, house.ben.actor.id, f"message {conversation}")
    path = f"/messages/ben/{conversation}"
    page = await house.ben.open(path)
    sent = await house.ben.send("POST", path, {"text": "From a page", "as": token})
    offered = page.status == 200 and "You cannot write to them now" not in page.text
    assert offered is (sent.status == 303)
    return sent.status == 303 and "<p>From a page</p>" in await read(node, reader)


async def by_inbox(house: House, peer: Peer, writer: Elsewhere, reader: Speaker) -> bool:
    """Whether the words of somebody elsewhere arrive."""
    words = f"From elsewhere to {reader.actor.handle}"
    await peer.send(house.node, peer.create(writer, direct(peer, writer, words, reader)), writer)
    await settle(house.node)
    return f"<p>{words}</p>" in await read(house.node, reader)


async def test_both_doors_answer_alike_whatever_two_are_to_each_other(
    pair: House, peer: PeerFactory
) -> None:
    node, good = pair.node, await peer("good.test", pair.node)
    found = {}
    for number, relation in enumerate(RELATIONS):
        here_, there = await node.persona(f"here{number}"), await node.persona(f"there{number}")
        writer = good.person(f"cat{number}")
        known = await node.meet(writer.uri)
        await relate(node, there, known, relation)
        await relate(node, here_, pair.ben.actor, relation)
        who = {"banned": (here_.id, there.id), "writer banned": (pair.ben.actor.id, known.id)}
        async with node.engine.begin() as conn:
            for each in who.get(relation, ()):
                row = {"group_id": pair.open.id, "actor_id": each, "reason": ""}
                await conn.execute(bans.insert().values(row))
        found[relation] = (
            await by_page(pair, here_),
            await by_inbox(pair, good, writer, there),
        )
        async with node.engine.begin() as conn:
            await conn.execute(sa.delete(bans))
            await conn.execute(
                sa.update(actors)
                .where(actors.c.id == pair.ben.actor.id)
                .values(state=ActorState.ACTIVE)
            )
    assert found == {each: (each == "accepted",) * 2 for each in RELATIONS}


async def test_desks_always_write_and_who_blocks_a_persona_never_does(
    pair: House, peer: PeerFactory
) -> None:
    node, good = pair.node, await peer("good.test", pair.node)
    off = await node.persona("off")
    async with node.engine.connect() as conn:
        voice = await desk.require(conn, pair.open, pair.ana.speaker)
        for each in (voice, pair.open.actor):
            assert await circle.may_write(conn, node.here, each.id, off.id)
            assert not await circle.may_write(conn, node.here, off.id, each.id)
    cat = good.person("cat")
    known = await node.meet(cat.uri)
    on = await node.persona("on")
    await takes(node, on)
    await accepts(node, on, known)
    async with node.engine.begin() as conn:
        await conn.execute(blocks.insert().values(blocker_id=known.id, persona_id=on.id))
    await said(node, good, cat, direct(good, cat, "Hello", on))
    assert await read(node, on) == []


async def test_a_desk_writes_to_people_of_its_group_and_names_no_moderator(house: House) -> None:
    at = f"/g/open/desk/write?person={house.ben.actor.id}"
    refused = await house.ana.fill(at, "/g/open/desk/write", text="Call me: 0176 1234567")
    assert (refused.status, "0176 1234567" in refused.html) == (400, True)
    sent = await house.ana.fill(at, "/g/open/desk/write", text="How are you?")
    assert sent.status == 303, sent.text
    page = await house.ben.open("/messages/ben")
    (path,) = re.findall(r'href="(/messages/ben/[0-9a-f-]{36})"', page.html)
    page = await house.ben.open(path)
    assert "How are you?" in page.text
    assert "It cannot be answered here" in page.text
    assert "@ana@" not in page.text
    for who, person in ((house.cleo, house.ben), (house.ana, house.cleo)):
        at = f"/g/open/desk/write?person={person.actor.id}"
        assert (await who.open(at)).status == 404


# ---- Reports


async def test_sec_L4_what_one_cannot_see_cannot_be_reported_and_answers_as_unknown(
    pair: House,
) -> None:
    path = await befriend(pair)
    await writes(pair.ben, mine(path, "ben"), "Between us")
    async with pair.node.engine.connect() as conn:
        conversation, *_ = await conversations.of(conn, pair.ana.actor.id)
        here, who = pair.node.here, pair.ana.actor.id
        (message,) = await conversations.page(conn, here, who, conversation.id)
    nothing = "00000000-0000-4000-8000-000000000000"
    await old(pair.node, pair.cleo)
    for name, target in ((nothing, nothing), (conversation.id, message.id)):
        at = f"/messages/cleo/{name}/{target}/report"
        for method in ("GET", "POST"):
            answer = await pair.cleo.send(method, at, {"why": "unkind", "words": ""})
            assert answer.status == 404
            assert "Between us" not in answer.html
    faces = [
        (await pair.cleo.send("POST", f"/messages/cleo/{name}/{target}/report", {"why": "else"}))
        for name, target in ((nothing, nothing), (conversation.id, message.id))
    ]
    assert faces[0].body == faces[1].body
    thread = await pair.node.start(pair.ana.speaker, pair.private.actor.uri, "Private", "Closed.")
    faces = [
        (await pair.cleo.send("POST", f"/p/{number}/report", {"why": "else"}))
        for number in (12345, thread.id)
    ]
    assert {each.status for each in faces} == {404}
    assert faces[0].body == faces[1].body
    async with pair.node.engine.connect() as conn:
        assert (await conn.execute(sa.select(reports))).all() == []


async def test_sec_U18_a_report_says_nothing_of_who_made_it(pair: House) -> None:
    path = await befriend(pair)
    await writes(pair.ben, mine(path, "ben"), "Send me a picture")
    page = await pair.ana.open(path)
    link = next(line for line in re.findall(r'href="([^"]+/report)"', page.html))
    sent = await pair.ana.fill(link, link, why="pressure", words="This frightens me.")
    assert "written down nowhere" in sent.text
    await pair.ana.fill(link, link, why="pressure", words="Again.")
    post = f"/p/{pair.answer.id}/report"
    assert (await pair.cleo.fill(post, post, why="unkind", words="Unkind.")).status == 200
    assert (await pair.ana.fill(post, post, why="unkind", words="Unkind.")).status == 200

    async with pair.node.engine.connect() as conn:
        rows = (await conn.execute(sa.select(reports))).all()
    assert len(rows) == 3  # one of each member about each thing
    about_post = [row for row in rows if row.why == "unkind"]
    random = {"id", "bearer", "sealed"}
    shown = [
        {name: value for name, value in row._mapping.items() if name not in random}
        for row in about_post
    ]
    assert shown[0] == shown[1]
    assert len({len(row.sealed) for row in rows}) == 1
    for words in ("frightens", "Send me a picture", "Unkind"):
        assert await pair.node.mentions(words) == []
    known = {each.actor.id for each in (pair.ana, pair.ben, pair.cleo)}
    async with pair.node.engine.connect() as conn:
        held = (await conn.execute(sa.select(cases))).all()
    assert len(held) == 2
    assert not {value for row in (*rows, *held) for value in row} & known

    desk_page = await looked_at(pair.ana, "/g/open/desk/cases")
    assert desk_page.text.count("Unkind.") == 2
    assert "cleo" not in desk_page.text
    assert "frightens" not in desk_page.text
    node_page = await looked_at(pair.ana, "/moderation")
    assert "Send me a picture" in node_page.text
    assert "This frightens me." in node_page.text
    assert "Unkind." not in node_page.text
    for at in ("/g/open/desk/cases", "/moderation"):
        assert (await pair.cleo.open(at)).status in {403, 404}
        assert (await pair.cleo.send("POST", at, {"case": str(held[0].id)})).status in {403, 404}

    form = next(each for each in node_page.page.forms if each.action.endswith("/nothing"))
    assert (await pair.ana.submit(node_page, form)).status == 303
    async with pair.node.engine.connect() as conn:
        assert len((await conn.execute(sa.select(reports))).all()) == 2


async def test_deleting_a_message_takes_no_report_away(pair: House) -> None:
    path = await befriend(pair)
    await writes(pair.ben, mine(path, "ben"), "Tell nobody")
    page = await pair.ana.open(path)
    link = re.findall(r'href="([^"]+/report)"', page.html)[0]
    await pair.ana.fill(link, link, why="pressure")
    at = await pair.ben.open(mine(path, "ben"))
    form = next(each for each in at.page.forms if each.action.endswith("/delete"))
    await pair.ben.submit(at, form)
    assert "Tell nobody" in (await looked_at(pair.ana, "/moderation")).text
    assert (await pair.ana.open(link)).status == 404
