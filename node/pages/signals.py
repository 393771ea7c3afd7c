"""Advice: what other nodes say, waiting for a person, and what this node says itself."""

from datetime import date
from uuid import UUID

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import Malformed, NotFound, Problem
from kernel.schema.pacts import SignalState, Tier
from moderation import labels
from moderation.directed import sent, terms
from moderation.signals import datasets, published, received, sources
from moderation.signals.datasets import TIER_WORDS
from moderation.signals.published import Advice
from moderation.signals.vocabulary import POLICY_WORDS, Policy
from node.pages import forms, paging, session
from node.pages.forms import REFUSED, Form
from node.pages.pact_words import ASIDE, CHANGES, SIGNAL_STATES
from node.pages.render import render, see_other

_SIGNALS = "/settings/node/signals"
_ADVICE = "/settings/node/advice"
_SHOWN = (SignalState.HELD, SignalState.SHOWN, SignalState.IGNORED, SignalState.RETRACTED,
          SignalState.EXPIRED, SignalState.REPLACED)  # fmt: skip


async def index(request: web.Request) -> web.Response:
    """GET /settings/node/signals: what others advise; what waits for somebody comes first."""
    return await _index(request, None)


async def _index(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    session.administrator(request)
    state = _state(request.query.get("state", ""))
    before = paging.number(request.query.get("before"))
    async with request.app[READING].connect() as conn:
        found = await received.listed(conn, state, before=before)
        read = await sources.listed(conn)
        asked = await sent.about_signals(conn, request.app[HERE], [each.id for each in found])
    more = ""
    if len(found) == received.PAGE:
        more = f"?state={state}&before={found[-1].id}"
    return render(
        request,
        "pacts/signals.html",
        form=form,
        problem=problem,
        signals=found,
        sources=read,
        asked=asked,
        terms=terms,
        state=state,
        states={each: SIGNAL_STATES[each] for each in _SHOWN},
        more=more,
        first=before is None,
        policies=POLICY_WORDS,
        changes=CHANGES,
        aside=ASIDE,
    )


def _state(text: str) -> SignalState:
    try:
        return SignalState(text or SignalState.HELD)
    except ValueError as error:
        raise NotFound from error


async def decide(request: web.Request) -> web.Response:
    """POST …/signals: a person has looked at one: it may stand, or is left alone."""
    session.administrator(request)
    form = await forms.read(request)
    state = SignalState.SHOWN if form.text("answer") == "shown" else SignalState.IGNORED
    try:
        async with request.app[ENGINE].begin() as conn:
            number = paging.number(form.text("signal"))
            await received.decide(conn, request.app[HERE], number or 0, state)
    except REFUSED as problem:
        return await _index(request, form, problem)
    return see_other(_SIGNALS)


async def add_list(request: web.Request) -> web.Response:
    """POST …/signals/lists: read a list of somebody without a pact."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            await sources.add_list(conn, request.app[HERE], form.text("list"))
    except REFUSED as problem:
        return await _index(request, form, problem)
    return see_other(f"{_SIGNALS}#lists")


async def drop_list(request: web.Request) -> web.Response:
    """POST …/signals/lists/drop: do not read it any more."""
    session.administrator(request)
    form = await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        await sources.drop(conn, request.app[HERE], paging.number(form.text("source")) or 0)
    return see_other(f"{_SIGNALS}#lists")


async def advice(request: web.Request) -> web.Response:
    """GET /settings/node/advice: what this node says, and to whom."""
    return await _advice(request, None)


async def _advice(
    request: web.Request, form: Form | None, problem: Problem | None = None
) -> web.Response:
    session.administrator(request)
    here, after = request.app[HERE], request.query.get("after", "")
    async with request.app[READING].connect() as conn:
        dataset = await datasets.look(conn, here)
        found = await published.current(
            conn, after_key=after, limit=published.PAGE, taken_back=False
        )
    return render(
        request,
        "pacts/advice.html",
        form=form or Form.of(policy=Policy.FILTER),
        problem=problem,
        advice=found,
        more=f"?after={found[-1].entity_key}" if len(found) == published.PAGE else "",
        first=not after,
        tier=dataset.tier if dataset else Tier.PACTS,
        url=dataset.url if dataset else "",
        tiers=TIER_WORDS,
        policies=POLICY_WORDS,
        choices={str(policy or "none"): words for policy, words in POLICY_WORDS.items()},
        labels=labels.VOCABULARY,
        changes=CHANGES,
    )


async def advise(request: web.Request) -> web.Response:
    """POST /settings/node/advice: say something about a domain."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        policy = form.text("policy")
        said = Advice(
            domain=form.text("domain"),
            policy=Policy(policy) if policy in {*Policy} else None,
            until=_day(form.text("until")),
            labels=tuple(form.all("label")),
            summary=form.text("reason"),
            cases=form.number("cases") or None,
        )
        async with request.app[ENGINE].begin() as conn:
            await published.advise(conn, session.deciding(request), said)
    except REFUSED as problem:
        return await _advice(request, form, problem)
    return see_other(_ADVICE)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise Malformed("Please write the last day like 2027-01-31.") from error


async def renew(request: web.Request) -> web.Response:
    """POST …/advice/renew: it still holds; say the same, as one more person; or take it back."""
    session.administrator(request)
    form = await forms.read(request)
    here, domain = session.deciding(request), form.text("domain")
    try:
        async with request.app[ENGINE].begin() as conn:
            if agreed := form.text("agree"):
                await published.agree(conn, here, domain, paging.uuid(agreed) or UUID(int=0))
            elif form.ticked("back"):
                await published.retract(conn, here, domain)
            else:
                await published.renew(conn, here, domain, _day(form.text("until")))
    except REFUSED as problem:
        return await _advice(request, form, problem)
    return see_other(_ADVICE)


async def set_tier(request: web.Request) -> web.Response:
    """POST …/advice/tier: who may read it."""
    session.administrator(request)
    form = await forms.read(request)
    try:
        if form.text("tier") not in {*Tier}:
            raise Malformed("Please choose who may read it.")
        async with request.app[ENGINE].begin() as conn:
            await datasets.set_tier(conn, request.app[HERE], Tier(form.text("tier")))
    except REFUSED as problem:
        return await _advice(request, form, problem)
    return see_other(_ADVICE)


def routes() -> list[web.RouteDef]:
    return [
        web.get(_SIGNALS, index),
        web.post(_SIGNALS, decide),
        web.post(_SIGNALS + "/lists", add_list),
        web.post(_SIGNALS + "/lists/drop", drop_list),
        web.get(_ADVICE, advice),
        web.post(_ADVICE, advise),
        web.post(_ADVICE + "/renew", renew),
        web.post(_ADVICE + "/tier", set_tier),
    ]
