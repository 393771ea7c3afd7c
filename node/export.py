"""One persona's archive: files that people can read and programs too (DOM-I3, SEC-U19).

It is written to a file without a name, piece by piece, so that memory stays flat however much
somebody wrote; the database is let go before a picture is read or a byte is sent.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Final, TypeVar
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from activitypub import documents, jsontext
from activitypub.actors import Actor
from activitypub.jsontext import Json
from activitypub.vocab import AS2
from groups import belongings
from groups.belongings import Said
from kernel import db
from kernel.clock import iso
from kernel.errors import NotFound
from kernel.here import Here
from kernel.schema.posts import PostState
from media.store import Store
from media.studio import SUFFIX
from members import conversations
from moderation import appeals
from node.pages.render import environment

NAME: Final = "archive.zip"  # says neither whose it is nor from where

_PIECE: Final = 256 * 1024
_PART: Final = 100  # posts that are written in one go of a thread
_WAITING: Final = {
    PostState.HELD: "waits for a moderator",
    PostState.ASKED: "waits for the author it answers",
    PostState.DECLINED: "the author it answers does not let it stand",
    PostState.REMOVED: "removed by moderators",
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Archive:
    """A zip that tells no times; writing happens in threads."""

    zip: ZipFile
    folder: Path
    moderated: list[Json] = field(default_factory=list)

    async def add(self, name: str, pieces: AsyncIterator[bytes]) -> None:
        info = ZipInfo(name)  # from 1980, as all of them
        info.compress_type = ZIP_STORED if name.endswith(SUFFIX) else ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self.zip.open(info, "w", force_zip64=True) as member:
            async for piece in pieces:
                await asyncio.to_thread(member.write, piece)


async def write(
    to: IO[bytes], engine: AsyncEngine, here: Here, store: Store, persona: Actor, *, folder: Path
) -> None:
    """Write the archive of one persona of ours to a file. `folder` has room for its pages."""
    with ZipFile(to, "w", ZIP_DEFLATED) as made, tempfile.TemporaryFile(dir=folder) as page:
        archive = _Archive(made, folder)
        async with engine.connect() as conn:
            await archive.add("actor.json", _once(documents.actor(persona)))
            await _write_words(archive, conn, here, persona, page)
            await _write_lists(archive, conn, here, persona)
            await _write_messages(archive, conn, here, persona)
        page.seek(0)
        await archive.add("index.html", _read(page))
        async with db.at_once(engine).connect() as conn:
            async for media_id in belongings.pictures(conn, persona):
                await _write_picture(archive, store, media_id)


async def _write_words(
    archive: _Archive, conn: AsyncConnection, here: Here, persona: Actor, page: IO[bytes]
) -> None:
    """Every post once, for programs into the archive and for people into `page`."""
    total = await belongings.count(conn, persona)
    templates = environment()
    page.write(
        templates.get_template("export/begin.html")
        .render(
            person=persona,
            site=here.host,
            count=total,
            bans=await belongings.bans_of(conn, persona),
        )
        .encode()
    )

    async def items() -> AsyncIterator[Json]:
        async for several in belongings.said(conn, here, persona):
            for at in range(0, len(several), _PART):
                part = several[at : at + _PART]
                shown = await asyncio.to_thread(
                    templates.get_template("export/posts.html").render, several=part
                )
                page.write(shown.encode())
                archive.moderated.extend(filter(None, map(_fate, part)))
                for said in part:
                    yield _created(said)

    await archive.add("outbox.json", _collection(f"{persona.uri}/outbox", items(), total=total))
    page.write(templates.get_template("export/end.html").render().encode())


def _created(said: Said) -> Json:
    note = documents.note(said.source)
    document = documents.embed(note)
    return {
        "type": "Create",
        "actor": said.source.author.uri,
        "published": iso(said.post.published),
        "to": note["to"],
        "cc": note["cc"],
        "object": document,
    }


def _fate(said: Said) -> Json:
    """What stands in the way of a post, for `moderation.json`; None where nothing does."""
    if said.post.state not in _WAITING:
        return None
    return {
        "about": said.post.uri,
        "state": _WAITING[said.post.state],
        "reason": said.post.reason,
    }


async def _write_lists(
    archive: _Archive, conn: AsyncConnection, here: Here, persona: Actor
) -> None:
    root = persona.uri
    following = _each(belongings.following(conn, persona), lambda each: _person(each))
    await archive.add("following.json", _collection(f"{root}/following", following))
    followers = _each(belongings.followers(conn, persona), lambda each: _person(each))
    await archive.add("followers.json", _collection(f"{root}/followers", followers))
    heard = _each(belongings.heard(conn, persona), lambda uri: uri)
    await archive.add("heard.json", _collection(f"{root}/liked", heard))
    bans = await belongings.bans_of(conn, persona)
    decided: list[Json] = [
        {
            "verb": each.verb,
            "about": each.about,
            "group": each.group,
            "day": each.day.isoformat(),
            "role": each.role,
            "reason": each.reason,
            "rule": each.rule,
            "until": _day(each.until),
        }
        async for several in belongings.decisions(conn, persona)
        for each in several
    ]
    document: dict[str, Json] = {
        "bans": [
            {"group": each.group, "reason": each.reason, "until": _day(each.until)} for each in bans
        ],
        "posts": archive.moderated,
        "decisions": decided,
        "appeals": [
            {
                "day": each.day.isoformat(),
                "state": each.state,
                "words": each.words,
                "answer": each.answer,
            }
            for each in await appeals.of_person(conn, here, persona.id)
        ],
    }
    await archive.add("moderation.json", _once(document))


async def _write_messages(
    archive: _Archive, conn: AsyncConnection, here: Here, persona: Actor
) -> None:
    """What the persona wrote to others, and nothing that they did (SEC-L5)."""
    own = _each(
        conversations.written(conn, here, persona.id),
        lambda each: {"to": each.to, "published": iso(each.time), "content": each.source},
    )
    await archive.add("messages.json", _collection(f"{persona.uri}/messages", own))


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _person(each: belongings.Circle) -> Json:
    return {"id": each.uri, "name": each.name, "address": each.address, "state": each.state}


async def _each(
    steps: AsyncIterator[Sequence[_T]], shown: Callable[[_T], Json]
) -> AsyncIterator[Json]:
    async for several in steps:
        for each in several:
            yield shown(each)


async def _collection(
    uri: str, items: AsyncIterator[Json], *, total: int | None = None
) -> AsyncIterator[bytes]:
    """An OrderedCollection, item by item."""
    head: dict[str, Json] = {"@context": documents.POST_CONTEXT, "id": uri}
    head["type"] = "OrderedCollection"
    if total is not None:
        head["totalItems"] = total
    yield jsontext.dump(head)[:-1] + b',"orderedItems":['
    held = bytearray()
    first = True
    async for item in items:
        held += b"\n" if first else b",\n"
        held += jsontext.dump(item)
        first = False
        if len(held) > _PIECE:
            yield bytes(held)
            held.clear()
    yield bytes(held) + b"\n]}\n"


async def _once(document: dict[str, Json]) -> AsyncIterator[bytes]:
    yield jsontext.dump({"@context": [AS2], **document})


async def _read(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, _PIECE):
        yield piece


async def _write_picture(archive: _Archive, store: Store, media_id: UUID) -> None:
    """A picture that went meanwhile is left out."""
    try:
        found = await store.open(media_id)
        if not isinstance(found, Path):
            await archive.add(f"media/{media_id}{SUFFIX}", found.body)
            return
        with await asyncio.to_thread(found.open, "rb") as file:
            await archive.add(f"media/{media_id}{SUFFIX}", _read(file))
    except (NotFound, FileNotFoundError):
        return
