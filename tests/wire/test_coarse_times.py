"""Groups that tell nobody the minute in which something was said (SEC-U24)."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from activitypub.parts import Option, Poll
from groups import groups as group_store
from groups import threads
from groups.admission import Draft
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.clock import to_five_minutes
from kernel.errors import NotAllowed
from kernel.ids import released
from kernel.schema.groups import Posts
from kernel.schema.tables import notices, polls, posts
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Peer
from tests.wire.world import Follower, said

_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|\+00:00)")
SETTINGS = GroupSettings(posts=Posts.ANYONE, proofs=True, coarse=True)


def _fine(words: str) -> list[str]:
    """The times in a page or document that say more than five minutes."""
    times = _TIME.findall(words)
    assert times
    return [
        each
        for each in times
        if (moment := datetime.fromisoformat(each)).minute % 5 or moment.second
    ]


@pytest.fixture
async def coarse(alder: Node, sleep: Group) -> Group:
    """The group, told to be less exact some minutes before a quarter past twelve."""
    alder.clock.now = alder.clock.now.astimezone(UTC).replace(hour=12, minute=13, second=40)
    async with alder.engine.begin() as conn:
        return await group_store.update(
            conn, alder.here, sleep, name="Sleep", about="A group.", settings=SETTINGS
        )


async def _rows(node: Node) -> list[sa.Row[int, datetime, datetime | None]]:
    async with node.engine.connect() as conn:
        query = sa.select(posts.c.id, posts.c.published, posts.c.edited).order_by(posts.c.id)
        return list((await conn.execute(query)).all())


async def test_sec_U24_nothing_says_a_finer_time_where_a_group_asks_for_that(
    alder: Node, ana: Speaker, coarse: Group, lemmy: Follower, mastodon: Follower, good: Peer
) -> None:
    ben = await alder.persona("ben")
    uri = coarse.actor.uri
    root = await alder.start(ben, uri, "A title", "Some words.")
    alder.clock.forward(minutes=4)  # 12:17
    poll = Poll(
        options=(Option(name="yes"), Option(name="no")),
        several=False,
        ends=alder.clock.now.replace(second=0, microsecond=0) + timedelta(days=1),
    )
    async with alder.engine.begin() as conn:
        draft = Draft(source="Which?", poll=poll)
        answer = await threads.reply(conn, alder.here, ana, root, draft)
    bob = good.person("bob")
    now = alder.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    note = good.note(bob, "From afar.", to=[PUBLIC, uri], inReplyTo=root.uri, published=now)
    await said(alder, good, bob, note)
    alder.clock.forward(minutes=1)
    await alder.edit(ben, root.uri, "A title", "Other words.")
    await settle(alder)

    of_ours = [
        json.dumps(document)
        for peer in (lemmy.peer, mastodon.peer)
        for document in peer.inbox
        if ben.actor.uri in json.dumps(document) or ana.actor.uri in json.dumps(document)
    ]
    assert len(of_ours) > 2
    for words in of_ours:
        assert _fine(words) == []
    for post in (root, answer):
        path = post.uri.removeprefix(alder.origin)
        assert _fine(await (await alder.get(path)).text()) == []
    page = await alder.get(f"/t/{root.id}", headers={"Accept": "text/html"})
    assert _fine(await page.text()) == []

    found = await _rows(alder)
    assert [row.published.minute for row in found] == [10, 15, 15]
    assert [row.id for row in found][:2] == [root.id, answer.id]  # they sort by release
    assert [released(row.id) for row in found] == [row.published for row in found]
    assert found[0].edited is not None
    assert found[0].edited.minute == 15
    async with alder.engine.connect() as conn:
        ends = await conn.scalar(sa.select(polls.c.ends))
        told = list(await conn.scalars(sa.select(notices.c.id)))
    assert ends is not None
    assert ends.minute == 15
    assert [released(each).minute for each in told] == [20, 20]  # two answers to Ben


async def test_sec_U24_when_a_change_came_is_not_kept_finer(
    alder: Node, coarse: Group, good: Peer
) -> None:
    """Its own server said nothing of when it was."""
    bob = good.person("bob")
    note = good.show(good.note(bob, "From afar.", to=[PUBLIC, coarse.actor.uri]))
    await said(alder, good, bob, note)
    changed = good.show({**note, "content": "<p>From not so far.</p>"})
    assert await good.send(alder, good.activity("Update", bob, changed), bob) == 202
    await settle(alder)
    (row,) = await _rows(alder)
    assert row.edited is not None
    assert (row.edited.minute % 5, row.edited.second, row.edited.microsecond) == (0, 0, 0)


async def test_sec_U24_a_second_change_within_the_five_minutes_is_another_one(
    alder: Node, ana: Speaker, coarse: Group
) -> None:
    root = await alder.start(ana, coarse.actor.uri, "A title", "Some words.")
    changes = []
    for words in ("First change.", "Second one."):
        alder.clock.forward(seconds=20)
        changes.append((await alder.edit(ana, root.uri, "A title", words)).edited)
    first, second = changes
    assert first is not None
    assert second == first + timedelta(seconds=1)
    assert first == to_five_minutes(alder.clock.now)


async def test_sec_U24_a_slow_group_is_not_quicker_for_it(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    settings = GroupSettings(posts=Posts.ANYONE, slow_minutes=3, coarse=True)
    alder.clock.now = alder.clock.now.replace(minute=14, second=50)
    slow = await alder.group("slow", ana, settings=settings)
    ben = await alder.persona("ben")

    async def post() -> Post:
        return await alder.start(ben, slow.actor.uri, "A title", "Some words.")

    await post()
    alder.clock.forward(minutes=2)
    with pytest.raises(NotAllowed):
        await post()
    alder.clock.forward(minutes=7)
    assert (await post()).published.minute == 20
