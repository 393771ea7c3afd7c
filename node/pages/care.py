"""The care desk: who may need somebody, how soon, and what to read sooner (MOD-5.14, DOM-D11).

It is one page for all desks of a member. Nothing on it does anything to the person it is about but
let them know, kindly, that somebody is there; nothing on it removes, limits or reports.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import ENGINE, HERE, READING, SETTINGS
from groups import caring, looking, reported, slowing
from groups import groups as group_store
from groups import posts as post_store
from groups.posts import Post
from kernel import text
from kernel.errors import Malformed, NotAllowed, NotFound, Problem
from kernel.here import Here
from kernel.schema.care import CareState, Ending, Level
from kernel.schema.moderation import Role
from moderation import directed
from moderation.care import cases, handover, looks, sooner
from moderation.care.cases import CareCase, Desks, Place
from moderation.care.sooner import Weights
from moderation.directed import Category, Urgency, sent, terms
from moderation.directed.sent import Asked
from node.pages import asked as asked_pages
from node.pages import care_words, forms, session
from node.pages import posts as post_pages
from node.pages.forms import REFUSED, Form
from node.pages.paging import number, uuid
from node.pages.render import render, see_other

PATH: Final = "/moderation/care"
WEIGHTS_FILE: Final = "look-sooner.json"
WEIGHTS: Final = web.AppKey("look_sooner_weights", dict[str, float])

_UNKNOWN: Final = UUID(int=0)


def prepare(app: web.Application) -> None:
    """Read the node's own weights, where it has some. Raises Misconfigured."""
    path: Path = app[SETTINGS].data_dir / WEIGHTS_FILE
    app[WEIGHTS] = dict(sooner.read_weights(path if path.is_file() else None))


async def desks_of(conn: AsyncConnection, request: web.Request) -> Desks:
    """The desks whoever asks sits at.

    Raises SignedOut; NotFound: there are none (SEC-L8); NotAllowed: they are stopped (MOD-H12).
    """
    session.of(request)
    ids = (await session.voices(conn, request)).ids
    found = Desks(
        node=session.is_node_moderator(request), groups=await looking.tended_by(conn, ids)
    )
    if not found.any:
        raise NotFound
    await session.check_going_on(conn, request)
    return found


# ---- The queue


async def show(request: web.Request) -> web.Response:
    """GET /moderation/care."""
    return await _page(request)


async def _page(
    request: web.Request, problem: Problem | None = None, form: Form | None = None
) -> web.Response:
    here, weights = request.app[HERE], request.app[WEIGHTS]
    async with request.app[READING].connect() as conn:
        desks = await desks_of(conn, request)
        mine = (await session.voices(conn, request)).ids
        found = await cases.waiting(conn, here, desks, after=_place(request.query.get("after")))
        order = await _order(conn, here, desks, weights)
        a_day = await looks.a_day(conn)
    shown = found[: cases.PAGE]
    root = session.of(request).member.root
    return render(
        request,
        "care/queue.html",
        problem=problem,
        form=form or Form.of(number=str(a_day)),
        path=PATH,
        found=shown,
        later=_token(cases.place_of(shown[-1])) if len(found) > cases.PAGE else "",
        held={each.id for each in shown if each.is_mine(root)},
        own={each.id for each in shown if each.about and each.about.actor_id in mine},
        order=order,
        of_node=desks.node,
        words=care_words,
    )


async def _order(
    conn: AsyncConnection, here: Here, desks: Desks, weights: Weights
) -> looking.Order:
    return await looking.order(conn, here, desks.groups, weights)


def _place(text: str | None) -> Place | None:
    """Where the queue goes on. Raises NotFound: that is no place."""
    if not text:
        return None
    level, _, rest = text.partition("_")
    due, _, last = rest.partition("_")
    try:
        return int(level) % 10, datetime.fromtimestamp(int(due), tz=UTC), uuid(last) or _UNKNOWN
    except (ValueError, OverflowError, OSError) as error:
        raise NotFound from error


def _token(place: Place) -> str:
    return f"{place[0]}_{int(place[1].timestamp())}_{place[2]}"


async def set_number(request: web.Request) -> web.Response:
    """POST /moderation/care: how many posts moderators want to look at sooner in a day."""
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            if not (await desks_of(conn, request)).node:
                raise NotAllowed("Only the people who look after this place can do that.")
            typed = form.text("number").strip()
            chosen = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 5 else -1
            await looks.choose(conn, chosen)
    except REFUSED as problem:
        return await _page(request, problem, form)
    return see_other(f"{PATH}#sooner")


async def looked(request: web.Request) -> web.Response:
    """POST /moderation/care/looked: somebody read a post of the list; was it right to?"""
    form = await forms.read(request)
    here, weights = request.app[HERE], request.app[WEIGHTS]
    fitting = form.text("fitting")
    try:
        if fitting not in ("yes", "no"):
            raise Malformed("Please say whether it was good to look sooner.")
        async with request.app[ENGINE].begin() as conn:
            order = await _order(conn, here, await desks_of(conn, request), weights)
            post_id = number(form.text("post")) or 0
            listed = {each.post_id: each for each in (*order.first, *order.sample)}
            if post_id in listed:
                await looks.note(
                    conn,
                    here,
                    post_id,
                    listed[post_id].language,
                    sampled=not listed[post_id].look.sooner,
                    fitting=fitting == "yes",
                )
    except REFUSED as problem:
        return await _page(request, problem, form)
    return see_other(f"{PATH}#sooner")


async def show_list(request: web.Request) -> web.Response:
    """GET /moderation/care/list: how often the list was right, week by week."""
    async with request.app[READING].connect() as conn:
        await desks_of(conn, request)
        weeks = await looks.weeks(conn)
    return render(
        request,
        "care/list.html",
        path=PATH,
        weeks=weeks,
        version=sooner.reviewed(),
        languages=sooner.languages(),
        weighed=bool(request.app[WEIGHTS]),
        sample=looks.SAMPLE,
    )


def sooner_of(
    request: web.Request, shown: Mapping[int, Post], a_day: int
) -> Mapping[int, tuple[str, ...]]:
    """Why some of these posts are to be read sooner: as many as moderators want in a day."""
    weights = request.app[WEIGHTS]
    looked = {
        each.id: sooner.look(
            f"{each.title}\n{text.words_of(text.clean(each.content))}",
            each.language,
            answering=not each.is_root,
            weights=weights,
        )
        for each in shown.values()
        if each.shown
    }
    first = sorted(
        (each for each in looked if looked[each].sooner), key=lambda it: -looked[it].points
    )
    return {each: looked[each].reasons for each in first[:a_day]}


# ---- One case


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
    return uuid(request.match_info["case"]) or _UNKNOWN


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
        notes = await cases.notes(conn, here, case.id) if not own else []
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
        notes=notes,
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
        limit=cases.MAX_WORDS,
        levels_of=Level,
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
    await cases.write(work.conn, work.here, work.case, work.form.text("note"))


async def _level(work: Work) -> None:
    await cases.set_level(work.conn, work.here, work.case, _read_level(work.form))


def _read_level(form: Form) -> Level:
    chosen = form.text("level")
    if chosen not in {str(int(each)) for each in Level}:
        raise Malformed("Please choose how soon somebody should look.")
    return Level(int(chosen))


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
    await cases.call_again(work.conn, work.case)


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


# ---- Looking after whoever wrote a post


async def show_post(request: web.Request) -> web.Response:
    """GET /p/{id}/care: a moderator asks the others to look after somebody."""
    return await _post_page(request)


async def _post_page(
    request: web.Request, problem: Problem | None = None, form: Form | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found, _ = await _moderated(conn, request)
    return render(
        request,
        "care/post.html",
        problem=problem,
        form=form or Form.of(level=str(int(Level.MEDIUM))),
        parent=found.shown,
        words=care_words,
        levels_of=Level,
        limit=cases.MAX_WORDS,
    )


async def _moderated(conn: AsyncConnection, request: web.Request) -> tuple[post_pages.Found, Desks]:
    """Raises NotFound: as for a post that is not there, where it is not theirs to look after."""
    desks = await desks_of(conn, request)
    found = await post_pages.find(conn, request)
    theirs = desks.node or found.post.group_id in desks.groups
    if found.shown.mine or not found.post.shown or found.post.by_group or not theirs:
        raise NotFound
    return found, desks


async def look_after(request: web.Request) -> web.Response:
    """POST /p/{id}/care."""
    form, here = await forms.read(request), request.app[HERE]
    try:
        async with request.app[ENGINE].begin() as conn:
            found, _ = await _moderated(conn, request)
            group_id, about = await reported.place(conn, found.group, found.post)
            level = _read_level(form)
            case_id = await cases.open_case(
                conn,
                here,
                about=about,
                host=found.post.author_host,
                level=level,
                group_id=group_id,
            )
            if words := form.text("note").strip():
                await cases.add_words(conn, here, case_id, None, words)
    except REFUSED as problem:
        return await _post_page(request, problem, form)
    return see_other(f"{PATH}#care-{case_id}")


def routes() -> list[web.RouteDef]:
    return [
        web.get(PATH, show),
        web.post(PATH, set_number),
        web.get(f"{PATH}/list", show_list),
        web.post(f"{PATH}/looked", looked),
        web.get(PATH + "/{case}", show_case),
        web.post(PATH + "/{case}/{task}", decide),
        web.get("/p/{id}/care", show_post),
        web.post("/p/{id}/care", look_after),
    ]
