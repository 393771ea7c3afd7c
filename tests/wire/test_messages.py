"""Notes for one persona and nobody else: what comes, what goes, and who can fetch it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub.actors import Actor
from groups import closing
from groups.groups import Group, GroupSettings
from kernel.errors import Problem
from kernel.release import Timing
from kernel.schema.groups import Sees
from kernel.schema.messages import Standing
from kernel.schema.tables import (
    activities,
    correspondents,
    deliveries,
    message_boxes,
    messages,
    notices,
    posts,
)
from kernel.schema.tables import conversations as conversations_table
from members import conversations, requests
from members import correspondents as circle
from members import messages as store
from moderation.standing import Speaker
from node import strangers
from node.tidy import tidy
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Peer, PeerFactory, Person
from tests.wire.messaging import accepts, accepts_back, counted, direct, read, stands, takes, write
from tests.wire.world import ask, said


async def test_a_message_is_read_by_its_reader_alone_and_stored_sealed(
    alder: Node, kay: Speaker, ana: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    await said(alder, good, cat, direct(good, cat, "Only for you", kay))
    assert await read(alder, kay) == ["<p>Only for you</p>"]
    assert await read(alder, ana) == []
    assert await alder.mentions("Only for you") == []  # sealed at rest, raw activity gone
    assert await counted(alder, posts) == 0
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(notices.c.kind)) == "message"
        (conversation,) = await conversations.of(conn, kay.id)
        with pytest.raises(Problem):
            await conversations.get(conn, ana.id, conversation.id)
    for path in ("/u/kay/outbox", "/u/kay", "/nodeinfo/2.1", "/u/kay/followers"):
        assert b"Only for you" not in (await ask(alder, path)).body
    assert json.loads((await ask(alder, "/u/kay/outbox")).body)["totalItems"] == 0


async def test_what_a_stranger_writes_is_kept_nowhere_and_asks_once_without_words(
    alder: Node, kay: Speaker, good: Peer, cat: Person
) -> None:
    for number in range(3):
        note = direct(good, cat, f"Look at me {number}", kay, summary="Look at my note")
        await said(alder, good, cat, note)
    known = await alder.meet(cat.uri)
    assert await stands(alder, kay, known) == Standing.ASKED
    assert await alder.mentions("Look at m") == []
    assert await read(alder, kay) == []
    assert await counted(alder, notices) == 1
    assert good.inbox == []  # whoever asks hears nothing

    async with alder.engine.begin() as conn:
        await requests.say_not_now(conn, alder.here, kay.id, known.id)
    await said(alder, good, cat, direct(good, cat, "Please?", kay))
    assert await stands(alder, kay, known) == Standing.HIDDEN
    assert await counted(alder, notices) == 1
    alder.clock.forward(days=31)
    await tidy(alder.engine, alder.here)
    assert await stands(alder, kay, known) is None


async def test_sec_U8_off_blocked_full_and_nobody_are_the_same_from_outside(
    alder: Node, kay: Speaker, good: Peer, cat: Person
) -> None:
    off = await alder.persona("off")
    blocks = await alder.persona("blocks")
    await takes(alder, blocks)
    known = await alder.meet(cat.uri)
    async with alder.engine.begin() as conn:
        await circle.block(conn, alder.here, blocks.id, known.id)
    for number in range(requests.MAX_OF_SERVER):
        other = good.person(f"other{number}")
        await said(alder, good, other, direct(good, other, "Me too", kay))
    before = len(good.inbox)
    uris = [each.actor.uri for each in (kay, off, blocks)] + [f"{alder.origin}/u/nobody"]
    for uri in uris:
        note = good.note(cat, "Hello", to=[uri])
        assert await good.send(alder, good.create(cat, note), cat) == 202
        await settle(alder)
    assert len(good.inbox) == before
    assert await stands(alder, kay, known) is None  # three of one server wait already
    assert await stands(alder, off, known) is None
    assert await stands(alder, blocks, known) == Standing.BLOCKED
    assert await alder.mentions("<p>Hello</p>") == []


async def test_wire_Q1_a_note_for_anybody_else_as_well_is_no_message(
    alder: Node, sleep: Group, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    me, ben = kay.actor.uri, good.person("ben").uri
    mention = {"type": "Mention", "href": sleep.actor.uri, "name": "@sleep"}
    wider: list[dict[str, Any]] = [
        {"to": [me, ben]},
        {"to": [me, sleep.actor.uri]},
        {"to": [me, f"{cat.uri}/followers"]},
        {"cc": [f"{sleep.actor.uri}/followers"]},
        {"audience": sleep.actor.uri},
        {"bto": [ben]},
        {"bcc": ben},
        {"tag": [mention]},
        {},  # here it is the activity
    ]
    for extra in wider:
        create = good.create(cat, direct(good, cat, "For several", kay, **extra))
        if not extra:
            create["cc"] = [PUBLIC]
        assert await good.send(alder, create, cat) == 202
        await settle(alder)
    assert await read(alder, kay) == []
    assert await counted(alder, posts) == 0
    assert await alder.mentions("For several") == []


async def test_what_waits_goes_out_only_if_its_reader_still_wants_it(
    alder: Node, kay: Speaker, friend: Actor, good: Peer
) -> None:
    lea = await alder.persona("lea")
    await takes(alder, lea)
    await accepts(alder, lea, kay.actor)
    await accepts_back(alder, kay, friend)
    expected: list[str] = []
    for reader in (lea.actor, friend):
        for words in ("In time", "Too late"):
            await write(alder, kay, reader, words, Timing(undo=5))
            await settle(alder)
            if words == "In time":
                assert await read(alder, lea) == expected
                assert good.got("Create") == []
                alder.clock.forward(minutes=6)
                await settle(alder)
                expected = await read(alder, lea)
        async with alder.engine.begin() as conn:
            await circle.stop(conn, alder.here, reader.id, kay.id)
        alder.clock.forward(minutes=6)
        await settle(alder)
    assert await read(alder, lea) == ["<p>In time</p>"]
    assert [each["object"]["content"] for each in good.got("Create")] == ["<p>In time</p>"]
    assert len(await read(alder, kay)) == 4  # they stay with their author


async def test_sec_L15_a_message_goes_to_its_readers_own_inbox_and_only_their_server_fetches_it(
    alder: Node,
    kay: Speaker,
    friend: Actor,
    good: Peer,
    cat: Person,
    peer: PeerFactory,
) -> None:
    third = await peer("third.test", alder)
    eve = third.person("eve")
    await accepts_back(alder, kay, friend)
    await write(alder, kay, friend, "Hello **Cat**")
    await settle(alder)
    (create,) = good.got("Create")
    note = create["object"]
    assert create["to"] == note["to"] == [cat.uri]
    assert create["cc"] == note["cc"] == []
    assert note["content"] == "<p>Hello <strong>Cat</strong></p>"
    assert [each["href"] for each in note["tag"]] == [cat.uri]
    assert [each.path for each in good.posted if each.kind] == ["/u/cat/inbox"]
    assert third.inbox == []

    path = note["id"].removeprefix(alder.origin)
    unknown = await ask(alder, "/m/00000000-0000-4000-8000-000000000000")
    assert unknown.status == 404
    assert await ask(alder, path) == unknown
    assert await ask(alder, path, **third.signed_get(alder, eve, path)) == unknown
    mine = await ask(alder, path, **good.signed_get(alder, good.person("instance"), path))
    assert json.loads(mine.body)["content"] == note["content"]
    assert mine.headers["Cache-Control"] == "private, no-store"
    activity = create["id"].removeprefix(alder.origin)
    assert (await ask(alder, activity, **third.signed_get(alder, eve, activity))).status == 404

    await take_back(alder, kay)
    await settle(alder)
    (delete,) = good.got("Delete")
    assert (delete["to"], delete["object"]["id"]) == ([cat.uri], note["id"])
    assert (await ask(alder, path, **good.signed_get(alder, cat, path))).status == 404
    await tidy(alder.engine, alder.here)
    assert await counted(alder, activities) == 0  # nothing tells that there was one


async def take_back(node: Node, persona: Speaker) -> None:
    """A persona deletes the newest of its messages."""
    async with node.engine.begin() as conn:
        (conversation,) = await conversations.of(conn, persona.id)
        newest, *_ = await conversations.page(conn, node.here, persona.id, conversation.id)
        await store.delete(conn, node.here, persona.actor, conversation.id, newest.id)


async def test_what_is_deleted_before_it_was_sent_is_sent_nowhere(
    alder: Node, kay: Speaker, friend: Actor, good: Peer
) -> None:
    await accepts_back(alder, kay, friend)
    await write(alder, kay, friend, "A mistake")
    await take_back(alder, kay)
    assert await alder.mentions("A mistake") == []
    await settle(alder)
    assert good.got("Create") == []


async def test_what_goes_out_while_it_is_deleted_is_taken_back(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accepts_back(alder, kay, friend)
    await write(alder, kay, friend, "Just now", Timing(undo=5))
    alder.clock.forward(minutes=6)
    look = conversations.one

    async def look_and_wait(*args: Any) -> conversations.Message:
        found = await look(*args)
        assert not found.out
        await settle(alder)  # another worker lets it go out, and it arrives
        return found

    monkeypatch.setattr(conversations, "one", look_and_wait)
    await take_back(alder, kay)
    await settle(alder)
    assert [each["type"] for each in good.inbox] == ["Create", "Delete"]
    assert await read(alder, kay) == []


async def test_a_conversation_stays_while_any_words_are_in_it(
    alder: Node, kay: Speaker, friend: Actor, good: Peer
) -> None:
    await accepts_back(alder, kay, friend)
    await write(alder, kay, friend, "Long ago")
    alder.clock.forward(days=store.KEPT.days - 1)
    await write(alder, kay, friend, "Tomorrow", Timing(undo=60 * 24 * 2))
    alder.clock.forward(days=1, hours=1)
    await tidy(alder.engine, alder.here)
    assert await read(alder, kay) == ["<p>Tomorrow</p>"]
    async with alder.engine.begin() as conn:
        await store.stop_all(conn)
    await tidy(alder.engine, alder.here)
    assert await read(alder, kay) == ["<p>Tomorrow</p>"]
    alder.clock.forward(days=store.KEPT.days + 3)
    await tidy(alder.engine, alder.here)
    assert await counted(alder, messages) == await counted(alder, conversations_table) == 0


async def test_its_author_changes_a_message_and_widens_it_never(
    alder: Node, sleep: Group, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    note = direct(good, cat, "First", kay)
    await said(alder, good, cat, note)
    later = {**note, "content": "<p>Second</p>", "updated": "2026-01-03T00:00:00Z"}
    update = good.activity("Update", cat, later, to=note["to"])
    assert await good.send(alder, update, cat) == 202
    await settle(alder)
    assert await read(alder, kay) == ["<p>Second</p>"]

    wide = {**later, "content": "<p>Third</p>", "to": [PUBLIC, sleep.actor.uri]}
    update = good.activity("Update", cat, wide, to=wide["to"])
    assert await good.send(alder, update, cat) == 202
    dan = good.person("dan")
    stolen = {**later, "content": "<p>Fourth</p>", "attributedTo": dan.uri}
    update = good.activity("Update", dan, stolen, to=note["to"])
    assert await good.send(alder, update, dan) == 202
    delete = good.activity("Delete", dan, note["id"], to=note["to"])
    assert await good.send(alder, delete, dan) == 202
    await settle(alder)
    assert await read(alder, kay) == ["<p>Second</p>"]
    assert await counted(alder, posts) == 0


async def test_who_may_not_write_any_more_changes_no_message_either(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    note = direct(good, cat, "Before", kay)
    await said(alder, good, cat, note)
    async with alder.engine.begin() as conn:
        await circle.block(conn, alder.here, kay.id, friend.id)
    later = {**note, "content": "<p>After</p>", "updated": "2026-01-03T00:00:00Z"}
    update = good.activity("Update", cat, later, to=note["to"])
    assert await good.send(alder, update, cat) == 202
    await settle(alder)
    assert await read(alder, kay) == ["<p>Before</p>"]


async def test_a_delete_takes_a_message_away_in_any_order(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    note = direct(good, cat, "Gone soon", kay)
    create = await said(alder, good, cat, note)
    delete = good.activity("Delete", cat, note["id"], to=note["to"])
    assert await good.send(alder, delete, cat) == 202
    await settle(alder)
    assert await read(alder, kay) == []
    create = {**create, "id": f"{create['id']}-again"}
    assert await good.send(alder, create, cat) == 202
    await settle(alder)
    assert await read(alder, kay) == []


async def test_who_is_not_in_a_conversation_gets_nothing_of_it(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person, sleep: Group, ana: Speaker
) -> None:
    note = direct(good, cat, "Between us", kay)
    await said(alder, good, cat, note)
    eve = good.person("eve")
    await said(alder, good, eve, direct(good, eve, "Let me in", kay, inReplyTo=note["id"]))
    assert await read(alder, kay) == ["<p>Between us</p>"]

    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    quoting = good.note(
        eve, "Look", to=[PUBLIC, sleep.actor.uri], inReplyTo=root.uri, quoteUrl=note["id"]
    )
    await said(alder, good, eve, quoting)
    page = await alder.thread(root.uri)
    assert not any("Between us" in post.content for post in page.posts)


async def test_a_message_that_answers_a_post_of_a_closed_group_tells_nothing_of_that(
    alder: Node, ana: Speaker, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    closed = await alder.group("closed", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    root = await alder.start(ana, closed.actor.uri, "A secret title", "Secret words.")
    good.fetched.clear()
    note = direct(good, cat, "About that", kay, inReplyTo=root.uri)
    await said(alder, good, cat, note)
    answering = direct(good, cat, "And that", kay, inReplyTo=f"{good.origin}/notes/elsewhere")
    await said(alder, good, cat, answering)
    assert await read(alder, kay) == ["<p>And that</p>", "<p>About that</p>"]
    assert "/notes/elsewhere" not in good.fetched
    assert len((await alder.thread(root.uri, ana.id)).posts) == 1
    assert good.inbox == []


async def test_yes_to_somebody_elsewhere_is_told_in_our_words(
    alder: Node, kay: Speaker, good: Peer, cat: Person
) -> None:
    await said(alder, good, cat, direct(good, cat, "May I?", kay))
    known = await alder.meet(cat.uri)
    async with alder.engine.begin() as conn:
        await requests.say_yes(conn, alder.here, kay, known)
    await settle(alder)
    (create,) = good.got("Create")
    assert create["to"] == [cat.uri]
    assert "said yes" in create["object"]["content"]
    await said(alder, good, cat, direct(good, cat, "Thank you", kay))
    await write(alder, kay, known, "You are welcome")
    assert await read(alder, kay) == ["<p>You are welcome</p>", "<p>Thank you</p>"]


async def test_wire_M10_who_blocks_a_persona_is_sent_nothing_and_it_is_not_told(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    await accepts_back(alder, kay, friend)
    block = good.activity("Block", cat, kay.actor.uri, to=[kay.actor.uri])
    assert await good.send(alder, block, cat) == 202
    await settle(alder)
    await write(alder, kay, friend, "Are you there?")
    assert await read(alder, kay) == ["<p>Are you there?</p>"]
    assert await counted(alder, deliveries) == 0
    await said(alder, good, cat, direct(good, cat, "No", kay))
    assert await read(alder, kay) == ["<p>Are you there?</p>"]


async def test_a_message_with_contact_details_is_kept_folded(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    mention = f'<a href="{kay.actor.uri}" class="u-url mention">@<span>kay</span></a>'
    tag = f'<a href="{good.origin}/tags/Sleep" class="mention hashtag">#<span>sleep</span></a>'
    lines: Sequence[tuple[str, bool]] = (
        ("Call me: 0176 1234567", True),
        ("See https://meet.example/x", True),
        ('My <a href="https://meet.example/x">garden</a>', True),
        ('My <a lang="a href=" href="https://meet.example/x">garden</a>', True),
        ('<a class="hashtag mention" href="https://meet.example/x">#garden</a>', True),
        ('<a class="hashtag mention" href="https://meet.example/garden">#garden</a>', True),
        (f"<!--{'x' * 21_000}-->call me +49 176 1234567", True),
        ("See https://[", True),
        ("How are you?", False),
        (f"{mention} {tag} How are you?", False),
        ("Call me, or better call 116 123", False),
    )
    for number, (words, _) in enumerate(lines):
        note = direct(good, cat, str(number), kay) | {"content": f"<p>{words}</p>"}
        await said(alder, good, cat, note)
    note = direct(good, cat, "Hello", kay, summary="kay at gmail.com, call me: 0176 1234567")
    await said(alder, good, cat, note)
    async with alder.engine.connect() as conn:
        found = await conn.scalars(sa.select(messages.c.contacts).order_by(messages.c.place))
        assert list(found) == [*(folded for _, folded in lines), True]


async def test_a_message_always_fits_into_its_seal(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    for sign in ("\x01", "&#1;", "\\", "&quot;", "\U0001f33b", "<br>"):
        long = sign * (12_000 if sign == "\U0001f33b" else 24_000)
        note = direct(good, cat, "Long", kay) | {"content": f"<p>Hello{long}</p>"}
        await said(alder, good, cat, note)
    found = await read(alder, kay)
    assert [each[:8] for each in found] == ["<p>Hello"] * 6
    assert {"<p>Hello</p>"} < set(found)
    assert await alder.mentions("Hello") == []  # nothing waits in the clear for another try


async def test_conversations_go_with_a_name_and_correspondents_are_no_strangers(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    await said(alder, good, cat, direct(good, cat, "Hello", kay))
    alder.clock.forward(days=60)
    await strangers.forget(alder.engine, alder.here, strangers.Walk())
    assert await read(alder, kay) == ["<p>Hello</p>"]
    async with alder.engine.begin() as conn:
        await closing.close(conn, alder.here, kay.actor)
    for table in (messages, correspondents, message_boxes):
        assert await counted(alder, table) == 0


async def test_who_is_gone_elsewhere_takes_their_conversations_along(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    await said(alder, good, cat, direct(good, cat, "Hello", kay))
    good.shown["/u/cat"] = 410
    assert await good.send(alder, good.activity("Delete", cat, cat.uri), cat) == 202
    await settle(alder)
    assert await read(alder, kay) == []


async def test_messages_stand_in_the_order_in_which_they_were_written(
    alder: Node, kay: Speaker, friend: Actor, good: Peer, cat: Person
) -> None:
    await accepts_back(alder, kay, friend)
    expected: Sequence[str] = [f"<p>Number {number}</p>" for number in range(6)]
    for number in range(6):
        if number % 2:
            await write(alder, kay, friend, f"Number {number}")
        else:
            await said(alder, good, cat, direct(good, cat, f"Number {number}", kay))
    assert await read(alder, kay) == list(reversed(expected))
