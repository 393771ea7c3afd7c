"""Posts before they are out: their author's alone, released once, and only where they still may."""

import asyncio
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import remote
from activitypub.parts import Option, Poll
from activitypub.state import SETTINGS
from groups import closing, desk, draft_text, expiry, membership, reactions, threads, waiting
from groups import groups as group_store
from groups import parts as part_store
from groups.admission import Draft
from groups.groups import Group, GroupSettings
from groups.pictures import Chosen
from groups.posts import Post
from groups.waiting import Waiting
from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from kernel.ids import random_uuid, released
from kernel.release import Timing
from kernel.schema.actors import ActorState
from kernel.schema.groups import Posts, Premoderation
from kernel.schema.posts import PostState, Wish
from kernel.schema.tables import activities, actors, follows, groups, notices, posts
from kernel.schema.tables import reactions as reaction_table
from kernel.schema.tables import threads as thread_table
from members import follows as follow_store
from moderation.standing import Speaker
from node import tidy, worker
from tests.nodes import Node, NodeFactory, settle
from tests.privacy.recorder import Recorder, violations

TEN = Timing(undo=10)


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    alder = await node("alder.test", release_delay=True)
    alder.clock.now = datetime(2026, 5, 4, 12, 0, 2, tzinfo=UTC)
    return alder


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    return await alder.persona("ana")


@pytest.fixture
async def sleep(alder: Node, ana: Speaker) -> Group:
    return await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))


async def send(
    node: Node,
    speaker: Speaker,
    group: Group,
    words: str = "Quiet words.",
    *,
    parent: Post | None = None,
    timing: Timing = TEN,
    **more: object,
) -> UUID:
    draft = replace(Draft(title="Nights", source=words, language="en"), **more)  # type: ignore[arg-type]
    async with node.engine.begin() as conn:
        sent = await waiting.send(conn, node.here, speaker, group, parent, draft, timing)
    assert isinstance(sent, UUID)
    return sent


async def mine(node: Node, *speakers: Speaker) -> list[Waiting]:
    async with node.engine.connect() as conn:
        voices = [each.id for each in speakers]
        return list(await waiting.mine(conn, node.here, voices))


async def out(node: Node) -> list[str]:
    """The words of every post, in the order of their ids."""
    async with node.engine.connect() as conn:
        return list(await conn.scalars(sa.select(posts.c.source).order_by(posts.c.id)))


async def _count(conn: AsyncConnection, of: sa.Table) -> int:
    return await conn.scalar(sa.select(sa.func.count()).select_from(of)) or 0


async def later(node: Node, minutes: float = 11) -> None:
    node.clock.forward(minutes=minutes)
    while await worker.release(node.app):
        pass


async def test_sec_U6_until_its_release_a_post_is_nowhere_but_with_its_author(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    ben = await alder.persona("ben")
    sent = await send(alder, ana, sleep)
    await settle(alder)
    assert await alder.mentions("Quiet words.") == ["waiting.said"]
    async with alder.engine.connect() as conn:
        assert (await waiting.get(conn, alder.here, sent, [ana.id])).draft.source == "Quiet words."
        with pytest.raises(NotFound):
            await waiting.get(conn, alder.here, sent, [ben.id])
        for each in (posts, thread_table, activities):
            assert await _count(conn, each) == 0
    alder.clock.forward(minutes=9, seconds=57)
    assert not await worker.release(alder.app)

    alder.clock.now = datetime(2026, 5, 4, 12, 10, 25, tzinfo=UTC)
    await later(alder, 0)
    assert await out(alder) == ["Quiet words."]
    assert await mine(alder, ana) == []
    async with alder.engine.connect() as conn:
        row = (await conn.execute(sa.select(posts.c.id, posts.c.published))).one()
        assert await _count(conn, activities) > 0
    assert row.published == released(row.id) == datetime(2026, 5, 4, 12, 10, tzinfo=UTC)


async def test_sec_U6_two_siblings_who_post_in_one_minute_are_released_apart_in_any_order(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    """Whoever sees both orders about as often, and other times, learns nothing of the two."""
    lou = await alder.persona("lou")
    one, two = (replace(each, voices=(ana.id, lou.id)) for each in (ana, lou))
    first, apart, rounds = 0, 0, 24
    with Recorder.listening(alder.engine) as recorder:
        for number in range(rounds):
            a = await send(alder, one, sleep, f"a{number}", timing=Timing())
            b = await send(alder, two, sleep, f"b{number}", timing=Timing())
            due = {each.id: each.due for each in await mine(alder, ana, lou)}
            apart += due[a] != due[b]
            await later(alder, 1)
            words = await out(alder)
            assert len(words) == 2 * (number + 1)
            first += words[-2] == f"a{number}"
    assert violations(recorder.transactions, [[ana.actor, lou.actor]]) == []
    assert 3 <= first <= rounds - 3  # luck alone is outside once in thirty thousand runs
    assert apart >= 8


async def test_a_killed_worker_leaves_a_post_to_another_which_releases_it_once(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    await send(alder, ana, sleep)
    alder.clock.forward(minutes=11)
    async with alder.engine.connect() as dying:
        row = (await dying.execute(waiting._DUE, {"now": alder.here.now()})).one()
        await waiting._release(dying, alder.here, row, ())
        assert not await worker.release(alder.app)  # the row is held: nobody waits for it
        await dying.rollback()
    assert await out(alder) == []
    assert sorted(await asyncio.gather(*(worker.release(alder.app) for _ in range(4)))) == [
        False, False, False, True,
    ]  # fmt: skip
    assert await out(alder) == ["Quiet words."]


async def test_what_is_taken_back_stays_with_its_author_and_can_be_sent_again_or_dropped(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    ben = await alder.persona("ben")
    sent = await send(alder, ana, sleep, note="sleep", days=7)
    async with alder.engine.begin() as conn:
        with pytest.raises(NotFound):
            await waiting.take_back(conn, sent, ben.id)
        await waiting.take_back(conn, sent, ana.id)
    await later(alder)
    assert await out(alder) == []
    (found,) = await mine(alder, ana)
    assert (found.due, found.reason, found.draft.note, found.draft.days) == (None, "", "sleep", 7)
    better = replace(found.draft, source="Better words.")
    async with alder.engine.begin() as conn:
        await waiting.send_again(conn, alder.here, ana, found, better, TEN)
    assert await alder.mentions("Quiet words.") == []
    await later(alder)
    assert await out(alder) == ["Better words."]
    async with alder.engine.begin() as conn:  # too late
        with pytest.raises(NotFound):
            await waiting.take_back(conn, sent, ana.id)

    gone = await send(alder, ana, sleep, "Never said.")
    async with alder.engine.begin() as conn:
        await waiting.drop(conn, gone, ana.id)
    await later(alder)
    assert await alder.mentions("Never said.") == []


@pytest.mark.parametrize("what", ["banned", "suspended", "locked", "removed", "closed group"])
async def test_what_may_not_be_said_any_more_is_not_and_its_author_keeps_it(
    alder: Node, ana: Speaker, sleep: Group, what: str
) -> None:
    ben = await alder.persona("ben")
    root = await alder.start(ana, sleep.actor.uri, "A thread", "Hello.")
    await send(alder, ben, sleep, parent=root, title="")
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, sleep, ana)
        if what == "banned":
            await desk.ban(conn, alder.here, sleep, acting, ben.actor, "Please rest.")
        elif what == "suspended":
            is_ben = actors.c.id == ben.id
            await conn.execute(sa.update(actors).where(is_ben).values(state=ActorState.SUSPENDED))
        elif what == "locked":
            await desk.lock(conn, alder.here, sleep, acting, root)
        elif what == "removed":
            await desk.remove(conn, alder.here, sleep, acting, root, "")
        else:
            await conn.execute(sa.update(groups).values(posts=Posts.MEMBERS))
    await later(alder)
    (found,) = await mine(alder, ben)
    assert found.due is None
    expected = {
        "banned": "asked you to stay away. They wrote: “Please rest.”",
        "suspended": "paused what you can do here",
        "locked": "closed this thread",
        "removed": "no longer here",
        "closed group": "Only members can post",
    }
    assert expected[what] in found.reason
    assert found.draft.source == "Quiet words."
    assert "Quiet words." not in await out(alder)


async def told(node: Node, speaker: Speaker) -> list[tuple[str, UUID | None]]:
    """What a persona was told, and about which group."""
    async with node.engine.connect() as conn:
        rows = await conn.execute(
            sa.select(notices.c.kind, notices.c.group_id).where(notices.c.persona_id == speaker.id)
        )
        return [(row.kind, row.group_id) for row in rows]


async def test_what_did_not_go_out_is_told_once_until_its_author_dealt_with_it(
    alder: Node, ana: Speaker, sleep: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = await alder.persona("ben")
    first = await send(alder, ben, sleep)
    second = await send(alder, ben, sleep, "More of them.")
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(groups).values(posts=Posts.MEMBERS))
    await later(alder)
    assert await told(alder, ben) == [("unsent", sleep.id)]
    assert await told(alder, ana) == []
    assert await alder.mentions("Quiet words.") == ["waiting.said"]
    await later(alder)
    assert await told(alder, ben) == [("unsent", sleep.id)]
    async with alder.engine.begin() as conn:
        await waiting.drop(conn, first, ben.id)
    assert await told(alder, ben) == [("unsent", sleep.id)]  # the other one lies there still
    async with alder.engine.begin() as conn:
        await waiting.drop(conn, second, ben.id)
    assert await told(alder, ben) == []

    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(groups).values(posts=Posts.ANYONE))

    async def broken(*_: object) -> None:
        raise RuntimeError

    await send(alder, ana, sleep)
    monkeypatch.setattr(waiting, "_release", broken)
    for number in range(waiting.ATTEMPTS):
        assert await told(alder, ana) == []
        alder.clock.forward(minutes=11 if not number else 2)
        with pytest.raises(RuntimeError):
            await worker.release(alder.app)
    assert await told(alder, ana) == [("unsent", sleep.id)]


async def test_a_hold_by_moderators_begins_at_the_release(alder: Node, ana: Speaker) -> None:
    settings = GroupSettings(posts=Posts.ANYONE, premoderation=Premoderation.ALL)
    careful = await alder.group("careful", ana, settings=settings)
    await send(alder, await alder.persona("ben"), careful)
    async with alder.engine.connect() as conn:
        assert await desk.held(conn, careful) == []
    await later(alder)
    async with alder.engine.connect() as conn:
        (held,) = await desk.held(conn, careful)
    assert held.state is PostState.HELD
    assert held.published == datetime(2026, 5, 4, 12, 11, tzinfo=UTC)


async def test_in_a_slow_group_one_post_of_a_member_waits_at_a_time(
    alder: Node, ana: Speaker
) -> None:
    slow = await alder.group(
        "slow", ana, settings=GroupSettings(posts=Posts.ANYONE, slow_minutes=10)
    )
    ben, lou = await alder.persona("ben"), await alder.persona("lou")
    ben, lou = (replace(each, voices=(ben.id, lou.id)) for each in (ben, lou))
    await send(alder, ben, slow)
    with pytest.raises(NotAllowed, match="slowly"):
        await send(alder, lou, slow)


async def test_a_poll_is_open_as_long_as_it_was_meant_to_be(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A thread", "Hello.")
    ends = alder.clock.now.replace(second=0) + timedelta(days=3)
    poll = Poll(options=(Option(name="Yes"), Option(name="No")), several=True, ends=ends)
    await send(alder, ana, sleep, parent=root, title="", poll=poll)
    await later(alder)
    page = await alder.thread(root.uri, ana.id)
    async with alder.engine.connect() as conn:
        found = (await part_store.polls_of(conn, [page.posts[-1].id])).popitem()[1]
    assert [each.name for each in found.options] == ["Yes", "No"]
    assert found.several
    assert found.ends == ends + timedelta(minutes=11)


async def test_what_breaks_is_tried_again_and_then_given_back(
    alder: Node, ana: Speaker, sleep: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(alder, ana, sleep, "Breaks.")
    await send(alder, ana, sleep, "Goes out.")

    async def start(
        conn: object, here: object, speaker: object, group: object, draft: Draft
    ) -> None:
        if draft.source == "Breaks.":
            raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(threads, "start", start)
        for _ in range(waiting.ATTEMPTS):
            alder.clock.forward(minutes=11)
            with suppress(RuntimeError):
                await later(alder, 0)
            await later(alder, 0)
    (found,) = await mine(alder, ana)
    assert (found.due, found.draft.source) == (None, "Breaks.")
    assert "Something broke" in found.reason


async def test_fifty_posts_of_a_name_wait_and_no_more(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    for number in range(waiting.MAX_WAITING):
        await send(alder, ana, sleep, str(number))
    with pytest.raises(NotAllowed, match="wait already"):
        await send(alder, ana, sleep)
    await send(alder, await alder.persona("ben"), sleep)


async def test_what_is_left_lying_goes_after_a_month_and_with_its_persona(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    ben = await alder.persona("ben")
    one, two = await send(alder, ana, sleep, "Left lying."), await send(alder, ben, sleep)
    async with alder.engine.begin() as conn:
        await waiting.take_back(conn, one, ana.id)
        await waiting.take_back(conn, two, ben.id)
        await closing.close(conn, alder.here, ben.actor)
    assert await mine(alder, ben) == []
    alder.clock.forward(days=30)
    await tidy.tidy(alder.engine, alder.here)
    assert len(await mine(alder, ana)) == 1
    alder.clock.forward(days=1)
    await tidy.tidy(alder.engine, alder.here)
    assert await alder.mentions("Left lying.") == []


async def test_nothing_is_said_any_more_of_words_that_went_after_a_month(
    alder: Node, sleep: Group
) -> None:
    ben = await alder.persona("ben")
    await send(alder, ben, sleep)
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(groups).values(posts=Posts.MEMBERS))
    await later(alder)
    assert await told(alder, ben) == [("unsent", sleep.id)]
    alder.clock.forward(days=31)
    await tidy.tidy(alder.engine, alder.here)
    assert await mine(alder, ben) == []
    assert await told(alder, ben) == []


async def test_after_a_restore_nothing_goes_out_before_its_author_looked(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    await send(alder, ana, sleep)
    async with alder.engine.begin() as conn:
        assert await waiting.stop_all(conn, alder.here, "Please look.") == 1
    assert await told(alder, ana) == [("unsent", sleep.id)]
    await later(alder)
    (found,) = await mine(alder, ana)
    assert (found.due, found.reason) == (None, "Please look.")


async def test_dom_A14_a_post_with_a_last_day_is_deleted_then_here_and_elsewhere(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    await send(alder, ana, sleep, "For a week.", days=7)
    await later(alder)
    alder.clock.forward(days=6)
    assert not await expiry.delete_one(alder.engine, alder.here)
    alder.clock.forward(days=1)
    await tidy.tidy(alder.engine, alder.here)
    assert await alder.mentions("For a week.") == []
    async with alder.engine.connect() as conn:
        row = (await conn.execute(sa.select(posts.c.state, posts.c.expires, posts.c.uri))).one()
        told = await conn.scalars(sa.select(activities.c.kind))
    assert (row.state, row.expires) == (PostState.DELETED, None)
    assert "Delete" in set(told)
    log = (alder.app[SETTINGS].tombstones).read_text()
    assert row.uri in log


def test_a_draft_that_waits_loses_nothing() -> None:
    now = datetime(2026, 5, 4, 12, tzinfo=UTC)
    draft = Draft(
        source="Words",
        title="A title",
        note="sleep",
        labels=("grief", "loss"),
        wish=Wish.LISTEN,
        language="ga",
        guidelines=3,
        people={"@ben": "http://alder.test/u/ben"},
        poll=Poll(
            options=(Option(name="a"), Option(name="b")), several=True, ends=now + timedelta(days=1)
        ),
        pictures=(Chosen(random_uuid(), "A lake"),),
        days=30,
        contacts_stay=True,
    )
    assert draft_text.load(draft_text.dump(draft, now), now) == draft
    # What is asked anew at the release, or belongs to edits only.
    not_kept = {"changes", "help_lines"}
    unlike = {
        each.name for each in fields(Draft) if getattr(draft, each.name) != _default(each.name)
    }
    assert unlike == {each.name for each in fields(Draft)} - not_kept


def _default(name: str) -> object:
    return getattr(Draft(source=""), name)


async def test_sec_U6_a_follow_and_a_sign_are_known_to_others_some_minutes_later(
    node: NodeFactory, alder: Node, ana: Speaker
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    club = await birch.group("club", ben, settings=GroupSettings(posts=Posts.ANYONE))
    other = await birch.group("other", ben)

    async def members() -> int:
        async with birch.engine.connect() as conn:
            return await _count(conn, follows)

    await alder.join(ana, club.actor.uri)
    await alder.join(ana, other.actor.uri)
    async with alder.engine.begin() as conn:  # before anybody heard of it
        there = await actor_store.by_uri(conn, other.actor.uri)
        assert there is not None
        await follow_store.end(conn, alder.here, ana.actor, there)
    before = await members()
    await settle(alder, birch)
    assert await members() == before
    alder.clock.forward(minutes=5)
    await settle(alder, birch)
    assert await members() > before

    root = await birch.start(ben, club.actor.uri, "A thread", "Hello.")
    await settle(alder, birch)
    post = await alder.post(root.uri)
    assert post is not None
    async with alder.engine.begin() as conn:
        await reactions.like(conn, alder.here, ana, post)
        await reactions.like(conn, alder.here, ana, post)
    await settle(alder, birch)
    assert await _likes(alder, root) == await _likes(birch, root) == 0
    alder.clock.forward(minutes=5)
    await settle(alder, birch)
    assert await _likes(alder, root) == await _likes(birch, root) == 1
    async with alder.engine.begin() as conn:
        await reactions.unlike(conn, alder.here, ana, post)
    await settle(alder, birch)
    assert await _likes(birch, root) == 0
    async with alder.engine.begin() as conn:  # given and taken back before anybody heard of it
        await reactions.like(conn, alder.here, ana, post)
        await reactions.unlike(conn, alder.here, ana, post)
    alder.clock.forward(minutes=5)
    assert not await worker.release(alder.app)


async def _likes(node: Node, root: Post) -> int:
    post = await node.post(root.uri)
    assert post is not None
    return post.likes


async def words_out(node: Node) -> list[str]:
    async with node.engine.connect() as conn:
        return list(await conn.scalars(sa.select(posts.c.source).order_by(posts.c.id)))


async def test_what_was_taken_back_while_its_release_broke_does_not_go_out(
    alder: Node, ana: Speaker, sleep: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(alder, ana, sleep)
    alder.clock.forward(minutes=11)
    start, note = threads.start, waiting._note_failure

    async def breaks(*_: object, **__: object) -> None:
        raise RuntimeError

    async def between(engine: AsyncEngine, here: Here, waiting_id: UUID) -> None:
        async with engine.begin() as conn:
            await waiting.take_back(conn, waiting_id, ana.id)
        await note(engine, here, waiting_id)

    monkeypatch.setattr(threads, "start", breaks)
    monkeypatch.setattr(waiting, "_note_failure", between)
    with pytest.raises(RuntimeError):
        await waiting.release_one(alder.engine, alder.here, help_lines=())
    monkeypatch.setattr(threads, "start", start)
    alder.clock.forward(minutes=2)
    while await worker.release(alder.app):
        pass
    assert await words_out(alder) == []
    (kept,) = await mine(alder, ana)
    assert kept.draft.source == "Quiet words."


async def test_a_name_that_is_closed_says_nothing_more(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    """From the moment that its member closes it, not from the next round of tidying."""
    ben = await alder.persona("ben")
    post = await alder.start(ana, sleep.actor.uri, "Nights", "Awake.")
    await send(alder, ben, sleep)
    async with alder.engine.begin() as conn:
        await reactions.like(conn, alder.here, ben, post)
        await closing.begin(conn, alder.here, ben.actor)
    alder.clock.forward(minutes=30)
    while await worker.release(alder.app):
        pass
    while await reactions.send_one(alder.engine, alder.here):
        pass
    assert await words_out(alder) == ["Awake."]
    async with alder.engine.connect() as conn:
        assert not await conn.scalar(sa.select(sa.func.count()).select_from(reaction_table))


async def test_moderators_are_not_slowed_by_what_waits(alder: Node, ana: Speaker) -> None:
    settings = GroupSettings(posts=Posts.ANYONE, slow_minutes=5)
    slow = await alder.group("slow", ana, settings=settings)
    ben = await alder.persona("ben")
    for _ in range(2):
        await send(alder, ana, slow)
    await send(alder, ben, slow)
    with pytest.raises(NotAllowed):
        await send(alder, ben, slow)


async def test_a_post_in_a_group_that_is_gone_still_has_its_last_day(
    alder: Node, ana: Speaker, node: NodeFactory
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    club = await birch.group("club", ben, settings=GroupSettings(posts=Posts.ANYONE))
    await alder.meet(club.actor.uri)
    async with alder.engine.begin() as conn:
        there = await actor_store.by_uri(conn, club.actor.uri)
        assert there is not None
        group = await group_store.get(conn, there.id)
        draft = Draft(title="Nights", source="For a week.", language="en", days=7)
        await threads.start(conn, alder.here, ana, group, draft)
        await remote.close(conn, there.id)
    alder.clock.forward(days=8)
    await tidy.tidy(alder.engine, alder.here)
    assert await words_out(alder) == [""]


async def test_a_group_that_was_asked_again_hears_of_the_leaving(
    alder: Node, ana: Speaker, node: NodeFactory
) -> None:
    birch = await node("birch.test")
    club = await birch.group("club", await birch.persona("ben"))

    async def members() -> int:
        query = sa.select(sa.func.count()).select_from(
            follows.join(actors, actors.c.id == follows.c.follower_id)
        )
        async with birch.engine.connect() as conn:
            return await conn.scalar(query.where(actors.c.handle == "ana")) or 0

    await alder.join(ana, club.actor.uri)
    alder.clock.forward(minutes=6)
    await settle(alder, birch)
    assert await members() == 1
    await alder.join(ana, club.actor.uri)  # the form in another tab
    async with alder.engine.begin() as conn:
        there = await actor_store.by_uri(conn, club.actor.uri)
        assert there is not None
        await membership.leave(conn, alder.here, ana, await group_store.get(conn, there.id))
    alder.clock.forward(minutes=6)
    await settle(alder, birch)
    assert await members() == 0
