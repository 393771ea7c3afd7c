"""Care cases on pages: people look sooner, on clocks, and nothing else follows from it."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from groups import closing, reported
from groups.groups import add_moderator
from groups.posts import Post
from kernel.errors import NotFound, TooMany
from kernel.schema.care import CareState, Level
from kernel.schema.posts import PostState
from kernel.schema.tables import (
    alert_calls,
    alert_channels,
    audit,
    care_cases,
    care_counts,
    care_handovers,
    care_looks,
    care_objections,
    care_words,
    cases,
    look_counts,
    metadata,
    notices,
    threads,
)
from members import accounts
from moderation import care, counts, desks
from moderation.care import cases as care_store
from moderation.care import clocks, ending, handover, incoming, looks, objections
from node import care as care_worker
from node.pages.memory import MEMORY, forget_site
from node.pages.session import MODERATOR
from node.safekeeping.replay import replay
from tests.nodes import settle as settle_all
from tests.pages.conftest import House
from tests.pages.people import Answer, Browser, Person, person
from tests.pages.test_forms import snapshot

QUEUE = "/moderation/care"
Row = sa.Row[tuple[object, ...]]


@pytest.fixture
async def dan(house: House) -> Person:
    """A second moderator of the open group, who has no task in the node."""
    dan = await person(house.node, "dan")
    group, here = house.open, house.node.here
    async with house.node.engine.begin() as conn:
        await add_moderator(conn, here, group.actor, dan.actor, group.guidelines_version)
    return dan


async def worried(who: Person, post: Post, words: str = "", *, soon: bool = False) -> Answer:
    at = f"/p/{post.id}/report"
    more = {"soon": "yes"} if soon else {}
    return await who.fill(at, at, why="worried", words=words, **more)


async def held(house: House) -> Sequence[Row]:
    async with house.node.engine.connect() as conn:
        return (await conn.execute(sa.select(care_cases).order_by(care_cases.c.id))).all()


async def the_one(house: House) -> Row:
    (row,) = await held(house)
    return row


async def act(who: Person, at: str, task: str, **answers: str) -> Answer:
    return await who.send("POST", f"{at}/{task}", answers)


async def told(house: House, who: Person) -> list[str]:
    async with house.node.engine.connect() as conn:
        rows = await conn.scalars(
            sa.select(notices.c.kind).where(notices.c.persona_id == who.actor.id)
        )
        return sorted(each for each in rows if each in ("lines", "thought", "handed"))


async def test_mod_5_14_a_worry_is_looked_at_handed_over_and_ends_as_a_number(
    house: House, dan: Person
) -> None:
    thanks = await worried(house.cleo, house.answer, "He sounds low")
    assert "Help for them, and for you" in thanks.text  # DOM-D14: nothing waits
    assert "tel:112" in thanks.html or "tel:999" in thanks.html
    row = await the_one(house)
    assert (row.level, row.state, row.missed) == (Level.HIGH, CareState.OPEN, 0)
    assert row.due <= house.node.here.now() + timedelta(hours=1)
    assert row.due.timestamp() % clocks.STEPS[Level.HIGH].total_seconds() == 0
    async with house.node.engine.connect() as conn:
        assert (await conn.execute(sa.select(cases))).all() == []
        here = house.node.here
        near = [await care.is_open_near(conn, here, it) for it in (house.answer.id, house.held.id)]
        assert near == [True, True]  # ben wrote both
        assert await care.is_open_near(conn, here, house.thread.id)  # ana's, in the same thread
        assert not await care.is_open_near(conn, here, 7)
    assert (await worried(house.cleo, house.answer)).status == 200  # once more is no news
    await settle_all(house.node)
    assert await told(house, house.ben) == ["lines"]
    page = await house.ben.open("/notices")
    assert "Some days are heavy." in page.text
    assert "worried" not in page.text

    at = f"{QUEUE}/{row.id}"
    for who in (house.ana, dan):
        queue = await who.open(QUEUE)
        assert "ben" in queue.text
        assert "Hello back." not in queue.html
        assert "Hello back." not in (await who.open(at)).html
    for outsider in (house.cleo, house.ben):
        assert (await outsider.open(QUEUE)).status == 404
        assert (await outsider.open(at)).status == 404
        assert (await act(outsider, at, "claim")).status == 404

    assert (await act(dan, at, "supported")).status == 403  # nobody looks yet
    assert (await dan.fill(at, f"{at}/claim")).status == 303
    mine = await dan.open(at)
    assert "Hello back." in mine.text
    assert "He sounds low" in mine.text
    assert await told(house, house.ben) == ["thought"]
    assert "is thinking of you" in (await house.ben.open("/notices")).text
    for task in ("claim", "supported", "note", "hand-over"):
        assert (await act(house.ana, at, task, note="x")).status == 409, task
    assert (await act(dan, at, "hand-over", note=" ")).status == 400
    assert (await act(dan, at, "hand-over", note="I wrote to him once.")).status == 303
    assert (await the_one(house)).state == CareState.OPEN
    assert "I wrote to him once." in (await house.ana.open(at)).text
    assert (await act(house.ana, at, "claim")).status == 303
    assert (await act(house.ana, at, "unsafe")).status == 303
    assert await told(house, house.ben) == []  # it would not be safe for him
    await settle_all(house.node)
    assert await told(house, house.ben) == []
    assert (await act(house.ana, at, "safe")).status == 303
    assert await told(house, house.ben) == ["thought"]
    assert (await act(house.ana, at, "level", level="0")).status == 303
    assert (await act(house.ana, at, "level", level="9")).status == 400
    assert (await the_one(house)).level == Level.NOW

    assert (await act(house.ana, at, "supported")).status == 303
    row = await the_one(house)
    assert (row.state, row.ending, row.due, row.holder) == ("closed", "supported", None, None)
    async with house.node.engine.connect() as conn:
        assert (await conn.execute(sa.select(care_words))).all() == []
        assert not await care.is_open_near(conn, house.node.here, house.answer.id)
        assert (await conn.execute(sa.select(audit).where(audit.c.verb.like("care%")))).all() == []
    today = house.node.here.now().date()
    for days, left in ((7, 1), (8, 0)):
        async with house.node.engine.begin() as conn:
            await ending.sweep(conn, today + timedelta(days=days))
        assert len(await held(house)) == left
    async with house.node.engine.connect() as conn:
        kept = (await conn.execute(sa.select(care_counts))).all()
    assert [tuple(each) for each in kept] == [(today.replace(day=1), "supported", 1)]


async def test_mod_5_14_no_act_of_the_care_desk_does_anything_to_anybody(
    house: House, dan: Person
) -> None:
    """A walk over every button: what is decided about people, told or published stays as it is."""
    await worried(house.cleo, house.answer)
    row = await the_one(house)
    at = f"{QUEUE}/{row.id}"
    await act(dan, at, "claim")
    page = await dan.open(at)
    offered = {form.action for form in page.page.forms if form.action.startswith(at)}
    assert {f"{at}/{each}" for each in ("supported", "not-needed", "hand-over", "slow")} <= offered
    own = {"care_cases", "care_words", "notices", "threads", "care_looks", "look_counts", "node"}
    own |= {"alert_calls", "accounts", "sessions"}
    before = await snapshot(house.node)
    for action in sorted(offered, key=lambda it: it.endswith(("supported", "not-needed"))):
        for form in page.page.forms:
            if form.action == action:
                answers = {"note": "x", "level": "3", "hours": "6", "told": "x"}
                names = {name for name, _ in form.fields}
                sent = {key: value for key, value in answers.items() if key in names}
                answer = await dan.submit(page, form, **sent)
                assert answer.status in {303, 400, 409}, action
        await act(dan, at, "claim")
    after = await snapshot(house.node)
    assert {name for name in before if before[name] != after[name]} <= own
    assert after["audit"] == before["audit"]
    changed = dict.fromkeys(threads.c.keys())
    async with house.node.engine.connect() as conn:
        (thread,) = (
            await conn.execute(sa.select(threads).where(threads.c.id == house.thread.id))
        ).all()
    assert (thread.locked, thread.shown, thread.replies) == (False, True, 1)
    assert "slow_until" in changed


def test_mod_5_14_nothing_that_is_decided_has_a_key_to_a_care_case() -> None:
    about_care = {"care_cases", "care_words", "care_requests", "care_handovers"}
    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            if key.column.table.name in about_care:
                assert table.name in about_care, (table.name, key.column)
    assert not {verb for verb in counts.TOLD if verb.startswith("care")}
    for name in ("bans", "limits", "audit", "appeals", "signals", "signal_changes"):
        columns = metadata.tables[name].columns.keys()
        assert not [each for each in columns if "care" in each], name


async def test_mod_5_14_who_looks_after_their_own_name_does_not_decide(
    house: House, dan: Person
) -> None:
    async with house.node.engine.begin() as conn:
        about = reported.post_of(house.thread)  # Ana's
        here = house.node.here
        case_id = await care_store.open_case(
            conn, here, about=about, host="alder.test", level=Level.LOW, group_id=house.open.id
        )
    page = await house.ana.open(f"{QUEUE}/{case_id}")
    assert "This is about one of your names" in page.text
    assert (await act(house.ana, f"{QUEUE}/{case_id}", "claim")).status == 400 or (
        await the_one(house)
    ).state == CareState.OPEN
    assert (await the_one(house)).state == CareState.OPEN


async def test_mod_5_14_a_moderator_asks_and_a_deleted_post_ends_it(
    house: House, dan: Person
) -> None:
    at = f"/p/{house.answer.id}/care"
    assert at in (await house.ana.open(f"/t/{house.thread.id}")).html
    for outsider in (house.ben, house.cleo):
        assert (await outsider.open(at)).status == 404
    assert (await act(house.ana, f"/p/{house.answer.id}", "care")).status == 400
    sent = await house.ana.fill(at, at, level="2", note="Please be there for him")
    assert sent.status == 303
    row = await the_one(house)
    assert row.level == Level.MEDIUM
    async with house.node.engine.begin() as conn:
        case = await care_store.get(
            conn, house.node.here, care_store.Desks(node=True, groups=(house.open.id,)), row.id
        )
        assert case.about is not None
    await house.node.delete(house.ben.speaker, house.answer.uri)
    row = await the_one(house)
    assert (row.state, row.ending) == ("closed", "gone")
    async with house.node.engine.connect() as conn:
        assert (await conn.execute(sa.select(care_words))).all() == []
    assert await told(house, house.ben) == []


async def test_mod_H2_a_lost_alert_and_a_dead_worker_forget_nobody(
    house: House, dan: Person
) -> None:
    node = house.node
    async with node.engine.begin() as conn:
        for group in ("NULL", f"'{house.open.id}'"):
            await conn.execute(
                sa.text(
                    "INSERT INTO alert_channels (id, group_id, way, sealed, pace, confirmed)"
                    f" VALUES (gen_random_uuid(), {group}, 'mail', '\\x00', 15, true)"
                )
            )
    await worried(house.cleo, house.answer, soon=True)
    row = await the_one(house)
    assert row.level == Level.NOW

    async def calls() -> set[object]:
        async with node.engine.begin() as conn:
            found = (await conn.execute(sa.delete(alert_calls).returning(alert_calls))).all()
        assert all(each.urgent for each in found)
        return {each.group_id for each in found}

    assert await calls() == {house.open.id}  # taken by a worker that then died
    assert not await care_worker.work(node.app) or await calls() == set()
    node.clock.forward(minutes=11)
    assert await care_worker.work(node.app)
    assert await calls() == {house.open.id, None}
    assert "Nobody looked in time" in (await dan.open(QUEUE)).text
    node.clock.forward(minutes=11)
    async with node.engine.connect() as conn:  # a worker dies before it commits
        assert await ending.escalate(conn, node.here) == 1
        await conn.rollback()
    assert await calls() == set()
    assert await care_worker.work(node.app)
    assert await calls() == {house.open.id, None}
    assert "is told again until somebody looks" in (await dan.open(QUEUE)).text

    await act(dan, f"{QUEUE}/{row.id}", "claim")
    assert await calls() == set()
    node.clock.forward(minutes=61)  # and was not heard of since
    assert await care_worker.work(node.app)
    assert (await the_one(house)).state == CareState.OPEN
    assert await calls() == {house.open.id, None}


async def place(house: House, *groups: UUID | None) -> None:
    """Somebody on duty wants to hear of what waits at these desks."""
    async with house.node.engine.begin() as conn:
        for group_id in groups:
            await conn.execute(
                alert_channels.insert().values(
                    id=uuid4(), group_id=group_id, way="mail", sealed=b"", pace=15, confirmed=True
                )
            )


async def calls(house: House) -> list[tuple[object, bool]]:
    """Which desks are called now, and whether it is urgent; a worker takes that in."""
    async with house.node.engine.begin() as conn:
        rows = await conn.execute(sa.delete(alert_calls).returning(alert_calls))
        return [(each.group_id, each.urgent) for each in rows]


async def test_mod_5_14_what_is_about_today_is_told_while_somebody_holds_it(
    house: House, dan: Person
) -> None:
    await place(house, house.open.id)
    await worried(house.cleo, house.answer, "He sounds low")
    at = f"{QUEUE}/{(await the_one(house)).id}"
    await act(dan, at, "claim")
    assert await calls(house) == []
    await worried(house.cleo, house.answer, "And again", soon=True)  # who said so before
    row = await the_one(house)
    assert (row.level, row.state) == (Level.NOW, CareState.HELD)
    assert await calls(house) == [(house.open.id, True)]
    page = await dan.open(at)
    assert "And again" not in page.text  # nobody says the same twice
    await act(dan, at, "level", level="3")
    assert await calls(house) == []
    await act(dan, at, "level", level="1")
    assert await calls(house) == [(house.open.id, True)]


async def test_mod_H2_who_looks_after_one_silences_no_call_for_another(
    house: House, dan: Person
) -> None:
    await place(house, house.open.id)
    await worried(house.cleo, house.answer, soon=True)
    first = f"{QUEUE}/{(await the_one(house)).id}"
    await act(dan, first, "claim")
    assert await calls(house) == []
    other = await house.node.reply(house.ben.speaker, house.thread.uri, "Good night.")
    await worried(house.cleo, other, soon=True)
    await act(dan, first, "claim")  # dan still looks after the first one
    assert await calls(house) == [(house.open.id, True)]
    async with house.node.engine.begin() as conn:
        await desks.call(conn, house.open.id, urgent=True)
        low = await care_store.open_case(
            conn, house.node.here, about=reported.post_of(house.held), host="alder.test",
            level=Level.LOW, group_id=house.open.id,
        )  # fmt: skip
    await act(dan, f"{QUEUE}/{low}", "claim")
    assert (house.open.id, True) in await calls(house)


async def test_mod_5_14_what_a_group_leaves_waiting_the_node_sees(
    house: House, dan: Person
) -> None:
    eve = await person(house.node, "eve", roles=frozenset({MODERATOR}))
    await worried(house.cleo, house.answer, soon=True)
    row = await the_one(house)
    assert (await eve.open(f"{QUEUE}/{row.id}")).status == 404
    house.node.clock.forward(minutes=11)
    await care_worker.work(house.node.app)
    assert (await eve.open(f"{QUEUE}/{row.id}")).status == 200


async def test_mod_5_14_a_peer_asks_for_a_post_of_ours_alone_and_hears_seen_and_closed(
    house: House, dan: Person
) -> None:
    node, first, second = house.node, uuid4(), uuid4()

    async def came(request_id: UUID, uri: str, urgency: str = "now") -> None:
        async with node.engine.begin() as conn:
            await incoming.came(
                conn, node.here, host="birch.test", object_uri=uri, urgency=urgency,
                language="en", request_id=request_id,
            )  # fmt: skip

    for wrong in ("https://birch.test/p/1", house.held.uri, house.ben.actor.uri):
        with pytest.raises(NotFound):
            await came(uuid4(), wrong)
    await came(first, house.answer.uri)
    await came(first, house.answer.uri)
    await came(second, house.answer.uri, "today")
    row = await the_one(house)
    assert (row.level, row.group_id) == (Level.NOW, house.open.id)

    async def answers() -> list[tuple[UUID, bool]]:
        async with node.engine.begin() as conn:
            return sorted(await incoming.to_answer(conn))

    assert await answers() == []
    await act(dan, f"{QUEUE}/{row.id}", "claim")
    assert await answers() == sorted([(first, False), (second, False)])
    assert await answers() == []
    await act(dan, f"{QUEUE}/{row.id}", "not-needed")
    assert await answers() == sorted([(first, True), (second, True)])
    assert await answers() == []

    for number in range(incoming.MOST_OF_PEER + 1):
        post = await node.reply(house.ben.speaker, house.thread.uri, f"Hello {number}")
        if number < incoming.MOST_OF_PEER:
            await came(uuid4(), post.uri)
        else:
            with pytest.raises(TooMany):
                await came(uuid4(), post.uri)


async def test_mod_5_14_a_thread_is_slow_on_purpose_and_goes_on_by_itself(
    house: House, dan: Person
) -> None:
    node = house.node
    await worried(house.cleo, house.answer)
    row = await the_one(house)
    at = f"{QUEUE}/{row.id}"
    await act(dan, at, "claim")
    assert (await act(dan, at, "slow", hours="5")).status == 400
    assert (await dan.fill(at, f"{at}/slow", hours="6")).status == 303
    assert (
        "Replies are slow here on purpose"
        in (await house.visitor.open(f"/t/{house.thread.id}")).text
    )
    waits = await node.reply(house.ben.speaker, house.thread.uri, "Is anybody there?")
    assert waits.state is PostState.HELD
    by_dan = await node.reply(dan.speaker, house.answer.uri, "I am.")
    assert by_dan.state is PostState.SHOWN
    async with node.engine.connect() as conn:
        kinds = await conn.scalars(sa.select(notices.c.kind).where(notices.c.post_id == by_dan.id))
        assert list(kinds) == []  # nobody is called to it
    assert "on purpose" not in (await house.ben.open("/notices")).text
    node.clock.forward(hours=6)
    assert "on purpose" not in (await house.visitor.open(f"/t/{house.thread.id}")).text
    again = await node.reply(house.ben.speaker, house.thread.uri, "Good evening.")
    assert again.state is PostState.SHOWN


async def test_mod_H11_a_restore_brings_back_no_words_and_no_case_that_is_over(
    house: House, dan: Person
) -> None:
    """`tests/operations/test_replay.py` has the deleted post; here is what was said about one."""
    await worried(house.cleo, house.answer, "He sounds low")
    row = await the_one(house)
    async with house.node.engine.begin() as conn:
        await replay(conn, house.node.here, [("case closed", str(row.id))])
    assert await held(house) == []

    await worried(house.cleo, house.answer, "He sounds low")
    async with house.node.engine.begin() as conn:
        await replay(conn, house.node.here, [("deleted", house.answer.uri)])
        assert (await conn.execute(sa.select(care_words))).all() == []
    assert (await the_one(house)).ending == "gone"


async def test_mod_H6_the_lines_are_of_their_own_country_and_say_how_old_they_are(
    house: House,
) -> None:
    at, now = f"/p/{house.answer.id}/report", house.node.clock()
    for accept, number in (("de-DE", "tel:08001110111"), ("en-GB", "tel:116123")):
        sent = {"why": "worried", "words": ""}
        page = await house.cleo.send("POST", at, sent, headers={"Accept-Language": accept})
        assert number in page.html, accept
        lines = re.findall(r'<article class="help-line">(.*?)</article>', page.html, re.DOTALL)
        assert lines, accept
        for each in lines:
            seen = re.search(r"(?:seen|gesehen) (\d{4})-(\d\d)", each)
            age = now.year * 12 + now.month - int(seen[1]) * 12 - int(seen[2]) if seen else 99
            assert bool(re.search("more than a year|mehr als einem Jahr", each)) is (age > 12)
    ordinary = await house.cleo.send("POST", at, {"why": "unkind", "words": ""})
    assert "Help for them" not in ordinary.text


# ---- D15


async def chosen(house: House, **answers: str) -> Answer:
    page = await house.ana.open("/settings/node")
    answer = await house.ana.submit(page, page.page.form("handover_to"), **answers)
    forget_site(house.node.app[MEMORY])
    return answer


async def test_dom_D15_the_node_says_beforehand_and_two_people_agree(
    house: House, dan: Person
) -> None:
    visitor = Browser(house.node)
    await chosen(house, handover="cannot")
    for path in ("/about", "/sign-up"):
        assert "We cannot find out where you are" in (await visitor.open(path)).text
    await worried(house.cleo, house.answer, soon=True)
    row = await the_one(house)
    at = f"{QUEUE}/{row.id}"
    await act(dan, at, "claim")
    assert "This place cannot find out where anybody is" in (await dan.open(at)).text
    assert (await act(dan, at, "ask-help", told="Alder Street")).status == 403

    assert (await chosen(house, handover="may", handover_to="the police")).status == 400
    await chosen(
        house, handover="may", handover_to="the crisis team of Alder", handover_parts="name",
        handover_if="somebody says that they will die today.",
    )  # fmt: skip
    for path in ("/about", "/sign-up"):
        text = (await visitor.open(path)).text
        assert (
            "the crisis team of Alder for help if somebody says that they will die today." in text
        )
        assert "the name they use here" in text
        assert "what they wrote" not in text
    page = await dan.open(at)
    assert "told" not in {name for form in page.page.forms for name, _ in form.fields}
    assert (await act(dan, at, "ask-help", told="Alder Street")).status == 403
    assert (await act(house.ana, at, "agree-help")).status == 409
    assert (await dan.fill(at, f"{at}/ask-help")).status == 303
    assert (await act(dan, at, "ask-help")).status == 409
    assert "agree-help" not in (await dan.open(at)).html
    assert (await act(dan, at, "agree-help")).status == 403  # it takes two
    await settle_all(house.node)
    assert "handed" not in await told(house, house.ben)
    assert (await house.ana.fill(at, f"{at}/agree-help")).status == 303
    assert (await act(house.ana, at, "agree-help")).status == 409

    text = (await dan.open(at)).text
    told_outside = text[text.index("This and no more") : text.index("What was said")]
    assert "@ben@alder.test" in told_outside
    assert "Hello back." not in told_outside
    await settle_all(house.node)
    assert "handed" in await told(house, house.ben)
    assert "feared for your life" in (await house.ben.open("/notices")).text
    async with house.node.engine.connect() as conn:
        lines = (await conn.execute(sa.select(audit).where(audit.c.verb.like("care%")))).all()
    assert [each.verb for each in lines] == [handover.ASKED, handover.AGREED]
    for each in lines:
        assert each.object_uri == f"{house.node.origin}{at}"
        assert (each.person_id, each.group_id, each.reason) == (None, None, "")
    assert "care" not in (await visitor.open("/about/moderation")).text

    await house.node.delete(house.ben.speaker, house.answer.uri)
    async with house.node.engine.connect() as conn:
        assert (await conn.execute(sa.select(care_handovers))).all() == []


async def test_dom_D15_the_second_person_is_called_sees_the_words_and_no_place_outlives_it(
    house: House, dan: Person
) -> None:
    eve = await person(house.node, "eve", roles=frozenset({MODERATOR}))
    async with house.node.engine.begin() as conn:
        parts = ["words", "said"]
        await handover.choose(conn, choice="may", to="a team", when="somebody dies", parts=parts)
    await place(house, None)
    await worried(house.cleo, house.answer, soon=True)
    case_id = (await the_one(house)).id
    at = f"{QUEUE}/{case_id}"
    await act(dan, at, "claim")
    assert (await eve.open(at)).status == 404
    assert (await act(dan, at, "ask-help", told="Alder Street")).status == 303
    assert await calls(house) == [(None, True)]
    page = await eve.open(at)
    for words in ("Hello back.", "Alder Street"):
        assert words in page.text
    assert str(case_id) in (await eve.open(QUEUE)).html
    assert "Hello back." in (await house.ana.open(at)).text
    assert (await act(eve, at, "agree-help")).status == 303
    assert "Hello back." in (await eve.open(at)).text

    assert (await act(dan, at, "supported")).status == 303
    async with house.node.engine.connect() as conn:
        row = (await conn.execute(sa.select(care_handovers))).one()
    asking = handover.Asking.of(house.node.here, row)
    assert (asking.said, asking.agreed) == ("", house.node.here.now().date())
    await settle_all(house.node)
    assert "handed" in await told(house, house.ben)  # they are told all the same

    await worried(house.cleo, house.answer, soon=True)
    (again,) = [each for each in await held(house) if each.state == CareState.OPEN]
    at = f"{QUEUE}/{again.id}"
    await act(dan, at, "claim")
    await act(dan, at, "ask-help", told="Birch Street")
    await act(dan, at, "not-needed")
    async with house.node.engine.connect() as conn:
        kept = await conn.scalars(sa.select(care_handovers.c.case_id))
        assert list(kept) == [case_id]  # nobody agreed to the other


# ---- D11


async def test_dom_D11_the_list_sorts_within_a_number_and_counts_how_often_it_was_right(
    house: House, dan: Person
) -> None:
    node = house.node
    low = await node.start(house.ben.speaker, house.open.actor.uri, "Tonight", "I want to die.")
    other = await node.start(house.ben.speaker, house.open.actor.uri, "Beans", "How do you sow?")
    before = await snapshot(node)
    page = await dan.open(QUEUE)
    assert await snapshot(node) == before  # nothing about anybody is written down
    assert "would rather not live" in page.text
    first, chance = page.html.index(f"/p/{low.id}"), page.html.index("drawn by chance")
    assert first < chance < page.html.index(f"/p/{other.id}")
    assert (await house.ben.open(QUEUE)).status == 404

    assert (await act(dan, QUEUE, "looked", post=str(low.id))).status == 400
    for post, fitting in ((low, "yes"), (other, "no"), (low, "no")):
        answer = await act(dan, QUEUE, "looked", post=str(post.id), fitting=fitting)
        assert answer.status == 303
    async with node.engine.connect() as conn:
        rows = (await conn.execute(sa.select(look_counts).order_by(look_counts.c.sampled))).all()
        marks = (await conn.execute(sa.select(care_looks))).all()
    assert [(each.sampled, each.looked, each.fitting) for each in rows] == [
        (False, 1, 1), (True, 1, 0),
    ]  # fmt: skip
    assert len(marks) == 2
    listed = await dan.open(f"{QUEUE}/list")
    assert "you read 1. For 1 of them it was good" in listed.text
    assert f"/p/{low.id}" not in (await dan.open(QUEUE)).html

    assert (await act(dan, "/moderation", "care", number="0")).status == 403
    for wrong in ("", "-1", "201", "x"):
        assert (await act(house.ana, "/moderation", "care", number=wrong)).status == 400
    assert (await house.ana.fill(QUEUE, QUEUE, number="1")).status == 303
    await node.start(house.ben.speaker, house.open.actor.uri, "", "No.") if False else None
    more = await node.start(
        house.ben.speaker, house.open.actor.uri, "Again", "No hope, no way out."
    )
    page = await dan.open(QUEUE)
    assert f"/p/{more.id}" not in page.html  # two were read today, and the number is one
    assert "Enough for today" in page.text
    node.clock.forward(days=1)
    assert f"/p/{more.id}" in (await dan.open(QUEUE)).html
    async with node.engine.begin() as conn:
        await looks.sweep(conn, node.here.now().date() + timedelta(days=31))
        assert (await conn.execute(sa.select(care_looks))).all() == []


async def test_dom_D11_who_objects_is_not_looked_through_and_all_else_is_as_before(
    house: House, dan: Person
) -> None:
    """DOM 5.5, rule 9; DESIGN-V1: it is said for one name, and kept as a mark."""
    node = house.node
    low = await node.start(house.ben.speaker, house.open.actor.uri, "Tonight", "I want to die.")
    other = await node.start(house.ben.speaker, house.open.actor.uri, "Beans", "How do you sow?")
    answer = await node.reply(house.ben.speaker, house.thread.uri, "I am not safe on my own.")
    at = f"/p/{answer.id}/report"
    await house.cleo.fill(at, at, why="unkind", words="")
    settings = "/personas/ben/settings"
    assert (await house.ben.fill(settings, "read-sooner", may="no")).status == 303
    queue = (await dan.open(QUEUE)).html
    assert f"/p/{low.id}" not in queue
    assert f"/p/{other.id}" not in queue  # nor is it in the sample that the list is tried with
    reports = (await dan.open("/g/open/desk/cases")).text
    assert "I am not safe on my own." in reports
    assert "does not feel safe" not in reports
    assert "You said no" in (await house.ben.open(settings)).text
    await worried(house.cleo, house.answer)  # people still look after people
    assert (await the_one(house)).state == CareState.OPEN

    async with node.engine.connect() as conn:
        (mark,) = await conn.scalars(sa.select(care_objections.c.mark))
    assert house.ben.actor.id.bytes not in mark
    lines = [("objected", mark.hex()), ("agreed", mark.hex()), ("objected", mark.hex())]
    for number in (2, 3):
        async with node.engine.begin() as conn:
            await replay(conn, node.here, lines[:number])
            kept = (await conn.scalars(sa.select(care_objections.c.mark))).all()
        assert len(kept) == number - 2
    assert (await house.ben.fill(settings, "read-sooner", may="yes")).status == 303
    assert f"/p/{low.id}" in (await dan.open(QUEUE)).html

    for may in ("no", "yes"):  # of another's name nobody says anything
        sent = await house.cleo.send("POST", "/personas/ben/read-sooner", {"may": may})
        assert sent.status == 404
    async with node.engine.begin() as conn:
        await objections.choose(conn, node.here, house.ben.actor.id, objects=True)
        await closing.close(conn, node.here, house.ben.actor)
        assert (await conn.scalars(sa.select(care_objections.c.mark))).all() == []
    cleos = objections.mark_of(node.here, house.cleo.actor.id)
    async with node.engine.begin() as conn:  # a name that closed stays forgotten, others not
        lines = [("objected", mark.hex()), ("objected", cleos.hex())]
        await replay(conn, node.here, [*lines, ("closed", house.ben.actor.uri)])
        kept = (await conn.scalars(sa.select(care_objections.c.mark))).all()
    assert kept == [cleos]


async def test_dom_D11_the_queue_of_reports_has_an_order_and_nothing_else(
    house: House, dan: Person
) -> None:
    node = house.node
    later = await node.reply(house.ben.speaker, house.thread.uri, "Buy my soap.")
    sooner = await node.reply(house.ben.speaker, house.thread.uri, "I am not safe on my own.")
    for post in (later, sooner):
        at = f"/p/{post.id}/report"
        await house.cleo.fill(at, at, why="unkind", words="")
    page = await dan.open("/g/open/desk/cases")
    assert re.search("not safe on my own.*Buy my soap", page.text, re.DOTALL)
    assert "does not feel safe" in page.text


async def test_dom_K2_no_care_fact_leaves_the_node(house: House, dan: Person) -> None:
    """Every act of the care desk, and not one activity or delivery is written."""
    before = await snapshot(house.node)
    await worried(house.cleo, house.answer, "He sounds low", soon=True)
    at = f"{QUEUE}/{(await the_one(house)).id}"
    for task in ("claim", "unsafe", "safe", "slow", "level", "end-slow", "supported"):
        await act(dan, at, task, note="x", level="1", hours="6")
    await settle_all(house.node)
    after = await snapshot(house.node)
    for name in ("activities", "deliveries", "flags", "signal_changes", "errands"):
        assert after[name] == before[name], name


async def test_mod_H7_care_that_somebody_opens_counts_in_their_day(
    house: House, dan: Person
) -> None:
    """DOM-H3: for them alone, and once: that they go on looking is no second one."""
    await worried(house.cleo, house.answer)
    most, today = house.node.here.reports_a_day, house.node.clock().date()
    async with house.node.engine.begin() as conn:
        await accounts.change(
            conn,
            house.node.here,
            dan.prepared.member,
            lambda blob: replace(blob, looked=(today.toordinal(), most - 1)),
        )
    at = f"{QUEUE}/{(await the_one(house)).id}"
    assert "You opened" not in (await dan.open(QUEUE)).text
    for _ in range(2):
        assert (await act(dan, at, "claim")).status == 303
    for path in (QUEUE, at, "/g/open/desk/cases"):
        assert f"You opened {most} today" in (await dan.open(path)).text, path
    assert "You opened" not in (await house.ana.open(QUEUE)).text
