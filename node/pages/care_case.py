"""One care case in the hands of a moderator: what can be done about it, and who does it (MOD-5.14).

Nothing here does anything to the person it is about but let them know, kindly, that somebody is
there; nothing removes, limits or reports.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING
from groups import caring, slowing
from groups import groups as group_store
from groups import posts as post_store
from groups.posts import Post
from kernel.errors import Malformed, NotAllowed, NotFound, Problem
from kernel.here import Here
from kernel.schema.care import CareState, Ending, Level
from kernel.schema.moderation import Role
from moderation import directed
from moderation.care import cases, handover, notes
from moderation.care.cases import CareCase, Desks
from moderation.directed import Category, Urgency, sent, terms
from moderation.directed.sent import Asked
from node.pages import asked as asked_pages
from node.pages import care_words, forms, load, session
from node.pages.care import PATH, UNKNOWN, desks_of, read_level
from node.pages.forms import REFUSED, Form
from node.pages.paging import number, uuid
from node.pages.render import render, see_other


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A care case in the hands of a moderator, in one transaction."""

    conn: AsyncConnection
    here: Here
    desks: Desks
    case: CareCase
    form: Form
    root: bytes = field(repr=False)

    @property
    def role(self) -> Role:
        return Role.NODE if self.desks.node else Role.GROUP

    async def root_post(self) -> Post:
        """The first post of the thread. Raises Malformed: it is about no post."""
        if self.case.post_id is None:
            raise Malformed("This is not about a post.")
        post = await post_store.get(self.conn, self.case.post_id)
        return await post_store.get(self.conn, post.thread_id)


def _case_id(request: web.Request) -> UUID:
    return uuid(request.match_info["case"]) or UNKNOWN


async def show_case(request: web.Request) -> web.Response:
    """GET /moderation/care/{case}."""
    return await _case_page(request)


async def _case_page(
    request: web.Request, problem: Problem | None = None, form: Form | None = None
) -> web.Response:
    here, root = request.app[HERE], session.of(request).member.root
    async with request.app[READING].connect() as conn:
        desks = await desks_of(conn, request)
        case = await cases.get(conn, here, desks, _case_id(request))
        mine = (await session.voices(conn, request)).ids
        own = case.about is not None and case.about.actor_id in mine
        looks_now = case.is_mine(root) and not own
        asked = await _asked_of(conn, here, case) if not own else None
        to_call = await asked_pages.contacts(conn, here, [asked] if asked else [])
        written = await notes.of_case(conn, here, case.id) if not own else []
        policy = await handover.policy(conn)
        asking = await handover.of_case(conn, here, case) if not own else None
        reads = looks_now or asking is not None  # whoever agrees reads what it is about
        post = await _post_of(conn, case) if reads else None
    return render(
        request,
        "care/case.html",
        problem=problem,
        form=form or Form(),
        path=PATH,
        case=case,
        own=own,
        mine=looks_now,
        taken=case.state is CareState.HELD and not case.is_mine(root),
        notes=written,
        post=post,
        slow=post is not None and post.is_slow(here.now()),
        away=case.host != here.host and case.post_id is not None,
        policy=policy,
        parts=handover.PARTS,
        asking=asking,
        asked_myself=asking is not None and asking.is_by(root, case),
        asked=asked,
        to_call=to_call.get(case.host, ""),
        terms=terms,
        words=care_words,
        limit=notes.MAX_WORDS,
        levels_of=Level,
        load=load.enough(request),
    )


async def _post_of(conn: AsyncConnection, case: CareCase) -> Post | None:
    return await post_store.get(conn, case.post_id) if case.post_id is not None else None


async def _asked_of(conn: AsyncConnection, here: Here, case: CareCase) -> Asked | None:
    """What their own server's moderators were asked about it."""
    if case.about is None or case.host == here.host:
        return None
    return await sent.last_care(conn, here, case.host, case.about.uri)


async def decide(request: web.Request) -> web.Response:
    """POST /moderation/care/{case}/{task}. 409: somebody else looks, or it is over."""
    form = await forms.read(request)
    name = request.match_info["task"]
    task, root = TASKS.get(name), session.of(request).member.root
    if task is None:
        raise NotFound
    try:
        async with request.app[ENGINE].begin() as conn:
            desks = await desks_of(conn, request)
            work = await _work_on(conn, request, desks, form, root, anybody=name in ANYBODYS)
            await task(work)
    except REFUSED as problem:
        return await _case_page(request, problem, form)
    if name == "claim" and not work.case.is_mine(root):  # else they go on looking
        await load.one_more(request)
    return see_other(PATH if name in LEAVES else f"{PATH}/{work.case.id}")


async def _work_on(
    conn: AsyncConnection,
    request: web.Request,
    desks: Desks,
    form: Form,
    root: bytes,
    *,
    anybody: bool,
) -> Work:
    """Raises NotAllowed: it is about one of their names, or they did not say that they look."""
    here = session.deciding(request)
    if anybody:
        case = await cases.get(conn, here, desks, _case_id(request), lock=True)
    else:
        case = await cases.take(conn, here, desks, _case_id(request), root)
    mine = (await session.voices(conn, request)).ids
    if case.about is not None and case.about.actor_id in mine:
        raise NotAllowed("This is about one of your names. Somebody else looks after it.")
    return Work(conn=conn, here=here, desks=desks, case=case, form=form, root=root)


async def _claim(work: Work) -> None:
    await cases.claim(work.conn, work.here, work.case, work.root)
    await caring.somebody_read(work.conn, work.here, work.case)


def _held(work: Work) -> None:
    """Raises NotAllowed: whoever asks did not say that they look after it."""
    if not work.case.is_mine(work.root):
        raise NotAllowed("Please say first that you look after it.")


async def _hand_over(work: Work) -> None:
    _held(work)
    await cases.hand_over(work.conn, work.here, work.case, work.form.text("note"))


async def _note(work: Work) -> None:
    await notes.write(work.conn, work.here, work.case.id, work.form.text("note"))


async def _level(work: Work) -> None:
    await cases.set_level(work.conn, work.here, work.case, read_level(work.form))


async def _unsafe(work: Work) -> None:
    await caring.say_nothing(work.conn, work.case)


async def _safe(work: Work) -> None:
    await caring.say_again(work.conn, work.here, work.case)


async def _slow(work: Work) -> None:
    _held(work)
    root = await work.root_post()
    group = await group_store.get(work.conn, root.group_id)
    hours = number(work.form.text("hours")) or 0
    await slowing.slow(work.conn, work.here, group, root, hours)


async def _end_slow(work: Work) -> None:
    await slowing.end(work.conn, await work.root_post())


async def _ask_home(work: Work) -> None:
    """Their own server's moderators hear of one post, and of nothing else (MOD-5.14).

    Raises Refused: there is no safe way, and why. Raises Conflict: they were asked already.
    """
    _held(work)
    about = work.case.about
    if about is None or work.case.post_id is None or work.case.host == work.here.host:
        raise NotAllowed("They live here: there is nobody else to ask.")
    post = await post_store.get(work.conn, work.case.post_id)
    await directed.send(
        work.conn,
        work.here,
        work.case.host,
        category=Category.CARE,
        object_uri=about.uri,
        urgency=Urgency.NOW if work.case.level is Level.NOW else Urgency.TODAY,
        language=post.language,
    )


async def _supported(work: Work) -> None:
    _held(work)
    await cases.close(work.conn, work.here, work.case, Ending.SUPPORTED)


async def _not_needed(work: Work) -> None:
    _held(work)
    await cases.close(work.conn, work.here, work.case, Ending.NOT_NEEDED)


async def _ask_help(work: Work) -> None:
    _held(work)
    told = work.form.text("told")
    await handover.ask(work.conn, work.here, work.case, work.root, told, work.role)
    await cases.call_again(work.conn, work.case.group_id)


async def _agree_help(work: Work) -> None:
    await handover.agree(work.conn, work.here, work.case, work.root, work.role)


async def _no_help(work: Work) -> None:
    await handover.take_back(work.conn, work.here, work.case)


TASKS: Final[Mapping[str, Callable[[Work], Awaitable[None]]]] = {
    "claim": _claim,
    "hand-over": _hand_over,
    "note": _note,
    "level": _level,
    "unsafe": _unsafe,
    "safe": _safe,
    "slow": _slow,
    "end-slow": _end_slow,
    "supported": _supported,
    "not-needed": _not_needed,
    "ask-home": _ask_home,
    "ask-help": _ask_help,
    "agree-help": _agree_help,
    "no-help": _no_help,
}
ANYBODYS: Final = ("agree-help", "no-help")  # the second of two is somebody else
LEAVES: Final = ("hand-over", "supported", "not-needed")


def routes() -> list[web.RouteDef]:
    return [
        web.get(PATH + "/{case}", show_case),
        web.post(PATH + "/{case}/{task}", decide),
    ]
