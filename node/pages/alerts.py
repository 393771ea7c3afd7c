"""Where people on duty hear that something waits: each desk's places, and the way back from one."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.client import Unreachable
from activitypub.state import ENGINE, HERE, READING, SETTINGS
from groups import groups as group_store
from kernel.errors import Malformed, NotFound, Problem
from kernel.said import noted
from kernel.schema.alerts import Way
from kernel.sealing import derive
from moderation import alert_channels, alerting
from moderation.alert_channels import Channel
from node import alerts, web_push
from node.alerts import Words
from node.pages import assets, forms, group_words, session
from node.pages import groups as group_pages
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY
from node.pages.paging import uuid
from node.pages.render import render, see_other
from node.web_push import Browser

WAYS: Final = {
    Way.MAIL: noted("By e-mail"),
    Way.WEBHOOK: noted("To a web address of a program, such as a chat (a webhook)"),
}
SHOWN: Final = {**WAYS, Way.PUSH: noted("In a browser")}
PACES: Final = {
    "15": noted("Every 15 minutes"),
    "60": noted("Every hour"),
    "1440": noted("Once a day"),
}

_WENT: Final = {
    Words.TEST: noted("A test is on its way. Please look whether it came."),
    Words.CODE: noted("A mail with a code is on its way. Please type the code below."),
}
_FAILED: Final = noted("It did not go out. Please look whether the address is right.")
_UNREADABLE: Final = noted("Your browser gave us nothing that we can write to. Please try again.")
_NO_MAIL: Final = noted("This place cannot send mail yet. Those who run it can set that up.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Whose places are meant; `group_id` None: those of the people who run the node."""

    group_id: UUID | None
    name: str
    up: str

    @property
    def path(self) -> str:
        """Of its page of places."""
        return f"{self.up}/alerts"


async def _desk(conn: AsyncConnection, request: web.Request) -> Desk:
    """Raises NotFound, NotAllowed: the member does not look after it."""
    if "name" not in request.match_info:
        session.administrator(request)
        return Desk(group_id=None, name="", up="/settings/node")
    session.of(request)
    group = await group_pages.find(conn, request)
    await moderating(conn, request, group)
    return Desk(group_id=group.id, name=group.actor.name, up=f"{group_words.path(group)}/desk")


async def show(request: web.Request) -> web.Response:
    """GET …/alerts."""
    return await _page(request)


async def _page(
    request: web.Request,
    *,
    form: Form | None = None,
    problem: Problem | None = None,
    said: str = "",
    secret: str = "",
) -> web.Response:
    async with request.app[READING].connect() as conn:
        desk = await _desk(conn, request)
        found = await alert_channels.listed(conn, request.app[HERE], desk.group_id)
    return render(
        request,
        "alerts/show.html",
        form=form or Form.of(way=Way.MAIL, pace="15"),
        problem=problem,
        said=said,
        secret=secret,
        desk=desk,
        found=found,
        ways=WAYS,
        shown=SHOWN,
        push=web_push.public_key(request.app[HERE]),
        paces=PACES,
        mail=request.app[SETTINGS].smtp is not None,
        room=len(found) < alert_channels.MAX_CHANNELS,
        limit=alert_channels.MAX_LABEL,
        longest=alert_channels.MAX_TARGET,
    )


async def add(request: web.Request) -> web.Response:
    """POST …/alerts: a new place, which is tried at once; its secret is shown this once."""
    session.of(request)
    form = await forms.read(request)
    try:
        _pace(request)
        if form.text("way") == Way.MAIL and request.app[SETTINGS].smtp is None:
            raise Malformed(_NO_MAIL)
        browser = _browser(form)
        async with request.app[ENGINE].begin() as conn:
            desk = await _desk(conn, request)
            channel = await alert_channels.add(
                conn,
                request.app[HERE],
                desk.group_id,
                way=form.text("way"),
                label=form.text("label"),
                target=form.text("target"),
                pace=form.number("pace"),
                secret=browser.store() if browser is not None else "",
            )
    except REFUSED as problem:
        return await _page(request, form=form, problem=problem)
    secret = channel.secret if channel.way is Way.WEBHOOK else ""
    return await _page(request, said=await _try(request, channel), secret=secret)


def _browser(form: Form) -> Browser | None:
    """What a browser gave, where it is to be told. Raises Malformed."""
    if form.text("way") != Way.PUSH:
        return None
    try:
        return Browser.read(form.text("point"), form.text("secret"))
    except ValueError as error:
        raise Malformed(_UNREADABLE) from error


async def worker(_: web.Request) -> web.Response:
    """GET /on-duty/worker.js: the script that a browser keeps to show alerts."""
    answer = assets.plain("push-worker.js")
    answer.headers["Cache-Control"] = "no-cache"
    return answer


def _pace(request: web.Request) -> None:
    """Raises TooMany: the member had us send a lot to places within an hour."""
    key = derive(session.of(request).member.root, "alerts throttle")
    request.app[MEMORY].alerts.check(key)


async def _try(request: web.Request, channel: Channel) -> str:
    """Send a test, or the code to an address that nobody confirmed; what there is to say of it."""
    words = Words.TEST if channel.confirmed else Words.CODE
    try:
        await alerts.send(request.app, channel, words)
    except Unreachable:
        return _FAILED
    async with request.app[ENGINE].begin() as conn:
        await alerting.works(conn, channel.id)
    return _WENT[words]


async def test(request: web.Request) -> web.Response:
    """POST …/alerts/test."""
    session.of(request)
    form = await forms.read(request)
    try:
        _pace(request)
        async with request.app[READING].connect() as conn:
            desk = await _desk(conn, request)
            channel = await alert_channels.get(
                conn, request.app[HERE], desk.group_id, _channel(form)
            )
    except REFUSED as problem:
        return await _page(request, problem=problem)
    return await _page(request, said=await _try(request, channel))


def _channel(form: Form) -> UUID:
    return uuid(form.text("channel")) or UUID(int=0)


Act = Callable[[AsyncConnection, web.Request, Desk, Form], Awaitable[None]]


def _change(act: Act) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        session.of(request)
        form = await forms.read(request)
        try:
            async with request.app[ENGINE].begin() as conn:
                desk = await _desk(conn, request)
                await act(conn, request, desk, form)
        except REFUSED as problem:
            return await _page(request, problem=problem)
        return see_other(desk.path)

    return handle


async def _confirm(conn: AsyncConnection, request: web.Request, desk: Desk, form: Form) -> None:
    _pace(request)
    here = request.app[HERE]
    await alert_channels.confirm(conn, here, desk.group_id, _channel(form), form.text("code"))


async def _remove(conn: AsyncConnection, request: web.Request, desk: Desk, form: Form) -> None:
    await alert_channels.remove(conn, desk.group_id, _channel(form))


async def lead(request: web.Request) -> web.Response:
    """GET /on-duty/{channel}: from an alert to its desk, for whoever looks after it."""
    session.of(request)
    async with request.app[READING].connect() as conn:
        asked = uuid(request.match_info["channel"]) or UUID(int=0)
        group_id = await alert_channels.desk_of(conn, asked)
        if group_id is None:
            if not session.is_node_moderator(request):
                raise NotFound
            return see_other("/moderation")
        group = await group_store.get(conn, group_id)
        await moderating(conn, request, group)
    return see_other(f"{group_words.path(group)}/desk")


_ACTS: Final[Mapping[str, Callable[[web.Request], Awaitable[web.Response]]]] = {
    "": add,
    "/test": test,
    "/confirm": _change(_confirm),
    "/remove": _change(_remove),
}


def routes() -> list[web.RouteDef]:
    desks = ("/g/{name}/desk/alerts", "/settings/node/alerts")
    return [
        *(web.get(desk, show) for desk in desks),
        *(web.post(desk + end, act) for desk in desks for end, act in _ACTS.items()),
        web.get(alerts.PATH + "worker.js", worker),
        web.get(alerts.PATH + "{channel}", lead),
    ]
