"""A name is stopped from a report's page, held words wait, and both can be asked about."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from unittest import mock
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import actors as actor_store
from activitypub.actors import Actor
from groups import admission, appealing, closing, hiding, reported, stopping, threads
from groups import desk as group_desk
from groups import posts as post_store
from groups.groups import GroupSettings, add_moderator
from kernel import tombstone_log
from kernel.errors import Conflict, NotAllowed, NotFound
from kernel.schema.actors import ActorState
from kernel.schema.care import Level
from kernel.schema.groups import Posts, Premoderation
from kernel.schema.moderation import Role
from kernel.schema.posts import PostState
from kernel.schema.tables import activities, audit, cases, stops
from kernel.tombstone_log import Act
from members import personas
from moderation import appeals, standing
from moderation import audit as audit_log
from moderation.care import cases as care_cases
from node.pages import table
from node.pages.session import MODERATOR
from node.safekeeping.replay import replay
from tests.members import people
from tests.nodes import settle as settle_all
from tests.pages.conftest import House, looked_at
from tests.pages.people import Person, person
from tests.pages.test_cases import report
from tests.pages.test_live import SOON, listening
from tests.peer import PeerFactory
from tests.wire.world import followers, said

NODE = "/moderation"
STOPPED = "/settings/node/stopped"


async def person_case(house: House, of: Person) -> str:
    """A report about a person, in the queue of the node: its address."""
    at = f"/u/{of.actor.handle}/report"
    sent = await house.cleo.fill(at, at, why="pressure", words="Look")
    assert sent.status == 200, sent.text
    async with house.node.engine.connect() as conn:
        asked = sa.select(cases.c.id).where(cases.c.subject == "person")
        return f"{NODE}/{await conn.scalar(asked)}"


async def state_of(house: House, person: Person) -> str:
    async with house.node.engine.connect() as conn:
        return (await actor_store.get(conn, person.actor.id)).state


async def test_mod_5_12_a_name_is_stopped_told_why_and_asks_for_a_second_look(
    house: House,
) -> None:
    node = house.node
    sibling = await people.persona(node.engine, node.here, house.ben.prepared.member, "other")
    await node.join(house.ben.speaker, house.private.actor.uri)
    root = await node.start(house.ana.speaker, house.private.actor.uri, "Closed", "Words inside.")
    inside = f"/t/{root.id}"
    assert "Words inside." in (await house.ben.open(inside)).text
    at = await person_case(house, house.ben)
    page = await looked_at(house.ana, NODE)
    form = next(each for each in page.page.forms if each.action == f"{at}/stop")
    empty = await house.ana.submit(page, form, days="7")
    assert "Please choose a sentence for them" in empty.text
    sent = await house.ana.submit(page, form, start="pause", days="7")
    assert sent.status == 303, sent.text
    assert await state_of(house, house.ben) == ActorState.SUSPENDED

    # H12: what only members read is closed to them at once, under every name; so is writing
    assert (await house.ben.open(inside)).status == 404
    assert (await house.ben.open("/u/ben")).status == 404
    mine = await house.ben.open("/personas")
    assert "Resting for now" in mine.text
    joined = await house.ben.fill("/g/open/join", guidelines="1")
    assert joined.status in (403, 200)
    assert "have paused what you can do here" in joined.text
    refused = await house.ben.fill(f"/p/{house.thread.id}/reply", text="Still here")
    assert "have paused what you can do here" in refused.text

    # nobody else can tell whose sibling it was (DESIGN-V2)
    assert (await house.ana.open("/u/other")).status == 200
    assert sibling.handle not in (await house.ana.open(STOPPED)).text
    assert "@ben@" in (await house.ana.open(STOPPED)).text

    told = await house.ben.open("/notices")
    assert "ask you to rest for now" in told.text
    why = re.search(r"/decisions/\d+", told.html)
    assert why is not None
    decided = await house.ben.open(why[0])
    for words in ("You were asked to rest for now", "for now this place is not good", "until"):
        assert words.lower() in decided.text.lower(), words
    asked = await house.ben.submit(decided, decided.page.form("words"), words="I was ill")
    assert asked.status == 303
    assert "You were asked to rest" in (await house.ben.open("/personas/ben/decisions")).text
    own = await house.ana.open("/settings/node/appeals")
    assert "You decided this yourself" in own.text
    assert "If nobody else looks after this place" in own.text

    async with node.engine.begin() as conn:
        person = await actor_store.get(conn, house.ben.actor.id)
        acting = await _desk(conn, house)
        await stopping.go_on(conn, node.here, acting, person)
    assert "Words inside." in (await house.ben.open(inside)).text
    assert "You can go on. Welcome back." in (await house.ben.open("/notices")).text
    async with node.engine.connect() as conn:
        verbs = set(await conn.scalars(sa.select(audit.c.verb)))
        body = await conn.scalars(
            sa.select(activities.c.body).where(activities.c.object_uri == person.uri)
        )
        assert not any('"suspended":true' in each for each in body)
    assert {"suspend", "end suspend"} <= verbs


async def test_a_stop_ends_by_itself_on_its_day(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = house.node
    today = node.here.now().date()
    async with node.engine.begin() as conn:
        acting = await _desk(conn, house)
        noted = mock.Mock()
        with monkeypatch.context() as patched:
            patched.setattr(tombstone_log, "note", noted)
            await stopping.stop(conn, node.here, acting, house.ben.actor, "Rest", today)
        assert noted.call_args.args[1:] == (Act.SUSPENDED, house.ben.actor.uri, f"{today}")
    assert not await stopping.end_one(node.engine, node.here)  # that day is a day of it
    node.clock.forward(days=1)
    assert await stopping.end_one(node.engine, node.here)
    assert await state_of(house, house.ben) == ActorState.ACTIVE
    assert not await stopping.end_one(node.engine, node.here)


async def test_a_stopped_name_that_its_owner_erased_never_comes_back(house: House) -> None:
    """Its stop holds against their other names until it ends (DESIGN-V3), and then all is over."""
    node = house.node
    member = house.ben.prepared.member
    await people.persona(node.engine, node.here, member, "other")
    until = node.here.now().date()
    async with node.engine.begin() as conn:
        acting = await _desk(conn, house)
        await stopping.stop(conn, node.here, acting, house.ben.actor, "Rest", until)
        await closing.begin(conn, node.here, await actor_store.get(conn, house.ben.actor.id))
    assert await closing.close_one(node.engine, node.here)
    assert await state_of(house, house.ben) == ActorState.CLOSED
    assert (await house.visitor.open("/u/ben")).status == 410
    refused = await house.ben.fill("/g/open/join", guidelines="1")
    assert "have paused what you can do here" in refused.text
    async with node.engine.begin() as conn:
        assert (await personas.voices(conn, member)).stopped
        speaker = await personas.speaker(conn, member, (await _other(conn)).id)
        with pytest.raises(NotAllowed, match="paused"):
            await standing.check(conn, node.here, speaker, None)
        (facts,) = await admission.facts(conn, node.here, [(speaker, house.open)])
        assert facts.suspended
        gone = await stopping.get(conn, house.ben.actor.id)
        with pytest.raises(Conflict):
            await stopping.stop(conn, node.here, acting, gone, "Again")
    node.clock.forward(days=1)
    assert await stopping.end_one(node.engine, node.here)
    assert not await stopping.end_one(node.engine, node.here)
    assert await state_of(house, house.ben) == ActorState.CLOSED
    assert (await house.visitor.open("/u/ben")).status == 410
    async with node.engine.connect() as conn:
        assert not (await personas.voices(conn, member)).stopped
        await standing.check(conn, node.here, speaker, None)
        verbs = await conn.scalars(sa.select(audit.c.verb))
        assert not {"suspend", "end suspend"} & set(verbs)
        with pytest.raises(NotFound):
            await stopping.get(conn, gone.id)
        with pytest.raises(Conflict):
            await stopping.go_on(conn, node.here, acting, gone)


async def _erased_while_stopped(house: House) -> None:
    """Ben has another name, is stopped without a last day, and erases the one that it was about."""
    node = house.node
    await people.persona(node.engine, node.here, house.ben.prepared.member, "other")
    async with node.engine.begin() as conn:
        acting = await _desk(conn, house)
        decided = await stopping.stop(conn, node.here, acting, house.ben.actor, "Rest")
        words = "Please look again"
        await appeals.ask(conn, node.here, await audit_log.decision(conn, decided), words)
        await closing.begin(conn, node.here, await actor_store.get(conn, house.ben.actor.id))
    assert await closing.close_one(node.engine, node.here)


async def test_design_v3_a_stop_without_a_last_day_of_an_erased_name_can_be_ended(
    house: House,
) -> None:
    node = house.node
    await _erased_while_stopped(house)
    node.clock.forward(days=1)
    assert not await stopping.end_one(node.engine, node.here)  # nor does it ever by itself
    listed = await house.ana.open(STOPPED)
    assert "@ben@" in listed.text
    assert "This name is gone for good" in listed.text
    assert (await house.ana.submit(listed, listed.page.form("person"))).status == 303
    assert "@ben@" not in (await house.ana.open(STOPPED)).text
    assert (await house.visitor.open("/u/ben")).status == 410
    joined = await house.ben.fill("/g/open/join", guidelines="1")
    assert "have paused what you can do here" not in joined.text
    async with node.engine.connect() as conn:
        assert (await conn.execute(sa.select(stops))).all() == []
        about = sa.select(audit.c.id).where(audit.c.person_id == house.ben.actor.id)
        assert (await conn.scalars(about)).all() == []  # the chain alone knows that it was decided


async def test_mod_5_12_an_appeal_against_the_stop_of_an_erased_name_is_answered(
    house: House,
) -> None:
    node = house.node
    await _erased_while_stopped(house)
    mine = await house.ben.open("/personas/ben/decisions")
    assert "You were asked to rest" in mine.text
    why = re.search(r"/decisions/\d+", mine.html)
    assert why is not None
    assert "Please look again" in (await house.ben.open(why[0])).text
    assert "Please look again" in (await house.ana.open("/settings/node/appeals")).text
    async with node.engine.begin() as conn:
        acting = await _desk(conn, house)
        decision = await audit_log.decision(conn, int(why[0].rpartition("/")[2]))
        await appealing.answer(
            conn, node.here, None, acting, decision, "You may go on", change=True, role=Role.NODE
        )
    async with node.engine.connect() as conn:
        assert not (await personas.voices(conn, house.ben.prepared.member)).stopped
        assert await appeals.of(conn, node.here, decision.id) is None
    assert (await house.visitor.open("/u/ben")).status == 410


async def test_design_v3_who_was_deleted_elsewhere_while_stopped_stays_gone(
    house: House, peer: PeerFactory
) -> None:
    """SEC-S20: their server may erase them, and what they come back as is stopped still."""
    node, good = house.node, await peer("good.test", house.node)
    kim = good.person("kim")
    await good.follow(node, kim, house.open.actor.uri)
    until = node.here.now().date() + timedelta(days=7)

    async def known() -> Actor:
        async with node.engine.connect() as conn:
            found = await actor_store.by_uri(conn, kim.uri)
        assert found is not None
        return found

    async def stop() -> None:
        async with node.engine.begin() as conn:
            acting = await _desk(conn, house)
            await stopping.stop(conn, node.here, acting, await known(), "Rest", until)

    await stop()
    gone = good.activity("Delete", kim, kim.uri, to=["as:Public"])
    assert await good.send(node, gone, kim) == 202
    await settle_all(node)
    assert (await known()).state is ActorState.CLOSED
    like = good.activity("Like", kim, house.thread.uri)
    assert await good.send(node, like, kim) == 403  # their server shows them again
    assert (await known()).state is ActorState.SUSPENDED
    assert await good.send(node, {**gone, "id": f"{gone['id']}/2"}, kim) == 202
    await settle_all(node)
    node.clock.forward(days=8)
    assert await stopping.end_one(node.engine, node.here)
    assert (await known()).state is ActorState.CLOSED


OURS = ("/moderation", "/settings/node", "/g/{name}/desk", "/p/{id}/", "/t/{id}/", "/api/mod/",
        "/desk/")  # fmt: skip


@pytest.mark.slow
async def test_mod_H12_who_is_stopped_opens_no_door_of_those_who_moderate(house: House) -> None:
    """A walk over the table of routes: what refuses somebody who just came refuses them, too."""
    node = house.node
    eve = await person(node, "eve", roles=frozenset({MODERATOR}))
    async with node.engine.begin() as conn:
        version = house.open.guidelines_version
        await add_moderator(conn, node.here, house.open.actor, eve.actor, version)
        about = reported.post_of(house.answer)
        case = await care_cases.open_case(
            conn, node.here, about=about, host="alder.test", level=Level.NOW, group_id=None
        )
    care = "/moderation/care"
    opened = [care, f"{care}/{case}", f"{care}/list", f"/p/{house.answer.id}/care"]
    opened += ["/moderation/asked", "/settings/node/appeals", f"/p/{house.answer.id}/labels"]
    for path in opened:
        assert (await eve.open(path)).status == 200, path
    async with node.engine.begin() as conn:
        await stopping.stop(conn, node.here, await _desk(conn, house), eve.actor, "Rest")
    for path in opened:
        assert (await eve.open(path)).status == 403, path
    asked = 0
    for route in table.routes():
        if not route.path.startswith(OURS) or route.path == "/moderation/leave":
            continue
        path = house.sample(route.path.replace(care + "/{case}", f"{care}/{case}"))
        path = path.replace(f"{case}/release", f"{case}/claim")
        if (await house.cleo.send(route.method, path, {})).status in (403, 404):
            refused = await eve.send(route.method, path, {})
            assert refused.status in (403, 404), (route.method, path)
            asked += 1
    assert asked > 60


async def test_mod_H12_an_open_page_of_a_name_that_is_stopped_is_let_go(house: House) -> None:
    node = house.node
    async with listening(house.ben, f"/t/{house.thread.id}") as page:
        async with node.engine.begin() as conn:
            acting = await _desk(conn, house)
            await stopping.stop(conn, node.here, acting, house.ben.actor, "Rest")
        await page.ends(SOON)


async def test_a_shown_post_is_held_from_its_report_and_shown_again(house: House) -> None:
    await report(house.cleo, house.answer.id)
    page = await looked_at(house.ana, "/g/open/desk/cases")
    form = next(each for each in page.page.forms if each.action.endswith("/hold"))
    assert (await house.ana.submit(page, form, start="read")).status == 303
    thread = f"/t/{house.thread.id}"
    assert "Hello back." not in (await house.cleo.open(thread)).text
    assert "Hello back." in (await house.ana.open("/g/open/desk")).text
    told = (await house.ben.open("/notices")).text
    assert "reads your post in peace" in told
    assert "You did nothing wrong" in told
    released = {"post": str(house.answer.id)}
    assert (await house.ana.send("POST", "/g/open/desk/release", released)).status == 303
    assert "Hello back." in (await house.cleo.open(thread)).text
    assert "reads your post in peace" not in (await house.ben.open("/notices")).text


async def test_somebody_elsewhere_is_stopped_leaves_and_is_told(
    house: House, peer: PeerFactory
) -> None:
    node, good = house.node, await peer("good.test", house.node)
    group = await node.group(
        "anyone", house.ana.speaker, settings=GroupSettings(posts=Posts.ANYONE)
    )
    author = good.person("kim")
    await good.follow(node, author, group.actor.uri)
    note = good.note(author, "Buy this", to=["as:Public", group.actor.uri])
    await said(node, good, author, note)
    assert author.uri in await followers(node, group.actor.uri)
    good.inbox.clear()
    async with node.engine.begin() as conn:
        acting = await _desk(conn, house)
        person = await actor_store.by_uri(conn, author.uri)
        assert person is not None
        await stopping.stop(conn, node.here, acting, person, "Please rest & come back")
    await settle_all(node)
    (letter,) = [each["object"] for each in good.got("Create")]
    assert letter["to"] == [author.uri]
    for says in (
        "Thank you for the time",
        "Please rest &amp; come back",
        "/help",
        "not by a program",
    ):
        assert says in letter["content"], says
    assert "answer this message" not in letter["content"]  # nobody would hear it
    assert good.got("Reject")
    assert author.uri not in await followers(node, group.actor.uri)
    more = good.create(author, good.note(author, "Buy more", to=["as:Public", group.actor.uri]))
    assert await good.send(node, more, author) == 403
    async with node.engine.begin() as conn:
        person = await actor_store.by_uri(conn, author.uri)
        assert person is not None
        await stopping.go_on(conn, node.here, acting, person)
    assert await good.send(node, more, author) == 202


async def test_a_restore_stops_again_until_the_same_day_whoever_it_is(
    house: House, peer: PeerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, good = house.node, await peer("good.test", house.node)
    monkeypatch.setattr(stopping, "LEAVES", 1)  # more groups than one step
    names = ("anyone", "everyone", "whoever")
    many = [await node.group(each, house.ana.speaker) for each in names]
    author = good.person("kim")
    for group in many:
        await good.follow(node, author, group.actor.uri)
    until = node.here.now().date() + timedelta(days=7)
    lines: list[tuple[str, ...]] = [
        ("suspended", author.uri, until.isoformat()),
        ("closed", house.ben.actor.uri),
    ]
    lines += [("suspended", house.ben.actor.uri, until.isoformat())]
    log = "".join(json.dumps(each) + "\n" for each in lines)
    good.inbox.clear()
    async with node.engine.begin() as conn:
        await replay(conn, node.here, tombstone_log.read(log))
    await settle_all(node)
    assert len(good.got("Reject")) == len(many)
    for group in many:
        assert author.uri not in await followers(node, group.actor.uri)
    assert await state_of(house, house.ben) == ActorState.CLOSED
    async with node.engine.connect() as conn:
        assert list(await conn.scalars(sa.select(stops.c.until))) == [until, until]
        assert (await personas.voices(conn, house.ben.prepared.member)).stopped
        found = await stopping.stopped(conn, after=UUID(int=0))
    assert {(each.name, each.gone) for each in found} == {("ben", True), ("Kim", False)}
    assert {(each.until, each.decision_id) for each in found} == {(until, None)}
    assert "kim" in (await house.ana.open(STOPPED)).text

    async with node.engine.begin() as conn:
        ended = [("unsuspended", house.ben.actor.uri), ("unsuspended", author.uri)]
        await replay(conn, node.here, [*lines, *ended])
        assert (await conn.execute(sa.select(stops))).all() == []
    assert await state_of(house, house.ben) == ActorState.CLOSED


async def test_somebody_elsewhere_is_told_that_their_post_waits_once(
    house: House, peer: PeerFactory
) -> None:
    node, good = house.node, await peer("good.test", house.node)
    settings = GroupSettings(posts=Posts.ANYONE, premoderation=Premoderation.ALL)
    group = await node.group("anyone", house.ana.speaker, settings=settings)
    author = good.person("kim")
    for number in range(3):
        note = good.note(author, f"Hello {number}", to=["as:Public", group.actor.uri])
        await said(node, good, author, note)
    (letter,) = [each["object"] for each in good.got("Create")]
    assert "A moderator of" in letter["content"]
    assert "You did nothing wrong" in letter["content"]
    assert "second look" not in letter["content"]


async def test_what_a_group_elsewhere_took_out_meanwhile_is_not_shown_again(house: House) -> None:
    """The group of the story stands in for one elsewhere: only whose desk it is differs."""
    node, post = house.node, house.answer
    async with node.engine.begin() as conn:
        await hiding.hide(conn, node.here, post, "Not here")
        hidden = await post_store.get(conn, post.id)
        far = replace(house.ben.actor, local=False)
        await group_desk.remove(conn, node.here, house.open, far, hidden, "Nor there")
        await group_desk.remove(conn, node.here, house.open, far, hidden, "Nor there")
        with pytest.raises(NotAllowed):
            await hiding.show_again(conn, node.here, hidden)
        await group_desk.restore(conn, node.here, house.open, far, hidden)
        assert (await post_store.get(conn, post.id)).state is PostState.REMOVED
        verbs = list(await conn.scalars(sa.select(audit.c.verb).order_by(audit.c.id)))
        assert verbs[-3:] == ["remove", "remove", "restore"]
        await hiding.show_again(conn, node.here, hidden)
        assert (await post_store.get(conn, post.id)).state is PostState.SHOWN


async def test_what_was_deleted_meanwhile_is_not_shown_again(house: House) -> None:
    """Whoever answers an appeal read the post before its author deleted it (DESIGN-V1)."""
    node, post = house.node, house.answer
    async with node.engine.begin() as conn:
        await hiding.hide(conn, node.here, post, "Not here")
        hidden = await post_store.get(conn, post.id)
    async with node.engine.begin() as conn:
        await threads.erase(conn, hidden)
    async with node.engine.begin() as conn:
        with pytest.raises(NotFound):
            await hiding.show_again(conn, node.here, hidden)
        assert (await post_store.get(conn, post.id)).state is PostState.DELETED
        shown = await conn.scalars(sa.select(audit.c.verb))
        assert "restore" not in set(shown)


async def _other(conn: AsyncConnection) -> Actor:
    found = await actor_store.by_handle(conn, "other")
    assert found is not None
    return found


async def _desk(conn: AsyncConnection, house: House) -> Actor:
    found = await actor_store.by_uri(conn, f"{house.node.origin}/desk/node")
    assert found is not None
    return found
