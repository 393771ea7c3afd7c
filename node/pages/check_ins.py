"""A word about the week, for whoever says it (DOM-B15)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from activitypub.state import ENGINE, HERE
from groups import check_ins
from groups import posts as post_store
from groups.check_ins import WORDS, Asked
from groups.posts import Post
from kernel.errors import NotFound
from node.pages import forms, session, voices
from node.pages.forms import Form
from node.pages.paging import number
from node.pages.render import see_other
from node.pages.voices import Choice, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the form below the weekly question shows to one member."""

    form: Form
    words: Mapping[str, str]
    choices: Sequence[Choice]
    said: Sequence[tuple[str, str]]  # name and word
    sums: Sequence[tuple[str, int]]


def question(request: web.Request, root: Post, place: Place, asked: Asked) -> Question:
    """For a member of the group."""
    names = {each.actor.id: each.actor.name for each in place.speakers}
    return Question(
        form=Form(),
        words={mood.value: words for mood, words in WORDS.items()},
        choices=voices.choices(request, place.members, _purpose(root.id), Form()),
        said=[(names.get(who, ""), WORDS[mood]) for who, mood in asked.mine],
        sums=[(WORDS[mood], asked.sums[mood]) for mood in WORDS if mood in asked.sums],
    )


def _purpose(thread_id: int) -> str:
    return f"check in {thread_id}"


async def say(request: web.Request) -> web.Response:
    """POST /t/{id}/check-in: a word, or with `back` none."""
    session.of(request)
    form = await forms.read(request)
    thread_id = number(request.match_info["id"])
    if thread_id is None:
        raise NotFound
    async with request.app[ENGINE].begin() as conn:
        viewer = await session.viewer(conn, request)
        root = await post_store.get(conn, thread_id, viewer)
        speaker = await voices.speaker(conn, request, form, _purpose(thread_id))
        if form.ticked("back"):
            await check_ins.take_back(conn, speaker, root)
        else:
            mood = check_ins.read(form.text("mood"))
            await check_ins.say(conn, request.app[HERE], speaker, root, mood)
    return see_other(f"/t/{thread_id}#week")


def routes() -> list[web.RouteDef]:
    return [web.post("/t/{id}/check-in", say)]
