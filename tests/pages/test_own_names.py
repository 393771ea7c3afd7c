"""One name of one's own: taking it along, closing it with a receipt, speaking openly."""

import io
import json
import re
from datetime import timedelta
from uuid import UUID
from zipfile import ZipFile

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from activitypub import documents
from groups import desk, membership, reactions
from groups import posts as post_store
from groups.groups import GroupSettings
from kernel import keep_times
from kernel.schema.groups import Posts, Sees
from kernel.schema.tables import actors, posts
from members import accounts, openness
from moderation import appeals, audit
from moderation.standing import Speaker
from node import export, tidy
from node.pages.headers import ALWAYS
from tests.members import people
from tests.nodes import Node, NodeFactory
from tests.pages.people import PASSWORD, Answer, Browser, Person, person, settle

MARKER = "\"'><svg/onload=1>{{7*7}}"


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    made = await node("alder.test")
    await settle(made)
    return made


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one guess at a password costs is tested elsewhere."""
    for asks in (accounts.confirm, accounts.close):
        monkeypatch.setitem(asks.__kwdefaults__ or {}, "cost", people.CHEAP)


@pytest.fixture
async def ana(alder: Node) -> Person:
    """A member with a second name."""
    made = await person(alder, "ana")
    await people.persona(alder.engine, alder.here, made.prepared.member, "other_name")
    return made


async def _archive(browser: Person, name: str = "ana") -> Answer:
    return await browser.send("POST", f"/personas/{name}/archive", {"password": PASSWORD})


def _opened(answer: Answer) -> ZipFile:
    assert answer.status == 200, answer.text
    return ZipFile(io.BytesIO(answer.body))


async def test_dom_I3_an_archive_holds_everything_of_one_name(alder: Node, ana: Person) -> None:
    mod = await alder.persona("mod")
    group = await alder.group("sleep", mod, settings=GroupSettings(posts=Posts.ANYONE))
    await alder.join(ana.speaker, group.actor.uri)
    root = await alder.start(ana.speaker, group.actor.uri, MARKER, f"Words of mine {MARKER}", "n")
    await alder.reply(ana.speaker, root.uri, "And an answer.")
    gone = await alder.reply(ana.speaker, root.uri, "Taken back.")
    await alder.delete(ana.speaker, gone.uri)
    removed = await alder.reply(ana.speaker, root.uri, "Removed by them.")
    await alder.reply(mod, root.uri, "Somebody else's words.")
    async with alder.engine.begin() as conn:
        await desk.remove(conn, alder.here, group, mod.actor, removed, "Not here, please.")
        await desk.ban(conn, alder.here, group, mod.actor, ana.actor, "A week away.", None)
        decision, *_ = await audit.of_person(conn, ana.actor.id, limit=1)
        await appeals.ask(conn, alder.here, decision, "Please let me come back.")
    answer = await _archive(ana)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{export.NAME}"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert ALWAYS.items() <= dict(answer.headers).items()
    opened = _opened(answer)
    assert opened.testzip() is None
    assert {info.date_time[:3] for info in opened.infolist()} == {(1980, 1, 1)}
    outbox = json.loads(opened.read("outbox.json"))
    assert outbox["type"] == "OrderedCollection"
    assert outbox["totalItems"] == len(outbox["orderedItems"]) == 3
    first, second, third = (item["object"] for item in outbox["orderedItems"])
    assert first["name"].endswith(MARKER)
    assert first["source"]["content"]
    assert second["inReplyTo"] == first["id"] == third["inReplyTo"]
    assert json.loads(opened.read("actor.json"))["id"] == ana.actor.uri
    moderation = json.loads(opened.read("moderation.json"))
    assert [each["reason"] for each in moderation["posts"]] == ["Not here, please."]
    assert [each["reason"] for each in moderation["bans"]] == ["A week away."]
    assert {each["about"] for each in moderation["decisions"]} >= {removed.uri, ana.actor.uri}
    (asked,) = moderation["appeals"]
    assert (asked["state"], asked["words"]) == ("open", "Please let me come back.")
    everything = b"".join(opened.read(name) for name in opened.namelist()).decode()
    assert "Taken back." not in everything
    assert "Somebody else's words." not in everything
    page = opened.read("index.html").decode()
    for words in ("And an answer.", "Removed by them.", "Not here, please.", "A week away."):
        assert words in page
    assert "mod" not in re.findall(r"@(\w+)@", everything)  # who decided is not said


async def test_sec_U19_an_archive_says_nothing_of_another_name(alder: Node, ana: Person) -> None:
    group = await alder.group("sleep", settings=GroupSettings(posts=Posts.ANYONE))
    async with alder.engine.connect() as conn:
        other = await actor_store.by_handle(conn, "other_name")
    assert other is not None
    await alder.start(Speaker.alone(other), group.actor.uri, "Of the other", "Secretly mine.")
    await alder.start(ana.speaker, group.actor.uri, "Of ana", "Openly mine.")
    opened = _opened(await _archive(ana))
    everything = b"".join(opened.read(name) for name in opened.namelist())
    assert b"Openly mine." in everything
    for trace in ("other_name", str(other.id), "Secretly", str(ana.prepared.member.account_id)):
        assert trace.encode() not in everything
    theirs = _opened(await _archive(ana, "other_name"))
    assert b"Openly" not in theirs.read("outbox.json")


async def test_sec_L8_what_belongs_to_a_name_is_for_its_member_and_needs_the_password(
    alder: Node, ana: Person
) -> None:
    wrong = await ana.send("POST", "/personas/ana/archive", {"password": "not it at all"})
    assert wrong.status == 403
    assert "archive" not in wrong.headers.get("Content-Disposition", "")
    ben = await person(alder, "ben")
    unknown = await ben.send("POST", "/personas/nobody_here/archive", {"password": PASSWORD})
    assert unknown.status == 404
    for path in ("archive", "close", "open", "withdraw"):
        answer = await ben.send("POST", f"/personas/ana/{path}", {"password": PASSWORD})
        assert (answer.status, answer.body) == (404, unknown.body)
    for path in ("settings", "close", "open"):
        assert (await ben.open(f"/personas/ana/{path}")).status == 404
        assert (await Browser(alder).open(f"/personas/ana/{path}")).status == 303  # to the log-in


async def test_sec_L5_what_was_seen_once_is_in_no_archive_after_the_access_went(
    alder: Node, ana: Person
) -> None:
    mod = await alder.persona("mod")
    group = await alder.group("closed", mod, settings=GroupSettings(sees=Sees.MEMBERS))
    await alder.join(ana.speaker, group.actor.uri)
    root = await alder.start(mod, group.actor.uri, "Zebrafinch", "Zebrafinch words.")
    await alder.reply(ana.speaker, root.uri, "My own answer.")
    async with alder.engine.begin() as conn:
        post = await post_store.get(conn, root.id)
        await reactions.like(conn, alder.here, ana.speaker, post)
        await membership.leave(conn, alder.here, ana.speaker, group)
    opened = _opened(await _archive(ana))
    everything = b"".join(opened.read(name) for name in opened.namelist()).decode()
    assert "My own answer." in everything
    assert root.uri in opened.read("heard.json").decode()
    assert "Zebrafinch" not in everything


async def test_sec_X2_an_archives_page_runs_nothing_and_asks_nobody(
    alder: Node, ana: Person
) -> None:
    group = await alder.group("sleep", settings=GroupSettings(posts=Posts.ANYONE))
    words = f'{MARKER} <script>x</script> <img src="https://evil.example/i.png"> [a](javascript:1)'
    await alder.start(ana.speaker, group.actor.uri, MARKER, words, MARKER)
    async with alder.engine.begin() as conn:
        await conn.execute(
            sa.update(actors)
            .where(actors.c.id == ana.actor.id)
            .values(name=MARKER, summary=f"<p>{MARKER}</p><script>x</script>")
        )
        await conn.execute(sa.update(posts).values(content=f"<p>x</p>{words}"))
    page = _opened(await _archive(ana)).read("index.html").decode()
    tags = {tag.lower() for tag in re.findall(r"<([a-zA-Z]+)", page)}
    assert not tags & {"script", "svg", "img", "iframe", "form", "object", "base"}
    assert "onload" not in re.sub(r"&[a-z#0-9]+;[^<]*", "", page)
    assert "javascript:" not in "".join(re.findall(r'href="([^"]*)"', page))
    assert "{{7*7}}" in page
    assert "default-src 'none'" in page


async def test_an_archive_asks_as_often_for_a_hundred_posts_as_for_one(
    alder: Node, ana: Person
) -> None:
    group = await alder.group("sleep", settings=GroupSettings(posts=Posts.ANYONE))
    asked: list[str] = []
    sa.event.listen(
        alder.engine.sync_engine,
        "before_cursor_execute",
        lambda *args: asked.append(args[2]),
    )

    async def count() -> int:
        asked.clear()
        await _archive(ana)
        return len(asked)

    root = await alder.start(ana.speaker, group.actor.uri, "One", "Words.")
    await count()
    once = await count()
    for number in range(20):
        await alder.reply(ana.speaker, root.uri, f"Answer {number} #tag")
    assert await count() == once


async def test_dom_I4_closing_a_name_gives_a_receipt_that_needs_no_log_in(
    alder: Node, ana: Person
) -> None:
    group = await alder.group("sleep", settings=GroupSettings(posts=Posts.ANYONE))
    post = await alder.start(ana.speaker, group.actor.uri, "Mine", "Words that go.")
    wrong = await ana.fill("/personas/ana/close", "/personas/ana/close", password="not it at all")
    assert wrong.status == 403
    done = await ana.fill("/personas/ana/close", "/personas/ana/close", password=PASSWORD)
    assert done.status == 200
    (code,) = re.findall(r"\b[0-9A-Z]{5}(?:-[0-9A-Z]{5}){4}\b", done.text)
    assert "ana" not in (await ana.open("/personas")).text.split()  # it speaks no more, at once
    assert (await ana.open("/personas/ana/settings")).status == 404
    stranger = Browser(alder)
    early = await stranger.fill("/receipt", "/receipt", handle="ana", code=code)
    assert "not closed yet" in early.text
    await tidy.tidy(alder.engine, alder.here)
    for spelling in ("ana", "@ana@alder.test", " ANA "):
        shown = await stranger.fill("/receipt", "/receipt", handle=spelling, code=code.lower())
        assert shown.status == 200
        assert "The name is closed" in shown.text
    assert (await alder.post(post.uri)).content == ""  # type: ignore[union-attr]
    faces = set()
    for handle, tried in (("ana", "0" * 25), ("other_name", code), ("nobody", code), ("", "")):
        answer = await stranger.fill("/receipt", "/receipt", handle=handle, code=tried)
        faces.add((answer.status, answer.text))
    assert len(faces) == 1
    assert faces.pop()[0] == 403


async def test_closing_the_account_gives_a_receipt_for_each_name(alder: Node, ana: Person) -> None:
    done = await ana.fill("/settings/close", "/settings/close", password=PASSWORD)
    codes = re.findall(r"\b[0-9A-Z]{5}(?:-[0-9A-Z]{5}){4}\b", done.text)
    assert len(set(codes)) == 2
    shown = await Browser(alder).fill("/receipt", "/receipt", handle="other_name", code=codes[1])
    assert "not closed yet" in shown.text
    alder.clock.forward(days=15)
    await tidy.tidy(alder.engine, alder.here)
    await tidy.tidy(alder.engine, alder.here)
    shown = await Browser(alder).fill("/receipt", "/receipt", handle="other_name", code=codes[1])
    assert "The name is closed" in shown.text


async def _flags(node: Node, persona_id: UUID) -> tuple[object, object, object]:
    async with node.engine.connect() as conn:
        actor = await actor_store.get(conn, persona_id)
    document = documents.actor(actor)
    names = ("discoverable", "indexable", "hidesToPublicFromUnauthedWeb")
    return tuple(document[name] for name in names)  # type: ignore[return-value]


CLOSED, OPEN = (False, False, True), (True, True, False)


async def test_dom_A5_speaking_openly_is_chosen_after_a_day_and_for_a_year(
    alder: Node, ana: Person
) -> None:
    async def now() -> tuple[object, object, object]:
        await tidy.tidy(alder.engine, alder.here)
        return await _flags(alder, ana.actor.id)

    async def robots() -> str:
        return (await Browser(alder).open("/u/ana")).headers["X-Robots-Tag"]

    assert await now() == CLOSED
    unread = await ana.send("POST", "/personas/ana/open", {})
    assert unread.status == 403
    begun = alder.clock.now
    agreed = await ana.fill("/personas/ana/open", "/personas/ana/open", understood="yes")
    assert agreed.status == 303
    assert await now() == CLOSED
    alder.clock.forward(hours=24)
    assert await now() == CLOSED, "the first day is for thinking again"
    assert await robots() == "noindex"
    alder.clock.forward(hours=24)
    assert await now() == OPEN
    assert await robots() == "all"
    alder.clock.now = begun + openness.COOLING + keep_times.CONSENT
    assert await now() == OPEN
    alder.clock.forward(days=1)
    assert await now() == CLOSED, "after a year a name is asked again"
    assert await robots() == "noindex"


async def test_dom_A5_it_is_stopped_before_it_begins_and_taken_back_by_one_press(
    alder: Node, ana: Person
) -> None:
    await ana.fill("/personas/ana/open", "/personas/ana/open", understood="yes")
    stopped = await ana.send("POST", "/personas/ana/withdraw", {})
    assert stopped.status == 303
    alder.clock.forward(days=3)
    await tidy.tidy(alder.engine, alder.here)
    assert await _flags(alder, ana.actor.id) == CLOSED
    await ana.fill("/personas/ana/open", "/personas/ana/open", understood="yes")
    alder.clock.forward(days=3)
    await tidy.tidy(alder.engine, alder.here)
    assert await _flags(alder, ana.actor.id) == OPEN
    again = await ana.fill("/personas/ana/open", "/personas/ana/open", understood="yes")
    assert again.status == 303
    assert await _flags(alder, ana.actor.id) == OPEN, "saying yes again does not begin anew"
    await ana.send("POST", "/personas/ana/withdraw", {})
    assert await _flags(alder, ana.actor.id) == CLOSED


async def test_dom_A5_a_yes_is_kept_by_its_day_and_of_one_name(alder: Node, ana: Person) -> None:
    await ana.fill("/personas/ana/open", "/personas/ana/open", understood="yes")
    async with alder.engine.connect() as conn:
        rows = (
            await conn.execute(sa.select(actors.c.handle, actors.c.opens_on).where(actors.c.local))
        ).all()
    days = {row.handle: row.opens_on for row in rows}
    assert days["ana"] == alder.clock.now.date() + timedelta(days=2)
    assert {day for handle, day in days.items() if handle != "ana"} == {None}
