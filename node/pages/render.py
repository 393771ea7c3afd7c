"""Templates to answers; every value is escaped, and a name that is missing is an error."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from activitypub.state import HERE
from kernel import text
from kernel.errors import Problem
from kernel.languages import name_of
from members.member import Theme
from node.pages import assets, words
from node.pages.forms import Form
from node.pages.memory import MEMORY, known_site
from node.pages.session import PREFERENCES, SESSION, is_administrator


@cache
def environment() -> Environment:
    """The templates: read-only, so every node of a process may share them."""
    made = Environment(
        loader=FileSystemLoader(Path(str(files("templates")))),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"asset": assets.address}
    made.filters |= {
        "clean": text.clean,
        "markdown": lambda source: text.clean(text.render(source)),
        "plain": text.plain,
        "host": text.host_shown,
        "language": name_of,
        "moment": words.moment,
        "stamp": words.stamp,
        "tone": words.tone,
        "initial": words.initial,
        "count": words.count,
        "news": words.news,
    }
    made.globals["ui"] = made.get_template("components.html").module
    return made


def render(
    request: web.Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    alternate: str = "",
    problem: Problem | None = None,
    form: Form | None = None,
    news: int = 0,
    **context: object,
) -> web.Response:
    """A page. With a `problem` it says so at its top, and has its status.

    `alternate` is the address of the same thing as an ActivityPub document. `news`: how many new
    notices the menu tells of, where that was asked.
    """
    here = request.app[HERE]
    sent = dict(headers or {})
    if problem is not None:
        status = problem.status
        if problem.retry_after is not None:
            sent["Retry-After"] = str(problem.retry_after)
    if alternate:
        sent["Link"] = alternate_link(alternate)
    preferences = request.get(PREFERENCES)
    shown = (
        environment()
        .get_template(template)
        .render(
            site=known_site(request.app[MEMORY], here),
            signed_in=SESSION in request,
            administrator=is_administrator(request),
            theme=preferences.theme if preferences else Theme.AUTO,
            current=request.path,
            now=here.now(),
            alternate=alternate,
            problem=problem,
            news=news,
            form=form or Form(),
            **context,
        )
    )
    return web.Response(
        text=shown, status=status, content_type="text/html", charset="utf-8", headers=sent
    )


def alternate_link(uri: str) -> str:
    """The `Link` header that names the same thing as an ActivityPub document (WIRE-B8)."""
    return f'<{uri}>; rel="alternate"; type="application/activity+json"'


def see_other(path: str) -> web.Response:
    """Go on to a page of ours with GET."""
    return web.Response(status=303, headers={"Location": path})
