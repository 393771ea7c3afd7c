"""GET /notices: what happened around a member's names, all of them together (DOM-A16).

The member's ids are derived for the request; no address, title or script says whose names they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING
from groups import polls
from groups.polls import Over
from kernel import text
from kernel.ids import first_of_minute
from kernel.schema.notices import NoticeKind
from members import accounts, notices, out_of_reach
from members.member import Cover
from members.notices import Hearer, Notice
from members.quiet import Sieve
from moderation.visibility import Viewer
from node.pages import covers, forms, session, waiting
from node.pages.lines import is_wanted
from node.pages.paging import number
from node.pages.render import render, see_other

PAGE: Final = 20
_EXCERPT: Final = 140


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A notice as its reader sees it. Without an `excerpt`, folded words are left out."""

    notice: Notice
    name: str  # whom it is for
    new: bool
    hearers: Sequence[Hearer] = ()
    excerpt: str = ""
    title: str = ""  # of the thread, where nothing stands before it
    filtered: bool = False  # a word that the member filters stands in it


async def show(request: web.Request) -> web.Response:
    """GET /notices."""
    session.of(request)
    before = number(request.query.get("before"))
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        found = await notices.page(conn, viewer, before=before, limit=PAGE + 1)
        lines = await _lines(conn, request, found[:PAGE])
        over = await _over(conn, request, viewer) if before is None else ()
        names = await _names(conn, request)
        news = await fresh(conn, request) if before is None else 0
        away = await out_of_reach.count(conn, viewer.voices) if before is None else 0
    minute = first_of_minute(request.app[HERE].now())
    return render(
        request,
        "notices/index.html",
        lines=lines,
        over=[(names.get(who, ""), each) for who, each in over],
        older=found[PAGE - 1].id if len(found) > PAGE else None,
        first=before is None,
        away=away,
        minute=minute,
        also=[line.notice.id for line in lines if line.notice.id >= minute],
        live=waiting.opened(request, news=news) if before is None else None,
    )


async def _names(conn: AsyncConnection, request: web.Request) -> dict[UUID, str]:
    mine = (await session.voices(conn, request)).mine
    return {each.actor.id: each.actor.name for each in mine}


async def _lines(
    conn: AsyncConnection, request: web.Request, found: Sequence[Notice]
) -> list[Line]:
    seen, mine = session.of(request).seen, await _names(conn, request)
    return [
        _line(request, each, mine.get(each.persona_id, ""), hearers, new=not seen.holds(each.id))
        for each, hearers in await _wanted(conn, request, found)
    ]


async def _wanted(
    conn: AsyncConnection, request: web.Request, found: Sequence[Notice]
) -> list[tuple[Notice, Sequence[Hearer]]]:
    """Those of the notices that the member wants to hear of, with the hearers of a post.

    Who heard them is asked only where one of the notices is about that.
    """
    sieve, viewer = session.sieve(request), await session.viewer(conn, request)
    heard = [each.post_id for each in found if each.kind is NoticeKind.HEARD and each.post_id]
    who = await notices.hearers(conn, heard)
    wanted: list[tuple[Notice, Sequence[Hearer]]] = []
    once = set[int | None]()  # two may have heard it at the same moment
    for each in found:
        hearers: Sequence[Hearer] = ()
        if each.kind is NoticeKind.HEARD:
            hearers = [
                one for one in who.get(each.post_id or 0, ())
                if sieve.author(one.id, one.host) is None and one.id not in viewer.voices
            ]  # fmt: skip
            if not hearers or each.post_id in once:
                continue
            once.add(each.post_id)
        if _passes(sieve, viewer, each):
            wanted.append((each, hearers))
    return wanted


def _passes(sieve: Sieve, viewer: Viewer, notice: Notice) -> bool:
    """Whether the member wants to hear of it; of their own acts nobody is told."""
    if notice.of_message:
        return sieve.author(notice.group_id, notice.group_host) is None
    if not notice.by_others:
        return True
    if sieve.thread(notice.thread_id) or sieve.server(notice.group_host):
        return False
    if notice.kind is NoticeKind.HEARD:
        return True
    if notice.author_id in viewer.voices:
        return False
    return sieve.author(notice.author_id, notice.author_host) is None


def _line(
    request: web.Request, notice: Notice, name: str, hearers: Sequence[Hearer], *, new: bool
) -> Line:
    """What covers a thread's title covers its answers too."""
    sieve, chosen = session.sieve(request), covers.preferences(request).covers
    now = request.app[HERE].now()
    title_open = covers.cover(notice.title_marks, chosen, now) is Cover.SHOW
    is_open = title_open and covers.cover(notice, chosen, now) is Cover.SHOW
    theirs = notice.kind in (NoticeKind.ANSWER, NoticeKind.MENTION)
    words = text.plain(notice.content, _EXCERPT) if theirs and is_open else ""
    filtered = sieve.has_words and bool(
        sieve.words(
            notice.title, notice.note, notice.title_note, text.plain(notice.content, 20_000)
        )
    )
    return Line(
        notice=notice,
        name=name,
        new=new,
        hearers=hearers,
        excerpt="" if filtered else words,
        title=notice.title if title_open and not filtered else "",
        filtered=filtered,
    )


async def fresh(conn: AsyncConnection, request: web.Request) -> int:
    """How many notices are new, up to one more than a page shows."""
    seen, viewer = session.of(request).seen, await session.viewer(conn, request)
    found = await notices.page(conn, viewer, after=seen.before, limit=PAGE + 1)
    new = sum(not seen.holds(each.id) for each, _ in await _wanted(conn, request, found))
    return new + len(await _over(conn, request, viewer))


async def _over(
    conn: AsyncConnection, request: web.Request, viewer: Viewer
) -> Sequence[tuple[UUID, Over]]:
    """Polls that the member answered and that are over, by whose answer it was.

    Without those that they mute or block.
    """
    voted = session.of(request).seen.voted
    if not voted:
        return ()
    asked = [post_id for _, post_id in voted]
    found = await polls.over_among(conn, viewer, request.app[HERE].now(), asked)
    sieve = session.sieve(request)
    by_id = {
        each.post_id: each
        for each in found
        if is_wanted(sieve, each.author_id, each.author_host, each.group_host, each.thread_id)
    }
    return [(who, by_id[post_id]) for who, post_id in voted if post_id in by_id]


async def mark(request: web.Request) -> web.Response:
    """POST /notices/seen: everything that the page showed, or older, was seen."""
    member, here = session.of(request).member, request.app[HERE]
    form = await forms.read(request)
    minute = min(number(form.text("minute")) or 0, first_of_minute(here.now()))
    also = [number(each) or 0 for each in form.all("also")[:PAGE]]
    gone = {number(each) or 0 for each in form.all("over")[:PAGE]}
    async with request.app[ENGINE].begin() as conn:
        await accounts.change(conn, here, member, lambda blob: blob.marked(minute, also, gone))
    return see_other("/notices")


def routes() -> list[web.RouteDef]:
    return [web.get("/notices", show), web.post("/notices/seen", mark)]
