"""Authors elsewhere who want to be asked first: GoToSocial's dialects, old and new (WIRE 8.7)."""

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub import proofs
from activitypub.jsontext import read
from activitypub.keys import load_multibase
from groups import closing, desk, reactions
from groups import groups as group_store
from groups import posts as post_store
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.errors import NotAllowed, NotFound
from kernel.schema.actors import FollowState
from kernel.schema.groups import Posts, Premoderation
from kernel.schema.posts import PostState, ReactionKind
from kernel.schema.tables import actors, deliveries, follows
from kernel.schema.tables import reactions as reaction_table
from moderation.standing import Speaker
from node import tidy
from node.safekeeping import replay
from tests.nodes import Node, settle, words
from tests.peer import PUBLIC, Document, Peer, Person
from tests.wire import strict
from tests.wire.world import Club, Follower, ask, last_received, reacted, said

pytestmark = pytest.mark.slow

LATER = "2090-01-01T00:00:00Z"


@pytest.fixture
def ann(good: Peer) -> Person:
    return good.person("ann")


def policy(
    act: str,
    at_once: Sequence[str] = (),
    on_request: Sequence[str] = (PUBLIC,),
    *,
    old: bool = False,
) -> Document:
    """Who may answer (`Reply`) or like (`Like`), as GoToSocial says it before or since 0.20."""
    names = ("always", "approvalRequired") if old else ("automaticApproval", "manualApproval")
    lists = zip(names, (list(at_once), list(on_request)), strict=True)
    return {"interactionPolicy": {f"can{act}": dict(lists)}}


async def come(
    alder: Node, good: Peer, ann: Person, group: Group, rule: Document, **extra: Any
) -> Post:
    """A post with a policy arrives in a group of ours."""
    note = good.note(ann, "Ask me.", to=[PUBLIC, group.actor.uri], **rule, **extra)
    await said(alder, good, ann, note)
    post = await alder.post(note["id"])
    assert post is not None, await last_received(alder)
    good.inbox.clear()
    return post


async def waiting(
    alder: Node, good: Peer, ann: Person, kay: Speaker, group: Group, *, old: bool = False
) -> Post:
    """Kay answered, and Ann was asked."""
    parent = await come(alder, good, ann, group, policy("Reply", [ann.uri], old=old))
    answer = await alder.reply(kay, parent.uri, "A careful answer.")
    await settle(alder)
    return answer


async def state(alder: Node, post: Post) -> PostState:
    found = await alder.post(post.uri)
    assert found is not None
    return found.state


def request_of(answer: Post) -> Document:
    """How GoToSocial names what was asked, in its Accept and Reject."""
    return {
        "type": "ReplyRequest",
        "id": f"{answer.uri}#ReplyRequest",
        "actor": answer.author_uri,
        "instrument": answer.uri,
    }


def authorization(good: Peer, ann: Person, item: str, **extra: Any) -> Document:
    return good.show(
        {
            "@context": ["https://www.w3.org/ns/activitystreams", "https://gotosocial.org/ns"],
            "id": f"{ann.uri}/authorizations/1",
            "type": "ReplyAuthorization",
            "attributedTo": ann.uri,
            "interactingObject": item,
            **extra,
        }
    )


async def allow(alder: Node, good: Peer, ann: Person, answer: Post) -> str:
    """Ann says yes; where she says so."""
    stamp = authorization(good, ann, answer.uri)
    accept = good.activity(
        "Accept", ann, request_of(answer), result=stamp["id"], to=[answer.author_uri]
    )
    assert await good.send(alder, accept, ann) == 202
    await settle(alder)
    assert await state(alder, answer) is PostState.SHOWN, await last_received(alder)
    return str(stamp["id"])


@pytest.fixture
async def kay(alder: Node, sleep: Group) -> Speaker:
    return await alder.persona("kay")


@pytest.mark.parametrize("old", [False, True])
async def test_wire_M20_an_author_is_asked_and_nobody_else_is_told(
    alder: Node,
    sleep: Group,
    ana: Speaker,
    kay: Speaker,
    lemmy: Follower,
    mastodon: Follower,
    good: Peer,
    ann: Person,
    old: bool,
) -> None:
    parent = await come(alder, good, ann, sleep, policy("Reply", [ann.uri], old=old))
    await settle(alder)
    for each in (lemmy.peer, mastodon.peer):
        each.inbox.clear()
    answer = await alder.reply(kay, parent.uri, "A careful answer.")
    await settle(alder)
    (asked,) = good.inbox
    strict.check(asked)
    assert strict.unmapped(asked) == set()
    assert (asked["to"], asked["cc"]) == ([ann.uri], [])
    if old:
        assert asked["type"] == "Create"
        note = asked["object"]
    else:
        assert asked["type"] == "ReplyRequest"
        assert asked["id"] == f"{answer.uri}#ReplyRequest"
        assert (asked["actor"], asked["object"]) == (kay.actor.uri, parent.uri)
        note = asked["instrument"]
    assert note["id"] == answer.uri
    assert (note["inReplyTo"], note["attributedTo"]) == (parent.uri, kay.actor.uri)
    assert "A careful answer." in note["content"]
    assert PUBLIC in note["to"]  # as it will be
    assert "approvedBy" not in note
    assert lemmy.peer.inbox == mastodon.peer.inbox == []
    assert answer.state is PostState.ASKED
    assert "A careful answer." in str(words(await alder.thread(parent.uri, kay.id)))
    for others in ((ana.id,), ()):  # a moderator, a stranger
        assert "A careful answer." not in str(words(await alder.thread(parent.uri, *others)))
    shown = await alder.thread(parent.uri)
    assert len(shown.posts) == 1
    assert (await ask(alder, answer.uri.removeprefix(alder.origin))).status == 404
    assert (await ask(alder, "/p/1")).body == (
        await ask(alder, answer.uri.removeprefix(alder.origin))
    ).body
    thread = read((await ask(alder, parent.thread_uri.removeprefix(alder.origin))).body)
    assert thread["orderedItems"] == [parent.uri]
    assert (await ask(alder, f"/a/{asked['id'].rpartition('/')[2]}")).status == 404


async def test_wire_M20_once_allowed_an_answer_is_told_as_any_other_with_the_word_of_its_author(
    alder: Node, sleep: Group, kay: Speaker, lemmy: Follower, good: Peer, ann: Person
) -> None:
    answer = await waiting(alder, good, ann, kay, sleep)
    good.inbox.clear()
    lemmy.peer.inbox.clear()
    stamp = await allow(alder, good, ann, answer)
    assert f"{ann.uri}/authorizations/1".removeprefix(good.origin) in good.fetched
    (create,) = good.got("Create")
    strict.check(create)
    assert strict.unmapped(create) == set()
    for told in (create, lemmy.peer.got("Announce", "Create")[-1]["object"]):
        assert told["object"]["id"] == answer.uri
        assert told["object"]["approvedBy"] == told["object"]["replyAuthorization"] == stamp
        assert PUBLIC in told["to"]
    document = read((await ask(alder, answer.uri.removeprefix(alder.origin))).body)
    assert document["approvedBy"] == stamp
    assert strict.unmapped(document) == set()
    assert "A careful answer." in str(words(await alder.thread(answer.uri)))
    again = good.activity("Accept", ann, request_of(answer), result=stamp)
    good.inbox.clear()
    assert await good.send(alder, again, ann) == 202
    await settle(alder)
    assert good.got("Create") == []
    await alder.edit(kay, answer.uri, "", "Better words.")
    await settle(alder)
    assert good.got("Update")[0]["object"]["approvedBy"] == stamp


@pytest.mark.parametrize("version", ["0.17", "0.19", "0.20", "0.21"])
async def test_wire_M20_every_version_of_gotosocial_can_say_yes(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person, version: str
) -> None:
    """To a Create it answers with the post's id; what the word is called changed with time."""
    answer = await waiting(alder, good, ann, kay, sleep, old=True)
    about: Document = {"object": answer.uri, "target": await _parent_uri(alder, answer)}
    accept = good.activity("Accept", ann, answer.uri, target=about["target"])
    if version in ("0.17", "0.20"):  # the Accept is the word
        good.show(accept)
        expected = accept["id"]
    else:
        stamp = {"id": f"{ann.uri}/approvals/1", "attributedTo": ann.uri}
        if version == "0.19":
            stamp |= {"type": "ReplyApproval", **about}
        else:
            stamp |= {
                "type": "ReplyAuthorization",
                "interactingObject": answer.uri,
                "interactionTarget": about["target"],
            }
        good.show({"@context": accept["@context"], **stamp})
        accept["result"] = expected = stamp["id"]
    assert await good.send(alder, accept, ann) == 202
    await settle(alder)
    found = await alder.post(answer.uri)
    assert found is not None
    assert (found.state, found.approval) == (PostState.SHOWN, expected)


async def _parent_uri(alder: Node, answer: Post) -> str:
    assert answer.parent_id is not None
    async with alder.engine.connect() as conn:
        return (await post_store.get(conn, answer.parent_id)).uri


BEA = "http://good.test/u/bea"
ELSEWHERE = "http://evil.test/stamps/1"


@pytest.mark.parametrize(
    "forged",
    [
        {"interactingObject": "http://alder.test/p/1"},
        {"interactionTarget": "http://good.test/notes/another"},
        {"attributedTo": BEA},
        {"type": "LikeAuthorization"},
        {"type": "QuoteAuthorization"},
        {"type": "ReplyApproval"},
        {"interactingObject": None},
        {"attributedTo": None},
        {"id": ELSEWHERE},
        {"id": "http://good.test/never-shown"},
    ],
    ids=lambda forged: "-".join(f"{name}" for name in forged) + str(forged).rpartition("/")[2][:9],
)
async def test_sec_S22_an_approval_of_something_else_is_not_believed(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person, forged: Document
) -> None:
    answer = await waiting(alder, good, ann, kay, sleep)
    good.person("bea")
    stamp = authorization(good, ann, answer.uri, **forged)
    if forged.get("id") == "http://good.test/never-shown":
        good.shown.clear()
        good.show(ann.document())
    accept = good.activity("Accept", ann, request_of(answer), result=stamp["id"])
    assert await good.send(alder, accept, ann) == 202
    await settle(alder)
    assert await state(alder, answer) is PostState.ASKED
    assert (await last_received(alder))[0] == "refused"
    assert "A careful answer." not in str(words(await alder.thread(answer.uri)))


async def test_sec_S22_only_the_author_of_a_post_decides(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person
) -> None:
    """Somebody of the same server has an approval that is right in everything but who sends it."""
    answer = await waiting(alder, good, ann, kay, sleep)
    bea = good.person("bea")
    stamp = authorization(good, ann, answer.uri)["id"]
    for kind in ("Accept", "Reject"):
        spoken = good.activity(kind, bea, request_of(answer), result=stamp)
        assert await good.send(alder, spoken, bea) == 202
        await settle(alder)
        assert await last_received(alder) == ("refused", "NotAllowed")
        assert await state(alder, answer) is PostState.ASKED
    await allow(alder, good, ann, answer)
    revoked = good.activity("Delete", bea, stamp)
    assert await good.send(alder, revoked, bea) == 202
    await settle(alder)
    assert await last_received(alder) == ("refused", "NotAllowed")
    assert await state(alder, answer) is PostState.SHOWN


@pytest.mark.parametrize("revoked", [False, True])
async def test_sec_S22_an_approval_is_used_once(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person, revoked: bool
) -> None:
    """Its server shows it anew each time, about whatever comes next."""
    first = await waiting(alder, good, ann, kay, sleep)
    stamp = await allow(alder, good, ann, first)
    if revoked:
        assert await good.send(alder, good.activity("Delete", ann, stamp), ann) == 202
        await settle(alder)
    second = await waiting(alder, good, ann, kay, sleep)
    authorization(good, ann, second.uri)
    accept = good.activity("Accept", ann, request_of(second), result=stamp)
    assert await good.send(alder, accept, ann) == 202
    await settle(alder)
    assert await last_received(alder) == ("refused", "NotAllowed")
    assert await state(alder, second) is PostState.ASKED


async def test_what_moderators_removed_is_not_restored_where_its_author_took_their_yes_back(
    alder: Node, sleep: Group, ana: Speaker, kay: Speaker, good: Peer, ann: Person
) -> None:
    answer = await waiting(alder, good, ann, kay, sleep)
    stamp = await allow(alder, good, ann, answer)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        shown = await post_store.get(conn, answer.id)
        await desk.remove(conn, alder.here, sleep, actor, shown, "off topic")
    assert await good.send(alder, good.activity("Delete", ann, stamp), ann) == 202
    await settle(alder)
    assert await state(alder, answer) is PostState.DECLINED
    async with alder.engine.begin() as conn:
        removed = await post_store.get(conn, answer.id)
        with pytest.raises(NotFound):
            await desk.restore(conn, alder.here, sleep, actor, removed)


async def test_sec_S22_an_answer_that_nobody_asked_about_is_no_answer(
    alder: Node, sleep: Group, ana: Speaker, good: Peer, ann: Person
) -> None:
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    stamp = authorization(good, ann, root.uri)["id"]
    for kind in ("Accept", "Reject"):
        spoken = good.activity(kind, ann, root.uri, result=stamp)
        assert await good.send(alder, spoken, ann) == 202
        await settle(alder)
        assert await last_received(alder) == ("refused", "Malformed")
    assert await state(alder, root) is PostState.SHOWN
    assert "/u/ann/authorizations/1" not in good.fetched


@pytest.mark.parametrize("embedded", [True, False])
async def test_wire_M20_a_no_leaves_the_words_to_their_writer(
    alder: Node,
    sleep: Group,
    kay: Speaker,
    lemmy: Follower,
    good: Peer,
    ann: Person,
    embedded: bool,
) -> None:
    answer = await waiting(alder, good, ann, kay, sleep)
    lemmy.peer.inbox.clear()
    reject = good.activity("Reject", ann, request_of(answer) if embedded else answer.uri)
    assert await good.send(alder, reject, ann) == 202
    await settle(alder)
    assert await state(alder, answer) is PostState.DECLINED
    assert "A careful answer." in str(words(await alder.thread(answer.uri, kay.id)))
    assert "A careful answer." not in str(words(await alder.thread(answer.uri)))
    assert (await ask(alder, answer.uri.removeprefix(alder.origin))).status == 404
    good.inbox.clear()
    await alder.delete(kay, answer.uri)
    await settle(alder)
    assert [each["type"] for each in good.inbox] == ["Delete"]
    assert good.inbox[0]["to"] == [ann.uri]
    assert lemmy.peer.inbox == []
    assert await alder.mentions("A careful answer.") == []


async def test_wire_M20_a_yes_can_be_taken_back(
    alder: Node, sleep: Group, kay: Speaker, lemmy: Follower, good: Peer, ann: Person
) -> None:
    answer = await waiting(alder, good, ann, kay, sleep)
    stamp = await allow(alder, good, ann, answer)
    lemmy.peer.inbox.clear()
    assert await good.send(alder, good.activity("Delete", ann, stamp), ann) == 202
    await settle(alder)
    assert await state(alder, answer) is PostState.DECLINED
    assert len(lemmy.peer.got("Announce", "Delete")) == 1
    assert (await ask(alder, answer.uri.removeprefix(alder.origin))).status == 410
    assert "A careful answer." in str(words(await alder.thread(answer.uri, kay.id)))
    assert "A careful answer." not in str(words(await alder.thread(answer.uri)))
    assert await alder.mentions("A careful answer.") == ["posts.source", "posts.content"]
    page = await alder.thread(answer.uri)
    async with alder.engine.connect() as conn:
        assert (await post_store.reply_uris(conn, page.root.id))[1] == 0


async def test_wire_M20_where_nobody_may_ask_nothing_is_sent(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person
) -> None:
    for rule in (policy("Reply", [ann.uri], []), policy("Reply", [f"{ann.uri}/followers"], [])):
        closed = await come(alder, good, ann, sleep, rule)
        with pytest.raises(NotAllowed):
            await alder.reply(kay, closed.uri, "An answer.")
    quiet = await come(alder, good, ann, sleep, policy("Like", [ann.uri], []))
    with pytest.raises(NotAllowed):
        await like(alder, kay, quiet)
    assert (await alder.reply(kay, quiet.uri, "An answer.")).shown
    await settle(alder)
    assert [each["type"] for each in good.inbox] == ["Create"]
    opened = {
        **good.note(ann, "x"),
        "id": closed.uri,
        "to": [PUBLIC, sleep.actor.uri],
        "updated": LATER,
    }
    good.show(opened)
    assert await good.send(alder, good.activity("Update", ann, opened), ann) == 202
    await settle(alder)
    assert (await alder.reply(kay, closed.uri, "An answer.")).shown


async def test_wire_M20_whoever_is_named_answers_at_once_and_followers_ask(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person
) -> None:
    """A mention opens a post; a server that lets followers in says so to others by its word."""
    named = await come(alder, good, ann, sleep, policy("Reply", [ann.uri, kay.actor.uri], []))
    assert (await alder.reply(kay, named.uri, "At once.")).shown
    for collection in ("followers", "following"):
        rule = policy("Reply", [f"{ann.uri}/{collection}"], [])
        near = await come(alder, good, ann, sleep, rule)
        with pytest.raises(NotAllowed):
            await alder.reply(kay, near.uri, "Too far.")
        async with alder.engine.begin() as conn:
            ends = ("follower_id", "followed_id")
            ids = (kay.id, near.author_id)
            pair = zip(ends, ids if collection == "followers" else ids[::-1], strict=True)
            await conn.execute(
                sa.insert(follows).values(
                    **dict(pair), state=FollowState.ACCEPTED, uri=f"{alder.origin}/a/{collection}"
                )
            )
        assert (await alder.reply(kay, near.uri, "Near.")).state is PostState.ASKED
    but = await come(alder, good, ann, sleep, policy("Reply", [PUBLIC], [kay.actor.uri]))
    assert (await alder.reply(kay, but.uri, "Ask for me.")).state is PostState.ASKED


async def test_wire_M20_words_that_wait_go_when_they_are_deleted(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person
) -> None:
    """Before they were sent nobody hears of them; after, whom they were sent to."""
    parent = await come(alder, good, ann, sleep, policy("Reply", [ann.uri]))
    unsent = await alder.reply(kay, parent.uri, "A careful answer.")
    await alder.delete(kay, unsent.uri)
    assert await alder.mentions("A careful answer.") == []
    await settle(alder)
    assert good.got("ReplyRequest") == []
    good.inbox.clear()
    answer = await alder.reply(kay, parent.uri, "A careful answer.")
    await settle(alder)
    await tidy.tidy(alder.engine, alder.here)
    assert await alder.mentions("A careful answer.") == ["posts.source", "posts.content"]
    await alder.delete(kay, answer.uri)
    await settle(alder)
    assert [each["type"] for each in good.inbox] == ["ReplyRequest", "Delete"]
    assert await alder.mentions("A careful answer.") == []
    accept = good.activity(
        "Accept", ann, request_of(answer), result=authorization(good, ann, answer.uri)["id"]
    )
    assert await good.send(alder, accept, ann) == 202
    await settle(alder)
    assert await state(alder, answer) is PostState.DELETED


async def test_sec_L16_what_was_deleted_since_a_backup_does_not_wait_again_after_it(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person
) -> None:
    answer = await waiting(alder, good, ann, kay, sleep)
    async with alder.engine.begin() as conn:
        await replay.replay(conn, alder.here, [("deleted", answer.uri)])
    assert await state(alder, answer) is PostState.DELETED
    assert await alder.mentions("A careful answer.") == []


async def test_a_persona_that_closes_leaves_nothing_waiting(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person
) -> None:
    rule = {
        "interactionPolicy": {
            **policy("Reply")["interactionPolicy"],
            **policy("Like")["interactionPolicy"],
        }
    }
    parent = await come(alder, good, ann, sleep, rule)
    answer = await alder.reply(kay, parent.uri, "A careful answer.")
    await like(alder, kay, parent)
    async with alder.engine.begin() as conn:
        await closing.close(conn, alder.here, kay.actor)
    assert await state(alder, answer) is PostState.DELETED
    assert await alder.mentions("A careful answer.") == []
    assert await reacted(alder, parent.uri, ReactionKind.ASKED) == 0


async def test_sec_L12_somebody_banned_meanwhile_is_not_let_in_by_an_author(
    alder: Node, sleep: Group, ana: Speaker, kay: Speaker, good: Peer, ann: Person
) -> None:
    answer = await waiting(alder, good, ann, kay, sleep)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        await desk.ban(conn, alder.here, sleep, actor, kay.actor, "enough")
    stamp = authorization(good, ann, answer.uri)["id"]
    accept = good.activity("Accept", ann, request_of(answer), result=stamp)
    assert await good.send(alder, accept, ann) == 202
    await settle(alder)
    assert await last_received(alder) == ("refused", "NotAllowed")
    assert await state(alder, answer) is PostState.ASKED


async def test_a_thread_that_was_closed_meanwhile_stays_closed(
    alder: Node, sleep: Group, ana: Speaker, kay: Speaker, good: Peer, ann: Person
) -> None:
    answer = await waiting(alder, good, ann, kay, sleep)
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, sleep, ana)
        root = await post_store.get(conn, answer.thread_id)
        await desk.lock(conn, alder.here, sleep, actor, root)
    stamp = authorization(good, ann, answer.uri)["id"]
    accept = good.activity("Accept", ann, request_of(answer), result=stamp)
    assert await good.send(alder, accept, ann) == 202
    await settle(alder)
    assert await state(alder, answer) is PostState.ASKED


async def test_moderators_read_first_and_then_the_author_is_asked(
    alder: Node, ana: Speaker, good: Peer, ann: Person
) -> None:
    careful = await alder.group(
        "careful",
        ana,
        settings=GroupSettings(posts=Posts.ANYONE, premoderation=Premoderation.FIRST),
    )
    async with alder.engine.begin() as conn:
        group = await group_store.get(conn, careful.id)
        note = good.note(ann, "Ask me.", to=[PUBLIC, group.actor.uri], **policy("Reply"))
    await said(alder, good, ann, note)
    parent = await alder.post(note["id"])
    assert parent is not None
    async with alder.engine.begin() as conn:
        actor = await desk.require(conn, group, ana)
        await desk.release(conn, alder.here, group, actor, parent)
    kay = await alder.persona("kay")
    answer = await alder.reply(kay, parent.uri, "A careful answer.")
    await settle(alder)
    assert answer.state is PostState.HELD
    assert good.got("ReplyRequest") == []
    async with alder.engine.begin() as conn:
        await desk.release(conn, alder.here, group, actor, answer)
    await settle(alder)
    assert await state(alder, answer) is PostState.ASKED
    assert len(good.got("ReplyRequest")) == 1
    await allow(alder, good, ann, answer)


async def test_who_blocked_the_writer_is_not_asked(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person
) -> None:
    """WIRE-M10: and the writer is not told."""
    parent = await come(alder, good, ann, sleep, policy("Reply"))
    assert await good.send(alder, good.activity("Block", ann, kay.actor.uri), ann) == 202
    await settle(alder)
    answer = await alder.reply(kay, parent.uri, "A careful answer.")
    await settle(alder)
    assert answer.state is PostState.ASKED
    assert good.inbox == []


async def test_what_its_author_answers_waits_for_their_yes(
    alder: Node, sleep: Group, kay: Speaker, good: Peer, ann: Person
) -> None:
    """GoToSocial says yes by answering; the two may cross."""
    answer = await waiting(alder, good, ann, kay, sleep)
    note = good.note(ann, "Thank you.", to=[PUBLIC, sleep.actor.uri], inReplyTo=answer.uri)
    await said(alder, good, ann, note)
    assert await alder.post(note["id"]) is None
    await allow(alder, good, ann, answer)
    alder.clock.forward(hours=1)
    await settle(alder)
    assert await alder.post(note["id"]) is not None


async def test_a_group_elsewhere_hears_of_it_after_the_author(
    alder: Node, club: Club, good: Peer, ann: Person
) -> None:
    note = good.note(ann, "Ask me.", to=[PUBLIC, club.group.uri], name="Ask me.", **policy("Reply"))
    await club.announce(alder, good.create(ann, note))
    club.peer.inbox.clear()
    answer = await alder.reply(club.member, note["id"], "A careful answer.")
    await settle(alder)
    assert len(good.got("ReplyRequest")) == 1
    assert club.peer.inbox == []
    await allow(alder, good, ann, answer)
    (create,) = club.peer.got("Create")
    assert create["object"]["approvedBy"] == f"{ann.uri}/authorizations/1"


async def test_where_posts_carry_proofs_the_word_of_the_author_is_in_them(
    alder: Node, ana: Speaker, good: Peer, ann: Person
) -> None:
    """And none on what is only asked: a proof outlives the words (WIRE-S40)."""
    group = await alder.group(
        "proven", ana, settings=GroupSettings(posts=Posts.ANYONE, proofs=True)
    )
    kay = await alder.persona("kay")
    answer = await waiting(alder, good, ann, kay, group)
    (asked,) = good.inbox
    assert not {"proof", "signature"} & {*asked, *asked["instrument"]}
    stamp = await allow(alder, good, ann, answer)
    (create,) = good.got("Create")
    assert "proof" in create
    assert create["object"]["approvedBy"] == stamp
    assert strict.unmapped(create) == set()
    proof = proofs.read(create["object"])
    listed = read((await ask(alder, "/u/kay")).body)["assertionMethod"]
    assert isinstance(listed, list)
    (method,) = listed
    assert isinstance(method, dict)
    assert proof.holds(load_multibase(str(method["publicKeyMultibase"])))


async def like(alder: Node, speaker: Speaker, post: Post) -> None:
    async with alder.engine.begin() as conn:
        await reactions.like(conn, alder.here, speaker, post)


async def take_back(alder: Node, speaker: Speaker, post: Post) -> None:
    async with alder.engine.begin() as conn:
        await reactions.unlike(conn, alder.here, speaker, post)


@pytest.mark.parametrize("old", [False, True])
async def test_wire_M20_a_like_is_asked_for_and_counts_once_it_is_allowed(
    alder: Node, sleep: Group, kay: Speaker, lemmy: Follower, good: Peer, ann: Person, old: bool
) -> None:
    post = await come(alder, good, ann, sleep, policy("Like", [ann.uri], old=old))
    lemmy.peer.inbox.clear()
    await like(alder, kay, post)
    await like(alder, kay, post)
    await settle(alder)
    (asked,) = good.inbox
    strict.check(asked)
    assert strict.unmapped(asked) == set()
    assert asked["to"] == [ann.uri]
    assert asked["type"] == ("Like" if old else "LikeRequest")
    inner = asked if old else asked["instrument"]
    assert (inner["object"], inner["actor"]) == (post.uri, kay.actor.uri)
    assert lemmy.peer.inbox == []
    assert await reacted(alder, post.uri, ReactionKind.LIKE) == 0
    stamp = good.show(
        {
            "@context": ["https://www.w3.org/ns/activitystreams"],
            "id": f"{ann.uri}/approvals/1",
            "type": "LikeApproval" if old else "LikeAuthorization",
            "attributedTo": ann.uri,
            **(
                {"object": inner["id"], "target": post.uri}
                if old
                else {"interactingObject": inner["id"], "interactionTarget": post.uri}
            ),
        }
    )
    about = inner["id"] if old else {"type": "LikeRequest", "id": asked["id"]}
    accept = good.activity("Accept", ann, about, result=stamp["id"])
    assert await good.send(alder, accept, ann) == 202
    await settle(alder)
    assert await reacted(alder, post.uri, ReactionKind.LIKE) == 1
    assert await reacted(alder, post.uri, ReactionKind.ASKED) == 0
    (passed,) = lemmy.peer.got("Announce", "Like")
    assert passed["object"]["approvedBy"] == passed["object"]["likeAuthorization"] == stamp["id"]
    assert strict.unmapped(good.inbox[-1]) == set()
    assert await good.send(alder, good.activity("Delete", ann, stamp["id"]), ann) == 202
    await settle(alder)
    assert await reacted(alder, post.uri, ReactionKind.LIKE) == 0
    assert len(lemmy.peer.got("Announce", "Undo")) == 1


async def test_wire_M20_a_like_that_waits_is_declined_or_taken_back(
    alder: Node, sleep: Group, kay: Speaker, lemmy: Follower, good: Peer, ann: Person
) -> None:
    post = await come(alder, good, ann, sleep, policy("Like", [ann.uri]))
    lemmy.peer.inbox.clear()
    await like(alder, kay, post)
    await settle(alder)
    (asked,) = good.inbox
    assert (
        await good.send(alder, good.activity("Reject", ann, asked["instrument"]["id"]), ann) == 202
    )
    await settle(alder)
    assert await reacted(alder, post.uri, ReactionKind.ASKED) == 0
    good.inbox.clear()
    await like(alder, kay, post)
    await take_back(alder, kay, post)  # before it was sent
    await settle(alder)
    assert [each["type"] for each in good.inbox] == ["Undo"]
    assert good.inbox[0]["to"] == [ann.uri]
    async with alder.engine.connect() as conn:
        assert (await conn.execute(sa.select(reaction_table))).all() == []
        assert (await conn.execute(sa.select(deliveries))).all() == []
        assert await conn.scalar(sa.select(actors.c.id).where(actors.c.uri == ann.uri))
    assert lemmy.peer.inbox == []
