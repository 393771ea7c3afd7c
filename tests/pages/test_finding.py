"""Finding posts by their words: what may be read is found, in the language it was written in."""

import re

import pytest

from groups import desk
from groups import finding as store
from kernel.errors import TooMany
from members import accounts
from members.member import Preferences
from node import tidy
from node.pages import finding
from node.pages.memory import MEMORY
from tests.nodes import Node
from tests.pages.conftest import House
from tests.pages.people import Answer, Browser
from tests.pages.test_quiet import choose as hide


async def find(who: Browser, words: str) -> Answer:
    await store.take_in(who.node.engine)
    return await who.fill("/find", "/find", words=words)


async def test_words_are_found_as_languages_bend_them(house: House) -> None:
    node, ana, uri = house.node, house.ana.speaker, house.open.actor.uri
    await node.start(ana, uri, "Nights", "Sleeping was hard.", language="en")
    await node.start(ana, uri, "Nächte", "Die Häuser schliefen.", language="de-AT")
    await node.start(ana, uri, "Noites", "Fez frio.", language="xx")

    assert "Sleeping was hard." in (await find(house.ben, "sleeps")).text
    assert "Fez frio." in (await find(house.ben, "FRIO fez")).text
    assert "schliefen" not in (await find(house.ben, "Häusern")).text
    async with node.engine.begin() as conn:
        wanted = Preferences(languages=("de",))
        await accounts.save_preferences(
            conn, node.here, house.ben.prepared.member, lambda _: wanted
        )
    assert "schliefen" in (await find(house.ben, "Häusern")).text


async def test_sec_L6_only_what_may_be_read_is_found(house: House) -> None:
    assert "Only members read this." in (await find(house.ana, "members read")).text
    nothing = await find(house.ben, "members read")
    assert nothing.status == 200
    assert "Only members" not in nothing.text
    assert "No post has all of these words" in nothing.text
    assert "Read me first" not in (await find(house.cleo, "read first")).text  # held


async def test_sec_L16_the_title_of_a_first_post_that_was_removed_is_shown_nowhere(
    house: House,
) -> None:
    node = house.node
    root = await node.start(house.ben.speaker, house.open.actor.uri, "Cruel title", "Hm.")
    await node.reply(house.ana.speaker, root.uri, "Something calm. #evening")
    assert "Cruel title" in (await find(house.cleo, "calm")).text
    async with node.engine.begin() as conn:
        acting = await desk.require(conn, house.open, house.ana.speaker)
        await desk.remove(conn, node.here, house.open, acting, root, "")
    for page in (await find(house.cleo, "calm"), await house.cleo.open("/tags/evening")):
        assert "Something calm." in page.text
        assert "Cruel title" not in page.html


async def test_sec_L16_words_that_were_taken_back_are_not_found(house: House) -> None:
    post = await house.node.reply(house.ben.speaker, house.thread.uri, "A peculiar evening.")
    assert "peculiar evening" in (await find(house.cleo, "peculiar")).text
    await house.node.edit(house.ben.speaker, post.uri, "", "A quiet one.")
    assert "peculiar evening" not in (await find(house.cleo, "peculiar")).text
    await house.node.delete(house.ben.speaker, post.uri)
    assert "quiet one" not in (await find(house.cleo, "quiet")).text


async def test_new_posts_are_taken_in_by_and_by(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "STEPS", 1)
    await tidy.tidy(house.node.engine, house.node.here)
    await house.node.reply(house.ana.speaker, house.thread.uri, "Brand new words.")
    page = await house.ben.send("POST", "/find", {"words": "brand"})
    assert "Brand new words." not in page.text
    await tidy.tidy(house.node.engine, house.node.here)
    page = await house.ben.send("POST", "/find", {"words": "brand"})
    assert "Brand new words." in page.text


async def test_folded_words_stay_folded_and_their_note_is_found(house: House) -> None:
    await house.node.start(
        house.ana.speaker, house.open.actor.uri, "Hard", "Some detail.", note="low mood"
    )
    for words in ("detail", "mood"):
        page = await find(house.ben, words)
        assert "Content note: low mood" in page.text
        assert "Some detail." not in page.text


async def test_what_is_looked_for_is_in_no_address_and_stays_in_the_form(house: House) -> None:
    page = await find(house.ben, 'no"such <b>words')
    assert 'value="no&#34;such &lt;b&gt;words"' in page.html
    form = page.page.form("words", action="/find")
    assert form.method == "post"
    assert not re.search(r'(?:href|action)="[^"]*such', page.html)
    assert page.headers["Cache-Control"] == "no-store"


async def test_odd_words_break_nothing(house: House) -> None:
    for words in ("", "   ", "!?", "'", "a & | ! ( )", "\\", "x" * 5_000, "%00", "a" * 200 + " b"):
        answer = await house.ben.send("POST", "/find", {"words": words})
        assert answer.status == 200, words


async def test_tags_and_addresses_of_links_are_no_words(house: House) -> None:
    await house.node.reply(
        house.ana.speaker, house.thread.uri, "**Loud** and [here](https://far.example/hidden)."
    )
    assert "Loud and here." in (await find(house.ben, "loud here")).text
    for words in ("strong", "href", "hidden"):
        assert "Loud and here." not in (await find(house.ben, words)).text


async def test_pages_go_on(house: House) -> None:
    for number in range(finding.PAGE + 1):
        await house.node.reply(house.ana.speaker, house.thread.uri, f"Thought {number} of many.")
    page = await find(house.ben, "thought many")
    assert page.html.count('class="line"') == finding.PAGE
    older = await house.ben.submit(page, page.page.form("before", action="/find"))
    assert older.html.count('class="line"') == 1
    assert "Thought 0 of many." in older.text
    assert (await house.ben.send("POST", "/find", {"words": "x", "before": "y"})).status == 404


async def test_it_is_for_members_from_our_own_pages_and_not_without_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await house.visitor.open("/find")).location.startswith("/log-in")
    assert (await house.visitor.send("POST", "/find", {"words": "hello"})).status == 403
    elsewhere = await house.ben.send("POST", "/find", {"words": "x"}, origin="https://a.example")
    assert elsewhere.status == 403

    def full(_key: object) -> None:
        raise TooMany(retry_after=60)

    monkeypatch.setattr(house.node.app[MEMORY].findings, "check", full)
    refused = await find(house.ben, "kept words")
    assert 'value="kept words"' in refused.html
    assert "kept words" not in refused.location


async def test_servers_are_not_asked(house: House) -> None:
    node: Node = house.node
    before = len(node.names.asked)
    await find(house.ben, "@club@club.test")
    assert len(node.names.asked) == before


async def test_a_thread_begun_by_somebody_blocked_is_found_without_its_title(house: House) -> None:
    await house.node.join(house.cleo.speaker, house.open.actor.uri)
    await house.node.reply(house.cleo.speaker, house.thread.uri, "Soft blankets help.")
    assert "A first thread" in (await find(house.ben, "blankets")).text
    await hide(house.ben, house.thread.id, "block")
    found = await find(house.ben, "blankets")
    assert "Soft blankets help." in found.text
    assert "A first thread" not in found.html
