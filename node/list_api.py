"""Lists of domains for programs: an administrator's, and Mastodon's for everybody (MOD-5.17)."""

import asyncio
import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Final

from aiohttp import hdrs, web

from activitypub.state import ENGINE, HERE, READING, SETTINGS
from inbox import bodies
from kernel.errors import Malformed, NotFound, UnsupportedMedia
from kernel.said import noted
from kernel.schema.moderation import Level
from moderation import domains, policy
from moderation.domains import Rule
from moderation.impact import Seen
from moderation.lists import reading, sources, taking, writing
from moderation.lists.entry import MAX_BYTES, Format, severity
from moderation.lists.rows import Odd, flag
from moderation.lists.taking import Difference
from node import keeping_away
from node.pages import session
from node.pages.memory import MEMORY
from node.pages.session import SESSION

_TOO_LONG: Final = noted("A list can have up to 5 MiB.")
_FRESH: Final = 600  # seconds for which a copy of what everybody may read is good enough
_BY_ENDING: Final = {
    "csv": (Format.MASTODON_CSV, Format.PLAIN_CSV, Format.GOTOSOCIAL_CSV),
    "json": (Format.MASTODON_JSON, Format.GOTOSOCIAL_JSON, Format.RAPIDBLOCK),
    "txt": (Format.TEXT,),
}
_SEVERITIES: Final = (Level.FILTER, Level.REJECT, Level.DROP)


async def export(request: web.Request) -> web.Response:
    """GET /api/mod/lists/export.{csv,json,txt}: what is in force, to be shared (MOD-3.11).

    `format` names another one with that ending; `private=1` adds what we would not share. Whoever
    has the same gets 304. Raises NotFound: there is no such format.
    """
    session.administrator(request)
    formats = _BY_ENDING.get(request.match_info["ending"], ())
    asked = request.query.get("format", formats[0] if formats else "")
    if asked not in formats:
        raise NotFound
    kind = Format(asked)
    rules = await _all(request)
    text = writing.write(kind, rules, for_others=not _yes(request, "private"))
    body = text.encode()
    digest = hashlib.sha256(body)
    response = web.Response(body=body, content_type=writing.TYPES[kind], charset="utf-8")
    response.etag = digest.hexdigest()
    response.headers["Digest"] = f"SHA-256={b64encode(digest.digest()).decode()}"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Disposition"] = (
        f'attachment; filename="domain_blocks.{request.match_info["ending"]}"'
    )
    if changed := max((rule.day for rule in rules if rule.day), default=None):
        response.headers[hdrs.LAST_MODIFIED] = _as_http(changed)
    if digest.hexdigest() in {tag.value for tag in request.if_none_match or ()}:
        return web.Response(status=304, headers={"ETag": response.headers["ETag"]})
    return response


def _as_http(day: date) -> str:
    return format_datetime(datetime.combine(day, time(), UTC), usegmt=True)


async def _all(request: web.Request) -> Sequence[Rule]:
    async with request.app[READING].connect() as conn:
        return await domains.every(conn)


def _yes(request: web.Request, name: str) -> bool:
    """Whether the address says yes to something, as `rows.flag` reads it. Raises Malformed."""
    try:
        return flag(request.query.get(name))
    except Odd as error:
        raise Malformed(str(error)) from error


async def bring(request: web.Request) -> web.Response:
    """POST /api/mod/lists/import: what a list in the body would change, as JSON.

    With `dry_run=1` that is all; otherwise it is taken. `seen` is the digest of the impact that the
    dry run told, and `looked` says that somebody looked twice (MOD-5.9). `list` is the id of one
    that is here, whose rows these are from now on; else `name` names a new one.
    Raises NotFound: no such list. Raises Differs, Malformed: it was not seen.
    """
    session.administrator(request)
    if request.headers.get(hdrs.CONTENT_ENCODING):
        raise UnsupportedMedia(noted("Please send the list as it is, not compressed."))
    body = await bodies.read(request, MAX_BYTES, _TOO_LONG)
    listed = await asyncio.to_thread(reading.read, body)
    dry = _yes(request, "dry_run")
    engine, here = request.app[ENGINE], request.app[HERE]
    async with engine.connect() as conn, conn.begin() as work:
        before = await policy.in_force(conn)
        if known := request.query.get("list"):
            source = await sources.one(conn, known[:100])
        else:
            source = await sources.add(conn, here, name=request.query.get("name") or listed.format)
        found = await taking.compare(conn, here, source, listed)
        await taking.take(conn, here, source, found, agreed=True)
        rows = found.digest
        would = await keeping_away.impact_of(conn, here, before, rows)
        answer = {**described(found), "impact": would.as_json()}
        if dry:
            await work.rollback()
            return web.json_response({"dry_run": True, **answer})
        seen = Seen(request.query.get("seen", ""), _yes(request, "looked"))
        await keeping_away.settled(conn, here, before, seen=seen, rows=rows, about=source.id)
    await keeping_away.follow_up(engine)
    return web.json_response({"dry_run": False, "list": source.id, **answer})


def described(found: Difference) -> dict[str, object]:
    """A difference for programs: the same numbers and names as on the page."""
    return {
        "rows": found.rows,
        "same": found.same,
        "canaries": found.canaries,
        "new": [_row(rule) for rule in found.new],
        "changed": [
            {**_row(after), "was": before.policy.level.value} for before, after in found.changed
        ],
        "gone": [_row(rule) for rule in found.gone],
        "covered": [{"domain": domain, "why": why} for domain, why in found.covered],
        "refused": [
            {"line": each.line or None, "text": each.text, "why": each.why}
            for each in found.refused
        ],
        "ties": sorted(found.ties),
    }


def _row(rule: Rule) -> dict[str, object]:
    return {
        "domain": rule.domain,
        "level": rule.policy.level.value,
        "reject_media": rule.policy.reject_media,
        "reject_reports": rule.policy.reject_reports,
        "comment": rule.public_comment,
    }


async def domain_blocks(request: web.Request) -> web.Response:
    """GET /api/v1/instance/domain_blocks: whom we keep away, as Mastodon shows it (MOD-3.2).

    The setting `show_domain_blocks` says to whom; to everybody else there is no such page.
    """
    readers = request.app[SETTINGS].show_domain_blocks
    if readers == "nobody" or (readers == "members" and SESSION not in request):
        raise NotFound
    shared = "public" if readers == "everybody" else "private"
    return web.Response(
        body=await _blocks(request),
        content_type="application/json",
        headers={"Cache-Control": f"{shared}, max-age={_FRESH}"},
    )


async def _blocks(request: web.Request) -> bytes:
    """The body of that, written anew only when something was decided."""
    memory = request.app[MEMORY]
    async with request.app[READING].connect() as conn:
        version = await policy.version(conn)
        if memory.blocks is not None and memory.blocks[0] == version:
            return memory.blocks[1]
        rules = await domains.every(conn)
    body = await asyncio.to_thread(_written, rules)
    memory.blocks = (version, body)
    return body


def _written(rules: Sequence[Rule]) -> bytes:
    rows = [
        {
            "domain": writing.hidden(rule.domain) if rule.obfuscate else rule.domain,
            "digest": writing.digest(rule.domain),
            "severity": severity(rule.policy.level),
            "comment": rule.public_comment,
        }
        for rule in rules
        if rule.policy.level in _SEVERITIES
    ]
    return json.dumps(rows).encode()


def routes() -> list[web.RouteDef]:
    return [
        web.get("/api/mod/lists/export.{ending}", export),
        web.post("/api/mod/lists/import", bring),
        web.get("/api/v1/instance/domain_blocks", domain_blocks),
    ]
