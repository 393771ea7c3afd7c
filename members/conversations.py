"""Who talks with whom, and reading it: only the two can, and nobody else finds it (SEC-L8).

The words are sealed under the node key and padded, so that a stolen database shows neither them
nor how long they are.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernel import chance
from kernel.errors import NotFound
from kernel.here import Here
from kernel.ids import LAST_ID, released, within_minute
from kernel.rows import AnyRow, at_most, constant
from kernel.schema.actors import ActorKind
from kernel.schema.messages import MessageState
from kernel.schema.tables import actors, conversations, messages
from members import order
from moderation import sealed as sealing
from moderation.visibility import host_is_welcome

PAGE: Final = 20

_LABEL: Final = "messages"
_SIZES: Final = tuple(1024 * 2**step for step in range(7))  # a sealed value has one of these


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `content` is HTML to be cleaned; `source` is what its author here typed.

    `contacts`: what came from elsewhere may say how to reach somebody.
    """

    id: UUID
    uri: str
    author_id: UUID
    place: int
    state: MessageState
    contacts: bool
    content: str = field(repr=False)
    source: str = field(repr=False)
    note: str = field(repr=False)
    language: str

    @property
    def time(self) -> datetime:
        """When it went out or will, to the minute, UTC."""
        return released(self.place)

    @property
    def out(self) -> bool:
        return self.state is MessageState.OUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Two who write to each other, as one of them sees it."""

    id: UUID
    latest: int
    other_id: UUID
    name: str
    address: str
    host: str
    is_person: bool

    @property
    def time(self) -> datetime:
        """Of the latest message, to the minute, UTC."""
        return released(self.latest)


async def open_with(conn: AsyncConnection, here: Here, one: UUID, other: UUID) -> UUID:
    """The conversation of two who may write to each other; it is locked until this commits."""
    first, second = sorted((one, other))
    row = await conn.execute(
        insert(conversations)
        .values(
            id=chance.new_uuid(), one_id=first, other_id=second, latest=within_minute(here.now())
        )
        .on_conflict_do_update(
            index_elements=["one_id", "other_id"],
            set_={"one_id": first},  # takes the lock
        )
        .returning(conversations.c.id)
    )
    await order.call(conn, conversations)
    found: UUID = row.scalar_one()
    return found


def seal_words(here: Here, message_id: UUID, said: Mapping[str, str]) -> bytes:
    """A message as it is stored."""
    return sealing.put(here, _LABEL, f"message {message_id}", said, sizes=_SIZES)


def unseal_words(here: Here, message_id: UUID, sealed: bytes) -> dict[str, str]:
    """What was sealed: content, source, note and language, as far as there are."""
    return sealing.get(here, _LABEL, f"message {message_id}", sealed)


def reader_of(author: sa.ColumnElement[UUID]) -> sa.ColumnElement[UUID]:
    """SQL: of the two in a conversation, the one that is not `author`."""
    return sa.case(
        (conversations.c.one_id == author, conversations.c.other_id), else_=conversations.c.one_id
    )


async def of(
    conn: AsyncConnection, persona: UUID, *, before: int | None = None
) -> Sequence[Conversation]:
    """The persona's conversations, the latest first, up to one more than a page."""
    values = {"persona": persona, "before": LAST_ID if before is None else before}
    return [Conversation(**row._mapping) for row in await conn.execute(_LIST, values)]


async def get(conn: AsyncConnection, persona: UUID, conversation: UUID) -> Conversation:
    """Raises NotFound: there is none of the persona's."""
    values = {"persona": persona, "conversation": conversation}
    row = (await conn.execute(_ONE, values)).first()
    if row is None:
        raise NotFound
    return Conversation(**row._mapping)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message of the persona's own, for its archive; `to` is the address of the other one."""

    to: str
    time: datetime
    source: str = field(repr=False)


async def written(
    conn: AsyncConnection, here: Here, persona: UUID
) -> AsyncIterator[Sequence[Written]]:
    """Everything that the persona wrote in messages and did not delete, some at a time."""
    after = UUID(int=0)
    while True:
        rows = (await conn.execute(_WRITTEN, {"persona": persona, "after": after})).all()
        yield [
            Written(
                to=row.address,
                time=released(row.place),
                source=unseal_words(here, row.id, row.sealed).get("source", ""),
            )
            for row in rows
        ]
        if len(rows) < _SOME:
            return
        after = rows[-1].id


async def page(
    conn: AsyncConnection,
    here: Here,
    persona: UUID,
    conversation: UUID,
    *,
    before: int | None = None,
) -> Sequence[Message]:
    """Messages that the persona may read, newest first, up to one more than a page."""
    values = {
        "persona": persona,
        "conversation": conversation,
        "before": LAST_ID if before is None else before,
    }
    return [_message(here, row) for row in await conn.execute(_PAGE, values)]


async def one(
    conn: AsyncConnection, here: Here, persona: UUID, conversation: UUID, message: UUID
) -> Message:
    """Raises NotFound: there is none that the persona may read (SEC-L4)."""
    values = {"persona": persona, "conversation": conversation, "message": message}
    row = (await conn.execute(_ONE_MESSAGE, values)).first()
    if row is None:
        raise NotFound
    return _message(here, row)


def _message(here: Here, row: AnyRow) -> Message:
    said = unseal_words(here, row.id, row.sealed)
    return Message(
        id=row.id,
        uri=row.uri,
        author_id=row.author_id,
        place=row.place,
        state=MessageState(row.state),
        contacts=row.contacts,
        content=said["content"],
        source=said.get("source", ""),
        note=said.get("note", ""),
        language=said.get("language", ""),
    )


_PERSONA: Final = sa.bindparam("persona", type_=sa.Uuid)
_BEFORE: Final = sa.bindparam("before", type_=sa.BigInteger)
_CONVERSATION: Final = sa.bindparam("conversation", type_=sa.Uuid)


def _side(mine: sa.Column[UUID], theirs: sa.Column[UUID]) -> sa.Select[UUID, int, UUID]:
    """SQL: the persona's newest where it stands on this side."""
    return (
        sa.select(conversations.c.id, conversations.c.latest, theirs.label("with_id"))
        .where(mine == _PERSONA, conversations.c.latest < _BEFORE)
        .order_by(conversations.c.latest.desc())
        .limit(at_most(PAGE + 1))
    )


def _shown(found: sa.FromClause) -> sa.Select[Any]:
    with_whom = actors.alias("with_whom")
    return (
        sa.select(
            found.c.id,
            found.c.latest,
            with_whom.c.id.label("other_id"),
            with_whom.c.name,
            sa.literal("@")
            .concat(with_whom.c.handle)
            .concat("@")
            .concat(with_whom.c.host)
            .label("address"),
            with_whom.c.host,
            (with_whom.c.kind == constant(ActorKind.PERSON)).label("is_person"),
        )
        .select_from(found.join(with_whom, with_whom.c.id == found.c.with_id))
        .where(host_is_welcome(with_whom))
    )


def _list() -> sa.Select[Any]:
    both = sa.union_all(
        sa.select(_side(conversations.c.one_id, conversations.c.other_id).subquery("as_one")),
        sa.select(_side(conversations.c.other_id, conversations.c.one_id).subquery("as_other")),
    ).subquery("both")
    return _shown(both).order_by(both.c.latest.desc(), both.c.id).limit(at_most(PAGE + 1))


_LIST: Final = _list()
_MINE: Final = sa.or_(conversations.c.one_id == _PERSONA, conversations.c.other_id == _PERSONA)
_ONE: Final = _shown(
    sa.select(conversations.c.id, conversations.c.latest, reader_of(_PERSONA).label("with_id"))
    .where(conversations.c.id == _CONVERSATION, _MINE)
    .subquery("found")
)
_READABLE: Final = (
    sa.select(
        messages.c.id,
        messages.c.uri,
        messages.c.author_id,
        messages.c.place,
        messages.c.state,
        messages.c.sealed,
        messages.c.contacts,
    )
    .select_from(messages.join(conversations, conversations.c.id == messages.c.conversation_id))
    .where(
        messages.c.conversation_id == _CONVERSATION,
        _MINE,
        sa.or_(messages.c.state == constant(MessageState.OUT), messages.c.author_id == _PERSONA),
    )
)
_PAGE: Final = (
    _READABLE.where(messages.c.place < _BEFORE)
    .order_by(messages.c.place.desc())
    .limit(at_most(PAGE + 1))
)
_ONE_MESSAGE: Final = _READABLE.where(messages.c.id == sa.bindparam("message", type_=sa.Uuid))

_SOME: Final = 100
_to: Final = actors.alias("addressed")
_WRITTEN: Final = (
    sa.select(
        messages.c.id,
        messages.c.place,
        messages.c.sealed,
        sa.literal("@").concat(_to.c.handle).concat("@").concat(_to.c.host).label("address"),
    )
    .select_from(
        messages.join(conversations, conversations.c.id == messages.c.conversation_id).join(
            _to, _to.c.id == reader_of(messages.c.author_id)
        )
    )
    .where(messages.c.author_id == _PERSONA, messages.c.id > sa.bindparam("after", type_=sa.Uuid))
    .order_by(messages.c.id)
    .limit(at_most(_SOME))
)
