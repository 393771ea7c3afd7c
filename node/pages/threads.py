"""Threads: starting one, reading one, closing, pinning and moving one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.actors import Actor
from activitypub.notes import MAX_HTML
from activitypub.parts import Attachment, Poll
from activitypub.state import ENGINE, HERE, READING, REMOTE
from groups import (
    browsing,
    check_ins,
    desk,
    holding,
    membership,
    mentions,
    moving,
    parts,
    pins,
    tending,
    threads,
)
from groups import groups as group_store
from groups import posts as post_store
from groups import waiting as unsent
from groups.admission import MAX_NOTE, MAX_POST, MAX_TITLE, Draft
from groups.groups import Group
from groups.pictures import MAX_ALT, MAX_PICTURES, Chosen, pictures_of
from groups.pictures import Shown as Picture
from groups.posts import Post
from inbox import refreshes
from kernel import text
from kernel.errors import Malformed, NotFound, Problem, TooMany
from kernel.here import Here
from kernel.languages import LANGUAGES, name_of
from kernel.schema.posts import PostState, Wish
from members.member import Cover
from members.quiet import OPEN, Sieve, Why
from moderation import labels
from moderation.signals.links import Told
from moderation.standing import Speaker
from moderation.visibility import Viewer
from node.pages import (
    card,
    covers,
    drafts,
    forms,
    group_words,
    hinting,
    lines,
    outgoing,
    outward,
    pictures,
    readers,
    recovery,
    repeating,
    session,
    voices,
    waiting,
)
from node.pages import check_ins as check_in_pages
from node.pages.desk import moderating
from node.pages.forms import REFUSED, Form
from node.pages.groups import find
from node.pages.memory import MEMORY
from node.pages.paging import number
from node.pages.pictures import Held
from node.pages.render import render, see_other
from node.pages.voices import Choice, Place
from resources import crisis

NOBODY: Final[Mapping[str, str]] = {}

LIMITS: Final = {
    "post": MAX_POST,
    "title": MAX_TITLE,
    "note": MAX_NOTE,
    "pictures": MAX_PICTURES,
    "alt": MAX_ALT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A post as one reader sees it."""

    post: Post
    mine: bool
    moderating: bool
    answers: Post | None  # which post it answers, where that is not plain to see
    attachments: Sequence[Attachment] = ()
    poll: Poll | None = None
    pictures: Sequence[Picture] = ()
    media: str = ""  # where their files are: another origin, or nothing for our own
    quiet: Why | None = None  # why its reader would rather not see it, if so
    member: bool = False  # its reader is signed in
    cover: Cover = Cover.FOLD  # of what has a content note
    foreign: str = ""  # its language, where the reader does not read it
    for_words: bool = False  # it is held since it may tell how harm is done
    told: Sequence[Told] = ()  # what is said of pages that it links to

    @property
    def readable(self) -> bool:
        """Whether the words are for this reader: what is not shown only for its author."""
        state = self.post.state
        if state is PostState.HELD:
            return self.mine or self.moderating
        return state is PostState.SHOWN or (self.mine and state is not PostState.DELETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What posts have beside their words, by post."""

    attachments: Mapping[int, Sequence[Attachment]] = field(default_factory=dict)
    polls: Mapping[int, Poll] = field(default_factory=dict)
    pictures: Mapping[int, Sequence[Picture]] = field(default_factory=dict)
    media: str = ""  # where pictures are that everybody may see
    told: Mapping[int, Sequence[Told]] = field(default_factory=dict)  # of pages they link to


async def beside(
    conn: AsyncConnection, request: web.Request, posts: Sequence[Post], *, media: str = ""
) -> Beside:
    """Of the posts of one page. Most pages have none of it, and then nothing is asked."""
    site = request.app[MEMORY].site
    attached = [post.id for post in posts if post.attached]
    asked = [post.id for post in posts if post.poll]
    return Beside(
        attachments=await parts.attachments_of(conn, attached),
        polls=await parts.polls_of(conn, asked),
        pictures=await pictures_of(conn, attached),
        media=media,
        told=await outward.told_of(conn, request.app[HERE], posts)
        if site is not None and site.labels_links
        else {},
    )


def as_seen(
    request: web.Request,
    group: Group,
    posts: Sequence[Post],
    viewer: Viewer,
    place: Place,
    also: Beside = Beside(),
    sieve: Sieve = OPEN,
) -> list[Shown]:
    """The posts of one page, in order, as the reader wants to see them."""
    by_id = {post.id: post for post in posts}
    read = covers.preferences(request).languages
    own = {post.id for post in posts if post.author_id in viewer.voices}
    return [
        Shown(
            post=post,
            mine=post.id in own,
            moderating=bool(place.moderators),
            answers=None
            if post.parent_id in (None, post.thread_id)
            else by_id.get(post.parent_id or 0),
            attachments=also.attachments.get(post.id, ()),
            poll=also.polls.get(post.id),
            pictures=also.pictures.get(post.id, ()),
            media=also.media if post.shown else "",
            told=also.told.get(post.id, ()),
            member=viewer.signed_in,
            quiet=None if sieve.empty else _why_quiet(sieve, viewer, place, post),
            cover=covers.seen(request, post, mine=post.id in own, effects=group.effects),
            foreign="" if post.id in own else covers.foreign(post, read),
            for_words=holding.is_for_its_words(group, post),
        )
        for post in posts
    ]


def _why_quiet(sieve: Sieve, viewer: Viewer, place: Place, post: Post) -> Why | None:
    """Why the reader would rather not see a post; who moderates the group can open all of them."""
    if not post.shown or post.author_id in viewer.voices:
        return None
    why = sieve.author(post.author_id, post.author_host)
    if why is None and sieve.has_words:
        why = sieve.words(post.title, post.note, text.plain(post.content, MAX_HTML))
    return Why.MUTED if why is not None and why.hides and place.moderators else why


def title_instead(request: web.Request, root: Post, viewer: Viewer, place: Place) -> str:
    """What stands in place of a thread's title that its reader would rather not see, if so."""
    sieve = session.sieve(request)
    why = None if sieve.empty else _why_quiet(sieve, viewer, place, root)
    if why is None:
        return ""
    return lines.FILTERED if why is Why.WORD else lines.UNWANTED


async def show(request: web.Request) -> web.Response:
    """GET /t/{id}."""
    after = number(request.query.get("after")) or 0
    thread_id = identity(request)
    async with request.app[READING].connect() as conn:
        viewer = await session.viewer(conn, request)
        try:
            page = await browsing.show(conn, thread_id, viewer, after=after)
        except NotFound:
            await post_store.get(conn, thread_id, viewer)  # it may be in another thread now
            if not await threads.is_emptied(conn, thread_id):
                raise
            return see_other(f"/p/{thread_id}")
        group = await group_store.get(conn, page.root.group_id, viewer)
        place = await voices.place(conn, request, group)
        also = await beside(conn, request, page.posts, media=pictures.public_base(request, group))
        asked = None
        if page.root.by_group and place.members:
            asked = await check_ins.seen_by(conn, request.app[HERE], page.root, viewer.voices)
        closed = page.root.no_replies and page.root.author_id not in viewer.voices
        shut = closed or page.root.locked or page.root.moved_to
        may_answer = session.SESSION in request and not shut
        told = () if after else await recovery.beside(conn, request, page.root)
        who_reads = await readers.lately(conn, request, group, page.root) if may_answer else ""
    if group.settings is None:
        await _have_read_again(request, thread_id)
    used = {post.author_id for post in page.posts if post.author_id in viewer.voices}
    speaks = place.may_post(group, used)
    latest = next((p.author_id for p in reversed(page.posts) if p.author_id in used), None)
    choices: Sequence[Choice] = ()
    if session.SESSION in request:
        purpose = f"reply {page.root.id}"
        choices = voices.choices(request, speaks, purpose, Form(), usual=latest)
    public = group.actor.local and group.federates
    seen = as_seen(request, group, page.posts, viewer, place, also, session.sieve(request))
    own_held = group.reads_first and any(each.mine and each.for_words for each in seen)
    return render(
        request,
        "threads/show.html",
        alternate=page.root.thread_uri if public else "",
        root=page.root,
        instead=title_instead(request, page.root, viewer, place),
        posts=seen,
        no_replies=closed,
        hidden=covers.seen(request, page.root, mine=page.root.author_id in viewer.voices)
        is Cover.HIDE,
        next_after=page.next_after,
        first=not after,
        stories=told,
        card=None if own_held else card.after_posting(request, page.posts, viewer),
        while_held=card.while_held(request) if own_held else None,
        check_in=check_in_pages.question(request, page.root, place, asked) if asked else None,
        live=waiting.opened(request, thread_id, given=[post.given for post in page.posts]),
        composer=compose(request, group, place, choices, who_reads),
    )


async def _have_read_again(request: web.Request, thread_id: int) -> None:
    """A thread of another server that somebody reads is read there too, some minutes later.

    Nobody waits for it, and one process asks for it once in a while (WIRE-G45, SEC-R14).
    """
    try:
        request.app[MEMORY].opened.check(thread_id)
    except TooMany:
        return
    async with request.app[READING].connect() as conn:
        soon = refreshes.some_time_soon()
        await refreshes.ask(conn, request.app[HERE], thread_id, after=soon)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """What every page with a composer says: who may speak, who reads, what to read first."""

    group: Group
    path: str
    place: Place
    readers: str
    may_be_new: bool
    must_read: bool
    languages: Mapping[str, str]
    choices: Sequence[Choice]
    limits: Mapping[str, int]
    pictures: Sequence[Held]
    rests: bool
    hints: bool


def compose(
    request: web.Request, group: Group, place: Place, choices: Sequence[Choice], who_reads: str
) -> Composer:
    """The composer of one page; a visitor is asked to log in instead.

    `who_reads` is the sentence about whoever will read what is sent with it.
    """
    offered = group.settings.languages if group.settings is not None else ("en",)
    return Composer(
        group=group,
        path=group_words.path(group),
        place=place,
        readers=who_reads,
        may_be_new=session.SESSION in request and voices.may_be_new(group),
        must_read=group.accept_from > 0 and not place.read_guidelines(group),
        languages={tag: name_of(tag) for tag in offered},
        choices=choices,
        limits=LIMITS,
        pictures=pictures.of(request).held,
        rests=tending.rests(request.app[HERE], group),
        hints=covers.preferences(request).hints,
    )


def identity(request: web.Request) -> int:
    """The id in the address. Raises NotFound: it is no id."""
    found = number(request.match_info["id"])
    if found is None:
        raise NotFound
    return found


async def named(request: web.Request, form: Form) -> Mapping[str, str]:
    """Whom the words name; people elsewhere are looked up, so no transaction may be open."""
    app = request.app
    return await mentions.resolve(app[ENGINE], app[HERE], app[REMOTE], form.text("text"))


def draft(form: Form, people: Mapping[str, str], chosen: Sequence[Chosen] = ()) -> Draft:
    """What was typed; a language we do not know counts as none."""
    tag = form.text("language")
    return Draft(
        title=form.text("title"),
        source=form.text("text"),
        note=form.text("note"),
        labels=labels.picked(form.all("label")),
        wish=Wish(wish) if (wish := form.text("wish")) in {*Wish} else None,
        language=tag if tag.partition("-")[0] in LANGUAGES else "",
        guidelines=voices.accepted(form),
        people=people,
        pictures=chosen,
        help_lines=crisis.numbers(),
        contacts_stay=form.ticked("contacts_stay"),
        days=form.number("stays"),
    )


async def show_new(request: web.Request) -> web.Response:
    return await _new_page(request, await drafts.resumed(request))


async def _new_page(
    request: web.Request,
    form: Form,
    problem: Problem | None = None,
    people: Mapping[str, str] = NOBODY,
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        group = await find(conn, request)
        place = await voices.place(conn, request, group)
        named = people.values()
        who_reads = await readers.sentence(conn, request, group, named=named)
    choices = voices.choices(request, place.may_post(group), f"start in {group.id}", form)
    return render(
        request,
        "threads/new.html",
        form=form,
        problem=problem,
        composer=compose(request, group, place, choices, who_reads),
    )


async def start(request: web.Request) -> web.Response:
    form = await pictures.read(request)
    if pictures.only_adding(request, form):
        return await _new_page(request, form, pictures.of(request).trouble)
    people = NOBODY
    try:
        voices.pace(request)
        if (kept := await drafts.keep_if_asked(request, form)) is not None:
            return kept
        chosen = pictures.chosen(request, form)
        keys = await voices.keys_if_new(request, form)
        people = await named(request, form)
        said = draft(form, people, chosen)
        again = await repeating.hints(request, form, said, repeating.in_group("start in"))
        hinting.look(request, form, said, answering=False, repeats=again)
        async with request.app[ENGINE].begin() as conn:
            group = await find(conn, request)
            purpose = f"start in {group.id}"
            speaker = await voices.speaker_or_new(conn, request, form, purpose, group, keys)
            when = outgoing.timing(request)
            sent = await unsent.send(conn, request.app[HERE], speaker, group, None, said, when)
            await agree(conn, form, speaker, group)
    except REFUSED as problem:
        return await _new_page(request, form, problem, people)
    await drafts.done_with(request, form)
    return outgoing.answer(sent, group_words.path(group))


async def agree(conn: AsyncConnection, form: Form, speaker: Speaker, group: Group) -> None:
    """Keep that the guidelines were ticked with this post."""
    version = form.number("guidelines")
    if version and version <= group.guidelines_version:
        await membership.accept_guidelines(conn, speaker, group, version)


async def show_move(request: web.Request) -> web.Response:
    """GET /t/{id}/move."""
    return await _move_page(request, Form())


async def _move_page(
    request: web.Request, form: Form, problem: Problem | None = None
) -> web.Response:
    session.of(request)
    async with request.app[READING].connect() as conn:
        root, group = await whole(conn, request)
        speakers = await moderating(conn, request, group)
        places = await moving.places(conn, group, [each.id for each in speakers])
    return render(
        request,
        "threads/move.html",
        form=form,
        problem=problem,
        root=root,
        group=group,
        path=group_words.path(group),
        places={each.group.actor.handle: each.group for each in places if not each.refusal},
        closed=[each for each in places if each.refusal],
        words=group_words,
    )


async def move(request: web.Request) -> web.Response:
    """POST /t/{id}/move: the whole thread goes to another group of the same moderators."""
    session.of(request)
    form = await forms.read(request)
    try:
        async with request.app[ENGINE].begin() as conn:
            root, group = await whole(conn, request)
            speakers = await moderating(conn, request, group)
            name = form.text("group")
            if not name or "@" in name:
                raise Malformed("Please choose the group that the thread goes to.")
            if not form.ticked("sure"):
                raise Malformed("Please tick that you have thought of who reads it there.")
            viewer = await session.viewer(conn, request)
            target = await group_store.by_name(conn, name, viewer)
            actor = await moving.require_both(conn, group, target, speakers)
            here, reason = request.app[HERE], form.text("reason")
            await moving.move(conn, here, actor, group, target, root, reason)
    except REFUSED as problem:
        return await _move_page(request, form, problem)
    return see_other(f"/t/{root.id}")


async def whole(conn: AsyncConnection, request: web.Request) -> tuple[Post, Group]:
    """The first post of a thread of ours that is shown, and its group. Raises NotFound."""
    viewer = await session.viewer(conn, request)
    root = await post_store.get(conn, identity(request), viewer)
    if not root.is_root or not root.shown:
        raise NotFound
    group = await group_store.get(conn, root.group_id, viewer)
    if group.settings is None:
        raise NotFound
    return root, group


Decision = Callable[[AsyncConnection, Here, Group, Actor, Post], Awaitable[None]]


def _decide(decision: Decision) -> Callable[[web.Request], Awaitable[web.Response]]:
    """POST /t/{id}/…: the desk decides something about a whole thread."""

    async def handle(request: web.Request) -> web.Response:
        session.of(request)
        await forms.read(request)
        async with request.app[ENGINE].begin() as conn:
            viewer = await session.viewer(conn, request)
            root = await post_store.get(conn, identity(request), viewer)
            if not root.is_root:
                raise NotFound
            group = await group_store.get(conn, root.group_id, viewer)
            speaker, *_ = await moderating(conn, request, group)
            actor = await desk.require(conn, group, speaker)
            await decision(conn, request.app[HERE], group, actor, root)
        return see_other(f"/t/{root.id}")

    return handle


def routes() -> list[web.RouteDef]:
    return [
        web.get("/g/{name}/new", show_new),
        web.post("/g/{name}/new", start),
        web.get("/t/{id}", show),
        web.post("/t/{id}/lock", _decide(desk.lock)),
        web.post("/t/{id}/unlock", _decide(desk.unlock)),
        web.post("/t/{id}/pin", _decide(pins.pin)),
        web.post("/t/{id}/unpin", _decide(pins.unpin)),
        web.get("/t/{id}/move", show_move),
        web.post("/t/{id}/move", move),
    ]
