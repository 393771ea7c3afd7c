"""Making and ending a pact: offers, both answers, and what each side writes in it (MOD-5.6).

What stands between us and a host, and what is told, is in `moderation/pacts.py`. Every action here
is told to the other desk.
"""

from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import keys
from activitypub.actors import Actor
from activitypub.vocab import ActivityKind, Document
from kernel import chance, tombstone_log
from kernel.errors import Conflict, Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.schema.pacts import Afterwards, PactState
from kernel.schema.tables import actors, node
from kernel.schema.tables import pacts as table
from kernel.tombstone_log import Act
from moderation import audit, domains, pacts
from moderation.duty import Rota
from moderation.pact_terms import READ, Flow, Paper, Party, Wishes
from moderation.pacts import Pact
from moderation.signals import datasets, effects, hashing, sources

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


async def offer(conn: AsyncConnection, here: Here, their_desk: Actor, wishes: Wishes) -> None:
    """Offer a pact to the desk of another node; theirs that waits becomes one at once.

    Raises Malformed: the wishes cannot be, or the desk has no key to pin. Raises NotAllowed: its
    host is blocked, or our own. Raises Conflict: as many pacts are there as may be.
    """
    wishes.check()
    if their_desk.local or their_desk.ed25519 is None:
        raise Malformed("That server shows no desk with a key that a pact could name.")
    if await domains.is_blocked(conn, their_desk.host):
        raise NotAllowed("This node does not talk with that server. Talk with it again first.")
    pact = await pacts.locked(conn, here, their_desk.host)
    waits = pact.theirs
    if waits is not None and waits.parties[0].is_of(their_desk.uri, their_desk.ed25519):
        await accept(conn, here, their_desk.host, wishes, waits.uri)
        return
    desk = await pacts.our_desk(conn, here)
    paper = Paper(
        uri=f"{here.origin}/pacts/{chance.new_uuid()}",
        nonce=f"{chance.bits(128):032x}",
        parties=(
            await _our_party(conn, here, desk, wishes, their_desk.host),
            Party(desk=their_desk.uri, key=their_desk.ed25519),
        ),
        offered=here.now().date(),
    )
    document = await _signed(conn, here, desk, paper)
    if pact.ours is not None:
        await pacts.over(conn, here, pact.ours.uri)
    known_as = pact.desk_id if pact.made else their_desk.id
    await pacts.change(
        conn, here, their_desk.host, ours=pacts.dump(document), reason="", desk_id=known_as
    )
    await pacts.tell(
        conn, here, ActivityKind.OFFER, document, their_desk.uri, uri=pacts.offer_uri(paper.uri)
    )
    await audit.note(conn, here, verb="offer pact", about=their_desk.host)


async def accept(conn: AsyncConnection, here: Here, host: str, wishes: Wishes, uri: str) -> None:
    """Say yes to the offer `uri` that waits, with our own terms.

    Raises NotFound: none waits. Raises Malformed: the wishes cannot be, or a key has changed since.
    Raises Conflict: another one waits now, or ours is on its way, and is the one that counts.
    """
    wishes.check()
    pact, desk = await pacts.locked(conn, here, host), await pacts.our_desk(conn, here)
    if pact.theirs is None:
        raise NotFound("No offer of that server waits here.")
    if pact.theirs.uri != uri:
        raise Conflict("They offer something else since. Compare the words once more.")
    if pact.ours is not None and pact.crosses and pact.ours.uri < pact.theirs.uri:
        raise Conflict("You offered one too, and yours counts. Their yes comes by itself.")
    await _agree(conn, here, pact, await _our_party(conn, here, desk, wishes, host))


async def _agree(conn: AsyncConnection, here: Here, pact: Pact, party: Party) -> None:
    """The offer that waits becomes the pact, with our side as `party` has it; they are told."""
    desk, paper = await pacts.our_desk(conn, here), pact.theirs
    assert paper is not None
    theirs = paper.other(desk.uri)
    known = await actor_store.by_uri(conn, theirs.desk)
    if known is None or known.ed25519 != theirs.key or paper.of(desk.uri).key != desk.ed25519:
        raise Malformed("A key has changed since that was offered. Ask them to offer it again.")
    agreed = replace(paper.with_party(party), accepted=here.now().date())
    document = await _signed(conn, here, desk, agreed)
    offered = pact.offer_uri
    await make(conn, here, pact.host, agreed, document, theirs)
    await pacts.tell(conn, here, ActivityKind.ACCEPT, offered, theirs.desk, result=document)


async def meet(conn: AsyncConnection, here: Here, pact: Pact) -> None:
    """Two offers crossed, and theirs counts: our administrator's own offer is the yes to it."""
    assert pact.ours is not None
    desk = await pacts.our_desk(conn, here)
    await _agree(conn, here, pact, pact.ours.of(desk.uri))


async def make(
    conn: AsyncConnection, here: Here, host: str, paper: Paper, document: Document, theirs: Party
) -> None:
    """Both have said yes: the pact holds, its keys are pinned, and their advice is read.

    One that held before is over with it, also after a restore.
    """
    before = await pacts.locked(conn, here, host)
    if before.uri not in ("", paper.uri):
        await pacts.over(conn, here, before.uri)
        tombstone_log.note(conn, Act.PACT_OVER, before.uri)
    await pacts.change(
        conn,
        here,
        host,
        state=PactState.MADE,
        uri=paper.uri,
        document=pacts.dump(document),
        desk_uri=theirs.desk,
        desk_id=sa.select(actors.c.id).where(actors.c.uri == theirs.desk).scalar_subquery(),
        their_key=theirs.key,
        ours="",
        theirs="",
        offer_uri="",
        reason="",
        afterwards=None,
        frozen=False,
        frozen_there=False,
        unsafe=False,
    )
    if theirs.dataset and not READ.isdisjoint(paper.flows(theirs.desk)):
        await sources.follow(conn, here, theirs.dataset, pact=True)
    if theirs.people and Flow.PEOPLE in paper.flows(theirs.desk):
        await sources.follow(conn, here, theirs.people, pact=True, people=True)
    await audit.note(conn, here, verb="make pact", about=host)


async def refuse(conn: AsyncConnection, here: Here, host: str) -> None:
    """Say no to the offer that waits. Raises NotFound: none does."""
    pact = await pacts.locked(conn, here, host)
    if pact.theirs is None:
        raise NotFound("No offer of that server waits here.")
    await pacts.over(conn, here, pact.theirs.uri)
    await pacts.change(conn, here, host, theirs="", offer_uri="")
    if pact.state is PactState.NONE and pact.ours is None:
        await conn.execute(sa.delete(table).where(table.c.host == host))
    desk = pact.theirs.parties[0].desk
    await pacts.tell(conn, here, ActivityKind.REJECT, pact.offer_uri, desk, proven=True)
    await audit.note(conn, here, verb="refuse pact", about=host)


async def end(conn: AsyncConnection, here: Here, host: str, afterwards: Afterwards) -> None:
    """End the pact now, take an offer of ours back, or both, and tell them.

    Raises NotFound: there is neither.
    """
    await effects.lock(conn)
    pact = await pacts.locked(conn, here, host)
    if pact.ours is None and not pact.holds:
        raise NotFound("There is no pact with that server.")
    if pact.ours is not None:
        await take_back(conn, here, pact, pact.ours)
    if pact.holds:
        await pacts.finish(conn, here, pact, PactState.ENDED, "ended here", afterwards)
        await pacts.tell(conn, here, ActivityKind.LEAVE, pact.uri, pact.desk_uri, proven=True)
        await audit.note(conn, here, verb="end pact", about=host, reason=afterwards)


async def take_back(conn: AsyncConnection, here: Here, pact: Pact, ours: Paper) -> None:
    """Our offer is not meant any more, whatever else there is."""
    await pacts.over(conn, here, ours.uri)
    await pacts.change(conn, here, pact.host, ours="")
    await pacts.tell(conn, here, ActivityKind.LEAVE, ours.uri, ours.parties[1].desk, proven=True)
    await audit.note(conn, here, verb="take pact back", about=pact.host)


async def _signed(conn: AsyncConnection, here: Here, desk: Actor, paper: Paper) -> Document:
    pair = await actor_store.signing_keys(conn, here, desk.id)
    method = desk.ed25519_id or keys.ed25519_id(desk.uri)
    return paper.signed(pair.ed25519, method, desk.uri, here.now().date())


async def _our_party(
    conn: AsyncConnection, here: Here, desk: Actor, wishes: Wishes, host: str
) -> Party:
    """Our side towards a host, as the node describes itself."""
    people = Flow.PEOPLE in wishes.sends | wishes.takes
    row = (
        await conn.execute(
            sa.select(
                node.c.name,
                node.c.contact,
                node.c.languages,
                node.c.duty,
                node.c.about,
                node.c.crisis_policy,
            )
        )
    ).one()
    return Party(
        desk=desk.uri,
        key=desk.ed25519 or "",
        sends=wishes.sends,
        takes=wishes.takes,
        name=" ".join(row.name.split()),
        contact=" ".join(row.contact.split()),
        care=" ".join(wishes.care.split()),
        languages=tuple(row.languages),
        hours=_hours(Rota.parse(row.duty)),
        retention=" ".join(wishes.retention.split()),
        guidelines=f"{here.origin}/about",
        guidelines_hash=_hash_of(row.about, row.crisis_policy),
        dataset=(await datasets.ours(conn, here)).url,
        people=datasets.for_peer(here, host).url if Flow.PEOPLE in wishes.sends else "",
        agreement=hashing.our_half(here, host) if people else "",
    )


async def guidelines_hash(conn: AsyncConnection) -> str:
    """What stands in a new pact for our guidelines as they are now (MOD-5.6)."""
    row = (await conn.execute(sa.select(node.c.about, node.c.crisis_policy))).one()
    return _hash_of(row.about, row.crisis_policy)


def _hash_of(about: str, crisis_policy: str) -> str:
    digest = sha256(f"{about}\n{crisis_policy}".encode()).digest()
    return "sha-256:" + urlsafe_b64encode(digest).decode().rstrip("=")


def _hours(rota: Rota) -> str:
    """The rota on a line: `Mon 18:00-23:00 (Europe/Dublin)`, as far as it fits."""
    if not rota.slots:
        return ""
    lines = [
        f"{_DAYS[it.day]} {it.start // 60:02}:{it.start % 60:02}-{it.end // 60:02}:{it.end % 60:02}"
        for it in rota.slots
    ]
    return f"{', '.join(lines)[:400]} ({rota.zone})"
