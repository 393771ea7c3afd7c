"""What advice does here: what it asks of a person, what acts by itself, and why (MOD-5.16)."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final
from urllib.parse import quote

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import Malformed, NotFound, Problem
from kernel.said import noted
from kernel.schema.effects import EffectState, Mode
from kernel.schema.moderation import Level
from members.severing import Differs
from moderation import impact, why
from moderation.care import peers as care_peers
from moderation.impact import Seen
from moderation.signals import effects, received, rules
from moderation.signals.effects import Effect
from moderation.signals.records import FEW, Records
from moderation.signals.rules import Kind, Rule
from moderation.signals.vocabulary import POLICY_WORDS, Policy
from node import acting
from node.acting import Outcome
from node.pages import forms, session
from node.pages.advice_words import ENDS, KINDS, LEVELS, MODES, SHOWS, STATES, VERBS
from node.pages.forms import REFUSED, Form
from node.pages.paging import number
from node.pages.render import render, see_other

PATH: Final = "/settings/node/effects"
RULES: Final = "/settings/node/signals/rules"
_STATES: Final[Mapping[str, tuple[EffectState, ...]]] = {
    "asks": (EffectState.HELD, EffectState.REVIEW, EffectState.BEGUN),
    "acts": (EffectState.BEGUN, EffectState.APPLIED, EffectState.WAITING),
    "trial": (EffectState.TRIAL,),
    "agreed": (EffectState.AGREED,),
    "over": (EffectState.ENDED, EffectState.REFUSED),
}
_DAY: Final = noted("Please write the day like 2027-01-31.")
_NUMBER: Final = noted("Please write a number.")


async def index(request: web.Request) -> web.Response:
    """GET /settings/node/effects: what asks for a person first; `show` chooses others."""
    session.administrator(request)
    show = request.query.get("show", "") or "asks"
    if show not in _STATES:
        raise NotFound
    before = number(request.query.get("before"))
    async with request.app[READING].connect() as conn:
        found = await effects.listed(conn, _STATES[show], before=before)
    more = f"{PATH}?show={show}&before={found[-1].id}" if len(found) == effects.PAGE else ""
    if show == "asks":
        found = [each for each in found if each.asks]
    return render(
        request,
        "pacts/effects.html",
        effects=found,
        show=show,
        shows=SHOWS,
        states=STATES,
        ends=ENDS,
        levels=LEVELS,
        more=more,
        first=before is None,
    )


def _id(request: web.Request) -> int:
    found = number(request.match_info["number"])
    if found is None:
        raise NotFound
    return found


async def show(request: web.Request) -> web.Response:
    """GET …/effects/{number}: who asks for it, what it would cut now, and what can be said."""
    return await _page(request, Form.of(level=request.query.get("level", "")))


async def _page(request: web.Request, form: Form, problem: Problem | None = None) -> web.Response:
    session.administrator(request)
    async with request.app[READING].connect() as conn:
        effect = await effects.one(conn, _id(request))
        level = _level(form.text("level"), effect)
        would = await impact.of(conn, request.app[HERE], [effect.domain], level)
        basis = await why.basis_of(conn, effect.basis)
    return render(
        request,
        "pacts/effect.html",
        form=form,
        problem=problem,
        effect=effect,
        would=would,
        level=level,
        basis=basis,
        path=f"{PATH}/{effect.id}",
        states=STATES,
        ends=ENDS,
        levels=LEVELS,
        policies=POLICY_WORDS,
    )


def _level(text: str, effect: Effect) -> Level:
    """What somebody looks at: as they chose, or as it is asked for."""
    return Level(text) if text in (Level.FILTER, Level.REJECT) else effect.level


async def agree(request: web.Request) -> web.Response:
    """POST …/agree: a person decides so; where it cuts much, the first of two."""
    session.administrator(request)
    form = await forms.read(request)
    engine, here = request.app[ENGINE], session.deciding(request)
    try:
        async with engine.connect() as conn:
            chosen = _level(form.text("level"), await effects.one(conn, _id(request)))
        seen = Seen(form.text("seen"), form.ticked("looked"))
        await acting.agree(engine, here, _id(request), chosen, seen)
    except Differs as problem:
        return await _page(request, Form.of(level=form.text("level")), problem)
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(f"{PATH}/{_id(request)}")


async def answer(request: web.Request) -> web.Response:
    """POST …/answer: it does nothing, or what holds stays."""
    session.administrator(request)
    form = await forms.read(request)
    said = {"refuse": acting.refuse, "keep": acting.keep}.get(form.text("answer"))
    if said is None:
        raise NotFound
    try:
        await said(request.app[ENGINE], request.app[HERE], _id(request))
    except REFUSED as problem:
        return await _page(request, form, problem)
    return see_other(PATH)


async def show_rules(request: web.Request) -> web.Response:
    """GET …/signals/rules/{host}: how far what it says may go, and what rests on it."""
    return await _rules(request, _usual_form())


def _usual_form() -> Form:
    usual = Rule()
    return Form.of(
        kind=Kind.ADVICE_DOMAIN,
        mode=usual.mode,
        max_policy=usual.max_policy,
        weight=str(usual.weight),
        delay="24",
        ttl=str(usual.ttl_cap.days),
        budget=str(usual.budget),
    )


async def _rules(
    request: web.Request,
    form: Form,
    problem: Problem | None = None,
    *,
    would: Outcome | None = None,
    forgets: bool = False,
    back: Outcome | None = None,
) -> web.Response:
    session.administrator(request)
    host = _host(request)
    async with request.app[READING].connect() as conn:
        written = await rules.about(conn, host)
        usual = [await rules.of(conn, host, kind) for kind in Kind]
        resting = await effects.live(conn, host)
        found = (await Records.read(conn, [host]))[host]
        care = await care_peers.record(conn, host), await care_peers.budget(conn, host)
    ceiling = next(rule.weight for rule in usual if rule.kind is Kind.ADVICE_DOMAIN)
    return render(
        request,
        "pacts/rules.html",
        form=form,
        problem=problem,
        host=host,
        path=f"{RULES}/{quote(host, safe=':')}",
        written=written,
        usual=usual,
        resting=resting[: effects.PAGE],
        would=would,
        forgets=forgets,
        back=back,
        found=found,
        few=FEW,
        ceiling=ceiling,
        care=care,
        kinds=KINDS,
        modes=MODES,
        states=STATES,
        levels=LEVELS,
        policies={str(policy): words for policy, words in POLICY_WORDS.items() if policy},
    )


def _host(request: web.Request) -> str:
    host = request.match_info["host"].lower()
    if len(host) > 300 or not host.isprintable():
        raise NotFound
    return host


def _rule(request: web.Request, form: Form) -> Rule:
    """Raises Malformed."""
    try:
        kind, mode = Kind(form.text("kind")), Mode(form.text("mode"))
        policy = Policy(form.text("max_policy") or Policy.FILTER)
    except ValueError as error:
        raise Malformed(noted("Please choose what happens with it.")) from error
    usual = Rule()
    return Rule(
        host=_host(request),
        kind=kind,
        label=form.text("label").strip(),
        mode=mode,
        max_policy=policy,
        weight=_number(form.text("weight"), usual.weight),
        delay=timedelta(hours=_number(form.text("delay"), 24)),
        ttl_cap=timedelta(days=_number(form.text("ttl"), usual.ttl_cap.days)),
        budget=int(_number(form.text("budget"), usual.budget)),
        group=form.text("together"),
    )


def _number(text: str, usual: float) -> float:
    if not text.strip():
        return usual
    try:
        found = float(text.replace(",", "."))
    except ValueError as error:
        raise Malformed(_NUMBER) from error
    if not -1e6 < found < 1e6:  # nor is it no number at all
        raise Malformed(_NUMBER)
    return found


async def write_rule(request: web.Request) -> web.Response:
    """POST …/signals/rules/{host}: so it is from now on; or `look` at what that would change."""
    session.administrator(request)
    form = await forms.read(request)
    engine, here = request.app[ENGINE], request.app[HERE]
    try:
        rule = _rule(request, form)
        if form.ticked("look"):
            return await _rules(request, form, would=await acting.if_rule(engine, here, rule))
        async with engine.begin() as conn:
            await rules.write(conn, here, rule)
            await received.stand_anew(conn, here, rule.host)
        await acting.take_stock(engine, here)
    except REFUSED as problem:
        return await _rules(request, form, problem)
    return see_other(f"{RULES}/{quote(_host(request), safe=':')}")


async def forget_rule(request: web.Request) -> web.Response:
    """POST …/forget: as usual from now on; first only what that would change."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        kind = Kind(form.text("kind"))
    except ValueError as error:
        raise NotFound from error
    engine, here, host = request.app[ENGINE], request.app[HERE], _host(request)
    label, sure = form.text("label"), form.ticked("sure")
    would = await acting.forget_rule(engine, here, host, kind, label, dry_run=not sure)
    if not sure:
        kept = Form({**_usual_form().values, "kind": [kind], "label": [label]})
        return await _rules(request, kept, would=would, forgets=True)
    return see_other(f"{RULES}/{quote(_host(request), safe=':')}")


async def roll_back(request: web.Request) -> web.Response:
    """POST …/back: end what its advice did since a day; first only what that would change."""
    session.administrator(request)
    form = await forms.read(request)
    engine, here, host = request.app[ENGINE], request.app[HERE], _host(request)
    kept = Form({**_usual_form().values, "since": [form.text("since")]})
    try:
        since = _day(form.text("since"))
        sure = form.ticked("sure")
        back = await acting.roll_back(engine, here, host, since, dry_run=not sure)
    except REFUSED as problem:
        return await _rules(request, kept, problem)
    if not sure:
        return await _rules(request, kept, back=back)
    return see_other(f"{RULES}/{quote(host, safe=':')}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise Malformed(_DAY) from error


async def reasons(request: web.Request) -> web.Response:
    """GET /desk/decisions/{number}/why: the rule, what it rests on, and what was seen before."""
    session.node_moderator(request)
    async with request.app[READING].connect() as conn:
        await session.check_going_on(conn, request)
        found = await why.of(conn, _id(request))
    return render(request, "pacts/why.html", why=found, verbs=VERBS, policies=POLICY_WORDS)


def routes() -> list[web.RouteDef]:
    host = RULES + "/{host}"
    return [
        web.get(PATH, index),
        web.get(PATH + "/{number}", show),
        web.post(PATH + "/{number}/agree", agree),
        web.post(PATH + "/{number}/answer", answer),
        web.get(host, show_rules),
        web.post(host, write_rule),
        web.post(host + "/forget", forget_rule),
        web.post(host + "/back", roll_back),
        web.get("/desk/decisions/{number}/why", reasons),
    ]
