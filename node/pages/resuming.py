"""A form that came when its session was over waits in the pages that lead back in.

Its fields are hidden ones of every form there, each with a mark before its name.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from node.pages import forms
from node.pages.forms import Form
from node.pages.render import render, see_other

Fields = Sequence[tuple[str, str]]

_KEPT: Final = "kept."  # alone: there is a form to go on with, though it may have no field


def then(form: Form) -> str:
    """Where to go once logged in."""
    return forms.local_path(form.text("then"))


def kept(form: Form) -> Fields:
    """The hidden fields, for the next page on the way in; none where nothing waits."""
    return [(name, value) for name, value in form.kept() if name.startswith(_KEPT)]


def comes_along(form: Form, asked: str) -> bool:
    """Whether it comes from another way in, and was not `asked` this way's secret yet."""
    return bool(kept(form)) and asked not in form.values


def waiting(typed: Form, path: str) -> Form:
    """What was sent to `path` by somebody who has to log in first."""
    values: dict[str, list[str]] = {"then": [path], _KEPT: [""]}
    for name, value in typed.kept():
        values.setdefault(f"{_KEPT}{name}", []).append(value)
    return Form(values)


def sent(form: Form) -> Fields:
    """The fields as they were sent before."""
    fields = [(name.removeprefix(_KEPT), value) for name, value in kept(form)]
    return [(name, value) for name, value in fields if name]


def has_words(form: Form) -> bool:
    """Whether somebody wrote something, and did not just press a button."""
    return any(" " in value or not value.isascii() for _, value in sent(form))


def answer(request: web.Request, form: Form) -> web.Response:
    """For somebody who is logged in now: where they wanted to go, or what waits for their word.

    A form is never sent again by itself, and its address alone may be no page.
    """
    if not kept(form):
        return see_other(then(form))
    return render(
        request,
        "account/resume.html",
        then=then(form),
        sent=sent(form),
        wrote=has_words(form),
    )
