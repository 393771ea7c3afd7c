"""A moderator's decision holds behind every door of every process within two seconds (MOD-H12).

It is made in one process of a node, and every address that another process answers is asked, from
the table of routes. Who loses it finds it nowhere; whoever may keep it still finds it; what is
undone is back behind the doors where it was.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from groups import asking, desk, finding, labelling, stopping
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import GroupSettings
from groups.posts import Post
from kernel.schema.groups import Posts, Sees
from kernel.schema.labels import Giver
from kernel.schema.moderation import Level, Role
from kernel.schema.tables import actors, attachments
from moderation import impact
from moderation.impact import Seen
from moderation.policy import Policy
from moderation.saying import Saying
from node import keeping_away
from tests.faults.victim import Victim
from tests.media import draw
from tests.nodes import settle
from tests.pages import every_door
from tests.pages.conftest import House, looked_at
from tests.pages.deciding import ALL, EVERYBODY, LISTS, PAGES, Act, Decision, check, seen_by_all
from tests.pages.every_door import LOOKED_FOR, MARK, SOON, Scene, named
from tests.pages.test_pictures import again, compose
from tests.peer import PUBLIC, PeerFactory
from tests.wire.world import said

IN_WORDS = "lapwingfen"  # is in no title, which tells of what is folded
IN_ANSWER = "dunnockfern"
OF_A_NAME = "wagtailbrook"  # is what Ben says of himself
DOMAINS = "/settings/node/domains"
ABOUT = "heronreed"  # is what the group says of itself
WORDS = f"{MARK} {LOOKED_FOR} {IN_WORDS} #{LOOKED_FOR}"
ANYBODY = GroupSettings(posts=Posts.ANYONE)


async def now(scene: Scene, post: Post) -> Post:
    async with scene.node.engine.connect() as conn:
        return await post_store.get(conn, post.id)


def of_posts(act: Callable[..., Awaitable[object]], *more: Any, **options: Any) -> Act:
    """What the group's desk decides about every post of the scene."""

    async def decide(scene: Scene) -> None:
        for each in scene.posts:
            post = await now(scene, each)
            async with scene.node.engine.begin() as conn:
                acting = await desk.require(conn, scene.group, scene.house.ana.speaker)
                await act(conn, scene.node.here, scene.group, acting, post, *more, **options)

    return decide


async def taken_out(scene: Scene) -> None:
    """As a moderator does it, by a form."""
    for each in scene.posts:
        said = {"post": str(each.id), "reason": "Thank you."}
        sent = await scene.house.ana.send("POST", f"/g/{scene.handle}/desk/remove", said)
        assert sent.status == 303, sent.text


def labelled(label: str) -> Act:
    async def decide(scene: Scene) -> None:
        today = scene.node.here.now().date()
        for each in scene.posts:
            saying = Saying.here(label, Giver.GROUP, today=today)
            async with scene.node.engine.begin() as conn:
                await labelling.give(conn, scene.node.here, scene.group, each, saying)

    return decide


async def unlabelled(scene: Scene) -> None:
    for each in scene.posts:
        async with scene.node.engine.begin() as conn:
            await labelling.take_off(conn, scene.node.here, scene.group, each, "grief", Giver.GROUP)


def readable_by(sees: Sees) -> Act:
    async def decide(scene: Scene) -> None:
        async with scene.node.engine.begin() as conn:
            group = await group_store.get(conn, scene.group.id)
            assert group.settings is not None
            await group_store.update(
                conn,
                scene.node.here,
                group,
                name=group.actor.name,
                about=ABOUT,
                settings=replace(group.settings, sees=sees),
            )

    return decide


async def declined(scene: Scene) -> None:
    async with scene.node.engine.begin() as conn:
        await asking.decline(conn, scene.node.here, await now(scene, scene.posts[-1]))


async def allowed(scene: Scene) -> None:
    async with scene.node.engine.begin() as conn:
        answer = await now(scene, scene.posts[-1])
        await asking.allow(conn, scene.node.here, answer, "https://good.test/approvals/1")


async def banned(scene: Scene) -> None:
    async with scene.node.engine.begin() as conn:
        acting = await desk.require(conn, scene.group, scene.house.ana.speaker)
        person = scene.house.ben.actor
        await desk.ban(conn, scene.node.here, scene.group, acting, person, "Please rest.")


async def unbanned(scene: Scene) -> None:
    async with scene.node.engine.begin() as conn:
        acting = await desk.require(conn, scene.group, scene.house.ana.speaker)
        await desk.unban(conn, scene.node.here, scene.group, acting, scene.house.ben.actor)
    await scene.node.join(scene.house.ben.speaker, scene.group.actor.uri)


async def of_node(scene: Scene, act: Callable[..., Awaitable[object]], *more: str) -> None:
    """What the node's desk decides about Ben."""
    async with scene.node.engine.begin() as conn:
        acting = await actor_store.by_uri(conn, f"{scene.node.origin}/desk/node")
        assert acting is not None
        person = await actor_store.get(conn, scene.house.ben.actor.id)
        await act(conn, scene.node.here, acting, person, *more)


async def stopped(scene: Scene) -> None:
    await of_node(scene, stopping.stop, "Please rest.")


async def stopped_by_a_form(scene: Scene) -> None:
    """From a report about Ben, that Cleo made and Ana looks at."""
    house = scene.house
    made = await house.cleo.fill("/u/ben/report", "/u/ben/report", why="pressure", words="Look")
    assert made.status == 200, made.text
    page = await looked_at(house.ana, "/moderation")
    sent = await house.ana.submit(page, page.page.form("days", action="/stop"), start="pause")
    assert sent.status == 303, sent.text


async def going_on_by_a_form(scene: Scene) -> None:
    sent = await scene.house.ana.fill("/settings/node/stopped", "/settings/node/stopped")
    assert sent.status == 303, sent.text


async def going_on(scene: Scene) -> None:
    await of_node(scene, stopping.go_on)


def kept_away(level: Level) -> Act:
    async def decide(scene: Scene) -> None:
        engine, here = scene.node.engine, scene.node.here
        async with engine.connect() as conn:
            would = await impact.of(conn, here, [scene.host], level)
        seen = Seen(would.digest, looked=True)
        await keeping_away.decide(engine, here, scene.host, Policy(level), seen=seen)

    return decide


async def kept_away_by_a_form(scene: Scene) -> None:
    """What it would cut is shown first, and has to be looked at."""
    ana = scene.house.ana
    shown = await ana.fill(DOMAINS, domain=scene.host, level="reject")
    assert shown.status == 409, shown.text
    sent = await ana.submit(shown, shown.page.form("seen", "looked"), looked="yes")
    assert sent.status == 303, sent.text


async def welcome_again_by_a_form(scene: Scene) -> None:
    sent = await scene.house.ana.fill(DOMAINS, f"{DOMAINS}/forget")
    assert sent.status == 303, sent.text


async def welcome_again(scene: Scene) -> None:
    await keeping_away.forget(scene.node.engine, scene.node.here, scene.host)


ABOUT_POSTS = {
    "remove": Decision(taken_out, of_posts(desk.restore), ALL, ("ben",)),
    "remove for the node": Decision(
        of_posts(desk.remove, "Thank you.", role=Role.NODE),
        of_posts(desk.restore, role=Role.NODE),
        ALL,
        ("ben",),
    ),
    "hold": Decision(of_posts(desk.hold, ""), of_posts(desk.release), ALL, ("ben", "ana")),
    "a label that holds": Decision(
        labelled("harassment"), of_posts(desk.release), ALL, ("ben", "ana")
    ),
    "a label that folds": Decision(
        labelled("grief"), unlabelled, EVERYBODY, (), mark=IN_WORDS, covered=True, pages=PAGES
    ),
    "approval undone": Decision(declined, allowed, (*ALL, "ana"), ("ben",), mark=IN_ANSWER),
}
ABOUT_A_GROUP = {
    "members only": Decision(
        readable_by(Sees.MEMBERS), readable_by(Sees.EVERYONE), ALL, ("ben", "ana")
    ),
    "members only, of the group's own words": Decision(
        readable_by(Sees.MEMBERS), readable_by(Sees.EVERYONE), ALL, ("ben", "ana"), mark=ABOUT
    ),
}
ABOUT_A_PERSON = {
    "ban": Decision(banned, unbanned, ("ben",), ("ana",)),
    "stop": Decision(stopped_by_a_form, going_on_by_a_form, ("ben",), ("ana",)),
    "stop, of the name's own words": Decision(stopped, going_on, ALL, (), mark=OF_A_NAME),
}
ABOUT_A_DOMAIN = {
    "filter": Decision(kept_away(Level.FILTER), welcome_again, ALL, (), pages=LISTS),
    "reject": Decision(kept_away_by_a_form, welcome_again_by_a_form, EVERYBODY, ()),
    "drop": Decision(kept_away(Level.DROP), welcome_again, EVERYBODY, ()),
}


async def _speaks(house: House) -> tuple[list[Post], str]:
    """A thread of Ben's with an answer of his, words and a picture, all with MARK in them."""
    node, ben = house.node, house.ben
    async with node.engine.begin() as conn:
        about = {"summary": f"<p>{ABOUT}</p>", "source": ABOUT}
        await conn.execute(sa.update(actors).where(actors.c.id == house.open.id).values(about))
    root = await node.start(ben.speaker, house.open.actor.uri, MARK, WORDS)
    asked = await compose(ben, root.id, [draw.png()])
    sent = await again(ben, asked, alt=MARK, text=f"{WORDS} {IN_ANSWER}")
    assert sent.status == 303, sent.text
    async with node.engine.connect() as conn:
        newest = sa.select(attachments).order_by(attachments.c.post_id.desc()).limit(1)
        picture = (await conn.execute(newest)).one()
        answer = await post_store.get(conn, picture.post_id)
    await settle(node)
    await finding.take_in(node.engine)
    return [root, answer], f"{picture.media_id}.webp"


async def test_sec_L5_a_decision_about_posts_holds_behind_every_door(
    house: House, other: Victim
) -> None:
    posts, picture = await _speaks(house)
    scene = replace(seen_by_all(house, other.port, house.open, posts), pictures=[picture])
    shows = {
        "visitor": {"/t/{id}", "/p/{id}", "/g/{name}", "/tags/{tag}", "/media/{name}", "/a/{id}",
                    "/g/{name}/outbox"},
        "cleo": {"/find", "/p/{id}/reply"},
        "ben": {"/", "/p/{id}/edit"},
    }  # fmt: skip
    await check(scene, ABOUT_POSTS | ABOUT_A_GROUP, shows=shows)


async def test_sec_L9_a_decision_about_a_person_holds_behind_every_door(
    house: House, other: Victim
) -> None:
    """Who is put out of a group, or stopped, reads nothing of what only its members read."""
    node = house.node
    async with node.engine.begin() as conn:
        about = {"summary": f"<p>{OF_A_NAME}</p>", "source": OF_A_NAME}
        await conn.execute(sa.update(actors).where(actors.c.id == house.ben.actor.id).values(about))
    await node.join(house.ben.speaker, house.private.actor.uri)
    root = await node.start(house.ana.speaker, house.private.actor.uri, MARK, WORDS)
    await finding.take_in(node.engine)
    scene = seen_by_all(house, other.port, house.private, [root])
    await check(scene, ABOUT_A_PERSON, shows={"ben": {"/", "/t/{id}", "/g/{name}", "/find"}})


async def test_sec_L10_a_decision_about_a_domain_holds_behind_every_door(
    house: House, other: Victim, peer: PeerFactory
) -> None:
    node, good = house.node, await peer("good.test", house.node)
    wide = await node.group("wide", house.ana.speaker, settings=ANYBODY)
    ann = good.person("ann")
    for number in range(2):
        tag = {"type": "Hashtag", "name": f"#{LOOKED_FOR}"}
        to = [PUBLIC, wide.actor.uri]
        note = good.note(ann, WORDS, to=to, name=f"{MARK} {number}", tag=[tag])
        await said(node, good, ann, note)
    await finding.take_in(node.engine)
    root = await node.post(note["id"])
    assert root is not None
    scene = replace(seen_by_all(house, other.port, wide, [root]), host="good.test")
    shows = {"visitor": {"/t/{id}", "/g/{name}", "/tags/{tag}"}, "cleo": {"/find"}}
    await check(scene, ABOUT_A_DOMAIN, shows=shows)


async def test_a_door_that_leaks_or_cannot_be_reached_is_found(
    house: House, other: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk itself: nothing is decided, so every door leaks; and a new one has to be filled."""
    posts, _ = await _speaks(house)
    scene = seen_by_all(house, other.port, house.open, posts[:1])
    thread = [door for door in await scene.doors() if door.route == "/t/{id}"]
    loop = asyncio.get_running_loop()
    assert named(await scene.still_shown(thread, loop.time() - SOON), "visitor") == {"/t/{id}"}
    monkeypatch.setattr(every_door, "routes", lambda _: {"/new/{thing}"})
    with pytest.raises(AssertionError, match="say how to reach it"):
        await scene.doors()
