"""What is true of a node's database after every step, whatever went wrong: asked in SQL.

Each query finds what breaks the sentence above it, as one text per finding; none must find any.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.nodes import Node

ALWAYS: Final[Mapping[str, str]] = {
    "an arrival is kept once": """
        SELECT origin || ' ' || activity_uri FROM received
        GROUP BY origin, activity_uri HAVING count(*) > 1
    """,
    "what is done or refused keeps no body": """
        SELECT activity_uri FROM received
        WHERE state IN ('done', 'refused') AND body IS NOT NULL
    """,
    "what is still to be done has its body": """
        SELECT activity_uri FROM received WHERE state IN ('new', 'parked') AND body IS NULL
    """,
    "no two posts have one id, and none is a thread's too": """
        SELECT uri FROM (SELECT uri FROM posts UNION ALL SELECT uri FROM threads) both_kinds
        GROUP BY uri HAVING count(*) > 1
    """,
    "a thread has its root, in its own group": """
        SELECT t.uri FROM threads t
        LEFT JOIN posts p ON p.id = t.id AND p.thread_id = t.id AND p.group_id = t.group_id
        WHERE p.id IS NULL
    """,
    "an answer is in the thread and group of what it answers, and after it": """
        SELECT p.uri FROM posts p JOIN posts parent ON parent.id = p.parent_id
        WHERE p.thread_id <> parent.thread_id OR p.group_id <> parent.group_id
            OR p.id <= parent.id
    """,
    "a post with no parent is a root": """
        SELECT uri FROM posts WHERE (parent_id IS NULL) <> (id = thread_id)
    """,
    "a thread counts its shown answers": """
        SELECT t.uri || ' says ' || t.replies FROM threads t
        WHERE t.replies <> (
            SELECT count(*) FROM posts p
            WHERE p.thread_id = t.id AND p.id <> t.id AND p.state = 'shown')
    """,
    "a thread is listed while anything in it is shown": """
        SELECT t.uri FROM threads t
        WHERE t.shown <> EXISTS (
            SELECT 1 FROM posts p WHERE p.thread_id = t.id AND p.state = 'shown')
    """,
    "a thread's newest post is one of its own, and none shown is newer": """
        SELECT t.uri FROM threads t
        WHERE NOT EXISTS (
                SELECT 1 FROM posts p WHERE p.id = t.latest_id AND p.thread_id = t.id)
            OR EXISTS (
                SELECT 1 FROM posts p
                WHERE p.thread_id = t.id AND p.state = 'shown' AND p.id > t.latest_id)
    """,
    "deleted posts have no words": """
        SELECT uri FROM posts WHERE state = 'deleted'
            AND title || source || content || note || coalesce(url, '') <> ''
    """,
    "no activity carries the words of a deleted post, or wraps one that does": """
        SELECT a.uri FROM activities a
        JOIN posts p ON p.state = 'deleted' AND p.uri = a.object_uri
        WHERE a.kind IN ('Create', 'Update') AND a.body <> ''
        UNION ALL
        SELECT a.uri FROM activities a
        JOIN activities inner_one ON inner_one.uri = a.object_uri
            AND inner_one.kind IN ('Create', 'Update')
        JOIN posts p ON p.state = 'deleted' AND p.uri = inner_one.object_uri
        WHERE a.kind = 'Announce' AND a.body <> ''
    """,
    "what was deleted before it came is not here": """
        SELECT p.uri FROM posts p JOIN tombstones t ON t.uri = p.uri WHERE p.state <> 'deleted'
    """,
    "a group of ours announces a thing once": """
        SELECT a.actor_uri || ' ' || a.object_uri FROM activities a
        JOIN actors g ON g.uri = a.actor_uri AND g.local AND g.kind = 'Group'
        WHERE a.kind = 'Announce' AND a.body <> ''
        GROUP BY a.actor_uri, a.object_uri HAVING count(*) > 1
    """,
    "each shown post of a group with readers elsewhere was passed on, with its newest words": """
        SELECT p.uri FROM posts p
        JOIN groups s ON s.actor_id = p.group_id AND s.sees = 'everyone'
        JOIN actors g ON g.id = p.group_id
        WHERE p.state = 'shown' AND EXISTS (
            SELECT 1 FROM follows f
            JOIN actors who ON who.id = f.follower_id AND NOT who.local AND who.host <> (
                SELECT author.host FROM actors author WHERE author.id = p.author_id)
            JOIN peers ON peers.host = who.host AND peers.wrapped
            WHERE f.followed_id = p.group_id AND f.state = 'accepted')
        AND NOT EXISTS (
            SELECT 1 FROM activities said
            JOIN activities passed ON passed.object_uri = said.uri
                AND passed.kind = 'Announce' AND passed.actor_uri = g.uri AND passed.body <> ''
            WHERE said.object_uri = p.uri AND said.kind IN ('Create', 'Update')
                AND said.body <> '')
    """,
    "each shown root of such a group was boosted by it": """
        SELECT p.uri FROM posts p
        JOIN groups s ON s.actor_id = p.group_id AND s.sees = 'everyone'
        JOIN actors g ON g.id = p.group_id
        WHERE p.state = 'shown' AND p.id = p.thread_id AND NOT EXISTS (
            SELECT 1 FROM activities a WHERE a.kind = 'Announce' AND a.actor_uri = g.uri
                AND a.object_uri = p.uri AND a.body <> '')
    """,
    "a post was said once": """
        SELECT p.uri FROM posts p JOIN activities a ON a.object_uri = p.uri AND a.kind = 'Create'
        GROUP BY p.uri HAVING count(*) > 1
    """,
    "a delivery has its activity, its peer and a signer with a key": """
        SELECT d.activity_uri FROM deliveries d
        LEFT JOIN activities a ON a.uri = d.activity_uri
        LEFT JOIN peers p ON p.host = d.host
        LEFT JOIN actor_keys k ON k.actor_id = d.signer_id
        WHERE a.uri IS NULL OR p.host IS NULL OR k.actor_id IS NULL
    """,
    "nothing goes to ourselves": """
        SELECT d.inbox FROM deliveries d JOIN actors a ON a.inbox = d.inbox WHERE a.local
    """,
    "a lease has an end and an owner": """
        SELECT host FROM peers WHERE (lease IS NULL) <> (leased_until IS NULL)
    """,
    "who is banned for good is no member": """
        SELECT a.uri FROM bans b
        JOIN follows f ON f.followed_id = b.group_id AND f.follower_id = b.actor_id
        JOIN actors a ON a.id = b.actor_id WHERE b.until IS NULL
    """,
    "nobody follows who is closed, and nobody closed follows": """
        SELECT f.uri FROM follows f
        JOIN actors a ON a.id IN (f.follower_id, f.followed_id) AND a.state = 'closed'
    """,
    "a follow has one of ours at one end": """
        SELECT f.uri FROM follows f
        JOIN actors a ON a.id = f.follower_id JOIN actors b ON b.id = f.followed_id
        WHERE NOT a.local AND NOT b.local
    """,
    "a picture of a post has its row, and nobody waits for it any more": """
        SELECT a.post_id::text FROM attachments a LEFT JOIN media m ON m.id = a.media_id
        WHERE a.media_id IS NOT NULL AND (m.id IS NULL OR m.gone OR m.drafted IS NOT NULL)
    """,
    "a picture belongs to one post, is a draft, or goes": """
        SELECT m.id::text FROM media m WHERE NOT m.gone AND m.drafted IS NULL
        AND (SELECT count(*) FROM attachments a WHERE a.media_id = m.id) <> 1
    """,
    "what is still to be copied is a picture elsewhere": """
        SELECT w.post_id::text FROM copies_wanted w
        JOIN attachments a ON (a.post_id, a.position) = (w.post_id, w.position)
        WHERE a.kind <> 'image' OR a.media_id IS NOT NULL OR a.remote_url IS NULL
    """,
    "reactions are to shown posts, or removed ones": """
        SELECT r.uri FROM reactions r JOIN posts p ON p.id = r.post_id WHERE p.state = 'deleted'
    """,
    "nothing is left of a deleted post": """
        SELECT p.uri FROM posts p WHERE p.state = 'deleted' AND p.id IN (
            SELECT post_id FROM post_tags UNION SELECT post_id FROM attachments
            UNION SELECT post_id FROM polls UNION SELECT post_id FROM poll_options
            UNION SELECT post_id FROM poll_votes UNION SELECT post_id FROM post_edits
            UNION SELECT post_id FROM notices WHERE post_id IS NOT NULL)
    """,
    "earlier words are those of posts that are here": """
        SELECT p.uri FROM post_edits e JOIN posts p ON p.id = e.post_id WHERE p.state = 'removed'
    """,
    "only open names of ours are told anything": """
        SELECT n.id::text FROM notices n JOIN actors a ON a.id = n.persona_id
        WHERE NOT a.local OR a.kind <> 'Person' OR a.state = 'closed'
    """,
    "a post says what it has beside its words": """
        SELECT p.uri FROM posts p
        WHERE p.attached <> (SELECT count(*) FROM attachments a WHERE a.post_id = p.id)
        OR p.poll <> EXISTS (SELECT FROM polls q WHERE q.post_id = p.id)
    """,
    "nobody is remembered as a voter of a poll that is over": """
        SELECT v.actor_uri FROM poll_votes v JOIN polls q ON q.post_id = v.post_id WHERE q.closed
    """,
}

AT_REST: Final[Mapping[str, str]] = {
    "nothing that came waits": """
        SELECT activity_uri || ' ' || reason FROM received WHERE state = 'new'
    """,
    "nothing that came is parked": """
        SELECT activity_uri || ' ' || reason FROM received WHERE state = 'parked'
    """,
    "nothing waits to go": """
        SELECT activity_uri || ' ' || coalesce(parked, '') FROM deliveries
        WHERE parked IS DISTINCT FROM 'aside'
    """,
    "nobody holds a peer": """
        SELECT host FROM peers WHERE lease IS NOT NULL
    """,
}

LEASED = "SELECT host FROM peers WHERE leased_until > :latest"
LONGEST_LEASE = timedelta(minutes=2)  # whatever is held longer is held by nobody


def _all_in_one(queries: Mapping[str, str]) -> sa.TextClause:
    """One question for all of them: they are asked after every step."""
    parts = [
        f"SELECT $x${sentence}: $x$ || found.what FROM ({query}) AS found(what)"
        for sentence, query in {**queries, "no lease is for ever": LEASED}.items()
    ]
    return sa.text(" UNION ALL ".join(parts))


_ALWAYS = _all_in_one(ALWAYS)
_AT_REST = _all_in_one({**ALWAYS, **AT_REST})


async def broken(conn: AsyncConnection, now: datetime, *, at_rest: bool) -> list[str]:
    """Every finding, as `sentence: what`."""
    query = _AT_REST if at_rest else _ALWAYS
    return list(await conn.scalars(query.bindparams(latest=now + LONGEST_LEASE)))


async def hold(*nodes: Node, at_rest: bool = True, latest: datetime | None = None) -> None:
    """Raises AssertionError: some sentence is not true of some node; it says which and of what.

    `latest` is the latest time a clock that went back ever showed: a lease may be as old as that.
    """
    found = []
    for node in nodes:
        async with node.engine.connect() as conn:
            findings = await broken(conn, latest or node.clock(), at_rest=at_rest)
            found += [f"{node.name}: {finding}" for finding in findings]
    assert not found, "\n".join(found)


async def kept_once(sender: Node, receiver: Node) -> int:
    """How many activities of `sender` the receiver was told of and kept; each of them once.

    Raises AssertionError: something that `sender` no longer has to deliver is not in `received`.
    """
    async with receiver.engine.connect() as conn:
        rows = await conn.execute(
            sa.text("SELECT activity_uri FROM received WHERE origin = :origin").bindparams(
                origin=sender.origin
            )
        )
        kept = set(rows.scalars())
    lost = [uri for uri in await told(sender, receiver) if uri not in kept]
    assert not lost, f"{receiver.name} answered {sender.name} and lost {lost}"
    return len(kept)


async def told(sender: Node, receiver: Node) -> list[str]:
    """The activities of the sender's own actors that went to the receiver.

    Deliveries are deleted once accepted, so this is worked out anew: Announces of a group that
    somebody there follows, and what the sender's people say in a group that lives there. A text
    that was taken back meanwhile may have stayed unsent, and does not count.
    """
    query = sa.text("""
        SELECT a.uri FROM activities a
        JOIN actors speaker ON speaker.uri = a.actor_uri AND speaker.local
        WHERE a.body <> '' AND (
            a.kind = 'Announce' AND speaker.kind = 'Group' AND EXISTS (
                SELECT 1 FROM follows f JOIN actors who ON who.id = f.follower_id
                WHERE f.followed_id = speaker.id AND f.state = 'accepted' AND who.host = :host)
            OR speaker.kind = 'Person' AND a.kind IN ('Create', 'Update', 'Delete') AND EXISTS (
                SELECT 1 FROM posts p JOIN actors g ON g.id = p.group_id
                WHERE p.uri = a.object_uri AND g.host = :host))
    """)
    async with sender.engine.connect() as conn:
        return list((await conn.execute(query.bindparams(host=receiver.name))).scalars())
