"""What people see where an author elsewhere is asked first (WIRE-M20), and keep of their words."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from groups.posts import UNANSWERED, Post
from kernel.schema.tables import posts
from tests.media import draw
from tests.nodes import settle
from tests.pages.conftest import House
from tests.pages.test_pictures import posted
from tests.peer import PUBLIC, Document, Peer, PeerFactory, Person
from tests.wire.world import said

pytestmark = pytest.mark.slow

WORDS = "A careful answer."


@pytest.fixture
async def good(house: House, peer: PeerFactory) -> Peer:
    return await peer("good.test", house.node)


@pytest.fixture
async def ann(house: House, good: Peer) -> Person:
    """Somebody elsewhere who follows the group."""
    ann = good.person("ann")
    await good.follow(house.node, ann, house.open.actor.uri)
    await settle(house.node)
    return ann


async def asks(
    house: House, good: Peer, ann: Person, act: str, *allowed: str, **extra: str
) -> Post:
    """A post of hers that says who may answer or like it."""
    rule: Document = {"automaticApproval": [ann.uri], "manualApproval": list(allowed)}
    note = good.note(
        ann,
        "Ask me.",
        to=[PUBLIC, house.open.actor.uri],
        interactionPolicy={f"can{act}": rule},
    )
    await said(house.node, good, ann, note)
    post = await house.node.post(note["id"])
    assert post is not None
    good.inbox.clear()
    return post


async def answered(house: House, post: Post) -> Post:
    """Ben answers in his browser."""
    path = f"/p/{post.id}/reply"
    page = await house.ben.open(path)
    assert "is asked first. Your words go to them alone" in page.text
    sent = await house.ben.submit(page, page.page.form("text", action=path), text=WORDS)
    assert sent.status == 303, sent.text
    await settle(house.node)
    async with house.node.engine.connect() as conn:
        uri = await conn.scalar(sa.select(posts.c.uri).where(posts.c.source == WORDS))
    found = await house.node.post(str(uri))
    assert found is not None
    return found


async def test_wire_M20_whoever_asked_sees_what_waits_and_nobody_else_does(
    house: House, good: Peer, ann: Person
) -> None:
    root = await asks(house, good, ann, "Reply", PUBLIC)
    thread = f"/t/{root.id}"
    before = await house.ben.open(thread)
    assert "decides who may answer" in before.text
    assert "<textarea" not in before.html
    assert f'href="/p/{root.id}/reply"' in before.html
    answer = await answered(house, root)
    seen = await house.ben.open(thread)
    assert WORDS in seen.text
    assert "is asked first whether this may stand under their post" in seen.text
    assert f'href="/p/{answer.id}/delete"' in seen.html
    for action in ("edit", "reply", "heard", "remove"):
        assert f'href="/p/{answer.id}/{action}"' not in seen.html
    assert (await house.ben.open(f"/p/{answer.id}/edit")).status == 404
    for other in (house.ana, house.cleo, house.visitor):
        assert WORDS not in (await other.open(thread)).text
        assert (await other.open(f"/p/{answer.id}")).status == 404
    listed = await house.ana.open("/g/open")
    assert "no answer yet" in listed.text
    async with house.node.engine.begin() as conn:
        before_that = answer.published - UNANSWERED - timedelta(minutes=1)
        of_answer = sa.update(posts).where(posts.c.id == answer.id)
        await conn.execute(of_answer.values(published=before_that))
    late = await house.ben.open(thread)
    assert "has not said yes or no for a month" in late.text
    assert WORDS in late.text
    kept = await house.ben.fill(f"/p/{answer.id}/delete", f"/p/{answer.id}/delete")
    assert kept.status == 303
    assert WORDS not in (await house.ben.open(thread)).text
    assert await house.node.mentions(WORDS) == []


async def test_wire_M20_a_no_is_told_to_whoever_asked_and_their_words_are_there(
    house: House, good: Peer, ann: Person
) -> None:
    root = await asks(house, good, ann, "Reply", PUBLIC)
    answer = await answered(house, root)
    assert await good.send(house.node, good.activity("Reject", ann, answer.uri), ann) == 202
    await settle(house.node)
    seen = await house.ben.open(f"/t/{root.id}")
    assert "would rather not have this under their post" in seen.text
    assert WORDS in seen.text
    for other in (house.ana, house.visitor):
        assert WORDS not in (await other.open(f"/t/{root.id}")).text


async def test_wire_M20_a_yes_shows_the_answer_and_taking_it_back_hides_it(
    house: House, good: Peer, ann: Person
) -> None:
    root = await asks(house, good, ann, "Reply", PUBLIC)
    answer = await answered(house, root)
    stamp = good.show(
        {
            "@context": ["https://www.w3.org/ns/activitystreams"],
            "id": f"{ann.uri}/authorizations/1",
            "type": "ReplyAuthorization",
            "attributedTo": ann.uri,
            "interactingObject": answer.uri,
            "interactionTarget": root.uri,
        }
    )
    accept = good.activity("Accept", ann, answer.uri, result=stamp["id"])
    assert await good.send(house.node, accept, ann) == 202
    await settle(house.node)
    assert WORDS in (await house.visitor.open(f"/t/{root.id}")).text
    assert await good.send(house.node, good.activity("Delete", ann, stamp["id"]), ann) == 202
    await settle(house.node)
    seen = await house.ben.open(f"/t/{root.id}")
    assert "no longer wants this under their post" in seen.text
    assert WORDS in seen.text
    assert WORDS not in (await house.visitor.open(f"/t/{root.id}")).text


async def test_wire_M20_a_page_says_before_that_a_name_may_not_even_ask(
    house: House, good: Peer, ann: Person
) -> None:
    root = await asks(house, good, ann, "Reply", f"{ann.uri}/followers")
    page = await house.ben.open(f"/p/{root.id}/reply")
    assert "Its author decides who may answer" in page.text
    assert "<textarea" not in page.html


async def test_wire_M20_a_sign_that_waits_says_so(house: House, good: Peer, ann: Person) -> None:
    root = await asks(house, good, ann, "Like", PUBLIC)
    path = f"/p/{root.id}/heard"
    page = await house.ben.open(path)
    assert "is asked first whether the sign may count" in page.text
    sent = await house.ben.submit(page, page.page.form("as", action=path))
    assert sent.status == 303, sent.text
    await settle(house.node)
    assert [each["type"] for each in good.inbox] == ["LikeRequest"]
    assert "They have not said yes yet" in (await house.ben.open(path)).text
    assert "They have not said yes yet" not in (await house.ana.open(path)).text
    closed = await asks(house, good, ann, "Like", f"{ann.uri}/followers")
    page = await house.ben.open(f"/p/{closed.id}/heard")
    assert "Its author decides who may do this" in page.text


async def test_sec_L11_a_picture_of_what_waits_is_for_its_writer_alone(
    house: House, good: Peer, ann: Person
) -> None:
    root = await asks(house, good, ann, "Reply", PUBLIC)
    address = await posted(house.ben, root.id, [draw.png()])
    assert (await house.ben.open(address)).status == 200
    for other in (house.ana, house.cleo, house.visitor):
        assert (await other.open(address)).status == 404
