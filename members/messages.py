"""Messages between two: for them alone, in no list, feed, search or count.

The words are sealed under the node key and padded, so that a stolen database shows neither them
nor how long they are. Times are minutes. What its author deletes is gone for both; what nobody
deletes goes after half a year.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import actors as actor_store
from activitypub import documents, outbox
from activitypub.actors import Actor
from activitypub.vocab import Document
from kernel import chance, keep_times, text, tombstone_log
from kernel.clock import iso
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.faults import Point, reached
from kernel.here import Here
from kernel.ids import first_of_minute, released
from kernel.release import Timing, due
from kernel.rows import at_most
from kernel.said import noted, said
from kernel.schema.actors import ActorKind
from kernel.schema.messages import MessageState
from kernel.schema.notices import NoticeKind
from kernel.schema.tables import activities, conversations, deliveries, messages
from kernel.tombstone_log import Act
from members import conversations as conversation_store
from members import correspondents, letters, notices, order, requests
from members.conversations import open_with, reader_of, seal_words, unseal_words
from members.notices import Telling
from moderation import contacts
from moderation.contacts import ContactDetails, Found
from moderation.standing import Speaker

MAX_MESSAGE: Final = 2_000
MAX_HTML: Final = 16 * 1024  # bytes of one from elsewhere; of a longer one the plain words are kept
MAX_A_DAY: Final = 200  # of one author in one conversation
KEPT: Final = keep_times.MESSAGE

ENDED: Final = noted(
    "You cannot write to them now. They may have ended the conversation, or turned messages off."
)
_CONTACTS: Final = noted(
    "In messages people stay safe because nobody can find them outside of here. "
    "Please take it out. Numbers of help can stay."
)
_SWEPT: Final = 10_000  # conversations of one round; the next comes soon
_STEP: Final = 1 << 20  # between two places in a minute; below it they are random


# ---- Writing


async def send(
    conn: AsyncConnection,
    here: Here,
    speaker: Speaker,
    reader: Actor,
    source: str,
    *,
    language: str,
    help_lines: Collection[str],
    timing: Timing,
) -> UUID:
    """Write to somebody; it goes out like a post does. The conversation it is in.

    Raises Malformed: no words, or too many. Raises ContactDetails: they may say how to reach
    somebody elsewhere. Raises NotAllowed: `correspondents.may_write` says no, without a reason.
    """
    _check_words(here, source, help_lines)
    await correspondents.check(conn, here, speaker)
    if not await correspondents.may_write(conn, here, speaker.id, reader.id):
        raise NotAllowed(ENDED)
    conversation = await open_with(conn, here, speaker.id, reader.id)
    message_id, when = chance.new_uuid(), due(here, timing)
    values = await _keep(
        conn,
        here,
        conversation,
        speaker.id,
        uri=letters.uri_of(here, message_id),
        message_id=message_id,
        at=when or here.now(),
        said={"content": text.render(source), "source": source, "language": language},
        due=when,
    )
    if when is None:
        await _go_out(conn, here, speaker.actor, reader, values)
    return conversation


def _check_words(here: Here, source: str, help_lines: Collection[str]) -> None:
    if not source.strip():
        raise Malformed(noted("There are no words yet. Write something, then send it."))
    if len(source) > MAX_MESSAGE:
        raise Malformed(
            said(
                "{what} has {found} letters. It can have up to {limit}. Nothing is lost: "
                "you can make it shorter, or send it in two parts.",
                what=said("Your message"),
                found=len(source),
                limit=MAX_MESSAGE,
            )
        )
    shown = text.render(source)  # where what was written in a roundabout way is plain
    if found := guarded(here, (source, text.words_of(shown)), shown, help_lines):
        raise ContactDetails(found, _CONTACTS, may_stay=False)


def guarded(
    here: Here,
    texts: Iterable[str],
    clean_html: str,
    help_lines: Collection[str],
    *,
    author_at: str = "",
) -> Sequence[Found]:
    """What may lead away from here: as in posts, and every link and address.

    `texts` are all the words of a message, `clean_html` is what they are shown as. Hashtags lead to
    pages of the server that the address `author_at` is on, and may.
    """
    found: dict[Found, None] = {}
    for words in texts:
        found |= dict.fromkeys(contacts.find(words, help_lines))
        for kind, each in contacts.ways_out(words):
            if kind is contacts.Kind.LINK and _leads_here(here, each):
                continue
            if kind is contacts.Kind.ACCOUNT and each.endswith("@" + here.host):
                continue
            found[Found(kind, each)] = None
    for link, words in text.links_of(clean_html):
        if not _leads_here(here, link) and not _is_hashtag(link, words, author_at):
            found[Found(contacts.Kind.LINK, link)] = None
    return list(found)[: contacts.MAX_FOUND]


def _leads_here(here: Here, link: str) -> bool:
    try:
        return urlsplit(link if "://" in link else f"https://{link}").netloc.lower() == here.host
    except ValueError:  # no address at all
        return False


def _is_hashtag(link: str, words: str, author_at: str) -> bool:
    """Whether it is the page of the hashtag that it shows, at its author's server."""
    try:
        found = urlsplit(link)
    except ValueError:
        return False
    same = found.netloc == urlsplit(author_at).netloc and words.startswith("#")
    return same and unquote(found.path).casefold().endswith("/" + words[1:].casefold())


async def _keep(
    conn: AsyncConnection,
    here: Here,
    conversation: UUID,
    author: UUID,
    *,
    uri: str,
    message_id: UUID,
    at: datetime,
    said: dict[str, str],
    due: datetime | None = None,
    contacts: bool = False,
) -> dict[str, Any]:
    """Raises NotAllowed: its author wrote a great deal within a day."""
    place = await _place(conn, here, conversation, author, at)
    values: dict[str, Any] = {
        "id": message_id,
        "conversation_id": conversation,
        "author_id": author,
        "uri": uri,
        "place": place,
        "state": MessageState.WAITING,
        "due": due,
        "sealed": seal_words(here, message_id, said),
        "contacts": contacts,
    }
    await conn.execute(messages.insert().values(values))
    await order.call(conn, messages)
    return values


async def _place(
    conn: AsyncConnection, here: Here, conversation: UUID, author: UUID, at: datetime
) -> int:
    """After all that is there: within the minute in which it goes out, and no later than it has."""
    first = first_of_minute(at)
    mine = sa.and_(
        messages.c.author_id == author,
        messages.c.place >= first_of_minute(at - timedelta(days=1)),
    )
    row = (
        await conn.execute(
            sa.select(
                sa.func.count().filter(mine).label("count"),
                sa.func.max(messages.c.place)
                .filter(
                    messages.c.place >= first,
                    messages.c.place < first_of_minute(at + timedelta(minutes=1)),
                )
                .label("last"),
            ).where(
                messages.c.conversation_id == conversation,
                messages.c.place >= first_of_minute(at - timedelta(days=1)),
            )
        )
    ).one()
    if row.count >= MAX_A_DAY:
        raise NotAllowed(
            noted("You wrote a great deal today. Please write to them again tomorrow.")
        )
    position = first if row.last is None else (row.last // _STEP + 1) * _STEP
    return position + chance.bits(_STEP.bit_length() - 1)


async def _go_out(
    conn: AsyncConnection, here: Here, author: Actor, reader: Actor, values: dict[str, Any]
) -> None:
    """Its reader sees it now, and their server hears of it where that is another one."""
    await conn.execute(
        sa.update(messages)
        .where(messages.c.id == values["id"])
        .values(state=MessageState.OUT, due=None)
    )
    await conn.execute(
        sa.update(conversations)
        .where(conversations.c.id == values["conversation_id"])
        .values(latest=sa.func.greatest(conversations.c.latest, values["place"]))
    )
    if reader.local:
        told = Telling(uri=reader.uri, kind=NoticeKind.MESSAGE, group_id=author.id, by=author.id)
        await notices.tell(conn, here, [told])
        return
    said = unseal_words(here, values["id"], values["sealed"])
    await letters.write(
        conn, here, author, reader, _note(author, reader, values["uri"], values["place"], said)
    )


def _note(author: Actor, reader: Actor, uri: str, place: int, said: dict[str, str]) -> Document:
    return documents.letter(uri, author, reader, said["content"], published=iso(released(place)))


async def release_one(engine: AsyncEngine, here: Here) -> bool:
    """Let one message go out whose time has come. False: there is none.

    If its author may not write to its reader any more, it stays with its author.
    """
    async with engine.begin() as conn:
        row = (await conn.execute(_DUE, {"now": here.now()})).first()
        if row is None:
            return False
        values = dict(row._mapping)
        reader_id = values.pop("reader_id")
        if await correspondents.may_write(conn, here, row.author_id, reader_id):
            author = await actor_store.get(conn, row.author_id)
            await _go_out(conn, here, author, await actor_store.get(conn, reader_id), values)
        else:
            await conn.execute(
                sa.update(messages)
                .where(messages.c.id == row.id)
                .values(state=MessageState.WITHHELD, due=None)
            )
        reached(Point.BEFORE_COMMIT)
    return True


_WHOLE: Final = sa.select(
    messages.c.id,
    messages.c.conversation_id,
    messages.c.author_id,
    messages.c.uri,
    messages.c.place,
    messages.c.state,
    messages.c.sealed,
    reader_of(messages.c.author_id).label("reader_id"),
).select_from(messages.join(conversations, conversations.c.id == messages.c.conversation_id))
_DUE: Final = (
    _WHOLE.where(messages.c.due <= sa.bindparam("now", type_=sa.DateTime(timezone=True)))
    .order_by(messages.c.due, messages.c.id)
    .limit(at_most(1))
    .with_for_update(skip_locked=True, of=messages)
)


# ---- What comes from elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A note for one persona, from its author elsewhere; `content` is their HTML."""

    uri: str
    content: str = field(repr=False)
    note: str = field(repr=False)
    language: str = ""


async def receive(
    conn: AsyncConnection,
    here: Here,
    author: Actor,
    reader: Actor,
    arrived: Arrived,
    *,
    help_lines: Collection[str],
) -> None:
    """Keep a note of somebody elsewhere, where its reader wants it; else only that they knocked.

    Words of somebody who was not accepted are kept nowhere. Whoever sends is told the same.
    """
    if not await correspondents.may_write(conn, here, author.id, reader.id):
        await requests.knock(conn, here, author, reader)
        return
    if author.kind is ActorKind.PERSON:
        await correspondents.accept(conn, here, author.id, reader.id)
    conversation = await open_with(conn, here, author.id, reader.id)
    said, has_contacts = _read(here, arrived, help_lines)
    values = await _keep(
        conn,
        here,
        conversation,
        author.id,
        uri=arrived.uri,
        message_id=chance.new_uuid(),
        at=here.now(),
        said=said,
        contacts=has_contacts,
    )
    await _go_out(conn, here, author, reader, values)


def _read(here: Here, arrived: Arrived, help_lines: Collection[str]) -> tuple[dict[str, str], bool]:
    """What is kept, which always fits, and whether any of it may lead away from here."""
    content = text.without_controls(str(text.clean(arrived.content)))
    if len(content.encode()) > MAX_HTML:
        content = text.paragraph(text.plain(content, 5_000))
    note = text.without_controls(text.plain(arrived.note, 200))
    said = {"content": content, "note": note, "language": arrived.language}
    words = " ".join(text.words_of(content).split())
    found = guarded(here, (words, note), content, help_lines, author_at=arrived.uri)
    return said, bool(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A message that is here, by its address."""

    id: UUID
    author_id: UUID
    reader_id: UUID


async def rewrite(
    conn: AsyncConnection,
    here: Here,
    known: Known,
    arrived: Arrived,
    *,
    help_lines: Collection[str],
) -> None:
    """Its author elsewhere changed a message: new words, which reach only who still wants any."""
    if not await correspondents.may_write(conn, here, known.author_id, known.reader_id):
        return
    said, has_contacts = _read(here, arrived, help_lines)
    await conn.execute(
        sa.update(messages)
        .where(messages.c.id == known.id)
        .values(sealed=seal_words(here, known.id, said), contacts=has_contacts)
    )
    await order.call(conn, messages)


async def by_uri(conn: AsyncConnection, uri: str) -> Known | None:
    """The message with this id, for the inbox; its words stay where they are."""
    found = await conn.execute(_WHOLE.where(messages.c.uri == uri))
    row = found.first()
    if row is None:
        return None
    return Known(id=row.id, author_id=row.author_id, reader_id=row.reader_id)


# ---- Reading


async def document(conn: AsyncConnection, here: Here, uri: str) -> tuple[Document, Actor]:
    """A message of ours as a document, and its reader elsewhere, whose server alone may have it.

    Raises NotFound: there is none, it is not out, or its reader lives here.
    """
    found = await conn.execute(
        _WHOLE.where(messages.c.uri == uri, messages.c.state == MessageState.OUT)
    )
    row = found.first()
    if row is None:
        raise NotFound
    author = await actor_store.get(conn, row.author_id)
    reader = await actor_store.get(conn, row.reader_id)
    if not author.local or reader.local:
        raise NotFound
    said = unseal_words(here, row.id, row.sealed)
    return _note(author, reader, uri, row.place, said), reader


# ---- Taking back


async def delete(
    conn: AsyncConnection, here: Here, persona: Actor, conversation: UUID, message: UUID
) -> None:
    """The persona's own words are gone, for both, and elsewhere. Raises NotFound: not its own."""
    found = await conversation_store.one(conn, here, persona.id, conversation, message)
    if found.author_id != persona.id:
        raise NotFound
    if await erase(conn, found.id, found.uri) is MessageState.OUT:  # which it may be just now
        with_whom = await conversation_store.get(conn, persona.id, conversation)
        reader = await actor_store.get(conn, with_whom.other_id)
        await letters.take_back(conn, here, persona, reader, found.uri)


async def erase(conn: AsyncConnection, message: UUID, uri: str) -> MessageState | None:
    """The words are gone here, with all that carries them and all that is unsent of them.

    How far it had come in the end; None: it was gone already.
    """
    gone = sa.delete(messages).where(messages.c.id == message).returning(messages.c.state)
    state = await conn.scalar(gone)
    await outbox.forget(conn, uri)
    tombstone_log.note(conn, Act.DELETED, uri)
    return None if state is None else MessageState(state)


async def erase_again(conn: AsyncConnection, here: Here, uris: Sequence[str]) -> None:
    """After a restore: what was deleted since the backup is gone, and told elsewhere once more.

    `uris` are one batch. What waited in the backup may have gone out before it was deleted, so it
    is told too.
    """
    for row in (await conn.execute(_WHOLE.where(messages.c.uri.in_(uris)))).all():
        await erase(conn, row.id, row.uri)
        author = await actor_store.get(conn, row.author_id)
        if author.local and row.state != MessageState.WITHHELD:
            reader = await actor_store.get(conn, row.reader_id)
            await letters.take_back(conn, here, author, reader, row.uri)


async def forget_persona(conn: AsyncConnection, actor_id: UUID) -> None:
    """Somebody is gone, and with them every conversation of theirs, and who may write to them."""
    mine = sa.select(conversations.c.id).where(
        sa.or_(conversations.c.one_id == actor_id, conversations.c.other_id == actor_id)
    )
    carrying = (
        sa.select(activities.c.uri)
        .join(messages, messages.c.uri == activities.c.object_uri)
        .where(messages.c.author_id == actor_id)
    )
    await conn.execute(sa.delete(deliveries).where(deliveries.c.activity_uri.in_(carrying)))
    await conn.execute(sa.delete(activities).where(activities.c.uri.in_(carrying)))
    await conn.execute(sa.delete(conversations).where(conversations.c.id.in_(mine)))
    await correspondents.forget_persona(conn, actor_id)


async def stop_all(conn: AsyncConnection) -> None:
    """Nothing that waits goes out; it stays with its authors."""
    await conn.execute(
        sa.update(messages)
        .where(messages.c.due.is_not(None))
        .values(state=MessageState.WITHHELD, due=None)
    )


async def sweep(conn: AsyncConnection, here: Here) -> None:
    """Drop what is older than `KEPT`, and conversations in which nothing is left.

    These are locked first: whoever opens one meanwhile waits, or is seen by the second look.
    """
    before = first_of_minute(here.now() - KEPT)
    await conn.execute(sa.delete(messages).where(messages.c.place < before))
    left = sa.select(messages.c.id).where(messages.c.conversation_id == conversations.c.id)
    none_left = left.limit(at_most(1)).scalar_subquery().is_(None)
    empty = sa.and_(conversations.c.latest < before, none_left)
    locked = sa.select(conversations.c.id).where(empty).order_by(conversations.c.id)
    some = await conn.scalars(locked.limit(at_most(_SWEPT)).with_for_update(skip_locked=True))
    await conn.execute(sa.delete(conversations).where(conversations.c.id.in_(some.all()), empty))
