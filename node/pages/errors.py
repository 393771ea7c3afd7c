"""Pages for what did not work: what happened, what you could do, and help on top (RFC 9457)."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from activitypub.state import HERE
from kernel.errors import Problem
from kernel.said import noted
from node.pages import log_in
from node.pages.card import Card
from node.pages.forms import FORM, Form
from node.pages.memory import MEMORY, known_site
from node.pages.render import render, see_other
from node.pages.session import SignedOut, forget_if_over

_NEXT: Mapping[int, str] = {
    400: noted("Please go back one page and look at what you typed."),
    404: noted(
        "The address may have a small mistake, or the page is not there for you. "
        "You could start again from the first page."
    ),
    405: noted("Please open the page here and use its buttons."),
    410: noted("Its author or a moderator took it away. The rest of the place is still here."),
    413: noted("You could send it in two or more parts."),
    429: noted("Please wait a few minutes. Nothing else is needed."),
    507: noted(
        "Please copy your words and try again later. The people who run this place can help."
    ),
    503: noted("Please wait a moment, then load this page again."),
}
_BUSY: Final = (429, 500, 503, 507)
_OTHERWISE = noted("You could go back one page and try again, or start from the first page.")
TITLES: Final = (  # of `kernel.errors`, for the catalogues
    noted("Something broke here"), noted("We could not read that"),
    noted("We could not tell who sent this"), noted("That is not possible here"),
    noted("We could not find that page"), noted("This is no longer here"),
    noted("That is taken already"), noted("That is too long"),
    noted("We cannot read that kind of data"), noted("That was a lot at once"),
    noted("We need a moment"), noted("There is no room left here"),
)  # fmt: skip


async def page(
    request: web.Request, status: int, problem: Problem, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The answer to a refusal. Who needs to log in is asked to; what was typed comes back."""
    answer = await _answer(request, status, problem, headers)
    forget_if_over(request, answer)
    return answer


async def _answer(
    request: web.Request, status: int, problem: Problem, headers: Mapping[str, str]
) -> web.Response:
    if isinstance(problem, SignedOut):
        if request.method in {"GET", "HEAD"}:
            return see_other(log_in.log_in_address(request.path_qs))
        return await log_in.ask_again(request, problem)
    site = known_site(request.app[MEMORY], request.app[HERE])
    return render(
        request,
        "error.html",
        status=status,
        headers=headers,
        title=problem.title,
        detail=problem.detail,
        next_step=_NEXT.get(status, _OTHERWISE),
        kept=request.get(FORM, Form()).written(),
        # A node that cannot answer now shows crisis lines in its place, with no database.
        lines=Card.of(request, site.country) if status in _BUSY else None,
    )
