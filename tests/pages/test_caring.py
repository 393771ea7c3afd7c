"""Moderators pin threads, let their group welcome people, and share their task (WIRE-G31)."""

import json

from activitypub import jsontext
from tests.nodes import settle
from tests.pages.conftest import House
from tests.peer import Peer, PeerFactory, Person


def show_finger(peer: Peer, person: Person) -> None:
    """Let WebFinger find a person by name."""
    jrd = {
        "subject": f"acct:{person.handle}@{peer.name}",
        "links": [{"rel": "self", "type": "application/activity+json", "href": person.uri}],
    }
    peer.shown["/.well-known/webfinger"] = jrd
    peer.types["/.well-known/webfinger"] = "application/jrd+json"


async def test_a_thread_is_pinned_and_let_go(house: House) -> None:
    path = f"/t/{house.thread.id}"
    assert "Pin this thread" not in (await house.ben.open(path)).html
    assert (await house.ana.fill(path, "/pin")).status == 303
    for who in (house.visitor, house.ben):
        page = await who.open("/g/open")
        assert page.html.index('id="pinned"') < page.html.index("A first thread")
        assert page.html.count("A first thread") == 1
    assert (await house.ana.fill(path, "/unpin")).status == 303
    assert 'id="pinned"' not in (await house.ben.open("/g/open")).html
    for who in (house.ben, house.cleo):
        for verb in ("pin", "unpin"):
            assert (await who.send("POST", f"{path}/{verb}", {})).status == 404
    log = (await house.ana.open("/g/open/desk")).text
    assert "pin" in log
    assert "unpin" in log


async def test_a_group_welcomes_people_in_its_own_name(house: House) -> None:
    at = await house.ana.open("/g/open/settings")
    form = at.page.form("name", "welcome")
    kept = await house.ana.submit(at, form, welcome="Hello. In a crisis, **call somebody**.")
    assert kept.status == 303
    page = await house.visitor.open("/g/open")
    assert page.html.index('id="pinned"') < page.html.index("Welcome")
    thread = next(link for link, words in page.page.links if words.strip() == "Welcome")
    shown = await house.visitor.open(thread)
    assert "call somebody" in shown.text
    assert 'href="/g/open"' in shown.html
    assert "/u/open" not in shown.html
    assert (await house.visitor.open("/u/open")).status == 404
    again = await house.ana.open("/g/open/settings")
    assert "In a crisis" in again.html
    long = await house.ana.submit(again, again.page.form("welcome"), welcome="x" * 5001)
    assert long.status == 400
    assert "up to 5,000 letters" in long.text
    assert (await house.ana.open(thread)).html.count("/remove") == 0
    number = thread.rpartition("/")[2]
    refused = await house.ana.send("POST", f"/p/{number}/remove", {"reason": "x", "ban": "yes"})
    assert refused.status == 403
    emptied = await house.ana.submit(again, again.page.form("welcome"), welcome="")
    assert emptied.status == 303
    assert "Welcome" not in (await house.visitor.open("/g/open")).text


async def test_only_founders_share_the_task(house: House, peer: PeerFactory) -> None:
    good = await peer("good.test", house.node)
    mo = good.person("mo")
    show_finger(good, mo)
    desk = await house.ana.open("/g/open/desk")
    appoint = next(f for f in desk.page.forms if f.action.endswith("appoint")
                   and str(house.ben.actor.id) in dict(f.fields).values())  # fmt: skip
    assert (await house.ana.submit(desk, appoint)).status == 303
    theirs = await house.ben.open("/g/open/desk")
    assert theirs.status == 200
    assert "Founder" in theirs.text
    for task, fields in (
        ("appoint", {"person": str(house.cleo.actor.id)}),
        ("dismiss", {"person": str(house.ana.actor.id)}),
        ("ask", {"address": "@mo@good.test"}),
    ):
        refused = await house.ben.send("POST", f"/g/open/desk/{task}", fields)
        assert refused.status == 403, task
        assert "founded the group" in refused.text

    wrong = await house.ana.fill("/g/open/desk", "/desk/ask", address="@nobody@nowhere.test")
    assert wrong.status == 503
    assert "@nobody@nowhere.test" in wrong.html
    own = await house.ana.fill("/g/open/desk", "/desk/ask", address=house.ben.actor.uri)
    assert own.status == 400
    asked = await house.ana.fill("/g/open/desk", "/desk/ask", address="@mo@good.test")
    assert asked.status == 303
    assert "@mo@good.test" in (await house.ana.open("/g/open/desk")).text
    listed = jsontext.read((await _document(house, "/g/open/moderators")).encode())
    assert listed["orderedItems"] == ["http://alder.test/desk/open", mo.uri]
    own_end = await house.ben.send(
        "POST", "/g/open/desk/dismiss", {"person": str(house.ben.actor.id)}
    )
    assert own_end.location == "/g/open"  # everybody may step back
    last = await house.ana.send("POST", "/g/open/desk/dismiss", {"person": str(house.ana.actor.id)})
    assert last.status == 403
    await settle(house.node)


async def test_a_group_follows_one_on_another_server(house: House, peer: PeerFactory) -> None:
    good = await peer("good.test", house.node)
    other = good.person("rest", kind="Group", path="c")
    show_finger(good, other)
    person = await house.ana.fill("/g/open/desk", "/desk/follow", group_address=house.ben.actor.uri)
    assert person.status == 400
    asked = await house.ana.fill("/g/open/desk", "/desk/follow", group_address="@rest@good.test")
    assert asked.status == 303
    await settle(house.node)
    (follow,) = good.got("Follow")
    assert follow["actor"] == house.open.actor.uri
    desk = await house.ana.open("/g/open/desk")
    assert "@rest@good.test" in desk.text
    refused = await house.ben.send("POST", "/g/open/desk/follow", {"group_address": other.uri})
    assert refused.status == 404
    form = desk.page.form("person", action="/desk/unfollow")
    assert (await house.ana.submit(desk, form)).status == 303
    assert "@rest@good.test" not in (await house.ana.open("/g/open/desk")).text
    assert "Follow a group" not in (await house.ana.open("/g/private/desk")).text


async def test_a_removed_post_is_shown_again(house: House) -> None:
    await house.ana.fill(f"/p/{house.answer.id}/remove", "remove", reason="Too much.")
    path = f"/t/{house.thread.id}"
    assert "Hello back." not in (await house.cleo.open(path)).text
    assert "Show it again" not in (await house.ben.open(path)).text
    refused = await house.ben.send("POST", f"/p/{house.answer.id}/restore", {})
    assert refused.status == 404
    assert (await house.ana.fill(path, "/restore")).status == 303
    assert "Hello back." in (await house.cleo.open(path)).text
    again = await house.ana.send("POST", f"/p/{house.answer.id}/restore", {})
    assert again.status == 404


async def _document(house: House, path: str) -> str:
    answer = await house.visitor.send("GET", path, headers={"Accept": "application/activity+json"})
    assert json.loads(answer.body)
    return answer.body.decode()
