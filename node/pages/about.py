"""What this place is, what it keeps, and how people from elsewhere take part."""

from aiohttp import web

from activitypub.state import ENGINE, HERE, READING
from groups import month_numbers
from moderation.care import handover
from node import data_map, tools
from node.pages import case_words
from node.pages.forms import Form
from node.pages.memory import MEMORY, site
from node.pages.render import render
from resources import crisis

_MAX_ADDRESS = 500


async def show(request: web.Request) -> web.Response:
    return render(
        request,
        "about/about.html",
        node=await site(request.app[MEMORY], request.app[ENGINE]),
        handover_parts=handover.PARTS,
    )


async def show_privacy(request: web.Request) -> web.Response:
    return render(
        request, "about/privacy.html", node=await site(request.app[MEMORY], request.app[ENGINE])
    )


async def show_kept(request: web.Request) -> web.Response:
    """What is kept and how long, from the table that the timers use (DOM-I5)."""
    return render(request, "about/kept.html", map=data_map.MAP)


async def show_tools(request: web.Request) -> web.Response:
    """Every automated tool, what it can do and cannot, and how to switch it off (DOM-H5)."""
    return render(request, "about/tools.html", tools=tools.TOOLS)


async def show_numbers(request: web.Request) -> web.Response:
    """How the last months went here, rounded, and nothing that is small (DOM-H6)."""
    async with request.app[READING].connect() as conn:
        months = await month_numbers.latest(conn)
    overdue, lines = crisis.overdue(request.app[HERE].now().date())
    return render(
        request,
        "about/numbers.html",
        months=months,
        fewest=month_numbers.FEWEST,
        step=month_numbers.STEP,
        why=case_words.SHORT,
        overdue=overdue,
        lines=lines,
    )


async def interact(request: web.Request) -> web.Response:
    """GET /interact?uri= or ?follow=: how to go on with something seen elsewhere (WIRE-D5).

    Members can open it here, others paste it into the search of their own server. Nothing is asked
    of anybody before they press a button.
    """
    given = request.query.get("follow") or request.query.get("uri") or ""
    uri = given[:_MAX_ADDRESS].strip()
    return render(
        request,
        "about/interact.html",
        uri=uri,
        follow="follow" in request.query,
        ours=request.app[HERE].is_local(uri),
        form=Form.of(q=uri),
    )


def routes() -> list[web.RouteDef]:
    return [
        web.get("/about", show),
        web.get("/about/privacy", show_privacy),
        web.get("/about/kept", show_kept),
        web.get("/about/tools", show_tools),
        web.get("/about/numbers", show_numbers),
        web.get("/interact", interact),
    ]
