"""Many answers at once end as they would one by one, in the same few statements (DESIGN 3)."""

import logging
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from groups import desk, polls, writing
from groups import parts as part_store
from groups.groups import Group, GroupSettings
from groups.posts import Post
from inbox import claim, said, together
from inbox.claim import Lost
from inbox.together import process_many
from kernel.schema.federation import ReceivedState
from kernel.schema.groups import Posts, Premoderation
from kernel.schema.posts import PostState
from kernel.schema.tables import posts, received, threads
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, settle
from tests.peer import PUBLIC, Document, Peer, PeerFactory, Person


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test")


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    return await alder.persona("ana")


@pytest.fixture
async def sleep(alder: Node, ana: Speaker) -> Group:
    return await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))


@pytest.fixture
async def root(alder: Node, ana: Speaker, sleep: Group) -> Post:
    return await alder.start(ana, sleep.actor.uri, "A title", "Some words.")


@pytest.fixture
async def away(peer: PeerFactory, alder: Node, root: Post) -> Peer:
    """A server that alder knows: somebody of it has written before."""
    made = await peer("away.test", alder)
    await _pour(alder, made, [_answer(made, made.person("known"), root.uri)])
    await settle(alder)
    return made


def _answer(peer: Peer, author: Person, parent: str, **extra: Any) -> tuple[Person, Document]:
    return author, peer.create(author, peer.note(author, "An answer.", inReplyTo=parent, **extra))


async def _pour(node: Node, peer: Peer, several: list[tuple[Person, Document]]) -> None:
    for author, create in several:
        assert await peer.send(node, create, author) == 202


async def _ends(node: Node) -> dict[str, tuple[str, str]]:
    """How each activity ended, by its id."""
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(received.c.activity_uri, received.c.state, received.c.reason)
        )
        return {row.activity_uri: (row.state, row.reason) for row in rows}


async def test_each_ends_as_it_would_alone(
    alder: Node, ana: Speaker, sleep: Group, root: Post, away: Peer
) -> None:
    kay, eve = away.person("kay"), away.person("eve")
    await alder.meet(kay.uri)
    closed = await alder.start(ana, sleep.actor.uri, "Closed", "Some words.")
    async with alder.engine.begin() as conn:
        await conn.execute(
            sa.update(threads).where(threads.c.id == closed.thread_id).values(locked=True)
        )
        await desk.ban(
            conn, alder.here, sleep, sleep.actor, await alder.meet(eve.uri), reason="", until=None
        )
    good = [_answer(away, kay, root.uri) for _ in range(3)]
    again = away.create(kay, good[0][1]["object"])
    into_closed = _answer(away, kay, closed.uri)
    banned = _answer(away, eve, root.uri)
    private = _answer(away, kay, root.uri, to=[kay.uri])
    early = _answer(away, kay, f"{alder.origin}/p/12345")
    on_answer = _answer(away, kay, good[2][1]["object"]["id"])
    await _pour(alder, away, [*good, (kay, again), into_closed, banned, private, early, on_answer])
    assert await process_many(alder.engine, alder.here)
    ends = await _ends(alder)
    for _, create in good:
        assert ends[create["id"]] == (ReceivedState.DONE, "")
    for _, create in (banned, private):
        assert ends[create["id"]] == (ReceivedState.REFUSED, "NotAllowed")
    assert ends[early[1]["id"]][0] == ReceivedState.NEW  # its parent may be on its way
    assert ends[into_closed[1]["id"]][0] == ReceivedState.NEW  # its author is to be told

    await settle(alder)
    ends = await _ends(alder)
    for create in (again, into_closed[1]):
        assert ends[create["id"]] == (ReceivedState.DONE, "")
    assert [each["object"] for each in away.got("Reject")] == [into_closed[1]["object"]["id"]]
    thread = await alder.thread(root.uri)
    answers = [create["object"]["id"] for _, create in (*good, on_answer)]
    assert [post.uri for post in thread.posts if post.uri in answers] == answers
    async with alder.engine.connect() as conn:
        row = (await conn.execute(sa.select(threads).where(threads.c.id == root.thread_id))).one()
        shown = await conn.scalar(
            sa.select(sa.func.count()).where(
                posts.c.thread_id == root.thread_id, posts.c.state == PostState.SHOWN
            )
        )
    assert row.replies + 1 == shown == 6  # the root, one that made the server known, and four
    assert row.latest_id == thread.posts[-1].id


async def test_who_writes_and_joins_joins_first(alder: Node, ana: Speaker, away: Peer) -> None:
    group = await alder.group("members", ana, settings=GroupSettings(posts=Posts.MEMBERS))
    thread = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    kay = away.person("kay")
    await alder.meet(kay.uri)
    await away.follow(alder, kay, group.actor.uri)
    answer = _answer(away, kay, thread.uri)
    await _pour(alder, away, [answer])
    assert not await process_many(alder.engine, alder.here)  # the Follow before it is still due
    await settle(alder)
    assert (await _ends(alder))[answer[1]["id"]] == (ReceivedState.DONE, "")


async def test_first_posts_are_held_and_not_passed_on(
    alder: Node, ana: Speaker, away: Peer
) -> None:
    settings = GroupSettings(posts=Posts.ANYONE, premoderation=Premoderation.FIRST)
    group = await alder.group("careful", ana, settings=settings)
    thread = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    kay = away.person("kay")
    await alder.meet(kay.uri)
    await _pour(alder, away, [_answer(away, kay, thread.uri) for _ in range(2)])
    assert await process_many(alder.engine, alder.here)
    async with alder.engine.connect() as conn:
        states = (
            await conn.scalars(sa.select(posts.c.state).where(posts.c.parent_id == thread.id))
        ).all()
        replies = await conn.scalar(
            sa.select(threads.c.replies).where(threads.c.id == thread.thread_id)
        )
    assert states == [PostState.HELD] * 2
    assert replies == 0


async def test_the_statements_are_as_many_for_thirty_as_for_three(
    alder: Node, root: Post, away: Peer
) -> None:
    kay = away.person("kay")
    await alder.meet(kay.uri)
    asked: list[str] = []

    @sa.event.listens_for(alder.engine.sync_engine, "before_cursor_execute")
    def count(_c: object, _k: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    counts = []
    for number in (3, 30):
        await _pour(alder, away, [_answer(away, kay, root.uri) for _ in range(number)])
        asked.clear()
        assert await process_many(alder.engine, alder.here)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 15


async def test_what_breaks_the_round_stops_only_itself(
    alder: Node,
    root: Post,
    away: Peer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kay = away.person("kay")
    await alder.meet(kay.uri)
    bad = _answer(away, kay, root.uri)
    good = [_answer(away, kay, root.uri) for _ in range(2)]
    await _pour(alder, away, [good[0], bad, good[1]])
    words_of = said.words_of

    def breaks(here: Any, note: Any, *, root: bool) -> Any:
        if note.id == bad[1]["object"]["id"]:
            raise RuntimeError("secret words")
        return words_of(here, note, root=root)

    monkeypatch.setattr(said, "words_of", breaks)
    with caplog.at_level(logging.ERROR):
        await settle(alder)
    ends = await _ends(alder)
    assert [ends[create["id"]][0] for _, create in good] == [ReceivedState.DONE] * 2
    assert ends[bad[1]["id"]] == (ReceivedState.NEW, "RuntimeError")
    assert "secret words" not in caplog.text


async def test_a_claim_that_was_taken_over_changes_nothing(
    alder: Node, root: Post, away: Peer
) -> None:
    kay = away.person("kay")
    await alder.meet(kay.uri)
    await _pour(alder, away, [_answer(away, kay, root.uri) for _ in range(2)])
    stalled = await claim.claim(alder.engine, alder.here, plain=True, limit=10)
    assert len(stalled) == 2
    assert not await process_many(alder.engine, alder.here)  # they are somebody's
    alder.clock.forward(seconds=claim.LEASE.total_seconds() + 1)
    assert await process_many(alder.engine, alder.here)
    done = await _ends(alder)
    for change in (_mark, _give_back):
        with pytest.raises(Lost):
            await change(alder.engine, alder, stalled)
    assert await _ends(alder) == done


async def _mark(engine: AsyncEngine, _node: Node, rows: Any) -> None:
    async with engine.begin() as conn:
        await claim.mark(conn, rows, ReceivedState.REFUSED, "late")


async def _give_back(engine: AsyncEngine, node: Node, rows: Any) -> None:
    async with engine.begin() as conn:
        await claim.give_back(conn, node.here, rows)


async def test_only_public_words_enter_a_public_thread(alder: Node, root: Post, away: Peer) -> None:
    kay = away.person("kay")
    await alder.meet(kay.uri)
    author, create = _answer(away, kay, root.uri)
    create["to"], create["cc"] = [root.author_uri], []
    assert PUBLIC not in create["to"]
    await _pour(alder, away, [(author, create)])
    assert await process_many(alder.engine, alder.here)
    assert (await _ends(alder))[create["id"]] == (ReceivedState.REFUSED, "NotAllowed")


async def test_two_who_draw_the_same_id_both_write(
    alder: Node, ana: Speaker, root: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = iter([[root.id], [root.id + (1 << 16)]])

    async def next_post_ids(*_: object) -> list[int]:
        return next(draws)

    monkeypatch.setattr(writing, "next_post_ids", next_post_ids)
    answer = await alder.reply(ana, root.uri, "An answer.")
    assert [post.uri for post in (await alder.thread(root.uri)).posts] == [root.uri, answer.uri]


BRINGING: list[Document] = [
    {
        "tag": [
            {"type": "Hashtag", "name": "#Sleep"},
            {"type": "Mention", "href": "http://x.test/u"},
        ]
    },
    {"attachment": [{"type": "Image", "url": "https://m.example/a.png", "name": "A cat"}]},
    {
        "type": "Question",
        "anyOf": [{"name": "Mon"}, {"name": "Tue", "replies": {"totalItems": 2}}],
        "endTime": "2090-01-01T00:00:00Z",
        "votersCount": 2,
    },
    {"type": "Event", "name": "Circle", "startTime": "2026-02-03T18:00:00Z", "location": "Here"},
    {"type": "Article", "name": "On sleep", "summary": "A teaser", "quote": "https://q.example/1"},
    {"interactionPolicy": {"canReply": {"automaticApproval": []}, "canLike": {"always": []}}},
    {"summary": "sleep", "sensitive": True, "contentMap": {"de": "x"}},
]


async def _kept(node: Node, uri: str) -> list[object]:
    """All that is kept of a post but where and when it stands."""
    post = await node.post(uri)
    assert post is not None
    async with node.engine.connect() as conn:
        beside = [
            list((await part_store.hashtags_of(conn, [post.id])).values()),
            list((await part_store.attachments_of(conn, [post.id])).values()),
            list((await part_store.polls_of(conn, [post.id])).values()),
        ]
    return [post._replace(id=0, uri="", thread_id=0, thread_uri="", parent_id=0), *beside]


async def test_what_a_post_brings_along_is_the_same_together_and_alone(
    alder: Node, ana: Speaker, sleep: Group, root: Post, away: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kay = away.person("kay")
    await alder.meet(kay.uri)
    second = await alder.start(ana, sleep.actor.uri, "Another title", "Some words.")
    at_once = [_answer(away, kay, root.uri, **extra) for extra in BRINGING]
    await _pour(alder, away, at_once)
    assert await process_many(alder.engine, alder.here) == len(BRINGING)

    def alone(*_: object) -> None:
        raise together.Alone

    monkeypatch.setattr(together, "_enter", alone)
    one_by_one = [_answer(away, kay, second.uri, **extra) for extra in BRINGING]
    await _pour(alder, away, one_by_one)
    await settle(alder)
    for (_, first), (_, other), extra in zip(at_once, one_by_one, BRINGING, strict=True):
        kept = await _kept(alder, first["object"]["id"])
        quiet = str(kept).replace(first["object"]["id"], "")
        assert quiet == str(await _kept(alder, other["object"]["id"])).replace(
            other["object"]["id"], ""
        ), extra


async def test_what_posts_bring_along_takes_as_many_statements_for_thirty_as_for_three(
    alder: Node, root: Post, away: Peer
) -> None:
    kay = away.person("kay")
    await alder.meet(kay.uri)
    asked: list[str] = []

    @sa.event.listens_for(alder.engine.sync_engine, "before_cursor_execute")
    def count(_c: object, _k: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    counts = []
    for number in (1, 10):
        several = BRINGING[:3] * number
        await _pour(alder, away, [_answer(away, kay, root.uri, **extra) for extra in several])
        asked.clear()
        assert await process_many(alder.engine, alder.here)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 15 + 4  # tags, attachments, polls and their options


async def test_a_vote_among_answers_is_counted_and_is_no_post(
    alder: Node, ana: Speaker, root: Post, away: Peer
) -> None:
    poll = polls.draft(alder.here, ["Mon", "Tue"], several=False, days=1)
    asked = await alder.reply(ana, root.uri, "Which?", poll=poll)
    kay = away.person("kay")
    await alder.meet(kay.uri)
    note: Document = {
        "id": f"{kay.uri}#vote",
        "type": "Note",
        "name": "Tue",
        "attributedTo": kay.uri,
        "to": [ana.actor.uri],
        "inReplyTo": asked.uri,
    }
    create = away.activity("Create", kay, note, to=[ana.actor.uri])
    await _pour(alder, away, [_answer(away, kay, asked.uri), (kay, create)])
    assert await process_many(alder.engine, alder.here) == 2
    assert (await _ends(alder))[create["id"]][0] == ReceivedState.NEW  # it goes alone
    await settle(alder)
    assert (await _ends(alder))[create["id"]] == (ReceivedState.DONE, "")
    async with alder.engine.connect() as conn:
        (found,) = (await part_store.polls_of(conn, [asked.id])).values()
    assert [option.votes for option in found.options] == [0, 1]
    assert await alder.post(note["id"]) is None
