"""Whoever something is decided about is told why, and can ask for a second look (MOD-5.12)."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from groups import desk, hiding
from groups import posts as post_store
from kernel.schema.moderation import Role
from kernel.schema.posts import PostState
from kernel.schema.tables import appeals, audit, audit_chain, bans, limits, moderators, threads
from moderation import appeals as appeal_store
from moderation import audit as log
from moderation import chain, counts, standing
from moderation.signals import rules
from moderation.signals.rules import Kind, Mode, Rule
from moderation.standing import Speaker
from node.pages.session import ADMINISTRATOR
from tests.members import people
from tests.nodes import settle as settle_all
from tests.pages.conftest import House
from tests.pages.people import Person, person
from tests.peer import PeerFactory
from tests.wire.pacting import agree_with_peer, asks

pytestmark = pytest.mark.slow

WORDS = "I only wanted to help. Please read it again."


async def newest(house: House, verb: str) -> int:
    async with house.node.engine.connect() as conn:
        found = await conn.scalar(sa.select(sa.func.max(audit.c.id)).where(audit.c.verb == verb))
    assert found is not None
    return int(found)


async def look_after(house: House, *ids: UUID) -> None:
    """More moderators of the open group."""
    async with house.node.engine.begin() as conn:
        values = [{"group_id": house.open.id, "actor_id": each} for each in ids]
        await conn.execute(moderators.insert(), values)


async def answer(
    who: Person, path: str, decision: int, outcome: str, words: str
) -> tuple[int, str]:
    fields = {"decision": str(decision), "outcome": outcome, "words": words}
    found = await who.send("POST", path, fields)
    return found.status, found.text


async def state_of(house: House) -> PostState:
    async with house.node.engine.connect() as conn:
        return (await post_store.get(conn, house.answer.id)).state


async def test_mod_5_12_a_removal_is_explained_and_looked_at_by_somebody_else(
    house: House,
) -> None:
    node, ana, ben, cleo = house.node, house.ana, house.ben, house.cleo
    reason, rule = "It names a doctor.", "No names of clinics"
    await ana.send("POST", f"/p/{house.answer.id}/remove", {"reason": reason, "rule": rule})
    decision = await newest(house, "remove")
    assert f'href="/decisions/{decision}"' in (await ben.open("/notices")).html
    page = await ben.open(f"/decisions/{decision}")
    for says in (
        "Thank you for writing it", reason, rule, "Open", "the moderators of the group",
        "until somebody changes it", "somebody is there to talk to", "hello@alder.example",
        "You have time until", "has one moderator",
    ):  # fmt: skip
        assert says in page.text, says
    listed = await ben.open("/personas/ben/decisions")
    assert f'href="/decisions/{decision}"' in listed.html
    assert "Nothing was decided" in (await cleo.open("/personas/cleo/decisions")).text
    assert (await cleo.open("/personas/ben/decisions")).status == 404

    # SEC-L8: nobody else reads it, and what is not theirs is as what is not there.
    for other in (cleo, ana):
        missing, theirs = [await other.open(f"/decisions/{n}") for n in (99_999, decision)]
        assert (missing.status, missing.body) == (404, theirs.body)
        for what in ("appeal", "withdraw"):
            sent = await other.send("POST", f"/decisions/{decision}/{what}", {"words": "mine"})
            assert sent.status == 404
    assert (await house.visitor.open(f"/decisions/{decision}")).status == 303

    empty = await ben.send("POST", f"/decisions/{decision}/appeal", {"words": " "})
    assert "There are no words yet" in empty.text
    long = await ben.send("POST", f"/decisions/{decision}/appeal", {"words": "ä" * 2001})
    assert "2,001 letters" in long.text
    assert "ä" * 2001 in long.html
    await ben.send("POST", f"/decisions/{decision}/appeal", {"words": "ä" * 2000})
    await ben.send("POST", f"/decisions/{decision}/withdraw", {})
    await ben.send("POST", f"/decisions/{decision}/appeal", {"words": WORDS})
    assert WORDS in (await ben.open(f"/decisions/{decision}")).text
    again = await ben.send("POST", f"/decisions/{decision}/appeal", {"words": "more"})
    assert "asked for a second look already" in again.text
    assert await node.mentions("only wanted to help") == []  # sealed at rest
    async with node.engine.connect() as conn:
        sizes = sa.select(sa.func.length(appeals.c.words), sa.func.length(appeals.c.answer))
        words, other_words = (await conn.execute(sizes)).one()
    assert words == other_words

    # Ana decided it: she may not judge it, under none of her names, nor for the whole node.
    path, whole = "/g/open/desk/appeals", "/settings/node/appeals"
    second = await people.persona(node.engine, node.here, ana.prepared.member, "second")
    assert WORDS in (await ana.open(whole)).text  # the group has one moderator only
    for speaker in (Speaker.alone(second), cleo.speaker):
        await node.join(speaker, house.open.actor.uri)
    await look_after(house, second.id, cleo.actor.id)
    assert WORDS not in (await ana.open(whole)).text
    page = await ana.open(path)
    assert "You decided this yourself" in page.text
    assert "Hello back." in (await cleo.open(path)).text  # what was taken out
    status, text = await answer(ana, path, decision, "keep", "No.")
    assert "You decided this yourself" in text
    assert (await answer(ana, whole, decision, "keep", "No."))[0] == 404
    assert (await answer(ben, path, decision, "change", "Yes."))[0] == 404
    assert (await ben.open(path)).status == 404

    await look_after(house, ben.actor.id)  # who is a moderator by now may not judge either
    assert "a name of yours" in (await answer(ben, path, decision, "change", "Yes."))[1]
    assert "or it is about a name of yours" in (await ben.open(path)).text
    assert "Please choose" in (await answer(cleo, path, decision, "", "Hm."))[1]
    status, text = await answer(cleo, path, decision, "change", "")
    assert "There are no words yet" in text
    assert await state_of(house) is PostState.REMOVED
    status, _ = await answer(cleo, path, decision, "change", "You are right. Thank you.")
    assert status == 303
    assert await state_of(house) is PostState.SHOWN
    assert (await answer(cleo, path, decision, "keep", "Twice."))[0] == 404
    page = await ben.open(f"/decisions/{decision}")
    assert "You are right. Thank you." in page.text
    assert "and changed it" in page.text
    assert "Somebody looked again" in (await ben.open("/notices")).text
    assert "cleo" not in page.text

    entries = (await cleo.open("/g/open/desk/log?kind=change+after+appeal")).text
    assert "Second looks: it was changed" in entries
    assert reason not in entries
    assert (await cleo.open("/g/open/desk/log?kind=nothing")).status == 404
    assert reason in (await cleo.open("/g/open/desk/log")).text
    assert (await house.visitor.open("/g/open/desk/log")).status == 303
    assert (await ben.open("/settings/node/log")).status == 403

    async with node.engine.begin() as conn:
        assert not (await chain.verify(conn, [])).broken
        today = node.here.now().date()
        await appeal_store.sweep(conn, today + timedelta(days=30), today)
        assert await conn.scalar(sa.select(sa.func.count()).select_from(appeals)) == 1
        await appeal_store.sweep(conn, today + timedelta(days=31), today)
        assert await conn.scalar(sa.select(sa.func.count()).select_from(appeals)) == 0


async def test_mod_5_12_who_is_alone_is_answered_for_and_time_runs_out(house: House) -> None:
    node, ana, ben = house.node, house.ana, house.ben
    dora = await person(node, "dora", roles=frozenset({ADMINISTRATOR}))
    fields = {"person": str(ben.actor.id), "act": "ban", "reason": "A week apart.", "days": "7"}
    at = await ana.open(f"/g/open/desk/person?person={ben.actor.id}")
    assert "Nothing was decided about this name lately" in at.text
    odd = await ana.send("POST", "/g/open/desk/person", {**fields, "days": "9"})
    assert "Please choose until when" in odd.text
    assert "A week apart." in odd.html
    assert (await ben.send("POST", "/g/open/desk/person", fields)).status == 404
    stranger = {**fields, "person": str(house.cleo.actor.id)}
    assert (await ana.send("POST", "/g/open/desk/person", stranger)).status == 404
    assert (await ana.send("POST", "/g/open/desk/person", fields)).status == 303
    told = (await ben.open("/notices")).text
    assert "ask you to stay away" in told
    assert "no longer a member" not in told  # they are told once, and kindly
    decision = await newest(house, "ban")
    page = (await ben.open(f"/decisions/{decision}")).text
    assert "then it ends by itself" in page
    await ben.send("POST", f"/decisions/{decision}/appeal", {"words": WORDS})

    whole = "/settings/node/appeals"
    assert "You decided this yourself" in (await answer(ana, whole, decision, "keep", "No."))[1]
    assert (await answer(ben, whole, decision, "change", "Yes."))[0] == 403
    assert (await answer(dora, whole, decision, "change", "Come back."))[0] == 303
    async with node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(bans)) == 0
        line = sa.select(audit.c.role).where(audit.c.verb == "unban")
        assert await conn.scalar(line) == Role.NODE
        assert [each.verb for each in await log.of_node(conn, limit=2)] == [
            "unban",
            "change after appeal",
        ]
    assert "People who may come back" in (await dora.open("/settings/node/log")).text
    assert "You may come back" in (await ben.open("/notices")).text

    await ana.send("POST", f"/p/{house.answer.id}/remove", {"reason": ""})
    late = await newest(house, "remove")
    node.clock.forward(days=20)
    assert "Why should somebody look again" in (await ben.open(f"/decisions/{late}")).text
    node.clock.forward(days=1)
    assert "The time to ask is over" in (await ben.open(f"/decisions/{late}")).text
    refused = await ben.send("POST", f"/decisions/{late}/appeal", {"words": WORDS})
    assert "too long ago" in refused.text


async def test_mod_5_12_where_one_person_is_alone_a_second_look_waits_and_says_so(
    house: House, peer: PeerFactory
) -> None:
    """Ana looks after the group and the node, and nobody else does."""
    node, ana, ben = house.node, house.ana, house.ben
    chat = await peer("chat.test", node)
    target = f"{chat.origin}/hook"
    desk = {"target": target, "label": "phone", "way": "webhook", "pace": "15"}
    await ana.fill("/settings/node/alerts", action="/settings/node/alerts", **desk)
    await settle_all(node)
    await ana.send("POST", f"/p/{house.answer.id}/remove", {"reason": "Unkind"})
    decision, whole = await newest(house, "remove"), "/settings/node/appeals"
    at = f"/decisions/{decision}"
    await ben.send("POST", f"{at}/appeal", {"words": WORDS})
    assert "Somebody else reads it and answers here" in (await ben.open(at)).text
    assert "nobody here can" in (await ana.open(whole)).text
    for path in ("/g/open/desk/appeals", whole):
        assert "You decided this yourself" in (await answer(ana, path, decision, "keep", "No."))[1]
    await settle_all(node)
    chat.posted.clear()

    for days, alerts in ((13, 0), (2, 1), (1, 0)):  # on the very day the node rests
        before = node.here.now().date()
        node.clock.forward(days=days)
        async with node.engine.begin() as conn:
            await appeal_store.sweep(conn, node.here.now().date(), before)
        await settle_all(node)
        assert len(chat.posted) == alerts, days
        late = "nobody else is here who can read it" in (await ben.open(at)).text
        assert late is (days != 13), days
        assert all(WORDS.encode() not in each.body for each in chat.posted)
        assert all(b"ben" not in each.body for each in chat.posted)
        chat.posted.clear()
    assert (await ben.open(at)).page.form(action=f"{at}/withdraw")
    dora = await person(node, "dora", roles=frozenset({ADMINISTRATOR}))
    assert (await answer(dora, whole, decision, "change", "You are right."))[0] == 303
    assert "nobody else is here" not in (await ben.open(at)).text


@pytest.mark.parametrize("hidden", [True, False])
async def test_mod_5_12_the_node_answers_for_what_it_decided_itself(
    house: House, hidden: bool
) -> None:
    """Of a group elsewhere it was hidden here; of one of ours it was taken out of the group."""
    node, ana, ben = house.node, house.ana, house.ben
    dora = await person(node, "dora", roles=frozenset({ADMINISTRATOR}))
    here = node.here.deciding(b"k" * 32)
    async with node.engine.begin() as conn:
        if hidden:
            await hiding.hide(conn, here, house.answer, "Unkind")
        else:
            acting = await desk.require(conn, house.open, ana.speaker)
            await desk.remove(conn, here, house.open, acting, house.answer, "", role=Role.NODE)
    decision = await newest(house, "remove")
    assert "the moderators of this place" in (await ben.open(f"/decisions/{decision}")).text
    assert (
        "Posts taken out: 1"
        not in (await ana.open(f"/g/open/desk/person?person={ben.actor.id}")).text
    )
    asked = await ben.send("POST", f"/decisions/{decision}/appeal", {"words": WORDS})
    assert asked.status == 303
    path, whole = "/g/open/desk/appeals", "/settings/node/appeals"
    assert WORDS not in (await ana.open(path)).text
    assert (await answer(ana, path, decision, "change", "Yes."))[0] == 404
    assert WORDS in (await dora.open(whole)).text
    assert (await answer(dora, whole, decision, "change", "You are right."))[0] == 303
    assert await state_of(house) is PostState.SHOWN
    assert "You are right." in (await ben.open(f"/decisions/{decision}")).text
    assert "Somebody looked again" in (await ben.open("/notices")).text
    async with node.engine.connect() as conn:
        lines = sa.select(audit.c.role).where(audit.c.verb.in_(("restore", "change after appeal")))
        assert list(await conn.scalars(lines)) == [Role.NODE] * 2
        count = sa.select(threads.c.replies).where(threads.c.id == house.thread.id)
        assert await conn.scalar(count) == 1


async def test_mod_5_12_a_word_and_a_limit_end_and_fade(house: House) -> None:
    node, ana, ben = house.node, house.ana, house.ben
    about = {"person": str(ben.actor.id), "act": "warn", "reason": "", "rule": "Be gentle"}
    assert "no words yet" in (await ana.send("POST", "/g/open/desk/person", about)).text
    await ana.send("POST", "/g/open/desk/person", {**about, "reason": "A little softer, please."})
    decision = await newest(house, "warn")
    assert "have a word for you" in (await ben.open("/notices")).text
    page = (await ben.open(f"/decisions/{decision}")).text
    assert "A little softer, please." in page
    assert "Be gentle" in page
    assert "it is a word, and nothing more" in page

    limit = {"person": str(ben.actor.id), "act": "limit", "reason": "Slowly.", "days": ""}
    assert "until when" in (await ana.send("POST", "/g/open/desk/person", limit)).text
    second = await people.persona(node.engine, node.here, ben.prepared.member, "second")
    await node.join(Speaker.alone(second), house.open.actor.uri)
    await ana.send("POST", "/g/open/desk/person", {**limit, "days": "7"})
    held = await node.reply(ben.speaker, house.thread.uri, "Read this first.")
    assert held.state is PostState.HELD
    same = await node.edit(ben.speaker, house.answer.uri, "", "Hello back.")
    assert same.state is PostState.SHOWN
    changed = await node.edit(ben.speaker, house.answer.uri, "", "Something else.")
    assert changed.state is PostState.HELD  # not around it by an old post either
    assert "Something else." not in (await house.cleo.open(f"/t/{house.thread.id}")).text
    await look_after(house, second.id)  # nor by another name of whoever may release it
    for one, status in ((ben, 403), (ana, 303)):
        released = await one.send("POST", "/g/open/desk/release", {"post": str(changed.id)})
        assert released.status == status, released.text
    async with node.engine.begin() as conn:
        await conn.execute(sa.delete(moderators).where(moderators.c.actor_id == second.id))
    free = await node.reply(Speaker.alone(second), house.thread.uri, "I am another name.")
    assert free.state is PostState.SHOWN  # DESIGN-V2: nothing shows that they are one
    assert "reads your posts before they are shown" in (await ben.open("/notices")).text
    page = (await ana.open(f"/g/open/desk/person?person={ben.actor.id}")).text
    assert "Kind words to somebody: 1" in page
    assert "reads their posts first until" in page
    end = {"person": str(ben.actor.id), "act": "end-limit"}
    await ana.send("POST", "/g/open/desk/person", end)
    assert (await node.reply(ben.speaker, house.thread.uri, "Now.")).state is PostState.SHOWN
    assert (await ana.send("POST", "/g/open/desk/person", end)).status == 404
    mod = {**limit, "person": str(ana.actor.id), "days": "7"}
    assert "A moderator is trusted" in (await ana.send("POST", "/g/open/desk/person", mod)).text

    await ana.send("POST", "/g/open/desk/person", {**limit, "days": "7"})
    node.clock.forward(days=8)
    over = await node.reply(ben.speaker, house.thread.uri, "A week later.")
    assert over.state is PostState.SHOWN
    async with node.engine.begin() as conn:
        await standing.forget_ended(conn, node.here.now().date())
        assert await conn.scalar(sa.select(sa.func.count()).select_from(limits)) == 0
    node.clock.forward(days=82)
    async with node.engine.connect() as conn:
        for days, lately, faded in ((0, {"limit": 2, "warn": 1}, 0), (1, {}, 3)):
            node.clock.forward(days=days)
            found = await counts.of_person(conn, node.here, house.open.id, ben.actor.id)
            assert (found.lately, found.faded) == (lately, faded)


async def test_mod_5_12_what_everybody_sees_is_rounded_and_of_months_that_are_over(
    house: House,
) -> None:
    node = house.node
    async with node.engine.begin() as conn:
        desks = {each.id: each.desk_id for each in (house.open, house.private)}
        for group_id, verb, count in (
            (house.open.id, "remove", 13),
            (house.open.id, "ban", 4),
            (house.open.id, "memorial", 9),
            (house.private.id, "warn", 7),
            (house.private.id, "ban", 1),
            (house.open.id, "hold", 6),
            (house.open.id, "hold over", 9),
            (house.open.id, "label", 4),
            (None, "suspend", 5),
            (None, "end suspend", 4),
        ):
            for _ in range(count):
                await log.note(
                    conn, node.here, verb=verb, about="x", group_id=group_id,
                    actor_id=desks.get(group_id) if group_id else None,
                )  # fmt: skip
    nothing = "In no month was there enough"
    assert nothing in (await house.visitor.open("/about/moderation")).text
    now = node.here.now()
    node.clock.forward(days=32 - now.day if now.day < 32 else 1)
    page = (await house.visitor.open("/g/open/moderation")).text
    assert "Posts taken out: 10 or more" in page
    assert "People asked to stay away" not in page
    assert "memorial" not in page
    assert "Posts out of sight until they are read in peace: 5 or more" in page
    assert "given a label" not in page
    assert "Posts shown again" not in page  # nobody decided that
    page = (await house.visitor.open("/about/moderation")).text
    assert "People asked to rest for now: 5 or more" in page
    assert "People who can go on" not in page
    assert "Kind words to somebody: 5 or more" in page
    assert "People asked to stay away: 5 or more" in page
    assert (await house.visitor.open("/g/private/moderation")).status == 404  # SEC-L6
    assert (await house.ben.open("/g/private/moderation")).body == (
        await house.ben.open("/g/nowhere/moderation")
    ).body
    async with node.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.max(audit_chain.c.seq))) > 30


async def test_mod_5_12_taking_back_an_earlier_decision_leaves_a_later_one(house: House) -> None:
    """A ban for a week is changed, and one for good stays; so it is with a post removed twice."""
    node, ana, ben, cleo = house.node, house.ana, house.ben, house.cleo
    dora = await person(node, "dora", roles=frozenset({ADMINISTRATOR}))
    await node.join(cleo.speaker, house.open.actor.uri)
    path, gone = "/settings/node/appeals", "Not so, please."

    async def remove() -> int:
        assert (
            await ana.send("POST", f"/p/{house.answer.id}/remove", {"reason": gone})
        ).status == 303
        return await newest(house, "remove")

    async def ban(days: str) -> int:
        fields = {"person": str(ben.actor.id), "act": "ban", "reason": gone, "days": days}
        assert (await ana.send("POST", "/g/open/desk/person", fields)).status == 303
        return await newest(house, "ban")

    removed = await remove()
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, ana.speaker)
        post = await post_store.get(conn, house.answer.id)
        await desk.restore(conn, node.here, house.open, acting, post)
    removed_again, banned, banned_again = await remove(), await ban("7"), await ban("")
    for first, second in ((removed, removed_again), (banned, banned_again)):
        await ben.send("POST", f"/decisions/{first}/appeal", {"words": WORDS})
        assert "was decided again later" in (await dora.open(path)).text
        assert (await answer(dora, path, first, "change", "That one was too much."))[0] == 303
        page = await ben.open(f"/decisions/{first}")
        assert "changed it" in page.text
        assert f'href="/decisions/{second}">that is a decision of its own' in page.html
    assert await state_of(house) is PostState.REMOVED
    async with node.engine.connect() as conn:
        assert await standing.banned_among(conn, node.here, house.open.id, [ben.actor.id])
        assert await conn.scalar(sa.select(bans.c.until)) is None

    for second in (removed_again, banned_again):
        await ben.send("POST", f"/decisions/{second}/appeal", {"words": WORDS})
        assert "was decided again later" not in (await dora.open(path)).text
        assert (await answer(dora, path, second, "change", "And so was this."))[0] == 303
        assert "of its own" not in (await ben.open(f"/decisions/{second}")).text
    assert await state_of(house) is PostState.SHOWN
    async with node.engine.connect() as conn:
        assert not await standing.banned_among(conn, node.here, house.open.id, [ben.actor.id])


async def test_mod_5_12_whose_post_waits_for_a_peer_reads_why_and_until_when(
    house: House, peer: PeerFactory
) -> None:
    """MOD-5.7: and after the day they hear that it is over, not that somebody has read it."""
    node, ben = house.node, house.ben
    good = await peer("good.test", node)
    by = await agree_with_peer(node, good)
    async with node.engine.begin() as conn:
        rule = Rule(host=good.name, kind=Kind.TAKEDOWN, mode=Mode.APPLY)
        await rules.write(conn, node.here, rule)
    wanted = asks(node, good, by, "takedown", [house.answer.uri], requestedAction="limit")
    assert await good.send(node, wanted, by) == 202
    await settle_all(node)
    assert await state_of(house) is PostState.HELD
    notices = await ben.open("/notices")
    assert "Somebody reads your post first" in notices.text
    page = await ben.open(notices.page.link("/decisions/"))
    last = node.here.now().date() + timedelta(days=1)
    for words in (
        "A post of yours waits for a moderator for a day", "Another place asked", "Open",
        "then it ends by itself",
        "a rule of this place, by itself. A word from good.test was part of it.", f"{last.day} ",
        "somebody is there to talk to",
    ):  # fmt: skip
        assert words in page.text, words
    assert "on another server" not in page.text
    assert "A second look" not in page.text  # it ends sooner
    assert "waits for a moderator for a day" in (await ben.open("/personas/ben/decisions")).text

    node.clock.forward(hours=25)
    await settle_all(node)
    assert await state_of(house) is PostState.SHOWN
    told = await ben.open("/notices")
    assert "What held your post is over" in told.text
    listed = await ben.open("/personas/ben/decisions")
    assert "What held your post is over, and it is shown again" in listed.text
    for each in (told, listed):
        assert "has read it" not in each.text
        assert "read your post" not in each.text
