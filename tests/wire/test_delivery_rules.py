"""Who is told, how often, and what our own addresses answer (WIRE 6.1, 6.2; SECURITY 7)."""

import json

import pytest
import sqlalchemy as sa

from groups import closing
from groups.groups import Group, GroupSettings
from kernel.schema.groups import Sees
from kernel.schema.tables import deliveries, received
from moderation.standing import Speaker
from node import tidy
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, Peer, PeerFactory, Person
from tests.wire.world import Club, Follower, ask, last_received, said


async def _inboxes(node: Node) -> list[str]:
    async with node.engine.connect() as conn:
        return list(await conn.scalars(sa.select(deliveries.c.inbox).order_by(deliveries.c.inbox)))


async def test_wire_Q1_one_delivery_for_each_shared_inbox_or_else_each_person(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    await mastodon.peer.follow(alder, mastodon.peer.person("eve"), sleep.actor.uri)
    alone = [good.person(name, endpoints={}) for name in ("gus", "gil")]
    for person in alone:
        await good.follow(alder, person, sleep.actor.uri)
    await settle(alder)
    for peer in (mastodon.peer, good):
        peer.inbox.clear()
    await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    assert await _inboxes(alder) == sorted(
        [*(f"{person.uri}/inbox" for person in alone), f"{mastodon.peer.origin}/inbox"]
    )
    await settle(alder)
    for peer in (mastodon.peer, good):
        assert not any({"bto", "bcc"} & each.keys() for each in peer.inbox)


async def test_wire_Q2_a_second_copy_is_taken_and_changes_nothing(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    note = good.note(ann, "Hello.", to=[PUBLIC, sleep.actor.uri], name="Hello")
    create = await said(alder, good, ann, note)
    for again in (create, good.create(ann, note)):  # by its id, and by its object's
        assert await good.send(alder, again, ann) == 202
        await settle(alder)
    post = await alder.post(note["id"])
    assert post is not None
    assert len((await alder.thread(note["id"])).posts) == 1
    alder.clock.forward(days=8)
    await tidy.tidy(alder.engine, alder.here)
    async with alder.engine.connect() as conn:
        kept = await conn.scalar(
            sa.select(sa.func.count()).where(received.c.activity_uri == create["id"])
        )
    assert kept == 1


async def test_wire_Q11_no_inbox_ever_says_that_it_is_gone(
    alder: Node, ana: Speaker, sleep: Group, good: Peer
) -> None:
    ann, kay = good.person("ann"), await alder.persona("kay")
    async with alder.engine.begin() as conn:
        await closing.close(conn, alder.here, kay.actor)
    for path in ("/inbox", "/u/kay/inbox", "/u/nobody/inbox", "/g/nobody/inbox", "/desk/x/inbox"):
        like = good.activity("Like", ann, f"{alder.origin}/p/1")
        assert await good.send(alder, like, ann, path=path) == 202
        assert await good.send(alder, like, None, path=path) == 401
        assert await good.send(alder, b"{", ann, path=path) == 400


async def test_wire_Q12_a_deleted_post_answers_410_and_says_nothing_of_its_author(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await alder.delete(ana, root.uri)
    answer = await ask(alder, f"/p/{root.id}", Accept="application/activity+json")
    assert answer.status == 410
    shown = json.loads(answer.body)
    assert shown["type"] == "Tombstone"
    assert b"ana" not in answer.body
    assert not {"attributedTo", "context", "audience", "content", "name"} & shown.keys()


WORDS = "I have not slept since Tuesday."


async def test_sec_L16_deleted_words_are_nowhere_any_more(
    alder: Node, ana: Speaker, sleep: Group, lemmy: Follower
) -> None:
    lemmy.peer.answers = [503] * 50  # they wait in a queue, too
    root = await alder.start(ana, sleep.actor.uri, "A title of mine", WORDS)
    await settle(alder)
    async with alder.engine.connect() as conn:
        own = list(await conn.scalars(sa.select(deliveries.c.activity_uri)))
    await alder.reply(ana, root.uri, "An answer.")
    await settle(alder)
    async with alder.engine.connect() as conn:
        uris = list(await conn.scalars(sa.select(deliveries.c.activity_uri)))
    await alder.delete(ana, root.uri)
    assert await alder.mentions(WORDS) == []
    assert await alder.mentions("A title of mine") == []
    gone = [*(uri.removeprefix(alder.origin) for uri in own), f"/p/{root.id}"]
    paths = [
        *gone,
        *(uri.removeprefix(alder.origin) for uri in uris),
        f"/p/{root.id}/replies",
        f"/t/{root.id}",
        "/g/sleep",
        "/g/sleep/outbox",
        "/g/sleep/featured",
    ]
    for path in paths:
        for accept in ("application/activity+json", "text/html"):
            answer = await ask(alder, path, Accept=accept)
            assert WORDS.encode() not in answer.body, (path, accept)
            assert b"A title of mine" not in answer.body, (path, accept)
            if path in gone and accept != "text/html":  # a person is led to what is left of it
                assert answer.status in (404, 410), (path, accept)
    lemmy.peer.answers = []
    alder.clock.forward(hours=1)
    await settle(alder)
    assert WORDS.encode() not in b"".join(lemmy.peer.raw)


@pytest.fixture
async def bystander(peer: PeerFactory, alder: Node) -> Peer:
    """A server that the node knows somebody on, who has nothing to do with anything here."""
    made = await peer("bystander.test", alder)
    await alder.meet(made.person("bea").uri)
    return made


async def test_sec_L15_what_is_said_goes_to_the_servers_it_is_for_and_to_no_other(
    alder: Node,
    ana: Speaker,
    sleep: Group,
    lemmy: Follower,
    mastodon: Follower,
    good: Peer,
    bystander: Peer,
) -> None:
    everyone = {
        "lemmy": lemmy.peer, "mastodon": mastodon.peer, "good": good, "bystander": bystander
    }  # fmt: skip

    async def heard() -> set[str]:
        await settle(alder)
        found = {name for name, peer in everyone.items() if peer.inbox}
        for peer in everyone.values():
            peer.inbox.clear()
        return found

    closed = await alder.group("closed", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    await alder.start(ana, closed.actor.uri, "Among us", "For members only.")
    assert await heard() == set()

    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    assert await heard() == {"lemmy", "mastodon"}
    await alder.reply(ana, root.uri, "An answer.")
    assert await heard() == {"lemmy"}

    ann = good.person("ann")
    note = good.note(ann, "Hello.", to=[PUBLIC, sleep.actor.uri], inReplyTo=root.uri)
    await said(alder, good, ann, note)
    assert await heard() == {"lemmy"}  # the author's server shows boosts, and misreads the rest
    answer = await alder.reply(ana, note["id"], "Welcome.")
    assert await heard() == {"lemmy", "good"}
    await alder.delete(ana, answer.uri)
    assert await heard() == {"lemmy", "good"}

    kay = await alder.persona("kay")
    club = good.person("club", kind="Group", path="c")
    await alder.join(kay, club.uri)
    assert await heard() == {"good"}


async def test_sec_D9_a_list_of_moderators_without_measure_gives_nobody_a_right(
    alder: Node, club: Club, good: Peer
) -> None:
    ann, mod = good.person("ann"), good.person("mod")
    note = await club.thread(alder, good, ann, "A thread.")

    def moderators(number: int) -> None:
        crowd = [f"{good.origin}/u/{n}" for n in range(number)]
        club.peer.show(_list(club, [*crowd, mod.uri]))

    async def removed_by(moderator: Person) -> bool:
        removal = good.activity("Delete", moderator, note["id"], summary="rules")
        await club.announce(alder, removal)
        shown = await alder.post(note["id"])
        assert shown is not None
        return not shown.shown

    for number in (1_000, 100_000):
        moderators(number)
        assert not await removed_by(mod)
        state, reason = await last_received(alder)
        assert (state, reason) == ("refused", "Malformed")
    assert len(json.dumps(await _sizes(alder))) < 1_000
    moderators(10)
    assert await removed_by(mod)


def _list(club: Club, uris: list[str]) -> Document:
    return {
        "@context": ["https://www.w3.org/ns/activitystreams"],
        "id": f"{club.group.uri}/moderators",
        "type": "OrderedCollection",
        "orderedItems": uris,
    }


async def _sizes(node: Node) -> list[int]:
    """What is kept of activities that came: not their bytes, once they are dealt with."""
    async with node.engine.connect() as conn:
        rows = await conn.scalars(sa.select(sa.func.coalesce(sa.func.length(received.c.body), 0)))
        return [size for size in rows if size]
