"""What moderators do with a case from its page: each act in one transaction, nothing twice."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from activitypub.state import HERE
from groups import desk as group_desk
from groups import groups as group_store
from groups import hiding, reported, stopping
from groups import posts as post_store
from groups.groups import Group
from groups.parts import attachments_of
from groups.pictures import pictures_of
from groups.posts import Post
from kernel.errors import Malformed, NotAllowed, NotFound
from kernel.here import Here
from kernel.schema.cases import CaseState, Outcome, Subject
from kernel.schema.directed import Category, Urgency
from kernel.schema.moderation import Role
from kernel.schema.posts import PostState
from moderation import audit, casework, forwarding
from moderation.cases import Case
from moderation.directed.terms import Action
from moderation.forwarding import Letter
from node.pages import case_words, group_words, look, session
from node.pages import groups as group_pages
from node.pages.desk import moderating
from node.pages.forms import Form
from node.pages.standing import last_day

NODE: Final = "/moderation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Whose queue it is: a group's, or that of the node. `actor` is who decides, for others."""

    group: Group | None
    actor: Actor
    path: str
    up: str

    @property
    def id(self) -> UUID | None:
        return self.group.id if self.group is not None else None

    @property
    def role(self) -> Role:
        """As what somebody decides there, whatever group it is about."""
        return Role.NODE if self.group is None else Role.GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A case in the hands of a moderator, in one transaction."""

    conn: AsyncConnection
    here: Here
    desk: Desk
    case: Case
    form: Form
    root: bytes = field(repr=False)
    reason: str

    async def post(self) -> Post:
        """Raises Malformed: it is about no post."""
        if self.case.post_id is None:
            raise Malformed("This is not about a post.")
        return await post_store.get(self.conn, self.case.post_id)


async def desk_of(conn: AsyncConnection, request: web.Request) -> Desk:
    """Raises NotFound, NotAllowed: the queue is not the member's to read (SEC-L8)."""
    here = request.app[HERE]
    if "name" in request.match_info:
        session.of(request)
        group = await group_pages.find(conn, request)
        speaker, *_ = await moderating(conn, request, group)
        actor = await group_desk.require(conn, group, speaker)
        path = group_words.path(group)
        return Desk(group=group, actor=actor, path=f"{path}/desk/cases", up=f"{path}/desk")
    session.node_moderator(request)
    await session.check_going_on(conn, request)
    return Desk(group=None, actor=await node_desk(conn, here), path=NODE, up="/")


async def node_desk(conn: AsyncConnection, here: Here) -> Actor:
    found = await actor_store.by_uri(conn, f"{here.origin}/desk/node")
    if found is None:
        raise NotFound
    return found


async def work_on(
    conn: AsyncConnection,
    request: web.Request,
    desk: Desk,
    case_id: UUID,
    form: Form,
    root: bytes,
) -> Work:
    """Raises NotFound, Conflict: as `casework.take`."""
    here = session.deciding(request)
    case = await casework.take(conn, here, desk.id, case_id, root)
    if await is_own(conn, request, case):
        raise NotAllowed("This is about one of your names. Somebody else decides.")
    start = case_words.STARTS.get(form.text("start"), "")
    reason = form.text("reason").strip() or look.words(request).told(start)
    return Work(conn=conn, here=here, desk=desk, case=case, form=form, root=root, reason=reason)


async def is_own(conn: AsyncConnection, request: web.Request, case: Case) -> bool:
    """Whether it is about a name of whoever is asking; only they are told."""
    mine = (await session.voices(conn, request)).ids
    return case.about is not None and case.about.actor_id in mine


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A reported post with what is beside its words, and its group."""

    post: Post
    group: Group
    beside: Mapping[str, object]


async def shown_of(conn: AsyncConnection, case: Case) -> Shown | None:
    if case.post_id is None or case.state is CaseState.CLOSED:
        return None
    post = await post_store.get(conn, case.post_id)
    pictures = await pictures_of(conn, [post.id])
    links = await attachments_of(conn, [post.id])
    beside = {
        "pictures": pictures.get(post.id, ()),
        "media": "",
        "attachments": links.get(post.id, ()),
        "poll": None,
    }
    return Shown(post=post, group=await group_store.get(conn, post.group_id), beside=beside)


async def one_of_many(request: web.Request, work: Work, task: str) -> str:
    if task == "nothing":
        await close(work, Outcome.NOTHING)
    else:
        spam = look.words(request).told(case_words.REMOVING["spam"])
        await take_out(work, spam)
    return case_words.OUTCOMES[Outcome.NOTHING if task == "nothing" else Outcome.REMOVED]


async def _claim(work: Work) -> None:
    await casework.claim(work.conn, work.here, work.case, work.root)


async def _give_back(work: Work) -> None:
    await casework.give_back(work.conn, work.case)


async def _second(work: Work) -> None:
    if work.form.text("note").strip():
        await _note(work)
    await casework.ask_another(work.conn, work.case)


async def _note(work: Work) -> None:
    await casework.write(work.conn, work.here, work.case, work.form.text("note"))


async def _nothing(work: Work) -> None:
    await close(work, Outcome.NOTHING)


async def _supported(work: Work) -> None:
    await close(work, Outcome.SUPPORTED)


async def close(work: Work, outcome: Outcome) -> None:
    await casework.close(work.conn, work.here, work.case, outcome)
    await _log(work, f"case {outcome.value}")


async def _log(work: Work, verb: str) -> None:
    """The log names a post; of people and messages it names the case alone."""
    is_post = work.case.subject is Subject.POST and work.case.about is not None
    about = work.case.about.uri if is_post and work.case.about else ""
    await audit.note(
        work.conn,
        work.here,
        verb=verb,
        about=about or f"{work.here.origin}{work.desk.path}/{work.case.id}",
        group_id=work.desk.id,
        actor_id=work.desk.actor.id,
        role=work.desk.role,
    )


async def _remove(work: Work) -> None:
    if not work.reason:
        raise Malformed("Please choose a sentence for its author, or write one.")
    await take_out(work, work.reason)


async def take_out(work: Work, reason: str) -> None:
    """Out of the group, by its own desk; of a group elsewhere, out of sight here."""
    post = await work.post()
    if post.state not in (PostState.SHOWN, PostState.HELD):
        await _log(work, "case removed")  # what is gone already has no line of its own
    group = await group_store.get(work.conn, post.group_id)
    if group.desk_id is not None and group.settings is not None:
        desk = await actor_store.get(work.conn, group.desk_id)
        role = work.desk.role
        await group_desk.remove(work.conn, work.here, group, desk, post, reason, role=role)
    else:
        await hiding.hide(work.conn, work.here, post, reason)
    await casework.close(work.conn, work.here, work.case, Outcome.REMOVED)


async def _ban(work: Work) -> None:
    """Raises NotAllowed: this is not a group's desk, or it is about a moderator of it."""
    if work.desk.group is None:
        raise NotAllowed("Only the moderators of a group can do that.")
    if not work.reason:
        raise Malformed("Please choose a sentence for them, or write one.")
    post = await work.post()
    group, desk = work.desk.group, work.desk.actor
    person = await actor_store.get(work.conn, post.author_id)
    until = last_day(work.form, work.here)
    await group_desk.remove(work.conn, work.here, group, desk, post, work.reason)
    await group_desk.ban(work.conn, work.here, group, desk, person, work.reason, until)
    await casework.close(work.conn, work.here, work.case, Outcome.AWAY)


async def _stop(work: Work) -> None:
    """Nobody hears this name here for a while, nor another one of its member (DESIGN-V3).

    Raises NotAllowed: this is a group's desk.
    """
    if work.desk.group is not None:
        raise NotAllowed("Only the people who look after this place can do that.")
    if work.case.about is None:
        raise Malformed("It is not known any more whom this is about.")
    person = await actor_store.get(work.conn, work.case.about.actor_id)
    until = last_day(work.form, work.here)
    await stopping.stop(work.conn, work.here, work.desk.actor, person, work.reason, until)
    await casework.close(work.conn, work.here, work.case, Outcome.STOPPED)


async def _hold(work: Work) -> None:
    """A shown post waits among what its group holds, until somebody has read it in peace."""
    post = await work.post()
    group = await group_store.get(work.conn, post.group_id)
    if group.desk_id is None:
        raise NotAllowed("Only posts of people in a group of this place can be held.")
    desk = await actor_store.get(work.conn, group.desk_id)
    await group_desk.hold(work.conn, work.here, group, desk, post, work.reason, role=work.desk.role)
    await casework.close(work.conn, work.here, work.case, Outcome.HELD)


async def _hand(work: Work) -> None:
    """Somebody else looks at it, and is called; no reason is asked for (DOM-H3)."""
    if work.form.text("note").strip():
        await _note(work)
    await casework.hand_over(work.conn, work.case)


async def _pass(work: Work) -> None:
    """To the node's queue, or from there back to the group's; always with a reason."""
    post = await work.post()
    group = await group_store.get(work.conn, post.group_id)
    other = None if work.desk.group is not None else group.id
    desk, about = await reported.place(work.conn, group, post)
    is_there = work.case.group_id == other  # the node looked at what is the group's
    if is_there or (other is not None and desk is None):
        raise NotAllowed("That group cannot decide about this.")
    await casework.pass_on(
        work.conn, work.here, work.case, other, about, work.form.text("why_others")
    )
    await _log(work, "case passed")


async def elsewhere(conn: AsyncConnection, here: Here, case: Case) -> Actor | None:
    """Whoever it is about, where they live on another server."""
    if case.about is None:
        return None
    person = (await actor_store.several(conn, [case.about.actor_id])).get(case.about.actor_id)
    return None if person is None or person.local else person


async def is_small(conn: AsyncConnection, shown: Shown | None, case: Case) -> bool:
    if case.subject is Subject.MESSAGE:
        return True
    return await forwarding.is_small(conn, shown.group.id if shown else None)


async def letter_of(work: Work) -> Letter:
    """What the form would tell moderators elsewhere.

    Raises NotAllowed: so few people here saw it that it would say who reported, or whoever it is
    about may read it there (MOD-5.13). Raises Malformed: something was not chosen.
    """
    person = await elsewhere(work.conn, work.here, work.case)
    if person is None:
        raise NotAllowed("They live here: there is nobody else to tell.")
    shown = await shown_of(work.conn, work.case)
    with_post = work.form.ticked("with_post") and shown is not None
    unsure = not work.form.ticked("sure")
    if with_post and unsure and await is_small(work.conn, shown, work.case):
        raise NotAllowed(
            "Few people here could have seen this post, so it may say who reported it. "
            "Leave the post out, or tick that it can go along."
        )
    group = shown.group if shown is not None else None
    theirs = group.actor if group is not None and group.settings is None else None
    if unsure and await forwarding.looks_after(work.conn, person, theirs):
        raise NotAllowed(
            "Whoever this is about moderates there, and would read it. "
            "Tick that you are sure, or do not send it."
        )
    ours = work.desk.group is not None and work.desk.group.federates
    return Letter(
        case=work.case,
        signer=work.desk.actor if ours else await node_desk(work.conn, work.here),
        person=person,
        group=theirs,
        words=work.form.text("letter"),
        with_post=with_post,
        category=_chosen(Category, work.form.text("category"), Category.REPORT),
        action=_chosen(Action, work.form.text("action"), Action.REVIEW),
        urgency=_chosen(Urgency, work.form.text("urgency"), Urgency.ROUTINE),
        rule=work.form.text("rule"),
    )


_Word = TypeVar("_Word", bound=StrEnum)


def _chosen(kind: type[_Word], text: str, otherwise: _Word) -> _Word:
    try:
        found = kind(text) if text else otherwise
    except ValueError as error:
        raise Malformed("Please choose one of what is there.") from error
    if found in (Category.CARE, Category.APPEAL):
        raise Malformed("Please choose one of what is there.")
    return found


async def _tell(work: Work) -> None:
    """Raises NotAllowed, Malformed: as `letter_of`."""
    await forwarding.plan(work.conn, work.here, await letter_of(work))
    await _log(work, "case told")


TASKS: Final[Mapping[str, Callable[[Work], Awaitable[None]]]] = {
    "claim": _claim,
    "give-back": _give_back,
    "second": _second,
    "note": _note,
    "nothing": _nothing,
    "supported": _supported,
    "remove": _remove,
    "ban": _ban,
    "stop": _stop,
    "hold": _hold,
    "hand": _hand,
    "pass": _pass,
    "tell": _tell,
}
STAYS: Final = {"claim": "#look", "note": "#notes", "tell": "#tell"}
