"""What a decision about a server cuts is what was shown, and comes back as it was (MOD-5.9)."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from groups import appointing
from groups import groups as groups_of
from kernel.errors import Malformed, NotFound
from kernel.here import Here
from kernel.schema.moderation import Level
from kernel.schema.tables import (
    actors,
    audit,
    bans,
    blocks,
    conversations,
    correspondents,
    follows,
    groups,
    moderators,
)
from members import ledger, out_of_reach, severing
from members.ledger import Restored
from members.severing import Decided, Differs
from moderation import domains, impact, policy
from moderation.impact import Impact, Relations, Seen
from moderation.lists import reading, sources, taking
from moderation.lists.sources import Source
from moderation.policy import Policy
from node import keeping_away
from tests.moderation import communities
from tests.moderation.communities import NOW

COMMUNITIES = 200
DOMAINS = ("evil.example", "sub.evil.example", "deep.sub.evil.example", "good.example")


def _is_under(host: str, domain: str) -> bool:
    name = host.partition(":")[0]
    return name == domain or name.endswith("." + domain)


def _expected(town: communities.Community, cut: list[str]) -> Relations:
    """The numbers, worked out by hand from what was drawn."""
    of = {each["id"]: each for each in town.rows["actors"]}
    gone = {
        id_ for id_, each in of.items()
        if not each["local"] and any(_is_under(str(each["host"]), domain) for domain in cut)
    }  # fmt: skip
    numbers = dict.fromkeys(("follows_out", "places_out", "follows_in", "places_in"), 0)
    people, groups, moderators = set(), set(), 0
    for row in town.rows["follows"]:
        one, other = row["follower_id"], row["followed_id"]
        if of[one]["kind"] == "Service" or not gone & {one, other}:
            continue
        outward, grouped = bool(of[one]["local"]), of[other]["kind"] == "Group"
        numbers[f"{'places' if grouped else 'follows'}_{'out' if outward else 'in'}"] += 1
        ours = one if outward else other
        if of[ours]["kind"] == "Group":
            groups.add(ours)
        else:
            people.add(ours)
            groups |= {other} if grouped else set()
    for row in town.rows["moderators"]:
        group, one = row["group_id"], row["actor_id"]
        if gone & {group, one}:
            moderators += 1
            groups.add(group)
            people |= {one} if of[one]["local"] else set()
    return Relations(**numbers, moderators=moderators, people=len(people), groups=len(groups))


def _numbers(town: communities.Community, domain: str, cut: list[str]) -> dict[str, object]:
    """The other numbers: of servers below the domain that are heard until now."""

    def of(host: str) -> bool:
        return _is_under(host, domain) and not any(_is_under(host, each) for each in cut)

    rows = town.rows
    hosts = {each["id"]: each["host"] for each in rows["actors"] if not each["local"]}
    theirs = {id_ for id_, host in hosts.items() if of(host)}
    said = [post for post in rows["posts"] if post["author_id"] in theirs]
    seen = [post for post in said if post["state"] == "shown"]
    open_threads = {it["id"] for it in rows["threads"] if it["shown"] and not it["locked"]}
    answers = [post for post in seen if post["id"] != post["thread_id"]]
    people = {it["id"] for it in rows["actors"] if it["local"] and it["kind"] == "Person"}
    losing = {
        one
        for row in rows["follows"]
        for one in (row["follower_id"], row["followed_id"])
        if one in people and theirs & {row["follower_id"], row["followed_id"]}
    }
    posts = {post["id"]: post for post in rows["posts"]}
    about = [posts[it["post_id"]] for it in rows["cases"] if it["state"] != "closed"]
    copies = [it for it in rows["attachments"] if posts[it["post_id"]]["author_id"] in hosts]
    known = {hosts[each] for each in theirs}
    arrived = sum(it["origin"].removeprefix("https://") in known for it in rows["received"])
    return {
        "servers": len(known),
        "cases": sum(
            it["thread_id"] in {post["thread_id"] for post in said} or it["author_id"] in losing
            for it in about
        ),
        "threads": len({it["thread_id"] for it in answers} & open_threads),
        "posts": len(seen),
        "conversations": sum(
            bool(theirs & {it["one_id"], it["other_id"]}) for it in rows["conversations"]
        ),
        "pictures": sum(
            posts[it["post_id"]]["author_id"] in theirs
            or of(it["remote_url"].lower().split("/")[2])
            for it in copies
        ),
        "deliveries": sum(it["host"] in known and not it["parked"] for it in rows["deliveries"]),
        "arrived": arrived,
        "share": arrived / len(rows["received"]) if rows["received"] else None,
    }


@pytest.mark.slow
async def test_mod_5_9_what_was_shown_is_what_happens_and_undo_restores_it_exactly(
    engine: AsyncEngine, here: Here
) -> None:
    cut_something, counted = 0, Counter[str]()
    async with engine.connect() as conn:
        for number in range(COMMUNITIES):
            dice = Random(number)
            town = communities.draw(dice)
            await communities.settle(conn, town)
            before = await communities.ties(conn)
            rows = [len(each) for each in before]
            cut: list[str] = []
            made = []
            for domain in dice.sample(DOMAINS, dice.randint(1, 2)):
                expected, already = _expected(town, [*cut, domain]), _expected(town, cut)
                shown = await impact.of(conn, here, [domain], Level.REJECT)
                change = await severing.decide(
                    conn, here, domain, Policy(Level.REJECT), seen=Seen(shown.digest, looked=True)
                )
                left = [len(each) for each in await communities.ties(conn)]
                assert change.impact == shown, number
                numbers = _numbers(town, domain, cut)
                assert {name: getattr(shown, name) for name in numbers} == numbers, number
                counted.update(name for name, many in numbers.items() if many)
                assert shown.relations.all == sum(rows) - sum(left) == expected.all - already.all
                if not cut:
                    assert shown.relations == expected, number
                cut.append(domain)
                made.append(change)
                cut_something += shown.relations.all > 0
                rows = left
            follows, moderators = await communities.ties(conn)
            in_ledger = await communities.ledger(conn)
            assert (follows | in_ledger[0], moderators | in_ledger[1]) == before
            dice.shuffle(made)
            back = 0
            for change in made:
                would = None
                if number % 10 == 0:
                    would = await severing.undo(conn, here, change.id, dry_run=True)
                done = await severing.undo(conn, here, change.id)
                assert done == Restored(back=done.back), number
                assert would in (None, done), number
                back += done.back
            assert await communities.ties(conn) == before, number
            assert await communities.ledger(conn) == (frozenset(), frozenset())
            assert back == sum(change.impact.relations.all for change in made)
            await conn.rollback()
    assert cut_something > COMMUNITIES / 2
    assert len(counted) == 9, "each of the numbers is more than none somewhere"
    assert min(counted.values()) > COMMUNITIES / 20


REJECT = Policy(Level.REJECT)


class Town:
    """A few people here and at evil.example, and what ties them."""

    def __init__(self, conn: AsyncConnection, here: Here) -> None:
        self.conn, self.here, self.dice = conn, here, Random(7)

    async def actor(self, host: str, kind: str = "Person", **more: object) -> UUID:
        """Somebody, or a group."""
        row = {**communities.actor(self.dice, host, kind), **more}
        await self.conn.execute(actors.insert(), [row])
        return UUID(str(row["id"]))

    async def group(self) -> UUID:
        """A group here."""
        made = await self.actor(communities.HOME, "Group")
        await self.conn.execute(groups.insert(), [communities.group(made)])
        return made

    async def follow(self, follower: UUID, followed: UUID) -> None:
        await self.conn.execute(
            follows.insert(),
            [{"follower_id": follower, "followed_id": followed, "state": "accepted",
              "uri": f"https://{communities.HOME}/a/{self.dice.random()}"}],
        )  # fmt: skip

    async def seen(self, domain: str = "evil.example") -> Impact:
        return await impact.of(self.conn, self.here, [domain], Level.REJECT)

    async def block(
        self, domain: str = "evil.example", *, looked: bool = True, **how: Any
    ) -> Decided:
        """Decide as somebody who saw it does."""
        seen = Seen((await self.seen(domain)).digest, looked)
        return await severing.decide(self.conn, self.here, domain, REJECT, seen=seen, **how)

    async def pairs(self) -> set[tuple[UUID, UUID]]:
        rows = await self.conn.execute(sa.select(follows.c.follower_id, follows.c.followed_id))
        return {(row.follower_id, row.followed_id) for row in rows}


@pytest.fixture
async def town(engine: AsyncEngine, here: Here) -> AsyncIterator[Town]:
    async with engine.connect() as conn:
        made = Town(conn, here)
        await made.actor(communities.HOME, "Service", uri=f"{here.origin}/desk/node")
        yield made


async def test_mod_5_9_who_decides_is_refused_where_it_is_not_what_they_saw(town: Town) -> None:
    ana, eve, ed = [await town.actor(host) for host in (communities.HOME, *["evil.example"] * 2)]
    await town.follow(ana, eve)
    seen = await town.seen()
    assert (seen.relations.people, seen.relations.follows_out, seen.binds) == (1, 1, True)
    await town.follow(ed, ana)
    with pytest.raises(Differs) as refused:
        await severing.decide(town.conn, town.here, "evil.example", REJECT, seen=Seen(seen.digest))
    assert refused.value.impact.relations.follows_in == 1
    assert len(await town.pairs()) == 2
    with pytest.raises(Differs):
        await severing.decide(town.conn, town.here, "evil.example", REJECT)
    made = await town.block()
    assert made.impact == refused.value.impact
    stored = await severing.one(town.conn, made.id)
    assert stored.impact == made.impact
    assert await town.pairs() == set()
    assert [str(line) for line in made.impact.words][:3] == [
        "1 name here would lose somebody. A person may have several names.",
        "1 follow of somebody there would be cut.",
        "1 person there would no longer follow somebody here.",
    ]


async def test_mod_5_9_where_nobody_loses_anything_nobody_has_to_look(town: Town) -> None:
    await town.actor("evil.example")
    decided = await severing.decide(town.conn, town.here, "evil.example", REJECT)
    assert decided.impact.words == ["Nothing came from there in the last 30 days."]
    milder = await severing.decide(
        town.conn, town.here, "evil.example", Policy(Level.FILTER, reject_media=True)
    )
    assert (milder.before, milder.after, milder.can_be_undone) == ("reject", "filter m", False)


async def _advised(town: Town, name: str, *rows: tuple[str, Level]) -> Source:
    """A list, and what it says: agreed to."""
    source = await sources.add(town.conn, town.here, name=name)
    text = "".join(f"{domain},{_SEVERITY[level]}\n" for domain, level in rows)
    listed = reading.read(f"#domain,#severity\n{text}".encode())
    found = await taking.compare(town.conn, town.here, source, listed)
    await taking.take(town.conn, town.here, source, found, agreed=True)
    return source


_SEVERITY = {Level.NOTE: "noop", Level.REJECT: "suspend"}


@pytest.mark.parametrize("tie", ["follow", "message", "moderator", "arrivals", "none"])
@pytest.mark.parametrize("over", ["list", "decision"])
async def test_mod_5_10_a_harsher_list_takes_over_by_itself_only_where_it_cuts_nobody_off(
    town: Town, tie: str, over: str
) -> None:
    conn, here, at = town.conn, town.here, "evil.example"
    ana, eve = await town.actor(communities.HOME), await town.actor(at)
    if tie == "follow":
        await town.follow(ana, eve)
    elif tie == "message":
        one, other = sorted([ana, eve])
        row = {"id": uuid4(), "one_id": one, "other_id": other, "latest": 1}
        await conn.execute(conversations.insert(), [row])
    elif tie == "moderator":
        row = {"group_id": await town.group(), "actor_id": eve, "founder": False}
        await conn.execute(moderators.insert(), [row])
    elif tie == "arrivals":
        await communities.arrivals(conn, {at: 5, "good.example": 5})
    harsh = await _advised(town, "Harsh", (at, Level.REJECT))
    if over == "list":
        mild = await _advised(town, "Mild", (at, Level.NOTE))
    else:
        today = here.now().date()
        await domains.set_policy(conn, here, at, Policy(Level.NOTE), until=today)
    before = await policy.in_force(conn)
    assert not before.of_host(at).blocks
    if over == "list":
        await sources.remove(conn, here, mild)
    else:
        await domains.expire(conn, replace(here, clock=lambda: NOW + timedelta(days=2)))
    await keeping_away.settled(conn, here, before)
    is_held = tie != "none"
    assert (await policy.of_host(conn, at)).blocks is not is_held
    waiting = [rule.domain for rule in await sources.waiting(conn, harsh)]
    assert waiting == [at] * is_held
    assert [each.is_held for each in await severing.history(conn)] == [True] * is_held
    assert len(await town.pairs()) == (tie == "follow")
    if is_held:
        (held,) = await severing.history(conn)
        with pytest.raises(NotFound):
            await severing.undo(conn, here, held.id)
        await town.block()
        assert [each.stands for each in await severing.history(conn)] == [True]


@pytest.mark.parametrize("ties", [5, 6])
async def test_mod_5_9_where_it_is_much_somebody_looks_twice(town: Town, ties: int) -> None:
    ana = await town.actor(communities.HOME)
    for _ in range(ties):
        await town.follow(await town.actor("evil.example"), ana)
    if ties > 5:
        with pytest.raises(Malformed, match="cuts a lot"):
            await town.block(looked=False)
        await town.block()
    else:
        await town.block(looked=False)
    assert await town.pairs() == set()


@pytest.mark.parametrize("spelled", ["evil.example", "EVIL.Example", "Evil.Example."])
async def test_mod_H5_nothing_automatic_touches_a_thread_with_an_open_report(
    town: Town, spelled: str
) -> None:
    ana, eve = await town.actor(communities.HOME), await town.actor("evil.example")
    group = await town.group()
    await communities.thread(town.conn, group, 1, [ana, eve])
    assert (await town.seen()).asks_for_a_look == []
    await communities.report(town.conn, post_id=1)
    seen = await town.seen()
    assert (seen.cases, seen.threads, seen.posts, seen.binds) == (1, 1, 1, True)
    await _advised(town, "Harsh", (spelled, Level.REJECT))
    await keeping_away.settled(town.conn, town.here, policy.Policies())
    assert not await domains.is_blocked(town.conn, "evil.example")
    (held,) = await severing.history(town.conn)
    assert (held.is_held, held.impact.cases) == (True, 1)
    await severing.dismiss(town.conn, held.id)
    assert await severing.history(town.conn) == []


async def test_mod_H5_whoever_needs_care_is_not_cut_off_by_anything_automatic(town: Town) -> None:
    ana, eve = await town.actor(communities.HOME), await town.actor("evil.example")
    group = await town.group()
    await communities.thread(town.conn, group, 1, [ana, eve])
    await communities.thread(town.conn, group, 10, [ana])
    await communities.worry(town.conn, post_id=10, host=communities.HOME)
    assert (await town.seen()).cases == 0
    await communities.worry(town.conn, post_id=1, host=communities.HOME)
    assert (await town.seen()).cases == 1
    await communities.worry(town.conn, post_id=None, host="evil.example")
    seen = await town.seen()
    assert (seen.cases, seen.binds) == (2, True)
    assert "open" in str(seen.asks_for_a_look[0])


async def test_mod_5_10_two_groups_or_much_of_what_arrives_are_looked_at(town: Town) -> None:
    eve = await town.actor("evil.example")
    await town.follow(eve, await town.group())
    assert (await town.seen()).asks_for_a_look == []
    await communities.arrivals(town.conn, {"evil.example": 1, "good.example": 199})
    assert (await town.seen()).asks_for_a_look == []
    assert (await town.seen()).share == 1 / 200
    await communities.arrivals(town.conn, {"evil.example": 1})
    assert [str(line) for line in (await town.seen()).asks_for_a_look] == [
        "More than 1 in 200 of all that arrives comes from there."
    ]
    await town.follow(eve, await town.group())
    assert len((await town.seen()).asks_for_a_look) == 2


async def test_mod_5_10_undo_says_what_does_not_come_back_and_why(town: Town) -> None:
    ana, ben = await town.actor(communities.HOME), await town.actor(communities.HOME)
    friends = {name: await town.actor("evil.example") for name in
               ("back", "already", "gone", "banned", "blocked", "blocks", "let go")}  # fmt: skip
    group = await town.group()
    for name, friend in friends.items():
        await town.follow(friend, group if name == "banned" else ana)
    await town.follow(ben, friends["back"])
    before = await town.pairs()
    decided = await town.block()
    conn = town.conn
    await town.follow(friends["already"], ana)
    await conn.execute(
        sa.update(actors).where(actors.c.id == friends["gone"]).values(state="closed")
    )
    await conn.execute(
        bans.insert(), [{"group_id": group, "actor_id": friends["banned"], "reason": ""}]
    )
    await conn.execute(
        correspondents.insert(),
        [{"owner_id": ana, "other_id": friends["blocked"], "state": "blocked"}],
    )
    await conn.execute(blocks.insert(), [{"blocker_id": friends["blocks"], "persona_id": ana}])
    assert await out_of_reach.count(conn, [ana]) == 6
    for voices in ([ben], [ana]):
        await out_of_reach.let_go(conn, voices, friends["let go"], ana)
        assert await out_of_reach.count(conn, [ana]) == (6 if voices == [ben] else 5)
    ties = await out_of_reach.listed(conn, [ben, ana])
    assert [tie.outward for tie in ties if tie.place == (ben, friends["back"])] == [True]

    expected = Restored(back=2, already=1, gone=1, banned=1, blocked=2)
    assert await severing.undo(conn, town.here, decided.id, dry_run=True) == expected
    assert await town.pairs() == {(friends["already"], ana)}
    assert await severing.undo(conn, town.here, decided.id) == expected
    kept = {(friends["back"], ana), (ben, friends["back"]), (friends["already"], ana)}
    assert await town.pairs() == kept < before
    assert await communities.ledger(conn) == (frozenset(), frozenset())
    with pytest.raises(NotFound):
        await severing.undo(conn, town.here, decided.id)


async def test_mod_5_10_a_groups_log_says_that_a_moderator_is_out_of_reach_and_back(
    town: Town,
) -> None:
    conn, here = town.conn, town.here
    group, eve = await town.group(), await town.actor("evil.example")
    row = {"group_id": group, "actor_id": eve, "founder": False}
    await conn.execute(moderators.insert(), [row])
    decided = await town.block()
    await severing.undo(conn, here, decided.id, dry_run=True)

    async def said() -> list[str]:
        of = audit.c.group_id == group, audit.c.person_id == eve
        return list(await conn.scalars(sa.select(audit.c.verb).where(*of).order_by(audit.c.id)))

    async def desk() -> list[bool]:
        """Of the moderators that the desk lists, who is out of reach."""
        listed = await appointing.everyone(conn, await groups_of.get(conn, group))
        return [each.away for each in listed if each.id == eve]

    assert await said() == ["moderator out of reach"]
    assert await desk() == [True]
    await severing.undo(conn, here, decided.id)
    assert await desk() == [False]
    assert await said() == ["moderator out of reach", "moderator back"]
    again = await town.block()
    found = await groups_of.get(conn, group)
    person = await actor_store.get(conn, eve)
    await appointing.dismiss(conn, here, found, person, person)
    assert await severing.undo(conn, here, again.id) == Restored()
    assert await conn.scalar(sa.select(sa.func.count()).select_from(moderators)) == 0


async def test_mod_5_10_decisions_about_one_domain_are_taken_back_in_any_order(
    town: Town,
) -> None:
    ana, eve = await town.actor(communities.HOME), await town.actor("evil.example")
    await town.follow(ana, eve)
    for first in (0, 1):
        made = [await town.block()]
        made.append(await severing.decide(town.conn, town.here, "evil.example", Policy(Level.DROP)))
        assert [each.before for each in made] == ["", "reject"]
        assert await severing.undo(town.conn, town.here, made[first].id) == Restored()
        own = await domains.own(town.conn, "evil.example")
        assert own.policy.level is (Level.DROP, Level.REJECT)[first]
        assert await town.pairs() == set()
        assert (await severing.undo(town.conn, town.here, made[1 - first].id)).back == 1
        assert await town.pairs() == {(ana, eve)}
        with pytest.raises(NotFound):
            await domains.own(town.conn, "evil.example")


async def test_mod_5_10_a_ledger_is_kept_for_90_days_and_goes_with_who_closes(
    town: Town,
) -> None:
    ana, ben, eve = [
        await town.actor(host) for host in (communities.HOME, communities.HOME, "evil.example")
    ]
    await town.follow(ana, eve)
    await town.follow(ben, eve)
    decided = await town.block()
    await ledger.forget(town.conn, ana)
    assert await out_of_reach.count(town.conn, [ana, ben]) == 1
    now = town.here.now()
    for days, left in ((90, 1), (91, 0)):
        later = replace(town.here, clock=lambda days=days: now + timedelta(days=days))  # type: ignore[misc]
        await ledger.sweep(town.conn, later)
        assert await out_of_reach.count(town.conn, [ana, ben]) == left
    assert await severing.undo(town.conn, town.here, decided.id) == Restored()
