"""Every hot query is answered from an index made for it, whatever is asked and however long it is.

What is looked at is the plan that serves all parameters: PostgreSQL changes to it after five
executions, and a plan that is right for a small group only would be wrong for the largest.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub.client import Budget, Client
from activitypub.pace import Pace
from activitypub.remote import Remote
from groups import asking as asking_store
from groups import (
    browsing,
    desk,
    directory,
    earlier,
    expiry,
    finding,
    hashtags,
    membership,
    moving,
    parts,
    picture_access,
    pictures,
    pins,
    polls,
    reactions,
    readers,
    rearranging,
    repeats,
    room,
    stories,
    telling,
    threads,
    unanswered,
    waiting,
)
from groups import groups as group_store
from groups import posts as post_store
from inbox import collections
from kernel.errors import NotFound
from kernel.here import Here
from kernel.ids import LAST_ID, random_uuid
from kernel.schema.actors import FollowState
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import follows, moderators, posts
from kernel.schema.tables import threads as thread_table
from media import pictures as media_store
from media.copies import Copier
from media.folder import Folder
from media.studio import Studio
from members import account_rows, blocks, drawers, notices, personas, sessions
from members import follows as follow_store
from members.member import Member
from members.notices import Telling
from moderation.visibility import VISITOR, Viewer
from tests.plans.conftest import LARGE, Asking, Plan, Seeded

pytestmark = pytest.mark.slow

Work = Callable[[AsyncConnection], Awaitable[object]]


@dataclass(frozen=True)
class Town:
    """The longest thread, the largest group, and one of its moderators."""

    thread_id: int
    deep: int
    post_uri: str
    group: group_store.Group
    viewer: Viewer
    here: Here


@pytest.fixture
async def town(seeded: Seeded, reading: AsyncEngine) -> Town:
    async with reading.connect() as conn:
        thread_id = await conn.scalar(
            sa.select(thread_table.c.id).order_by(thread_table.c.replies.desc()).limit(1)
        )
        ids = (
            await conn.scalars(
                sa.select(posts.c.id).where(posts.c.thread_id == thread_id).order_by(posts.c.id)
            )
        ).all()
        post = await post_store.get(conn, ids[-1])
        group = await group_store.get(conn, post.group_id)
        voice = await conn.scalar(
            sa.select(moderators.c.actor_id)
            .join(follows, follows.c.follower_id == moderators.c.actor_id)
            .where(moderators.c.group_id == group.id)
        )
    assert voice is not None
    return Town(
        thread_id=ids[0],
        deep=ids[len(ids) // 2],
        post_uri=post.uri,
        group=group,
        viewer=Viewer((voice, random_uuid()), signed_in=True),
        here=seeded.here,
    )


def check(plans: Sequence[Plan], *indexes: str) -> None:
    """Each plan uses the index named for it, and reads no large table from end to end."""
    assert len(plans) == len(indexes), [plan.statement for plan in plans]
    for plan, index in zip(plans, indexes, strict=True):
        assert index in plan.indexes, (plan.statement, plan.indexes)
        assert not plan.scanned & LARGE, (plan.statement, plan.scanned)


@pytest.mark.parametrize("who", ["visitor", "member"])
@pytest.mark.parametrize("page", [1, 2])
async def test_a_page_of_a_thread(asking: Asking, town: Town, who: str, page: int) -> None:
    viewer, after = VISITOR if who == "visitor" else town.viewer, 0 if page == 1 else town.deep

    plans = await asking.plans(
        lambda conn: browsing.show(conn, town.thread_id, viewer, after=after)
    )

    check(plans, "ix_posts_thread_id_id")
    assert not plans[0].sorted or who == "member"


@pytest.mark.parametrize("what", ["thread", "answer", "change"])
async def test_who_will_read(asking: Asking, town: Town, what: str) -> None:
    async def count(conn: AsyncConnection) -> None:
        post = await post_store.by_uri(conn, town.post_uri)
        parent, edited = (post if what == each else None for each in ("answer", "change"))
        asking.statements.clear()
        await readers.of(conn, town.here, town.group, parent=parent, edited=edited)

    plans = await asking.plans(count)
    check(plans[-1:], "ix_follows_followed_id")
    assert len(plans) == (2 if what == "change" else 1)


async def test_a_post_by_its_id_and_by_its_uri(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await post_store.get(conn, town.thread_id, VISITOR)
        await post_store.by_uri(conn, town.post_uri)
        await post_store.by_uris(conn, [town.post_uri])

    check(await asking.plans(work), "pk_posts", "uq_posts_uri", "uq_posts_uri")


async def test_a_group_and_a_page_of_its_threads(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        name = town.group.actor.handle
        group = await group_store.by_name(conn, name, town.viewer)
        await browsing.latest(conn, town.viewer, group_id=group.id, limit=21)
        await browsing.latest(conn, town.viewer, group_id=group.id, before=town.deep, limit=21)
        await membership.of(conn, group, town.viewer.voices)

    plans = await asking.plans(work)

    latest = "ix_threads_group_id_latest_id"
    check(plans, "uq_actors_local_handle", latest, latest, "pk_follows")
    assert {"ix_threads_pinned", "pk_follows"} <= plans[1].indexes
    for plan, lists in ((plans[1], 2), (plans[2], 1)):  # a first page: of followed groups, too
        walks = [node for node in plan.nodes if node.get("Index Name") == latest]
        assert len(walks) == lists
        for walk in walks:
            assert (walk["Node Type"], walk["Scan Direction"]) == ("Index Scan", "Backward")


async def test_a_members_own_page(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await browsing.latest(conn, town.viewer, limit=21)
        await browsing.latest(conn, town.viewer, before=town.deep, limit=21)
        await directory.page(conn, town.viewer, mine=True, limit=50)

    plans = await asking.plans(work)

    latest = "ix_threads_group_id_latest_id"
    check(plans, latest, latest, "pk_follows")
    for plan in plans[:2]:
        (walk,) = [node for node in plan.nodes if node.get("Index Name") == latest]
        assert (walk["Node Type"], walk["Scan Direction"]) == ("Index Scan", "Backward")


async def test_the_list_of_all_groups(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        first = await directory.page(conn, VISITOR, limit=21)
        await directory.page(conn, town.viewer, after=(first[-1].sorts_as, first[-1].id), limit=21)

    check(await asking.plans(work), "ix_actors_groups", "ix_actors_groups")


def beside_veil(plans: Sequence[Plan]) -> list[Plan]:
    """Each statement once, without those that only ask which night it is: the table has one row."""
    once = {plan.statement: plan for plan in plans}
    return [plan for plan in once.values() if plan.indexes or plan.scanned != {"veil"}]


async def test_who_is_asking(asking: Asking, town: Town, reading: AsyncEngine) -> None:
    cookie = secrets.token_urlsafe(32)
    nobody = Member(account_id=random_uuid(), root=secrets.token_bytes(32))

    async def work(conn: AsyncConnection) -> None:
        assert await sessions.read(reading, town.here, cookie) is None
        await sessions._blob(conn, town.here, nobody.account_id, nobody.root)
        await personas.voices(conn, nobody)

    check(beside_veil(await asking.plans(work)), "pk_sessions", "pk_accounts", "pk_actors")


async def test_rows_of_the_account_side_under_each_veil(asking: Asking, town: Town) -> None:
    nobody = Member(account_id=random_uuid(), root=secrets.token_bytes(32))

    async def work(conn: AsyncConnection) -> None:
        await account_rows.by_login(conn, town.here, secrets.token_bytes(32))
        await account_rows.get(conn, town.here, nobody.account_id, "blob", lock=True)
        await sessions.of_member(conn, town.here, nobody)
        await sessions.end_all(conn, town.here, nobody)
        await sessions.is_there(conn, town.here, secrets.token_bytes(32))
        await drawers.drop_all(conn, town.here, nobody)

    plans = beside_veil(await asking.plans(work))
    plans = [plan for plan in plans if "pg_notify" not in plan.statement]  # to open pages
    tagged = ("ix_sessions_tag",) * 2
    check(plans, "uq_accounts_login", "pk_accounts", *tagged, "pk_sessions", "pk_drawers")


async def test_answers_to_a_post_and_the_posts_of_a_thread(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await post_store.reply_uris(conn, town.thread_id, after=town.deep)
        await threads.shown_uris(conn, town.thread_id, after=town.deep)
        await threads.sum_up(conn, town.thread_id)

    answers, thread = "ix_posts_parent_id_id", "ix_posts_thread_id_id"
    plans = await asking.plans(work)

    check(plans, answers, answers, thread, thread, thread)
    assert not any(plans[each].sorted for each in (1, 2))


async def test_what_is_pinned(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await pins.pinned(conn, town.group)
        await post_store.root_of(conn, town.post_uri)
        await collections.follows_group(conn, town.post_uri, town.group.id)

    check(await asking.plans(work), "ix_threads_pinned", "uq_threads_uri", "uq_actors_uri")


async def test_what_was_said_under_a_tag(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await hashtags.tagged(conn, "many", VISITOR, before=None, limit=21)
        await hashtags.tagged(conn, "many", town.viewer, before=town.deep, limit=21)

    plans = await asking.plans(work)

    check(plans, "pk_post_tags", "pk_post_tags")
    for plan in plans:
        (walk,) = [node for node in plan.nodes if node.get("Index Name") == "pk_post_tags"]
        assert walk["Scan Direction"] == "Backward"


async def test_what_posts_have_beside_their_words(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await parts.attachments_of(conn, [town.thread_id])
        await parts.polls_of(conn, [town.thread_id])
        await parts.hashtags_of(conn, [town.thread_id])
        await polls.voted(conn, town.thread_id, ["https://a.test/u/1"])
        await earlier.of(conn, town.thread_id)
        await blocks.who_block(conn, town.viewer.voices[0], ["https://a.test/u/1"])

    check(
        await asking.plans(work),
        "pk_attachments",
        "pk_polls",
        "ix_post_tags_post_id",
        "pk_poll_votes",
        "pk_post_edits",
        "ix_blocks_persona_id",
    )


async def test_what_an_author_was_asked_about(asking: Asking, town: Town) -> None:
    uri = "https://a.test/a/1"

    async def work(conn: AsyncConnection) -> None:
        await asking_store.find(conn, uri)
        await asking_store.by_approval(conn, uri)
        await asking_store.is_used(conn, uri)

    given = "ix_posts_approval"
    check(
        await asking.plans(work),
        "uq_posts_uri", "ix_reactions_uri", given, "ix_reactions_approval", given,
    )  # fmt: skip


async def test_pictures_of_posts_and_who_may_see_one(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await pictures.pictures_of(conn, [town.thread_id])
        await pictures.has_from_elsewhere(conn, town.thread_id, [])
        for viewer in (VISITOR, town.viewer):
            with suppress(NotFound):
                await picture_access.find(conn, random_uuid(), viewer)
        await media_store.drafts(conn, [random_uuid()])

    found, key, icon = "ix_attachments_media_id", "pk_attachments", "ix_groups_icon"
    check(await asking.plans(work), key, key, found, icon, found, icon, "ix_media_drafted")


async def test_pictures_that_are_due(
    asking: Asking, town: Town, reading: AsyncEngine, tmp_path: Path
) -> None:
    store, client = Folder(tmp_path), Client(user_agent="x")
    pace = Pace.of(reading, town.here.clock, new=1, actors=1)

    async def work(_: AsyncConnection) -> None:
        assert not await media_store.remove_gone(reading, town.here, store)
        copier = Copier(
            engine=reading, here=town.here, client=client,
            remote=Remote(
                client=client, engine=reading, here=town.here, pace=pace,
                budget=Budget(clock=town.here.clock),
            ),
            store=store, studio=Studio(), scratch=tmp_path,
        )  # fmt: skip
        assert not await copier.copy_one()

    plans = await asking.plans(work)

    check(plans, "ix_media_gone", "ix_copies_wanted_due")
    assert not any(plan.sorted for plan in plans)


async def test_polls_that_are_due(asking: Asking, town: Town, reading: AsyncEngine) -> None:
    async def work(_: AsyncConnection) -> None:
        assert not await polls.sweep(reading, town.here)

    plans = await asking.plans(work)

    check(plans, "ix_polls_ends", "ix_polls_due")
    assert not any(plan.sorted for plan in plans)


async def test_what_waits_to_go_out_and_what_has_a_last_day(
    asking: Asking, town: Town, reading: AsyncEngine
) -> None:
    async def work(_: AsyncConnection) -> None:
        assert not await waiting.release_one(reading, town.here, help_lines=())
        assert not await follow_store.send_one(reading, town.here)
        assert not await reactions.send_one(reading, town.here)
        assert not await expiry.delete_one(reading, town.here)

    plans = await asking.plans(work)

    check(plans, "ix_waiting_due", "ix_follows_due", "ix_reactions_due", "ix_posts_expires")
    assert not plans[0].sorted


async def test_what_of_a_member_is_not_out(asking: Asking, town: Town) -> None:
    member = Member(account_id=random_uuid(), root=secrets.token_bytes(32))

    async def work(conn: AsyncConnection) -> None:
        await waiting.mine(conn, town.here, town.viewer.voices)
        with suppress(NotFound):
            await waiting.get(conn, town.here, random_uuid(), town.viewer.voices)
        await drawers.mine(conn, town.here, member)

    plans = beside_veil(await asking.plans(work))
    check(plans, "ix_waiting_author_id", "pk_waiting", "pk_drawers")


async def test_outboxes(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await collections.announced(conn, town.group.actor)
        await collections.posts_of(conn, town.group.actor)
        person = await actor_store.get(conn, town.viewer.voices[0])
        await collections.posts_of(conn, person)
        await collections.count_followers(conn, town.group.id)

    check(
        await asking.plans(work),
        "ix_activities_actor_uri",
        "ix_threads_group_id_latest_id",
        "pk_actors",
        "ix_posts_author_id_id",
        "ix_follows_followed_id",
    )


async def test_the_lists_of_a_desk(asking: Asking, town: Town) -> None:
    some = UUID(int=2**127)

    async def work(conn: AsyncConnection) -> None:
        await desk.held(conn, town.group, after=town.deep, limit=50)
        await membership.people(conn, town.group, FollowState.PENDING, after=some)
        await membership.people(conn, town.group, FollowState.ACCEPTED, after=some)
        await desk.banned(conn, town.group, after=some)
        await desk.log(conn, town.group, before=LAST_ID)

    plans = await asking.plans(work)

    people = "ix_follows_followed_id"
    check(plans, "ix_posts_held", people, people, "pk_bans", "ix_audit_chain_group_id_seq")
    assert not any(plan.sorted for plan in plans[:3])


async def test_the_move_of_a_thread(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await moving.places(conn, town.group, town.viewer.voices)
        root = await post_store.get(conn, town.thread_id)
        await telling.as_created(conn, root, or_changed=True)
        await telling._groups_before(conn, town.group, root)
        await moving.carry_over(conn, root._replace(thread_id=-1), town.group.id)

    check(
        await asking.plans(work),
        "ix_moderators_actor_id",
        "pk_groups",
        "pk_posts",
        "ix_activities_object_uri",
        "pk_moved_threads",
        "pk_threads",
        "pk_threads",
        "ix_posts_thread_id_id",
    )


async def test_a_table_that_is_read_from_end_to_end_is_noticed(asking: Asking) -> None:
    plans = await asking.plans(
        lambda conn: conn.execute(
            sa.select(posts.c.id).where(posts.c.content == sa.bindparam("words")), {"words": "x"}
        )
    )

    with pytest.raises(AssertionError):
        check(plans, "pk_posts")
    assert plans[0].scanned == {"posts"}


async def test_posts_by_their_words(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await finding.find(conn, "night", ["de"], town.viewer, before=None, limit=21)

    (plan,) = await asking.plans(work)

    assert "ix_posts_words" in plan.indexes
    assert not plan.scanned & LARGE, plan.scanned


async def test_posts_that_are_to_be_found(asking: Asking, reading: AsyncEngine) -> None:
    plans = await asking.plans(lambda conn: conn.execute(finding._TAKE_IN))

    assert "ix_posts_not_findable" in plans[0].indexes
    assert not plans[0].scanned & LARGE


async def test_who_waits_for_an_answer_and_how_long_it_takes(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        await unanswered.waiting(conn, town.here, town.group)
        await unanswered.usual_wait(conn, town.here, town.group.id)

    plans = await asking.plans(work)

    latest = "ix_threads_group_id_latest_id"
    check(plans, latest, latest)
    assert all("ix_posts_thread_id_id" in plan.indexes for plan in plans)
    assert "Sort" not in {node["Node Type"] for node in plans[0].nodes}


async def test_signs_stories_and_room(asking: Asking, town: Town) -> None:
    async def work(conn: AsyncConnection) -> None:
        post = await post_store.get(conn, town.thread_id)
        await reactions.signs_for(conn, post)
        await stories.told(conn, town.group)
        await conn.execute(
            stories._BESIDE, {"group_id": town.group.id, "but": town.thread_id, "topics": ["grief"]}
        )
        await rearranging.earlier(conn, town.group, post)
        await room.waiting(conn, town.group)

    latest = "ix_threads_group_id_latest_id"
    check(
        await asking.plans(work),
        "pk_posts", "pk_reactions", "ix_threads_stories", "ix_threads_stories", latest,
        "ix_follows_turn",
    )  # fmt: skip


async def test_what_somebodys_other_names_wrote_last(asking: Asking, town: Town) -> None:
    plans = await asking.plans(lambda conn: repeats.latest(conn, town.viewer.voices))

    check(plans, "ix_posts_author_id_id")


async def test_notices_and_what_an_open_page_asks(asking: Asking, town: Town) -> None:
    nobody = Telling(uri="http://alder.test/u/nobody", kind=NoticeKind.ANSWER, post_id=1)

    async def work(conn: AsyncConnection) -> None:
        await notices.page(conn, town.viewer, limit=21)
        await notices.page(conn, town.viewer, before=town.deep, after=town.thread_id, limit=21)
        await notices.hearers(conn, [town.thread_id])
        await notices.tell(conn, town.here, [nobody])
        await notices.forget_post(conn, 1)
        await notices.sweep(conn, town.here.now() - timedelta(days=30_000))
        await browsing.changes(conn, town.thread_id, town.viewer, first=town.deep, limit=100)
        await browsing.titles(conn, town.viewer, [town.thread_id])
        await polls.over_among(conn, town.viewer, town.here.now(), [town.thread_id])
        await actor_store.several(conn, [random_uuid()])

    plans = await asking.plans(work)

    mine, post = "pk_notices", "ix_notices_post_id_persona_id_kind"
    thread = "ix_posts_thread_id_id"
    check(
        plans,
        mine, mine, "pk_reactions", "uq_actors_uri", post, "ix_notices_id", thread,
        "pk_threads", "pk_polls", "pk_actors",
    )  # fmt: skip
    assert {mine, "ix_follows_followed_id", "pk_blocks"} <= plans[3].indexes
    assert not plans[6].sorted
