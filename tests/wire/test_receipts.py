"""What other servers answer to a persona's last word, and what is left of its words here."""

from pathlib import Path

import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub import receipts
from activitypub.receipts import Told
from activitypub.state import SETTINGS
from groups import closing
from groups.groups import Group
from kernel import keep_times
from kernel.schema.tables import actors, posts
from members import openness
from moderation.standing import Speaker
from node import tidy
from tests.nodes import Node, settle
from tests.peer import Peer, PeerFactory
from tests.wire.world import Follower

WORDS = "A sentence that nobody else would write: seven lilac kettles."


async def _three(peer: PeerFactory, alder: Node) -> tuple[Peer, Peer, Peer]:
    """A server that takes what it is told, one that refuses, and one that is away."""
    made = [await peer(f"{name}.test", alder) for name in ("takes", "refuses", "away")]
    for each in made:
        await alder.meet(each.person("zoe").uri)
    return made[0], made[1], made[2]


def _files_with(folder: Path, words: bytes) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and words in file.read_bytes()]


async def _told(node: Node, persona: Speaker) -> list[Told]:
    async with node.engine.connect() as conn:
        return list(await receipts.page(conn, persona.id, after="", limit=50))


async def test_dom_I4_a_receipt_says_who_took_it_who_refused_and_who_is_silent(
    alder: Node, peer: PeerFactory
) -> None:
    takes, refuses, away = await _three(peer, alder)
    refuses.answers, away.answers = [403] * 5, [503] * 5
    kay = await alder.persona("kay")
    async with alder.engine.begin() as conn:
        await closing.close(conn, alder.here, kay.actor)
    assert {each.host: each.waiting for each in await _told(alder, kay)} == {
        each.name: True for each in (takes, refuses, away)
    }
    await settle(alder)
    assert await _told(alder, kay) == [
        Told(host="away.test", waiting=True, refused=None),
        Told(host="refuses.test", waiting=False, refused=403),
        Told(host="takes.test", waiting=False, refused=None),
    ]
    async with alder.engine.connect() as conn:
        summary = await receipts.summary(conn, kay.id)
    assert (summary.servers, summary.confirmed, summary.refused, summary.silent) == (3, 1, 1, 1)
    assert summary.until == alder.clock.now.date() + keep_times.DELIVERY
    away.answers = []
    alder.clock.forward(hours=13)
    await settle(alder)
    assert [each.confirmed for each in await _told(alder, kay)] == [True, False, True]
    assert takes.got("Delete")


async def test_dom_A5_taking_openness_back_is_told_to_all_and_says_who_heard(
    alder: Node, peer: PeerFactory
) -> None:
    takes, refuses, away = await _three(peer, alder)
    refuses.answers, away.answers = [403] * 5, [503] * 5
    kay = await alder.persona("kay")
    async with alder.engine.begin() as conn:
        await conn.execute(
            sa.update(actors)
            .where(actors.c.id == kay.id)
            .values(opens_on=alder.clock.now.date(), open=True)
        )
        await openness.withdraw(conn, alder.here, await actor_store.get(conn, kay.id))
    await settle(alder)
    (update,) = takes.got("Update")
    assert update["object"]["id"] == kay.actor.uri
    assert (update["object"]["discoverable"], update["object"]["indexable"]) == (False, False)
    assert [each.confirmed for each in await _told(alder, kay)] == [False, False, True]


async def test_dom_I4_no_word_of_a_closed_persona_is_left_anywhere(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower, good: Peer
) -> None:
    kay = await alder.persona("kay")
    root = await alder.start(kay, sleep.actor.uri, WORDS, f"{WORDS} #lilackettles", WORDS)
    await alder.edit(kay, root.uri, WORDS, f"Changed: {WORDS}")
    ann = good.person("ann")
    await good.follow(alder, ann, sleep.actor.uri)
    good.answers = [503] * 50
    await alder.reply(kay, root.uri, WORDS)
    await settle(alder)
    assert len(await alder.mentions("lilac kettles")) > 3
    async with alder.engine.begin() as conn:
        await closing.begin(conn, alder.here, kay.actor)
    await tidy.tidy(alder.engine, alder.here)
    assert await alder.mentions("lilac kettles") == []
    assert await alder.mentions("lilackettles") == []
    assert _files_with(alder.app[SETTINGS].data_dir, b"lilac kettles") == []
    async with alder.engine.connect() as conn:
        left = await conn.scalar(
            sa.select(sa.func.count())
            .select_from(posts)
            .where(posts.c.author_id == kay.id, posts.c.content != "")
        )
    assert left == 0
