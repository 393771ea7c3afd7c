"""Pictures in forms, and at their addresses.

A browser does not keep files when a form comes back. So a picture is kept here as soon as it came,
as a draft that only its member holds: in the form stands a token, sealed for them and that form,
which outlives their session. A draft that no post takes is gone after a day.
"""

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final
from uuid import UUID

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING, SETTINGS
from groups import groups as group_store
from groups import picture_access
from groups.groups import Group
from groups.pictures import MAX_PICTURES, NOT_KEPT, Changes, Chosen
from inbox.readers import check_circle, claims_a_signature
from kernel.errors import Busy, Malformed, NotFound, Problem
from kernel.said import noted, said
from kernel.sealing import Unsealable, derive, seal, unseal
from media import child, copies
from media import pictures as media_store
from media.pictures import Kept
from media.studio import MEDIA_TYPE, SUFFIX
from members.sessions import Session
from moderation.visibility import VISITOR
from node.pages import forms, session
from node.pages.forms import FORM, Form
from node.pages.memory import MEMORY
from node.pictures import STORE, STUDIO

ANY_ORIGIN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    # A browser keeps it for an hour, whoever passes it on for a minute: a deleted one is gone then.
    "Cache-Control": "public, max-age=3600, s-maxage=60",
}
OUR_ORIGIN: Final = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
SANDBOX: Final = "sandbox; default-src 'none'"

RETRY_AFTER: Final = 60  # seconds, where the store of pictures is away

_CONTEXT: Final = "picture in a form"
_PURPOSE_BYTES: Final = 16

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AskForWords(Malformed):
    """A picture has no description yet, and nobody said that it shall have none."""

    title = noted("One more thing")


@dataclass(frozen=True, slots=True)
class Held:
    """A draft as a form shows it; `token` stands for it."""

    kept: Kept
    token: str
    alt: str


@dataclass(slots=True)
class Brought:
    """The pictures of a form: those held, and what was wrong with others."""

    held: list[Held] = field(default_factory=list)
    trouble: Problem | None = None
    new: int = 0

    @property
    def undescribed(self) -> bool:
        """Whether one has no words."""
        return any(not each.alt for each in self.held)


BROUGHT = web.RequestKey("pictures brought", Brought)


def of(request: web.Request) -> Brought:
    """The pictures of the form that was posted."""
    return request.get(BROUGHT) or Brought()


async def read(request: web.Request, *, most: int = MAX_PICTURES, side: int = child.SIDE) -> Form:
    """The posted form; pictures that came with it are drafts from now on, beside earlier ones.

    Up to `most` of them, with sides of up to `side` pixels.

    Raises UnsupportedMedia, TooLarge, Malformed: as `forms.read`. What was wrong with a picture is
    raised by `chosen`, so that the form can come back with the others.
    """
    current = session.of(request)
    brought = request[BROUGHT] = Brought()
    posted = await forms.read_with_files(request, most)
    try:
        brought.trouble = posted.trouble
        await _take_up(request, current, request[FORM], brought)
        for file in posted.files:
            if len(brought.held) >= most:
                raise Malformed(_too_many(most))
            brought.held.append(await _draw(request, current, file, side))
            brought.new += 1
    except forms.REFUSED as problem:
        brought.trouble = problem
    finally:
        posted.close()
    return request[FORM]


async def _take_up(request: web.Request, current: Session, form: Form, brought: Brought) -> None:
    """The drafts that the form holds already, without those that shall be left out."""
    alts, out = form.all("alt"), frozenset(form.all("without"))
    asked: dict[UUID, tuple[str, str]] = {}
    dropped: list[UUID] = []
    for number, token in enumerate(form.all("picture")[:MAX_PICTURES]):
        media_id = _open(current, token, request.path)
        if media_id is None:
            brought.trouble = Malformed(NOT_KEPT)
        elif token in out:
            dropped.append(media_id)
        else:
            alt = " ".join(alts[number].split()) if number < len(alts) else ""
            asked[media_id] = (token, alt)
    if not asked and not dropped:
        return
    async with request.app[ENGINE].begin() as conn:
        kept = await media_store.drafts(conn, [*asked, *dropped])
        await media_store.let_go(conn, [each.id for each in kept if each.id in dropped])
    brought.held = [Held(each, *asked[each.id]) for each in kept if each.id in asked]
    if len(brought.held) < len(asked):
        brought.trouble = Malformed(NOT_KEPT)


async def _draw(request: web.Request, current: Session, file: IO[bytes], side: int) -> Held:
    request.app[MEMORY].pictures.check(derive(current.member.root, "picture throttle"))
    picture = await request.app[STUDIO].draw(file, side=side)
    kept = await media_store.keep(
        request.app[ENGINE], request.app[HERE], request.app[STORE], picture
    )
    return Held(kept, _seal(current, kept.id, request.path), "")


async def bring(conn: AsyncConnection, request: web.Request, chosen: Sequence[Chosen]) -> None:
    """The form of this page begins with pictures that somebody had put into it before."""
    current, alts = session.of(request), {each.id: each.alt for each in chosen}
    kept = await media_store.drafts(conn, list(alts)) if alts else []
    held = [Held(each, _seal(current, each.id, request.path), alts[each.id]) for each in kept]
    request[BROUGHT] = Brought(held=held)


def _too_many(most: int) -> str:
    if most == 1:
        return noted("Please choose one picture.")
    return said("A post can have up to {limit} pictures. Please leave some out.", limit=most)


def only_adding(request: web.Request, form: Form) -> bool:
    """Whether the form comes back with its pictures because somebody wanted to add some."""
    return form.ticked("add") and bool(of(request).held)


def chosen(request: web.Request, form: Form) -> tuple[Chosen, ...]:
    """What the post shall have.

    Raises what was wrong with a picture. Raises AskForWords: one has no description, and nobody
    ticked that this is meant.
    """
    brought = of(request)
    if brought.trouble is not None:
        raise brought.trouble
    if brought.undescribed and not form.ticked("undescribed"):
        raise AskForWords(
            "Please say in a few words what each picture shows, for people who cannot see it. "
            "Below the pictures you can also tick to send them without."
        )
    return tuple(Chosen(each.kept.id, each.alt) for each in brought.held)


def changes(form: Form) -> Changes:
    """What the form says about pictures that the post has already."""
    alts = dict(zip(map(_id, form.all("own")), form.all("alt"), strict=False))
    without = frozenset(map(_id, form.all("without")))
    return Changes(
        alts={each: " ".join(alt.split()) for each, alt in alts.items() if each is not None},
        without=frozenset(each for each in without if each is not None),
    )


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _seal(current: Session, media_id: UUID, path: str) -> str:
    sealed = seal(_key(current), media_id.bytes + _mark(path), _CONTEXT)
    return base64.urlsafe_b64encode(sealed).decode()


def _open(current: Session, token: str, path: str | None = None) -> UUID | None:
    """The draft a token stands for; None: another member's, another form's, or no token."""
    try:
        opened = unseal(_key(current), base64.urlsafe_b64decode(token.encode("ascii")), _CONTEXT)
    except (UnicodeEncodeError, binascii.Error, Unsealable):
        return None
    if path is not None and opened[16:] != _mark(path):
        return None
    return UUID(bytes=opened[:16])


def _key(current: Session) -> bytes:
    return derive(current.member.root, "pictures in forms")


def _mark(path: str) -> bytes:
    return hashlib.sha256(path.encode()).digest()[:_PURPOSE_BYTES]


async def show(request: web.Request) -> web.StreamResponse:
    """GET /media/{name}: a picture, for whoever may read its post (SEC-P5, SEC-P9)."""
    media_id = _named(request)
    here, at_home = request.app[HERE], not is_media_host(request)
    try:
        async with request.app[READING].connect() as conn:
            viewer = await session.viewer(conn, request) if at_home else VISITOR
            access = await picture_access.find(conn, media_id, viewer)
    except NotFound:
        await _check_circle(request, media_id)
        return await _file(request, media_id, OUR_ORIGIN)
    if access.used is not None and access.used < here.now().date():
        async with request.app[ENGINE].begin() as conn:
            await copies.looked_at(conn, here, media_id)
    return await _file(request, media_id, ANY_ORIGIN if access.public else OUR_ORIGIN)


async def _check_circle(request: web.Request, media_id: UUID) -> None:
    """Raises NotFound: it is in no circle that is shared with the server that signed."""
    if not claims_a_signature(request):
        raise NotFound
    async with request.app[READING].connect() as conn:
        group = await group_store.get(conn, await picture_access.group_of(conn, media_id))
    await check_circle(request, group, member=True)


async def show_draft(request: web.Request) -> web.StreamResponse:
    """GET /media/drafts/{token}: a draft, for the session that sent it."""
    current: Session | None = request.get(session.SESSION)
    media_id = _open(current, request.match_info["token"]) if current is not None else None
    if media_id is None:
        raise NotFound
    async with request.app[READING].connect() as conn:
        if not await media_store.drafts(conn, [media_id]):
            raise NotFound
    return await _file(request, media_id, OUR_ORIGIN)


def _named(request: web.Request) -> UUID:
    """Raises NotFound: no picture has such a name, or something is asked beside it (SEC-R6)."""
    name = request.match_info["name"]
    try:
        media_id = UUID(name.removesuffix(SUFFIX))
    except ValueError:
        raise NotFound from None
    if request.raw_path != f"/media/{media_id}{SUFFIX}":
        raise NotFound
    return media_id


async def _file(
    request: web.Request, media_id: UUID, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Raises NotFound: it is not there. Raises Busy: the bucket is away."""
    found = await request.app[STORE].open(media_id)
    headers = {
        **headers,
        hdrs.CONTENT_TYPE: MEDIA_TYPE,
        hdrs.CONTENT_DISPOSITION: f'inline; filename="{media_id}{SUFFIX}"',
        "Content-Security-Policy": SANDBOX,
    }
    if isinstance(found, Path):
        return web.FileResponse(found, headers=headers)
    headers[hdrs.CONTENT_LENGTH] = str(found.size)
    return web.Response(body=found.body, headers=headers)


def public_base(request: web.Request, group: Group) -> str:
    """Where a page finds pictures of the group that everybody may see; empty: where it is itself.

    What is not for everybody needs the session, which only our own origin knows.
    """
    return base(request, public=group.settings is not None and group.settings.federates)


def base(request: web.Request, *, public: bool) -> str:
    """As `public_base`, where it is known who may see a picture."""
    return (request.app[SETTINGS].media_origin or "") if public else ""


def is_media_host(request: web.Request) -> bool:
    """Whether it came to the host that shows pictures and nothing else."""
    origin = request.app[SETTINGS].media_origin
    return origin not in (None, request.app[HERE].origin) and (
        request.headers.get(hdrs.HOST, "").lower() == str(origin).partition("://")[2]
    )


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The media host knows no session, and no address but that of public pictures."""
    if not is_media_host(request):
        return await handler(request)
    if request.method in ("GET", "HEAD") and request.path.startswith("/media/"):
        try:
            return await handler(request)
        except Busy as problem:
            wait = {hdrs.RETRY_AFTER: str(problem.retry_after or RETRY_AFTER)}
            return web.Response(status=503, text=f"{problem.title}.\n", headers=wait)
        except (Problem, web.HTTPException):
            pass
    return web.Response(status=404, text="There is no such picture.\n")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/media/drafts/{token}", show_draft),
        web.get("/media/{name}", show),
    ]
