"""What is more than a note comes in whole; quotes and policies are kept to (WIRE 8.2-8.8)."""

from typing import Any

import pytest

from activitypub.notes import Note
from groups import parts
from groups.groups import Group
from groups.posts import Post
from kernel import text
from kernel.schema.posts import AttachmentKind, PostState
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import AS2, PUBLIC, Document, Peer, Person
from tests.wire import strict
from tests.wire.world import Club, ask, last_received, said

pytestmark = pytest.mark.slow


@pytest.fixture
def ann(good: Peer) -> Person:
    return good.person("ann")


async def come(
    alder: Node, good: Peer, ann: Person, group: Group, words: str = "Words.", **extra: Any
) -> Post:
    """A post for the group arrives, and how it is kept."""
    note = good.note(ann, words, to=[PUBLIC, group.actor.uri], **extra)
    await said(alder, good, ann, note)
    post = await alder.post(note["id"])
    assert post is not None, await last_received(alder)
    return post


def read(**extra: Any) -> Note:
    return Note.parse(
        {
            "id": "https://a.example/1",
            "type": "Note",
            "attributedTo": "https://a.example/u",
            "to": [PUBLIC],
            **extra,
        }
    )


async def test_an_event_says_when_and_where(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    post = await come(
        alder,
        good,
        ann,
        sleep,
        type="Event",
        name="Tuesday circle",
        startTime="2026-02-03T18:00:00Z",
        endTime="2026-02-03T19:00:00Z",
        timezone="Europe/Berlin",
        location=[
            {
                "type": "Place",
                "name": "The old <mill>",
                "address": {"type": "PostalAddress", "streetAddress": "Mill Lane 1"},
            },
            {"type": "VirtualLocation", "url": "https://meet.example/x"},
        ],
        url=f"{good.origin}/events/4",
    )
    shown = text.plain(post.content, 1000)
    assert "When: Tuesday 3 February 2026, 19:00 to 20:00 (Europe/Berlin)" in shown
    assert "Where: The old <mill>, Mill Lane 1; https://meet.example/x" in shown
    assert "Words." in shown
    assert f'href="{good.origin}/events/4"' in text.clean(post.content)
    assert post.title == "Tuesday circle"


@pytest.mark.parametrize(
    ("extra", "said_so"),
    [
        ({"startTime": "2026-02-03T18:00:00+01:00"}, "Tuesday 3 February 2026, 17:00 (UTC)"),
        (
            {"startTime": "2026-02-03T23:00:00Z", "endTime": "2026-02-04T01:00:00Z"},
            "Tuesday 3 February 2026, 23:00 to Wednesday 4 February 2026, 01:00 (UTC)",
        ),
        ({"startTime": "2026-02-03T18:00:00Z", "timezone": "../../etc/passwd"}, "18:00 (UTC)"),
        ({"startTime": "2026-02-03T18:00:00Z", "timezone": "Nowhere/Else"}, "18:00 (UTC)"),
        ({"startTime": "9999-12-31T23:59:00Z", "timezone": "Asia/Tokyo"}, "Words."),
        ({"startTime": "0001-01-01T00:00:00Z", "timezone": "Asia/Tokyo"}, "Words."),
        ({"eventStatus": "EventCancelled"}, "This event was called off."),
        ({"ical:status": "CANCELLED"}, "This event was called off."),
        ({"location": "A hall"}, "Where: A hall"),
        ({"location": {"type": "Place", "address": 7}}, "Words."),
        ({"startTime": "nonsense", "endTime": [], "location": [[], None]}, "Words."),
    ],
)
async def test_sec_J7_odd_events_are_shown_all_the_same(
    alder: Node, sleep: Group, good: Peer, ann: Person, extra: Document, said_so: str
) -> None:
    post = await come(alder, good, ann, sleep, type="Event", name="Circle", **extra)
    assert said_so in text.plain(post.content, 1000)


async def test_an_article_has_a_teaser_and_leads_to_its_place(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    post = await come(
        alder,
        good,
        ann,
        sleep,
        "A long text.",
        type="Article",
        name="On sleep",
        summary="What <b>helps</b>.",
        url=f"{good.origin}/blog/1",
    )
    assert text.plain(post.content, 200) == (
        "What helps. A long text. Read it where it was published"
    )
    assert post.note == ""  # a teaser is no content note (WIRE-P4)


async def test_wire_P11_attachments_are_kept_in_every_shape_in_use(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    post = await come(
        alder,
        good,
        ann,
        sleep,
        attachment=[
            {
                "type": "Document",
                "mediaType": "image/webp",
                "url": "https://m.example/a.webp",
                "name": "A grey\ncat",
                "width": 800,
                "height": -1,
                "blurhash": "00TSUA",
            },
            {"type": "Image", "url": {"type": "Link", "href": "https://m.example/b.png"}},
            {"type": "Video", "url": [{"type": "Link", "href": "https://m.example/c.mp4"}]},
            {"type": "Audio", "url": "https://m.example/d.mp3", "summary": "Rain", "name": "no"},
            {"type": "Link", "href": "https://m.example/page"},
            {"type": "Image", "url": "javascript:alert(1)"},
            {"type": "Image", "url": "https://m.example/a.webp"},
            {"type": "PropertyValue", "name": "x", "value": "y"},
            "nonsense",
            None,
        ],
        image={"type": "Image", "url": "https://m.example/e.png"},
    )
    assert post.attached == 6
    async with alder.engine.connect() as conn:
        found = (await parts.attachments_of(conn, [post.id]))[post.id]
    image, video, audio, link = AttachmentKind
    assert [(each.kind, each.url.rpartition("/")[2]) for each in found] == [
        (image, "a.webp"), (image, "b.png"), (video, "c.mp4"), (audio, "d.mp3"), (link, "page"),
        (image, "e.png"),
    ]  # fmt: skip
    first = found[0]
    assert (first.alt, first.width, first.height) == ("A grey cat", 800, 0)
    assert first.blurhash == "00TSUA"
    assert found[3].alt == "Rain"


async def test_attachments_change_and_go_with_their_post(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    one, two = ({"type": "Image", "url": f"https://m.example/{n}.png"} for n in ("one", "two"))
    note = good.note(ann, "Words.", to=[PUBLIC, sleep.actor.uri], attachment=[one])
    await said(alder, good, ann, note)
    changed = {**note, "attachment": [two], "updated": "2090-01-01T00:00:00Z"}
    good.show(changed)
    assert await good.send(alder, good.activity("Update", ann, changed), ann) == 202
    await settle(alder)
    assert await alder.mentions("one.png") == []
    assert "attachments.remote_url" in await alder.mentions("two.png")
    good.show({"@context": [AS2], "id": note["id"], "type": "Tombstone"})
    assert await good.send(alder, good.activity("Delete", ann, note["id"]), ann) == 202
    await settle(alder)
    assert await alder.mentions("two.png") == []


@pytest.mark.parametrize("name", ["quote", "quoteUri", "quoteUrl", "_misskey_quote"])
async def test_a_quote_is_a_plain_link(
    alder: Node, sleep: Group, good: Peer, ann: Person, name: str
) -> None:
    post = await come(alder, good, ann, sleep, **{name: "https://else.example/p/1"})
    shown = text.clean(post.content)
    assert 'href="https://else.example/p/1"' in shown
    assert good.fetched.count("/p/1") == 0


async def test_fep_e232_links_are_quotes_and_one_link_is_enough(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    tag = {
        "type": "Link",
        "mediaType": f'application/ld+json; profile="{AS2}"',
        "href": "https://else.example/p/1",
    }
    post = await come(alder, good, ann, sleep, tag=[tag])
    assert 'href="https://else.example/p/1"' in post.content
    already = 'RE: <a href="https://else.example/p/1">there</a>'
    post = await come(alder, good, ann, sleep, already, tag=[tag])
    assert post.content.count("https://else.example/p/1") == 1
    post = await come(alder, good, ann, sleep, quote="javascript:alert(1)")
    assert post.content == "<p>Words.</p>"


async def test_a_request_to_quote_is_told_no_and_no_stamp_is_given(
    alder: Node, ana: Speaker, sleep: Group, good: Peer, ann: Person
) -> None:
    """WIRE-M21."""
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    quoting = good.note(ann, "Look.", quote=root.uri)
    request = good.activity("QuoteRequest", ann, root.uri, instrument=quoting, to=[ana.actor.uri])
    assert await good.send(alder, request, ann) == 202
    await settle(alder)
    (reject,) = good.got("Reject")
    strict.check(reject)
    assert strict.unmapped(reject) == set()
    assert reject["actor"] == ana.actor.uri
    assert reject["to"] == [ann.uri]
    assert reject["object"]["id"] == request["id"]
    assert reject["object"]["instrument"] == quoting["id"]
    assert good.got("Accept") == []
    for target in ("http://alder.test/p/1", quoting["id"]):
        again = good.activity("QuoteRequest", ann, target, instrument=quoting["id"])
        assert await good.send(alder, again, ann) == 202
        await settle(alder)
        assert await last_received(alder) == ("refused", "NotFound")
    document = (await ask(alder, root.uri.removeprefix(alder.origin))).body
    assert b'"canQuote":{"automaticApproval":["http://alder.test/u/ana"]' in document


async def test_a_stamp_for_a_quote_opens_nothing(
    alder: Node, ana: Speaker, sleep: Group, good: Peer, ann: Person
) -> None:
    """WIRE-M21: nobody may quote, so nobody's stamp is looked at (SEC-S22)."""
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    stamp = f"{good.origin}/stamps/1"
    quoting = await come(alder, good, ann, sleep, quote=root.uri, quoteAuthorization=stamp)
    assert "Some words." not in quoting.content
    assert "/stamps/1" not in good.fetched


async def test_wire_P3_their_markdown_is_never_shown(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    source = {"content": "[bank](https://evil.example)", "mediaType": "text/markdown"}
    post = await come(alder, good, ann, sleep, source=source)
    assert post.content == "<p>Words.</p>"
    assert post.source == ""
    assert await alder.mentions("evil.example") == ["activities.body"]  # passed on as it came


def test_wire_P6_words_that_come_by_language_only_are_read() -> None:
    note = read(contentMap={"de": "<p>Worte</p>", "en": "<p>Words</p>"})
    assert (note.content, note.language) == ("<p>Worte</p>", "de")
    assert read(content="<p>a</p>", contentMap={"en": "<p>b</p>"}).content == "<p>a</p>"
    assert read(contentMap=[]).content == ""


async def test_wire_P10_custom_emoji_stay_text(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    emoji = {"type": "Emoji", "name": ":blob:", "icon": {"url": "https://m.example/e.png"}}
    post = await come(alder, good, ann, sleep, "Hello :blob:", tag=[emoji])
    assert post.content == "<p>Hello :blob:</p>"
    assert await alder.mentions("e.png") == ["activities.body"]


@pytest.mark.parametrize(
    ("extra", "note"),
    [
        ({"summary": "sleep", "sensitive": True}, "sleep"),
        ({"sensitive": True, "name": "[CW: sleep] A title"}, "sensitive"),
        ({"type": "Page", "sensitive": True, "name": "A title", "summary": "x"}, "sensitive"),
        ({"type": "Article", "sensitive": True, "name": "A title", "summary": "x"}, "sensitive"),
        ({"summary": "<b>sleep</b>"}, "sleep"),
        ({"summary": ""}, ""),
    ],
    ids=["mastodon", "ours through lemmy", "piefed", "nodebb", "mbin", "empty"],
)
async def test_wire_P4_M11_content_notes_survive_each_dialect(
    alder: Node, sleep: Group, good: Peer, ann: Person, extra: Document, note: str
) -> None:
    assert (await come(alder, good, ann, sleep, **extra)).note == note


async def test_wire_85_older_words_change_nothing(
    alder: Node, sleep: Group, good: Peer, ann: Person
) -> None:
    post = await come(alder, good, ann, sleep)
    for words, when in (("Second.", "2090-01-02"), ("First.", "2090-01-01"), ("2.", "2090-01-02")):
        changed = {
            **good.note(ann, words),
            "id": post.uri,
            "to": [PUBLIC, sleep.actor.uri],
            "updated": f"{when}T00:00:00Z",
        }
        assert await good.send(alder, good.activity("Update", ann, changed), ann) == 202
        await settle(alder)
    after = await alder.post(post.uri)
    assert after is not None
    assert after.content == "<p>Second.</p>"
    eve = good.person("eve")
    forged = {**changed, "attributedTo": eve.uri, "updated": "2091-01-01T00:00:00Z"}
    assert await good.send(alder, good.activity("Update", eve, forged), eve) == 202
    await settle(alder)
    assert await last_received(alder) == ("refused", "NotAllowed")


async def test_a_group_elsewhere_passes_all_of_it_on(
    alder: Node, good: Peer, ann: Person, club: Club
) -> None:
    note = good.note(
        ann,
        "Words.",
        to=[PUBLIC, club.group.uri],
        type="Page",
        name="A title",
        attachment=[{"type": "Link", "href": "https://m.example/page"}],
        tag=[{"type": "Hashtag", "name": "#club", "href": "x"}],
    )
    await club.announce(alder, good.create(ann, note))
    post = await alder.post(note["id"])
    assert post is not None
    assert (post.state, post.attached, post.title) == (PostState.SHOWN, 1, "A title")
