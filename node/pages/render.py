"""Templates to answers; every value is escaped, and a name that is missing is an error."""

from collections.abc import Mapping
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from activitypub.care import HOPES
from activitypub.state import HERE
from kernel import text
from kernel.errors import Problem
from kernel.said import noted_in
from moderation.labels import FOR_AUTHORS, FOR_READERS
from node.pages import assets, covers, group_words, look, words
from node.pages.catalogues import SOURCE, Folded, Spoken, catalogue, country, tongue
from node.pages.forms import Form
from node.pages.look import Look
from node.pages.memory import MEMORY, known_site
from node.pages.session import SESSION, is_administrator, is_node_moderator


@cache
def environment(language: str = SOURCE, *, easier: bool = False) -> Environment:
    """The templates in one language: read-only, so every node of a process may share them."""
    made = Environment(
        loader=FileSystemLoader(Path(str(files("templates")))),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=[Folded],
    )
    made.code_generator_class = Spoken
    found = catalogue(language)
    spoken = words.Words(found, easier, language)
    made.policies["ext.i18n.trimmed"] = True
    made.globals |= {
        "asset": assets.address,
        "catalogue": found,
        "language": language,
        "easier": easier,
        "_": found.gettext,
        "pgettext": found.pgettext,
        "ngettext": found.ngettext,
        "counted": spoken.counted,
        "noted_in": noted_in,
        "wishes": group_words.WISHES,
        "hopes": HOPES,
        "note_labels": FOR_AUTHORS,
        "reader_labels": FOR_READERS,
    }
    made.filters |= {
        "clean": text.clean,
        "markdown": lambda source: text.clean(text.render(source)),
        "plain": text.plain,
        "host": text.host_shown,
        "language": partial(tongue, language),
        "country": partial(country, language),
        "machine": words.machine,
        "moment": spoken.moment,
        "stamp": spoken.stamp,
        "day": spoken.day,
        "month": spoken.month,
        "number": spoken.number,
        "told": spoken.told,
        "shown": spoken.shown,
        "ours": spoken.ours,
        "careful": spoken.careful,
        "begun": words.begun,
        "hour": spoken.hour,
        "few": spoken.few,
        "tone": words.tone,
        "initial": words.initial,
        "count": spoken.count,
        "news": spoken.news,
        "cover": covers.cover,
        "given": covers.given,
        "topics": covers.topics,
    }
    made.globals["ui"] = made.get_template("components.html").module
    return made


def draw(template: str, drawn_for: Look, **context: object) -> str:
    """A page as somebody likes to see it."""
    made = environment(drawn_for.language, easier=drawn_for.easier)
    return made.get_template(template).render(look=drawn_for, **context)


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
    shown = draw(
        template,
        look.of(request),
        answers_form=request.method not in {"GET", "HEAD"},
        site=known_site(request.app[MEMORY], here),
        signed_in=SESSION in request,
        administrator=is_administrator(request),
        node_moderator=is_node_moderator(request),
        current=request.path,
        now=here.now(),
        alternate=alternate,
        problem=problem,
        news=news,
        form=form or Form(),
        covers=covers.preferences(request).covers,
        **context,
    )
    answer = web.Response(
        text=shown, status=status, content_type="text/html", charset="utf-8", headers=sent
    )
    look.carry(request, answer)
    return answer


def alternate_link(uri: str) -> str:
    """The `Link` header that names the same thing as an ActivityPub document (WIRE-B8)."""
    return f'<{uri}>; rel="alternate"; type="application/activity+json"'


def see_other(path: str) -> web.Response:
    """Go on to a page of ours with GET."""
    return web.Response(status=303, headers={"Location": path})
