"""A seeded database that has been looked at by ANALYZE, and the plans of what is asked of it."""

import asyncio
import re
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel import db
from kernel.clock import utcnow
from kernel.here import Here
from kernel.postgres import Server
from kernel.sealing import NodeKey
from node import seeding
from node.seeding import Size
from tests.conftest import TEMPLATE

SIZE: Final = Size(posts=6_000, personas=600, groups=60)
LARGE: Final = frozenset(
    {"posts", "threads", "activities", "follows", "actors", "reactions", "audit", "bans",
     "audit_chain", "audit_marks", "appeals", "sessions", "accounts", "received", "refreshes",
     "post_tags", "attachments", "polls",
     "poll_options", "media", "copies_wanted", "poll_votes", "post_edits", "blocks",
     "moved_threads", "notices", "receipts", "waiting", "drawers",
     "correspondents", "conversations", "messages", "message_boxes", "reports",
     "cases", "flags", "asks_out", "asks_in", "severed_follows", "severed_moderators"}
)  # fmt: skip
"""Tables that grow with a community: no page and no document reads one from end to end."""

_PARAMETER = re.compile(r"\$(\d+)")
_BESIDE = (  # what a seeded node has none of, since nobody was told and nobody can log in
    """INSERT INTO activities (uri, actor_uri, kind, object_uri, thread_id, body, public, month)
       SELECT 'http://alder.test/a/' || verb || posts.id, actors.uri, verb,
              CASE verb WHEN 'Announce' THEN 'http://alder.test/a/Create' || posts.id
                        ELSE posts.uri END,
              posts.thread_id, '{}', true, '2026-01-01'
       FROM posts, (VALUES ('Create'), ('Announce')) AS verbs (verb), actors
       WHERE actors.id = CASE verb WHEN 'Create' THEN posts.author_id ELSE posts.group_id END""",
    """INSERT INTO accounts
       SELECT gen_random_uuid(), sha256(n::text::bytea), '', '', '', '', '', '', '', '',
       '', '', 1 FROM generate_series(1, 3000) AS n""",
    """INSERT INTO sessions SELECT sha256(n::text::bytea), '', sha256(n::text::bytea), '', 1
       FROM generate_series(1, 3000) AS n""",
    """INSERT INTO bans SELECT group_id, author_id, '' FROM posts GROUP BY group_id, author_id""",
    """INSERT INTO audit_chain SELECT row_number() OVER (ORDER BY id),
       row_number() OVER (ORDER BY id), group_id, 'group', 'remove', '2026-01-01',
       sha256(uri::bytea), sha256(uri::bytea) FROM posts""",
    """INSERT INTO audit (group_id, actor_id, verb, object_uri, person_id, reason, day)
       SELECT group_id, author_id, 'remove', uri, author_id, '', '2026-01-01' FROM posts
       ORDER BY id""",
    """INSERT INTO audit_marks SELECT id, details, day + 60 FROM audit_chain""",
    """INSERT INTO appeals SELECT id, group_id, actor_id,
       CASE WHEN id % 40 = 0 THEN 'open' ELSE 'upheld' END, '', '', day, NULL FROM audit""",
    """INSERT INTO received
       (origin, activity_uri, signer_uri, body, state, next_attempt, plain, day)
       SELECT 'https://a.test', 'https://a.test/' || n, 'https://a.test/u/' || n % 50, NULL,
       CASE WHEN n % 40 = 0 THEN 'new' ELSE 'done' END, '2026-01-01', n % 80 = 0, '2026-01-01'
       FROM generate_series(1, 20000) AS n""",
    """INSERT INTO refreshes (thread_id, due, done)
       SELECT id, CASE WHEN row_number() OVER () % 40 = 0 THEN timestamp '2026-01-01' END,
       '2026-01-01' FROM threads""",
    """INSERT INTO receipts (delivery_id, persona_id, host, until)
       SELECT row_number() OVER (), actors.id, 'server' || n || '.test', '2026-01-01'
       FROM actors, generate_series(1, 20) AS n WHERE actors.local""",
    "INSERT INTO moved_threads SELECT id, group_id, latest_id FROM threads",
    """INSERT INTO post_tags (tag, post_id) SELECT tag, id FROM posts,
       LATERAL (VALUES ('many'), ('t' || id % 500)) AS tags (tag)""",
    """INSERT INTO attachments (post_id, position, kind, remote_url)
       SELECT id, n, 'image', 'https://a.test/x.png' FROM posts, generate_series(0, 1) AS n""",
    """UPDATE attachments SET media_id = gen_random_uuid() WHERE position = 1""",
    """INSERT INTO media SELECT media_id, 1, 1, 1, NULL, '2026-01-01', false FROM attachments
       WHERE media_id IS NOT NULL""",
    """INSERT INTO copies_wanted SELECT post_id, position, 0, '2090-01-01' FROM attachments
       WHERE media_id IS NULL""",
    "INSERT INTO polls (post_id, several, ends) SELECT id, false, '2090-01-01' FROM posts",
    """INSERT INTO poll_options (post_id, position, name)
       SELECT id, n, n::text FROM posts, generate_series(0, 2) AS n""",
    """INSERT INTO poll_votes
       SELECT id, 'https://a.test/u/' || n, 0 FROM posts, generate_series(0, 1) AS n""",
    "INSERT INTO notices SELECT author_id, id, 'answer', id, NULL FROM posts",
    """INSERT INTO post_edits SELECT id, 1, '', '', '', '2090-01-01' FROM posts""",
    """INSERT INTO blocks SELECT one.id, other.id FROM actors AS one, actors AS other
       WHERE one.id <> other.id ORDER BY one.id, other.id LIMIT 5000""",
    """INSERT INTO waiting SELECT gen_random_uuid(), author_id, group_id, id, '{"source": ""}',
       CASE WHEN id % 3 = 0 THEN timestamp '2090-01-01' END, '', 0, '2090-01-01' FROM posts""",
    "INSERT INTO message_boxes SELECT id FROM actors WHERE local AND kind = 'Person'",
    """INSERT INTO correspondents SELECT one.id, other.id,
       CASE WHEN row_number() OVER () % 9 = 0 THEN 'asked' ELSE 'accepted' END,
       CASE WHEN row_number() OVER () % 9 = 0 THEN date '2090-01-01' END
       FROM actors AS one, actors AS other
       WHERE one.id <> other.id AND hashtext(one.uri || other.uri) % 40 = 0
       LIMIT 8000""",
    """INSERT INTO conversations SELECT gen_random_uuid(), one.id, other.id, row_number() OVER ()
       FROM actors AS one, actors AS other
       WHERE one.id < other.id AND hashtext(one.uri || other.uri) % 20 = 0
       LIMIT 8000""",
    """INSERT INTO messages SELECT gen_random_uuid(), id, one_id, gen_random_uuid()::text,
       row_number() OVER (), 'out', NULL, '', false
       FROM conversations, generate_series(1, 3) AS n""",
    """INSERT INTO cases (id, group_id, subject, post_id, mark, whose, why, priority, state, since,
                          outcome, closed_on)
       SELECT gen_random_uuid(), CASE WHEN id % 2 = 0 THEN group_id END, 'post', id,
       sha256(id::text::bytea), sha256(author_id::text::bytea), 'else', id % 3,
       CASE WHEN id % 5 = 0 THEN 'open' ELSE 'closed' END, date '2026-01-01' + (id % 90)::int,
       CASE WHEN id % 5 <> 0 THEN 'nothing' END,
       CASE WHEN id % 5 <> 0 THEN date '2026-02-01' + (id % 90)::int END
       FROM posts""",
    """INSERT INTO reports (id, bearer, case_id, why, sealed)
       SELECT gen_random_uuid(), sha256(id::text::bytea), id, 'else', '' FROM cases""",
    """INSERT INTO flags (id, signer_id, to_id, post_id, due, sealed)
       SELECT gen_random_uuid(), author_id, author_id, id, '2090-01-01', ''
       FROM posts WHERE id % 3 = 0""",
    """INSERT INTO asks_out (id, host, category, urgency, state, case_id, change, day, due, sealed)
       SELECT gen_random_uuid(), 'host' || why || '.test', 'report', 'today', 'closed', id,
       CASE WHEN priority = 0 THEN 'https://a.test/' || id ELSE '' END, since,
       CASE WHEN priority = 1 THEN timestamptz '2090-01-01' END, '' FROM cases""",
    """INSERT INTO asks_in (id, host, uri, answer_id, category, urgency, state, case_id, day, due,
                            sealed)
       SELECT gen_random_uuid(), 'host' || why || '.test', 'https://b.test/' || id,
       gen_random_uuid(), 'report', 'today', 'closed', id, since,
       CASE WHEN priority = 1 THEN timestamptz '2090-01-01' END, '' FROM cases""",
    """INSERT INTO signal_changes (host, seq, id, kind, entity_kind, entity_key, body, body_hash,
                                   prev, link, ends, day)
       SELECT host, n, gen_random_uuid(), 'Create', 'resource', 'https://a.test/' || n, '', '',
       '', '', '2090-01-01', '2026-01-01'
       FROM (VALUES (''), ('birch.test')) AS hosts (host), generate_series(1, 3000) AS n""",
    """INSERT INTO drawers SELECT sha256(n::text::bytea), '', '', 1
       FROM generate_series(1, 3000) AS n""",
    """INSERT INTO severed_follows
       SELECT one.id, other.id, 'accepted', '', 0, false, NULL, '2026-01-01'
       FROM actors AS one, actors AS other
       WHERE one.id <> other.id AND hashtext(one.uri || other.uri) % 30 = 0 LIMIT 8000""",
    """INSERT INTO severed_moderators SELECT followed_id, follower_id, false, '2026-01-01'
       FROM follows""",
    "UPDATE posts SET expires = '2090-01-01' WHERE id % 10 = 0",
    "UPDATE posts SET state = 'held' WHERE id % 50 = 0 AND id <> thread_id",
    "UPDATE posts SET findable = true WHERE id % 20 <> 0",
    "ANALYZE",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How PostgreSQL would run a statement, whatever its parameters are."""

    statement: str
    nodes: tuple[dict[str, Any], ...]

    @property
    def indexes(self) -> set[str]:
        """The indexes it uses."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def scanned(self) -> set[str]:
        """Tables that are read from end to end."""
        return {
            node["Relation Name"] for node in self.nodes if node["Node Type"].endswith("Seq Scan")
        }

    @property
    def once(self) -> set[str]:
        """Parts that are worked out once for all rows: `CTE name`."""
        return {node["Subplan Name"] for node in self.nodes if "Subplan Name" in node}

    @property
    def sorted(self) -> bool:
        """Whether rows are put in order before the first one comes."""
        return any("Sort" in node["Node Type"] for node in self.nodes)


class Asking:
    """Runs a function and gives the plans of what it asked, in order."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.statements: list[str] = []
        sa.event.listen(engine.sync_engine, "before_cursor_execute", self._heard)

    def _heard(self, _conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        self.statements.append(statement)

    async def plans(self, work: Callable[[AsyncConnection], Awaitable[object]]) -> list[Plan]:
        """The plans that serve every value of the parameters, as after some executions."""
        async with self._engine.connect() as conn:
            self.statements.clear()
            await work(conn)
            raw = (await conn.get_raw_connection()).driver_connection
            assert raw is not None
            await raw.execute("SET plan_cache_mode = force_generic_plan")
            return [await _plan(raw, statement) for statement in list(self.statements)]


async def _plan(raw: Any, statement: str) -> Plan:
    count = max((int(number) for number in _PARAMETER.findall(statement)), default=0)
    values = f"({', '.join(['NULL'] * count)})" if count else ""
    await raw.execute(f"PREPARE asked AS {statement}")
    try:
        found = await raw.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked{values}")
    finally:
        await raw.execute("DEALLOCATE asked")
    return Plan(statement, tuple(_nodes(found[0]["Plan"])))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


@dataclass(frozen=True, slots=True)
class Seeded:
    """A database with a community in it, shared by the tests of a module, which only read."""

    url: str
    here: Here


@pytest.fixture(scope="module")
def seeded(postgres: Server) -> Iterator[Seeded]:
    async def fill(here: Here) -> str:
        name = f"test_{uuid.uuid4().hex}"
        await postgres.create_database(name, template=TEMPLATE)
        engine = db.connect(postgres.url(name))
        try:
            await seeding.seed(engine, here, SIZE, seed=11)
            async with engine.begin() as conn:
                for statement in _BESIDE:
                    await conn.execute(sa.text(statement.replace(":", "\\:")))
        finally:
            await engine.dispose()
        return postgres.url(name)

    with tempfile.TemporaryDirectory() as directory:
        here = Here("http://alder.test", NodeKey.load(Path(directory) / "node.key"), utcnow)
        yield Seeded(asyncio.run(fill(here)), here)


@pytest.fixture
async def reading(seeded: Seeded) -> AsyncIterator[AsyncEngine]:
    """An engine as pages have it."""
    engine = db.connect(seeded.url)
    yield db.at_once(engine)
    await engine.dispose()


@pytest.fixture
def asking(reading: AsyncEngine) -> Asking:
    return Asking(reading)
