"""What another node's desk says about a pact: any of it may come late, twice, or never (MOD-5.6).

The request was signed by that desk's key already. What makes, moves or ends trust carries a proof
beside that (FEP-8b32), by the key that the pact pins or is to pin; what only lowers trust does not.
"""

import asyncio
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import keys, proofs
from activitypub.actors import Actor
from activitypub.vocab import ActivityKind, Document, text_of, uri_of
from kernel import tombstone_log
from kernel.errors import Malformed, NotAllowed, NotFound, Unproven
from kernel.here import Here
from kernel.schema.actors import ActorKind
from kernel.schema.moderation import Role
from kernel.schema.pacts import PactState
from kernel.schema.tables import pacts
from kernel.tombstone_log import Act
from kernel.urls import same_origin
from moderation import alerting, audit, names, pact_making
from moderation import pacts as store
from moderation.pact_terms import WAITS, Paper
from moderation.pacts import Pact
from moderation.signals import effects, sources

OFFERS_A_DAY: Final = 5  # from one host
MAX_WAITING: Final = 50  # offers of hosts that wait here at once
MAX_OF_DOMAIN: Final = 3  # hosts below one registered domain that offer one, and are new here
KEY: Final = "bad signature"  # what a source is put aside for when its key is not the pinned one
_DESKS: Final = (ActorKind.SERVICE, ActorKind.APPLICATION)


async def proves(document: Document, multibase: str, desk_uri: str) -> bool:
    """Whether the document carries a proof by exactly this key, named on the desk's own server."""
    try:
        proof = await asyncio.to_thread(proofs.read, document)
        return same_origin(proof.method, desk_uri) and proof.holds(keys.load_multibase(multibase))
    except Malformed:
        return False


async def offered(
    conn: AsyncConnection, here: Here, actor: Actor, offer_uri: str, document: Document
) -> None:
    """Another desk offers a pact: it waits for an administrator, one for each host.

    A later one of that desk takes its place; one of another desk there is refused meanwhile.
    Where our own offer is on its way to them, the one whose id comes first in the alphabet counts,
    so both nodes make the same pact of the two,
    if both are between the same desks and keys.
    Raises Malformed, NotAllowed, Unproven: it is none, or of others, or one too many.
    """
    paper, desk = Paper.read(document), await store.our_desk(conn, here)
    theirs, mine = paper.parties
    if actor.kind not in _DESKS or theirs.desk != actor.uri or mine.desk != desk.uri:
        raise NotAllowed("A pact is offered by one desk to another.")
    if mine.key != desk.ed25519:
        raise NotAllowed("That pact names a key that is not ours any more.")
    if theirs.key != actor.ed25519 or not await proves(document, theirs.key, actor.uri):
        raise Unproven("That pact is not proven by the key that it names.")
    today = here.now().date()
    if not -2 <= (today - paper.offered).days <= WAITS:
        raise NotAllowed("That pact is not of today.")
    if await store.is_over(conn, paper.uri):
        return
    pact = await store.locked(conn, here, actor.host, room=store.FOR_OTHERS)
    if paper.uri in (pact.uri, pact.theirs.uri if pact.theirs else ""):
        return
    await _check_room(conn, pact, today_is_new=pact.day != today)
    if pact.theirs is not None:
        if pact.theirs.parties[0].desk != actor.uri:
            raise NotAllowed("Another desk of your server offers a pact already.")
        await store.over(conn, here, pact.theirs.uri)  # its address stands for nothing else
    await store.change(
        conn,
        here,
        actor.host,
        theirs=store.dump(document),
        offer_uri=offer_uri,
        desk_id=pact.desk_id if pact.made else actor.id,
        offers=1 if pact.day != today else pact.offers + 1,
    )
    await _note(conn, here, actor, "they offered a pact")
    if pact.ours is not None and paper.uri < pact.ours.uri:
        pact = await store.locked(conn, here, actor.host)
        if pact.crosses:
            await pact_making.meet(conn, here, pact)


async def _check_room(conn: AsyncConnection, pact: Pact, *, today_is_new: bool) -> None:
    """Raises NotAllowed: that host offered enough today, or enough others wait.

    Who has a domain has any number of hosts below it, so few of one domain may be new here.
    """
    if not today_is_new and pact.offers >= OFFERS_A_DAY:
        raise NotAllowed(store.refusal(OFFERS_A_DAY))
    if pact.theirs is None and pact.ours is None and not pact.made:
        new = sa.and_(
            pacts.c.state == PactState.NONE, pacts.c.ours == "", pacts.c.host != pact.host
        )
        others = (await conn.scalars(sa.select(pacts.c.host).where(new))).all()
        mine = names.registered(pact.host)
        if sum(names.registered(host) == mine for host in others) >= MAX_OF_DOMAIN:
            raise NotAllowed("Other servers of your domain have offered pacts. Please wait.")
        waiting = await conn.scalar(
            sa.select(sa.func.count()).select_from(pacts).where(pacts.c.theirs != "")
        )
        if (waiting or 0) >= MAX_WAITING:
            raise NotAllowed("Many offers wait here already. Please try again later.")


async def accepted(conn: AsyncConnection, here: Here, actor: Actor, document: Document) -> None:
    """They said yes to our offer, with their terms.

    Where ours is not meant any more, they hear it, unless today brought something else already.

    Raises NotAllowed, Unproven: it is another's to say, or says something else than we offered.
    """
    paper, desk = Paper.read(document), await store.our_desk(conn, here)
    pact = await store.known(conn, actor.host)
    if pact is not None and paper.uri == pact.uri and pact.made:
        return
    if pact is None or pact.ours is None or pact.ours.uri != paper.uri:
        if pact is not None and here.is_local(paper.uri):
            await _not_meant(conn, here, actor, pact, paper.uri)
        return
    theirs = paper.other(desk.uri)
    if theirs.desk != actor.uri or not paper.agrees_with(pact.ours, desk.uri):
        raise NotAllowed("That is not what was offered.")
    if not await proves(document, theirs.key, actor.uri):
        raise Unproven("That answer is not proven by the key that the offer names.")
    if paper.of(desk.uri).key != desk.ed25519:
        await pact_making.take_back(conn, here, pact, pact.ours)
        return
    await pact_making.make(conn, here, actor.host, paper, document, theirs)


async def _not_meant(conn: AsyncConnection, here: Here, actor: Actor, pact: Pact, uri: str) -> None:
    """A desk says yes to what is no offer of ours any more: it hears so, once a day for a host."""
    if actor.kind in _DESKS and pact.day != here.now().date():
        await store.change(conn, here, pact.host)
        await store.tell(conn, here, ActivityKind.LEAVE, uri, actor.uri, proven=True)


async def refused(conn: AsyncConnection, here: Here, actor: Actor, offer_uri: str) -> None:
    """They said no. Raises NotFound: to nothing of ours."""
    await effects.lock(conn)
    pact = await store.known(conn, actor.host)
    if pact is None or not pact.is_of(actor.uri):
        raise NotFound
    if pact.ours is not None and store.offer_uri(pact.ours.uri) == offer_uri:
        await store.over(conn, here, pact.ours.uri)
        await store.change(conn, here, actor.host, ours="", reason="refused")
        await _note(conn, here, actor, "they refused a pact")
    elif pact.made and store.offer_uri(pact.uri) == offer_uri:
        await _ended(conn, here, pact, actor)
    else:
        raise NotFound


async def left(conn: AsyncConnection, here: Here, actor: Actor, uri: str) -> None:
    """They ended the pact, or took their offer back, perhaps before it came."""
    if not same_origin(uri, actor.uri) and not here.is_local(uri):
        raise NotAllowed("That pact is between others.")
    if actor.kind not in _DESKS:
        raise NotAllowed("Desks make and end pacts.")
    await effects.lock(conn)
    if same_origin(uri, actor.uri):
        await store.over(conn, here, uri)
    pact = await store.known(conn, actor.host)
    if pact is None or not pact.is_of(actor.uri):
        return
    if pact.uri == uri and pact.holds:
        await _ended(conn, here, pact, actor)
    if pact.theirs is not None and pact.theirs.uri == uri:
        await store.change(conn, here, actor.host, theirs="", offer_uri="")
        await _note(conn, here, actor, "they took a pact back")
    if pact.ours is not None and pact.ours.uri == uri:
        await refused(conn, here, actor, store.offer_uri(uri))


async def _ended(conn: AsyncConnection, here: Here, pact: Pact, actor: Actor) -> None:
    await store.finish(conn, here, pact, PactState.ENDED, "ended there")
    await _note(conn, here, actor, "they ended the pact")


async def key_changed(conn: AsyncConnection, here: Here, actor: Actor, document: Document) -> bool:
    """Their desk has a new key, which the pinned one vouches for: that is pinned from now on.

    Whatever was put aside because of it is read again. Where the pinned key does not, and is not
    shown there any more, the pact is broken until both agree anew. False: it goes on from a key
    that is not pinned; another change may still come before it. Raises NotFound: no such pact.
    """
    uri, new = uri_of(document.get("object"), "pact"), document.get("publicKeyMultibase")
    multibase = text_of(new, 64)
    keys.load_multibase(multibase)
    pact = await store.known(conn, actor.host)
    if pact is None or not pact.holds or pact.uri != uri or actor.uri != pact.desk_uri:
        raise NotFound
    broken = pact.state is PactState.BROKEN and pact.reason == "key"
    state, reason = (PactState.MADE, "") if broken else (pact.state, pact.reason)
    if pact.their_key == multibase:  # pinned already; the next reading looks at what they show
        await store.change(conn, here, actor.host, state=state, reason=reason)
        return True
    if document.get("from") != pact.their_key:
        return False
    if not await proves(document, pact.their_key, actor.uri):
        await check_key(conn, here, actor, pact.their_key)
        return True
    await store.change(conn, here, actor.host, their_key=multibase, state=state, reason=reason)
    if pact.paper is not None:
        theirs = pact.paper.of(actor.uri)
        for url in (theirs.dataset, theirs.people):
            await sources.trust_again(conn, here, url, KEY)
    await _note(conn, here, actor, "they changed their key")
    return True


async def check_key(conn: AsyncConnection, here: Here, actor: Actor, pinned: str) -> None:
    """Hold the key that a desk shows against the one that was `pinned` when it was asked.

    Another one breaks the pact, unless the pin has moved since, and the node's desk is called.
    """
    pact = await store.known(conn, actor.host)
    if pact is None or not pact.made or actor.uri != pact.desk_uri:
        return
    if pact.their_key != pinned or actor.ed25519 == pinned:
        return
    await store.finish(conn, here, pact, PactState.BROKEN, "key")
    await _note(conn, here, actor, "pact broken", reason="key")
    await alerting.call(conn, None)


async def froze(conn: AsyncConnection, here: Here, actor: Actor, uri: str) -> None:
    """They ask not to be trusted: honoured at once, with no other proof than who sent it.

    A forged one could only lower trust; so it counts whichever pact it names, as after a restore we
    may not know the last one, but for one that is over. Raises NotFound: there is no pact.
    """
    pact = await store.known(conn, actor.host)
    if pact is None or not pact.holds or actor.uri != pact.desk_uri:
        raise NotFound
    if pact.uri != uri and await store.is_over(conn, uri):
        raise NotFound
    if not pact.frozen_there:
        await store.change(conn, here, actor.host, frozen_there=True)
        tombstone_log.note(conn, Act.PACT_FROZEN_THERE, pact.uri)
        await _note(conn, here, actor, "they asked not to be trusted")


async def nudged(conn: AsyncConnection, here: Here, actor: Actor, url: str) -> None:
    """They have new advice: it is read soon, as far as we listen to them."""
    pact = await store.with_host(conn, actor.host)
    if pact is None or actor.uri != pact.desk_uri or pact.paper is None:
        return
    theirs = pact.paper.of(actor.uri)
    if url in (theirs.dataset, theirs.people):
        await sources.nudge(conn, here, url)


async def _note(
    conn: AsyncConnection, here: Here, actor: Actor, verb: str, *, reason: str = ""
) -> None:
    """A line of the log about what their desk did: nobody here decided it."""
    await audit.note(
        conn, here, verb=verb, about=actor.host, reason=reason, actor_id=actor.id, role=Role.PEER
    )
