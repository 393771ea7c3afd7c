"""Support groups: finding, reading, founding, joining and leaving them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.state import ENGINE, HERE, KEYS, READING
from groups import browsing, directory, membership, tending
from groups import groups as group_store
from groups.browsing import ThreadLine
from groups.groups import MAX_CAP, Group, GroupSettings
from kernel.errors import Malformed, NotFound, Problem
from kernel.languages import LANGUAGES
from kernel.said import said
from kernel.schema.actors import ActorKind, FollowState
from kernel.schema.groups import Joining, Posts, Premoderation, Sees
from kernel.sealing import derive
from node.pages import covers, duty, forms, group_words, lines, pictures, session, voices
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY
from node.pages.paging import number, uuid
from node.pages.render import render, see_other

PAGE: Final = 20
MAX_SLOW: Final = 24 * 60


async def find(conn: AsyncConnection, request: web.Request) -> Group:
    """The group that the address names. Raises NotFound: none, or not for this reader."""
    viewer = await session.viewer(conn, request)
    return await group_store.by_name(conn, request.match_info["name"], viewer)


async def _find_to_join(conn: AsyncConnection, request: web.Request, secret: str) -> Group:
    """As `find`; with an invitation also a group that only its members see.

    One elsewhere is asked, and its own moderators decide.
    """
    try:
        return await find(conn, request)
    except NotFound:
        if "@" in request.match_info["name"]:
            return await group_store.circle_elsewhere(conn, request.match_info["name"])
        actor = await actor_store.by_handle(conn, request.match_info["name"], kind=ActorKind.GROUP)
        if actor is None:
            raise
        group = await group_store.get(conn, actor.id)
        if not await membership.is_invited(conn, group, secret):
            raise
        return group


async def show_all(request: web.Request) -> web.Response:
    """GET /groups: in alphabetical order."""
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        found = await directory.page(conn, viewer, after=_after(request), limit=PAGE + 1)
    return render(
        request,
        "groups/index.html",
        groups=found[:PAGE],
        media=pictures.base(request, public=True),
        more=found[PAGE - 1] if len(found) > PAGE else None,
        asked="asked" in request.query,
    )


def _after(request: web.Request) -> tuple[str, UUID] | None:
    after = uuid(request.query.get("after"))
    return None if after is None else (request.query.get("name", ""), after)


async def show(request: web.Request) -> web.Response:
    """GET /g/{name}."""
    before = number(request.query.get("before"))
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        group = await group_store.by_name(conn, request.match_info["name"], viewer)
        found = await browsing.latest(
            conn, viewer, group_id=group.id, before=before, limit=PAGE + 1
        )
        place = await voices.place(conn, request, group)
        onward = await _onward(conn, request, group)
    pinned, found, others = _apart(group, found)
    kept, left_out = covers.in_languages(request, lines.kept(request, found[:PAGE]))
    return render(
        request,
        "groups/show.html",
        duty=duty.now(request),
        group=group,
        path=group_words.path(group),
        media=pictures.public_base(request, group),
        how=group_words.how_it_works(group),
        answers=group_words.first_answers(group),
        rests=tending.rests(request.app[HERE], group),
        place=place,
        pinned=lines.kept(request, pinned),
        others=lines.kept(request, others),
        threads=kept,
        left_out=left_out,
        here_path=request.path_qs,
        older=found[PAGE - 1].latest_id if len(found) > PAGE else None,
        first=before is None,
        asked="asked" in request.query,
        alternate=group.actor.uri if group.actor.local and group.federates else "",
        onward=onward,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Onward:
    """Where a group goes on, and the member's names that could join there in one step."""

    group: Group
    path: str
    choices: Sequence[voices.Choice]


async def _onward(conn: AsyncConnection, request: web.Request, group: Group) -> _Onward | None:
    """None: it did not move, or nothing can be shown here of where it went.

    Where its guidelines are to be read first, that is on the page for joining.
    """
    if group.actor.moved_to is None:
        return None
    actor = await actor_store.by_uri(conn, group.actor.moved_to)
    if actor is None:
        return None
    try:
        found = await group_store.get(conn, actor.id, await session.viewer(conn, request))
    except NotFound:
        return None
    outside = (await voices.place(conn, request, found)).outside
    in_one_step = outside and not found.guidelines_version
    return _Onward(
        group=found,
        path=group_words.path(found),
        choices=voices.choices(request, outside, f"join {found.id}", Form()) if in_one_step else [],
    )


def _apart(
    group: Group, lines: Sequence[ThreadLine]
) -> tuple[Sequence[ThreadLine], Sequence[ThreadLine], Sequence[ThreadLine]]:
    """The pinned threads, the others, and those of groups that this one follows."""
    own = [line for line in lines if line.group_id == group.id]
    return (
        [line for line in own if line.pinned],
        [line for line in own if not line.pinned],
        [line for line in lines if line.group_id != group.id],
    )


async def show_new(request: web.Request) -> web.Response:
    form = Form.of(
        guidelines=group_words.STARTER, languages="en", one_time="yes", details_held="yes"
    )
    return await _new_page(request, form)


async def _new_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        names = [each for each in await voices.mine(conn, request) if not each.one_time]
    return render(
        request,
        "groups/new.html",
        form=form,
        problem=problem,
        choices=voices.choices(request, names, "found a group", form),
        words=group_words,
        languages=LANGUAGES,
        host=request.app[HERE].host,
    )


async def create(request: web.Request) -> web.Response:
    """A new group; the name that founds it looks after it."""
    member = session.of(request).member
    form = await forms.read(request)
    keys = request.app[KEYS]
    try:
        settings = read_settings(form)
        group_keys, desk_keys = await keys.take(), await keys.take()
        async with request.app[ENGINE].begin() as conn:
            speaker = await voices.speaker(conn, request, form, "found a group")
            group = await group_store.create(
                conn,
                request.app[HERE],
                handle=form.text("handle").strip().lower(),
                name=form.text("name"),
                about=form.text("about"),
                rules=form.text("guidelines"),
                settings=settings,
                founder=speaker.actor,
                keys=group_keys,
                desk_keys=desk_keys,
            )
            request.app[MEMORY].founding.check(derive(member.root, "founding throttle"))
    except REFUSED as problem:
        return await _new_page(request, form, problem)
    return see_other(group_words.path(group))


def read_settings(form: Form) -> GroupSettings:
    """A group's settings as ticked. Raises Malformed: a choice that is none."""
    try:
        settings = GroupSettings(
            sees=Sees(form.text("sees")),
            posts=Posts(form.text("posts")),
            joining=Joining(form.text("joining")),
            premoderation=Premoderation(form.text("premoderation")),
            one_voice=form.ticked("one_voice"),
            one_time=form.ticked("one_time"),
            notes_required=form.ticked("notes_required"),
            contacts=form.ticked("contacts"),
            slow_minutes=min(form.number("slow_minutes"), MAX_SLOW),
            languages=tuple(tag for tag in form.all("languages") if tag in LANGUAGES) or ("en",),
            proofs=form.ticked("proofs"),
            cap=_cap(form),
            check_in=_weekday(form),
            stories=form.ticked("stories"),
            coarse=form.ticked("coarse"),
            details_held=form.ticked("details_held"),
            circle=form.text("circle").strip(),
        )
    except ValueError as error:
        raise Malformed("Please choose an answer to every question about the group.") from error
    if settings.proofs and not settings.federates:
        raise Malformed(
            "Proofs are only for groups that everyone can read. "
            "Take that tick away, or let everyone read."
        )
    return settings


def _cap(form: Form) -> int:
    """Most members; 0: no limit. Raises Malformed: it is no number, or too high."""
    typed = form.text("cap").strip()
    if not typed:
        return 0
    if not typed.isdecimal() or int(typed[:10]) > MAX_CAP:
        raise Malformed(
            said(
                "The most members a group can have is a number up to {limit}. 0 means no limit.",
                limit=MAX_CAP,
            )
        )
    return int(typed)


def _weekday(form: Form) -> int | None:
    """On which day the group asks how people are. Raises Malformed: there is no such day."""
    day = form.text("check_in")
    if not day:
        return None
    if day not in group_words.WEEKDAYS:
        raise Malformed("Please choose a day of the week.")
    return int(day)


async def show_join(request: web.Request) -> web.Response:
    form = Form.of(invitation=request.query.get("invitation", ""))
    return await _join_page(request, form)


async def _join_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await _find_to_join(conn, request, form.text("invitation"))
        place = await voices.place(conn, request, group)
        rules = await group_store.guidelines_text(conn, group)
    return render(
        request,
        "groups/join.html",
        form=form,
        problem=problem,
        group=group,
        path=group_words.path(group),
        how=group_words.how_it_works(group),
        rules=rules,
        place=place,
        choices=voices.choices(request, place.outside, f"join {group.id}", form),
    )


async def join(request: web.Request) -> web.Response:
    session.of(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            group = await _find_to_join(conn, request, form.text("invitation"))
            speaker = await voices.speaker(conn, request, form, f"join {group.id}")
            state = await membership.join(
                conn,
                request.app[HERE],
                speaker,
                group,
                guidelines=form.number("guidelines"),
                invitation=form.text("invitation"),
            )
    except REFUSED as problem:
        return await _join_page(request, form, problem)
    if state is FollowState.ACCEPTED:
        return see_other(group_words.path(group))
    hidden = group.actor.members_only
    return see_other(f"{'/groups' if hidden else group_words.path(group)}?asked")


async def show_leave(request: web.Request) -> web.Response:
    return await _leave_page(request, Form())


async def _leave_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        place = await voices.place(conn, request, group)
    inside = [*place.members, *place.waiting]
    return render(
        request,
        "groups/leave.html",
        form=form,
        problem=problem,
        group=group,
        path=group_words.path(group),
        choices=voices.choices(request, inside, f"leave {group.id}", form),
    )


async def leave(request: web.Request) -> web.Response:
    session.of(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            speaker = await voices.speaker(conn, request, form, f"leave {group.id}")
            await membership.leave(conn, request.app[HERE], speaker, group)
    except REFUSED as problem:
        return await _leave_page(request, form, problem)
    return see_other("/groups" if group.settings is None else "/")


async def show_guidelines(request: web.Request) -> web.Response:
    """GET /g/{name}/guidelines: before joining, too."""
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        rules = await group_store.guidelines_text(conn, group)
        place = await voices.place(conn, request, group)
    return render(
        request,
        "groups/guidelines.html",
        group=group,
        path=group_words.path(group),
        rules=rules,
        moderates=bool(place.moderators),
    )


def routes() -> list[web.RouteDef]:
    return [
        web.get("/groups", show_all),
        web.get("/groups/new", show_new),
        web.post("/groups/new", create),
        web.get("/g/{name}", show),
        web.get("/g/{name}/join", show_join),
        web.post("/g/{name}/join", join),
        web.get("/g/{name}/leave", show_leave),
        web.post("/g/{name}/leave", leave),
        web.get("/g/{name}/guidelines", show_guidelines),
    ]
