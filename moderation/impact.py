"""What a decision about other servers would cut or hide: counted before anything is (MOD-5.9).

The same SQL says which relations there are and which go, so that what was shown is what happens
(`members.severing`). Who the members are cannot be counted: one may have several of the names.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import keep_times
from kernel.here import Here
from kernel.rows import constant
from kernel.said import noted, noted_pair, said, said_many
from kernel.schema.moderation import Level
from kernel.schema.pacts import PactState, SignalState
from kernel.schema.tables import pacts, signal_sources, signals
from moderation import names
from moderation.policy import BLOCKING

MOST_RELATIONS: Final = 5  # that go without somebody who looks at it first (MOD-5.10)
MOST_GROUPS: Final = 1
MOST_SHARE: Final = 0.005  # of what arrived within a month
MOST_ALIKE: Final = 5  # names that look like protected ones, and are named

_COUNTED: Final = 20_000  # rows of `received` that are counted one by one


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody was shown of an `Impact`, and that they looked twice (MOD-5.9)."""

    digest: str = ""
    looked: bool = False


UNSEEN: Final = Seen()


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """What is cut: exactly that many rows of each kind."""

    people: int = 0  # names here that lose somebody
    follows_out: int = 0  # of somebody there
    places_out: int = 0  # in groups there
    follows_in: int = 0  # of somebody here
    places_in: int = 0  # in our groups
    moderators: int = 0  # of our groups who live there, and of theirs who live here
    groups: int = 0  # in which somebody loses a place or a task

    @property
    def all(self) -> int:
        """All of them together, people and groups apart."""
        follows = self.follows_out + self.places_out + self.follows_in + self.places_in
        return follows + self.moderators


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What a decision about `domains` would do now."""

    domains: tuple[str, ...]
    policy: str
    servers: int  # known ones that it is about
    relations: Relations
    cases: int  # open ones that have to do with somebody there, or with who would lose somebody
    threads: int  # open ones, with answers from there
    posts: int  # from there, that are hidden
    conversations: int
    pictures: int  # copies, of what lies there or was posted from there
    deliveries: int  # that wait
    arrived: int  # within a month
    share: float | None  # of all that arrived; none where that is not known
    rows: str = ""  # a digest of the rows of a list that are to be taken
    alike: tuple[tuple[str, str], ...] = ()  # domains that look like a protected one, and which
    disagree: int = 0  # pact peers that say to go on with it, where it is one domain

    @property
    def cuts(self) -> bool:
        """Whether anything is cut or hidden at all."""
        return self.policy in BLOCKING

    @property
    def binds(self) -> bool:
        """Whether it has to be seen first: somebody may lose something, or a list is taken."""
        loses = self.relations.all if self.cuts else self.pictures
        return bool(self.rows or loses or self.asks_for_a_look)

    @property
    def digest(self) -> str:
        """What somebody who says yes says yes to: the relations, the open cases, rows of a list.

        Posts and deliveries come and go every second and bind nobody.
        """
        bound = [self.domains, self.policy, asdict(self.relations), self.cases, self.rows]
        return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def asks_for_a_look(self) -> Sequence[str]:
        """Why nobody but a person decides that; empty where it is little (MOD-5.10, MOD-H5)."""
        if not self.cuts:
            return []
        found: list[str] = []
        if self.relations.all > MOST_RELATIONS:
            found.append(said("It would cut more than {limit} ties.", limit=MOST_RELATIONS))
        if self.relations.groups > MOST_GROUPS:
            found.append(noted("More than one group would lose somebody."))
        if self.arrived and self.share is None:
            found.append(noted("How much of all that arrives comes from there is not known."))
        elif self.share is not None and self.share > MOST_SHARE:
            found.append(noted("More than 1 in 200 of all that arrives comes from there."))
        if self.cases:
            found.append(noted("There are open reports that have to do with people there."))
        for domain, known in self.alike:
            found.append(
                said(
                    "{domain} looks like {known}, which is protected here. Is it the one you mean?",
                    domain=domain,
                    known=known,
                )
            )
        return found

    @property
    def words(self) -> Sequence[str]:
        """The same as plain sentences, the heaviest first; none where nothing is lost."""
        of = self.relations
        counted = (
            (of.people, *noted_pair(
                "{number} name here would lose somebody. A person may have several names.",
                "{number} names here would lose somebody. A person may have several names.")),
            (of.follows_out, *noted_pair(
                "{number} follow of somebody there would be cut.",
                "{number} follows of people there would be cut.")),
            (of.places_out, *noted_pair(
                "{number} place in a group there would be cut.",
                "{number} places in groups there would be cut.")),
            (of.follows_in, *noted_pair(
                "{number} person there would no longer follow somebody here.",
                "{number} follows from there would be cut.")),
            (of.places_in, *noted_pair(
                "{number} member of a group here would lose their place.",
                "{number} members of groups here would lose their places.")),
            (of.moderators, *noted_pair(
                "{number} person would no longer help to look after a group.",
                "{number} people would no longer help to look after groups.")),
            (of.groups, *noted_pair(
                "That touches {number} group.",
                "That touches {number} groups.")),
            (self.cases, *noted_pair(
                "{number} open report has to do with it.",
                "{number} open reports have to do with it.")),
            (self.threads, *noted_pair(
                "{number} open conversation has answers from there.",
                "{number} open conversations have answers from there.")),
            (self.posts, *noted_pair(
                "{number} post would be hidden. None is deleted.",
                "{number} posts would be hidden. None is deleted.")),
            (self.conversations, *noted_pair(
                "{number} exchange of messages would stand still.",
                "{number} exchanges of messages would stand still.")),
            (self.pictures, *noted_pair(
                "{number} copy of a picture would go. It does not come back.",
                "{number} copies of pictures would go. They do not come back.")),
            (self.deliveries, *noted_pair(
                "{number} thing waits to be sent there, and would go on waiting.",
                "{number} things wait to be sent there, and would go on waiting.")),
            (self.disagree, *noted_pair(
                "{number} place that you have a pact with says to go on with it.",
                "{number} places that you have a pact with say to go on with it.")),
        )  # fmt: skip
        lines: list[str] = [
            said_many(one, many, number=number) for number, one, many in counted if number
        ]
        return [*lines, self._arrivals] if self.cuts else lines

    @property
    def _arrivals(self) -> str:
        if not self.arrived:
            return noted("Nothing came from there in the last 30 days.")
        if self.share is None:
            return noted("What part of all that arrives comes from there is not known.")
        percent = f"{self.share * 100:.2g}"
        return said(
            "{percent} % of what arrived in the last 30 days came from there.", percent=percent
        )

    def as_json(self) -> dict[str, Any]:
        """The numbers, as they are stored with the decision and shown to tools."""
        numbers = asdict(self)
        numbers["relations"]["all"] = self.relations.all
        return {
            **numbers,
            "domains": list(self.domains),
            "digest": self.digest,
            "asks_for_a_look": [str(each) for each in self.asks_for_a_look],
        }

    @classmethod
    def of_json(cls, stored: str) -> Self:
        """Numbers that were stored."""
        return cls.of_numbers(json.loads(stored))

    @classmethod
    def of_numbers(cls, numbers: Mapping[str, Any]) -> Self:
        """As `as_json` gave them."""
        relations = {name: numbers["relations"][name] for name in Relations.__slots__}
        known: dict[str, Any] = {name: numbers[name] for name in cls.__slots__ if name in numbers}
        del known["relations"]
        known["domains"] = tuple(known["domains"])
        known["alike"] = tuple((domain, name) for domain, name in known.get("alike", ()))
        return cls(relations=Relations(**relations), **known)


@dataclass(frozen=True, slots=True)
class Concerned:
    """Servers that a decision is about: those that people are known of, and those that pictures
    here were copied from or posted from.
    """

    hosts: Sequence[str] = ()
    pictures: Sequence[str] = ()


async def of(
    conn: AsyncConnection,
    here: Here,
    domains: Sequence[str],
    policy: Level,
    *,
    reject_media: bool = False,
) -> Impact:
    """What it would do to put `domains`, bare and lower-case, at the level `policy` now.

    Three statements, however many domains there are, and one more for a single one. Servers that
    are not heard already, or that a narrower decision is about, are not counted.
    """
    those = await concerned(conn, domains)
    return await about(conn, here, domains, policy, those, reject_media=reject_media)


def _alike(here: Here, domains: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = ((domain, names.looks_like(here, domain)) for domain in sorted(domains))
    return tuple(islice((pair for pair in pairs if pair[1]), MOST_ALIKE))


async def about(
    conn: AsyncConnection,
    here: Here,
    domains: Sequence[str],
    policy: Level,
    those: Concerned,
    *,
    reject_media: bool = False,
) -> Impact:
    """The same, where it is known which servers the decision is about."""
    cuts = policy in BLOCKING
    hosts = those.hosts if cuts else ()
    bare = those.pictures if cuts or reject_media else ()
    since = here.now().date() - keep_times.SEEN_ID
    found = (await conn.execute(_NUMBERS, {**_about(hosts), "since": since})).mappings().one()
    numbers = dict(found)
    relations = Relations(**{name: numbers.pop(name) for name in Relations.__slots__})
    total = numbers.pop("total")
    arrived = numbers["arrived"]
    return Impact(
        domains=tuple(sorted(domains)),
        policy=policy.value,
        servers=len(hosts),
        relations=relations,
        pictures=await _pictures(conn, bare),
        share=min(1.0, arrived / total) if total else None,
        alike=await asyncio.to_thread(_alike, here, domains) if cuts else (),
        disagree=await _disagree(conn, domains[0]) if cuts and len(domains) == 1 else 0,
        **numbers,
    )


async def _pictures(conn: AsyncConnection, hosts: Sequence[str]) -> int:
    return (await conn.scalar(_PICTURES, {"hosts": list(hosts)}) or 0) if hosts else 0


async def _disagree(conn: AsyncConnection, domain: str) -> int:
    return await conn.scalar(_DISAGREE, {"domain": domain}) or 0


async def concerned(conn: AsyncConnection, domains: Sequence[str]) -> Concerned:
    """Servers that are heard, and of which our decision about `domains` would be the one.

    Where we decided something about a domain below, that stands; what lists say does not.
    """
    rows = await conn.execute(_UNDER, {"domains": list(domains)})
    found = [row for row in rows if row.decides and not row.blocked]
    return Concerned([row.host for row in found if row.known], [row.host for row in found])


async def hosts(conn: AsyncConnection) -> Sequence[str]:
    """Every server that somebody was ever heard of from, by name; our own among them."""
    return list(await conn.scalars(_HOSTS))


async def blocked(conn: AsyncConnection, domains: Sequence[str]) -> list[str]:
    """Hosts below `domains` that are known and not heard."""
    rows = await conn.execute(_UNDER, {"domains": list(domains)})
    return [row.host for row in rows if row.known and row.blocked]


def _about(hosts: Sequence[str]) -> dict[str, object]:
    origins = [f"{scheme}://{host}" for host in hosts for scheme in ("https", "http")]
    return {"hosts": list(hosts), "origins": origins}


def statement(text: str) -> sa.TextClause:
    """SQL about `hosts`, `origins` and `domains`, with those of them that it names."""
    kinds = {name: ARRAY(sa.Text) for name in ("hosts", "origins", "domains")}
    named = [sa.bindparam(name, type_=kind) for name, kind in kinds.items() if f":{name}" in text]
    return sa.text(text).bindparams(*named)


# Names are walked one by one along the index, since there are far fewer servers than actors.
_WALK: Final = """
    WITH RECURSIVE walk (host) AS (
        (SELECT actors.host FROM actors ORDER BY actors.host LIMIT 1)
        UNION ALL
        SELECT (
            SELECT actors.host FROM actors
            WHERE actors.host > walk.host ORDER BY actors.host LIMIT 1
        )
        FROM walk WHERE walk.host IS NOT NULL
    )"""
# A copy is let go once no picture is taken from where it lies, or from whose post it is of.
_COPIES: Final = "media JOIN attachments ON attachments.media_id = media.id"
_LIES_AT: Final = "lower(split_part(attachments.remote_url, '/', 3))"
_PICTURES: Final = statement(
    f"""
    SELECT count(*) FROM (
        SELECT attachments.media_id FROM unnest(:hosts) AS given (host)
        JOIN actors ON actors.host = given.host AND NOT actors.local
        JOIN posts ON posts.author_id = actors.id
        JOIN attachments ON attachments.post_id = posts.id
        JOIN media ON media.id = attachments.media_id AND media.used IS NOT NULL
        UNION
        SELECT attachments.media_id FROM {_COPIES}
        JOIN posts ON posts.id = attachments.post_id
        JOIN actors ON actors.id = posts.author_id AND NOT actors.local
        WHERE media.used IS NOT NULL AND {_LIES_AT} = ANY (:hosts)
    ) AS copies
    """  # noqa: S608  (names of our own)
)
_HOSTS: Final = sa.text(f"{_WALK} SELECT host FROM walk WHERE host IS NOT NULL")  # noqa: S608
_UNDER: Final = statement(
    f"""
    {_WALK}, hosts AS (
        SELECT walk.host, true AS known FROM walk WHERE walk.host IS NOT NULL
        UNION ALL
        SELECT {_LIES_AT}, false FROM {_COPIES} WHERE media.used IS NOT NULL
    ), named AS (
        SELECT each.host, each.known, ARRAY(
            SELECT array_to_string(labels[first:], '.')
            FROM generate_subscripts(labels, 1) AS first ORDER BY first
        ) AS names
        FROM (SELECT host, bool_or(known) AS known FROM hosts GROUP BY host) AS each,
            string_to_array(split_part(each.host, ':', 1), '.') AS labels
        WHERE each.host IS NOT NULL
    ), matched AS (
        SELECT named.host, named.known, each.place, given.domain IS NOT NULL AS given,
            own.domain IS NOT NULL AS own,
            rule.domain IS NOT NULL AND NOT rule.spares && named.names AS blocks
        FROM named, unnest(named.names) WITH ORDINALITY AS each (domain, place)
        LEFT JOIN unnest(:domains) AS given (domain) ON given.domain = each.domain
        LEFT JOIN domain_policies AS own
            ON own.domain = each.domain AND own.source = '' AND NOT own.held
        LEFT JOIN domain_blocks AS rule ON rule.domain = each.domain
    )
    SELECT host, bool_or(known) AS known, bool_or(blocks) AS blocked,
        min(place) FILTER (WHERE given)
            <= coalesce(min(place) FILTER (WHERE own AND NOT given), 1000) AS decides
    FROM matched GROUP BY host HAVING bool_or(given) ORDER BY host
    """  # noqa: S608
)


def _us(actor_id: str) -> str:
    """SQL: who it is, looked up by the key, however many the planner expects."""
    return f"(SELECT * FROM actors WHERE actors.id = {actor_id} OFFSET 0) AS us"  # noqa: S608


TIES: Final = f"""
    theirs AS MATERIALIZED (
        SELECT actors.id, actors.kind FROM unnest(:hosts) AS given (host)
        JOIN actors ON actors.host = given.host AND NOT actors.local
    ), tied AS (
        SELECT follows.follower_id, follows.followed_id, true AS outward,
            theirs.kind = 'Group' AS grouped,
            CASE WHEN us.kind <> 'Group' THEN us.id END AS name,
            CASE WHEN us.kind = 'Group' THEN us.id WHEN theirs.kind = 'Group' THEN theirs.id
                END AS place
        FROM theirs
        JOIN follows ON follows.followed_id = theirs.id
        CROSS JOIN LATERAL {_us("follows.follower_id")}
        WHERE us.local AND us.kind NOT IN ('Service', 'Application')
        UNION ALL
        SELECT follows.follower_id, follows.followed_id, false, us.kind = 'Group',
            CASE WHEN us.kind <> 'Group' THEN us.id END, CASE WHEN us.kind = 'Group' THEN us.id END
        FROM theirs
        JOIN follows ON follows.follower_id = theirs.id
        CROSS JOIN LATERAL {_us("follows.followed_id")}
        WHERE us.local
    ), tending AS (
        SELECT moderators.group_id, moderators.actor_id, false AS outward
        FROM theirs
        JOIN moderators ON moderators.actor_id = theirs.id
        CROSS JOIN LATERAL {_us("moderators.group_id")}
        WHERE us.local
        UNION ALL
        SELECT moderators.group_id, moderators.actor_id, true
        FROM theirs
        JOIN moderators ON moderators.group_id = theirs.id
        CROSS JOIN LATERAL {_us("moderators.actor_id")}
        WHERE us.local AND us.kind NOT IN ('Service', 'Application')
    )"""  # noqa: S608
"""SQL: the rows of `follows` and `moderators` with one end here and the other on `hosts`.

What the node's own reader follows is not among them: it follows where somebody here does.
"""


def tally(tied: str, tending: str) -> str:
    """SQL: the columns of `Relations`, counted from tables of the shape that `TIES` gives."""
    return f"""
        (SELECT count(DISTINCT id) FROM (
            SELECT name AS id FROM {tied}
            UNION ALL SELECT actor_id FROM {tending} WHERE outward
        ) AS names) AS people,
        (SELECT count(*) FROM {tied} WHERE outward AND NOT grouped) AS follows_out,
        (SELECT count(*) FROM {tied} WHERE outward AND grouped) AS places_out,
        (SELECT count(*) FROM {tied} WHERE NOT outward AND NOT grouped) AS follows_in,
        (SELECT count(*) FROM {tied} WHERE NOT outward AND grouped) AS places_in,
        (SELECT count(*) FROM {tending}) AS moderators,
        (SELECT count(DISTINCT id) FROM (
            SELECT place AS id FROM {tied}
            UNION ALL SELECT group_id FROM {tending}
        ) AS places) AS groups"""  # noqa: S608  (names of our own)


_DISAGREE: Final = (
    sa.select(sa.func.count(sa.distinct(signal_sources.c.host)))
    .join(signals, signals.c.source_id == signal_sources.c.id)
    .join(pacts, pacts.c.host == signal_sources.c.host)
    .where(
        signal_sources.c.pact,
        signal_sources.c.quarantined == "",
        pacts.c.state == constant(PactState.MADE),
        ~pacts.c.frozen,
        ~pacts.c.frozen_there,
        signals.c.entity_kind == sa.literal_column("'domain'"),
        signals.c.entity_key == sa.bindparam("domain", type_=sa.Text),
        signals.c.policy == sa.literal_column("'accept'"),
        signals.c.state.in_([constant(SignalState.HELD), constant(SignalState.SHOWN)]),
    )
)


# An open case, of a report or of a worry, is about a post, and has to do with the thread that it
# is in: somebody there may be of help in it, or whoever wrote it may lose them (MOD-H5). Who needs
# care and lives there counts wherever they are.
_CASES: Final = """
    SELECT count(*) FROM (
        SELECT cases.post_id, '' AS host FROM cases WHERE cases.state <> 'closed'
        UNION ALL
        SELECT care_cases.post_id, care_cases.host FROM care_cases
        WHERE care_cases.state <> 'closed'
    ) AS waiting LEFT JOIN LATERAL (
        SELECT posts.thread_id, posts.author_id FROM posts
        WHERE posts.id = waiting.post_id OFFSET 0
    ) AS about ON true
    WHERE about.thread_id IN (SELECT said.thread_id FROM said)
        OR about.author_id IN (SELECT tied.name FROM tied)
        OR waiting.host = ANY (:hosts)"""

_NUMBERS: Final = statement(
    f"""
    WITH {TIES}, said AS (
        SELECT posts.id, posts.thread_id, posts.state FROM theirs
        JOIN posts ON posts.author_id = theirs.id
    )
    SELECT {tally("tied", "tending")},
        ({_CASES}) AS cases,
        (SELECT count(DISTINCT said.thread_id) FROM said
            JOIN threads ON threads.id = said.thread_id AND threads.shown AND NOT threads.locked
            WHERE said.state = 'shown' AND said.id <> said.thread_id) AS threads,
        (SELECT count(*) FROM said WHERE said.state = 'shown') AS posts,
        (SELECT count(*) FROM (
            SELECT conversations.id FROM theirs
            JOIN conversations ON conversations.one_id = theirs.id
            UNION SELECT conversations.id FROM theirs
            JOIN conversations ON conversations.other_id = theirs.id
        ) AS talks) AS conversations,
        (SELECT count(*) FROM unnest(:hosts) AS given (host)
            JOIN deliveries ON deliveries.host = given.host AND deliveries.parked IS NULL
        ) AS deliveries,
        (SELECT count(*) FROM unnest(:origins) AS given (origin)
            JOIN received ON received.origin = given.origin AND received.day >= :since) AS arrived,
        CASE WHEN known.rows >= {_COUNTED} THEN known.rows ELSE (
            SELECT count(*) FROM (
                SELECT 1 FROM received ORDER BY received.id LIMIT {_COUNTED}
            ) AS counted
        ) END AS total
    FROM (
        SELECT CAST(reltuples AS bigint) AS rows FROM pg_class
        WHERE oid = CAST('received' AS regclass)
    ) AS known
    """  # noqa: S608  (names of our own)
).bindparams(sa.bindparam("since", type_=sa.Date))
