"""Peers that advise about domains, as their lines stand in the database once they were read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.keys import KeyPair
from kernel.errors import NotFound
from kernel.here import Here
from kernel.schema.moderation import Level
from kernel.schema.pacts import PactState
from kernel.schema.tables import domain_policies
from kernel.schema.tables import pacts as pact_table
from moderation import pacts, policy
from moderation.pact_terms import Paper, Party
from moderation.signals import effects, received, rules, sources
from moderation.signals.effects import Effect, EffectState
from moderation.signals.lines import Line
from moderation.signals.rules import Kind, Mode, Rule
from moderation.signals.sources import Source
from moderation.signals.vocabulary import Policy
from node import acting
from tests.nodes import Node

HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Peers:
    """A node's pact peers. What they say is taken in as it is when a dataset was read."""

    engine: AsyncEngine
    start: Here
    keys: list[KeyPair]
    ahead: timedelta = timedelta(0)
    sources: dict[str, Source] = field(default_factory=dict)
    node: Node | None = None  # where one runs

    @property
    def here(self) -> Here:
        then = self.start.now() + self.ahead
        return Here(
            self.start.origin,
            self.start.node_key,
            lambda: then,
            protected_domains=("clinic.example",),
        )

    async def trust(self, host: str, **rule: Any) -> None:
        """A pact with it, and a rule that lets its advice act at once."""
        url = f"https://{host}/datasets/1"
        key = self.keys[len(self.sources)].ed25519_multibase
        desk = f"https://{host}/desk/node"
        paper = Paper(
            uri=f"https://{host}/pacts/1",
            nonce="0" * 32,
            parties=(
                Party(desk=desk, key=key),
                Party(desk=f"{self.start.origin}/desk/node", key=self.keys[-1].ed25519_multibase),
            ),
            offered=self.start.now().date(),
        )
        signed = paper.signed(self.keys[0].ed25519, f"{desk}#1", desk, self.start.now().date())
        async with self.engine.begin() as conn:
            await conn.execute(
                pact_table.insert().values(
                    host=host,
                    state=PactState.MADE,
                    uri=paper.uri,
                    document=pacts.dump(signed),
                    desk_uri=desk,
                    their_key=key,
                    day=self.here.now().date(),
                )
            )
            await sources.follow(conn, self.here, url, pact=True)
            self.sources = {it.host: it for it in await sources.listed(conn)}
        await self.rule(host, **rule)

    async def rule(self, host: str, **changes: Any) -> None:
        """How far it goes: by default all the way, at once."""
        values: dict[str, Any] = {
            "host": host,
            "kind": Kind.ADVICE_DOMAIN,
            "mode": Mode.APPLY,
            "max_policy": Policy.DROP,
            "weight": 1.0,
            "delay": timedelta(0),
            **changes,
        }
        async with self.engine.begin() as conn:
            await rules.write(conn, self.here, Rule(**values))
            await received.stand_anew(conn, self.here, host)

    def line(
        self, host: str, number: int, domain: str, policy: str = "filter", **members: Any
    ) -> Line:
        """Something that it says; `policy` may be `retract`."""
        url = self.sources[host].url
        today = self.here.now().date()
        return Line.read(
            {
                "id": f"{url}/changes/0198c200-0000-7000-8000-{number:012}",
                "type": "Retraction" if policy == "retract" else "Recommendation",
                "seq": number,
                "entityKind": "domain",
                "entityKey": domain,
                "recommendedPolicy": policy,
                "published": f"{today}T10:00:00Z",
                "endTime": f"{today + timedelta(days=100)}T10:00:00Z",
                "approvals": 2,
                **members,
            },
            url,
            today,
        )

    async def take_in(self, host: str, lines: Sequence[Line]) -> None:
        async with self.engine.begin() as conn:
            await received.take_in(conn, self.here, self.sources[host], lines)

    async def say(self, host: str, number: int, domain: str, policy: str = "filter") -> None:
        """It says this of a domain, and it is read."""
        await self.take_in(host, [self.line(host, number, domain, policy)])

    async def later(self, by: timedelta = timedelta(0)) -> dict[str, Level]:
        """Some time passes, and stock is taken: what holds by advice then."""
        self.ahead += by
        await acting.take_stock(self.engine, self.here)
        return await self.holding()

    async def holding(self) -> dict[str, Level]:
        async with self.engine.connect() as conn:
            in_force = await policy.in_force(conn)
            rows = await conn.execute(
                sa.select(domain_policies.c.domain, domain_policies.c.level).where(
                    domain_policies.c.source == policy.ADVICE, ~domain_policies.c.held
                )
            )
            found = {row.domain: Level(row.level) for row in rows}
        assert all(in_force.of_host(domain).level is level for domain, level in found.items())
        return found

    async def effect(self, domain: str) -> Effect:
        """The newest one about a domain."""
        async with self.engine.connect() as conn:
            found = await effects.listed(conn, list(EffectState))
        for each in found:
            if each.domain == domain:
                return each
        raise NotFound

    async def state(self, domain: str) -> tuple[str, str]:
        effect = await self.effect(domain)
        return effect.state.value, effect.why

    async def verbs(self, domain: str) -> list[str]:
        """What the log says of a domain, oldest first."""
        async with self.engine.connect() as conn:
            rows = await conn.execute(
                sa.text("SELECT verb FROM audit WHERE object_uri = :domain ORDER BY id"),
                {"domain": domain},
            )
        return [row.verb for row in rows]
