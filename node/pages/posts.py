"""One post: answering it, changing it, taking it back, and what moderators may do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.state import ENGINE, HERE, READING
from groups import asking, browsing, desk, earlier, reactions, threads, waiting
from groups import groups as group_store
from groups import posts as post_store
from groups.asking import Way
from groups.groups import Group
from groups.posts import Post
from kernel.errors import NotFound, Problem
from kernel.said import joined, noted
from kernel.schema.posts import PostState
from members.personas import Persona
from moderation import labels
from moderation.visibility import Viewer
from node.pages import (
    covers,
    drafts,
    forms,
    hinting,
    outgoing,
    pictures,
    readers,
    repeating,
    session,
    voices,
)
from node.pages.desk import check_other, moderating
from node.pages.forms import REFUSED, Form
from node.pages.render import alternate_link, render, see_other
from node.pages.threads import (
    NOBODY,
    Shown,
    agree,
    as_seen,
    beside,
    compose,
    draft,
    identity,
    named,
    title_instead,
)
from node.pages.voices import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A post that the asker may see, its group, and how they stand there."""

    post: Post
    group: Group
    viewer: Viewer
    place: Place
    shown: Shown

    def author(self) -> Persona:
        """The member's own name that wrote it. Raises NotFound: it is not theirs."""
        for each in self.place.speakers:
            if each.actor.id == self.post.author_id:
                return each
        raise NotFound


async def find(conn: AsyncConnection, request: web.Request, *, own: bool = False) -> Found:
    """Raises NotFound: there is none, or it or its group is not for the asker.

    With `own` a group of a server that is blocked counts too: the asker takes back their own words.
    """
    session.of(request)
    viewer = await session.viewer(conn, request)
    post = await post_store.get(conn, identity(request), viewer)
    mine = own and post.author_id in viewer.voices
    group = await group_store.get(conn, post.group_id, None if mine else viewer)
    place = await voices.place(conn, request, group)
    also = await beside(conn, request, [post], media=pictures.public_base(request, group))
    (shown,) = as_seen(request, group, [post], viewer, place, also)
    return Found(post=post, group=group, viewer=viewer, place=place, shown=shown)


async def show(request: web.Request) -> web.Response:
    """GET /p/{id}: on to its place in its thread."""
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        post = await post_store.get(conn, identity(request), viewer)
        page = await browsing.show(conn, post.thread_id, viewer)
        group = await group_store.get(conn, post.group_id, viewer)
        told = post.author_local and post.shown and group.federates
    near = any(each.id == post.id for each in page.posts)
    asked = [] if near else [f"after={post.id - 1}"]
    if covers.SHOW in request.query:
        asked.append(f"{covers.SHOW}={post.id}")
    query = f"?{'&'.join(asked)}" if asked else ""
    answer = see_other(f"/t/{post.thread_id}{query}#p{post.id}")
    if told:
        answer.headers["Link"] = alternate_link(post.uri)  # WIRE-B8
    return answer


async def show_reply(request: web.Request) -> web.Response:
    return await _reply_page(request, await drafts.resumed(request))


async def _reply_page(
    request: web.Request,
    form: Form,
    problem: Problem | None = None,
    people: Mapping[str, str] = NOBODY,
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
        page = await browsing.show(conn, found.post.thread_id, found.viewer)
        used = {each.author_id for each in page.posts if each.author_id in found.viewer.voices}
        speakers = found.place.may_post(found.group, used)
        decides = await ways(conn, found.post.answers_by, found, speakers)
        who_reads = await readers.sentence(
            conn, request, found.group, parent=found.post, named=people.values()
        )
        if Way.ASKING in decides:
            who_reads = joined(noted("Once they say yes."), who_reads)
    latest = next((p.author_id for p in reversed(page.posts) if p.author_id in used), None)
    choices = voices.choices(request, speakers, f"reply {found.post.id}", form, usual=latest)
    return render(
        request,
        "threads/reply.html",
        form=form,
        problem=problem,
        root=page.root,
        instead=title_instead(request, page.root, found.viewer, found.place),
        parent=found.shown,
        decides=decides,
        no_replies=page.root.no_replies and page.root.author_id not in found.viewer.voices,
        composer=compose(request, found.group, found.place, choices, who_reads),
    )


async def ways(
    conn: AsyncConnection, line: str, found: Found, speakers: Sequence[Persona]
) -> Sequence[Way]:
    """What an author elsewhere lets the reader's names do with a post; empty: everything.

    Each way stands there once. Where a new name may speak, that counts too.
    """
    if not line:
        return ()
    names = [each.actor for each in speakers]
    found_ways = [await asking.way(conn, line, found.post, name) for name in names]
    if voices.may_be_new(found.group) or not names:
        found_ways.append(await asking.way(conn, line, found.post, None))
    return list(dict.fromkeys(found_ways))


async def reply(request: web.Request) -> web.Response:
    form = await pictures.read(request)
    if pictures.only_adding(request, form):
        return await _reply_page(request, form, pictures.of(request).trouble)
    people = NOBODY
    try:
        voices.pace(request)
        if (kept := await drafts.keep_if_asked(request, form)) is not None:
            return kept
        chosen = pictures.chosen(request, form)
        keys = await voices.keys_if_new(request, form)
        people = await named(request, form)
        said = draft(form, people, chosen)
        again = await repeating.hints(request, form, said, repeating.under_post("reply"))
        hinting.look(request, form, said, answering=True, repeats=again)
        async with request.app[ENGINE].begin() as conn:
            found = await find(conn, request)
            purpose = f"reply {found.post.id}"
            speaker = await voices.speaker_or_new(conn, request, form, purpose, found.group, keys)
            here, parent, when = request.app[HERE], found.post, outgoing.timing(request)
            sent = await waiting.send(conn, here, speaker, found.group, parent, said, when)
            await agree(conn, form, speaker, found.group)
    except REFUSED as problem:
        return await _reply_page(request, form, problem, people)
    await drafts.done_with(request, form)
    return outgoing.answer(sent, f"/p/{parent.id}")


async def show_edit(request: web.Request) -> web.Response:
    return await _edit_page(request, None)


async def _edit_page(
    request: web.Request,
    form: Form | None,
    problem: Problem | None = None,
    people: Mapping[str, str] | None = None,
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
        post = found.post
        if post.state not in (PostState.SHOWN, PostState.HELD):
            raise NotFound
        named = post.mentioned.split() if people is None else people.values()
        who_reads = await readers.sentence(conn, request, found.group, edited=post, named=named)
    filled = form or _filled(post)
    choices = _own(request, found.author(), f"edit {post.id}", filled)
    return render(
        request,
        "threads/edit.html",
        form=filled,
        problem=problem,
        post=post,
        pictures=found.shown.pictures,
        composer=compose(request, found.group, found.place, choices, who_reads),
    )


def _filled(post: Post) -> Form:
    """The form as the post stands."""
    picked = post.labels.split()
    return Form(
        {
            "title": (post.title,),
            "text": (post.source,),
            "note": (labels.own_words(picked, post.note),),
            "label": picked,
            "wish": (post.wish or "",),
            "language": (post.language,),
        }
    )


def _own(
    request: web.Request, author: Persona, purpose: str, form: Form
) -> Sequence[voices.Choice]:
    return voices.choices(request, [author], purpose, form)


async def edit(request: web.Request) -> web.Response:
    session.of(request)
    form = await forms.read(request)
    people = None
    try:
        voices.pace(request)
        people = await named(request, form)
        said = replace(draft(form, people), changes=pictures.changes(form))
        change = repeating.under_post("edit", changes=True)
        again = await repeating.hints(request, form, said, change)
        async with request.app[ENGINE].begin() as conn:
            found = await find(conn, request)
            speaker = await voices.speaker(conn, request, form, f"edit {found.post.id}")
            post, before = found.post, f"{found.post.title}\n{found.post.source}"
            answering = not post.is_root
            hinting.look(request, form, said, answering=answering, before=before, repeats=again)
            await threads.edit(conn, request.app[HERE], speaker, found.post, said)
    except REFUSED as problem:
        return await _edit_page(request, form, problem, people)
    return see_other(f"/p/{identity(request)}")


async def show_delete(request: web.Request) -> web.Response:
    return await _delete_page(request, Form())


async def _delete_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await find(conn, request, own=True)
    if found.post.state is PostState.DELETED:
        raise NotFound
    return render(
        request,
        "threads/delete.html",
        form=form,
        problem=problem,
        group=found.group,
        parent=found.shown,
        choices=_own(request, found.author(), f"delete {found.post.id}", form),
    )


async def delete(request: web.Request) -> web.Response:
    session.of(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            found = await find(conn, request, own=True)
            speaker = await voices.speaker(conn, request, form, f"delete {found.post.id}")
            await threads.delete(conn, request.app[HERE], speaker, found.post)
    except REFUSED as problem:
        return await _delete_page(request, form, problem)
    return see_other(f"/t/{found.post.thread_id}")


async def show_remove(request: web.Request) -> web.Response:
    return await _remove_page(request, Form())


async def _remove_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
        await moderating(conn, request, found.group)
    return render(
        request,
        "threads/remove.html",
        form=form,
        problem=problem,
        group=found.group,
        parent=found.shown,
    )


async def remove(request: web.Request) -> web.Response:
    """POST /p/{id}/remove, and with `ban` its author stays out of the group from now on."""
    session.of(request)
    form = await forms.read(request)
    here = session.deciding(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            found = await find(conn, request)
            speaker, *_ = await moderating(conn, request, found.group)
            actor = await desk.require(conn, found.group, speaker)
            reason = form.text("reason")
            rule = form.text("rule")
            await desk.remove(conn, here, found.group, actor, found.post, reason, rule)
            if form.ticked("ban"):
                person = await actor_store.get(conn, found.post.author_id)
                await desk.ban(conn, here, found.group, actor, person, reason, rule=rule)
    except REFUSED as problem:
        return await _remove_page(request, form, problem)
    return see_other(f"/t/{found.post.thread_id}")


async def restore(request: web.Request) -> web.Response:
    """POST /p/{id}/restore: the desk thought again."""
    session.of(request)
    await forms.read(request)
    async with request.app[ENGINE].begin() as conn:
        found = await find(conn, request)
        speaker, *_ = await moderating(conn, request, found.group)
        check_other(found.post.author_id, speaker.voices)
        actor = await desk.require(conn, found.group, speaker)
        await desk.restore(conn, session.deciding(request), found.group, actor, found.post)
    return see_other(f"/p/{found.post.id}")


async def show_heard(request: web.Request) -> web.Response:
    return await _heard_page(request, Form())


async def _heard_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
        if not found.post.shown:
            raise NotFound
        others = [each for each in found.place.members if each.actor.id != found.post.author_id]
        decides = await ways(conn, found.post.likes_by, found, others)
        uris = [each.actor.uri for each in others] if found.post.likes_by else []
        waits = await reactions.asked_among(conn, uris, [found.post.id]) if uris else ()
    return render(
        request,
        "threads/heard.html",
        feelings=FEELINGS,
        form=form,
        problem=problem,
        parent=found.shown,
        decides=decides,
        waits=bool(waits),
        choices=voices.choices(request, others, f"hear {found.post.id}", form),
    )


async def heard(request: web.Request) -> web.Response:
    """POST /p/{id}/heard: a quiet sign to the author; with `back` it is taken back."""
    session.of(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            found = await find(conn, request)
            speaker = await voices.speaker(conn, request, form, f"hear {found.post.id}")
            if form.ticked("back"):
                await reactions.unlike(conn, request.app[HERE], speaker, found.post)
            else:
                feeling = reactions.read_feeling(form.text("feeling"))
                await reactions.like(conn, request.app[HERE], speaker, found.post, feeling)
    except REFUSED as problem:
        return await _heard_page(request, form, problem)
    return see_other(f"/p/{found.post.id}")


async def show_earlier(request: web.Request) -> web.Response:
    """GET /p/{id}/earlier: what a post said before, for the moderators of its group."""
    async with request.app[READING].connect() as conn:
        found = await find(conn, request)
        await moderating(conn, request, found.group)
        if found.post.state not in (PostState.SHOWN, PostState.HELD):
            raise NotFound
        versions = await earlier.of(conn, found.post.id)
    return render(
        request,
        "threads/earlier.html",
        parent=found.shown,
        versions=versions,
        days=earlier.KEPT.days,
    )


FEELINGS: Final = {feeling.value: words for feeling, words in reactions.WORDS.items()}


def routes() -> list[web.RouteDef]:
    return [
        web.get("/p/{id}/earlier", show_earlier),
        web.get("/p/{id}", show),
        web.get("/p/{id}/reply", show_reply),
        web.post("/p/{id}/reply", reply),
        web.get("/p/{id}/heard", show_heard),
        web.post("/p/{id}/heard", heard),
        web.get("/p/{id}/edit", show_edit),
        web.post("/p/{id}/edit", edit),
        web.get("/p/{id}/delete", show_delete),
        web.post("/p/{id}/delete", delete),
        web.get("/p/{id}/remove", show_remove),
        web.post("/p/{id}/remove", remove),
        web.post("/p/{id}/restore", restore),
    ]
