"""A group's life on its pages: founding, joining, writing, looking after."""

import re
from datetime import timedelta

import pytest

from groups.groups import GroupSettings
from kernel.schema.groups import Joining, Posts, Premoderation, Sees
from members import personas
from node.pages.group_words import STARTER
from tests.nodes import NodeFactory
from tests.pages.conftest import House
from tests.pages.people import Answer, Person, person, settle


async def write(who: Person, path: str, name: str = "", **answers: str) -> Answer:
    """Fill in a composer as `name`, ticking the guidelines where it asks for that."""
    at = await who.open(path)
    form = at.page.form("text")
    if name:
        answers["as"] = form.choice("as", name)
    if "guidelines" in form.names:
        answers["guidelines"] = form.choice("guidelines", "")
    return await who.submit(at, form, **answers)


async def join(who: Person, path: str, **answers: str) -> Answer:
    """Fill in a group's join form."""
    at = await who.open(path)
    form = at.page.form("as", action="/join")
    if "guidelines" in form.names:
        answers["guidelines"] = form.choice("guidelines", "")
    return await who.submit(at, form, **answers)


async def test_a_group_is_founded_joined_and_used(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana, ben = await person(alder, "ana"), await person(alder, "ben")
    founded = await ana.fill(
        "/groups/new", name="Awake", handle="Awake", sees="everyone", posts="members",
        joining="open", premoderation="none",
    )  # fmt: skip
    assert founded.location == "/g/awake"
    assert STARTER.splitlines()[0].split("**")[1] in (await ben.open("/g/awake/guidelines")).text
    assert "join this group first" in (await ben.open("/g/awake/new")).text
    assert (await join(ben, "/g/awake/join")).location == "/g/awake"
    started = await write(ben, "/g/awake/new", "ben", title="Three o'clock", text="Anyone *up*?")
    thread = await ben.follow(started)
    assert "Anyone up?" in thread.text
    assert "<em>up</em>" in thread.html
    answered = await write(ana, started.location, "ana", text="I am.")
    page = await ana.follow(await ana.follow(answered))
    assert "I am." in page.text
    assert "Three o'clock" in (await ana.open("/")).text
    assert "1 answer" in (await ana.open("/g/awake")).text
    left = await ben.fill("/g/awake/leave", action="/leave")
    assert left.status == 303
    assert "join this group first" in (await ben.open("/g/awake/new")).text


async def test_everyone_is_told_who_will_read(house: House) -> None:
    assert "and everyone else: it is public." in (await house.ben.open("/g/open/new")).text
    private = (await house.ana.open("/g/private/new")).text
    assert "Readers: 1 member here, no other server, not public." in private


async def test_own_words_can_be_changed_and_taken_back(house: House) -> None:
    path = f"/p/{house.answer.id}"
    changed = await house.ben.fill(f"{path}/edit", "edit", text="Hello again.")
    assert changed.status == 303
    assert "Hello again." in (await house.visitor.open(f"/t/{house.thread.id}")).text
    for stranger in (house.ana, house.cleo):
        assert (await stranger.open(f"{path}/edit")).status == 404
        assert (await stranger.open(f"{path}/delete")).status == 404
    assert (await house.ben.fill(f"{path}/delete", "delete")).status == 303
    thread = await house.visitor.open(f"/t/{house.thread.id}")
    assert "Hello again." not in thread.html
    assert "Its author took this post back." in thread.text
    assert (await house.ben.open(f"{path}/edit")).status == 404


async def test_a_name_for_one_thread(house: House) -> None:
    """It joins an open group on its way, and is offered again in its thread alone."""
    cleo = house.cleo
    at = await cleo.open("/g/open/new")
    form = at.page.form("text")
    started = await cleo.submit(
        at, form, **{"as": form.choice("as", "just for this thread"),
                     "title": "Once", "text": "Nobody knows me.",
                     "guidelines": form.choice("guidelines", "")},
    )  # fmt: skip
    thread = await cleo.follow(started)
    assert "Nobody knows me." in thread.text
    assert "cleo" not in thread.html.partition('<article class="post')[2].partition("</article>")[0]
    assert "made for one thread" in thread.text
    assert "made for one thread" not in (await cleo.open("/g/open/new")).text
    async with house.node.engine.connect() as conn:
        mine = await personas.mine(conn, cleo.prepared.member)
    assert [each.one_time for each in mine] == [False, True]


async def test_a_refused_post_makes_no_name(house: House) -> None:
    at = await house.cleo.open("/g/open/new")
    form = at.page.form("text")
    once = form.choice("as", "just for this thread")
    read = form.choice("guidelines", "")
    refused = await house.cleo.submit(
        at, form, **{"as": once, "title": "", "text": "Words", "guidelines": read}
    )
    assert refused.status == 400
    assert "Words" in refused.html
    async with house.node.engine.connect() as conn:
        assert len(await personas.mine(conn, house.cleo.prepared.member)) == 1


async def test_guidelines_that_change_are_read_again(house: House) -> None:
    assert (await house.ben.open("/g/open/guidelines/edit")).status == 404
    await write(house.ben, "/g/open/new", "ben", title="Before", text="x")
    assert "I have read the" not in (await house.ben.open("/g/open/new")).text
    saved = await house.ana.fill(
        "/g/open/guidelines/edit", guidelines="Be **very** kind.", material="yes"
    )
    assert saved.status == 303
    assert "Be very kind." in (await house.visitor.open("/g/open/guidelines")).text
    at = await house.ben.open("/g/open/new")
    form = at.page.form("text")
    name = form.choice("as", "ben")
    refused = await house.ben.submit(at, form, **{"as": name, "title": "T", "text": "Kept"})
    assert refused.status == 409
    assert "Kept" in refused.html
    done = await write(house.ben, "/g/open/new", "ben", title="T", text="Kept")
    assert done.status == 303
    assert "I have read the" not in (await house.ben.open("/g/open/new")).text


async def test_the_desk_reads_first(house: House) -> None:
    held = f"/t/{house.held.id}"
    assert (await house.cleo.open(held)).status == 404
    own = await house.ben.open(held)
    assert "Read me first." in own.text
    assert "only you and the moderators" in own.text
    desk = await house.ana.open("/g/careful/desk")
    assert "Read me first." in desk.text
    assert (await house.ana.submit(desk, desk.page.form(action="release"))).status == 303
    assert "Read me first." in (await house.visitor.open(held)).text
    log = await house.ana.open("/g/careful/desk/log?kind=release")
    assert house.held.uri in log.html


async def test_asking_to_join_and_being_let_in(house: House) -> None:
    asked = await join(house.cleo, "/g/careful/join")
    assert asked.location == "/g/careful?asked"
    assert "Your request was sent" in (await house.cleo.follow(asked)).text
    desk = await house.ana.open("/g/careful/desk")
    assert "cleo" in desk.text
    assert (await house.ana.submit(desk, desk.page.form(action="admit"))).status == 303
    sent = await write(house.cleo, "/g/careful/new", title="Hello", text="I am here.")
    assert sent.status == 303


async def test_only_members_write_where_names_are_kept(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana, ben = await person(alder, "ana"), await person(alder, "ben")
    await alder.group("kept", ana.speaker, settings=GroupSettings(one_time=False))
    page = await ben.open("/g/kept/new")
    assert "Only members write here" in page.text
    assert not [form for form in page.page.forms if "text" in form.names]
    refused = await ben.send("POST", "/g/kept/new", {"as": "once", "title": "T", "text": "W"})
    assert refused.status == 400


async def test_the_desk_is_for_moderators(house: House) -> None:
    for who in (house.ben, house.cleo):
        assert (await who.open("/g/open/desk")).status == 404
        assert (await who.open("/g/open/settings")).status == 404
        for task in ("ban", "admit", "release", "remove", "appoint", "invite"):
            refused = await who.send(
                "POST", f"/g/open/desk/{task}",
                {"person": str(house.ana.actor.id), "post": str(house.thread.id), "uses": "1"},
            )  # fmt: skip
            assert refused.status == 404, task
        saved = await who.send(
            "POST", "/g/open/settings",
            {"name": "Mine", "sees": "everyone", "posts": "anyone", "joining": "open",
             "premoderation": "none"},
        )  # fmt: skip
        assert saved.status == 404
        assert (await who.send("POST", f"/t/{house.thread.id}/lock", {})).status == 404
        assert (await who.open(f"/p/{house.answer.id}/remove")).status == 404
    other = await house.ana.send(
        "POST", "/g/careful/desk/remove", {"post": str(house.answer.id), "reason": "x"}
    )
    assert other.status == 404, "a desk decides about its own group's posts"


async def test_removing_is_explained_to_the_author_alone(house: House) -> None:
    path = f"/p/{house.answer.id}/remove"
    done = await house.ana.fill(path, "remove", reason="Thank you for writing. It names a street.")
    assert done.status == 303
    own = await house.ben.open(f"/t/{house.thread.id}")
    assert "It names a street." in own.text
    assert "Hello back." in own.text
    for other in (house.visitor, house.cleo):
        seen = await other.open(f"/t/{house.thread.id}")
        assert "It names a street." not in seen.html
        assert "Hello back." not in seen.html
        assert "took this post out" in seen.text


async def test_a_ban_holds_for_every_name_and_names_none(house: House) -> None:
    await house.ben.fill("/personas/new", name="", handle="ben_two")
    await house.ana.fill(f"/p/{house.answer.id}/remove", "remove", reason="Please rest.", ban="yes")
    at = await house.ben.open("/g/open/join")
    form = at.page.form("as", action="/join")
    refused = await house.ben.submit(
        at, form, **{"as": form.choice("as", "ben_two"),
                     "guidelines": form.choice("guidelines", "")},
    )  # fmt: skip
    assert refused.status == 403
    assert "Please rest." in refused.text
    desk = await house.ana.open("/g/open/desk")
    assert "ben_two" not in desk.html
    assert (await house.ana.submit(desk, desk.page.form(action="unban"))).status == 303
    assert (await join(house.ben, "/g/open/join")).status in {303, 400}


async def test_a_closed_thread_is_read_and_not_answered(house: House) -> None:
    path = f"/t/{house.thread.id}"
    assert (await house.ana.fill(path, "/lock")).status == 303
    shown = await house.ben.open(path)
    assert "closed this thread" in shown.text
    assert not [form for form in shown.page.forms if "text" in form.names]
    reply = await write(house.ben, f"/p/{house.answer.id}/reply", text="One more thing")
    assert reply.status == 403
    assert "One more thing" in reply.html
    assert (await house.ana.fill(path, "/unlock")).status == 303
    assert (await write(house.ben, path, text="One more thing")).status == 303


async def test_a_group_for_members_is_found_by_invitation_alone(house: House) -> None:
    for who in (house.visitor, house.cleo):
        assert "private" not in (await who.open("/groups")).text
        assert (await who.open("/g/private/guidelines")).status == 404
    assert (await house.cleo.open("/g/private/join")).status == 404
    assert (await house.cleo.open("/g/private/join?invitation=guess")).status == 404
    made = await house.ana.fill("/g/private/desk", "invite", uses="1")
    path = made.html.partition("http://alder.test")[2].partition("<")[0]
    assert path.startswith("/g/private/join?invitation=")
    open_join = await join(house.cleo, path)
    assert open_join.location == "/g/private"
    assert "Among us" in (await house.cleo.open("/g/private")).text


async def test_settings_are_kept_and_asked_again(house: House) -> None:
    at = await house.ana.open("/g/open/settings")
    form = at.page.form("name", "sees")
    kept = await house.ana.submit(at, form, name="Open house", slow_minutes="15", sees="node")
    assert kept.status == 303
    assert "one post every 15 minutes" in (await house.ben.open("/g/open")).text
    assert (await house.visitor.open("/g/open")).status == 404
    refused = await house.ana.submit(at, form, name="", about="Still typed")
    assert refused.status == 400
    assert "Still typed" in refused.html
    odd = await house.ana.send("POST", "/g/open/settings", {"name": "X", "sees": "martians"})
    assert odd.status == 400


async def test_sec_U24_a_group_can_ask_for_times_that_say_less(house: House) -> None:
    node = house.node
    node.clock.now = node.clock.now.replace(minute=2) + timedelta(hours=1)
    saved = await house.ana.fill("/g/open/settings", "/settings", coarse="yes")
    assert saved.status == 303
    again = await house.ana.open("/g/open/settings")
    assert dict(again.page.form("name", "sees").fields)["coarse"] == "yes"
    assert "told to five minutes" in (await house.ben.open("/g/open")).text
    thread = await node.start(house.ana.speaker, house.open.actor.uri, "Later", "Good evening.")
    await node.reply(house.ben.speaker, thread.uri, "And to you.")
    for who, path in (
        (house.visitor, f"/t/{thread.id}"),
        (house.ben, f"/t/{thread.id}"),
        (house.ana, f"/t/{thread.id}"),
        (house.ana, "/notices"),
    ):
        page = await who.open(path)
        times = re.findall(r'<time datetime="[^"]+T\d\d:(\d\d):(\d\d)', page.html)
        assert times, path
        lately = times if path != "/notices" else times[:1]
        assert [each for each in lately if int(each[0]) % 5 or each[1] != "00"] == []


@pytest.mark.parametrize("count", [21, 41])
async def test_long_lists_turn_pages(house: House, count: int) -> None:
    for n in range(count):
        house.node.clock.forward(minutes=1)
        await house.node.start(house.ben.speaker, house.open.actor.uri, f"Number {n}.", "x")
    seen: list[str] = []
    path = "/g/open"
    while True:
        page = await house.visitor.open(path)
        seen += [words for href, words in page.page.links if href.startswith("/t/")]
        older = [href for href, words in page.page.links if words == "Older threads"]
        if not older:
            assert "That was all." in page.text
            break
        path = older[0]
    assert seen == [*(f"Number {n}." for n in reversed(range(count))), "A first thread"]


async def test_a_long_thread_turns_pages_and_finds_each_post(house: House) -> None:
    last = house.answer
    for n in range(60):
        last = await house.node.reply(house.ben.speaker, house.thread.uri, f"Answer number {n}.")
    first = await house.visitor.open(f"/t/{house.thread.id}")
    assert "Answer number 0." in first.text
    assert "Answer number 59." not in first.text
    rest = await house.visitor.open(first.page.link("More answers"))
    assert "Answer number 59." in rest.text
    assert "More answers" not in rest.text
    there = await house.visitor.open(f"/p/{last.id}")
    assert there.location.endswith(f"#p{last.id}")
    assert "Answer number 59." in (await house.visitor.follow(there)).text


async def test_how_a_group_works_is_said_before_joining(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana")
    await alder.group("slow", ana.speaker, settings=GroupSettings(
        sees=Sees.NODE, posts=Posts.APPROVED, joining=Joining.INVITATION,
        premoderation=Premoderation.FIRST, one_voice=True, one_time=False,
        notes_required=True, slow_minutes=30,
    ))  # fmt: skip
    text = (await (await person(alder, "ben")).open("/g/slow")).text
    for said in ("Everyone with an account", "once a moderator says so", "with an invitation",
                 "the first post of each name", "content note", "one name here",
                 "a name they keep", "every 30 minutes"):  # fmt: skip
        assert said in text, said


async def test_proofs_are_off_until_a_moderator_asks_and_everybody_is_told(house: House) -> None:
    outlives = "which stays true after they are deleted"
    settings = await house.ana.open("/g/open/settings")
    assert "a proof lasts for ever: whoever kept a copy can show who wrote it" in settings.text
    for path in ("/g/open", "/g/open/new", "/g/open/join"):
        assert outlives not in (await house.cleo.open(path)).text
    assert (await house.ana.fill("/g/open/settings", "settings", proofs="yes")).status == 303
    for path in ("/g/open/new", "/g/open/join"):
        assert outlives in (await house.cleo.open(path)).text
    again = await house.ana.fill("/g/open/settings", "settings")
    assert again.status == 303
    assert outlives in (await house.cleo.open("/g/open/join")).text  # still ticked


async def test_proofs_are_for_groups_that_everyone_can_read(house: House) -> None:
    refused = await house.ana.fill("/g/open/settings", "settings", proofs="yes", sees="members")
    assert refused.status == 400
    assert "Proofs are only for groups that everyone can read." in refused.text
    form = refused.page.form("proofs", action="settings")
    assert dict(form.filled({}))["proofs"] == "yes"
    assert dict(form.filled({}))["sees"] == "members"
