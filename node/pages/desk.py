"""The moderators' desk of a group: its settings, who waits, what is held, what was decided."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import webfinger
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.state import ENGINE, HERE, READING, REMOTE
from groups import (
    aftercare,
    appointing,
    desk,
    following,
    holding,
    membership,
    memorials,
    parts,
    room,
    stories,
    tending,
    welcome,
)
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group
from groups.pictures import pictures_of
from groups.posts import Post
from kernel.errors import Busy, Gone, Malformed, NotAllowed, NotFound, Problem
from kernel.here import Here
from kernel.languages import LANGUAGES
from kernel.schema.actors import FollowState
from moderation import alerting, circles, standing
from moderation.care import cases as care_cases
from moderation.care.cases import Desks
from moderation.standing import Speaker
from node.pages import decision_words, forms, group_words, session, voices
from node.pages.forms import REFUSED, Form
from node.pages.groups import find, read_settings
from node.pages.paging import number, uuid
from node.pages.render import render, see_other

PAGE: Final = 50  # lines of each list
LATEST: Final = 10  # decisions on the desk itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a moderator decides about, and through whom it is done."""

    conn: AsyncConnection
    here: Here
    group: Group
    desk: Actor
    form: Form
    voices: Sequence[UUID]

    async def founder(self) -> None:
        """Raises NotAllowed: this is for those who founded the group."""
        await appointing.require_founder(self.conn, self.group, self.voices)

    async def person(self) -> Actor:
        """Who it is about. Raises NotFound."""
        try:
            return await actor_store.get(self.conn, UUID(self.form.text("person")))
        except ValueError as error:
            raise NotFound from error

    async def post(self) -> Post:
        """Which post of the group it is about. Raises NotFound."""
        found = await post_store.get(self.conn, number(self.form.text("post")) or 0)
        if found.group_id != self.group.id:
            raise NotFound
        return found


async def moderating(conn: AsyncConnection, request: web.Request, group: Group) -> list[Speaker]:
    """The member's names that look after the group. Raises NotFound: there are none."""
    session.of(request)
    place = await voices.place(conn, request, group)
    ids = (await session.voices(conn, request)).ids
    found = [Speaker(actor=p.actor, voices=ids, one_time=p.one_time) for p in place.moderators]
    if not found:
        raise NotFound
    await session.check_going_on(conn, request)
    return found


def check_other(person_id: UUID, mine: Sequence[UUID]) -> None:
    """Raises NotAllowed: it is a name of whoever would take back what was decided about it."""
    if person_id in mine:
        raise NotAllowed("This is about one of your names. Somebody else decides.")


async def show(request: web.Request) -> web.Response:
    return await _page(request)


async def _page(
    request: web.Request,
    problem: Problem | None = None,
    *,
    invitation: str = "",
    form: Form | None = None,
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        speaker, *_ = await moderating(conn, request, group)
        moderators = await appointing.everyone(conn, group)
        followed = await following.followed(conn, group)
        after = request.query.get
        held = await desk.held(conn, group, after=number(after("held")) or 0, limit=PAGE)
        attached = [post.id for post in held if post.attached]
        pictures = await pictures_of(conn, attached)
        links = await parts.attachments_of(conn, attached)
        waiting, members = [
            await membership.people(conn, group, state, after=uuid(after(name)), limit=PAGE)
            for state, name in ((FollowState.PENDING, "waiting"), (FollowState.ACCEPTED, "members"))
        ]
        queue = await room.waiting(conn, group, after=number(after("queue")) or 0, limit=PAGE)
        watched = await memorials.watched(conn, request.app[HERE], group)
        under_way = await aftercare.under_way(conn, request.app[HERE], group.id)
        banned = await desk.banned(conn, group, after=uuid(after("out")), limit=PAGE)
        log = await desk.log(conn, group, limit=LATEST)
        worried = await care_cases.count(conn, Desks(node=False, groups=(group.id,)))
    return render(
        request,
        "groups/desk.html",
        problem=problem,
        form=form or Form(),
        group=group,
        path=group_words.path(group),
        moderators=moderators,
        followed=followed,
        held=held,
        pictures=pictures,
        links=links,
        for_words={post.id for post in held if holding.is_for_its_words(group, post)},
        waiting=waiting,
        under_way=under_way,
        queue=queue,
        memorials=watched,
        rests=tending.rests(request.app[HERE], group),
        members=members,
        banned=banned,
        mine=speaker.voices,
        log=log,
        kinds=decision_words.KINDS,
        page=PAGE,
        invitation=invitation,
        worried=worried,
        origin=request.app[HERE].origin,
    )


async def _admit(task: Task) -> None:
    await membership.admit(task.conn, task.here, task.group, await task.person())


async def _decline(task: Task) -> None:
    await membership.decline(task.conn, task.here, task.group, await task.person())


async def _approve(task: Task) -> None:
    await membership.approve(task.conn, task.group, (await task.person()).id, True)


async def _withdraw(task: Task) -> None:
    await membership.approve(task.conn, task.group, (await task.person()).id, False)


async def _appoint(task: Task) -> None:
    await task.founder()
    await appointing.appoint(task.conn, task.here, task.group, task.desk, await task.person())


async def _dismiss(task: Task) -> None:
    person = await task.person()
    if person.id not in task.voices:  # everybody may step back themselves
        await task.founder()
    await appointing.dismiss(task.conn, task.here, task.group, task.desk, person)


async def _unfollow(task: Task) -> None:
    await task.founder()
    await following.unfollow(task.conn, task.here, task.group, task.desk, await task.person())


async def _unban(task: Task) -> None:
    person = await task.person()
    check_other(person.id, task.voices)
    await desk.unban(task.conn, task.here, task.group, task.desk, person)


async def _take_over(task: Task) -> None:
    await memorials.take_over(task.conn, task.here, task.group, await task.post())


async def _stay(_: Task) -> None:
    """Only says that somebody is here: see `tending`."""


async def _release(task: Task) -> None:
    post = await task.post()
    await stories.check_reader(task.conn, post, task.voices)
    if post.author_id in task.voices and await standing.limited_until(
        task.conn, task.here, task.group.id, post.author_id
    ):
        check_other(post.author_id, task.voices)
    await desk.release(task.conn, task.here, task.group, task.desk, post)


async def _remove(task: Task) -> None:
    await desk.remove(
        task.conn, task.here, task.group, task.desk, await task.post(), task.form.text("reason")
    )


_TASKS: Final[Mapping[str, Callable[[Task], Awaitable[None]]]] = {
    "admit": _admit,
    "decline": _decline,
    "approve": _approve,
    "withdraw": _withdraw,
    "appoint": _appoint,
    "dismiss": _dismiss,
    "unfollow": _unfollow,
    "unban": _unban,
    "stay": _stay,
    "take-over": _take_over,
    "release": _release,
    "remove": _remove,
}


async def decide(request: web.Request) -> web.Response:
    """POST /g/{name}/desk/{task}: one decision, by the desk."""
    session.of(request)
    form = await forms.read(request)
    work = _TASKS.get(request.match_info["task"])
    if work is None:
        raise NotFound
    try:
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            actor = await desk.require(conn, group, speaker)
            task = Task(
                conn=conn,
                here=session.deciding(request),
                group=group,
                desk=actor,
                form=form,
                voices=speaker.voices,
            )
            await work(task)
            await tending.note(conn, task.here, group)
            await alerting.seen(conn, group.id)
            place = await membership.of(conn, group, speaker.voices)
    except REFUSED as problem:
        return await _page(request, problem)
    still = any(each.moderator for each in place)
    return see_other(f"{group_words.path(group)}{'/desk' if still else ''}")


Asked = Callable[[AsyncConnection, Here, Group, Actor, Actor], Awaitable[None]]


def _ask(field: str, act: Asked) -> Callable[[web.Request], Awaitable[web.Response]]:
    """POST /g/{name}/desk/…: founders decide about somebody elsewhere, named by an address."""

    async def handle(request: web.Request) -> web.Response:
        session.of(request)
        form = await forms.read(request)
        try:
            async with request.app[READING].connect() as conn:
                group = await find(conn, request)
                speaker, *_ = await moderating(conn, request, group)
                await appointing.require_founder(conn, group, speaker.voices)
            other = await _look_up(request, form.text(field))
            async with request.app[ENGINE].begin() as conn:
                actor = await desk.require(conn, group, speaker)
                await act(conn, request.app[HERE], group, actor, other)
        except REFUSED as problem:
            return await _page(request, problem, form=form)
        return see_other(f"{group_words.path(group)}/desk")

    return handle


async def _look_up(request: web.Request, address: str) -> Actor:
    """Raises Malformed, Busy: nobody on another server was found by that address, or not now."""
    try:
        found = await webfinger.find(request.app[HERE], request.app[REMOTE], address)
    except (NotFound, Gone) as error:
        raise Malformed("Nobody answers to that address.") from error
    except Unreachable as error:
        raise Busy("That place does not answer right now. Try it later.") from error
    if found.local:
        raise Malformed("That address is on this server.")
    return found


async def invite(request: web.Request) -> web.Response:
    """POST /g/{name}/desk/invite: a link, shown this once."""
    session.of(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            await moderating(conn, request, group)
            secret = await membership.invite(conn, group, uses=form.number("uses") or 1)
            await tending.note(conn, request.app[HERE], group)
    except REFUSED as problem:
        return await _page(request, problem)
    link = f"{request.app[HERE].origin}{group_words.path(group)}/join?invitation={secret}"
    return await _page(request, invitation=link)


async def show_settings(request: web.Request) -> web.Response:
    return await _settings_page(request, None)


async def _settings_page(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        await moderating(conn, request, group)
        said = await welcome.current(conn, group)
        circle_peers = await circles.peers(conn)
    return render(
        request,
        "groups/settings.html",
        circle_peers=circle_peers,
        form=form or _filled(group, said.source if said else ""),
        problem=problem,
        group=group,
        path=group_words.path(group),
        words=group_words,
        languages=LANGUAGES,
    )


def _filled(group: Group, said: str) -> Form:
    settings = group.settings
    if settings is None:
        raise NotFound
    ticks = (
        "one_voice", "one_time", "notes_required", "contacts", "proofs", "stories", "coarse",
        "details_held",
    )  # fmt: skip
    ticked = {name: ["yes"] for name in ticks if getattr(settings, name)}
    return Form(
        {
            "name": [group.actor.name],
            "about": [group.actor.source],
            "welcome": [said],
            "sees": [settings.sees],
            "posts": [settings.posts],
            "joining": [settings.joining],
            "premoderation": [settings.premoderation],
            "slow_minutes": [str(settings.slow_minutes)],
            "cap": [str(settings.cap)],
            "check_in": ["" if settings.check_in is None else str(settings.check_in)],
            "languages": list(settings.languages),
            "circle": [settings.circle],
            **ticked,
        }
    )


async def save_settings(request: web.Request) -> web.Response:
    session.of(request)
    form = await forms.read(request)
    try:
        settings = read_settings(form)
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            speaker, *_ = await moderating(conn, request, group)
            actor = await desk.require(conn, group, speaker)
            changed = await group_store.update(
                conn,
                request.app[HERE],
                group,
                name=form.text("name"),
                about=form.text("about"),
                settings=settings,
            )
            await welcome.say(conn, request.app[HERE], changed, actor, form.text("welcome"))
            await tending.note(conn, request.app[HERE], group)
    except REFUSED as problem:
        return await _settings_page(request, form, problem)
    return see_other(group_words.path(group))


async def show_edit_guidelines(request: web.Request) -> web.Response:
    return await _guidelines_page(request, None)


async def _guidelines_page(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        await moderating(conn, request, group)
        rules = await group_store.guidelines_text(conn, group)
    return render(
        request,
        "groups/edit_guidelines.html",
        form=form or Form.of(guidelines=rules or group_words.STARTER),
        problem=problem,
        group=group,
        path=group_words.path(group),
    )


async def save_guidelines(request: web.Request) -> web.Response:
    """A new version; after a material one everybody reads and ticks again before they post."""
    session.of(request)
    form = await forms.read(request)
    try:
        if not form.text("guidelines").strip():
            raise Malformed("The guidelines are empty. A few lines are enough.")
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            await moderating(conn, request, group)
            await group_store.set_guidelines(
                conn, group, form.text("guidelines"), material=form.ticked("material")
            )
            await tending.note(conn, request.app[HERE], group)
    except REFUSED as problem:
        return await _guidelines_page(request, form, problem)
    return see_other(f"{group_words.path(group)}/guidelines")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/g/{name}/desk", show),
        web.post("/g/{name}/desk/invite", invite),
        web.post("/g/{name}/desk/ask", _ask("address", appointing.appoint)),
        web.post("/g/{name}/desk/follow", _ask("group_address", following.follow)),
        web.post("/g/{name}/desk/{task}", decide),
        web.get("/g/{name}/settings", show_settings),
        web.post("/g/{name}/settings", save_settings),
        web.get("/g/{name}/guidelines/edit", show_edit_guidelines),
        web.post("/g/{name}/guidelines", save_guidelines),
    ]
