"""Every decision after a backup holds after its restore, and nothing else changes."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub.state import SETTINGS
from groups import closing, desk, labelling
from groups import groups as group_store
from groups import posts as post_store
from kernel import db, tombstone_log
from kernel.errors import Conflict
from kernel.postgres import Server
from kernel.schema.groups import Sees
from kernel.schema.labels import Giver
from kernel.schema.posts import PostState
from kernel.schema.tables import accounts, actors, bans, departures, domain_blocks, limits, stops
from kernel.schema.tables import sessions as table_of_sessions
from kernel.tombstone_log import Act
from members import accounts as account_store
from members import sessions
from moderation import chain, domains, label_lines
from moderation.labelling import MAX_GIVEN, give, of_posts
from moderation.saying import Saying, read_given
from node.opening import KEY
from node.safekeeping import key_file
from node.safekeeping.backup import backup
from node.safekeeping.replay import Replayed, replay
from node.safekeeping.restore import restore
from tests.members.people import CHEAP, PASSWORD, persona, sign_up
from tests.nodes import NodeFactory, Nodes, block
from tests.operations.places import (
    PASSPHRASE,
    empty_database,
    new_place,
    nothing,
    settings_of,
)

pytestmark = pytest.mark.slow


async def test_sec_P4_decisions_after_a_backup_hold_after_its_restore(
    nodes: Nodes, postgres: Server, tmp_path: Path
) -> None:
    alder = await nodes.start("alder.test")
    people = {name: await alder.persona(name) for name in ("ana", "ben", "cem", "dee", "eve")}
    group = await alder.group("sleep", people["ana"])
    for name in ("ben", "cem", "dee", "eve"):
        await alder.join(people[name], group.actor.uri)
    said = {
        name: await alder.start(speaker, group.actor.uri, "Awake", f"{name} speaks")
        for name, speaker in people.items()
    }
    member = (await sign_up(alder.engine, alder.here)).member
    leaving = await persona(alder.engine, alder.here, member, "leaving")
    other = (await sign_up(alder.engine, alder.here, "somebody-else")).member
    await sessions.open(alder.engine, alder.here, other)
    async with alder.engine.begin() as conn:
        await desk.ban(conn, alder.here, group, group.actor, people["dee"].actor, "before")
        await desk.ban(conn, alder.here, group, group.actor, people["cem"].actor, "for good")
        await block(conn, alder.here, "forgiven.example")
    file = tmp_path / "file"
    await backup(settings_of(alder), file, PASSPHRASE, say=nothing, show=nothing)

    async with alder.engine.begin() as conn:
        removed = await post_store.by_uri(conn, said["ben"].uri)
        assert removed is not None
        await desk.remove(conn, alder.here, group, group.actor, removed, "a private reason")
    async with alder.engine.begin() as conn:
        for decide in (partial(desk.remove, reason="a private reason"), desk.restore):
            kept = await post_store.by_uri(conn, said["ana"].uri)
            assert kept is not None
            await decide(conn, alder.here, group, group.actor, kept)
    async with alder.engine.begin() as conn:
        await desk.ban(conn, alder.here, group, group.actor, people["ben"].actor, "after")
        over = alder.here.now().date() - timedelta(days=1)
        await desk.ban(conn, alder.here, group, group.actor, people["cem"].actor, "ended", over)
        await desk.unban(conn, alder.here, group, group.actor, people["dee"].actor)
        soon = alder.here.now().date() + timedelta(days=7)
        await desk.limit(conn, alder.here, group, group.actor, people["dee"].actor, "", soon)
        await block(conn, alder.here, "spam.example", "a private reason")
        await domains.forget(conn, alder.here, "forgiven.example")
    async with alder.engine.begin() as conn:
        await closing.close(conn, alder.here, people["cem"].actor)
        tombstone_log.note(conn, Act.SUSPENDED, people["eve"].actor.uri, soon.isoformat())
        await chain.note_head(conn)
    await account_store.close(alder.engine, alder.here, member, PASSWORD, cost=CHEAP)
    log = alder.app[SETTINGS].tombstones.read_text()
    for secret in ("private reason", str(member.account_id), str(leaving.id), "speaks"):
        assert secret not in log

    key = tmp_path / "key"
    key_file.export(key_file.existing(alder.app[SETTINGS].data_dir / KEY), key)
    url = await empty_database(postgres)
    place = new_place(tmp_path / "new", url, key)
    restored = await restore(
        place, file, PASSPHRASE, since=alder.app[SETTINGS].since, say=nothing, show=nothing
    )

    assert restored.replayed == Replayed(posts=2, actors=2, accounts=1, bans=2, domains=2)
    async with db.disposed(db.connect(url)) as engine, engine.connect() as conn:
        states = {}
        for name, post in said.items():
            found = await post_store.by_uri(conn, post.uri)
            assert found is not None
            states[name] = found.state
        assert states == {
            "ana": PostState.SHOWN,
            "ben": PostState.REMOVED,
            "cem": PostState.DELETED,
            "dee": PostState.SHOWN,
            "eve": PostState.SHOWN,
        }
        banned = await conn.scalars(
            sa.select(actors.c.handle).join(bans, bans.c.actor_id == actors.c.id)
        )
        assert list(banned) == ["ben"]
        eve = await actor_store.by_uri(conn, people["eve"].actor.uri)
        assert eve is not None
        assert eve.state == "suspended"
        assert await conn.scalar(sa.select(stops.c.until)) == soon
        assert list(await conn.scalars(sa.select(domain_blocks.c.domain))) == ["spam.example"]
        assert await conn.scalar(sa.select(sa.func.count()).select_from(accounts)) == 1
        assert await conn.scalar(sa.select(sa.func.count()).select_from(departures)) == 1
        assert await conn.scalar(sa.select(sa.func.count()).select_from(table_of_sessions)) == 0
        assert await conn.scalar(sa.select(limits.c.actor_id)) == people["dee"].actor.id
        now = tombstone_log.read(place.tombstones.read_text())
        assert now[:-1] == tombstone_log.read(log)
        assert now[-1][:2] == ("rewound", "3")  # two bans and a block before the backup
        verdict = await chain.verify(conn, now)
        assert (verdict.lines, verdict.broken) == (3, "")
        assert verdict.gone == [
            "A backup was restored that ended at line 3; lines up to 12 are gone with what came "
            "after it."
        ]
        assert "the end is cut" in (await chain.verify(conn, now[:-1])).broken


async def test_sec_P4_what_protects_people_survives_a_restore_without_words(
    nodes: Nodes, postgres: Server, tmp_path: Path
) -> None:
    """Holds, labels and who may read a group; the log tells a thief nothing of what was said."""
    alder = await nodes.start("alder.test")
    ana, ben = await alder.persona("ana"), await alder.persona("ben")
    today = alder.here.now().date()
    groups = {name: await alder.group(name, ana) for name in ("open", "closes", "opens")}
    for group in groups.values():
        await alder.join(ben, group.actor.uri)
    names = ("held", "shown", "grief", "both", "taken off", "blamed", "let go", "removed")
    said = {
        name: await alder.start(ben, groups["open"].actor.uri, name, f"{name} words")
        for name in names
    }

    async def label(name: str, word: str) -> None:
        saying = Saying.here(word, Giver.GROUP, today=today, why="a private reason")
        async with alder.engine.begin() as conn:
            post = await post_store.get(conn, said[name].id)
            await labelling.give(conn, alder.here, groups["open"], post, saying)

    async def by_desk(act: Callable[..., Awaitable[None]], name: str, *more: str) -> None:
        async with alder.engine.begin() as conn:
            acting = await desk.require(conn, groups["open"], ana)
            post = await post_store.get(conn, said[name].id)
            await act(conn, alder.here, groups["open"], acting, post, *more)

    async def read_by(name: str, sees: Sees) -> None:
        async with alder.engine.begin() as conn:
            group = await group_store.get(conn, groups[name].id)
            assert group.settings is not None
            settings = replace(group.settings, sees=sees)
            await group_store.update(
                conn, alder.here, group, name=name, about="", settings=settings
            )

    await label("taken off", "grief")
    await read_by("opens", Sees.MEMBERS)
    file = tmp_path / "file"
    await backup(settings_of(alder), file, PASSPHRASE, say=nothing, show=nothing)

    await by_desk(desk.hold, "held", "a private reason")
    await by_desk(desk.hold, "shown", "a private reason")
    await by_desk(desk.release, "shown")
    await label("grief", "grief")
    await label("both", "grief")
    await label("both", "outdated-helpline")
    async with alder.engine.begin() as conn:
        post = await post_store.get(conn, said["taken off"].id)
        await labelling.take_off(conn, alder.here, groups["open"], post, "grief", Giver.GROUP)
    for name in ("blamed", "let go"):
        await label(name, "harassment")
    await by_desk(desk.release, "let go")
    await label("removed", "grief")
    await by_desk(desk.remove, "removed", "a private reason")
    await read_by("closes", Sees.MEMBERS)
    await read_by("opens", Sees.EVERYONE)
    log = alder.app[SETTINGS].tombstones.read_text()
    for secret in ("private reason", "grief", "harassment", "outdated", "words"):
        assert secret not in log
    sealed = [ids[0] for kind, *ids in tombstone_log.read(log) if kind == Act.LABELLED]
    assert len({len(each) for each in sealed}) == 1

    key = tmp_path / "key"
    key_file.export(key_file.existing(alder.app[SETTINGS].data_dir / KEY), key)
    url = await empty_database(postgres)
    place = new_place(tmp_path / "new", url, key)
    since = alder.app[SETTINGS].since
    await restore(place, file, PASSPHRASE, since=since, say=nothing, show=nothing)

    async with db.disposed(db.connect(url)) as engine, engine.connect() as conn:
        found = {name: await post_store.get(conn, post.id) for name, post in said.items()}
        states = {name: post.state for name, post in found.items()}
        assert states == {
            **dict.fromkeys(names, PostState.SHOWN),
            "held": PostState.HELD,
            "blamed": PostState.HELD,
            "removed": PostState.REMOVED,
        }
        given = {
            name: sorted(each.label for each in read_given(post.given, today))
            for name, post in found.items()
            if post.given
        }
        assert given == {"grief": ["grief"], "both": ["grief", "outdated-helpline"]}
        blamed = await of_posts(conn, [said["blamed"].id, said["let go"].id])
        assert [(each.post_id, each.label) for each in blamed] == [
            (said["blamed"].id, "harassment")
        ]
        for name, sees in (
            ("open", Sees.EVERYONE), ("closes", Sees.MEMBERS), ("opens", Sees.MEMBERS)
        ):  # fmt: skip
            group = await group_store.get(conn, groups[name].id)
            assert group.settings is not None
            assert (group.settings.sees, group.actor.members_only) == (
                sees,
                sees is Sees.MEMBERS,
            ), name


async def test_sec_P4_labels_that_a_backup_has_keep_their_reasons(node: NodeFactory) -> None:
    """What was said last is not said again; what ended, or went with its post, stays away."""
    alder = await node("alder.test")
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana)
    names = ("kept", "ended", "returned")
    said = {name: await alder.start(ana, group.actor.uri, name, f"{name} words") for name in names}
    sources = ("https://one.example/", "https://two.example/")

    async def label(name: str, word: str, days: int | None = None) -> None:
        saying = Saying.here(
            word, Giver.GROUP, today=alder.here.now().date(), why="why", sources=sources, days=days
        )
        async with alder.engine.begin() as conn:
            post = await post_store.get(conn, said[name].id)
            await labelling.give(conn, alder.here, group, post, saying)

    async def replayed() -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
        lines = tombstone_log.read(alder.app[SETTINGS].tombstones.read_text())
        async with alder.engine.begin() as conn:
            await replay(conn, alder.here, lines)
            return {
                name: [(each.label, each.why, tuple(each.sources)) for each in rows]
                for name, post in said.items()
                if (rows := await of_posts(conn, [post.id]))
            }

    await label("ended", "grief", days=1)
    alder.clock.forward(days=2)
    while await labelling.turn_one(alder.engine, alder.here):
        pass
    await label("kept", "grief")
    await label("returned", "grief")
    for decide in (partial(desk.remove, reason="a private reason"), desk.restore):
        async with alder.engine.begin() as conn:
            post = await post_store.get(conn, said["returned"].id)
            await decide(conn, alder.here, group, group.actor, post)
    assert await replayed() == {"kept": [("grief", "why", sources)]}


async def test_sec_P4_a_post_with_as_many_labels_as_can_be_stops_no_restore(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test")
    ana = await alder.persona("ana")
    group = await alder.group("sleep", ana)
    post = await alder.start(ana, group.actor.uri, "Awake", "Some words.")
    today = alder.here.now().date()
    mine = Saying.here("grief", Giver.GROUP, today=today)
    other = Saying.here("outdated-helpline", Giver.GROUP, today=today)
    async with alder.engine.begin() as conn:
        await give(conn, post.id, mine)
        for number in range(MAX_GIVEN - 1):
            peer = replace(mine, giver=Giver.PEER, host=f"{number}.example")
            await give(conn, post.id, peer)
    async with alder.engine.begin() as conn:
        await give(conn, post.id, replace(mine, why="said once more"))
        with pytest.raises(Conflict, match="as many labels"):
            await give(conn, post.id, other)
        label_lines.note(conn, alder.here, post.id, other)
    lines = tombstone_log.read(alder.app[SETTINGS].tombstones.read_text())
    async with alder.engine.begin() as conn:
        await replay(conn, alder.here, lines)
        labels = [each.label for each in await of_posts(conn, [post.id])]
    assert labels == ["grief"] * MAX_GIVEN
