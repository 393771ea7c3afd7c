"""What is decided about servers and people elsewhere holds behind every door (MOD-H12, MOD-3.10).

As in `test_every_door`: it is made in one process of a node, and asked of another.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from groups import desk, finding
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.clock import iso
from kernel.schema.groups import Posts
from kernel.schema.moderation import Level
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import cases
from moderation import impact
from moderation.impact import Seen
from moderation.policy import Policy
from node import keeping_away
from tests.faults.victim import Victim, victim
from tests.media import draw
from tests.nodes import Node, settle
from tests.pages.conftest import House
from tests.pages.deciding import EVERYBODY, seen_by_all
from tests.pages.every_door import LOOKED_FOR, MARK, Scene, named
from tests.pages.test_acting_after import go_on, known, stop
from tests.peer import PUBLIC, Document, Peer, PeerFactory
from tests.peer import Person as Elsewhere
from tests.wire.test_pictures import arrive, copied, shown
from tests.wire.world import Club, followers, reacted, said

WORDS = f"{MARK} {LOOKED_FOR} #{LOOKED_FOR}"
SAID = ("look at once.", "look later.", "look again.")
TAG = {"type": "Hashtag", "name": f"#{LOOKED_FOR}"}


async def wide_open(house: House) -> Group:
    """A group in which people of other servers write without having joined."""
    anybody = GroupSettings(posts=Posts.ANYONE)
    return await house.node.group("wide", house.ana.speaker, settings=anybody)


async def kept_at(node: Node, host: str, *, media: bool = False, reports: bool = False) -> None:
    chosen = Policy(Level.NOTE, reject_media=media, reject_reports=reports)
    async with node.engine.connect() as conn:
        would = await impact.of(conn, node.here, [host], chosen.level, reject_media=media)
    await keeping_away.decide(node.engine, node.here, host, chosen, seen=Seen(would.digest))


async def of_pictures(scene: Scene, posts: Sequence[Post]) -> tuple[Scene, list[str]]:
    """The scene with the copies that these posts have of their pictures, and their ids."""
    ids = [f"{each.media_id}" for post in posts for each in await shown(scene.node, post)]
    return replace(scene, pictures=[f"{each}.webp" for each in ids]), ids


async def test_mod_3_10_pictures_of_a_domain_are_behind_no_door(
    house: House, other: Victim, peer: PeerFactory
) -> None:
    """Of its people, and such as others have from there; what is written stays."""
    node, wide = house.node, await wide_open(house)
    good, elm, files = [await peer(f"{name}.test", node) for name in ("good", "elm", "files")]
    for server in (good, elm, files):
        server.files["/cup.png"] = server.files["/new.png"] = draw.png()
    ann, eve = good.person("ann"), elm.person("eve")
    posts = [
        await arrive(node, ann, good, wide, f"{good.origin}/cup.png", alt=MARK),
        await arrive(node, eve, elm, wide, f"{good.origin}/cup.png", alt=MARK),
        await arrive(node, eve, elm, wide, f"{files.origin}/cup.png", alt=MARK),
    ]
    await copied(node)
    scene, ids = await of_pictures(seen_by_all(house, other.port, wide, posts), posts)
    assert len(ids) == 3
    before = await scene.showing(await scene.doors())
    assert {door.route for door in before} >= {"/media/{name}", "/t/{id}"}
    loop = asyncio.get_running_loop()
    for host, gone in (("good.test", ids[:2]), ("files.test", ids[2:])):
        await kept_at(node, host, media=True)
        since = loop.time()
        for each in gone:
            theirs = replace(scene, pictures=[f"{each}.webp"])
            doors = await theirs.doors()
            at = [door for door in doors if door.route == "/media/{name}"]
            assert await scene.still_shown(at, since) == set()
            assert await scene.still_shown(doors, since, each) == set(), "nor is it named"
    after = await scene.showing(await scene.doors())
    for reader in EVERYBODY:
        assert named(before, reader) - named(after, reader) == {"/media/{name}"}
    await _comes_back(house, scene, good)


async def _comes_back(house: House, scene: Scene, good: Peer) -> None:
    """Once it is undone new pictures come; of the old ones the copies are gone (0053)."""
    node = house.node
    url, bob = f"{good.origin}/new.png", good.person("bob")
    late = await arrive(node, bob, good, scene.group, url, alt=MARK)
    await copied(node)
    assert "/new.png" not in good.fetched
    await keeping_away.forget(node.engine, node.here, good.name)
    new = await arrive(node, bob, good, scene.group, url, alt=MARK)
    await copied(node)
    posts = [*scene.posts, late, new]
    scene, ids = await of_pictures(scene, posts)
    assert len(ids) == 1
    at = [door for door in await scene.doors() if door.route == "/media/{name}"]
    assert {door.reader for door in await scene.showing(at)} == set(EVERYBODY)


async def test_mod_3_10_reports_of_a_domain_make_no_case_behind_any_door(
    house: House, peer: PeerFactory
) -> None:
    """Whichever process they come to; what was reported before stays for moderators to decide."""
    node, good = house.node, await peer("good.test", house.node)
    actor = good.person("good.test", kind="Application", path="actor")
    late = await node.reply(house.ben.speaker, house.thread.uri, "And more.")

    async def flag(port: int, about: Post, words: str) -> None:
        document = good.activity("Flag", actor, [about.uri], content=words)
        assert await good.send(replace(node, port=port), document, actor) == 202
        await settle(node)

    async def read(port: int) -> set[tuple[str, str]]:
        """By which doors of a process a moderator, who looks at it, gets to which of the words."""
        async with node.engine.connect() as conn:
            waiting = list(await conn.scalars(sa.select(cases.c.id)))
        for each in waiting:
            claimed = await house.ana.send("POST", f"/g/open/desk/cases/{each}/claim", {})
            assert claimed.status == 303, claimed.text
        scene = seen_by_all(house, port, house.open, [house.thread])
        told = await scene.read([each for each in await scene.doors() if "{case}" in each.route])
        return {(each.route, words) for each in told for words in SAID if words in told[each]}

    async with victim(node, None, works=False) as other:
        await flag(other.port, house.answer, SAID[0])
        before = await read(other.port)
        assert before, "a moderator reads it"
        await kept_at(node, "good.test", reports=True)
        await flag(other.port, late, SAID[1])
        await flag(node.port, late, SAID[1])
        for port in (other.port, node.port):
            assert await read(port) == before
        await keeping_away.forget(node.engine, node.here, "good.test")
        await flag(other.port, late, SAID[2])
        after = await read(other.port)
        assert after == before | {(route, SAID[2]) for route, _ in before}


LATER = "lapwingfen"  # is in all that she says once it is decided


@dataclass(frozen=True)
class Ann:
    """She lives at good.test and wrote in a group of ours and in one of club.test."""

    peer: Peer
    person: Elsewhere
    wide: Group
    club: Club
    thread: Document  # in the club, by somebody else
    there: Document  # her answer in it
    ours: Document  # her thread in our group

    async def says(self, at: Node, document: Document) -> None:
        """Her server sends it to a process, which may refuse it."""
        assert await self.peer.send(at, document, self.person) in (202, 403)
        await settle(at)

    def note(self, words: str, **extra: Any) -> Document:
        to = [PUBLIC, self.wide.actor.uri]
        return self.peer.note(self.person, words, **{"to": to, "tag": [TAG], **extra})

    async def acts(self, node: Node, port: int, *, passed_on: bool = True) -> list[Document]:
        """All that she does to be heard; `passed_on`: by the club, too. What she wrote anew."""
        at, words = replace(node, port=port), f"{LATER} {LOOKED_FOR}"
        new = self.note(words, name=words)
        answer = self.note(words, inReplyTo=self.ours["id"])
        changed = {**self.ours, "content": f"<p>{words}</p>", "updated": iso(node.clock())}
        for document in (
            self.peer.create(self.person, new),
            self.peer.create(self.person, answer),
            self.peer.activity("Update", self.person, self.peer.show(changed)),
            self.peer.activity("Like", self.person, self.ours["id"]),
        ):
            await self.says(at, document)
        if not passed_on:
            return [new, answer]
        club_to = [PUBLIC, self.club.group.uri]
        below = self.note(words, to=club_to, inReplyTo=self.thread["id"])
        alone = self.note(words, to=club_to, name=words)
        edited = {**self.there, "content": f"<p>{words}</p>", "updated": iso(node.clock())}
        for inner in (
            self.peer.create(self.person, below),
            self.peer.create(self.person, alone),
            self.peer.activity("Update", self.person, self.peer.show(edited)),
            self.peer.activity("Like", self.person, self.thread["id"]),
        ):
            await self.club.announce(at, inner)
        return [new, answer, below, alone]


async def ann_speaks(house: House, peer: PeerFactory) -> Ann:
    """She is a member of a group of ours, which anybody reads, and answers somebody in the club."""
    node, wide = house.node, await wide_open(house)
    good, host = await peer("good.test", node), await peer("club.test", node, "lemmy")
    person, eve = good.person("ann"), host.person("eve")
    club = Club(host, host.person("club", kind="Group", path="c"), house.ben.speaker)
    await node.join(house.ben.speaker, club.group.uri)
    await settle(node)
    accept = host.activity("Accept", club.group, host.got("Follow")[0])
    assert await host.send(node, accept, club.group) == 202
    await settle(node)
    thread = await club.thread(node, host, eve, "Evenings")
    ours = good.note(person, WORDS, to=[PUBLIC, wide.actor.uri], name=MARK, tag=[TAG])
    await said(node, good, person, ours)
    to = [PUBLIC, club.group.uri]
    there = good.note(person, WORDS, to=to, inReplyTo=thread["id"], tag=[TAG])
    await club.announce(node, good.create(person, there))
    await good.follow(node, person, wide.actor.uri)
    await settle(node)
    await finding.take_in(node.engine)
    return Ann(good, person, wide, club, thread, there, ours)


async def seen(house: House, port: int, ann: Ann, documents: Sequence[Document]) -> Scene:
    """Her posts, with those of the documents that are here at all."""
    found = [await house.node.post(each["id"]) for each in documents]
    return seen_by_all(house, port, ann.wide, [post for post in found if post is not None])


async def likes(node: Node, *documents: Document) -> list[int]:
    return [await reacted(node, each["id"], ReactionKind.LIKE) for each in documents]


async def test_mod_H12_of_somebody_elsewhere_who_is_stopped_what_was_said_stays(
    house: House, peer: PeerFactory
) -> None:
    """Their place in groups here ends, and nothing that they do after it is behind any door.

    Neither what they bring themselves nor what a group elsewhere passes on of theirs.
    """
    node, ann = house.node, await ann_speaks(house, peer)
    written = [ann.ours, ann.thread, ann.there]
    async with victim(node, None, works=False) as other:
        scene = await seen(house, other.port, ann, written)
        before = await scene.showing(await scene.doors())
        for reader in EVERYBODY:
            assert named(before, reader) >= {"/t/{id}", "/tags/{tag}"}, reader
        assert ann.person.uri in await followers(node, ann.wide.actor.uri)
        await stop(node, await known(node, ann.person))
        assert ann.person.uri not in await followers(node, ann.wide.actor.uri)
        since = asyncio.get_running_loop().time()
        assert await scene.showing(before) == before, "what was written stays"

        later = await ann.acts(node, other.port)
        await finding.take_in(node.engine)
        scene = await seen(house, other.port, ann, [*written, *later])
        assert await scene.still_shown(await scene.doors(), since, LATER) == set()
        assert await scene.showing(before) == before
        assert await likes(node, ann.ours, ann.thread) == [0, 0]
        await _answers_below(house, other.port, ann, later[2])

        await go_on(node, await known(node, ann.person))
        again = await ann.acts(node, other.port)
        scene = await seen(house, other.port, ann, [*written, *again])
        assert len(scene.posts) == 7
        heard = await scene.showing(await scene.doors(), LATER)
        for reader in EVERYBODY:
            assert named(heard, reader) >= {"/t/{id}", "/tags/{tag}"}, reader
        assert await likes(node, ann.ours, ann.thread) == [1, 1]


async def _answers_below(house: House, port: int, ann: Ann, unheard: Document) -> None:
    """Who answers what is not heard is heard, below an empty place."""
    host, to = ann.club.peer, [PUBLIC, ann.club.group.uri]
    eve = host.person("eve")
    answer = host.note(eve, "corncrakehill", to=to, inReplyTo=unheard["id"])
    await ann.club.announce(replace(house.node, port=port), host.create(eve, answer))
    scene = await seen(house, port, ann, [ann.thread, unheard, answer])
    assert len(scene.posts) == 3
    doors = await scene.doors()
    shown = await scene.showing(doors, "corncrakehill")
    assert named(shown, "ben") >= {"/t/{id}"}
    assert await scene.showing(doors, LATER) == set()


async def test_sec_L12_of_somebody_elsewhere_who_is_put_out_nothing_new_is_in_the_group(
    house: House, peer: PeerFactory
) -> None:
    node, ann = house.node, await ann_speaks(house, peer)
    async with victim(node, None, works=False) as other:
        scene = await seen(house, other.port, ann, [ann.ours])
        before = await scene.showing(await scene.doors())
        person = await known(node, ann.person)
        async with node.engine.begin() as conn:
            acting = await desk.require(conn, ann.wide, house.ana.speaker)
            await desk.ban(conn, node.here, ann.wide, acting, person, "Please rest.")
        since = asyncio.get_running_loop().time()
        later = await ann.acts(node, other.port, passed_on=False)
        await finding.take_in(node.engine)
        scene = await seen(house, other.port, ann, [ann.ours, *later])
        assert await scene.still_shown(await scene.doors(), since, LATER) == set()
        assert await scene.showing(before) == before, "what was written stays"
        assert await likes(node, ann.ours) == [0]
        async with node.engine.begin() as conn:
            await desk.unban(conn, node.here, ann.wide, acting, person)
        again = await ann.acts(node, other.port, passed_on=False)
        scene = await seen(house, other.port, ann, [ann.ours, *again])
        heard = await scene.showing(await scene.doors(), LATER)
        for reader in EVERYBODY:
            assert named(heard, reader) >= {"/t/{id}", "/g/{name}"}, reader
        assert await likes(node, ann.ours) == [1]
