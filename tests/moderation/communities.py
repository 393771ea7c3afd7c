"""Made-up communities with ties to other servers: what the preview of a decision is tried on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.schema.tables import (
    activities,
    actors,
    attachments,
    care_cases,
    cases,
    conversations,
    deliveries,
    follows,
    groups,
    media,
    moderators,
    peers,
    posts,
    received,
    severed_follows,
    severed_moderators,
    threads,
)

HOME: Final = "alder.test"
HOSTS: Final = (
    "evil.example", "sub.evil.example", "deep.sub.evil.example", "notevil.example",
    "evil.example:8443", "good.example",
)  # fmt: skip
NOW: Final = datetime.now(UTC)

Row = dict[str, Any]
Rows = frozenset[tuple[Any, ...]]


@dataclass
class Community:
    """Who is in it, here and elsewhere."""

    people: list[UUID] = field(default_factory=list)
    circles: list[UUID] = field(default_factory=list)
    strangers: list[UUID] = field(default_factory=list)  # people elsewhere
    elsewhere: list[UUID] = field(default_factory=list)  # groups elsewhere
    rows: dict[str, list[Row]] = field(default_factory=dict)


def actor(dice: Random, host: str, kind: str) -> Row:
    """A row of `actors`."""
    name = f"{kind.lower()}{dice.randrange(10**9)}"
    uri = f"https://{host}/{name}"
    return {
        "id": UUID(int=dice.getrandbits(128), version=4),
        "uri": uri,
        "kind": kind,
        "local": host == HOME,
        "handle": name,
        "host": host,
        "name": name,
        "inbox": f"{uri}/inbox",
        "key_id": f"{uri}#main-key",
        "public_key": "",
    }


def group(actor_id: UUID) -> Row:
    """A row of `groups`; its desk is itself, since nobody asks."""
    return {
        "actor_id": actor_id,
        "desk_id": actor_id,
        "sees": "everyone",
        "posts": "members",
        "joining": "open",
        "premoderation": "none",
        "one_voice": False,
        "one_time": False,
        "notes_required": False,
        "slow_minutes": 0,
        "languages": [],
    }


def draw(dice: Random) -> Community:
    """A community of a few people, groups and servers, with all kinds of ties between them."""
    town, made = Community(), []

    def some(host: str, kind: str, most: int) -> list[UUID]:
        found = [actor(dice, host, kind) for _ in range(dice.randint(0, most))]
        made.extend(found)
        return [each["id"] for each in found]

    town.people = some(HOME, "Person", 5)
    town.circles = some(HOME, "Group", 3)
    for host in dice.sample(HOSTS, dice.randint(1, len(HOSTS))):
        town.strangers += some(host, "Person", 4)
        town.elsewhere += some(host, "Group", 2)
    reader, desk = actor(dice, HOME, "Service"), actor(dice, HOME, "Service")
    desk["uri"] = f"http://{HOME}/desk/node"
    made += [reader, desk]
    rows: dict[str, list[Row]] = {"actors": made}
    here, there = [*town.people, *town.circles], [*town.strangers, *town.elsewhere]
    pairs = {(one, other) for one in town.people for other in there if dice.random() < 0.4}
    pairs |= {(one, other) for one in town.strangers for other in here if dice.random() < 0.4}
    pairs |= {(one, other) for one in town.people for other in town.circles if dice.random() < 0.5}
    pairs |= {(reader["id"], other) for other in town.elsewhere}
    pairs |= {(g, other) for g in town.circles for other in town.elsewhere if dice.random() < 0.2}
    rows["follows"] = [
        {
            "follower_id": one,
            "followed_id": other,
            "state": dice.choice(["accepted", "accepted", "pending"]),
            "uri": f"https://{HOME}/a/{dice.getrandbits(64)}",
            "guidelines": dice.randint(0, 3),
            "approved": dice.random() < 0.5,
            "turn": dice.choice([None, None, 4]),
        }
        for one, other in sorted(pairs)
    ]
    rows["groups"] = [group(each) for each in town.circles]
    tending = {(g, one) for g in town.circles for one in town.strangers if dice.random() < 0.2}
    tending |= {(g, one) for g in town.elsewhere for one in town.people if dice.random() < 0.2}
    rows["moderators"] = [
        {"group_id": group, "actor_id": one, "founder": dice.random() < 0.3}
        for group, one in sorted(tending)
    ]
    _words(dice, town, rows)
    _beside(dice, town, rows)
    town.rows = rows
    return town


def _words(dice: Random, town: Community, rows: dict[str, list[Row]]) -> None:
    rows["threads"], rows["posts"], rows["media"] = [], [], []
    rows["attachments"], rows["cases"] = [], []
    writers = [*town.people, *town.strangers]
    for _ in range(dice.randint(0, 3) if writers and town.circles else 0):
        group, root = dice.choice(town.circles), dice.getrandbits(60)
        uri = f"https://{HOME}/t/{root}"
        rows["threads"].append(
            {"id": root, "uri": uri, "group_id": group, "shown": True, "latest_id": root,
             "locked": dice.random() < 0.3}
        )  # fmt: skip
        for post_id in (root, *(dice.getrandbits(60) for _ in range(dice.randint(0, 3)))):
            rows["posts"].append(
                {"id": post_id, "uri": f"https://{HOME}/p/{post_id}", "thread_id": root,
                 "group_id": group, "author_id": dice.choice(writers), "content": "Words.",
                 "published": NOW, "state": dice.choice(["shown", "shown", "held"])}
            )  # fmt: skip
            if dice.random() < 0.3:
                ours = rows["posts"][-1]["author_id"] in town.people
                _picture(dice, rows, post_id, None if ours else dice.choice(HOSTS))
            if dice.random() < 0.2:
                rows["cases"].append(_case(dice, post_id, over=dice.random() < 0.3))


def _case(dice: Random, post_id: int, *, over: bool = False) -> Row:
    return {
        "id": UUID(int=dice.getrandbits(128)),
        "subject": "post",
        "post_id": post_id,
        "mark": dice.randbytes(32),
        "why": "worried",
        "priority": 0,
        "state": "closed" if over else "open",
        "since": NOW.date(),
        "outcome": "nothing" if over else None,
        "closed_on": NOW.date() if over else None,
    }


def _picture(dice: Random, rows: dict[str, list[Row]], post_id: int, host: str | None) -> None:
    """A file of our own, or a copy of one that lies on a server, whoever posted it."""
    media_id = UUID(int=dice.getrandbits(128))
    used = None if host is None else NOW.date()
    rows["media"].append({"id": media_id, "width": 1, "height": 1, "bytes": 1, "used": used})
    rows["attachments"].append(
        {"post_id": post_id, "position": 0, "kind": "image", "media_id": media_id,
         "remote_url": None if host is None else f"https://{host.upper()}/{media_id}.png"}
    )  # fmt: skip


def _beside(dice: Random, town: Community, rows: dict[str, list[Row]]) -> None:
    talks = {tuple(sorted((one, other))) for one in town.people for other in town.strangers
             if dice.random() < 0.2}  # fmt: skip
    rows["conversations"] = [
        {"id": UUID(int=dice.getrandbits(128)), "one_id": one, "other_id": other, "latest": 1}
        for one, other in sorted(talks)
    ]
    rows["received"] = [arrival(dice.choice(HOSTS)) for _ in range(dice.randint(0, 5))]
    rows["peers"] = [{"host": host, "next_attempt": NOW} for host in HOSTS]
    uri = f"https://{HOME}/a/{dice.getrandbits(60)}"
    said = {"actor_uri": f"https://{HOME}/u", "kind": "Create", "object_uri": uri, "body": "",
            "public": True, "month": NOW.date()}  # fmt: skip
    rows["activities"] = [{"uri": uri, **said}]
    rows["deliveries"] = [
        {"host": host, "inbox": f"https://{host}/inbox", "lane": "x", "activity_uri": uri,
         "signer_id": town.people[0], "day": NOW.date(), "parked": dice.choice([None, "gone"])}
        for host in HOSTS if town.people and dice.random() < 0.5
    ]  # fmt: skip


_TABLES: Final = (
    peers, actors, groups, follows, moderators, threads, posts, media, attachments, cases,
    conversations, received, activities, deliveries,
)  # fmt: skip


async def settle(conn: AsyncConnection, town: Community) -> None:
    """Write the rows of a community."""
    for table in _TABLES:
        if rows := town.rows.get(table.name):
            await conn.execute(table.insert(), rows)


async def thread(conn: AsyncConnection, group_id: UUID, root: int, authors: Sequence[UUID]) -> None:
    """An open thread with a post by each of the authors."""
    await conn.execute(
        threads.insert(),
        [{"id": root, "uri": f"https://{HOME}/t/{root}", "group_id": group_id, "shown": True,
          "latest_id": root, "locked": False}],
    )  # fmt: skip
    await conn.execute(
        posts.insert(),
        [
            {"id": root + at, "uri": f"https://{HOME}/p/{root + at}", "thread_id": root,
             "group_id": group_id, "author_id": author, "content": "Words.", "published": NOW,
             "state": "shown"}
            for at, author in enumerate(authors)
        ],
    )  # fmt: skip


async def report(conn: AsyncConnection, *, post_id: int) -> None:
    """Somebody is worried about a post."""
    await conn.execute(cases.insert(), [_case(Random(post_id), post_id)])


async def worry(conn: AsyncConnection, *, post_id: int | None, host: str) -> None:
    """Somebody who lives on that server may not be well."""
    case = {
        "id": uuid4(),
        "post_id": post_id,
        "host": host,
        "mark": uuid4().bytes * 2,
        "level": 2,
        "state": "open",
        "author": "nothing",
        "since": NOW.date(),
        "due": NOW,
    }
    await conn.execute(care_cases.insert(), [case])


async def arrivals(conn: AsyncConnection, counts: Mapping[str, int]) -> None:
    """So much arrived from those servers."""
    rows = [arrival(host) for host, count in counts.items() for _ in range(count)]
    await conn.execute(received.insert(), rows)


def arrival(host: str) -> Row:
    """A row of `received`."""
    return {"origin": f"https://{host}", "activity_uri": str(uuid4()), "signer_uri": "",
            "next_attempt": NOW, "plain": False, "state": "done", "day": NOW.date()}  # fmt: skip


async def ties(conn: AsyncConnection) -> tuple[Rows, Rows]:
    """Every tie as it is; a follow of ours goes out with another id when it is put back."""
    kept = _without_our_ids(follows, "due")
    return (
        frozenset(tuple(row) for row in await conn.execute(sa.select(*kept))),
        frozenset(tuple(row) for row in await conn.execute(sa.select(moderators))),
    )


def _without_our_ids(table: sa.Table, *without: str) -> list[sa.ColumnElement[Any]]:
    kept: list[sa.ColumnElement[Any]] = [each for each in table.c if each.name not in without]
    if "uri" in table.c:
        ours = sa.exists().where(actors.c.id == table.c.follower_id, actors.c.local)
        uri = sa.case((ours, ""), else_=table.c.uri)
        kept = [uri if each is table.c.uri else each for each in kept]
    return kept


async def ledger(conn: AsyncConnection) -> tuple[Rows, Rows]:
    """Every tie that is cut, without the day."""
    found = []
    for table in (severed_follows, severed_moderators):
        kept = _without_our_ids(table, "day")
        found.append(frozenset(tuple(row) for row in await conn.execute(sa.select(*kept))))
    return found[0], found[1]
