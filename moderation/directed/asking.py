"""Asking the desk of a pact peer, and hearing what came of it (MOD-5.4, MOD-5.13, MOD-5.14).

Whatever comes back, in any order and however often, ends in the same state: of two answers the one
that says more counts. Nothing here knows who reported.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub.actors import Actor
from activitypub.vocab import ActivityKind, Document, text_of
from kernel import chance, keep_times
from kernel.errors import Conflict, NotAllowed, NotFound, Unproven
from kernel.here import Here
from kernel.rows import AnyRow, at_most
from kernel.said import noted
from kernel.schema.directed import AskState, Category, Urgency
from kernel.schema.posts import PostState
from kernel.schema.tables import actors, asks_out, posts, signal_sources, signals
from kernel.sealing import mac
from kernel.urls import host_of
from moderation import alerting, audit, domains, pact_mail, pacts, sealed
from moderation.directed import wording
from moderation.directed.terms import (
    CONTEXT,
    FLOWS,
    ORDER,
    STATES,
    Action,
    Answer,
    Reason,
    Refused,
    Request,
    Result,
)
from moderation.pacts import Pact

PAGE: Final = 50
A_DAY: Final = 50  # that one peer is asked
WAITS: Final[Mapping[Urgency, timedelta]] = {  # for somebody there to see a request for care
    Urgency.NOW: timedelta(minutes=10),
    Urgency.TODAY: timedelta(hours=4),
    Urgency.ROUTINE: timedelta(hours=24),
}
STANDS: Final = timedelta(days=30)  # that a request stands, and an answer may take
EPOCH: Final = 30  # days for which one member's reports have one token at one peer

_LABEL: Final = "asks"
_OPEN: Final = (AskState.WAITING, AskState.SENT, AskState.UNSEEN, AskState.HELD, AskState.SEEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What another desk was asked, and how that stands; `answer`: what it wrote, of an appeal."""

    id: UUID
    host: str
    category: Category
    urgency: Urgency
    state: AskState
    case_id: UUID | None
    change: str
    reason: str
    outcome: str
    day: date
    due: datetime | None
    version: int
    request: Request = field(repr=False)
    answer: str = field(default="", repr=False)

    @classmethod
    def of(cls, here: Here, row: AnyRow) -> Self:
        return cls.read(here, dict(row._mapping))

    @classmethod
    def read(cls, here: Here, values: dict[str, Any]) -> Self:
        kept = sealed.get(here, _LABEL, f"out {values['id']}", values["sealed"])
        words = {"category": Category, "urgency": Urgency, "state": AskState}
        found: dict[str, Any] = {
            name: words[name](value) if name in words else value
            for name, value in values.items()
            if name != "sealed"
        }
        return cls(**found, request=_request(kept), answer=kept["answer"])

    @property
    def open(self) -> bool:
        return self.state in _OPEN


async def route(conn: AsyncConnection, here: Here, host: str, category: Category) -> Pact:
    """The pact over which that desk may be asked. Raises Refused: there is no safe way, and why."""
    pact = await pacts.with_host(conn, host)
    if pact is None or pact.paper is None:
        raise Refused(noted("There is no pact with that server, so there is no safe way to ask."))
    if not pact.listens or pact.unsafe or await domains.is_blocked(conn, host):
        raise Refused(noted("You and that server do not listen to each other now."))
    desk = f"{here.origin}/desk/node"
    if FLOWS[category] not in pact.paper.flows(desk):
        raise Refused(noted("Your pact with that server does not have this."))
    if category is Category.CARE and not pact.paper.other(desk).care:
        raise Refused(noted("That server names nobody who looks after people. Help here first."))
    return pact


async def send(
    conn: AsyncConnection,
    here: Here,
    host: str,
    *,
    category: Category,
    object_uri: str,
    urgency: Urgency = Urgency.ROUTINE,
    language: str = "",
    words: str = "",
    rule: str = "",
    person_uri: str = "",
    action: Action = Action.REVIEW,
    token: str = "",
    case_id: UUID | None = None,
) -> UUID:
    """Ask the desk of a pact peer; it goes out between 5 and 60 minutes later, for care at once.

    Raises Refused: there is no safe way. Raises Malformed: the words name somebody here, or there
    are none. Raises Conflict: that was asked already, or that peer was asked enough today.
    """
    await route(conn, here, host, category)
    request = await prepare(
        conn,
        here,
        host,
        Request(
            category=category,
            objects=tuple(each for each in (object_uri, person_uri) if each),
            urgency=urgency,
            action=action,
            rule=rule,
            language=language,
            words=words,
            token=token,
        ),
    )
    await _check_room(conn, here, host, request, case_id)
    ask_id, care = chance.new_uuid(), category is Category.CARE
    await conn.execute(
        asks_out.insert().values(
            id=ask_id,
            host=host,
            category=category,
            urgency=urgency,
            state=AskState.WAITING,
            case_id=case_id,
            change=object_uri if category is Category.APPEAL else "",
            day=here.now().date(),
            due=wording.this_minute(here) if care else wording.due(here),
            sealed=_seal(here, ask_id, request),
        )
    )
    await log(conn, here, category, f"ask peer {category.value}", host)
    return ask_id


async def log(
    conn: AsyncConnection,
    here: Here,
    category: Category,
    verb: str,
    host: str,
    actor_id: UUID | None = None,
) -> None:
    """A line of the log; care has none, since it is held against nobody and counted nowhere."""
    if category is not Category.CARE:
        await audit.note(conn, here, verb=verb, about=host, actor_id=actor_id)


async def prepare(conn: AsyncConnection, here: Here, host: str, request: Request) -> Request:
    """The request as it goes out, for a preview too. Raises Malformed, Refused: as `send`."""
    first = request.objects[:1]
    if not first or not await _may_know(conn, host, first[0]):
        raise Refused(noted("That server does not know this post, so nothing is sent."))
    until = here.now().date() + STANDS
    if request.category is Category.CARE:
        return Request(
            category=request.category,
            objects=first,
            urgency=request.urgency,
            language=request.language[:20],
            until=here.now().date() + timedelta(days=3),
        )
    words = await wording.check(conn, here, request.words)
    rule = " ".join(request.rule.split())[:500]
    return replace(request, words=words, rule=rule, until=until)


async def _may_know(conn: AsyncConnection, host: str, uri: str) -> bool:
    """Whether what is named is on that server, or in a group of it (MOD-5.13)."""
    if host_of(uri) == host:
        return True
    group = actors.alias("group_actor")
    return bool(
        await conn.scalar(
            sa.select(posts.c.id)
            .join(group, group.c.id == posts.c.group_id)
            .where(posts.c.uri == uri, group.c.host == host)
        )
    )


async def _check_room(
    conn: AsyncConnection, here: Here, host: str, request: Request, case_id: UUID | None
) -> None:
    today = sa.select(sa.func.count()).where(
        asks_out.c.host == host, asks_out.c.day == here.now().date()
    )
    if (await conn.scalar(today) or 0) >= A_DAY:
        raise Conflict(noted("That server was asked a lot today. Please write to them yourself."))
    same = sa.and_(
        asks_out.c.host == host,
        asks_out.c.category == request.category,
        asks_out.c.state.in_(_OPEN),
    )
    if request.category is Category.APPEAL:
        same = sa.and_(same, asks_out.c.change == request.objects[0])
    elif case_id is not None:
        same = sa.and_(same, asks_out.c.case_id == case_id)
    else:
        return
    if await conn.scalar(sa.select(asks_out.c.id).where(same).limit(1)):
        raise Conflict(noted("They were asked this already."))


def token_of(here: Here, reporter: str, host: str) -> str:
    """What stands for whoever reported, at one peer for a month: it shows floods, and nobody.

    `reporter` is what `reporter_of` gave. Nobody without the node key makes one (MOD-5.13).
    """
    if not reporter:
        return ""
    made = mac(here.node_key.derive(_LABEL), "reporter", f"{reporter} {host}".encode())
    return "r:" + urlsafe_b64encode(made[:12]).decode()


def reporter_of(here: Here, root: bytes) -> str:
    """What one member's reports of one month share; it is kept under seal, and never sent."""
    epoch = here.now().date().toordinal() // EPOCH
    return mac(root, "reporter", str(epoch).encode()).hex()


def flag_uri(here: Here, ask_id: UUID) -> str:
    """The id of the Flag that asks."""
    return f"{here.origin}/flags/{ask_id}"


def id_in(here: Here, uri: str) -> UUID | None:
    """Which request of ours a Flag's id stands for."""
    start = f"{here.origin}/flags/"
    try:
        return UUID(uri.removeprefix(start)) if uri.startswith(start) else None
    except ValueError:
        return None


# ---- Sending


async def work_one(engine: AsyncEngine, here: Here) -> bool:
    """Send one request whose time has come, or say that nobody saw it. False: there is none."""
    async with engine.begin() as conn:
        row = (await conn.execute(_DUE, {"now": here.now()})).first()
        if row is None:
            return False
        asked = Asked.of(here, row)
        if asked.state is AskState.WAITING:
            await _send(conn, here, asked)
        else:
            await _missed(conn, here, asked)
    return True


_COLUMNS: Final = tuple(
    asks_out.c[name]
    for name in (
        "id", "host", "category", "urgency", "state", "case_id", "change", "reason", "outcome",
        "day", "due", "version", "sealed",
    )
)  # fmt: skip
_DUE: Final = (
    sa.select(*_COLUMNS)
    .where(asks_out.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
    .order_by(asks_out.c.due, asks_out.c.id)
    .limit(at_most(1))
    .with_for_update(skip_locked=True)
)


async def _send(conn: AsyncConnection, here: Here, asked: Asked) -> None:
    """What its author took back meanwhile is not named, and where the pact is over nothing goes."""
    try:
        pact = await route(conn, here, asked.host, asked.category)
    except Refused:
        await _refuse(conn, here, asked, "no-route")
        return
    request = await _still_there(conn, asked.request)
    if request is None:
        await _refuse(conn, here, asked, "gone")
        return
    await _tell(conn, here, pact, asked, request)
    await _set(conn, here, asked.id, state=AskState.SENT, due=_answer_by(here, asked))


async def _refuse(conn: AsyncConnection, here: Here, asked: Asked, reason: str) -> None:
    await _set(conn, here, asked.id, state=AskState.REFUSED, reason=reason, due=None)
    await alerting.call(conn, None, urgent=asked.category is Category.CARE)


async def _still_there(conn: AsyncConnection, request: Request) -> Request | None:
    """Without what its author deleted. None: nothing is left to ask about."""
    gone = set(
        await conn.scalars(
            sa.select(posts.c.uri).where(
                posts.c.uri.in_(request.objects), posts.c.state == PostState.DELETED
            )
        )
    )
    left = tuple(each for each in request.objects if each not in gone)
    return replace(request, objects=left) if left else None


async def _tell(
    conn: AsyncConnection, here: Here, pact: Pact, asked: Asked, request: Request
) -> None:
    desk = f"{here.origin}/desk/node"
    document = request.document(
        flag_uri(here, asked.id), desk, pact.desk_uri, version=asked.version
    )
    about = document.pop("object")
    kind = str(document.pop("type"))
    uri = str(document.pop("id"))
    for name in ("actor", "to"):
        del document[name]
    await pacts.tell(conn, here, kind, about, pact.desk_uri, uri=uri, proven=True, **document)


def _answer_by(here: Here, asked: Asked) -> datetime | None:
    """When an answer is missed: of care soon, of an appeal at its own last day, of others never."""
    if asked.category is Category.CARE:
        return wording.this_minute(here) + timedelta(minutes=1) + WAITS[asked.urgency]
    if asked.category is Category.APPEAL:
        return wording.this_minute(here) + STANDS
    return None


async def _missed(conn: AsyncConnection, here: Here, asked: Asked) -> None:
    """Nobody there answered in time (MOD-5.12, MOD-5.14).

    A request for care goes to their second contact first, which is the people at our desk reading
    whom to call; then it is not seen. A signal whose issuer does not answer is marked.
    """
    if asked.category is Category.APPEAL:
        await _set(conn, here, asked.id, state=AskState.UNSEEN, due=None)
        await _mark(conn, asked.change, unanswered=True)
        await log(conn, here, asked.category, "appeal unanswered", asked.host)
        return
    first = asked.state is AskState.SENT
    due = asked.due + WAITS[asked.urgency] if first and asked.due is not None else None
    await _set(conn, here, asked.id, state=AskState.UNSEEN, due=due)
    if first:
        await _again(conn, here, asked)
    await alerting.call(conn, None, urgent=True)


async def _again(conn: AsyncConnection, here: Here, asked: Asked) -> None:
    """The same request once more, in case it was lost; whoever has it already does nothing new."""
    try:
        pact = await route(conn, here, asked.host, asked.category)
    except Refused:
        return
    version = asked.version + 1
    await _set(conn, here, asked.id, version=version)
    await _update(conn, here, pact, replace(asked, version=version), asked.request)


async def _update(
    conn: AsyncConnection, here: Here, pact: Pact, asked: Asked, request: Request
) -> None:
    ours = f"{here.origin}/desk/node"
    flag = request.document(flag_uri(here, asked.id), ours, pact.desk_uri, version=asked.version)
    del flag["@context"]
    more: Document = {"@context": CONTEXT}
    desk = pact.desk_uri
    await pacts.tell(conn, here, ActivityKind.UPDATE, flag, desk, uri="", proven=True, **more)


async def _mark(conn: AsyncConnection, change: str, *, unanswered: bool) -> None:
    await conn.execute(
        sa.update(signals).where(signals.c.uri == change).values(appeal_unanswered=unanswered)
    )


# ---- What is changed or taken back here


async def revise(
    conn: AsyncConnection, here: Here, ask_id: UUID, *, words: str, urgency: Urgency
) -> None:
    """Say it in other words, or with more haste. Raises NotFound, Malformed, Refused: as `send`."""
    asked = await _open(conn, here, ask_id)
    request = replace(asked.request, urgency=urgency)
    if asked.category is not Category.CARE:
        request = replace(request, words=await wording.check(conn, here, words))
    version = asked.version + 1
    await _set(
        conn,
        here,
        ask_id,
        urgency=urgency,
        version=version,
        sealed=_seal(here, ask_id, request),
    )
    if asked.state is not AskState.WAITING:
        pact = await route(conn, here, asked.host, asked.category)
        await _update(conn, here, pact, replace(asked, version=version), request)
    await log(conn, here, asked.category, "change what a peer is asked", asked.host)


async def take_back(conn: AsyncConnection, here: Here, ask_id: UUID) -> None:
    """It is not asked any more. Raises NotFound: there is none that could be taken back."""
    asked = await _open(conn, here, ask_id)
    await _set(conn, here, ask_id, state=AskState.TAKEN_BACK, due=None)
    pact = await pacts.with_host(conn, asked.host)
    if asked.state is not AskState.WAITING and pact is not None:
        flag: Document = {
            "id": flag_uri(here, ask_id),
            "type": "Flag",
            "actor": f"{here.origin}/desk/node",
        }
        await pacts.tell(conn, here, ActivityKind.UNDO, flag, pact.desk_uri, proven=True)
    await log(conn, here, asked.category, "take back what a peer is asked", asked.host)


async def _open(conn: AsyncConnection, here: Here, ask_id: UUID) -> Asked:
    query = sa.select(*_COLUMNS).where(asks_out.c.id == ask_id).with_for_update()
    row = (await conn.execute(query)).first()
    if row is None or not (asked := Asked.of(here, row)).open:
        raise NotFound
    return asked


# ---- What comes back


async def answered(
    conn: AsyncConnection, here: Here, actor: Actor, flag: str, answer: Answer, document: Document
) -> None:
    """The desk that was asked says something of it. `document` has the proof, `flag` is ours.

    Raises NotFound: it was asked nothing. Raises NotAllowed, Unproven: it is not that desk.
    """
    ask_id = id_in(here, flag)
    query = sa.select(*_COLUMNS).where(asks_out.c.id == ask_id).with_for_update()
    row = (await conn.execute(query)).first() if ask_id is not None else None
    if row is None:
        raise NotFound
    asked = Asked.of(here, row)
    await _check(conn, actor, asked.host, document)
    state = STATES[answer]
    if ORDER.index(state) <= ORDER.index(asked.state):
        return
    value = document.get("object")
    inner = value if isinstance(value, dict) and answer is Answer.CLOSED else document
    found: dict[str, Any] = {"state": state, "due": None, **_words_of(asked, answer, inner)}
    if asked.category is Category.APPEAL:
        if answer is Answer.CLOSED:
            words = text_of(inner.get("content"), wording.MAX_WORDS).strip()
            found["sealed"] = _seal(here, asked.id, asked.request, answer=words)
        if answer in (Answer.SEEN, Answer.HELD):
            del found["due"]  # an answer is still due
        else:
            await _mark(conn, asked.change, unanswered=False)
    await _set(conn, here, asked.id, **found)
    await log(conn, here, asked.category, f"peer answered {answer.value}", asked.host, actor.id)
    if answer in (Answer.REFUSED, Answer.CLOSED):
        await alerting.call(conn, None, urgent=asked.category is Category.CARE)


async def _check(conn: AsyncConnection, actor: Actor, host: str, document: Document) -> None:
    """Raises NotAllowed, Unproven: it is not the desk that the pact pins."""
    pact = await pacts.with_host(conn, host)
    if pact is None or actor.uri != pact.desk_uri or not pact.listens:
        raise NotAllowed("Only the desk that was asked can answer.")
    if not await pact_mail.proves(document, pact.their_key, pact.desk_uri):
        raise Unproven("That answer is not proven by the key of the pact.")


def _words_of(asked: Asked, answer: Answer, document: Document) -> dict[str, Any]:
    """One word of the list, or the mildest; of care nothing is kept but that it is over."""
    if answer is Answer.REFUSED:
        found = text_of(document.get("reason"), 20)
        return {"reason": found if found in {*Reason} else Reason.POLICY.value}
    if answer is not Answer.CLOSED:
        return {}
    if asked.category is Category.CARE:
        return {"outcome": Result.CLOSED.value}
    found = text_of(document.get("outcome"), 20)
    return {"outcome": found if found in {*Result} else Result.WITHHELD.value}


# ---- Reading


async def of_case(conn: AsyncConnection, here: Here, case_id: UUID) -> Sequence[Asked]:
    """What other desks were asked about a case, newest first."""
    query = sa.select(*_COLUMNS).where(asks_out.c.case_id == case_id)
    return await _read(conn, here, query.order_by(asks_out.c.day.desc(), asks_out.c.id).limit(PAGE))


async def about_signals(
    conn: AsyncConnection, here: Here, ids: Sequence[int]
) -> Mapping[int, Asked]:
    """The last appeal about each of these lines of advice; who issued one may not have answered."""
    query = (
        sa.select(*_COLUMNS, signals.c.id.label("signal_id"))
        .join(signals, signals.c.uri == asks_out.c.change)
        .where(signals.c.id.in_(ids), asks_out.c.change != sa.literal_column("''"))
        .order_by(asks_out.c.day, asks_out.c.id)
        .limit(1_000)
    )
    found = {}
    for row in await conn.execute(query):
        values = dict(row._mapping)
        signal_id = values.pop("signal_id")
        found[signal_id] = Asked.read(here, values)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a pact peer's advice that may be asked about."""

    id: int
    uri: str
    host: str
    about: str
    summary: str
    unanswered: bool


async def advice(conn: AsyncConnection, signal_id: int) -> Line:
    """Raises NotFound: there is no such line, or nobody could be asked about it."""
    query = (
        sa.select(
            signals.c.id,
            signals.c.uri,
            signal_sources.c.host,
            signals.c.entity_key.label("about"),
            signals.c.summary,
            signals.c.appeal_unanswered.label("unanswered"),
        )
        .join(signal_sources, signal_sources.c.id == signals.c.source_id)
        .where(signals.c.id == signal_id, signal_sources.c.pact)
    )
    row = (await conn.execute(query)).first()
    if row is None:
        raise NotFound
    return Line(**row._mapping)


async def advice_of(conn: AsyncConnection, changes: Sequence[str]) -> Sequence[Line]:
    """The lines that a decision rests on, as far as pact peers say them."""
    ids = await conn.scalars(
        sa.select(signals.c.id)
        .join(signal_sources, signal_sources.c.id == signals.c.source_id)
        .where(signals.c.uri.in_(changes), signal_sources.c.pact)
        .order_by(signals.c.id)
        .limit(20)
    )
    return [await advice(conn, each) for each in ids]


async def listed(
    conn: AsyncConnection, here: Here, *, before: tuple[date, UUID] | None = None
) -> Sequence[Asked]:
    """A page of what was asked, newest first."""
    day, last = before or (date.max, UUID(int=2**128 - 1))
    query = sa.select(*_COLUMNS).where(sa.tuple_(asks_out.c.day, asks_out.c.id) < (day, last))
    order = (asks_out.c.day.desc(), asks_out.c.id.desc())
    return await _read(conn, here, query.order_by(*order).limit(PAGE))


async def _read(conn: AsyncConnection, here: Here, query: sa.Select[Any]) -> Sequence[Asked]:
    return [Asked.of(here, row) for row in await conn.execute(query)]


async def sweep(conn: AsyncConnection, today: date) -> None:
    """What is over goes with the words that stood in it, and so does what nobody answers."""
    columns = asks_out.c
    await conn.execute(
        sa.delete(asks_out).where(
            columns.day < today - keep_times.ASKED_PEER,
            sa.or_(
                columns.state.not_in(_OPEN), columns.day < today - keep_times.ASKED_PEER - STANDS
            ),
        )
    )


async def _set(conn: AsyncConnection, here: Here, ask_id: UUID, **values: object) -> None:
    values["day"] = here.now().date()
    await conn.execute(sa.update(asks_out).where(asks_out.c.id == ask_id).values(**values))


def _seal(here: Here, ask_id: UUID, request: Request, answer: str = "") -> bytes:
    value = {
        "category": request.category.value,
        "objects": list(request.objects),
        "urgency": request.urgency.value,
        "action": request.action.value,
        "rule": request.rule,
        "language": request.language,
        "until": request.until.isoformat() if request.until else "",
        "words": request.words,
        "token": request.token,
        "answer": answer,
    }
    return sealed.put(here, _LABEL, f"out {ask_id}", value)


def _request(kept: dict[str, Any]) -> Request:
    return Request(
        category=Category(kept["category"]),
        objects=tuple(kept["objects"]),
        urgency=Urgency(kept["urgency"]),
        action=Action(kept["action"]),
        rule=kept["rule"],
        language=kept["language"],
        until=date.fromisoformat(kept["until"]) if kept["until"] else None,
        words=kept["words"],
        token=kept["token"],
    )
