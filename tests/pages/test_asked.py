"""Asking another desk from the page of a case, and what comes of it (MOD-5.4, MOD-5.12)."""

import html
import json
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from groups import groups as group_store
from groups.groups import GroupSettings, add_moderator
from kernel.schema.directed import Category, Urgency
from kernel.schema.groups import Posts
from kernel.schema.tables import audit, care_cases, signals
from moderation import audit as log
from moderation import directed
from moderation.directed import sent
from moderation.signals import published
from moderation.signals.published import Advice
from moderation.signals.vocabulary import Policy
from node.pages.session import ADMINISTRATOR
from tests.nodes import Node, NodeFactory
from tests.nodes import settle as settle_all
from tests.pages.conftest import House, looked_at
from tests.pages.people import Answer, Person, person, settle
from tests.peer import PeerFactory
from tests.wire.pacting import agree, agree_with_peer, proven
from tests.wire.world import said

ASKED = "/moderation/asked"


async def test_mod_5_4_what_is_sent_is_shown_first_and_what_came_of_it_stands_by_the_case(
    house: House, peer: PeerFactory
) -> None:
    """MOD-5.13: a moderator reads every byte, and the words of whoever reported are not in it."""
    node, good = house.node, await peer("good.test", house.node)
    desk = await agree_with_peer(node, good)
    group = await node.group(
        "anyone", house.ana.speaker, settings=GroupSettings(posts=Posts.ANYONE)
    )
    author = good.person("kim")
    note = good.note(author, "Buy this", to=["as:Public", group.actor.uri])
    await said(node, good, author, note)
    post = await node.post(note["id"])
    assert post is not None
    at = f"/p/{post.id}/report"
    assert (await house.cleo.fill(at, at, why="unkind", words="It hurt me")).status == 200
    page = await looked_at(house.ana, "/g/anyone/desk/cases")
    form = next(each for each in page.page.forms if each.action.endswith("/tell"))
    case = form.action.removesuffix("/tell")
    chosen = {
        "letter": "Adverts <b>all</b> day.", "with_post": "yes", "sure": "yes",
        "category": "takedown", "action": "remove", "urgency": "today", "rule": "No adverts",
    }  # fmt: skip
    unsure = await house.ana.send("POST", f"{case}/ask", {**chosen, "sure": ""})
    assert "Few people here" in unsure.text
    assert "Adverts" in unsure.html
    shown = await house.ana.send("POST", f"{case}/ask", chosen)
    assert shown.status == 200
    letter = json.loads(sent_as(shown))
    assert good.got("Flag") == []
    wrong = await house.ana.send("POST", f"{case}/tell", {**chosen, "category": "care"})
    assert wrong.status == 400
    sent = await house.ana.submit(shown, shown.page.form("letter", action=f"{case}/tell"))
    assert sent.status == 303, sent.text
    node.clock.forward(minutes=2)
    await settle_all(node)
    (flag,) = good.got("Flag")
    drawn = ("id", "proof", "cc")
    assert {name: value for name, value in flag.items() if name not in drawn} == {
        name: value for name, value in letter.items() if name not in drawn
    }
    assert b"hurt" not in b"".join(good.raw)
    assert b"cleo" not in b"".join(good.raw)
    assert "sent, no answer yet" in (await house.ana.open(case)).text
    accept = good.activity("TentativeAccept", desk, flag["id"], to=[f"{node.origin}/desk/node"])
    await good.send(node, proven(node, desk, accept), desk)
    await settle_all(node)
    listed = await house.ana.open(ASKED)
    for text in (listed.text, (await house.ana.open(case)).text):
        assert "waits there for a person" in text
        assert "No adverts" in text
    (ask,) = await asked(node)
    changed = await house.ana.send(
        "POST", f"{ASKED}/{ask.id}", {"task": "change", "words": "Worse now.", "urgency": "now"}
    )
    assert changed.status == 303
    named = {"task": "change", "words": "@cleo said so", "urgency": "now"}
    assert (await house.ana.send("POST", f"{ASKED}/{ask.id}", named)).status == 400
    back = await house.ana.send("POST", f"{ASKED}/{ask.id}", {"task": "back"})
    assert back.status == 303
    assert "taken back" in (await house.ana.open(ASKED)).text
    for who in (house.ben, house.visitor):
        assert (await who.open(ASKED)).status in (303, 403)
    for way, status in (("in", 200), ("up", 404)):
        assert (await house.ana.open(f"{ASKED}?way={way}")).status == status


def sent_as(page: Answer) -> str:
    """What a page shows of a letter."""
    (text,) = re.findall(r"<pre[^>]*>(.*?)</pre>", page.html, re.DOTALL)
    return html.unescape(text)


async def asked(node: Node) -> list[sent.Asked]:
    async with node.engine.connect() as conn:
        return list(await sent.listed(conn, node.here))


async def advised(node: NodeFactory) -> tuple[Node, Node, Person, Person, int]:
    """Birch advises something, alder has read it, and both have a pact."""
    alder, birch = await node("alder.test"), await node("birch.test")
    await settle(alder)
    await settle(birch, name="Birch")
    await agree(alder, birch)
    ana, ben = [
        await person(each, name, roles=frozenset({ADMINISTRATOR}))
        for each, name in ((alder, "ana"), (birch, "ben"))
    ]
    async with birch.engine.begin() as conn:
        until = birch.here.now().date() + timedelta(days=90)
        said = Advice(
            domain="bad.example", policy=Policy.FILTER, until=until, labels=("harassment",),
            summary="Unwanted contact",
        )  # fmt: skip
        await published.advise(conn, birch.here, said)
    await settle_all(alder, birch)
    async with alder.engine.connect() as conn:
        signal_id = await conn.scalar(sa.select(signals.c.id))
    assert signal_id is not None
    return alder, birch, ana, ben, signal_id


async def unanswered(node: Node) -> bool:
    async with node.engine.connect() as conn:
        return bool(await conn.scalar(sa.select(signals.c.appeal_unanswered)))


async def test_mod_5_12_who_advised_is_asked_again_and_the_answer_stands_beside_the_advice(
    node: NodeFactory,
) -> None:
    alder, birch, ana, ben, signal_id = await advised(node)
    at = f"{ASKED}/advice/{signal_id}"
    assert "Ask them to look again" in (await ana.open("/settings/node/signals")).text
    look = await ana.send("POST", at, {"words": "That was another server.", "look": "yes"})
    assert '"category": "appeal"' in sent_as(look)
    assert (await ana.send("POST", at, {"words": ""})).status == 400
    assert (await ana.send("POST", at, {"words": "That was another server."})).status == 303
    again = await ana.send("POST", at, {"words": "Once more."})
    assert again.status == 409
    alder.clock.forward(minutes=1)
    await settle_all(alder, birch)
    page = await ben.open(f"{ASKED}?way=in")
    assert "That was another server." in page.text
    (ask,) = await asked(alder)
    assert ask.state == "seen"
    alder.clock.forward(days=31)
    await settle_all(alder, birch)
    assert await unanswered(alder)
    roles = frozenset({ADMINISTRATOR})  # sessions have ended
    ana, ben = await person(alder, "ada", roles=roles), await person(birch, "bea", roles=roles)
    assert "have not answered" in (await ana.open(at)).text
    form = next(each for each in page.page.forms if each.action.startswith(ASKED))
    empty = await ben.submit(page, form, outcome="no-action", words=" ")
    assert empty.status == 400
    said = await ben.submit(page, form, outcome="no-action", words="We looked. It stays.")
    assert said.status == 303
    await settle_all(alder, birch)
    assert not await unanswered(alder)
    for path in (at, ASKED):
        seen = (await ana.open(path)).text
        assert "We looked. It stays." in seen
        assert "nothing was needed" in seen
    (ask,) = await asked(alder)
    assert ask.answer == "We looked. It stays."
    with pytest.raises(directed.Refused):
        async with alder.engine.begin() as conn:
            await directed.send(
                conn, alder.here, "cedar.test", category=Category.APPEAL,
                object_uri="http://cedar.test/x", words="Please.", urgency=Urgency.TODAY,
            )  # fmt: skip
    async with alder.engine.connect() as conn:
        assert await sent.advice_of(conn, ["http://cedar.test/x"]) == []
        uri = await conn.scalar(sa.select(signals.c.uri))
        assert [each.host for each in await sent.advice_of(conn, [str(uri)])] == ["birch.test"]
        verbs = list(await conn.scalars(sa.select(audit.c.verb)))
    assert {"ask peer appeal", "appeal unanswered", "peer answered closed"} <= set(verbs)
    assert log.APPEAL_WITHIN.days == 20


async def test_mod_5_14_their_server_is_asked_to_look_after_somebody_once_and_the_case_says_so(
    house: House, peer: PeerFactory
) -> None:
    """Also for moderators of the group alone, who read no list of what was asked."""
    node, good = house.node, await peer("good.test", house.node)
    await agree_with_peer(node, good)
    anyone = GroupSettings(posts=Posts.ANYONE)
    group = await node.group("anyone", house.ana.speaker, settings=anyone)
    dan = await person(node, "dan")
    async with node.engine.begin() as conn:
        version = (await group_store.get(conn, group.id)).guidelines_version
        await add_moderator(conn, node.here, group.actor, dan.actor, version)
    author = good.person("kim")
    note = good.note(author, "I cannot any more", to=["as:Public", group.actor.uri])
    await said(node, good, author, note)
    post = await node.post(note["id"])
    assert post is not None
    at = f"/p/{post.id}/report"
    assert (await house.cleo.fill(at, at, why="worried", words="Please look")).status == 200
    async with node.engine.connect() as conn:
        case = f"/moderation/care/{await conn.scalar(sa.select(care_cases.c.id))}"
    assert (await dan.fill(case, f"{case}/claim")).status == 303
    assert (await dan.fill(case, f"{case}/ask-home")).status == 303
    assert "goes out within the hour" in (await dan.open(case)).text
    again = await dan.send("POST", f"{case}/ask-home", {})
    assert again.status == 409
    assert "asked this already" in again.text
    node.clock.forward(minutes=1)
    await settle_all(node)
    page = await dan.open(case)
    assert "sent, no answer yet" in page.text
    assert f"{case}/ask-home" not in page.html
    assert "Ring us" not in page.text
    assert "Ring us" not in (await house.ana.open(case)).text
    node.clock.forward(hours=5)
    await settle_all(node)
    for who in (dan, house.ana):
        page = await who.open(case)
        assert "nobody there has looked yet" in page.text
        assert "Ring us" in page.text
    assert (await house.ana.open(ASKED)).text.count("Ring us") == 1
    (ask,) = await asked(node)
    assert ask.case_id is None
    assert note["id"] not in ask.change
    assert len(good.got("Flag")) == 1
