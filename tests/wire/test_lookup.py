"""What is behind an address that somebody pasted, and how little of it can hurt (SECURITY 3)."""

import time
from collections.abc import Callable

import pytest

from activitypub import lookup, webfinger
from activitypub.client import Unreachable
from activitypub.lookup import alternate_of
from activitypub.state import REMOTE
from groups.groups import Group
from kernel.errors import Gone, Malformed, NotFound, Problem
from moderation.standing import Speaker
from tests.nodes import Node
from tests.peer import AP, Document, Peer, PeerFactory
from tests.wire.world import said

QUICK = 0.1  # seconds, of the processor
LINK = '<link rel="alternate" type="application/activity+json" href="{}">'


def jrd(peer: Peer, handle: str, href: str, **extra: object) -> None:
    """What the peer's WebFinger says, whomever it is asked for."""
    link = {"rel": "self", "type": AP, "href": href}
    subject = f"acct:{handle}@{peer.name}"
    peer.shown["/.well-known/webfinger"] = {"subject": subject, "links": [link], **extra}


async def find(node: Node, text: str) -> str:
    return (await webfinger.find(node.here, node.app[REMOTE], text)).uri


async def test_wire_D6_a_name_leads_to_the_actor_that_carries_it(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    jrd(good, "ann", ann.uri)
    assert await find(alder, "@Ann@Good.Test") == ann.uri
    assert good.fetched == ["/.well-known/webfinger", "/u/ann"]


async def test_wire_D6_one_redirect_on_the_same_server_is_followed(
    alder: Node, good: Peer, peer: PeerFactory
) -> None:
    ann = good.person("ann")
    jrd(good, "ann", ann.uri)
    finger = good.shown.pop("/.well-known/webfinger")
    good.moved["/.well-known/webfinger"] = f"{good.origin}/finger"
    good.shown["/finger"] = finger
    assert await find(alder, "@ann@good.test") == ann.uri

    other = await peer("other.test", alder)
    good.moved["/.well-known/webfinger"] = f"{other.origin}/finger"
    other.shown["/finger"] = finger
    with pytest.raises(NotFound):
        await find(alder, "@bob@good.test")
    assert other.fetched == []


def _loop(good: Peer) -> None:
    good.moved["/.well-known/webfinger"] = f"{good.origin}/.well-known/webfinger"


def _drift(good: Peer) -> None:
    jrd(good, "ann", f"{good.origin}/u/ann", subject="acct:bob@good.test")


def _away(good: Peer) -> None:
    jrd(good, "ann", f"{good.origin}/u/ann", subject="acct:ann@other.test")


def _another(good: Peer) -> None:
    jrd(good, "ann", good.person("bob").uri)


def _template(good: Peer) -> None:
    jrd(good, "ann", f"{good.origin}/.well-known/webfinger?resource={{uri}}")


def _five_megabytes(good: Peer) -> None:
    jrd(good, "ann", f"{good.origin}/u/ann", aliases=["x" * 5_000_000])


def _many_links(good: Peer) -> None:
    jrd(good, "ann", "", links=[{"rel": "self", "type": AP, "href": "x"}] * 100_000)


def _two_of_them(good: Peer) -> None:
    one = {"rel": "self", "type": AP, "href": good.person("ann").uri}
    jrd(good, "ann", "", links=[one, one])


@pytest.mark.parametrize(
    "bend",
    [_loop, _drift, _away, _another, _template, _five_megabytes, _many_links, _two_of_them],
    ids=lambda bend: bend.__name__.strip("_"),
)
async def test_sec_R15_a_look_up_ends_and_is_not_made_again(
    alder: Node, good: Peer, bend: Callable[[Peer], None]
) -> None:
    good.person("ann")
    bend(good)
    good.fetched.clear()
    with pytest.raises(NotFound):
        await find(alder, "@ann@good.test")
    assert 1 <= len(good.fetched) <= 3
    before = len(good.fetched)
    with pytest.raises(NotFound):
        await find(alder, "@ann@good.test")
    assert len(good.fetched) == before
    alder.clock.forward(minutes=11)
    with pytest.raises(NotFound):
        await find(alder, "@ann@good.test")
    assert len(good.fetched) > before


async def test_sec_S21_a_name_needs_the_consent_of_its_server_and_of_its_actor(
    alder: Node, ana: Speaker, sleep: Group, good: Peer, peer: PeerFactory
) -> None:
    """Neither evil's WebFinger, nor a document, nor a server that confirms nothing is enough."""
    evil = await peer("evil.test", alder)
    mallory = evil.person("mallory", webfinger="ann@good.test")
    good.person("ann")
    # evil gives out a name of good's, for its own actor and for good's
    for href in (mallory.uri, f"{good.origin}/u/ann"):
        jrd(evil, "mallory", href, subject="acct:ann@good.test")
        with pytest.raises((NotFound, Malformed)):
            await find(alder, "@mallory@evil.test")
        alder.clock.forward(minutes=11)
    # good delegates: its name leads to an actor elsewhere, who lists no such name, or does
    for handle in ("mallory", "ann"):
        mallory.handle = handle
        evil.show(mallory.document())
        for subject in ("acct:ann@good.test", "acct:mallory@evil.test", "acct:ann@evil.test"):
            jrd(good, "ann", mallory.uri, subject=subject)
            with pytest.raises((NotFound, Malformed)):
                await find(alder, "@ann@good.test")
            alder.clock.forward(hours=3)
    jrd(good, "ann", good.person("bob").uri)  # on the right server, and somebody else
    with pytest.raises((NotFound, Malformed)):
        await find(alder, "@ann@good.test")
    alder.clock.forward(hours=24)
    # what Mallory says, under whatever name, is shown as said at evil
    root = await alder.start(ana, sleep.actor.uri, "A title", "Words.")
    await said(alder, evil, mallory, evil.note(mallory, "Trust me.", inReplyTo=root.uri))
    page = await (await alder.get(f"/t/{root.id}", accept="text/html")).text()
    assert "Trust me." in page
    assert "@ann@evil.test" in page
    assert "good.test" not in page
    # with both it is found
    jrd(good, "ann", f"{good.origin}/u/ann")
    assert await find(alder, "@ann@good.test") == f"{good.origin}/u/ann"


@pytest.mark.parametrize(
    "text",
    [
        "a@localh.st:1234/secret?x=1#",
        "@a@localh.st/secret",
        "a@[::1]",
        "a@x.test/../y",
        "a@x.test\\@y.test",
        "a@x.test?y",
        "a b@x.test",
        "a@x\n.test",
        "@@x.test",
        "a@",
        "a@0x7f.1",
        "a@127.1",
        "a@xn--.test ",
    ],
)
async def test_sec_R5_a_handle_that_bends_its_address_is_never_looked_up(
    alder: Node, text: str
) -> None:
    alder.names.asked.clear()
    with pytest.raises((Malformed, NotFound)):
        await webfinger.find(alder.here, alder.app[REMOTE], text)
    assert alder.names.asked == []


async def test_wire_D6_our_own_people_are_found_without_asking_anybody(alder: Node) -> None:
    ana = await alder.persona("ana")
    alder.names.asked.clear()
    assert await find(alder, "@ana@alder.test") == ana.actor.uri
    assert await find(alder, ana.actor.uri) == ana.actor.uri
    for text in ("@nobody@alder.test", "http://alder.test/u/nobody"):
        with pytest.raises(NotFound):
            await find(alder, text)
    assert alder.names.asked == []


# Pages


async def look_up(node: Node, url: str) -> Document:
    return await lookup.look_up(node.app[REMOTE].for_activity(), url)


async def test_wire_B8_a_page_names_its_document(alder: Node, good: Peer) -> None:
    note = good.note(good.person("ann"), "hello")
    for name, page in (
        ("absolute", LINK.format(note["id"])),
        ("relative", LINK.format(note["id"].removeprefix(good.origin))),
        ("upper case", f"<LINK HREF='{note['id']}' TYPE='{AP}' REL='nofollow Alternate'/>"),
        ("bare", f"<link href={note['id']} rel=alternate type={AP}>"),
        ("later", "<link rel=icon href=/x>" * 20 + LINK.format(note["id"])),
    ):
        good.pages["/page"] = f"<!doctype html><html><head>{page}</head><body>hello</body></html>"
        assert (await look_up(alder, f"{good.origin}/page"))["id"] == note["id"], name


async def test_wire_B8_a_pages_link_is_followed_once_and_from_its_head_alone(
    alder: Node, good: Peer
) -> None:
    note = good.note(good.person("ann"), "hello")
    good.pages["/twice"] = LINK.format(f"{good.origin}/again")
    good.pages["/again"] = LINK.format(note["id"])
    good.pages["/said"] = f"<head></head><body>{LINK.format(note['id'])}</body>"
    good.pages["/none"] = "<head></head>"
    good.pages["/ours"] = LINK.format(f"{alder.origin}/")
    good.pages["/inside"] = LINK.format("http://10.0.0.1/x")
    for path in good.pages:
        good.fetched.clear()
        if path == "/again":
            continue
        with pytest.raises((Problem, Unreachable)):
            await look_up(alder, f"{good.origin}{path}")
        assert len(good.fetched) <= 2, path


async def test_sec_J11_addresses_that_lead_to_each_other_end(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    for number in range(10):
        good.show(
            {
                **good.activity("Announce", ann, f"{good.origin}/a/{(number + 1) % 10}"),
                "id": f"{good.origin}/a/{number}",
            }
        )
    good.fetched.clear()
    with pytest.raises(NotFound):
        await look_up(alder, f"{good.origin}/a/0")
    assert len(good.fetched) == 4  # the first, and three deep

    note = good.note(ann, "hello")
    create = good.show(good.create(ann, note))
    assert (await look_up(alder, create["id"]))["id"] == note["id"]


@pytest.mark.parametrize(
    "page",
    [
        "<link " * 175_000,
        "<a " * 350_000,
        "<link rel=" * 105_000,
        "<link " + "a" * 1_000_000,
        ('<link a="' * 200 + ">") * 500,
        "<" * 1_000_000,
        "<link rel='" + " alternate" * 100_000,
        "<!--" * 250_000,
        "<body" * 200_000,
        "&" * 1_000_000,
        ("<link " + "&#x" * 600 + ">") * 500,
    ],
    ids=range(11),
)
def test_sec_R12_reading_a_page_takes_no_longer_than_it_is_long(page: str) -> None:
    begun = time.process_time()
    assert alternate_of(page) is None
    assert time.process_time() - begun < QUICK


async def test_sec_R14_a_fetch_is_the_nodes_own(alder: Node, good: Peer) -> None:
    """Nothing in it tells one member's request from another's, or from anybody's."""
    note = good.note(good.person("ann"), "hello")
    good.pages["/page"] = LINK.format(note["id"])
    for _ in range(2):
        good.heard.clear()
        await look_up(alder, f"{good.origin}/page")
        for headers in good.heard:
            assert set(headers) <= {
                "Host", "User-Agent", "Accept", "Accept-Encoding", "Date", "Signature",
            }, headers  # fmt: skip
            assert f'keyId="{alder.origin}/#main-key"' in headers["Signature"]
            assert headers["User-Agent"].endswith(f"(+{alder.origin}/)")


async def test_what_is_there_is_read_by_its_own_address(alder: Node, good: Peer) -> None:
    ann = good.person("ann")
    assert lookup.is_actor(await look_up(alder, ann.uri))
    assert not lookup.is_actor(await look_up(alder, good.note(ann, "hello")["id"]))
    good.collection("/list", [])
    good.shown["/gone"] = 410
    for path, error in (("/list", NotFound), ("/nothing", NotFound), ("/gone", Gone)):
        with pytest.raises(error):
            await look_up(alder, f"{good.origin}{path}")
