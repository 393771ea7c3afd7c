"""Hints are given once, beside what was typed, and one press goes on without them (DOM-A10)."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from groups import hints
from groups.admission import Draft
from groups.hints import MAX_HINTS, Hint
from kernel.errors import Malformed
from kernel.said import noted
from node.pages.covers import preferences
from node.pages.forms import Form

AS_IT_IS: Final = "as_it_is"


class Hinted(Malformed):
    """There are hints for what somebody wrote, and they have not seen them yet."""

    title = noted("Some words to look at, if you like")

    def __init__(self, found: Sequence[Hint]) -> None:
        super().__init__(
            noted(
                "Nothing is sent yet. Below your words are hints; take what fits. "
                "“Post as it is” sends them unchanged. Nobody is told about the hints."
            )
        )
        self.hints = found


def wanted(request: web.Request, form: Form) -> bool:
    """Whether the member likes hints, and has not said to go on without them."""
    return preferences(request).hints and not form.ticked(AS_IT_IS)


def words_of(said: Draft) -> str:
    """All that a draft says, but for notes and pictures."""
    options = said.poll.options if said.poll else ()
    return "\n".join([said.title, said.source, *(each.name for each in options)])


def look(
    request: web.Request,
    form: Form,
    said: Draft,
    *,
    answering: bool,
    before: str = "",
    repeats: Sequence[Hint] = (),
) -> None:
    """Raises Hinted: there are hints, for who wants them and has not said to go on.

    What the words `before` a change had already gets none. `repeats` come first (`repeating`).
    """
    if not wanted(request, form):
        return
    known = {each.words for each in hints.find(before, answering=answering)} if before else set()
    found = [
        each for each in hints.find(words_of(said), answering=answering) if each.words not in known
    ]
    if found or repeats:
        raise Hinted([*repeats, *found][:MAX_HINTS])
