"""What advice does, carried out whole: through the same functions as any decision (MOD-5.9)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kernel.clock import iso
from kernel.errors import Conflict
from kernel.here import Here
from kernel.said import noted
from kernel.schema.effects import EffectState
from kernel.schema.moderation import Level
from kernel.schema.tables import audit_chain
from members import severing
from members.severing import Words
from moderation import domains, impact, label_trust, pacts, policy
from moderation.impact import Seen
from moderation.policy import Policies, Policy
from moderation.signals import effects, people, received, rules, stock, undoing
from moderation.signals.effects import Effect
from moderation.signals.rules import Kind, Rule
from node import keeping_away


@dataclass(slots=True)
class Keeper:
    """Takes stock when anything was noted in the log since, and once an hour.

    Whatever comes from a peer, and whatever is decided here, writes a line there.
    """

    engine: AsyncEngine
    here: Here
    last: tuple[int, datetime] | None = field(default=None)

    async def work(self) -> None:
        """A round, if there may be something to do."""
        async with self.engine.connect() as conn:
            newest = await conn.scalar(sa.select(sa.func.max(audit_chain.c.seq))) or 0
        seen = newest, self.here.now().replace(minute=0, second=0, microsecond=0)
        if seen != self.last:
            await take_stock(self.engine, self.here)
            self.last = seen


async def take_stock(engine: AsyncEngine, here: Here) -> None:
    """Bring what acts by itself into line with what is said now."""
    await _carry_out(engine, here, stock.take, people.take)


async def _carry_out(engine: AsyncEngine, here: Here, *work: Callable[..., Any]) -> None:
    async with engine.begin() as conn:
        await effects.lock(conn)
        before = await policy.in_force(conn)
        for each in work:
            await each(conn, here)
        await keeping_away.settled(conn, here, before)
    await keeping_away.follow_up(engine)


@dataclass(frozen=True, slots=True)
class Turn:
    """What becomes of one domain: `before` and `after` are levels.

    `due`: when that begins, where it waits for its delay. `asks`: only if a person says yes.
    """

    domain: str
    before: Level
    after: Level
    due: datetime | None = None
    asks: bool = False

    def as_json(self) -> dict[str, Any]:
        """For tools."""
        found = {"domain": self.domain, "before": self.before, "after": self.after}
        if self.due is not None:
            found["due"] = iso(self.due)
        return {**found, "asks": True} if self.asks else found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of domains, and about how many people elsewhere and posts here it is otherwise.

    After the domains that change at once come those about which something would begin later, or
    ask a person.
    """

    turns: Sequence[Turn]
    people: int = 0
    posts: int = 0

    def as_json(self) -> dict[str, Any]:
        """For tools."""
        changes = [turn.as_json() for turn in self.turns]
        return {"changes": changes, "people": self.people, "posts": self.posts}


async def what_if(
    engine: AsyncEngine, here: Here, host: str, work: Callable[[AsyncConnection], Awaitable[object]]
) -> Outcome:
    """What would be treated otherwise after this: it is tried, and taken back (MOD-5.9).

    `host`: of which server the labels are that it is about.
    """
    async with engine.connect() as conn, conn.begin() as attempt:
        await effects.lock(conn)
        before, known = await policy.in_force(conn), await effects.live(conn)
        filtered, labelled = await people.filtered(conn), await label_trust.standing(conn, host)
        await work(conn)
        await stock.take(conn, here)
        await people.take(conn, here)
        after, live = await policy.in_force(conn), await effects.live(conn)
        others = filtered ^ await people.filtered(conn)
        shown = {post_id for post_id, *_ in labelled ^ await label_trust.standing(conn, host)}
        await attempt.rollback()
    return Outcome(
        [*_turns(before, after), *_to_come(before, known, live)], len(others), len(shown)
    )


def _to_come(before: Policies, known: Sequence[Effect], live: Sequence[Effect]) -> Sequence[Turn]:
    coming = {EffectState.WAITING, EffectState.HELD}
    were = {it.domain for it in known if it.state in coming}
    return [
        Turn(
            it.domain,
            before.of_host(it.domain).level,
            it.level,
            due=it.due,
            asks=it.state is EffectState.HELD,
        )
        for it in live
        if it.state in coming and it.domain not in were
    ]


def _turns(before: Policies, after: Policies) -> Sequence[Turn]:
    named = sorted({*before.by_domain, *after.by_domain})
    turns = (Turn(it, before.of_host(it).level, after.of_host(it).level) for it in named)
    return [turn for turn in turns if turn.before is not turn.after]


async def if_rule(engine: AsyncEngine, here: Here, rule: Rule) -> Outcome:
    """As `what_if`, for another rule. Raises Malformed, Conflict."""

    async def change(conn: AsyncConnection) -> None:
        await rules.write(conn, here, rule)
        await received.stand_anew(conn, here, rule.host)

    return await what_if(engine, here, rule.host, change)


async def forget_rule(
    engine: AsyncEngine, here: Here, host: str, kind: Kind, label: str, *, dry_run: bool = False
) -> Outcome:
    """As usual from now on, instead of what was written: what that changes (MOD-5.9).

    Raises NotFound: nothing was written.
    """

    async def change(conn: AsyncConnection) -> None:
        await rules.forget(conn, here, host, kind, label)
        await received.stand_anew(conn, here, host)

    would = await what_if(engine, here, host, change)
    if not dry_run:
        await _carry_out(engine, here, lambda conn, _: change(conn), stock.take, people.take)
    return would


async def roll_back(
    engine: AsyncEngine, here: Here, host: str, since: date, *, dry_run: bool = False
) -> Outcome:
    """End what a host's advice did since a day and nobody else carries: what that changes."""

    async def back(conn: AsyncConnection) -> None:
        await undoing.roll_back(conn, here, host, since)

    would = await what_if(engine, here, host, back)
    if not dry_run:
        await _carry_out(
            engine, here, lambda conn, here: undoing.roll_back(conn, here, host, since),
            stock.take, people.take,
        )  # fmt: skip
    return would


async def freeze(engine: AsyncEngine, here: Here, host: str, *, dry_run: bool = False) -> Outcome:
    """Stop listening to a peer; what that changes. Raises NotFound: there is no pact."""

    async def stop(conn: AsyncConnection) -> None:
        await pacts.freeze(conn, here, host, frozen=True)

    would = await what_if(engine, here, host, stop)
    if not dry_run:
        await listen(engine, here, host, frozen=True)
    return would


async def listen(engine: AsyncEngine, here: Here, host: str, *, frozen: bool) -> None:
    """Stop listening to a peer, or listen again, at once. Raises NotFound: there is no pact.

    What nobody else carries ends with it. What begins once more does so as if it were new: in
    steps, and where a person has to look, after that.
    """
    await _carry_out(
        engine, here, lambda conn, here: pacts.freeze(conn, here, host, frozen=frozen),
        stock.take, people.take,
    )  # fmt: skip


async def agree(engine: AsyncEngine, here: Here, effect_id: int, chosen: Level, seen: Seen) -> bool:
    """A person decides so because of it. False: it takes one more person, and nothing was done.

    What blocks and cuts much takes two (MOD-5.10). Raises Differs, Malformed, NotAllowed: as
    `severing.decide`. Raises Conflict: it is over, or the same person said yes before.
    """
    async with engine.begin() as conn:
        await effects.lock(conn)
        effect = await effects.one(conn, effect_id, to_change=True)
        if not effect.asks:
            raise Conflict(noted("That is over already."))
        would = await impact.of(conn, here, [effect.domain], chosen)
        severing.check(would, seen)
        if would.asks_for_a_look and not await undoing.first_yes(conn, here, effect):
            return False
        before = await policy.in_force(conn)
        words = Words(private_comment=", ".join(effect.hosts)[: domains.MAX_COMMENT])
        await undoing.agreed(conn, here, effect, chosen, would)
        await severing.decide(conn, here, effect.domain, Policy(chosen), seen=seen, words=words)
        await keeping_away.settled(conn, here, before)
    await keeping_away.follow_up(engine)
    return True


async def refuse(engine: AsyncEngine, here: Here, effect_id: int) -> None:
    """A person says no; a decision of ours that rested on it is taken back with it.

    Raises Conflict: it is over. Raises NotFound.
    """

    async def no(conn: AsyncConnection, here: Here) -> None:
        effect = await effects.one(conn, effect_id, to_change=True)
        await undoing.refuse(conn, here, effect)
        if effect.state is EffectState.REVIEW and effect.why == "basis gone":
            change = await domains.forget(conn, here, effect.domain)
            await severing.over(conn, [change.domain])
        await policy.settle(conn)

    await _carry_out(engine, here, no)


async def keep(engine: AsyncEngine, here: Here, effect_id: int) -> None:
    """What holds stays, as a decision of ours. Raises Conflict, NotAllowed, NotFound."""

    async def stay(conn: AsyncConnection, here: Here) -> None:
        await undoing.keep(conn, here, await effects.one(conn, effect_id, to_change=True))
        await policy.settle(conn)

    await _carry_out(engine, here, stay)
