"""What the commands about pacts and advice do, from an opened node to the lines they print."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date

from activitypub.client import Budget, Client, Resolver
from activitypub.pace import Pace
from activitypub.remote import Remote
from inbox.discovery import VERSION
from kernel.errors import Conflict
from kernel.schema.pacts import Afterwards
from kernel.settings import ACTORS_PER_HOUR, NEW_PER_HOUR, Settings
from moderation import pact_making, pacts
from moderation.blocklist import Blocklist
from moderation.pact_terms import FLOW_WORDS, Flow, Party, Wishes
from moderation.signals import published
from moderation.signals.published import Advice
from moderation.signals.vocabulary import POLICY_WORDS
from node import acting, desks
from node.logs import escaped
from node.opening import Opened


@asynccontextmanager
async def reading(
    node: Opened, settings: Settings, resolver: Resolver | None
) -> AsyncIterator[Remote]:
    """Reads other servers for one command, within the limits that hold for the node."""
    allowed = settings.with_origin(node.here.origin).allow_networks
    client = Client(
        user_agent=f"Hearthold/{VERSION} (+{node.here.origin}/)",
        allowed_networks=allowed,
        resolver=resolver,
        blocked=Blocklist(node.engine).covers,
    )
    clock = node.here.clock
    pace = Pace.of(node.engine, clock, new=NEW_PER_HOUR, actors=ACTORS_PER_HOUR)
    try:
        yield Remote(
            client=client,
            engine=node.engine,
            here=node.here,
            budget=Budget(clock=clock),
            pace=pace,
        )
    finally:
        await client.close()


async def offer(
    node: Opened,
    settings: Settings,
    *,
    host: str,
    wishes: Wishes,
    resolver: Resolver | None = None,
) -> Sequence[str]:
    """A pact is offered, and the words to compare. Raises Malformed, NotAllowed, Conflict."""
    name = desks.read_host(node.here, host)
    async with reading(node, settings, resolver) as remote:
        desk = await desks.find(node.engine, node.here, remote, name)
    async with node.engine.begin() as conn:
        await pact_making.offer(conn, node.here, desk, wishes)
        pact = await pacts.one(conn, desk.host)
    return [f"{escaped(desk.host)}: {pact.words}", *_to_compare(pact.fingerprint)]


def _to_compare(words: str) -> list[str]:
    return [f"Words to compare by voice: {words}"] if words else []


async def accept(node: Opened, *, host: str, wishes: Wishes, words: str) -> Sequence[str]:
    """The offer that waits, with the `words` that were compared, becomes a pact.

    Raises NotFound, Malformed. Raises Conflict: it has other words.
    """
    async with node.engine.begin() as conn:
        pact = await pacts.locked(conn, node.here, host)
        if pact.theirs is not None and words.split() != pact.fingerprint.split():
            raise Conflict("Those are not the words of this offer. See `pact show`.")
        uri = pact.theirs.uri if pact.theirs else ""
        await pact_making.accept(conn, node.here, host, wishes, uri)
    return [f"{escaped(host)}: you trust each other."]


async def refuse(node: Opened, *, host: str) -> Sequence[str]:
    """The offer that waits is refused. Raises NotFound."""
    async with node.engine.begin() as conn:
        await pact_making.refuse(conn, node.here, host)
    return [f"{escaped(host)}: the offer is refused."]


async def end(node: Opened, *, host: str, afterwards: Afterwards) -> Sequence[str]:
    """The pact ends, or our offer is taken back. Raises NotFound."""
    async with node.engine.begin() as conn:
        await pact_making.end(conn, node.here, host, afterwards)
    await acting.take_stock(node.engine, node.here)
    return [f"{escaped(host)}: it is over, and they are told."]


async def freeze(node: Opened, *, host: str, frozen: bool) -> Sequence[str]:
    """A peer is not listened to, or is again. Raises NotFound."""
    await acting.listen(node.engine, node.here, host, frozen=frozen)
    return [f"{escaped(host)}: {'not listened to' if frozen else 'listened to again'}."]


async def freeze_ourselves(node: Opened) -> Sequence[str]:
    """Every peer is asked not to trust this node for now."""
    async with node.engine.begin() as conn:
        count = await pacts.freeze_ourselves(conn, node.here)
    return [f"Peers that are asked not to trust this node for now: {count}."]


async def listed(node: Opened) -> Sequence[str]:
    """A line per pact and offer."""
    async with node.engine.connect() as conn:
        found = await pacts.listed(conn)
    return [f"{escaped(pact.host)}  {pact.words}" for pact in found] or ["There is no pact."]


async def show(node: Opened, *, host: str) -> Sequence[str]:
    """The terms of both sides and the words to compare. Raises NotFound."""
    async with node.engine.connect() as conn:
        pact = await pacts.one(conn, host)
    lines = [f"{escaped(pact.host)}: {pact.words}", *_to_compare(pact.fingerprint)]
    paper = pact.theirs or pact.paper or pact.ours
    if paper is not None:
        desk = f"{node.here.origin}/desk/node"
        lines += ["They:", *_terms(paper.other(desk)), "We:", *_terms(paper.of(desk))]
    return lines


def _terms(party: Party) -> list[str]:
    said = {
        "name": party.name,
        "contact": party.contact,
        "care": party.care,
        "languages": ", ".join(party.languages),
        "hours": party.hours,
        "keeps": party.retention,
        "guidelines": party.guidelines,
        "desk": party.desk,
    }
    return [
        f"  sends: {_flows(party.sends)}",
        f"  takes: {_flows(party.takes)}",
        *(f"  {name}: {escaped(words)}" for name, words in said.items() if words),
    ]


def _flows(chosen: frozenset[Flow]) -> str:
    return ", ".join(words for flow, words in FLOW_WORDS.items() if flow in chosen) or "nothing"


async def advise(node: Opened, advice: Advice) -> Sequence[str]:
    """Advice about a domain is given out. Raises Malformed, NotAllowed."""
    async with node.engine.begin() as conn:
        entry = await published.advise(conn, node.here, advice)
    return [f"{escaped(entry.entity_key)}: {POLICY_WORDS[entry.policy]}, until {entry.ends}."]


async def renew(node: Opened, *, domain: str, until: date) -> Sequence[str]:
    """Advice that was given holds for longer. Raises NotFound, Malformed."""
    async with node.engine.begin() as conn:
        entry = await published.renew(conn, node.here, domain, until)
    return [f"{escaped(entry.entity_key)}: until {entry.ends}."]


async def retract(node: Opened, *, domain: str, comment: str) -> Sequence[str]:
    """Advice is taken back. Raises NotFound, Malformed."""
    async with node.engine.begin() as conn:
        entry = await published.retract(conn, node.here, domain, comment)
    return [f"{escaped(entry.entity_key)}: taken back."]


async def advice(node: Opened) -> Sequence[str]:
    """A line per domain that is advised about."""
    lines: list[str] = []
    after = ""
    async with node.engine.connect() as conn:
        while page := await published.current(conn, after_key=after, limit=100, taken_back=False):
            lines += [
                f"{escaped(it.entity_key)}  {POLICY_WORDS[it.policy]}  until {it.ends}  "
                f"{escaped(it.summary)}".rstrip()
                for it in page
            ]
            after = page[-1].entity_key
    return lines or ["This node advises nothing."]
