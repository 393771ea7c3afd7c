"""What is decided about other servers, and the lists that advice comes from (MOD-5.17)."""

import asyncio
from datetime import date
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from activitypub.state import CLIENT, ENGINE, HERE, READING, SETTINGS
from kernel.errors import Conflict, Malformed, NotFound, Problem
from kernel.said import noted
from kernel.schema.moderation import Level, ListMode
from members.severing import Differs, Words
from moderation import domains, impact, policy
from moderation.domains import GRADES, Rule
from moderation.impact import Impact, Seen
from moderation.lists import reading, sources, taking, undoing
from moderation.lists.entry import MAX_BYTES, Listed
from moderation.lists.sources import STARTER, Source
from moderation.lists.taking import Difference
from moderation.policy import Policy
from node import keeping_away, list_reader
from node.pages import forms, session
from node.pages.forms import REFUSED, Form
from node.pages.multipart import Posted
from node.pages.render import render, see_other

PAGE: Final = 50
SHOWN: Final = 50  # rows of each kind that a preview names
PATH: Final = "/settings/node/domains"

_MODES: Final = {
    ListMode.DRAFT: noted("I look at each new row first."),
    ListMode.AUTOMATIC: noted("Take new rows by itself, 25 a day at most, once I saw the first."),
}
_DAY: Final = noted("Please write the day like 2027-01-31.")


async def index(request: web.Request) -> web.Response:
    """GET /settings/node/domains: what is in force, with a search; `change` fills in the form."""
    session.administrator(request)
    form = None
    if domain := request.query.get("change", ""):
        async with request.app[READING].connect() as conn:
            form = _filled(await domains.own(conn, domain[:300]))
    return await _page(request, form)


def _filled(rule: Rule) -> Form:
    flags = [name for name in ("reject_media", "reject_reports") if getattr(rule.policy, name)]
    return Form(
        {
            "domain": [rule.domain],
            "level": [rule.policy.level.value],
            "flags": flags + ["obfuscate"] * rule.obfuscate,
            "public_comment": [rule.public_comment],
            "reason": [rule.private_comment],
            "until": [rule.until.isoformat() if rule.until else ""],
        }
    )


async def _page(
    request: web.Request,
    form: Form | None = None,
    problem: Problem | None = None,
    *,
    would: Impact | None = None,
) -> web.Response:
    search, after = request.query.get("q", "")[:300], request.query.get("after", "")
    async with request.app[READING].connect() as conn:
        found = await domains.find(conn, search=search, after=after, limit=PAGE)
        lists = await sources.every(conn)
        waiting = await sources.count_waiting(conn)
    more = ""
    if len(found) == PAGE:
        more = "?" + urlencode({"q": search, "after": found[-1].domain})
    return render(
        request,
        "domains/index.html",
        form=form or Form(),
        problem=problem,
        would=would,
        search=Form.of(q=search),
        rules=found,
        lists=lists,
        waiting=waiting,
        grades=GRADES,
        modes=_MODES,
        starter=None if any(each.url == STARTER[1] for each in lists) else STARTER,
        more=more,
        first=not after,
    )


async def decide(request: web.Request) -> web.Response:
    """POST /settings/node/domains: one decision of our own, new or changed."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        await keeping_away.decide(
            request.app[ENGINE],
            request.app[HERE],
            form.text("domain"),
            Policy(
                _level(form), "reject_media" in form.all("flags"),
                "reject_reports" in form.all("flags"),
            ),
            words=Words(
                public_comment=form.text("public_comment"),
                private_comment=form.text("reason"),
                obfuscate="obfuscate" in form.all("flags"),
                until=_day(form.text("until")),
            ),
            seen=_seen(form),
        )  # fmt: skip
    except Differs as problem:
        form = Form({name: each for name, each in form.values.items() if name != "looked"})
        return await _page(request, form, problem, would=problem.impact)
    except REFUSED as problem:
        return await _page(request, form, problem, would=await _would(request, form))
    return see_other(PATH)


def _seen(form: Form) -> Seen:
    return Seen(form.text("seen"), form.ticked("looked"))


async def _would(request: web.Request, form: Form) -> Impact | None:
    """What somebody sees again who was shown what it cuts."""
    if not form.text("seen"):
        return None
    try:
        domain, level = domains.read_domain(form.text("domain")), _level(form)
    except Malformed:
        return None
    bare = "reject_media" in form.all("flags")
    async with request.app[READING].connect() as conn:
        return await impact.of(conn, request.app[HERE], [domain], level, reject_media=bare)


def _level(form: Form, name: str = "level") -> Level:
    try:
        return Level(form.text(name))
    except ValueError as error:
        raise Malformed(noted("Please choose how it is to be treated.")) from error


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError as error:
        raise Malformed(_DAY) from error


async def forget(request: web.Request) -> web.Response:
    """POST …/forget: our own decision is taken back.

    Where a list or a wider decision of ours would cut somebody off then, that is looked at first.
    """
    session.administrator(request)
    form = await forms.read(request)
    app, domain, seen = request.app, form.text("domain")[:300], _seen(form)
    try:
        await keeping_away.forget(app[ENGINE], app[HERE], domain, seen=seen)
    except Differs as problem:
        return _ends(request, domain, Form(), problem, problem.impact)
    except Malformed as problem:
        if not seen.digest:
            return await _page(request, problem=problem)
        would = await keeping_away.forgetting(app[ENGINE], app[HERE], domain)
        return _ends(request, domain, form, problem, would)
    return see_other(PATH)


def _ends(
    request: web.Request, domain: str, form: Form, problem: Problem, would: Impact
) -> web.Response:
    """What taking our own decision about a domain back would cut."""
    return render(
        request, "domains/forget.html", domain=domain, form=form, problem=problem, would=would
    )


async def bring(request: web.Request) -> web.Response:
    """POST …/import: a file or pasted words become a list of which nothing is taken yet.

    One of that name that came as a file is its older copy: new rows wait, and those that are gone
    end. Where that would lift a lot, it is said, and nothing is done (MOD-5.10).
    """
    session.administrator(request)
    posted = await forms.read_with_files(request, 1)
    form, here = request[forms.FORM], request.app[HERE]
    try:
        if posted.trouble is not None:
            raise posted.trouble
        listed = await asyncio.to_thread(reading.read, _brought(posted, form))
        async with request.app[ENGINE].begin() as conn:
            before = await policy.in_force(conn)
            source = await sources.of_name(conn, form.text("name"))
            if source is None:
                source = await sources.add(
                    conn, here, name=form.text("name"), max_level=_level(form, "max_level")
                )
            elif trouble := taking.trouble_with(source, listed):
                raise Conflict(trouble)
            found = await taking.compare(conn, here, source, listed)
            if trouble := taking.takes_back_a_lot(source, found):
                raise Conflict(trouble)
            await taking.take(conn, here, source, found, agreed=False)
            await keeping_away.settled(conn, here, before)
        await keeping_away.follow_up(request.app[ENGINE])
    except REFUSED as problem:
        return await _page(request, form, problem)
    finally:
        posted.close()
    return await _list_page(request, source.id, found=found, listed=listed)


def _brought(posted: Posted, form: Form) -> bytes:
    """The file, or the rows that were pasted."""
    if not posted.files:
        return form.text("rows").encode()
    posted.files[0].seek(0)
    return posted.files[0].read(MAX_BYTES + 1)


async def subscribe(request: web.Request) -> web.Response:
    """POST …/lists: an address that is read again each day."""
    session.administrator(request)
    form = await forms.read(request)
    app = request.app
    try:
        async with app[ENGINE].begin() as conn:
            source = await sources.add(
                conn,
                app[HERE],
                name=form.text("name"),
                url=form.text("url"),
                mode=_mode(form),
                max_level=_level(form, "max_level"),
                excluded=sources.read_excluded(form.text("excluded")),
                allow_http=bool(app[SETTINGS].allow_networks),
            )
        await list_reader.refresh(app[ENGINE], app[HERE], app[CLIENT], source.id)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(_at(source))


def _mode(form: Form) -> ListMode:
    try:
        return ListMode(form.text("mode"))
    except ValueError as error:
        raise Malformed(noted("Please choose what becomes of new rows.")) from error


def _at(source: Source) -> str:
    return f"{PATH}/lists/{source.id}"


async def show(request: web.Request) -> web.Response:
    """GET …/lists/{list}: what of a list waits for somebody to look."""
    session.administrator(request)
    return await _list_page(request, request.match_info["list"])


async def _list_page(
    request: web.Request,
    list_id: str,
    form: Form | None = None,
    problem: Problem | None = None,
    *,
    found: Difference | None = None,
    listed: Listed | None = None,
    ends: bool = False,
) -> web.Response:
    after = request.query.get("after", "")
    async with request.app[READING].connect() as conn:
        source = await sources.one(conn, list_id)
        rules = await sources.waiting(conn, source, after=after, limit=PAGE)
        count = (await sources.count_waiting(conn)).get(source.id, 0)
        takings = await undoing.history(conn, list_id=source.id)
    would = None
    if ends or (count and not after):  # it is tried once, and not for each page of the rows
        would = await _would_cut(request, source, ends=ends)
    more = "?" + urlencode({"after": rules[-1].domain}) if len(rules) == PAGE else ""
    return render(
        request,
        "domains/list.html",
        form=form or _of_source(source),
        problem=problem,
        source=source,
        path=_at(source),
        rules=rules,
        count=count,
        takings=takings,
        would=would,
        ends=ends,
        found=found,
        listed=listed,
        shown=SHOWN,
        grades=GRADES,
        modes=_MODES,
        more=_at(source) + more if more else "",
        first=not after,
    )


async def _would_cut(request: web.Request, source: Source, *, ends: bool) -> Impact:
    """What it would cut to take all that waits of a list, or to end it: tried, and taken back."""
    here = request.app[HERE]
    async with request.app[ENGINE].connect() as conn, conn.begin() as work:
        before = await policy.in_force(conn)
        rows = ""
        if ends:
            await sources.remove(conn, here, source)
        else:
            rows = taking.digest(await taking.agree(conn, here, source))
        would = await keeping_away.impact_of(conn, here, before, rows)
        await work.rollback()
    return would


def _of_source(source: Source) -> Form:
    return Form.of(
        mode=source.mode.value,
        max_level=source.max_level.value,
        excluded="\n".join(source.excluded),
    )


async def change(request: web.Request) -> web.Response:
    """POST …/lists/{list}: how the list is taken from now on."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            source = await sources.one(conn, request.match_info["list"])
            await sources.change(
                conn,
                request.app[HERE],
                source,
                mode=_mode(form) if source.url else ListMode.DRAFT,
                max_level=_level(form, "max_level"),
                excluded=sources.read_excluded(form.text("excluded")),
            )
    except REFUSED as problem:
        return await _list_page(request, request.match_info["list"], form, problem)
    return see_other(_at(source))


async def answer(request: web.Request) -> web.Response:
    """POST …/lists/{list}/answer: take what waits, throw it away, read it again, or end it."""
    session.administrator(request)
    form = await forms.read(request)
    engine, here = request.app[ENGINE], request.app[HERE]
    said, list_id = form.text("answer"), request.match_info["list"]
    if said in ("read", "whatever"):
        await list_reader.refresh(
            engine, here, request.app[CLIENT], list_id, whatever=said == "whatever"
        )
        return see_other(f"{PATH}/lists/{list_id}")
    if said not in ("take", "refuse", "remove"):
        raise NotFound
    seen = _seen(form)
    try:
        async with engine.begin() as conn:
            before = await policy.in_force(conn)
            source, rows = await sources.one(conn, list_id), ""
            if said == "take":
                rows = taking.digest(await taking.agree(conn, here, source))
            elif said == "refuse":
                await taking.throw_away(conn, here, source)
            else:
                await sources.remove(conn, here, source)
            await keeping_away.settled(
                conn, here, before, seen=seen, rows=rows, about=source.address
            )
    except REFUSED as problem:
        return await _list_page(request, list_id, None, problem, ends=said == "remove")
    await keeping_away.follow_up(engine)
    return see_other(PATH if said == "remove" else _at(source))


def routes() -> list[web.RouteDef]:
    return [
        web.get(PATH, index),
        web.post(PATH, decide),
        web.post(f"{PATH}/forget", forget),
        web.post(f"{PATH}/import", bring),
        web.post(f"{PATH}/lists", subscribe),
        web.get(f"{PATH}/lists/{{list}}", show),
        web.post(f"{PATH}/lists/{{list}}", change),
        web.post(f"{PATH}/lists/{{list}}/answer", answer),
    ]
