"""The invariants are worth something: a database in which one is broken is found out."""

import pytest
import sqlalchemy as sa

from groups.groups import GroupSettings
from tests.faults import invariants
from tests.nodes import Node, NodeFactory

BREAKS = {
    "a thread counts its shown answers": "UPDATE threads SET replies = replies + 1",
    "a thread is listed while anything": "UPDATE threads SET shown = false",
    "deleted posts have no words": "UPDATE posts SET state = 'deleted' WHERE id <> thread_id",
    "a group of ours announces a thing once": """
        INSERT INTO activities SELECT uri || '#2', actor_uri, kind, object_uri, thread_id, body,
            public, month FROM activities WHERE kind = 'Announce'
    """,
    "each shown root of such a group": "UPDATE activities SET body = '' WHERE kind = 'Announce'",
    "nobody follows who is closed": "UPDATE actors SET state = 'closed' WHERE handle = 'ben'",
    "only open names of ours are told anything": """
        UPDATE notices SET persona_id = (SELECT id FROM actors WHERE handle = 'sleep')
    """,
    "a picture of a post has its row": """
        INSERT INTO attachments (post_id, position, kind, media_id)
        SELECT id, 0, 'image', gen_random_uuid() FROM posts
    """,
    "a picture belongs to one post": """
        INSERT INTO media (id, width, height, bytes) VALUES (gen_random_uuid(), 1, 1, 1)
    """,
    "what is still to be copied is a picture": """
        WITH link AS (INSERT INTO attachments (post_id, position, kind, remote_url)
            SELECT id, 0, 'link', 'https://a.test' FROM posts)
        INSERT INTO copies_wanted (post_id, position, due) SELECT id, 0, now() FROM posts
    """,
    "what is still to be done has its body": """
        INSERT INTO received (origin, activity_uri, signer_uri, plain, next_attempt, day)
        VALUES ('https://a.test', 'https://a.test/1', 'https://a.test/u/k', true, now(), now())
    """,
    "a lease has an end and an owner": """
        INSERT INTO peers (host, next_attempt, lease) VALUES ('a.test', now(), gen_random_uuid())
    """,
    "no lease is for ever": """
        INSERT INTO peers (host, next_attempt, lease, leased_until)
        VALUES ('a.test', now(), gen_random_uuid(), now() + interval '1 hour')
    """,
}


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    made = await node("alder.test")
    ana, ben = await made.persona("ana"), await made.persona("ben")
    group = await made.group("sleep", ana, settings=GroupSettings())
    await made.join(ben, group.actor.uri)
    root = await made.start(ana, group.actor.uri, "A title", "Some words.")
    await made.reply(ben, root.uri, "More words.")
    return made


async def test_each_broken_invariant_is_found(alder: Node) -> None:
    await invariants.hold(alder)
    for sentence, damage in BREAKS.items():
        async with alder.engine.connect() as conn:
            await conn.execute(sa.text(damage))
            found = await invariants.broken(conn, alder.clock(), at_rest=True)
            assert any(finding.startswith(sentence) for finding in found), (sentence, found)
            await conn.rollback()
    await invariants.hold(alder)
