"""What advice does, for programs: why, what would happen, and the brakes (MOD-5.17)."""

from datetime import date, timedelta
from typing import Final

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from kernel.errors import Malformed
from kernel.said import noted
from kernel.schema.effects import Kind, Mode
from kernel.schema.moderation import Level
from moderation import domains, impact, pacts, why
from moderation.signals import effects
from moderation.signals.rules import Rule
from moderation.signals.vocabulary import Policy
from node import acting
from node.pages import paging, session

_WHAT: Final = noted("Say a domain and a level, or a peer and how far it may go.")
_DAY: Final = noted("Please write the day like 2027-01-31.")


async def reasons(request: web.Request) -> web.Response:
    """GET /api/mod/decisions/{number}/why: the rule, its basis, scores, the preview, and steps."""
    session.node_moderator(request)
    number = paging.number(request.match_info["number"])
    async with request.app[READING].connect() as conn:
        await session.check_going_on(conn, request)
        found = await why.of(conn, number or 0)
    return web.json_response(found.as_json())


async def preview(request: web.Request) -> web.Response:
    """POST /api/mod/signals/preview: numbers; nothing is done.

    `domain`, `level` and `reject_media`: what such a decision would cut, what decides now, and what
    peers say.
    `peer`, `kind`, `mode` and the like: which domains would be treated otherwise by such a rule,
    and how many people.
    Raises Malformed: it is neither.
    """
    session.administrator(request)
    asked, here = request.query, request.app[HERE]
    if peer := asked.get("peer", ""):
        would = await acting.if_rule(request.app[ENGINE], here, _rule(request, peer))
        return web.json_response({"dry_run": True, **would.as_json()})
    try:
        level = Level(asked.get("level", Level.REJECT))
    except ValueError as error:
        raise Malformed(_WHAT) from error
    domain, bare = domains.read_domain(asked.get("domain", "")), _yes(request, "reject_media")
    async with request.app[READING].connect() as conn:
        found = await impact.of(conn, here, [domain], level, reject_media=bare)
        decider = await effects.decider(conn, here, domain)
    return web.json_response({"dry_run": True, "impact": found.as_json(), "decided_by": decider})


def _rule(request: web.Request, peer: str) -> Rule:
    asked, usual = request.query, Rule()
    try:
        return Rule(
            host=peer,
            kind=Kind(asked.get("kind", usual.kind)),
            label=asked.get("label", ""),
            mode=Mode(asked.get("mode", usual.mode)),
            max_policy=Policy(asked.get("max_policy", usual.max_policy)),
            weight=float(asked.get("weight", usual.weight)),
            delay=timedelta(hours=int(asked.get("delay", "24"))),
            ttl_cap=timedelta(days=int(asked.get("ttl", str(usual.ttl_cap.days)))),
            budget=int(asked.get("budget", str(usual.budget))),
            group=asked.get("together", ""),
        )
    except (ValueError, OverflowError) as error:
        raise Malformed(_WHAT) from error


async def freeze(request: web.Request) -> web.Response:
    """POST /api/mod/peers/{host}/freeze: stop listening; what nobody else carries ends.

    Raises NotFound: there is no pact.
    """
    session.administrator(request)
    engine, here, host = request.app[ENGINE], request.app[HERE], request.match_info["host"]
    dry = _yes(request, "dry_run")
    would = await acting.freeze(engine, here, host, dry_run=dry)
    return web.json_response({"dry_run": dry, **would.as_json()})


async def roll_back(request: web.Request) -> web.Response:
    """POST /api/mod/peers/{host}/rollback?since=: end what its advice did since that day.

    Raises Malformed: that is no day. Raises NotFound: nothing was ever agreed with that host.
    """
    session.administrator(request)
    engine, here, host = request.app[ENGINE], request.app[HERE], request.match_info["host"]
    try:
        since = date.fromisoformat(request.query.get("since", ""))
    except ValueError as error:
        raise Malformed(_DAY) from error
    async with request.app[READING].connect() as conn:
        await pacts.one(conn, host)
    dry = _yes(request, "dry_run")
    would = await acting.roll_back(engine, here, host, since, dry_run=dry)
    return web.json_response({"dry_run": dry, **would.as_json()})


def _yes(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") not in ("", "0", "false")


def routes() -> list[web.RouteDef]:
    return [
        web.get("/api/mod/decisions/{number}/why", reasons),
        web.post("/api/mod/signals/preview", preview),
        web.post("/api/mod/peers/{host}/freeze", freeze),
        web.post("/api/mod/peers/{host}/rollback", roll_back),
    ]
