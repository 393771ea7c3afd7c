"""Cases on pages: two queues, one decision, nothing twice, and nobody named."""

import itertools
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from activitypub.state import SETTINGS
from groups import groups as group_store
from groups.groups import GroupSettings
from kernel import tombstone_log
from kernel.schema.groups import Posts
from kernel.schema.moderation import Role
from kernel.schema.posts import PostState
from kernel.schema.tables import (
    accounts,
    alert_calls,
    appeals,
    audit,
    bans,
    case_notes,
    cases,
    moderators,
    posts,
    reports,
)
from moderation import alert_channels, casework
from moderation import cases as case_store
from moderation.audit import MAX_REASON
from moderation.standing import Speaker
from node import commands
from node.opening import Opened
from node.pages import case_words
from node.pages.session import ADMINISTRATOR, MODERATOR
from node.safekeeping.replay import replay
from tests.members import people
from tests.nodes import NodeFactory
from tests.nodes import settle as settle_all
from tests.pages.conftest import House, looked_at
from tests.pages.people import Answer, Person, person, settle
from tests.peer import PeerFactory
from tests.wire.world import said

QUEUE = "/g/open/desk/cases"


@pytest.fixture
async def dan(house: House) -> Person:
    """A second moderator of the open group, who has no task in the node."""
    dan = await person(house.node, "dan")
    group, here = house.open, house.node.here
    async with house.node.engine.begin() as conn:
        version = group.guidelines_version
        await group_store.add_moderator(conn, here, group.actor, dan.actor, version)
    return dan


async def report(who: Person, post_id: int, why: str = "unkind", words: str = "") -> None:
    at = f"/p/{post_id}/report"
    assert (await who.fill(at, at, why=why, words=words)).status == 200


async def held(house: House) -> list[sa.Row[tuple[object, ...]]]:
    async with house.node.engine.connect() as conn:
        return list((await conn.execute(sa.select(cases).order_by(cases.c.since))).all())


async def act(who: Person, at: str, task: str, **answers: str) -> Answer:
    """Press a button of a case's page that need not be shown any more."""
    return await who.send("POST", f"{at}/{task}", answers)


async def test_mod_5_2_reports_gather_in_a_case_and_are_decided_once(
    house: House, dan: Person
) -> None:
    eve, answer = await person(house.node, "eve"), house.answer.id
    await report(house.cleo, answer, "unkind", "It hurt me")
    await report(eve, answer, "encouraging", "Is he alright?")
    (row,) = await held(house)
    assert (row.why, row.priority, row.state) == ("encouraging", 1, "open")
    at = f"{QUEUE}/{row.id}"

    queue = await house.ana.open(QUEUE)
    assert "A few people reported it." in queue.text
    for page in (queue, await house.ana.open(at)):
        assert "It hurt me" not in page.html
        assert "cleo" not in page.html
    looks = await looked_at(house.ana, QUEUE)
    assert "It hurt me" in looks.text
    assert "Is he alright?" in looks.text
    cover = re.search(r"<details class=\"cover shield\">.*?</details>", looks.html, re.DOTALL)
    assert cover is not None
    assert "Hello back." in cover[0]
    assert looks.html.count("Hello back.") == 1

    other = await dan.open(at)
    assert "Somebody else looks at it now" in other.text
    assert "It hurt me" not in other.html
    for task in ("nothing", "claim", "note", "give-back"):
        late = await act(dan, at, task, note="Hm")
        assert (late.status, "Somebody else looks at this now" in late.text) == (409, True), task

    assert (await act(house.ana, at, "note", note="Is it a joke?")).status == 303
    assert (await act(house.ana, at, "second", note="What do you think?")).status == 303
    second = await looked_at(dan, QUEUE)
    assert "Is it a joke?" in second.text
    form = next(each for each in second.page.forms if each.action == f"{at}/remove")
    gone = await dan.submit(second, form, start="unkind")
    assert (gone.status, gone.location) == (303, QUEUE)
    removed = await house.node.post(house.answer.uri)
    assert removed is not None
    assert removed.state is PostState.REMOVED
    assert removed.reason.startswith("Thank you for taking part.")
    again = await act(house.ana, at, "nothing")
    assert (again.status, "Somebody has decided this already" in again.text) == (409, True)
    assert "It was taken out" in again.text

    async with house.node.engine.connect() as conn:
        lines = (await conn.execute(sa.select(audit.c.verb, audit.c.object_uri))).all()
        kept = (await conn.execute(sa.select(reports))).all()
    assert [line for line in lines if line.object_uri == house.answer.uri] == [
        ("remove", house.answer.uri)
    ]
    assert [each.bearer for each in kept] == [None, None]  # words stay for who asks about it
    today = house.node.here.now().date()
    for days, left in ((30, 2), (31, 0)):
        async with house.node.engine.begin() as conn:
            await casework.sweep(conn, today + timedelta(days=days), today)
            for table, many in ((reports, left), (case_notes, left)):
                count = await conn.scalar(sa.select(sa.func.count()).select_from(table))
                assert count == many, (table.name, days)
    (row,) = await held(house)
    assert (row.state, row.outcome, row.sealed) == ("closed", "removed", None)
    assert (await house.ana.open(f"{QUEUE}?state=closed")).text.count("It was taken out") == 1
    async with house.node.engine.begin() as conn:
        await casework.sweep(conn, today + timedelta(days=366), today)
    assert await held(house) == []


async def test_earlier_cases_are_of_one_name_and_of_one_desk(house: House, dan: Person) -> None:
    node = house.node
    sibling = await people.persona(node.engine, node.here, house.ben.prepared.member, "sibling")
    speaker = Speaker.alone(sibling)
    await node.join(speaker, house.open.actor.uri)
    first = await node.reply(house.ben.speaker, house.thread.uri, "One")
    second = await node.reply(house.ben.speaker, house.thread.uri, "Two")
    third = await node.reply(speaker, house.thread.uri, "Three")
    for post in (first, second, third):
        await report(house.cleo, post.id)
    by_post = {row.post_id: row.id for row in await held(house)}
    assert (await act(dan, f"{QUEUE}/{by_post[first.id]}", "supported")).status == 303
    page = await dan.open(f"{QUEUE}/{by_post[second.id]}")
    assert "Its author was supported" in page.text
    page = await dan.open(f"{QUEUE}/{by_post[third.id]}")
    assert "Its author was supported" not in page.text
    async with node.engine.connect() as conn:
        whose = (await conn.execute(sa.select(cases.c.post_id, cases.c.whose))).all()
        assert (await conn.execute(sa.select(reports))).all() != []
    marks = {row.post_id: row.whose for row in whose}
    assert marks[first.id] == marks[second.id] != marks[third.id]
    await report(house.cleo, first.id)  # it was decided: it may be reported again
    assert len([row for row in await held(house) if row.post_id == first.id]) == 2


async def test_sec_L8_each_sees_and_decides_their_own_queue_alone(
    house: House, dan: Person
) -> None:
    node = house.node
    eve = await person(node, "eve", roles=frozenset({MODERATOR}))
    await report(house.cleo, house.answer.id)
    at = "/u/ben/report"
    assert (
        await house.cleo.fill(at, at, why="contact", words="He asks where I live")
    ).status == 200
    own = await house.ben.open("/u/ben/report")
    nobody = await house.ben.open("/u/nobody/report")
    assert (own.status, own.body) == (404, nobody.body)
    of_group = next(row for row in await held(house) if row.group_id is not None)
    of_node = next(row for row in await held(house) if row.group_id is None)
    queues = {
        QUEUE: {"ana", "dan"}, f"{QUEUE}/{of_group.id}": {"ana", "dan"},
        "/moderation": {"ana", "eve"}, f"/moderation/{of_node.id}": {"ana", "eve"},
        f"/moderation/{of_group.id}": set(), f"{QUEUE}/{of_node.id}": set(),
        "/g/private/desk/cases": {"ana"}, f"/g/private/desk/cases/{of_group.id}": set(),
    }  # fmt: skip
    who = {"ana": house.ana, "ben": house.ben, "cleo": house.cleo, "dan": dan, "eve": eve}
    for path, allowed in queues.items():
        for name, browser in who.items():
            answer = await browser.open(path)
            assert (answer.status == 200) is (name in allowed), (path, name, answer.status)
            assert (answer.status in {403, 404}) is (name not in allowed), (path, name)
            if str(of_group.id) in path or str(of_node.id) in path:
                decided = await act(browser, path, "note", note="")
                assert (decided.status in {400}) is (name in allowed), (path, name)
        assert (await house.visitor.open(path)).status in {303, 403, 404}
    assert (await eve.open("/settings/node")).status == 403

    for why, status in (("", 400), ("It is about more than this group.", 303)):
        passed = await act(dan, f"{QUEUE}/{of_group.id}", "pass", why_others=why)
        assert passed.status == status, passed.text
    rows = {row.id: row for row in await held(house)}
    assert rows[of_group.id].outcome == "passed"
    (new,) = [row for row in rows.values() if row.post_id and row.group_id is None]
    page = await eve.open(f"/moderation/{new.id}")
    assert "It is about more than this group." in page.text
    assert (await act(eve, f"/moderation/{new.id}", "pass", why_others=" ")).status == 400
    assert (await act(eve, f"/moderation/{new.id}", "ban", reason="x")).status == 403
    taken = await act(eve, f"/moderation/{new.id}", "remove", start="unkind")
    assert taken.status == 303, taken.text
    post = await node.post(house.answer.uri)
    assert post is not None
    assert post.state is PostState.REMOVED
    undone = await act(dan, f"/p/{post.id}", "restore")  # the node decided, and not the group
    assert (undone.status, "They can show it" in undone.text) == (403, True)

    nowhere = "00000000-0000-4000-8000-000000000000"
    foreign = await dan.open(f"{QUEUE}/{of_node.id}")  # SEC-L2: as one that is not there
    assert foreign.body == (await dan.open(f"{QUEUE}/{nowhere}")).body
    foreign = await act(eve, f"/moderation/{of_group.id}", "claim")
    assert foreign.body == (await act(eve, f"/moderation/{nowhere}", "claim")).body

    known = {each.actor.id for each in who.values()} | {house.cleo.prepared.member.account_id}
    for row in await held(house):
        assert not set(row) & known
    async with node.engine.connect() as conn:
        actors_named = set(await conn.scalars(sa.select(audit.c.actor_id)))
        verbs = list(await conn.scalars(sa.select(audit.c.verb).order_by(audit.c.id)))
        about = set(await conn.scalars(sa.select(audit.c.object_uri)))
        roles = list(await conn.scalars(sa.select(audit.c.role).order_by(audit.c.id)))
    assert verbs[-2:] == ["case passed", "remove"]  # SEC-S23: every decision has a line
    assert roles[-2:] == [Role.GROUP, Role.NODE]
    assert not actors_named & known
    assert not any("/u/" in each for each in about)


async def test_who_looks_is_a_mark_that_tells_nobody_who(house: House, dan: Person) -> None:
    more = await house.node.reply(house.ben.speaker, house.thread.uri, "More")
    for post_id in (house.answer.id, more.id):
        await report(house.cleo, post_id)
    for row in await held(house):
        assert (await act(dan, f"{QUEUE}/{row.id}", "claim")).status == 303
    marks = [row.holder for row in await held(house)]
    assert len(set(marks)) == 2
    assert all(isinstance(each, bytes) for each in marks)
    async with house.node.engine.begin() as conn:  # whoever took it two days ago forgot it
        await conn.execute(sa.update(cases).values(held_on=cases.c.held_on - 2))
    first, second = await held(house)
    assert (await act(house.ana, f"{QUEUE}/{first.id}", "claim")).status == 303
    assert (await act(dan, f"{QUEUE}/{first.id}", "nothing")).status == 409
    given = await act(dan, f"{QUEUE}/{second.id}", "give-back")
    assert given.status == 303
    assert {row.state for row in await held(house)} == {"claimed", "open"}


async def test_nobody_decides_about_a_name_of_their_own(house: House, dan: Person) -> None:
    node = house.node
    sibling = await people.persona(node.engine, node.here, dan.prepared.member, "sibling")
    await node.join(Speaker.alone(sibling), house.open.actor.uri)
    own = await node.reply(Speaker.alone(sibling), house.thread.uri, "By another name")
    await report(house.cleo, own.id)
    await report(house.cleo, house.thread.id)  # by Ana, who looks after the group
    rows = {row.post_id: row for row in await held(house)}
    assert rows[house.thread.id].group_id is None
    async with node.engine.begin() as conn:
        for row in rows.values():
            case = await case_store.get(conn, node.here, row.group_id, row.id)
            await casework.write(conn, node.here, case, "They should not read this.")
    for desk, who, post_id in (
        (QUEUE, dan, own.id), ("/moderation", house.ana, house.thread.id),
    ):  # fmt: skip
        at = f"{desk}/{rows[post_id].id}"
        page = await who.open(at)
        assert "This is about one of your names" in page.text
        assert "They should not read this." not in page.text
        for task in ("claim", "nothing", "note"):
            refused = await act(who, at, task, note="It is fine")
            assert (refused.status, "Somebody else decides" in refused.text) == (403, True), task
    other = await house.ana.open(f"{QUEUE}/{rows[own.id].id}")
    assert "one of your names" not in other.text
    assert "They should not read this." in other.text

    taken = await house.ana.send("POST", f"/p/{own.id}/remove", {"reason": "Unkind"})
    assert taken.status == 303
    about = {"person": str(sibling.id), "reason": "Unkind", "days": "7"}
    for what in ("limit", "ban"):
        done = await house.ana.send("POST", "/g/open/desk/person", {**about, "act": what})
        assert done.status == 303, done.text
    for path, fields in (
        (f"/p/{own.id}/restore", {}), ("/g/open/desk/unban", about),
        ("/g/open/desk/person", {**about, "act": "end-limit"}),
    ):  # fmt: skip
        refused = await dan.send("POST", path, fields)
        assert (refused.status, "one of your names" in refused.text) == (403, True), path
        assert (await house.ana.send("POST", path, fields)).status == 303, path


async def test_the_node_sees_what_nobody_else_in_a_group_can_look_at(
    house: House, dan: Person
) -> None:
    """MOD-5.2: also what is about another name of the only moderator, and nothing says that."""
    node = house.node
    eve = await person(node, "eve", roles=frozenset({MODERATOR}))
    await report(house.cleo, house.answer.id)
    (row,) = await held(house)
    at = f"/moderation/{row.id}"
    assert (await eve.open(at)).status == 404  # Ana and Dan look after it
    assert str(row.id) not in (await eve.open("/moderation")).html
    node.clock.forward(days=3)
    assert str(row.id) in (await eve.open("/moderation")).html
    await add_place(house)
    today = node.here.now().date()
    for last, now, desks in ((-1, 0, {None}), (0, 1, set()), (-1, 2, {None})):
        async with node.engine.begin() as conn:
            days = [today + timedelta(days=each) for each in (now, last)]
            await casework.sweep(conn, *days)
        assert await called(house) == desks, (last, now)  # the node may rest on the very day
    node.clock.forward(days=-3)
    assert (await eve.open(at)).status == 404
    async with node.engine.begin() as conn:
        await conn.execute(sa.delete(moderators).where(moderators.c.actor_id == dan.actor.id))
    await report(await person(node, "finn"), house.answer.id)
    assert None in await called(house)
    assert (await looked_at(eve, "/moderation")).status == 200
    assert await called(house) == set()
    assert (await act(eve, at, "pass", why_others="Yours.")).status == 403
    assert (await act(house.ana, f"{QUEUE}/{row.id}", "nothing")).status == 409
    assert (await act(eve, at, "remove", start="unkind")).status == 303
    (row,) = await held(house)
    assert (row.state, row.outcome) == ("closed", "removed")
    assert (await eve.open(at)).status == 404  # from now on it is the group's alone
    async with node.engine.connect() as conn:
        assert await conn.scalar(sa.select(audit.c.role)) == Role.NODE


async def test_what_was_decided_does_not_wait_again_after_a_restore(
    house: House, dan: Person
) -> None:
    """SEC-P4: nor do appeals that were answered or taken back, and their words are gone."""
    node, path = house.node, house.node.app[SETTINGS].tombstones
    tombstone_log.keep(node.engine, path)
    more = await node.reply(house.ben.speaker, house.thread.uri, "More")
    for post_id in (house.answer.id, more.id):
        await report(house.cleo, post_id)
    by_post = {row.post_id: row.id for row in await held(house)}
    assert (await act(dan, f"{QUEUE}/{by_post[house.answer.id]}", "nothing")).status == 303
    asked = []
    for post in (house.answer, more):
        await house.ana.send("POST", f"/p/{post.id}/remove", {"reason": "x"})
        async with node.engine.connect() as conn:
            decision = await conn.scalar(sa.select(sa.func.max(audit.c.id)))
        asked.append(decision)
        at = f"/decisions/{decision}"
        assert (await house.ben.send("POST", f"{at}/appeal", {"words": "Please."})).status == 303
    async with node.engine.connect() as conn:
        rows = [each._asdict() for each in await conn.execute(sa.select(appeals))]
    assert (await house.ben.send("POST", f"/decisions/{asked[0]}/withdraw", {})).status == 303
    lines = tombstone_log.read(path.read_text())
    assert ("case closed", str(by_post[house.answer.id])) in lines
    async with node.engine.begin() as conn:  # as a backup had it
        await conn.execute(sa.delete(appeals))
        await conn.execute(appeals.insert(), rows)
        await conn.execute(sa.update(cases).values(state="open", outcome=None, closed_on=None))
        await replay(conn, node.here, lines)
        assert list(await conn.scalars(sa.select(appeals.c.decision_id))) == asked[1:]
    assert [row.post_id for row in await held(house)] == [more.id]


async def add_place(house: House) -> None:
    """A place that hears of what waits for the node."""
    async with house.node.engine.begin() as conn:
        await alert_channels.add(
            conn, house.node.here, None, way="webhook", label="desk",
            target="https://chat.test/hook", pace=15,
        )  # fmt: skip


async def called(house: House) -> set[object]:
    """Which desks were called since."""
    async with house.node.engine.begin() as conn:
        gone = sa.delete(alert_calls).returning(alert_calls.c.group_id)
        return set(await conn.scalars(gone))


async def test_several_at_once_and_each_is_told_apart(house: House, dan: Person) -> None:
    spam = [
        await house.node.reply(house.ben.speaker, house.thread.uri, f"Buy {number}")
        for number in range(3)
    ]
    for post in spam:
        await report(house.cleo, post.id)
    rows = {row.post_id: row.id for row in await held(house)}
    assert (await act(house.ana, f"{QUEUE}/{rows[spam[0].id]}", "claim")).status == 303
    chosen = [("case", str(rows[post.id])) for post in spam]
    nothing = await dan.send("POST", QUEUE, [*chosen, ("task", "")])
    assert (nothing.status, nothing.html.count(" checked")) == (400, 3)
    sent = await dan.send("POST", QUEUE, [*chosen, ("case", "nonsense"), ("task", "spam")])
    assert sent.status == 200
    assert sent.text.count("It was taken out") == 2
    assert sent.text.count("Somebody else looks at this now") == 1
    async with house.node.engine.connect() as conn:
        ids = [post.id for post in spam]
        states = list(await conn.scalars(sa.select(posts.c.state).where(posts.c.id.in_(ids))))
    assert sorted(states) == ["removed", "removed", "shown"]
    page = await house.ana.open(f"{QUEUE}/{rows[spam[0].id]}")
    form = next(each for each in page.page.forms if each.action.endswith("/ban"))
    assert (await house.ana.submit(page, form)).status == 400  # in no words
    assert (await house.ana.submit(page, form, start="rest")).status == 303
    async with house.node.engine.connect() as conn:
        out = (await conn.execute(sa.select(bans.c.actor_id, bans.c.reason))).one()
    assert out.actor_id == house.ben.actor.id
    assert out.reason.startswith("Thank you for the time")
    assert {row.outcome for row in await held(house)} == {"removed", "away"}


def test_dom_D18_sentences_to_start_from_thank_and_say_what_stays() -> None:
    for words in (*case_words.REMOVING.values(), *case_words.KEEPING_OUT.values()):
        assert words.startswith("Thank you"), words
        assert not re.search("violat|punish|banned|forbidden", words.lower()), words
        assert len(words) <= MAX_REASON
    for name, words in case_words.REMOVING.items():
        assert "welcome" in words or name == "spam", words
    for words in case_words.KEEPING_OUT.values():
        assert "help lines" in words
        assert "write to us" in words


async def test_mod_5_13_a_moderator_is_asked_where_few_could_have_seen_it(
    house: House, peer: PeerFactory
) -> None:
    node, good = house.node, await peer("good.test", house.node)
    settings = GroupSettings(posts=Posts.ANYONE)
    group = await node.group("anyone", house.ana.speaker, settings=settings)
    author = good.person("kim")
    note = good.note(author, "Buy this", to=["as:Public", group.actor.uri])
    await said(node, good, author, note)
    post = await node.post(note["id"])
    assert post is not None
    await report(house.cleo, post.id, "unkind", "It hurt me")
    page = await looked_at(house.ana, "/g/anyone/desk/cases")
    form = next(each for each in page.page.forms if each.action.endswith("/tell"))
    unsure = await house.ana.submit(page, form, letter="Adverts all day.", with_post="yes")
    assert (unsure.status, "Few people here" in unsure.text) == (403, True)
    assert "Adverts all day." in unsure.html
    sure = {"letter": "Adverts all day.", "with_post": "yes", "sure": "yes"}
    assert (await house.ana.submit(page, form, **sure)).status == 303
    again = await house.ana.submit(page, form, **sure)
    assert (again.status, "told already" in again.text) == (409, True)
    node.clock.forward(minutes=2)
    await settle_all(node)
    (sent,) = good.got("Flag")
    assert (sent["actor"], sent["object"]) == (
        "http://alder.test/desk/anyone", [note["id"], author.uri],
    )  # fmt: skip
    assert b"hurt" not in b"".join(good.raw)
    assert b"cleo" not in b"".join(good.raw)


async def test_dom_H3_whoever_opened_many_is_told_and_nobody_else_knows(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test", reports_a_day=2)
    await settle(alder)
    eve = await person(alder, "eve", roles=frozenset({MODERATOR}))
    cleo = await person(alder, "cleo")
    for name in ("one", "two"):
        await alder.persona(name)
        at = f"/u/{name}/report"
        assert (await cleo.fill(at, at, why="else")).status == 200
    async with alder.engine.connect() as conn:
        before = list(await conn.scalars(sa.select(sa.func.length(accounts.c.blob))))
    for expected in (False, True):
        page = await looked_at(eve, "/moderation")
        assert ("You opened 2 today" in page.text) is expected
        await act(eve, page.page.url.path, "nothing")
    assert "Somebody else can take the next ones." in (await eve.open("/moderation")).text
    async with alder.engine.connect() as conn:
        after = list(await conn.scalars(sa.select(sa.func.length(accounts.c.blob))))
    assert before == after


async def test_a_moderator_of_the_node_comes_by_a_link_and_may_leave(house: House) -> None:
    settings_page = await house.ana.open("/settings/node")
    form = settings_page.page.form("uses", action="/settings/node/invitations")
    made = await house.ana.submit(settings_page, form, uses="1", moderator="yes")
    link = re.search(r"/moderation/join\?invite=[\w-]+", made.html)
    assert link is not None
    assert "Log in" in (await house.visitor.open(link[0])).text
    assert (await house.cleo.open("/moderation")).status == 403
    joined = await house.cleo.fill(link[0], "/moderation/join")
    assert joined.location == "/moderation"
    page = await house.cleo.open("/moderation")
    assert "Right now nobody waits for you." in page.text
    assert (await house.ben.open(link[0])).status == 404
    node = house.node
    opened = Opened(engine=node.engine, here=node.here)
    (line,) = await commands.moderator(opened, uses=2)
    assert line.startswith("http://alder.test/moderation/join?invite=")
    assert (await house.cleo.send("POST", "/moderation/leave", {})).status == 303
    assert (await house.cleo.open("/moderation")).status == 403


async def test_dom_H3_a_case_is_handed_over_and_its_end_is_told_to_them_alone(
    house: House, dan: Person
) -> None:
    await report(house.cleo, house.answer.id, "unkind", "It hurt me")
    page = await looked_at(house.ana, QUEUE)
    form = next(each for each in page.page.forms if each.action.endswith("/hand"))
    assert (await house.ana.submit(page, form, hear="yes")).status == 303
    assert "What came of" not in (await house.ana.open(QUEUE)).text
    other = await looked_at(dan, QUEUE)
    done = next(each for each in other.page.forms if each.action.endswith("/supported"))
    assert (await dan.submit(other, done)).status == 303
    told = await house.ana.open(QUEUE)
    assert "What came of what you handed over" in told.text
    assert "Its author was supported" in told.text
    assert "What came of" not in (await dan.open(QUEUE)).text
    read = next(each for each in told.page.forms if each.action == "/moderation/heard")
    assert (await house.ana.submit(told, read)).location == QUEUE
    assert "What came of" not in (await house.ana.open(QUEUE)).text


async def test_dom_H3_a_debrief_is_shown_once_and_kept_nowhere(house: House) -> None:
    sent = await house.ana.fill("/moderation/debrief", feels="Heavy florbel shoulders")
    assert "Heavy florbel shoulders" in sent.text
    assert sent.headers["Cache-Control"] == "no-store"
    assert "florbel" not in (await house.ana.open("/moderation/debrief")).text
    assert await house.node.mentions("florbel") == []
    assert "/help" in sent.html


async def test_mod_H7_who_runs_the_node_hears_where_too_much_waits_and_of_no_moderator(
    node: NodeFactory,
) -> None:
    alder = await node("alder.test", reports_a_day=2)
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    cleo = await person(alder, "cleo")
    async with alder.engine.begin() as conn:
        await alert_channels.add(
            conn, alder.here, None, way="webhook", label="phone", target="http://chat.test/a",
            pace=15,
        )  # fmt: skip
        await conn.execute(sa.delete(alert_calls))
    counts = []
    for name in ("one", "two", "three", "four"):
        await alder.persona(name)
        at = f"/u/{name}/report"
        assert (await cleo.fill(at, at, why="else")).status == 200
        async with alder.engine.begin() as conn:
            gone = await conn.execute(sa.delete(alert_calls))
            counts.append(gone.rowcount)
        said = (await ana.open("/settings/node")).text
        assert ("Where too much waits" in said) is (name in ("three", "four"))
    assert counts == [1, 1, 2, 1]  # one more at the moment when it is too much
    assert "The reports to this place itself" in said
    for name in ("@one", "@ana", "cleo"):
        assert name not in said.partition("Where too much waits")[2].partition("Groups")[0]


async def test_mod_5_12_the_smallest_step_is_a_press_away_from_a_case(
    house: House, dan: Person
) -> None:
    """From a case to a limit; and whoever is kept out is told until when."""
    await report(house.cleo, house.answer.id, "unkind")
    page = await looked_at(dan, QUEUE)
    about = await dan.open(page.page.link("/g/open/desk/person?person="))
    limit = next(each for each in about.page.forms if ("act", "limit") in each.filled({}))
    done = await dan.submit(about, limit, reason="A little slower.", rule="Be kind", days="14")
    assert "reads their posts first until" in (await dan.follow(done)).text
    async with house.node.engine.connect() as conn:
        line = (await conn.execute(sa.select(audit).where(audit.c.verb == "limit"))).one()
        assert (line.rule, line.person_id) == ("Be kind", house.ben.actor.id)

    away = next(each for each in page.page.forms if each.action.endswith("/ban"))
    odd = await dan.submit(page, away, start="rest", days="9")
    assert (odd.status, "Please choose until when" in odd.text) == (400, True)
    assert (await dan.submit(page, away, start="rest", days="30")).status == 303
    async with house.node.engine.connect() as conn:
        last = await conn.scalar(sa.select(bans.c.until))
    assert last == house.node.here.now().date() + timedelta(days=30)


async def test_dom_H3_whoever_hands_over_can_leave_a_note(house: House, dan: Person) -> None:
    await report(house.cleo, house.answer.id, "unkind")
    page = await looked_at(dan, QUEUE)
    hand = next(each for each in page.page.forms if each.action.endswith("/hand"))
    assert (await dan.submit(page, hand, note="He is new here.")).status == 303
    assert "He is new here." in (await looked_at(house.ana, QUEUE)).text


async def test_dom_D11_what_comes_next_is_what_is_shown_next(house: House, dan: Person) -> None:
    """The one that sounds heavy is shown first, and was last in the database's order."""
    node, said = house.node, {}
    for number in range(4):
        post = await node.reply(house.ben.speaker, house.thread.uri, f"Number {number}.")
        said[post.id] = post
        await report(house.cleo, post.id, "unkind")
    async with node.engine.connect() as conn:
        last = (await case_store.waiting(conn, node.here, house.open.id))[-1]
    assert last.post_id is not None
    await node.edit(house.ben.speaker, said[last.post_id].uri, "", "I am not safe on my own.")
    shown = re.findall(r'id="(case-[^"]+)"', (await dan.open(QUEUE)).html)
    assert (len(shown), shown[0]) == (4, f"case-{last.id}")
    for this, following in itertools.pairwise(shown):
        at = f"{QUEUE}/{this.removeprefix('case-')}"
        await act(dan, at, "claim")
        assert (await act(dan, at, "nothing")).location == f"{QUEUE}#{following}"
    at = f"{QUEUE}/{shown[-1].removeprefix('case-')}"
    assert (await act(dan, at, "nothing")).location == QUEUE
