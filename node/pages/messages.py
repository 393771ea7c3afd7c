"""Messages: whom a name hears from, its conversations, and asking somebody without words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub import webfinger
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.state import ENGINE, HERE, READING, REMOTE
from kernel import text
from kernel.errors import Malformed, NotFound, Problem
from kernel.said import noted
from kernel.schema.actors import ActorKind
from kernel.sealing import derive
from members import conversations, correspondents, messages, requests
from members.conversations import Conversation, Message
from members.quiet import Why
from moderation.standing import Speaker
from node.pages import card, drafts, forms, outgoing, session, voices
from node.pages.forms import REFUSED, Form
from node.pages.memory import MEMORY
from node.pages.own_names import own
from node.pages.paging import number, uuid
from node.pages.render import render, see_other
from resources import crisis

NOBODY: Final = noted("Nobody was found there. Please look at the address once more.")


async def show_names(request: web.Request) -> web.Response:
    """GET /messages: the member's names, and where somebody waits for an answer."""
    session.of(request)
    here = request.app[HERE]
    async with request.app[READING].connect() as conn:
        mine = [each.actor for each in await voices.mine(conn, request) if not each.one_time]
        takes = await correspondents.takes_messages(conn, [each.id for each in mine])
        waiting = {
            each.id: len(await requests.asking(conn, here, each.id))
            for each in mine  # eight at most
            if each.id in takes
        }
    return render(request, "messages/names.html", names=mine, takes=takes, waiting=waiting)


async def show(request: web.Request) -> web.Response:
    """GET /messages/{name}: one name's conversations, the latest first."""
    return await _list(request)


async def _list(request: web.Request, problem: Problem | None = None) -> web.Response:
    session.of(request)
    here, before = request.app[HERE], number(request.query.get("before"))
    sieve = session.sieve(request)
    async with request.app[READING].connect() as conn:
        mine = await own(conn, request)
        found = await conversations.of(conn, mine.id, before=before)
        takes = mine.id in await correspondents.takes_messages(conn, [mine.id])
        asking = await requests.asking(conn, here, mine.id) if takes else ()
        asked = await requests.asked(conn, here, mine.id)
        blocked = await requests.blocked(conn, here, mine.id)
        new = not takes and await correspondents.is_newcomer(conn, here, mine.actor)
    shown = found[: conversations.PAGE]
    return render(
        request,
        "messages/list.html",
        problem=problem,
        person=mine.actor,
        one_time=mine.one_time,
        takes=takes,
        new=new,
        why_new=correspondents.NEW,
        lines=[each for each in shown if not hides(sieve.author(each.other_id, each.host))],
        asking=[each for each in asking if not hides(sieve.author(each.id, each.host))],
        asked=asked,
        blocked=blocked,
        first=before is None,
        older=shown[-1].latest if len(found) > conversations.PAGE else None,
        said="asked" in request.query,
    )


def hides(why: Why | None) -> bool:
    """Whether the member wants to read nothing of somebody."""
    return why is not None and why.hides


async def switch(request: web.Request) -> web.Response:
    """POST /messages/{name}/switch: `on`, or not any more."""
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            mine = await own(conn, request)
            if form.ticked("on"):
                await correspondents.turn_on(conn, request.app[HERE], mine)
            else:
                await correspondents.turn_off(conn, request.app[HERE], mine.id)
    except REFUSED as problem:
        return await _list(request, problem)
    return see_other(f"/messages/{mine.actor.handle}")


async def answer(request: web.Request) -> web.Response:
    """POST /messages/{name}/answer: yes, not now, or never, to somebody who asked."""
    form, here = await forms.read(request), request.app[HERE]
    try:
        async with request.app[ENGINE].begin() as conn:
            mine = await own(conn, request)
            other = await _person(conn, form.text("person"))
            said, where = form.text("answer"), f"/messages/{mine.actor.handle}"
            if said == "yes":
                await requests.say_yes(conn, here, mine, other)
                conversation = await conversations.open_with(conn, here, mine.id, other.id)
                where = f"{where}/{conversation}"
            elif said == "never":
                await correspondents.block(conn, here, mine.id, other.id)
            elif said == "again":
                await correspondents.unblock(conn, here, mine.id, other.id)
            else:
                await requests.say_not_now(conn, here, mine.id, other.id)
    except REFUSED as problem:
        return await _list(request, problem)
    return see_other(where)


async def _person(conn: AsyncConnection, typed: str) -> Actor:
    """Raises NotFound."""
    found = uuid(typed)
    if found is None:
        raise NotFound
    return await actor_store.get(conn, found)


# ---- Asking


async def show_ask(request: web.Request) -> web.Response:
    """GET /write?to=@name: asking whether one may write, in no words."""
    session.of(request)
    return await _ask_page(request, Form.of(to=request.query.get("to", "")[:300]))


async def _ask_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        mine = [each for each in await voices.mine(conn, request) if not each.one_time]
    choices = voices.choices(request, mine, "write", form)
    return render(request, "messages/ask.html", form=form, problem=problem, choices=choices)


async def ask(request: web.Request) -> web.Response:
    """POST /write: the same answer whatever the other one chose, did, or is (SEC-U8)."""
    session.of(request)
    form, here = await forms.read(request), request.app[HERE]
    try:
        voices.pace(request)
        other = await _meant(request, form.text("to").strip())
        async with request.app[ENGINE].begin() as conn:
            speaker = await voices.speaker(conn, request, form, "write")
            await requests.ask(conn, here, speaker, other)
            if await correspondents.may_write(conn, here, speaker.id, other.id):
                conversation = await conversations.open_with(conn, here, speaker.id, other.id)
                return see_other(f"/messages/{speaker.actor.handle}/{conversation}")
    except (*REFUSED, NotFound) as problem:
        told = problem if not isinstance(problem, NotFound) else Malformed(NOBODY)
        return await _ask_page(request, form, told)
    return see_other(f"/messages/{speaker.actor.handle}?asked")


async def _meant(request: web.Request, typed: str) -> Actor:
    """Whom an address means. Raises NotFound, Malformed, TooMany."""
    here = request.app[HERE]
    name, _, host = typed.removeprefix("@").partition("@")
    if host in ("", here.host):
        async with request.app[READING].connect() as conn:
            found = await actor_store.by_handle(conn, name, kind=ActorKind.PERSON)
        if found is None:
            raise NotFound
        return found
    member = session.of(request).member
    request.app[MEMORY].searches.check(derive(member.root, "search throttle"))
    try:
        return await webfinger.find(here, request.app[REMOTE].for_activity(), typed)
    except Unreachable as error:
        raise NotFound from error


# ---- A conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message as its page shows it. `folded` says why the words are folded, if they are."""

    it: Message
    mine: bool
    folded: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A conversation, and the member's name in it."""

    mine: Speaker
    it: Conversation

    @property
    def path(self) -> str:
        return f"/messages/{self.mine.actor.handle}/{self.it.id}"

    async def other(self, conn: AsyncConnection) -> Actor:
        """The other one."""
        return await actor_store.get(conn, self.it.other_id)


async def find(conn: AsyncConnection, request: web.Request) -> Found:
    """Raises SignedOut, NotFound: it is not one of the member's (SEC-L8)."""
    session.of(request)
    mine = await own(conn, request)
    asked = uuid(request.match_info["conversation"])
    return Found(mine=mine, it=await conversations.get(conn, mine.id, asked or UUID(int=0)))


async def show_one(request: web.Request) -> web.Response:
    """GET /messages/{name}/{conversation}."""
    return await _conversation(request, await drafts.resumed(request))


async def _conversation(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    here, before = request.app[HERE], number(request.query.get("before"))
    sieve = session.sieve(request)
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
        hidden = hides(sieve.author(found.it.other_id, found.it.host))
        several: Sequence[Message] = ()
        if not hidden:
            one, it = found.mine.id, found.it.id
            several = await conversations.page(conn, here, one, it, before=before)
        may_write = not hidden and await correspondents.may_write(
            conn, here, found.mine.id, found.it.other_id
        )
        persona = [each for each in await voices.mine(conn, request)
                   if each.actor.id == found.mine.id]  # fmt: skip
    shown = several[: conversations.PAGE]
    lines = [_line(request, found, each) for each in reversed(shown)]
    since = here.now() - card.RECENT
    just = [(each.it.source, each.it.language) for each in lines
            if each.mine and each.it.time > since]  # fmt: skip
    return render(
        request,
        "messages/show.html",
        form=form,
        problem=problem,
        person=found.mine.actor,
        other=found.it,
        path=found.path,
        elsewhere=found.it.host != here.host,
        lines=lines,
        hidden=hidden,
        may_write=may_write,
        ended=messages.ENDED,
        limit=messages.MAX_MESSAGE,
        choices=voices.choices(request, persona, _purpose(found), form),
        first=before is None,
        older=shown[-1].place if len(several) > conversations.PAGE else None,
        card=card.for_words(request, just),
    )


def _purpose(found: Found) -> str:
    return f"message {found.it.id}"


def _line(request: web.Request, found: Found, it: Message) -> Line:
    if it.author_id == found.mine.id:
        return Line(it=it, mine=True, folded="")
    sieve, why = session.sieve(request), ""
    if it.contacts:
        why = "contacts"
    elif it.note:
        why = "note"
    elif sieve.author(it.author_id, found.it.host) is not None or (
        sieve.has_words and sieve.words(text.plain(it.content, 20_000)) is not None
    ):
        why = "quiet"
    return Line(it=it, mine=False, folded=why)


async def send(request: web.Request) -> web.Response:
    """POST /messages/{name}/{conversation}."""
    session.of(request)
    form, here = await forms.read(request), request.app[HERE]
    try:
        voices.pace(request)
        if (kept := await drafts.keep_if_asked(request, form)) is not None:
            return kept
        async with request.app[ENGINE].begin() as conn:
            found = await find(conn, request)
            if hides(session.sieve(request).author(found.it.other_id, found.it.host)):
                raise NotFound
            speaker = await voices.speaker(conn, request, form, _purpose(found))
            await messages.send(
                conn,
                here,
                speaker,
                await found.other(conn),
                form.text("text"),
                language=request[session.PREFERENCES].language or "",
                help_lines=crisis.numbers(),
                timing=outgoing.timing(request),
            )
    except REFUSED as problem:
        return await _conversation(request, form, problem)
    await drafts.done_with(request, form)
    return see_other(found.path)


async def delete(request: web.Request) -> web.Response:
    """POST /messages/{name}/{conversation}/{message}/delete: one's own, out or not."""
    session.of(request)
    await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        found = await find(conn, request)
        asked = uuid(request.match_info["message"]) or UUID(int=0)
        here = request.app[HERE]
        await messages.delete(conn, here, found.mine.actor, found.it.id, asked)
    return see_other(found.path)


async def stop(request: web.Request) -> web.Response:
    """POST /messages/{name}/{conversation}/stop: it ends for both; with `block`, for good."""
    session.of(request)
    form, here = await forms.read(request), request.app[HERE]
    async with request.app[ENGINE].begin() as conn:
        found = await find(conn, request)
        end = correspondents.block if form.ticked("block") else correspondents.stop
        await end(conn, here, found.mine.id, found.it.other_id)
    return see_other(found.path)


def ask_path(address: str) -> str:
    """The page on which one asks somebody."""
    return f"/write?to={quote(address)}"


def routes() -> list[web.RouteDef]:
    return [
        web.get("/messages", show_names),
        web.get("/write", show_ask),
        web.post("/write", ask),
        web.get("/messages/{name}", show),
        web.post("/messages/{name}/switch", switch),
        web.post("/messages/{name}/answer", answer),
        web.get("/messages/{name}/{conversation}", show_one),
        web.post("/messages/{name}/{conversation}", send),
        web.post("/messages/{name}/{conversation}/stop", stop),
        web.post("/messages/{name}/{conversation}/{message}/delete", delete),
    ]
