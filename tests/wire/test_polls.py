"""Polls go out, votes come in, and nobody learns who chose what (WIRE 8.4)."""

from typing import Any

import pytest
import sqlalchemy as sa

from activitypub.parts import Poll
from groups import desk, polls
from groups import parts as part_store
from groups.groups import Group
from groups.posts import Post
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.schema.tables import activities, poll_options, poll_votes
from kernel.schema.tables import polls as poll_table
from moderation.standing import Speaker
from node import tidy, worker
from tests.nodes import Node, settle
from tests.peer import AS2, PUBLIC, Document, Peer, Person
from tests.wire import strict
from tests.wire.world import Club, Follower, ask, last_received, said

pytestmark = pytest.mark.slow


@pytest.fixture
async def root(alder: Node, ana: Speaker, sleep: Group) -> Post:
    return await alder.start(ana, sleep.actor.uri, "A title", "Some words.")


async def question(
    alder: Node, ana: Speaker, root: Post, *, several: bool = False, days: int = 1
) -> Post:
    asked = polls.draft(alder.here, ["Monday", "Tuesday"], several=several, days=days)
    return await alder.reply(ana, root.uri, "Which evening?", poll=asked)


def vote(peer: Peer, voter: Person, to: Post, name: str, **extra: Any) -> Document:
    """As Mastodon sends it."""
    note = {
        "id": f"{voter.uri}#votes/{name}",
        "type": "Note",
        "name": name,
        "attributedTo": voter.uri,
        "to": [to.author_uri],
        "inReplyTo": to.uri,
        **extra,
    }
    return peer.activity("Create", voter, note, to=[to.author_uri])


async def state(node: Node, post: Post) -> Poll:
    async with node.engine.connect() as conn:
        return (await part_store.polls_of(conn, [post.id]))[post.id]


async def counts(node: Node, post: Post) -> list[int]:
    return [option.votes for option in (await state(node, post)).options]


async def votes(node: Node) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(poll_votes)) or 0


async def test_a_poll_is_a_question_that_answers_a_post(
    alder: Node, ana: Speaker, root: Post, lemmy: Follower, mastodon: Follower
) -> None:
    post = await question(alder, ana, root)
    await settle(alder)
    (announce,) = lemmy.peer.got("Announce", "Create")[-1:]
    sent = announce["object"]["object"]
    strict.check(announce)
    assert sent["type"] == "Question"
    assert sent["inReplyTo"] == root.uri
    assert [option["name"] for option in sent["oneOf"]] == ["Monday", "Tuesday"]
    assert [option["replies"]["totalItems"] for option in sent["oneOf"]] == [0, 0]
    assert sent["endTime"].endswith(":00Z")
    assert sent["votersCount"] == 0
    shown = await ask(alder, post.uri.removeprefix(alder.origin))
    assert shown.status == 200
    assert b'"Question"' in shown.body
    assert not mastodon.peer.got("Create")


async def test_votes_count_once_and_are_told_to_nobody(
    alder: Node, ana: Speaker, root: Post, lemmy: Follower, good: Peer
) -> None:
    post = await question(alder, ana, root)
    ann, bob = good.person("ann"), good.person("bob")
    for voter, name in ((ann, "Monday"), (ann, "Monday"), (ann, "Tuesday"), (bob, "Tuesday")):
        assert await good.send(alder, vote(good, voter, post, name), voter) == 202
        await settle(alder)
        assert (await last_received(alder))[0] == "done"
    assert await counts(alder, post) == [1, 1]
    assert (await state(alder, post)).voters == 2
    lemmy.peer.inbox.clear()
    assert not await polls.sweep(alder.engine, alder.here)  # not at once
    alder.clock.forward(minutes=20)
    assert await polls.sweep(alder.engine, alder.here)
    assert not await polls.sweep(alder.engine, alder.here)
    await settle(alder)
    (announce,) = lemmy.peer.got("Announce", "Update")
    update = announce["object"]
    assert "updated" not in update["object"]
    assert [option["replies"]["totalItems"] for option in update["object"]["oneOf"]] == [1, 1]
    assert update["object"]["votersCount"] == 2
    assert good.got("Update") == [update]  # the voters' server hears it from the author
    for document in (*lemmy.peer.inbox, *good.inbox):
        assert ann.uri not in str(document)
    kept = {place.partition(".")[0] for place in await alder.mentions(ann.uri)}
    assert kept == {"actors", "poll_votes", "received"}  # of what came, its id and signer


async def test_a_vote_for_nothing_of_the_poll_changes_nothing(
    alder: Node, ana: Speaker, sleep: Group, root: Post, good: Peer
) -> None:
    post = await question(alder, ana, root)
    ann, eve = good.person("ann"), good.person("eve")
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.ban(conn, alder.here, sleep, actor, await alder.meet(eve.uri), "a reason")
    for voter, document, reason in (
        (ann, vote(good, ann, post, "Friday"), "NotFound"),
        (eve, vote(good, eve, post, "Monday"), "NotAllowed"),
        (ann, vote(good, ann, root, "Monday"), "NotAllowed"),  # which is no poll
        (ann, vote(good, ann, post, "Monday", content="<p>words</p>"), "NotAllowed"),  # no vote
    ):
        assert await good.send(alder, document, voter) == 202
        await settle(alder)
        assert await last_received(alder) == ("refused", reason)
    assert await counts(alder, post) == [0, 0]
    assert await votes(alder) == 0


async def test_several_answers_come_one_by_one(
    alder: Node, ana: Speaker, root: Post, good: Peer
) -> None:
    post = await question(alder, ana, root, several=True)
    ann = good.person("ann")
    for name in ("Monday", "Tuesday", "Tuesday"):
        assert await good.send(alder, vote(good, ann, post, name), ann) == 202
        await settle(alder)
    assert await counts(alder, post) == [1, 1]
    assert (await state(alder, post)).voters == 1


def pollvote(peer: Peer, voter: Person, to: str, name: Any, group: str) -> Document:
    """As PieFed sends it to a group."""
    return {
        "@context": [AS2],
        "id": f"{peer.origin}/activities/pollvote/{name}-{voter.handle}",
        "type": "PollVote",
        "actor": voter.uri,
        "object": to,
        "choice_text": name,
        "audience": group,
    }


async def test_piefeds_votes_count_by_the_rules_of_all_votes(
    alder: Node, ana: Speaker, sleep: Group, root: Post, good: Peer, lemmy: Follower
) -> None:
    post = await question(alder, ana, root)
    ann, eve = good.person("ann"), good.person("eve")
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.ban(conn, alder.here, sleep, actor, await alder.meet(eve.uri), "a reason")
    await settle(alder)
    lemmy.peer.inbox.clear()
    for voter, to, name, end in (
        (ann, post.uri, "Friday", ("refused", "NotFound")),
        (ann, post.uri, ["Monday"], ("refused", "NotFound")),
        (ann, root.uri, "Monday", ("refused", "NotFound")),  # which is no poll
        (ann, f"{good.origin}/p/1", "Monday", ("refused", "NotFound")),
        (eve, post.uri, "Monday", ("refused", "NotAllowed")),
        (ann, post.uri, "Monday", ("done", "")),
        (ann, post.uri, "Tuesday", ("done", "")),  # which is one too many
    ):
        document = pollvote(good, voter, to, name, sleep.actor.uri)
        document["id"] += f"/{to}"
        assert await good.send(alder, document, voter) == 202
        await settle(alder)
        assert await last_received(alder) == end, name
    assert await counts(alder, post) == [1, 0]
    assert lemmy.peer.inbox == []  # nobody hears who voted
    kept = {place.partition(".")[0] for place in await alder.mentions(ann.uri)}
    assert kept == {"actors", "poll_votes", "received"}
    assert await alder.mentions("choice_text") == []
    alder.clock.forward(days=1, minutes=1)
    assert await polls.sweep(alder.engine, alder.here)
    assert await votes(alder) == 0
    late = pollvote(good, good.person("bob"), post.uri, "Monday", sleep.actor.uri)
    assert await good.send(alder, late, good.person("bob")) == 202
    await settle(alder)
    assert (await last_received(alder))[0] == "refused"


async def test_a_group_elsewhere_passes_votes_in_its_own_polls_on(
    alder: Node, ana: Speaker, root: Post, good: Peer, club: Club
) -> None:
    """WIRE-G16: as numbers, and of nobody who lives here."""
    theirs = await club.thread(alder, good, good.person("ann"), "A thread")
    post = await question(alder, club.member, await _as_post(alder, theirs["id"]))
    mine = await question(alder, ana, root)
    far = good.person("far")
    local = Person(ana.actor.uri, "ana", far.keys, "Person", {})
    for voter, to in ((far, post.uri), (far, mine.uri), (local, post.uri)):
        vote = pollvote(good, voter, to, "Tuesday", club.group.uri)
        vote["id"] = f"{voter.uri}/{to.rpartition('/')[2]}"
        await club.announce(alder, vote)
    assert await counts(alder, post) == [0, 1]
    assert await counts(alder, mine) == [0, 0]


async def _as_post(alder: Node, uri: str) -> Post:
    post = await alder.post(uri)
    assert post is not None
    return post


async def test_a_poll_that_is_over_says_so_and_forgets_who_voted(
    alder: Node, ana: Speaker, root: Post, lemmy: Follower, good: Peer
) -> None:
    post = await question(alder, ana, root)
    ann, bob = good.person("ann"), good.person("bob")
    assert await good.send(alder, vote(good, ann, post, "Monday"), ann) == 202
    await settle(alder)
    alder.clock.forward(days=1, minutes=1)
    assert await polls.sweep(alder.engine, alder.here)
    assert not await polls.sweep(alder.engine, alder.here)
    await settle(alder)
    assert await votes(alder) == 0
    assert await counts(alder, post) == [1, 0]
    (announce,) = lemmy.peer.got("Announce", "Update")
    closed = announce["object"]["object"]
    assert closed["closed"] == closed["endTime"]
    late = vote(good, bob, post, "Monday")
    late["id"] += "/late"
    assert await good.send(alder, late, bob) == 202
    await settle(alder)
    assert await last_received(alder) == ("refused", "NotAllowed")


async def test_newer_counts_take_the_place_of_unsent_ones(
    alder: Node, ana: Speaker, root: Post, lemmy: Follower, good: Peer
) -> None:
    post = await question(alder, ana, root)
    await settle(alder)
    for name in ("ann", "bob"):
        voter = good.person(name)
        assert await good.send(alder, vote(good, voter, post, "Monday"), voter) == 202
        while await _process(alder):
            pass
        alder.clock.forward(minutes=20)
        assert await polls.sweep(alder.engine, alder.here)
    async with alder.engine.connect() as conn:
        kept = await conn.scalars(sa.select(activities.c.body).where(activities.c.kind == "Update"))
        assert len(kept.all()) == 1
    await settle(alder)
    (announce,) = lemmy.peer.got("Announce", "Update")
    assert announce["object"]["object"]["votersCount"] == 2


async def _process(node: Node) -> bool:
    return await worker.process(node.app)


async def test_a_deleted_poll_leaves_nothing(
    alder: Node, ana: Speaker, root: Post, good: Peer
) -> None:
    post = await question(alder, ana, root)
    ann = good.person("ann")
    assert await good.send(alder, vote(good, ann, post, "Monday"), ann) == 202
    await settle(alder)
    await alder.delete(ana, post.uri)
    assert await alder.mentions("Monday") == []
    async with alder.engine.connect() as conn:
        for table in (poll_votes, poll_options, poll_table):
            assert await conn.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def _theirs(peer: Peer, author: Person, club: Club, **extra: Any) -> Document:
    note = peer.note(
        author,
        "Which evening?",
        to=[PUBLIC, club.group.uri],
        type="Question",
        name="Evenings",
        endTime="2090-01-01T00:00:00Z",
        votersCount=4,
        oneOf=[
            {"type": "Note", "name": "Mon", "replies": {"type": "Collection", "totalItems": 3}},
            {"type": "Note", "name": "Tue", "replies": {"type": "Collection", "totalItems": 1}},
        ],
    )
    return {**note, **extra}


async def test_a_poll_elsewhere_is_shown_and_answered_in_private(
    alder: Node, good: Peer, club: Club
) -> None:
    ann = good.person("ann")
    asked = _theirs(good, ann, club)
    await club.announce(alder, good.create(ann, asked))
    post = await alder.post(asked["id"])
    assert post is not None
    assert post.poll
    assert await counts(alder, post) == [3, 1]
    async with alder.engine.begin() as conn:
        await polls.vote(conn, alder.here, club.member, post, [1])
    await settle(alder)
    (create,) = good.got("Create")
    strict.check(create)
    assert create["to"] == create["object"]["to"] == [ann.uri]
    assert create["object"]["name"] == "Tue"
    assert "content" not in create["object"]
    assert "published" not in create["object"]
    assert club.peer.got("Create") == []
    assert await counts(alder, post) == [3, 2]
    for again in ([0], [1]):
        with pytest.raises(NotAllowed):
            async with alder.engine.begin() as conn:
                await polls.vote(conn, alder.here, club.member, post, again)
    await tidy.tidy(alder.engine, alder.here)
    assert await alder.mentions("/votes/") == []
    path = create["object"]["id"].removeprefix(alder.origin)
    assert (await ask(alder, path)).status == 404
    assert (await ask(alder, create["id"].removeprefix(alder.origin))).status == 404


async def test_their_counts_are_taken_and_nothing_is_called_changed(
    alder: Node, good: Peer, club: Club
) -> None:
    ann = good.person("ann")
    asked = _theirs(good, ann, club)
    await club.announce(alder, good.create(ann, asked))
    asked["oneOf"][1]["replies"]["totalItems"] = 7
    asked["votersCount"] = 10
    good.show(asked)
    await club.announce(alder, good.activity("Update", ann, asked))
    post = await alder.post(asked["id"])
    assert post is not None
    assert post.edited is None
    assert await counts(alder, post) == [3, 7]
    good.show({**asked, "closed": "2026-01-03T00:00:00Z"})
    await club.announce(alder, good.activity("Update", ann, asked))
    assert (await state(alder, post)).closed
    with pytest.raises(NotAllowed):
        async with alder.engine.begin() as conn:
            await polls.vote(conn, alder.here, club.member, post, [0])


async def test_wire_85_a_poll_stays_a_poll(alder: Node, sleep: Group, good: Peer) -> None:
    ann = good.person("ann")
    note = good.note(ann, "Which?", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, note)
    changed = {**note, "type": "Question", "oneOf": [], "updated": "2090-01-01T00:00:00Z"}
    good.show(changed)
    assert await good.send(alder, good.activity("Update", ann, changed), ann) == 202
    await settle(alder)
    assert await last_received(alder) == ("refused", "NotAllowed")


async def test_who_may_vote_here(alder: Node, ana: Speaker, root: Post) -> None:
    post = await question(alder, ana, root)
    ben = await alder.persona("ben")
    for speaker, chosen, refusal in (
        (ana, [0], NotFound),  # her own
        (ben, [], Malformed),
        (ben, [0, 1], Malformed),
        (ben, [2], Malformed),
        (ben, [-1], Malformed),
    ):
        with pytest.raises(refusal):
            async with alder.engine.begin() as conn:
                await polls.vote(conn, alder.here, speaker, post, chosen)
    async with alder.engine.begin() as conn:
        await polls.vote(conn, alder.here, ben, post, [0])
        with pytest.raises(NotFound):
            await polls.vote(conn, alder.here, ben, root, [0])
    assert await counts(alder, post) == [1, 0]


@pytest.mark.parametrize(
    ("options", "days"),
    [
        (["One"], 1),
        (["One", " One "], 1),
        ([f"{n}" for n in range(11)], 1),
        ([f"{n}" for n in range(100)], 1),
        (["One", "x" * 201], 1),
        (["One", "Two"], 2),
    ],
)
async def test_a_poll_of_ours_has_limits(alder: Node, options: list[str], days: int) -> None:
    with pytest.raises(Malformed):
        polls.draft(alder.here, options, several=False, days=days)
