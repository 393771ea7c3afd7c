"""Opening a group or a thread of another server by pasting its address."""

from urllib.parse import quote, unquote

import pytest
import sqlalchemy as sa

from kernel.schema.tables import refreshes
from tests.nodes import Node, NodeFactory, block, settle
from tests.pages.conftest import House
from tests.pages.people import Answer, Browser, Person, person
from tests.pages.people import settle as describe
from tests.pages.test_groups import join
from tests.peer import AP, PUBLIC, Document, Peer, PeerFactory
from tests.peer import Person as Stranger


async def search(who: Browser, text: str, **headers: str) -> Answer:
    return await who.open(f"/search?q={quote(text, safe='')}", **headers)


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    alder = await node("alder.test")
    await describe(alder)
    return alder


@pytest.fixture
async def kay(alder: Node) -> Person:
    return await person(alder, "kay")


@pytest.fixture
async def host(peer: PeerFactory, alder: Node) -> Peer:
    return await peer("club.test", alder, "lemmy")


@pytest.fixture
def group(host: Peer) -> Stranger:
    """A group that nobody here belongs to."""
    group = host.person("club", kind="Group", path="c")
    link = {"rel": "self", "type": AP, "href": group.uri}
    finger = {"subject": "acct:club@club.test", "links": [link]}
    host.shown["/.well-known/webfinger"] = finger
    return group


@pytest.fixture
def club(host: Peer, group: Stranger) -> Peer:
    """Its server."""
    return host


@pytest.fixture
def thread(club: Peer) -> list[Document]:
    """Its first post and an answer, as the group lists them."""
    ann = club.person("ann")
    named = {
        "to": [PUBLIC, f"{club.origin}/c/club"],
        "audience": f"{club.origin}/c/club",
        "context": f"{club.origin}/t/1",
    }
    root = club.note(ann, "How it began.", name="Long nights", **named)
    answer = club.note(ann, "And then.", inReplyTo=root["id"], **named)
    club.collection("/t/1", [root["id"], answer["id"]])
    return [root, answer]


async def count(node: Node, table: sa.Table) -> int:
    async with node.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0


async def test_a_group_is_opened_by_its_name_its_address_and_its_page(
    kay: Person, club: Peer
) -> None:
    link = f'<link rel="alternate" type="{AP}" href="{club.origin}/c/club">'
    club.pages["/some/page"] = f"<html><head>{link}</head></html>"
    for text in ("@club@club.test", f"{club.origin}/c/club", f"{club.origin}/some/page"):
        answer = await search(kay, text)
        assert answer.location == "/g/club@club.test", text
    shown = await kay.follow(answer)
    assert "Join this group" in shown.text
    assert (await join(kay, "/g/club@club.test/join")).status == 303


async def test_a_thread_is_opened_and_can_be_read_before_joining(
    kay: Person, club: Peer, thread: list[Document]
) -> None:
    opened = await search(kay, thread[0]["id"])
    assert opened.status == 303
    page = await kay.follow(await kay.follow(opened))
    assert "Long nights" in page.text
    await settle(kay.node)
    page = await kay.open(str(page.page.url))
    assert "How it began." in page.text
    assert "And then." in page.text
    assert "Only members write here" in page.text
    again = await search(kay, thread[0]["id"])
    assert again.location == opened.location


async def test_who_belongs_to_the_group_can_answer(
    kay: Person, club: Peer, group: Stranger, thread: list[Document]
) -> None:
    await search(kay, "@club@club.test")
    await join(kay, "/g/club@club.test/join")
    await settle(kay.node)
    (follow,) = club.got("Follow")
    assert await club.send(kay.node, club.activity("Accept", group, follow), group) == 202
    await settle(kay.node)
    page = await kay.follow(await kay.follow(await search(kay, thread[0]["id"])))
    assert [form for form in page.page.forms if "text" in form.names]


async def test_an_answer_that_is_pasted_leads_to_its_place(
    kay: Person, club: Peer, thread: list[Document]
) -> None:
    opened = await search(kay, thread[1]["id"])
    post = await kay.node.post(thread[1]["id"])
    assert post is not None
    assert opened.location == f"/p/{post.id}"
    assert (await kay.node.thread(thread[0]["id"])).root.title == "Long nights"


async def test_sec_S26_a_thread_that_its_group_does_not_show_is_not_opened(
    kay: Person, club: Peer, thread: list[Document], peer: PeerFactory
) -> None:
    """Anybody can say that a post is in a group; the group's own server has to say so too."""
    good = await peer("good.test", kay.node)
    named = {"to": [PUBLIC, f"{club.origin}/c/club"], "context": f"{club.origin}/t/1"}
    note = good.note(good.person("mallory"), "Listen to me.", **named)
    refused = await search(kay, note["id"])
    assert refused.status == 404
    assert await kay.node.post(note["id"]) is None
    club.collection("/t/1", [thread[0]["id"], note["id"]])
    assert (await search(kay, note["id"])).status == 303


async def test_sec_L2_what_is_not_there_and_what_may_not_be_seen_read_the_same(
    house: House, peer: PeerFactory
) -> None:
    good, evil = await peer("good.test", house.node), await peer("evil.test", house.node)
    ann = good.person("ann")
    lone = good.note(ann, "In no group.")
    private = good.note(ann, "Private.", to=[ann.uri])
    good.collection("/list", [])
    good.pages["/plain"] = "<html><head></head></html>"
    known = evil.person("group", kind="Group", path="c")
    await search(house.cleo, known.uri)
    async with house.node.engine.begin() as conn:
        await block(conn, house.node.here, "evil.test", "a reason")
    words = set()
    for text in (
        lone["id"],
        private["id"],
        f"{good.origin}/list",
        f"{good.origin}/plain",
        f"{good.origin}/nothing",
        f"{evil.origin}/u/somebody",
        known.uri,
        "@nobody@good.test",
        "@group@evil.test",
        "@private@alder.test",
        "@nobody@alder.test",
    ):
        answer = await search(house.cleo, text)
        assert answer.status == 404, text
        words.add(answer.text.replace(text, ""))
        assert f'value="{text}"' in answer.html  # what was typed is kept
    assert len(words) == 1
    assert await house.node.post(lone["id"]) is None
    assert await house.node.post(private["id"]) is None
    gone = (await house.cleo.open("/t/12345")).body
    for path in ("/g/private", "/g/nobody", "/t/12345"):
        answer = await search(house.cleo, f"{house.node.origin}{path}")
        assert (await house.cleo.follow(answer)).body == gone, path


async def test_a_person_is_said_to_be_one(kay: Person, club: Peer) -> None:
    answer = await search(kay, club.person("ann").uri)
    assert answer.status == 404
    assert "address of a person" in answer.text


@pytest.mark.parametrize("text", ["hello", "a@[::1]", "a@x/../y", "https://", "ftp://x.test/"])
async def test_sec_R5_what_is_no_address_is_refused_with_a_reason(kay: Person, text: str) -> None:
    kay.node.names.asked.clear()
    answer = await search(kay, text)
    assert answer.status == 400
    assert "Please" in answer.text or "web address" in answer.text
    assert kay.node.names.asked == []


async def test_a_server_that_is_away_is_said_to_be_away(kay: Person, club: Peer) -> None:
    club.shown["/t/9"] = 503
    for text in (f"{club.origin}/t/9", "http://nowhere.test/x"):
        answer = await search(kay, text)
        assert answer.status == 503, text
        assert "does not answer right now" in answer.text


async def test_sec_D12_searches_are_counted_for_each_member(kay: Person, club: Peer) -> None:
    for number in range(30):
        assert (await search(kay, f"{club.origin}/nothing/{number}")).status == 404
    before = len(club.fetched)
    refused = await search(kay, f"{club.origin}/c/club")
    assert refused.status == 429
    assert f'value="{club.origin}/c/club"' in refused.html
    assert len(club.fetched) == before
    other = await person(kay.node, "ben")
    assert (await search(other, f"{club.origin}/c/club")).status == 303


async def test_sec_A10_another_website_makes_nobody_ask(kay: Person, club: Peer) -> None:
    club.fetched.clear()
    for site in ("cross-site", "same-site"):
        answer = await search(kay, f"{club.origin}/c/club", Sec_Fetch_Site=site)
        assert answer.status == 200
        assert f'value="{club.origin}/c/club"' in answer.html
    for way in ("uri", "follow"):
        answer = await kay.open(f"/interact?{way}={quote(club.origin + '/c/club', safe='')}")
        assert answer.status == 200
    assert club.fetched == []
    form = answer.page.form("q", action="/search")
    assert dict(form.fields)["q"] == f"{club.origin}/c/club"
    assert (await search(kay, dict(form.fields)["q"])).location == "/g/club@club.test"


async def test_wire_D5_somebody_who_is_not_logged_in_is_asked_to(alder: Node, club: Peer) -> None:
    visitor = Browser(alder)
    theirs = await visitor.open(f"/interact?follow={quote(club.origin + '/c/club', safe='')}")
    assert "Log in to open it" in theirs.text
    link = next(href for href, words in theirs.page.links if words == "Log in to open it")
    assert unquote(link).startswith("/log-in?then=/interact?follow=http")
    ours = await visitor.open(f"/interact?uri={quote(alder.origin + '/g/x', safe='')}")
    assert "search of your own server" in ours.text
    assert club.fetched == []


async def test_sec_R14_a_thread_that_is_read_here_is_read_there_too_but_later(
    kay: Person, club: Peer, thread: list[Document]
) -> None:
    ben = await person(kay.node, "ben")
    page = await kay.follow(await kay.follow(await search(kay, thread[0]["id"])))
    await settle(kay.node)
    path = str(page.page.url)
    later = club.note(club.person("ann"), "Later.", inReplyTo=thread[0]["id"],
                      to=thread[0]["to"], context=thread[0]["context"])  # fmt: skip
    club.collection("/t/1", [thread[0]["id"], thread[1]["id"], later["id"]])
    kay.node.clock.forward(minutes=20)
    club.fetched.clear()
    for who in (kay, ben, kay):
        assert (await who.open(path)).status == 200
    await settle(kay.node)
    assert club.fetched == []  # nobody waits, and the time tells nobody who reads
    kay.node.clock.forward(minutes=6)
    await settle(kay.node)
    assert club.fetched.count("/t/1") == 1
    assert "Later." in (await kay.open(path)).text


async def test_a_thread_of_this_node_is_read_nowhere_else(house: House) -> None:
    await house.ben.open(f"/t/{house.thread.id}")
    assert await count(house.node, refreshes) == 0
