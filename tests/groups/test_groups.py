"""What a group's settings promise, held by the actions behind every door."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
import sqlalchemy as sa

from activitypub.actors import Actor
from groups import browsing, desk, directory, membership, threads
from groups import groups as group_store
from groups.admission import Draft, GuidelinesChanged
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.schema.actors import FollowState
from kernel.schema.groups import Joining, Posts, Premoderation, Sees
from kernel.schema.posts import PostState
from kernel.schema.tables import bans, metadata
from moderation.standing import Speaker
from moderation.visibility import VISITOR, Viewer
from tests.nodes import Node, NodeFactory


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test")


async def _siblings(alder: Node, *names: str) -> list[Speaker]:
    """Personas of one member: each answers for all."""
    made = [await alder.persona(name) for name in names]
    voices = tuple(each.id for each in made)
    return [Speaker(actor=each.actor, voices=voices) for each in made]


async def _post(alder: Node, speaker: Speaker, group: Group, **draft: object) -> Post:
    given = {"title": "A title", "source": "Some words.", "guidelines": 99, **draft}
    async with alder.engine.begin() as conn:
        return await threads.start(conn, alder.here, speaker, group, Draft(**given))  # type: ignore[arg-type]


async def _join(alder: Node, speaker: Speaker, group: Group, **given: object) -> FollowState:
    async with alder.engine.begin() as conn:
        return await membership.join(conn, alder.here, speaker, group, **given)  # type: ignore[arg-type]


async def _ban(alder: Node, group: Group, moderator: Speaker, person: Actor) -> None:
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, group, moderator)
        await desk.ban(conn, alder.here, group, acting, person, "please stay away")


async def test_design_V3_a_ban_holds_against_every_persona_of_the_member(alder: Node) -> None:
    moderator = await alder.persona("mod")
    group = await alder.group("sleep", moderator)
    kay, lou, fresh = await _siblings(alder, "kay", "lou", "fresh")
    stranger = await alder.persona("stranger")
    await _join(alder, kay, group)
    await _join(alder, lou, group)
    await _ban(alder, group, moderator, kay.actor)

    for voice in (kay, lou):
        with pytest.raises(NotAllowed, match="please stay away"):
            await _post(alder, voice, group)
    with pytest.raises(NotAllowed, match="please stay away"):
        await _join(alder, fresh, group)
    assert await _join(alder, stranger, group) is FollowState.ACCEPTED


async def test_design_V3_a_ban_leaves_no_trace_on_a_sibling(alder: Node) -> None:
    moderator = await alder.persona("mod")
    group = await alder.group("sleep", moderator)
    kay, lou = await _siblings(alder, "kay", "lou")
    await _join(alder, kay, group)
    await _join(alder, lou, group)
    before = await _rows_naming(alder, lou.id)

    await _ban(alder, group, moderator, kay.actor)
    with pytest.raises(NotAllowed):
        await _post(alder, lou, group)

    assert await _rows_naming(alder, lou.id) == before
    async with alder.engine.connect() as conn:
        named = (await conn.execute(sa.select(bans.c.actor_id))).scalars().all()
    assert named == [kay.id]


async def _rows_naming(node: Node, actor_id: UUID) -> Sequence[tuple[str, tuple[object, ...]]]:
    """Every row of every table that holds this id."""
    found = []
    async with node.engine.connect() as conn:
        for table in metadata.sorted_tables:
            ids = [column for column in table.columns if isinstance(column.type, sa.Uuid)]
            if ids:
                query = sa.select(table).where(sa.or_(*(column == actor_id for column in ids)))
                found += [(table.name, tuple(row)) for row in await conn.execute(query)]
    return found


async def test_one_voice_for_each_member_where_a_group_asks_for_it(alder: Node) -> None:
    group = await alder.group("sleep", settings=GroupSettings(one_voice=True))
    kay, lou = await _siblings(alder, "kay", "lou")
    assert await _join(alder, kay, group) is FollowState.ACCEPTED
    with pytest.raises(NotAllowed):
        await _join(alder, lou, group)


async def test_guidelines_are_read_before_joining_and_again_when_they_change(alder: Node) -> None:
    moderator, kay = await alder.persona("mod"), await alder.persona("kay")
    group = await alder.group("sleep", moderator, rules="Be kind.")
    with pytest.raises(GuidelinesChanged):
        await _join(alder, kay, group)
    await _join(alder, kay, group, guidelines=1)
    await _post(alder, kay, group, guidelines=0)

    async with alder.engine.begin() as conn:
        changed = await group_store.set_guidelines(conn, group, "Be kinder.", material=True)
        small = await group_store.set_guidelines(conn, changed, "Be kinder!", material=False)
    with pytest.raises(GuidelinesChanged):
        await _post(alder, kay, small, guidelines=1)
    assert (await _post(alder, kay, small, guidelines=2)).shown


async def test_only_members_post_unless_the_group_says_otherwise(alder: Node) -> None:
    kay = await alder.persona("kay")
    members = await alder.group("members")
    anyone = await alder.group("anyone", settings=GroupSettings(posts=Posts.ANYONE))
    with pytest.raises(NotAllowed):
        await _post(alder, kay, members)
    assert (await _post(alder, kay, anyone)).shown


async def test_approved_members_alone_post_where_a_moderator_says_who(alder: Node) -> None:
    kay = await alder.persona("kay")
    group = await alder.group("sleep", settings=GroupSettings(posts=Posts.APPROVED))
    await _join(alder, kay, group)
    with pytest.raises(NotAllowed):
        await _post(alder, kay, group)
    async with alder.engine.begin() as conn:
        await membership.approve(conn, group, kay.id, True)
    assert (await _post(alder, kay, group)).shown


async def test_joining_by_approval_waits_and_by_invitation_needs_one(alder: Node) -> None:
    kay, lou = await alder.persona("kay"), await alder.persona("lou")
    asking = await alder.group("asking", settings=GroupSettings(joining=Joining.APPROVAL))
    assert await _join(alder, kay, asking) is FollowState.PENDING
    with pytest.raises(NotAllowed):
        await _post(alder, kay, asking)
    async with alder.engine.begin() as conn:
        await membership.admit(conn, alder.here, asking, kay.actor)
    assert (await _post(alder, kay, asking)).shown

    invited = await alder.group("invited", settings=GroupSettings(joining=Joining.INVITATION))
    with pytest.raises(NotAllowed):
        await _join(alder, kay, invited)
    async with alder.engine.begin() as conn:
        secret = await membership.invite(conn, invited, uses=1)
    assert await _join(alder, kay, invited, invitation=secret) is FollowState.ACCEPTED
    with pytest.raises(NotAllowed):
        await _join(alder, lou, invited, invitation=secret)


async def test_a_held_post_is_seen_by_its_author_and_the_moderators_until_released(
    alder: Node,
) -> None:
    moderator, kay, lou = [await alder.persona(name) for name in ("mod", "kay", "lou")]
    group = await alder.group(
        "sleep", moderator, settings=GroupSettings(premoderation=Premoderation.FIRST)
    )
    await _join(alder, kay, group)
    post = await _post(alder, kay, group)
    assert post.state is PostState.HELD

    async def sees(*voices: UUID) -> bool:
        async with alder.engine.connect() as conn:
            try:
                await browsing.show(conn, post.thread_id, Viewer(voices, signed_in=True))
            except NotFound:
                return False
        return True

    assert [await sees(kay.id), await sees(moderator.id), await sees(lou.id)] == [True, True, False]
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, group, moderator)
        await desk.release(conn, alder.here, group, acting, post)
    assert await sees(lou.id)
    assert (await _post(alder, kay, group)).shown


async def test_a_group_goes_slowly_across_all_names_of_a_member(alder: Node) -> None:
    group = await alder.group("sleep", settings=GroupSettings(slow_minutes=10))
    kay, lou = await _siblings(alder, "kay", "lou")
    await _join(alder, kay, group)
    await _join(alder, lou, group)
    await _post(alder, kay, group)
    for voice in (kay, lou):
        with pytest.raises(NotAllowed, match="slowly"):
            await _post(alder, voice, group)
    alder.clock.forward(minutes=11)
    assert (await _post(alder, lou, group)).shown


async def test_content_notes_and_one_time_names_follow_the_groups_rule(alder: Node) -> None:
    settings = GroupSettings(posts=Posts.ANYONE, notes_required=True, one_time=False)
    group = await alder.group("sleep", settings=settings)
    kay = await alder.persona("kay")
    with pytest.raises(Malformed, match="content note"):
        await _post(alder, kay, group)
    with pytest.raises(NotAllowed, match="name they keep"):
        await _post(alder, replace(kay, one_time=True), group, note="sleep")
    assert (await _post(alder, kay, group, note="sleep")).note == "sleep"


@pytest.mark.parametrize(
    ("sees", "visitor", "member_of_node", "member_of_group"),
    [
        (Sees.EVERYONE, True, True, True),
        (Sees.NODE, False, True, True),
        (Sees.MEMBERS, False, False, True),
    ],
)
async def test_a_group_is_seen_by_whom_it_says(
    alder: Node, sees: Sees, visitor: bool, member_of_node: bool, member_of_group: bool
) -> None:
    kay, lou = await alder.persona("kay"), await alder.persona("lou")
    group = await alder.group("sleep", settings=GroupSettings(sees=sees))
    await _join(alder, kay, group)
    post = await _post(alder, kay, group)

    async def found(viewer: Viewer) -> bool:
        async with alder.engine.connect() as conn:
            listed = bool(await directory.page(conn, viewer))
            lines = bool(await browsing.latest(conn, viewer, group_id=group.id))
            try:
                await browsing.show(conn, post.thread_id, viewer)
                read = True
            except NotFound:
                read = False
        assert listed == lines == read
        return read

    assert await found(VISITOR) is visitor
    assert await found(Viewer((lou.id,), signed_in=True)) is member_of_node
    assert await found(Viewer((kay.id,), signed_in=True)) is member_of_group


async def test_what_is_too_long_or_empty_is_told_and_nothing_is_stored(alder: Node) -> None:
    """WIRE-P13."""
    group = await alder.group("sleep", settings=GroupSettings(posts=Posts.ANYONE))
    kay = await alder.persona("kay")
    for draft, said in (
        ({"source": "x" * 5001}, "5,000"),
        ({"title": "x" * 201}, "200"),
        ({"title": " "}, "title"),
        ({"source": " \n"}, "no words"),
    ):
        with pytest.raises(Malformed, match=said):
            await _post(alder, kay, group, **draft)
    assert (await _post(alder, kay, group, source="x" * 5000)).shown


async def test_threads_page_by_newest_answer_without_gaps_or_repeats(alder: Node) -> None:
    group = await alder.group("sleep", settings=GroupSettings(posts=Posts.ANYONE))
    kay = await alder.persona("kay")
    made = [await _post(alder, kay, group, title=f"Thread {n}") for n in range(7)]
    alder.clock.forward(minutes=1)
    await alder.reply(kay, made[2].uri, "An answer.")

    seen: list[str] = []
    before = None
    async with alder.engine.connect() as conn:
        while lines := await browsing.latest(
            conn, VISITOR, group_id=group.id, before=before, limit=3
        ):
            seen += [line.title for line in lines]
            before = lines[-1].latest_id
    assert sorted(seen) == sorted(f"Thread {n}" for n in range(7))
    assert seen[0] == "Thread 2"


async def test_only_moderators_moderate_and_a_lock_holds(alder: Node) -> None:
    moderator, kay = await alder.persona("mod"), await alder.persona("kay")
    group = await alder.group("sleep", moderator)
    await _join(alder, kay, group)
    root = await _post(alder, kay, group)
    async with alder.engine.begin() as conn:
        with pytest.raises(NotAllowed):
            await desk.require(conn, group, kay)
        acting = await desk.require(conn, group, moderator)
        await desk.lock(conn, alder.here, group, acting, root, "time to rest")
    with pytest.raises(NotAllowed, match="closed"):
        await alder.reply(kay, root.uri, "One more.")
    async with alder.engine.begin() as conn:
        await desk.unlock(conn, alder.here, group, acting, root)
        await desk.remove(conn, alder.here, group, acting, root, "a doctor's name")
    removed = await alder.post(root.uri)
    assert removed is not None
    assert (removed.state, removed.reason) == (PostState.REMOVED, "a doctor's name")
    async with alder.engine.connect() as conn:
        verbs = [entry.verb for entry in await desk.log(conn, group)]
    assert verbs == ["remove", "unlock", "lock"]


async def test_only_its_author_changes_or_deletes_a_post(alder: Node) -> None:
    group = await alder.group("sleep", settings=GroupSettings(posts=Posts.ANYONE))
    kay, lou = await alder.persona("kay"), await alder.persona("lou")
    root = await _post(alder, kay, group)
    with pytest.raises(NotFound):
        await alder.edit(lou, root.uri, "Mine", "now")
    with pytest.raises(NotFound):
        await alder.delete(lou, root.uri)
    await alder.delete(kay, root.uri)
    assert await alder.mentions("Some words.") == []
