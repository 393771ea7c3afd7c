"""Actors of other servers that have a new address (WIRE 2.4, WIRE-A15, SEC-S27)."""

from datetime import timedelta

import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub.state import SETTINGS
from groups import desk, distance, following
from groups import groups as group_store
from groups.groups import Group
from kernel import tombstone_log
from kernel.schema.actors import FollowState
from kernel.schema.groups import Distance
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import actors, bans, follows, notices
from members import moves
from moderation import standing
from moderation.standing import Speaker
from tests.nodes import Node, block, settle
from tests.peer import Document, Peer, PeerFactory, Person
from tests.wire.world import Club, Follower, followers, last_received


def _move(peer: Peer, old: Person, target: str, **extra: object) -> Document:
    return peer.activity(
        "Move", old, old.uri, **{"target": target, "to": [f"{old.uri}/followers"], **extra}
    )


async def _send(alder: Node, peer: Peer, document: Document, actor: Person) -> str:
    assert await peer.send(alder, document, actor) == 202
    await settle(alder)
    return (await last_received(alder))[0]


async def test_wire_A15_a_membership_goes_along_with_who_moved(
    alder: Node, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    old = mastodon.person
    new = good.person("new", alsoKnownAs=[old.uri])
    move = _move(mastodon.peer, old, new.uri)
    assert await _send(alder, mastodon.peer, move, old) == "done"
    found = await followers(alder, sleep.actor.uri)
    assert new.uri in found
    assert old.uri not in found
    assert await _send(alder, mastodon.peer, {**move, "id": f"{move['id']}/2"}, old) == "done"


async def test_mod_5_7_no_move_walks_round_what_a_group_decided_about_a_server(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    """There it is with whoever moves as with whoever joins from that server."""
    old = mastodon.person
    groups = {
        level: await alder.group(level.value, ana)
        for level in (Distance.NOTE, Distance.FILTER, Distance.REJECT)
    }
    for level, group in groups.items():
        await mastodon.peer.follow(alder, old, group.actor.uri)
        await settle(alder)
        assert old.uri in await followers(alder, group.actor.uri)
        async with alder.engine.begin() as conn:
            acting = await desk.require(conn, group, ana)
            await distance.decide(conn, alder.here, group, acting, "good.test", level)
    actor = await alder.meet(old.uri)
    async with alder.engine.begin() as conn:
        is_old = actors.c.id == actor.id
        await conn.execute(sa.update(actors).where(is_old).values(filtered=True))
    new = good.person("new", alsoKnownAs=[old.uri])
    move = _move(mastodon.peer, old, new.uri)
    assert await _send(alder, mastodon.peer, move, old) == "done"
    moved = await alder.meet(new.uri)
    assert moved.filtered
    async with alder.engine.connect() as conn:
        states = sa.select(follows.c.followed_id, follows.c.state).where(
            follows.c.follower_id == moved.id
        )
        kept = {row.followed_id: row.state for row in await conn.execute(states)}
    assert kept == {
        sleep.id: FollowState.ACCEPTED,
        groups[Distance.NOTE].id: FollowState.ACCEPTED,
        groups[Distance.FILTER].id: FollowState.PENDING,
    }


async def test_sec_S27_a_move_needs_the_word_of_the_new_address_as_it_is_now(
    alder: Node, sleep: Group, mastodon: Follower, good: Peer, peer: PeerFactory
) -> None:
    """Somebody who stole a key, or who wants another's followers, gets nowhere."""
    old, peer_of_old = mastodon.person, mastodon.peer
    bad = await peer("bad.test", alder)
    stale = good.person("stale", alsoKnownAs=[old.uri])
    await alder.meet(stale.uri)
    stale.extra.pop("alsoKnownAs")
    good.show(stale.document())  # what is kept here still lists it
    unreachable = good.person("unreachable", alsoKnownAs=[old.uri])
    await alder.meet(unreachable.uri)
    good.shown["/u/unreachable"] = 503
    group = good.person("group", kind="Group", alsoKnownAs=[old.uri])
    liar = bad.person("liar", alsoKnownAs=[f"{old.uri}/", f"{old.uri}#x"])
    many = bad.person("many", alsoKnownAs=[old.uri] * 257)
    posing = {**bad.person("posing").document(), "id": f"{good.origin}/u/posing"}
    bad.shown["/u/posing"] = {**posing, "alsoKnownAs": [old.uri]}
    for target in (
        good.person("silent").uri,
        stale.uri,
        unreachable.uri,
        group.uri,
        liar.uri,
        many.uri,
        f"{bad.origin}/u/posing",
        f"{bad.origin}/u/nobody",
        f"{alder.origin}/u/ana",
        old.uri,
    ):
        assert await _send(alder, peer_of_old, _move(peer_of_old, old, target), old) != "done"
        assert old.uri in await followers(alder, sleep.actor.uri), target
    ben = good.person("ben", alsoKnownAs=[old.uri])
    theft = good.activity("Move", ben, old.uri, target=ben.uri)
    assert await _send(alder, good, theft, ben) == "refused"
    assert old.uri in await followers(alder, sleep.actor.uri)
    async with alder.engine.begin() as conn:
        await block(conn, alder.here, "good.test")
    blocked = _move(peer_of_old, old, ben.uri)
    assert await _send(alder, peer_of_old, blocked, old) == "refused"
    assert old.uri in await followers(alder, sleep.actor.uri)
    async with alder.engine.connect() as conn:
        moved = sa.select(sa.func.count()).where(actors.c.moved_to.is_not(None))
        assert await conn.scalar(moved) == 0


async def test_sec_S27_an_actor_moves_once_in_seven_days(
    alder: Node, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    old = mastodon.person
    one, two = [good.person(name, alsoKnownAs=[old.uri]) for name in ("one", "two")]
    assert await _send(alder, mastodon.peer, _move(mastodon.peer, old, one.uri), old) == "done"
    alder.clock.forward(days=6)
    assert await _send(alder, mastodon.peer, _move(mastodon.peer, old, two.uri), old) == "refused"
    alder.clock.forward(days=1)
    assert await _send(alder, mastodon.peer, _move(mastodon.peer, old, two.uri), old) == "done"
    assert one.uri in await followers(alder, sleep.actor.uri)  # where the membership went


async def test_wire_A15_a_ban_goes_along_and_the_task_of_a_moderator_does_not(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    old = mastodon.person
    new = good.person("new", alsoKnownAs=[old.uri])
    other = await alder.group("other", ana)
    actor = await alder.meet(old.uri)
    async with alder.engine.begin() as conn:
        await group_store.add_moderator(conn, alder.here, other.actor, actor, 0)
        acting = await desk.require(conn, sleep, ana)
        await desk.ban(conn, alder.here, sleep, acting, actor, "a reason")
        await standing.limit(conn, sleep.id, actor.id, alder.here.now().date())
    assert await _send(alder, mastodon.peer, _move(mastodon.peer, old, new.uri), old) == "done"
    moved = await alder.meet(new.uri)
    async with alder.engine.connect() as conn:
        banned = await conn.scalars(sa.select(bans.c.actor_id).where(bans.c.group_id == sleep.id))
        assert set(banned) == {actor.id, moved.id}
        until = await standing.limited_until(conn, alder.here, sleep.id, moved.id)
        assert until == alder.here.now().date()
        assert _lines(alder)[-1] == (
            "limited", sleep.actor.uri, new.uri, until.isoformat()
        )  # fmt: skip
        assert await group_store.is_moderator(conn, other.id, [actor.id])
        assert not await group_store.is_moderator(conn, other.id, [moved.id])
    await good.follow(alder, new, sleep.actor.uri)
    await settle(alder)
    assert [each["type"] for each in good.inbox][-1] == "Reject"


async def test_wire_A15_where_both_addresses_are_banned_the_longer_ban_stands(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    """Moving shortens no ban, and what a restore would do again is what stands."""
    old = mastodon.person
    new = good.person("new", alsoKnownAs=[old.uri])
    here, today = alder.here, alder.here.now().date()
    week, month = today + timedelta(days=7), today + timedelta(days=30)
    was, becomes = await alder.meet(old.uri), await alder.meet(new.uri)
    groups = {name: await alder.group(name, ana) for name in ("longer", "shorter", "ended")}
    async with alder.engine.begin() as conn:
        for name, first, second in (
            ("longer", None, week),
            ("shorter", week, month),
            ("ended", today - timedelta(days=1), None),
        ):
            acting = await desk.require(conn, groups[name], ana)
            await desk.ban(conn, here, groups[name], acting, was, f"{name} old", first)
            if name != "ended":
                await desk.ban(conn, here, groups[name], acting, becomes, f"{name} new", second)
    before = len(_lines(alder))
    assert await _send(alder, mastodon.peer, _move(mastodon.peer, old, new.uri), old) == "done"
    async with alder.engine.connect() as conn:
        query = sa.select(bans.c.group_id, bans.c.reason, bans.c.until)
        rows = (await conn.execute(query.where(bans.c.actor_id == becomes.id))).all()
    assert {tuple(row) for row in rows} == {
        (groups["longer"].id, "longer old", None),
        (groups["shorter"].id, "shorter new", month),
    }
    assert _lines(alder)[before:] == [("banned", groups["longer"].actor.uri, new.uri, "")]


def _lines(node: Node) -> list[tombstone_log.Line]:
    return tombstone_log.read(node.app[SETTINGS].tombstones.read_text())


async def test_wire_A15_a_group_of_ours_follows_a_group_to_its_new_address_and_people_are_told(
    alder: Node, ana: Speaker, sleep: Group, club: Club, good: Peer
) -> None:
    """Nobody's name goes anywhere but by their own press."""
    await _follows(alder, ana, sleep, club)
    new = good.person("club", kind="Group", path="c", alsoKnownAs=[club.group.uri])
    move = _move(club.peer, club.group, new.uri)
    assert await _send(alder, club.peer, move, club.group) == "done"
    assert await moves.carry_over(alder.engine, alder.here) == 1
    assert await moves.carry_over(alder.engine, alder.here) == 0
    await settle(alder)
    (undo,) = club.peer.got("Undo")
    assert undo["actor"] == sleep.actor.uri
    (follow,) = good.got("Follow")
    assert (follow["actor"], follow["object"]) == (sleep.actor.uri, new.uri)
    assert await good.send(alder, good.activity("Accept", new, follow), new) == 202
    await settle(alder)
    assert await followers(alder, club.group.uri) == {club.member.actor.uri}
    assert await followers(alder, new.uri) == {sleep.actor.uri}
    async with alder.engine.connect() as conn:
        told = (await conn.execute(sa.select(notices.c.persona_id, notices.c.kind))).all()
    assert (club.member.id, NoticeKind.MOVED) in [tuple(row) for row in told]


async def _follows(alder: Node, ana: Speaker, group: Group, club: Club) -> None:
    """A group of ours follows the club."""
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, group, ana)
        other = await actor_store.by_uri(conn, club.group.uri)
        assert other is not None
        await following.follow(conn, alder.here, group, acting, other)
    await settle(alder)
    (follow,) = club.peer.got("Follow")
    accept = club.peer.activity("Accept", club.group, follow)
    assert await club.peer.send(alder, accept, club.group) == 202
    await settle(alder)


async def test_sec_S27_who_moves_back_and_forth_sends_nobody_round_in_a_circle(
    alder: Node, ana: Speaker, sleep: Group, club: Club, good: Peer
) -> None:
    await _follows(alder, ana, sleep, club)
    new = good.person("club", kind="Group", path="c", alsoKnownAs=[club.group.uri])
    assert (
        await _send(alder, club.peer, _move(club.peer, club.group, new.uri), club.group) == "done"
    )
    club.group.extra["alsoKnownAs"] = [new.uri]
    club.peer.show(club.group.document())
    back = _move(good, new, club.group.uri)
    assert await _send(alder, good, back, new) == "done"
    assert await moves.carry_over(alder.engine, alder.here) == 0
    both = {club.member.actor.uri, sleep.actor.uri}
    assert await followers(alder, club.group.uri) == both
    again = _move(club.peer, club.group, new.uri)
    assert await _send(alder, club.peer, again, club.group) == "refused"  # too soon


async def test_wire_G12_a_group_moves_nobody_else(alder: Node, club: Club, good: Peer) -> None:
    ann = good.person("ann")
    new = club.peer.person("new", alsoKnownAs=[ann.uri])
    await club.announce(alder, _move(good, ann, new.uri))
    assert (await last_received(alder))[0] == "refused"
