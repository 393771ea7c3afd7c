"""Pacts: two administrators agree that their nodes are trusted peers (MOD-5.6).

An offer waits until the other administrator says yes or no; two offers that cross meet in one pact.
Both keys are pinned in it. Whatever comes, in any order and however often, ends in the same state:
a pact that is over is remembered by its id, and an answer to nothing changes nothing. No node is
trusted because another one trusts it.

How one is made and ended is in `moderation/pact_making.py`; what the other desk says is read by
`moderation/pact_mail.py`. What an administrator does is told to the other desk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Self
from uuid import UUID

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import jsontext, keys, outbox, proofs
from activitypub.actors import Actor
from activitypub.jsontext import Json
from activitypub.keys import KeyPair
from activitypub.vocab import ActivityKind, Document
from kernel import keep_times, tombstone_log
from kernel.errors import Conflict, NotFound
from kernel.here import Here
from kernel.rows import AnyRow
from kernel.said import noted, said
from kernel.schema.pacts import Afterwards, PactState
from kernel.schema.tables import pacts, tombstones
from kernel.tombstone_log import Act
from moderation import audit, circles, label_trust
from moderation.pact_terms import CONTEXT, READ, WAITS, Flow, Paper, fingerprint, midnight
from moderation.signals import effects, people, undoing

MAX_PACTS: Final = 200  # hosts that this node has, had or is offered one with
FOR_OTHERS: Final = 150  # of these may be there when another host offers one
_HOLD: Final = (PactState.MADE, PactState.BROKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pact:
    """What stands between this node and another one.

    `paper` is the pact that was made, also once it is over; `ours` and `theirs` are offers that
    wait. `their_key` is pinned.
    """

    host: str
    state: PactState
    uri: str
    paper: Paper | None
    document: str
    desk_uri: str
    desk_id: UUID | None
    their_key: str
    ours: Paper | None
    theirs: Paper | None
    offer_uri: str
    reason: str
    afterwards: Afterwards | None
    frozen: bool
    frozen_there: bool
    unsafe: bool
    offers: int
    day: date

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row of the table."""
        values = dict(row._mapping)
        values["state"] = PactState(values["state"])
        values["afterwards"] = Afterwards(row.afterwards) if row.afterwards else None
        values["paper"] = Paper.kept(row.document) if row.document else None
        for name in ("ours", "theirs"):
            values[name] = Paper.kept(values[name]) if values[name] else None
        return cls(**values)

    @property
    def made(self) -> bool:
        """Whether the two trust each other now."""
        return self.state is PactState.MADE

    @property
    def holds(self) -> bool:
        """Whether it was made and is not over, also where another key has broken it."""
        return self.state in _HOLD

    @property
    def empty(self) -> bool:
        """Whether there was never a pact, and no offer waits."""
        return self.state is PactState.NONE and self.ours is None and self.theirs is None

    def is_of(self, desk: str) -> bool:
        """Whether this is the desk that the pact, or an offer that waits, is with."""
        offers = [self.ours.parties[1]] if self.ours else []
        offers += [self.theirs.parties[0]] if self.theirs else []
        return desk in (self.desk_uri, *(party.desk for party in offers))

    @property
    def crosses(self) -> bool:
        """Whether two offers wait that are between the same desks with the same keys."""
        if self.ours is None or self.theirs is None:
            return False
        asked = self.ours.parties[1]
        return self.theirs.parties[0].is_of(asked.desk, asked.key)

    @property
    def listens(self) -> bool:
        """Whether what comes from there counts."""
        return self.made and not (self.frozen or self.frozen_there)

    @property
    def words(self) -> str:
        """How it stands, in plain words."""
        if self.made and self.theirs:
            return noted("You trust each other, and they offer a new pact. You decide.")
        if self.made and self.frozen:
            return noted("We stopped listening to them.")
        if self.made and self.frozen_there:
            return noted("They asked not to be trusted for now.")
        if self.made:
            return noted("You trust each other.")
        if self.theirs:
            return noted("They offer a pact. You decide.")
        if self.ours:
            return noted("You offered a pact. They decide.")
        return _OVER.get(self.reason, noted("There is no pact."))

    @property
    def fingerprint(self) -> str:
        """The words of both keys, to be compared by voice; empty where there is nothing yet."""
        paper = self.theirs or self.ours or self.paper
        return fingerprint(*(party.key for party in paper.parties)) if paper else ""


_OVER: Final = {
    "ended here": noted("You ended the pact."),
    "ended there": noted("They ended the pact."),
    "key": noted("Their key changed, and the old one does not vouch for it. Agree anew."),
    "refused": noted("They said no to your offer."),
}


async def listed(conn: AsyncConnection) -> Sequence[Pact]:
    """Every pact, those that wait for a decision here first; there are at most 200."""
    rows = await conn.execute(
        sa.select(pacts).order_by(pacts.c.theirs == "", pacts.c.host).limit(MAX_PACTS)
    )
    return [Pact.of(row) for row in rows]


async def one(conn: AsyncConnection, host: str) -> Pact:
    """What stands between us and a host. Raises NotFound: nothing."""
    row = (await conn.execute(sa.select(pacts).where(pacts.c.host == host))).first()
    if row is None:
        raise NotFound("There is nothing agreed with that server, and nothing offered.")
    return Pact.of(row)


async def with_host(conn: AsyncConnection, host: str) -> Pact | None:
    """The pact that holds with a host; None: there is none.

    Whoever acts on what comes from there asks whether it `listens`, too.
    """
    row = (
        await conn.execute(
            sa.select(pacts).where(pacts.c.host == host, pacts.c.state == PactState.MADE)
        )
    ).first()
    return Pact.of(row) if row else None


async def pinned_key(conn: AsyncConnection, host: str) -> Ed25519PublicKey | None:
    """The key that the pact with a host pins; None: there is no pact."""
    pact = await with_host(conn, host)
    return keys.load_multibase(pact.their_key) if pact else None


async def may_read(
    conn: AsyncConnection, here: Here, asker: Actor, flows: frozenset[Flow] = READ
) -> bool:
    """Whether somebody may read what we advise pact peers, as far as one of `flows` goes to them.

    They are the peer that they say they are, as `is_peer` says, and the pact takes advice.
    """
    paper = await _paper_of(conn, asker)
    return paper is not None and not flows.isdisjoint(paper.flows(f"{here.origin}/desk/node"))


async def is_peer(conn: AsyncConnection, asker: Actor) -> bool:
    """Whether somebody is a peer, as far as we know.

    It is the desk that we have a pact with, or its server's own actor, they did not ask not to be
    trusted, and that desk shows the key that is pinned.
    """
    return await _paper_of(conn, asker) is not None


async def _paper_of(conn: AsyncConnection, asker: Actor) -> Paper | None:
    """The pact with the peer that somebody is; None: they are none."""
    pact = await with_host(conn, asker.host)
    if pact is None or pact.paper is None or pact.frozen_there:
        return None
    scheme, _, rest = pact.desk_uri.partition("://")
    if asker.uri not in (pact.desk_uri, f"{scheme}://{rest.partition('/')[0]}/"):
        return None
    desk = await actor_store.by_uri(conn, pact.desk_uri)
    if desk is None or desk.ed25519 != pact.their_key:
        return None
    return pact.paper


# What an administrator of this node does while one holds, and after


async def decide_afterwards(
    conn: AsyncConnection, here: Here, host: str, afterwards: Afterwards
) -> None:
    """The other side ended it: what shall become of what their advice did. Raises NotFound."""
    await effects.lock(conn)
    pact = await locked(conn, here, host)
    if pact.state is not PactState.ENDED:
        raise NotFound("That pact has not ended.")
    await change(conn, here, host, afterwards=afterwards)
    await audit.note(conn, here, verb="after the pact", about=host, reason=afterwards)
    await undoing.after_pact(conn, here, host, afterwards)


async def freeze(conn: AsyncConnection, here: Here, host: str, *, frozen: bool) -> None:
    """Stop listening to a peer, or listen again. Raises NotFound: there is no pact.

    What they froze themselves is lifted by a new pact only: both have to want it.
    """
    pact = await locked(conn, here, host)
    if not pact.made:
        raise NotFound("There is no pact with that server.")
    await change(conn, here, host, frozen=frozen)
    tombstone_log.note(conn, Act.PACT_FROZEN if frozen else Act.PACT_HEARD, pact.uri)
    verb = "freeze peer" if frozen else "listen to peer again"
    await audit.note(conn, here, verb=verb, about=host)


async def freeze_ourselves(conn: AsyncConnection, here: Here) -> int:
    """Ask every peer not to trust this node for now; how many there are.

    Each of them listens again only once both have agreed on a new pact.
    """
    rows = await conn.execute(
        sa.select(pacts).where(pacts.c.state.in_(_HOLD)).order_by(pacts.c.host)
    )
    found = [Pact.of(row) for row in rows]
    for pact in found:
        await change(conn, here, pact.host, unsafe=True)
        tombstone_log.note(conn, Act.PACT_UNSAFE, pact.uri)
        await tell(conn, here, ActivityKind.FREEZE, pact.uri, pact.desk_uri, proven=True)
    if found:
        await audit.note(conn, here, verb="freeze ourselves", about=here.origin)
    return len(found)


async def tell_peers(conn: AsyncConnection, here: Here, flow: Flow, kind: str, about: str) -> None:
    """Tell every peer who takes this from us, each for itself: nobody learns who else does."""
    desk = await our_desk(conn, here)
    rows = await conn.execute(
        sa.select(pacts)
        .where(pacts.c.state == PactState.MADE, ~pacts.c.unsafe, ~pacts.c.frozen_there)
        .order_by(pacts.c.host)
    )
    for pact in [Pact.of(row) for row in rows]:
        if pact.paper is not None and flow in pact.paper.flows(desk.uri):
            await tell(conn, here, kind, about, pact.desk_uri)


async def tell_new_key(conn: AsyncConnection, here: Here, multibase: str) -> None:
    """The desk's key is about to change: each peer hears the new one under the old one's proof.

    Call it while the old keys still sign. Offers that wait name the old key, and are void.
    """
    desk = await our_desk(conn, here)
    old = (await actor_store.signing_keys(conn, here, desk.id)).ed25519_multibase
    rows = await conn.execute(sa.select(pacts).where(pacts.c.state.in_(_HOLD)))
    for pact in [Pact.of(row) for row in rows]:
        await tell(
            conn,
            here,
            ActivityKind.KEY_CHANGE,
            pact.uri,
            pact.desk_uri,
            proven=True,
            **{"from": old, "publicKeyMultibase": multibase},
        )


# What all three use


async def our_desk(conn: AsyncConnection, here: Here) -> Actor:
    """The node's desk, which signs pacts."""
    desk = await actor_store.by_uri(conn, f"{here.origin}/desk/node")
    if desk is None or desk.ed25519 is None:
        raise NotFound
    return desk


def offer_uri(uri: str) -> str:
    """The id of the Offer of a pact of ours."""
    return f"{uri}/offer"


async def locked(conn: AsyncConnection, here: Here, host: str, *, room: int = MAX_PACTS) -> Pact:
    """What stands between us and a host, held until this commits; a new row where nothing does.

    Raises Conflict: there are as many as there is `room` for.
    """
    pact = await known(conn, host)
    if pact is None:
        total = await conn.scalar(sa.select(sa.func.count()).select_from(pacts)) or 0
        if total >= room:
            raise Conflict("This node has as many pacts and offers as it can.")
        await conn.execute(
            insert(pacts).values(host=host, day=here.now().date()).on_conflict_do_nothing()
        )
        pact = await known(conn, host)
    assert pact is not None
    return pact


async def known(conn: AsyncConnection, host: str) -> Pact | None:
    """The same where there is something already."""
    asked = sa.select(pacts).where(pacts.c.host == host).with_for_update()
    row = (await conn.execute(asked)).first()
    return Pact.of(row) if row else None


async def change(conn: AsyncConnection, here: Here, host: str, **values: object) -> None:
    """Write what is new of a pact; how often it was offered counts for a day."""
    today = here.now().date()
    values.setdefault("offers", sa.case((pacts.c.day == today, pacts.c.offers), else_=0))
    await conn.execute(sa.update(pacts).where(pacts.c.host == host).values(day=today, **values))
    if not values.keys().isdisjoint({"state", "frozen", "frozen_there", "afterwards"}):
        await label_trust.follow_pact(conn, host)
        await people.look_anew(conn)
    if not await circles.stands(conn, host):
        await circles.part_all(conn, here, host)


async def finish(
    conn: AsyncConnection,
    here: Here,
    pact: Pact,
    state: PactState,
    reason: str,
    afterwards: Afterwards | None = None,
) -> None:
    """The pact is over: nothing that comes late makes it hold again, nor does a restore.

    Where it is `ENDED`, take `effects.lock` before the pact's row, as who carries advice out does.
    """
    if state is PactState.ENDED:
        await over(conn, here, pact.uri)
        tombstone_log.note(conn, Act.PACT_OVER, pact.uri)
    await change(conn, here, pact.host, state=state, reason=reason, afterwards=afterwards)
    if state is PactState.ENDED:
        await undoing.after_pact(conn, here, pact.host, afterwards)


async def over(conn: AsyncConnection, here: Here, uri: str) -> None:
    """Remember for a month that a pact or an offer is over, also if it comes only later."""
    await conn.execute(
        insert(tombstones)
        .values(uri=uri, until=here.now().date() + keep_times.BURIED)
        .on_conflict_do_nothing()
    )


async def is_over(conn: AsyncConnection, uri: str) -> bool:
    """Whether it was said to be over, perhaps before it came."""
    found = await conn.scalar(sa.select(tombstones.c.uri).where(tombstones.c.uri == uri))
    return found is not None


async def stay_over(conn: AsyncConnection, uris: Sequence[str]) -> None:
    """After a restore: pacts that ended since do not hold, and are not offered, again."""
    await _stay(
        conn,
        sa.update(pacts)
        .where(pacts.c.uri.in_(uris), pacts.c.state != PactState.ENDED)
        .values(state=PactState.ENDED, reason="ended here"),
    )


async def stay_frozen(
    conn: AsyncConnection, ours: Mapping[str, bool], there: list[str], unsafe: list[str]
) -> None:
    """After a restore: whom we stopped listening to, or do again, who asked not to be heard, and
    whom we asked not to trust us.
    """
    for uri, frozen in ours.items():
        await _stay(conn, sa.update(pacts).where(pacts.c.uri == uri).values(frozen=frozen))
    for uris, asked in ((there, "frozen_there"), (unsafe, "unsafe")):
        await _stay(conn, sa.update(pacts).where(pacts.c.uri.in_(uris)).values({asked: True}))


async def _stay(conn: AsyncConnection, change: sa.Update) -> None:
    """Change pacts, and let what those hosts said of posts stand as they do now."""
    hosts = await conn.scalars(change.returning(pacts.c.host))
    for host in sorted(set(hosts)):
        await label_trust.follow_pact(conn, host)


async def remove(conn: AsyncConnection, here: Here, host: str) -> None:
    """Let a line go that says nothing any more. Raises Conflict: a pact or an offer is in it."""
    pact = await locked(conn, here, host)
    if not pact.empty:
        raise Conflict("There is, or was, a pact with that server, or an offer waits.")
    await conn.execute(sa.delete(pacts).where(pacts.c.host == host))


async def forget_offers(conn: AsyncConnection, here: Here) -> None:
    """Offers that waited for too long go, and so does whoever had nothing else to do with us.

    Of an offer that was taken back nothing is left on the next day; today it counts.
    """
    old = here.now().date() - timedelta(days=WAITS)
    waits = sa.or_(pacts.c.ours != "", pacts.c.theirs != "")
    await conn.execute(
        sa.update(pacts)
        .where(pacts.c.day < old, waits)
        .values(ours="", theirs="", offer_uri="", day=here.now().date())
    )
    await conn.execute(
        sa.delete(pacts).where(
            ~waits,
            pacts.c.state == PactState.NONE,
            sa.or_(
                pacts.c.day < old,
                sa.and_(pacts.c.reason == "", pacts.c.day < here.now().date()),
            ),
        )
    )


def dump(document: Document) -> str:
    """As it is kept."""
    return jsontext.dump(document).decode()


async def tell(
    conn: AsyncConnection,
    here: Here,
    kind: str,
    about: Json,
    desk_uri: str,
    *,
    uri: str = "",
    proven: bool = False,
    **extra: Json,
) -> None:
    """Tell the other desk; with a proof of ours where what it says is to be held against us."""
    desk = await our_desk(conn, here)
    activity: Document = {
        "@context": CONTEXT,
        "id": uri or here.new_activity_uri(),
        "type": kind,
        "actor": desk.uri,
        "to": [desk_uri],
        "cc": [],
        "object": about,
        **extra,
    }
    if proven:
        pair = await actor_store.signing_keys(conn, here, desk.id)
        activity = _proven(here, activity, desk, pair)
    await outbox.publish(conn, here, activity, signer=desk, to=[desk_uri], direct=True)


def _proven(here: Here, document: Document, desk: Actor, pair: KeyPair) -> Document:
    method = desk.ed25519_id or keys.ed25519_id(desk.uri)
    return proofs.add(document, pair.ed25519, method, midnight(here.now().date()))


def refusal(limit: int) -> str:
    """What a host is told that offers too often."""
    return said("That was offered {number} times today. Please wait.", number=limit)
