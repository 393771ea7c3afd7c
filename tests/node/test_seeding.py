"""A seeded community is what the actions would have written, only sooner."""

import uuid
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import GroupSettings
from kernel import db, text
from kernel.errors import Conflict, Malformed
from kernel.here import Here
from kernel.ids import next_post_ids
from kernel.postgres import Server
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, follows, groups, moderators, posts, reactions, threads
from moderation.visibility import VISITOR
from node import seeding
from node.seeding import Size
from tests.conftest import TEMPLATE
from tests.node.processes import hearthold
from tests.node.test_cli import variables
from tests.nodes import Node, NodeFactory
from tests.pages.people import Browser, settle

pytestmark = pytest.mark.slow

SMALL = Size(posts=600, personas=60, groups=30)


@pytest.fixture
async def seeded(node: NodeFactory) -> Node:
    alder = await node("alder.test")
    await seeding.seed(alder.engine, alder.here, SMALL, seed=7)
    return alder


@pytest.fixture
async def conn(seeded: Node) -> AsyncIterator[AsyncConnection]:
    async with seeded.engine.connect() as opened:
        yield opened


async def count(conn: AsyncConnection, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    return await conn.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0


async def test_there_is_as_much_as_was_asked_for(conn: AsyncConnection) -> None:
    kinds = await conn.execute(sa.select(actors.c.kind, sa.func.count()).group_by(actors.c.kind))

    assert await count(conn, posts) == 600
    assert await count(conn, groups) == 30
    # the node itself and its desk were there before
    assert {tuple(row) for row in kinds} == {
        ("Person", 60),
        ("Group", 30),
        ("Service", 31),
        ("Application", 1),
    }
    assert await count(conn, posts, posts.c.state == PostState.DELETED) > 0
    assert await count(conn, reactions) > 0


async def test_every_thread_counts_what_its_posts_say(conn: AsyncConnection) -> None:
    said = (
        sa.select(
            posts.c.thread_id,
            sa.func.count().filter(posts.c.id != posts.c.thread_id).label("replies"),
            sa.func.max(posts.c.id).label("latest_id"),
        )
        .where(posts.c.state == PostState.SHOWN)
        .group_by(posts.c.thread_id)
        .subquery()
    )
    rows = (
        await conn.execute(
            sa.select(
                sa.tuple_(threads.c.replies, threads.c.latest_id)
                == sa.tuple_(said.c.replies, said.c.latest_id)
            ).select_from(threads.outerjoin(said, said.c.thread_id == threads.c.id))
        )
    ).all()

    assert len(rows) > 20
    assert all(right for (right,) in rows)


async def test_posts_sort_by_release_and_follow_what_they_answer(conn: AsyncConnection) -> None:
    parent = posts.alias("parent")
    minute = posts.c.id // (60_000 << 16)
    assert (
        await count(conn, posts, minute != sa.func.extract("epoch", posts.c.published) // 60) == 0
    )
    pairs = (
        await conn.execute(
            sa.select(posts.c.id > parent.c.id, posts.c.thread_id == parent.c.thread_id).join(
                parent, parent.c.id == posts.c.parent_id
            )
        )
    ).all()
    assert len(pairs) > 300
    assert {tuple(pair) for pair in pairs} == {(True, True)}


async def test_the_next_real_post_of_a_minute_comes_after_the_seeded_ones(
    conn: AsyncConnection,
) -> None:
    newest, published = (
        await conn.execute(
            sa.select(posts.c.id, posts.c.published).order_by(posts.c.id.desc()).limit(1)
        )
    ).one()

    (following,) = await next_post_ids(conn, [published])
    assert following >> 16 == (newest >> 16) + 1


async def test_people_speak_only_where_they_belong(conn: AsyncConnection) -> None:
    outside = ~sa.exists().where(
        follows.c.follower_id == posts.c.author_id,
        follows.c.followed_id == posts.c.group_id,
        follows.c.state == FollowState.ACCEPTED,
    )
    assert await count(conn, posts, outside) == 0
    for table, of in ((posts, posts.c.group_id), (threads, threads.c.group_id)):
        assert await count(conn, table, of.not_in(sa.select(groups.c.actor_id))) == 0


async def test_rows_look_like_those_that_the_actions_write(seeded: Node) -> None:
    real = await seeded.persona("ana")
    made = await seeded.group("real", real, rules="Be kind.", settings=GroupSettings())
    async with seeded.engine.connect() as conn:
        person = await actor_store.get(conn, await _any(conn, ActorKind.PERSON, real.id))
        group = await group_store.get(conn, await _any(conn, ActorKind.GROUP, made.id))
        desk = await actor_store.get(conn, group.desk_id or uuid.uuid4())
        real_desk = await actor_store.get(conn, made.desk_id or uuid.uuid4())
        for seeded_one, real_one in (
            (person, real.actor),
            (group.actor, made.actor),
            (desk, real_desk),
        ):
            named = (seeded_one.handle.removesuffix("_desk"), real_one.handle.removesuffix("_desk"))
            for column in (
                "uri",
                "url",
                "inbox",
                "shared_inbox",
                "followers_uri",
                "key_id",
                "moderators_uri",
                "host",
                "local",
                "kind",
                "state",
                "fetched_at",
            ):
                theirs = getattr(real_one, column)
                if isinstance(theirs, str):
                    theirs = theirs.replace(named[1], named[0])
                assert getattr(seeded_one, column) == theirs, column
        assert group.guidelines_version == group.accept_from == made.accept_from == 1
        assert await group_store.moderator_uris(conn, group) == [desk.uri]
        assert await count(conn, moderators, moderators.c.group_id == group.id) == 2
        pair = await actor_store.signing_keys(conn, seeded.here, person.id)
        assert pair.public_pem == person.public_key


async def _any(conn: AsyncConnection, kind: ActorKind, but: uuid.UUID) -> uuid.UUID:
    found: uuid.UUID | None = await conn.scalar(
        sa.select(actors.c.id)
        .where(actors.c.kind == kind, actors.c.id != but)
        .order_by(actors.c.handle)
        .limit(1)
    )
    assert found is not None
    return found


async def test_words_are_rendered_as_those_of_members_are(conn: AsyncConnection) -> None:
    rows = (await conn.execute(sa.select(posts.c.source, posts.c.content))).all()

    assert len({source for source, _ in rows}) > 300
    assert any("<li>" in content for _, content in rows)
    for source, content in rows:
        assert content == text.render(source)


async def test_pages_of_a_seeded_node_load(seeded: Node, conn: AsyncConnection) -> None:
    await settle(seeded)
    visitor = Browser(seeded)
    group = await group_store.by_name(conn, "sleep", VISITOR)
    longest = await conn.scalar(
        sa.select(threads.c.id)
        .where(threads.c.group_id == group.id)
        .order_by(threads.c.replies.desc())
        .limit(1)
    )
    root = await post_store.get(conn, longest or 0)
    for path in ("/", "/groups", "/g/sleep", "/g/sleep/guidelines", f"/t/{root.id}"):
        assert (await visitor.open(path)).status == 200, path
    assert root.title in (await visitor.open(f"/t/{root.id}")).text
    document = await seeded.get(f"/p/{root.id}")
    assert (await document.json())["attributedTo"] == root.author_uri


async def test_the_same_seed_draws_the_same_community(postgres: Server, here: Here) -> None:
    found = []
    for number in (1, 1, 2):
        name = f"test_{uuid.uuid4().hex}"
        await postgres.create_database(name, template=TEMPLATE)
        engine = db.connect(postgres.url(name))
        await seeding.seed(engine, here, Size(posts=50, personas=8, groups=2), seed=number)
        async with engine.connect() as conn:
            said = (await conn.execute(sa.select(posts).order_by(posts.c.id))).all()
            joined = (await conn.execute(sa.select(follows).order_by(*follows.c))).all()
            people = (
                await conn.execute(sa.select(actors.c.id, actors.c.uri).order_by(actors.c.id))
            ).all()
        await engine.dispose()
        found.append((said, joined, people))

    assert found[0] == found[1]
    assert found[0] != found[2]


async def test_more_goes_beside_what_is_there(seeded: Node) -> None:
    with pytest.raises(Conflict, match="--more"):
        await seeding.seed(seeded.engine, seeded.here, SMALL)
    await seeding.seed(seeded.engine, seeded.here, SMALL, seed=7, more=True)

    async with seeded.engine.connect() as conn:
        assert await count(conn, posts) == 1200
        assert await count(conn, groups) == 60


async def test_a_community_of_nobody_is_refused(engine: AsyncEngine, here: Here) -> None:
    with pytest.raises(Malformed):
        await seeding.seed(engine, here, Size(posts=1, personas=0, groups=1))


async def test_progress_is_told_to_its_end(engine: AsyncEngine, here: Here) -> None:
    told: dict[str, tuple[int, int]] = {}
    await seeding.seed(
        engine,
        here,
        Size(posts=9, personas=3, groups=1),
        progress=lambda what, done, total: told.update({what: (done, total)}),
    )

    assert told["posts"] == (9, 9)
    assert all(done == total for done, total in told.values())


async def test_the_command_seeds_and_refuses_a_second_time(node: NodeFactory) -> None:
    alder = await node("alder.test")
    words = ("seed", "--posts", "20", "--personas", "5", "--groups", "2")

    first = hearthold(*words, **variables(alder))
    assert first.code == 0, first
    assert "20 more posts" in first.out
    second = hearthold(*words, **variables(alder))
    assert (second.code, len(second.err.splitlines())) == (1, 1)
    assert "--more" in second.err
    assert hearthold(*words, "--more", **variables(alder)).code == 0
