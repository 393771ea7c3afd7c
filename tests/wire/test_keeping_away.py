"""What each level about a domain does at the edge (MOD-3.10)."""

from typing import Any

import pytest
import sqlalchemy as sa

from groups import finding, hashtags
from groups.groups import Group
from inbox.routes import POLICIES
from kernel.schema.actors import FollowState
from kernel.schema.moderation import Level
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, attachments, follows, posts, received
from media import pictures
from members.severing import Differs
from moderation import blocklist, domains, impact
from moderation.impact import Seen
from moderation.policy import Policies, Policy
from moderation.visibility import VISITOR
from node import keeping_away
from tests.media import draw
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Peer, PeerFactory
from tests.wire.test_pictures import arrive, copied, shown
from tests.wire.world import said

pytestmark = pytest.mark.slow


async def decide(node: Node, domain: str, chosen: Policy) -> None:
    await keeping_away.decide(node.engine, node.here, domain, chosen)


async def test_mod_3_10_a_rejected_domain_is_told_so_and_a_dropped_one_is_not(
    alder: Node, sleep: Group, good: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocklist, "FRESH", 0)
    ann = good.person("ann")
    like = good.activity("Like", ann, sleep.actor.uri)
    await decide(alder, "good.test", Policy(Level.REJECT))
    assert await good.send(alder, like, ann) == 403
    await decide(alder, "good.test", Policy(Level.DROP))
    assert await good.send(alder, like, ann) == 202
    assert await good.send(alder, b"this is not even read", ann) == 202
    monkeypatch.setattr(blocklist, "FRESH", 1_000)
    await alder.app[POLICIES].drops_anybody()
    alder.app[POLICIES]._policies = Policies()  # one that is old
    assert await good.send(alder, like, ann) == 202
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(received)) == 0
        assert not await domains.takes_reports(conn, "good.test")
    assert good.fetched == []


async def test_mod_3_10_a_filtered_domain_is_in_threads_and_on_no_public_list(
    alder: Node, sleep: Group, good: Peer, peer: PeerFactory
) -> None:
    other = await peer("other.test", alder)
    ann, eve = good.person("ann"), other.person("eve")
    await decide(alder, "good.test", Policy(Level.FILTER))
    ben = await alder.persona("ben")
    await good.follow(alder, ann, ben.actor.uri)
    await settle(alder)
    assert len(good.got("Accept")) == 1, "who follows a person waits for nobody"
    await good.follow(alder, ann, sleep.actor.uri)
    await other.follow(alder, eve, sleep.actor.uri)
    tag = [{"type": "Hashtag", "name": "#words"}]
    for server, person in ((good, ann), (other, eve)):
        words = f"Sheep, says {person.handle}."
        note = server.note(person, words, to=[PUBLIC, sleep.actor.uri], tag=tag)
        await said(alder, server, person, note)
    await settle(alder)
    await finding.take_in(alder.engine)
    async with alder.engine.connect() as conn:
        found = await finding.find(conn, "sheep", ["en"], VISITOR, before=None, limit=9)
        tagged = await hashtags.tagged(conn, "words", VISITOR, before=None, limit=9)
        states = dict(
            (
                await conn.execute(
                    sa.select(actors.c.handle, follows.c.state)
                    .join(follows, follows.c.follower_id == actors.c.id)
                    .where(follows.c.followed_id == sleep.id, ~actors.c.local)
                )
            ).all()
        )
        by = sa.select(actors.c.name).join(posts, posts.c.author_id == actors.c.id)
        in_group = set(await conn.scalars(by.where(posts.c.state == PostState.SHOWN)))
    assert states == {"ann": FollowState.PENDING, "eve": FollowState.ACCEPTED}
    assert [line.author_name for line in found] == ["Eve"]
    assert [line.author_name for line in tagged] == ["Eve"]
    assert in_group == {"Ann", "Eve"}
    assert len(good.got("Accept")) == 1
    assert len(other.got("Accept")) == 1


async def test_mod_3_10_a_picture_that_is_refused_while_it_is_read_is_not_kept(
    alder: Node, sleep: Group, good: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    good.files["/cup.png"] = draw.png()
    post = await arrive(alder, good.person("ann"), good, sleep, f"{good.origin}/cup.png")
    keep = pictures.keep

    async def keep_late(*args: Any, **how: Any) -> pictures.Kept:
        kept = await keep(*args, **how)
        await decide(alder, "good.test", Policy(Level.NOTE, reject_media=True))
        return kept

    monkeypatch.setattr(pictures, "keep", keep_late)
    await copied(alder)
    assert good.fetched.count("/cup.png") == 1
    async with alder.engine.connect() as conn:
        kept = sa.select(attachments.c.media_id).where(attachments.c.post_id == post.id)
        assert await conn.scalar(kept) is None


async def test_mod_3_10_pictures_of_a_domain_may_be_refused_alone(
    alder: Node, sleep: Group, good: Peer, peer: PeerFactory
) -> None:
    other = await peer("other.test", alder)
    good.files["/cup.png"] = good.files["/lent.png"] = good.files["/late.png"] = draw.png()
    other.files["/own.png"] = draw.png()
    ann = good.person("ann")
    post = await arrive(alder, ann, good, sleep, f"{good.origin}/cup.png")
    eve = other.person("eve")
    lent = await arrive(alder, eve, other, sleep, f"{good.origin}/lent.png")
    own = await arrive(alder, eve, other, sleep, f"{other.origin}/own.png")
    await copied(alder)
    (picture,) = await shown(alder, post)
    bare = Policy(Level.NOTE, reject_media=True, reject_reports=True)
    with pytest.raises(Differs) as unseen:
        await decide(alder, "good.test", bare)
    would = unseen.value.impact
    async with alder.engine.connect() as conn:
        level = bare.level
        about = ["good.test"]
        assert would == await impact.of(conn, alder.here, about, level, reject_media=True)
        plain = await impact.of(conn, alder.here, about, level)
        assert (plain.pictures, plain.words) == (0, [])
    said = "2 copies of pictures would go. They do not come back."
    assert (would.pictures, would.words) == (2, [said])
    await keeping_away.decide(alder.engine, alder.here, "good.test", bare, seen=Seen(would.digest))
    assert (await shown(alder, lent), len(await shown(alder, own))) == ([], 1)
    later = await arrive(alder, ann, good, sleep, f"{good.origin}/late.png")
    await copied(alder)
    assert "/late.png" not in good.fetched
    assert (await alder.get(f"/media/{picture.media_id}.webp")).status == 404
    for each in (post, later):
        assert await shown(alder, each) == []
    async with alder.engine.connect() as conn:
        assert not await domains.takes_reports(conn, "good.test:80")
        assert await domains.takes_reports(conn, "other.test")
