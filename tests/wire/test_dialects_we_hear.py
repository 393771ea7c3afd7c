"""What other software sends means here what it means there (WIRE 3.2, 3.8; T1).

`dialects/<software>` holds a week of one of its people; `README.md` beside this file says how it is
written, and how another project can use it.
"""

import json
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub.actors import Actor
from groups import polls
from groups.groups import Group
from groups.parts import polls_of
from groups.posts import Post
from kernel.schema.posts import PostState, ReactionKind
from kernel.schema.tables import posts
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import Document, Peer, PeerFactory, Person
from tests.wire.world import followers, last_received, reacted

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / "dialects"

Facts = dict[str, Any]


@dataclass
class Week:
    """One software's people, and what they met here."""

    alder: Node
    peer: Peer
    ann: Person
    sleep: Actor
    root: Post
    club: str = ""
    sent: Document = field(default_factory=dict)
    shown: Document = field(default_factory=dict)
    posts_before: int = 0

    async def object(self) -> Post:
        """The post that was sent."""
        obj = self.sent["object"]
        return await self._post(obj["id"] if isinstance(obj, dict) else obj)

    async def _post(self, uri: str) -> Post:
        post = await self.alder.post(uri)
        assert post is not None, uri
        return post

    async def carried(self) -> Post:
        """The post that their group passed on."""
        return await self._post(self.shown["id"])

    async def count_posts(self) -> int:
        async with self.alder.engine.connect() as conn:
            return await conn.scalar(sa.select(sa.func.count()).select_from(posts)) or 0


async def _follow(week: Week, facts: Facts) -> None:
    assert week.ann.uri in await followers(week.alder, week.sleep.uri)
    (accept,) = week.peer.got("Accept")
    assert accept["object"]["id"] == week.sent["id"]


async def _unfollow(week: Week, facts: Facts) -> None:
    assert week.ann.uri not in await followers(week.alder, week.sleep.uri)


async def _thread(week: Week, facts: Facts) -> None:
    post = await week.object()
    assert post.is_root
    assert post.author_uri == week.ann.uri
    _says(post, facts)


async def _answer(week: Week, facts: Facts) -> None:
    post = await week.object()
    assert post.parent_id == week.root.id
    assert post.title == ""
    _says(post, facts)


async def _words(week: Week, facts: Facts) -> None:
    _says(await week.object(), facts)


def _says(post: Post, facts: Facts) -> None:
    assert post.title == facts.get("title", post.title)
    assert post.note == facts.get("note", post.note)
    assert facts.get("says", "") in post.content


async def _gone(week: Week, facts: Facts) -> None:
    assert (await week.object()).state is PostState.DELETED
    assert await week.alder.mentions(facts["says"]) == []


async def _count(week: Week, facts: Facts) -> None:
    kind = ReactionKind(facts["kind"])
    assert await reacted(week.alder, week.root.uri, kind) == facts["number"]


async def _accepted(week: Week, facts: Facts) -> None:
    assert f"{week.alder.origin}/u/kay" in await followers(week.alder, week.club)


async def _carried(week: Week, facts: Facts) -> None:
    post = await week.carried()
    assert post.is_root
    assert post.author_uri == facts.get("author", week.ann.uri)
    assert post.likes == facts.get("likes", post.likes)
    assert post.locked == facts.get("locked", post.locked)
    assert post.shown == facts.get("shown", True)
    if post.shown:
        _says(post, facts)


async def _moved(week: Week, facts: Facts) -> None:
    """Nobody of ours follows the other group, so the thread says where it went."""
    post = await week._post(facts["thread"])
    assert post.shown
    assert post.moved_to == facts["to"]


async def _vote(week: Week, facts: Facts) -> None:
    poll = await week._post(week.sent["object"])
    async with week.alder.engine.connect() as conn:
        asked = (await polls_of(conn, [poll.id]))[poll.id]
    (option,) = [option for option in asked.options if option.name == facts["choice"]]
    assert option.votes == facts["number"]


async def _left(week: Week, facts: Facts) -> None:
    assert await week.count_posts() == week.posts_before


MUST: dict[str, Callable[[Week, Facts], Awaitable[None]]] = {
    "accepted": _accepted,
    "answer": _answer,
    "carried": _carried,
    "count": _count,
    "follow": _follow,
    "gone": _gone,
    "left": _left,
    "moved": _moved,
    "thread": _thread,
    "unfollow": _unfollow,
    "vote": _vote,
    "words": _words,
}
"""What can come of a document, as `README.md` says it."""


def _person(peer: Peer, text: str) -> tuple[Person, str]:
    """An actor as the software shows it, with a key of ours in it, and that key's id."""
    document: Document = json.loads(text)
    made = peer.person("unused")
    person = Person(document["id"], document["preferredUsername"], made.keys, document["type"])
    document["publicKey"]["publicKeyPem"] = made.keys.public_pem
    peer.show(document)
    key_id: str = document["publicKey"]["id"]
    if "#" not in key_id:  # GoToSocial's keys have addresses of their own, with a stub of the actor
        peer.shown[key_id.removeprefix(peer.origin)] = document
    return person, key_id


def softwares() -> list[str]:
    return sorted(each.name for each in FOLDER.iterdir())


def test_wire_T1_each_dialect_is_whole() -> None:
    """No document lies there unused, and each step says what must come of it."""
    assert len(softwares()) >= 20
    for software in softwares():
        week = tomllib.loads((FOLDER / software / "week.toml").read_text())
        named = [step.get("send") or step["show"] for step in week["step"]]
        files = {file.name for file in (FOLDER / software).glob("*.json")}
        assert sorted(named) == sorted(files - {"actor.json", "group.json"}), software
        assert all(step["must"] in MUST for step in week["step"] if "send" in step), software


@pytest.mark.parametrize("software", softwares())
async def test_wire_T1_a_week_in_each_dialect(
    alder: Node, ana: Speaker, sleep: Group, peer: PeerFactory, software: str
) -> None:
    files = {file.name: file.read_text() for file in (FOLDER / software).iterdir()}
    script = tomllib.loads(files["week.toml"])
    origin = str(json.loads(files["actor.json"])["id"]).split("/")[2]
    theirs = await peer(origin, alder, script["software"])
    ann, ann_key = _person(theirs, files["actor.json"])
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    week = Week(alder, theirs, ann, sleep.actor, root)
    signers = {ann.uri: (ann, ann_key)}
    follow = ""
    if "group.json" in files:
        club, club_key = _person(theirs, files["group.json"])
        signers[club.uri] = (club, club_key)
        week.club = club.uri
        await alder.join(await alder.persona("kay"), club.uri)
        await settle(alder)
        follow = theirs.got("Follow")[0]["id"]

    words = {"{ROOT}": root.uri, "{FOLLOW}": follow}
    if any("{POLL}" in text for text in files.values()):
        asked = polls.draft(alder.here, ["Monday", "Tuesday"], several=False, days=7)
        words["{POLL}"] = (await alder.reply(ana, root.uri, "Which evening?", poll=asked)).uri
    for step in script["step"]:
        name = step.get("send") or step["show"]
        text = files[name]
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        document = json.loads(text)
        if "show" in step:
            week.shown = theirs.show(document)
            if "publicKey" in document:
                _person(theirs, text)
            continue
        week.sent, week.posts_before = document, await week.count_posts()
        signer, key_id = signers[week.sent["actor"]]
        assert await theirs.send(alder, week.sent, signer, key_id=key_id) == 202, name
        await settle(alder)
        assert (await last_received(alder))[0] == step.get("state", "done"), name
        await MUST[step["must"]](week, step)
        alder.clock.forward(minutes=1)
