"""Reports between servers: what others send is read without who said it, and ours names nobody."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from groups import hiding, reported
from groups import posts as post_store
from groups.groups import Group, GroupSettings
from kernel.errors import Malformed
from kernel.schema.groups import Posts, Sees
from kernel.schema.messages import Why
from kernel.schema.tables import activities, audit, cases, flags, received, reports
from moderation import cases as case_store
from moderation import forwarding
from moderation import reports as report_store
from moderation.directed import Refused
from moderation.forwarding import Letter
from moderation.reports import Said
from moderation.standing import Speaker
from node.tidy import tidy
from tests.nodes import Node, NodeFactory, settle
from tests.peer import Document, Peer, PeerFactory, Person
from tests.wire import lemmy as strict
from tests.wire.pacting import agree_with_peer
from tests.wire.world import Club, Follower, said

REPORTER = "rosamund"


async def filed(node: Node) -> Sequence[Any]:
    """Every case: whose desk, what about, and how many reports are in it."""
    many = sa.select(sa.func.count()).where(reports.c.case_id == cases.c.id).scalar_subquery()
    found = sa.select(cases.c.group_id, cases.c.subject, cases.c.post_id, cases.c.state, many)
    async with node.engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(found.order_by(cases.c.subject))]


def flag(peer: Peer, actor: Person, obj: Any, **extra: Any) -> Document:
    document = peer.activity("Flag", actor, obj, **extra)
    del document["to"], document["cc"]
    return {**document, **extra}


async def test_wire_M4_flags_of_every_software_become_cases_without_who_reported(
    alder: Node, sleep: Group, ana: Speaker, good: Peer, lemmy: Follower
) -> None:
    """MOD-3.8: Mastodon's and GoToSocial's come from an instance actor, Lemmy's from a person."""
    owl = await alder.persona("owl")
    post = await alder.start(owl, sleep.actor.uri, "Awake", "Again at four.")
    instance = good.person("good.test", kind="Application", path="actor")
    both = [owl.actor.uri, post.uri]
    mastodon = flag(good, instance, both, content="Please look at this.")
    linked = flag(good, instance, owl.actor.uri, content=f"See {post.uri}\n-----\nHm <b>")
    reporter = lemmy.peer.person(REPORTER)
    of_lemmy = flag(
        lemmy.peer,
        reporter,
        {"id": post.uri, "type": "Page"},
        id=f"{lemmy.peer.origin}/activities/flag/uid/{REPORTER}",
        to=[sleep.actor.uri],
        audience=sleep.actor.uri,
        summary="It is too much.",
    )
    for peer, document, signer in (
        (good, mastodon, instance),
        (good, linked, instance),
        (lemmy.peer, of_lemmy, reporter),
        (good, mastodon, instance),
    ):
        assert await peer.send(alder, document, signer) == 202
        await settle(alder)
    assert await filed(alder) == [(sleep.id, "post", post.id, "open", 3)]
    async with alder.engine.connect() as conn:
        case_id = await conn.scalar(sa.select(cases.c.id))
        assert case_id is not None
        said_ = await report_store.of_case(conn, alder.here, case_id)
        rows = (await conn.execute(sa.select(received))).all()
    assert {(each.origin, each.said.words) for each in said_} == {
        ("good.test", "Please look at this."),
        ("good.test", f"See {post.uri}\n-----\nHm <b>"),
        ("lemmy.test", "It is too much."),
    }
    assert all(each.why is Why.ELSE for each in said_)
    named = {*await alder.mentions(REPORTER)}
    assert named <= {column for column in named if column.startswith("actors.")}
    flagged = [row for row in rows if row.activity_uri.startswith("flag:")]
    assert len(flagged) == 3  # the same one came twice
    assert not [row for row in rows if row.state == "new"]
    assert {row.signer_uri for row in flagged} == {"http://good.test/", "http://lemmy.test/"}
    assert all(row.body is None and row.state == "done" for row in flagged)

    undo = lemmy.peer.activity("Undo", reporter, of_lemmy)  # as NodeBB does
    stranger = lemmy.peer.person("other")
    forged = lemmy.peer.activity("Undo", stranger, of_lemmy)
    for document, signer, left in ((forged, stranger, 3), (undo, reporter, 2)):
        assert await lemmy.peer.send(alder, document, signer) == 202
        await settle(alder)
        assert (await filed(alder))[0][-1] == left
    assert not [each for each in await alder.mentions(REPORTER) if "received" in each]


async def test_sec_L3_a_flag_reaches_only_what_its_server_may_know_and_not_without_end(
    alder: Node, sleep: Group, ana: Speaker, good: Peer, club: Club, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = await alder.group("closed", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    hidden = await alder.start(ana, closed.actor.uri, "Hidden", "Only for some.")
    gone = await alder.start(ana, sleep.actor.uri, "Gone", "Taken back.")
    await alder.delete(ana, gone.uri)
    instance = good.person("good.test", kind="Application", path="actor")
    elsewhere = "https://else.example/notes/1"
    nothing: list[Any] = [
        hidden.uri, gone.uri, f"{alder.origin}/p/1", elsewhere, closed.actor.uri, None, [], 7,
        {"type": "Note"}, [[ana.actor.uri]], f"{alder.origin}/desk/node",
    ]  # fmt: skip
    for obj in nothing:
        assert await good.send(alder, flag(good, instance, obj, content="x"), instance) == 202
    await settle(alder)
    assert await filed(alder) == []
    member = await club.thread(alder, good, good.person("kim"), "In the club")
    own = await alder.reply(club.member, member["id"], "From here")
    await settle(alder)
    for obj in (own.uri, [member["id"]], ana.actor.uri):
        await good.send(alder, flag(good, instance, obj, content="x" * 9_000), instance)
    await settle(alder)
    assert sorted(await filed(alder), key=str) == [
        (None, "person", None, "open", 1),
        (None, "post", own.id, "open", 1),
    ]
    for uri in (own.uri, member["id"]):  # hidden here, and the group elsewhere hears nothing of it
        post = await alder.post(uri)
        assert post is not None
        async with alder.engine.begin() as conn:
            for _ in range(2):
                await hiding.hide(conn, alder.here, await post_store.get(conn, post.id), "Unkind")
    await settle(alder)
    assert club.peer.got("Delete") == []
    assert [post.state for post in (await alder.thread(own.uri)).posts] == ["removed"] * 2
    async with alder.engine.connect() as conn:
        verbs = list(await conn.scalars(sa.select(audit.c.verb)))
    assert verbs.count("remove") == 2

    of_moderator = await alder.start(ana, sleep.actor.uri, "Mine", "By who looks after it.")
    await good.send(alder, flag(good, instance, of_moderator.uri), instance)
    await settle(alder)
    assert (None, "post", of_moderator.id, "open", 1) in await filed(alder)
    monkeypatch.setattr(report_store, "FLAGS_A_DAY", 0)
    other = await alder.start(ana, sleep.actor.uri, "Other", "Words.")
    assert await good.send(alder, flag(good, instance, other.uri), instance) == 202
    await settle(alder)
    assert len(await filed(alder)) == 3
    undo = good.activity("Undo", instance, flag(good, instance, other.uri))
    assert await good.send(alder, undo, instance) == 202
    await settle(alder)


async def test_a_report_that_comes_while_a_flag_is_taken_back_stays(
    alder: Node, sleep: Group, good: Peer
) -> None:
    owl = await alder.persona("owl")
    post = await alder.start(owl, sleep.actor.uri, "Awake", "Again at four.")
    instance = good.person("good.test", kind="Application", path="actor")
    sent = flag(good, instance, post.uri)
    assert await good.send(alder, sent, instance) == 202
    await settle(alder)
    (case,) = await filed(alder)
    assert case[-1] == 1

    async def take_back() -> None:
        async with alder.engine.begin() as conn:
            assert await report_store.take_back(conn, alder.here, sent["id"])

    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    waits += " AND wait_event_type = 'Lock'"
    async with alder.engine.begin() as conn, asyncio.timeout(30):
        await report_store.make(
            conn,
            alder.here,
            root=owl.actor.id.bytes * 2,
            about=reported.post_of(post),
            why="unkind",
            said=Said(words="Look."),
            group_id=sleep.id,
        )
        taking = asyncio.create_task(take_back())
        async with alder.engine.connect() as watching:
            while not await watching.scalar(sa.text(waits)):
                await watching.rollback()
                await asyncio.sleep(0.01)
    await taking
    assert await filed(alder) == [case]


async def reports_it(node: Node, who: Speaker, about: case_store.About, words: str) -> None:
    async with node.engine.begin() as conn:
        await report_store.make(
            conn,
            node.here,
            root=who.actor.id.bytes * 2,
            about=about,
            why="unkind",
            said=Said(words=words),
        )


async def tells(node: Node, peer: Peer, *, with_post: bool, words: str = "Please look.") -> None:
    """A moderator of the node tells the moderators of an author's server."""
    async with node.engine.begin() as conn:
        letter = await the_letter(conn, node, peer, with_post=with_post, words=words)
        await forwarding.plan(conn, node.here, letter)


async def the_letter(
    conn: AsyncConnection, node: Node, peer: Peer, *, with_post: bool, words: str = "Please look."
) -> Letter:
    case_id = await conn.scalar(sa.select(cases.c.id).where(cases.c.group_id.is_(None)))
    assert case_id is not None
    case = await case_store.get(conn, node.here, None, case_id)
    assert case.about is not None
    person = await actor_store.get(conn, case.about.actor_id)
    desk = await actor_store.by_uri(conn, f"{node.origin}/desk/node")
    club = await actor_store.by_uri(conn, f"{peer.origin}/c/club")
    assert desk is not None
    return Letter(
        case=case, signer=desk, person=person, group=club, words=words, with_post=with_post
    )


async def test_mod_5_13_what_goes_out_is_the_same_whoever_reported(
    node: NodeFactory, peer: PeerFactory
) -> None:
    """SEC-U18, WIRE-M1, WIRE-M2, WIRE-M3: bytes at the peer differ in the random id alone."""
    alder = await node("alder.test", release_delay=True)
    sent = []
    for number, (name, words) in enumerate((("rosamund", "It hurt"), ("zebedee", "Look: spam!"))):
        good = await peer(f"good{number}.test", alder)
        author, reporter = good.person("kim"), await alder.persona(name)
        anyone = GroupSettings(posts=Posts.ANYONE)
        group = await alder.group(f"group{number}", reporter, settings=anyone)
        note = good.note(author, "Buy this", to=["as:Public", group.actor.uri])
        await alder.meet(author.uri)
        await said(alder, good, author, note)
        post = await alder.post(note["id"])
        assert post is not None
        async with alder.engine.begin() as conn:
            await conn.execute(sa.delete(cases))
        await reports_it(alder, reporter, reported.post_of(post), words)
        await tells(alder, good, with_post=True)
        with pytest.raises(Exception, match="told already"):
            await tells(alder, good, with_post=True)
        await settle(alder)
        assert good.got("Flag") == []  # not in the minute in which it was decided
        async with alder.engine.connect() as conn:
            (due,) = await conn.scalars(sa.select(flags.c.due))
        wait = due - alder.here.now()
        assert timedelta(minutes=5) <= wait <= timedelta(minutes=62)
        assert (due.second, due.microsecond) == (0, 0)
        alder.clock.forward(minutes=65)
        await settle(alder)
        (document,) = good.got("Flag")
        (raw,) = [each for each in good.raw if b'"Flag"' in each]
        assert document["object"] == [note["id"], author.uri]
        assert document["summary"] == document["content"] == "Please look."
        assert document["to"] == [author.uri]
        assert document["actor"] == "http://alder.test/desk/node"
        for private in (name, words, reporter.actor.uri, str(reporter.actor.id)):
            assert private.encode() not in raw
        plain = raw.replace(document["id"].encode(), b"ID").replace(good.name.encode(), b"PEER")
        sent.append(plain.replace(note["id"].split("/")[-1].encode(), b"NOTE"))
        assert set(json.loads(raw)) == {
            "@context", "id", "type", "actor", "to", "object", "summary", "content",
        }  # fmt: skip
        await tidy(alder.engine, alder.here)
        async with alder.engine.connect() as conn:
            kept = sa.select(sa.func.count()).where(activities.c.kind == "Flag")
            assert await conn.scalar(kept) == 0
        assert (await alder.get(document["id"].removeprefix(alder.origin))).status == 404
    assert sent[0] == sent[1]


async def test_wire_M2_author_and_group_elsewhere_are_told_one_each_and_deleted_posts_not_named(
    alder: Node, club: Club, peer: PeerFactory
) -> None:
    other = await peer("other.test", alder)
    author = other.person("kim")
    note = await club.thread(alder, other, author, "Unkind words")
    post = await alder.post(note["id"])
    assert post is not None
    await reports_it(alder, club.member, reported.post_of(post), "It hurt")
    await settle(alder)
    for bad in ("", f"@{club.member.actor.handle} saw it", f"{alder.origin}/u/x saw it"):
        with pytest.raises(Malformed):
            await tells(alder, club.peer, with_post=True, words=bad)
    await tells(alder, club.peer, with_post=True)
    alder.clock.forward(minutes=2)
    await settle(alder)
    (to_author,), (to_group,) = other.got("Flag"), club.peer.got("Flag")
    assert to_author["to"] == [author.uri]
    assert "audience" not in to_author
    assert to_group["to"] == [club.group.uri]
    assert to_group["audience"] == club.group.uri
    assert to_author["id"] != to_group["id"]
    for each in (to_author, to_group):
        strict.activity(each)
    assert to_author["object"] == to_group["object"] == [note["id"], author.uri]

    async with alder.engine.begin() as conn:
        await conn.execute(sa.delete(cases))
    await reports_it(alder, club.member, reported.post_of(post), "It hurt")
    await tells(alder, club.peer, with_post=True, words="Once more.")
    await club.announce(alder, other.activity("Delete", author, note["id"]))
    other.shown[note["id"].removeprefix(other.origin)] = 404
    alder.clock.forward(minutes=2)
    await settle(alder)
    last = other.got("Flag")[-1]
    assert last["content"] == "Once more."


async def test_mod_5_13_without_the_post_a_desk_that_knows_nothing_of_the_rest_is_left_out(
    alder: Node, club: Club, peer: PeerFactory
) -> None:
    await agree_with_peer(alder, club.peer)
    other = await peer("other.test", alder)
    author = other.person("kim")
    note = await club.thread(alder, other, author, "Unkind words")
    post = await alder.post(note["id"])
    assert post is not None
    await reports_it(alder, club.member, reported.post_of(post), "It hurt")
    await settle(alder)
    async with alder.engine.connect() as conn:
        letter = await the_letter(conn, alder, club.peer, with_post=False)
        shown = dict(await forwarding.preview(conn, alder.here, letter))
        assert list(shown) == ["other.test", club.peer.name]
        assert not isinstance(shown["other.test"], Refused)
        assert "does not know" in str(shown[club.peer.name])
    await tells(alder, club.peer, with_post=False)
    alder.clock.forward(minutes=2)
    await settle(alder)
    (flag,) = other.got("Flag")
    assert flag["object"] in (author.uri, [author.uri])
    assert club.peer.got("Flag") == []

    async with alder.engine.begin() as conn:
        await conn.execute(sa.delete(cases))
    await reports_it(alder, club.member, reported.post_of(post), "It hurt")
    await tells(alder, club.peer, with_post=True)
    alder.clock.forward(minutes=2)
    await settle(alder)
    assert len(club.peer.got("Flag")) == 1


async def test_mod_5_13_few_people_are_counted_and_nothing_is_passed_on_by_itself(
    alder: Node, sleep: Group, ana: Speaker, good: Peer, lemmy: Follower
) -> None:
    async with alder.engine.connect() as conn:
        assert await forwarding.is_small(conn, sleep.id)
    for number in range(5):
        await alder.persona(f"more{number}")
    closed = await alder.group("closed", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    async with alder.engine.connect() as conn:
        assert not await forwarding.is_small(conn, sleep.id)
        assert not await forwarding.is_small(conn, None)
        assert await forwarding.is_small(conn, closed.id)
    instance = good.person("good.test", kind="Application", path="actor")
    post = await alder.start(ana, sleep.actor.uri, "Awake", "Again at four.")
    await good.send(alder, flag(good, instance, post.uri, content="Look"), instance)
    await settle(alder)
    alder.clock.forward(hours=3)
    await settle(alder)
    assert good.got("Flag") == lemmy.peer.got("Flag") == []
    assert lemmy.peer.got("Announce", "Flag") == []
