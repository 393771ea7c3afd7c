"""What other software sends means here what it means there (WIRE 3.2, 3.8).

`dialects/<software>` holds a week of one of its people, in its own way of writing: who they are
(`actor.json`), a group of theirs (`group.json`), and what they send, in order. The name of a file
says what must come of it; `{ROOT}` stands for a thread of ours, `{FOLLOW}` for our Follow.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from activitypub.actors import Actor
from groups.groups import Group
from groups.posts import Post
from kernel.schema.posts import PostState, ReactionKind
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import Document, Peer, PeerFactory, Person
from tests.wire.world import followers, last_received, reacted

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / "dialects"


@dataclass
class Week:
    """One software's people, and what they met here."""

    alder: Node
    peer: Peer
    ann: Person
    sleep: Actor
    root: Post
    sent: Document
    club: str = ""

    async def object(self) -> Post:
        """The post that was sent."""
        obj = self.sent["object"]
        post = await self.alder.post(obj["id"] if isinstance(obj, dict) else obj)
        assert post is not None
        return post

    async def shown(self) -> Post:
        """The post that their group passed on."""
        for document in self.peer.shown.values():
            if isinstance(document, dict) and document["type"] in ("Page", "Article"):
                post = await self.alder.post(document["id"])
                assert post is not None
                return post
        raise AssertionError("their group showed nothing")

    async def count(self, kind: ReactionKind) -> int:
        return await reacted(self.alder, self.root.uri, kind)


async def _follow(week: Week) -> None:
    assert week.ann.uri in await followers(week.alder, week.sleep.uri)
    (accept,) = week.peer.got("Accept")
    assert accept["object"]["id"] == week.sent["id"]


async def _root(week: Week) -> None:
    post = await week.object()
    assert post.is_root
    assert post.title == "Waking at four"
    assert post.author_uri == week.ann.uri
    if week.peer.name in ("mastodon.test", "lemmy.test"):
        assert post.note == {"mastodon.test": "sleep", "lemmy.test": "sensitive"}[week.peer.name]


async def _reply(week: Week) -> None:
    post = await week.object()
    assert post.parent_id == week.root.id
    assert post.title == ""
    assert "Me too." in post.content


async def _edit(week: Week) -> None:
    assert "Better words." in (await week.object()).content


async def _delete(week: Week) -> None:
    assert (await week.object()).state is PostState.DELETED
    assert await week.alder.mentions("Better words.") == []


async def _like(week: Week) -> None:
    assert await week.count(ReactionKind.LIKE) == 1


async def _undo_like(week: Week) -> None:
    assert await week.count(ReactionKind.LIKE) == 0


async def _dislike(week: Week) -> None:
    assert await week.count(ReactionKind.DISLIKE) == 1


async def _boost(week: Week) -> None:
    assert await week.count(ReactionKind.SHARE) == 1


async def _undo_follow(week: Week) -> None:
    assert week.ann.uri not in await followers(week.alder, week.sleep.uri)


async def _accept(week: Week) -> None:
    assert await followers(week.alder, week.club) == {f"{week.alder.origin}/u/kay"}


async def _announced_root(week: Week) -> None:
    post = await week.shown()
    assert post.is_root
    assert post.title == "Waking at four"
    assert post.author_uri == week.ann.uri


async def _announced_like(week: Week) -> None:
    assert (await week.shown()).likes == 1


async def _announced_votes(week: Week) -> None:
    assert (await week.shown()).likes == 2


async def _announced_lock(week: Week) -> None:
    assert (await week.shown()).locked


async def _announced_removal(week: Week) -> None:
    assert (await week.shown()).state is PostState.REMOVED


EVENTS: dict[str, Callable[[Week], Awaitable[None]]] = {
    "accept": _accept,
    "announced_again": _announced_root,
    "announced_like": _announced_like,
    "announced_lock": _announced_lock,
    "announced_removal": _announced_removal,
    "announced_root": _announced_root,
    "announced_votes": _announced_votes,
    "boost": _boost,
    "delete": _delete,
    "dislike": _dislike,
    "edit": _edit,
    "follow": _follow,
    "like": _like,
    "reply": _reply,
    "root": _root,
    "undo_follow": _undo_follow,
    "undo_like": _undo_like,
}


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


@pytest.mark.parametrize("software", sorted(each.name for each in FOLDER.iterdir()))
async def test_wire_T1_a_week_in_each_dialect(
    alder: Node, ana: Speaker, sleep: Group, peer: PeerFactory, software: str
) -> None:
    files = {file.stem: file.read_text() for file in sorted((FOLDER / software).iterdir())}
    origin = str(json.loads(files["actor"])["id"]).split("/")[2]
    theirs = await peer(origin, alder, software)
    ann, ann_key = _person(theirs, files.pop("actor"))
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    week = Week(alder, theirs, ann, sleep.actor, root, {})
    signers = {ann.uri: (ann, ann_key)}
    follow = ""
    if "group" in files:
        club, club_key = _person(theirs, files.pop("group"))
        signers[club.uri] = (club, club_key)
        week.club = club.uri
        await alder.join(await alder.persona("kay"), club.uri)
        await settle(alder)
        follow = theirs.got("Follow")[0]["id"]

    for name, text in files.items():
        week.sent = json.loads(text.replace("{ROOT}", root.uri).replace("{FOLLOW}", follow))
        event = name.partition("-")[2]
        if event == "shown":
            theirs.show(week.sent)
            continue
        signer, key_id = signers[week.sent["actor"]]
        assert await theirs.send(alder, week.sent, signer, key_id=key_id) == 202, name
        await settle(alder)
        assert await last_received(alder) == ("done", ""), name
        await EVENTS[event](week)
        alder.clock.forward(minutes=1)
