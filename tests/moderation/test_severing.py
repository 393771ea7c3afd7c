"""What a decision about a server cuts is what was shown, and comes back as it was (MOD-5.9)."""

from random import Random

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.here import Here
from kernel.schema.moderation import Level
from members import severing
from members.severing import Restored
from moderation import impact
from moderation.impact import Relations
from moderation.policy import Policy
from tests.moderation import communities

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


@pytest.mark.slow
async def test_mod_5_9_what_was_shown_is_what_happens_and_undo_restores_it_exactly(
    engine: AsyncEngine, here: Here
) -> None:
    cut_something = 0
    async with engine.connect() as conn:
        for number in range(COMMUNITIES):
            dice = Random(number)
            town = communities.draw(dice)
            await communities.settle(conn, town)
            before = await communities.ties(conn)
            rows = [len(each) for each in before]
            cut: list[str] = []
            made = []
            for domain in dice.sample(DOMAINS, dice.randint(1, 3)):
                expected, already = _expected(town, [*cut, domain]), _expected(town, cut)
                shown = await impact.of(conn, here, [domain], Level.REJECT)
                change = await severing.decide(
                    conn, here, domain, Policy(Level.REJECT), seen=shown.digest, looked=True
                )
                left = [len(each) for each in await communities.ties(conn)]
                assert change.impact == shown, number
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
                if number % 5 == 0:
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
