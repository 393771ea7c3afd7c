"""Easier pages, themes, languages and private pages: chosen in a browser or kept by a member."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from members import accounts
from members.member import Preferences, Theme
from node.pages import catalogues
from node.pages.look import Chosen
from node.pages.words import Words
from tests.pages.conftest import House
from tests.pages.people import Browser

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


def test_a_cookie_says_what_was_chosen() -> None:
    chosen = Chosen.read("dark.easier.private.lang-de.from-ie")
    assert chosen == Chosen(
        theme=Theme.DARK, easier=True, private=True, language="de", country="IE"
    )
    assert Chosen.read(chosen.written()) == chosen
    assert Chosen.read("usual.open") == Chosen(easier=False, private=False)


@pytest.mark.parametrize("cookie", ["", "...", "lang-xx.from-irl.pink", "from-1E", "x" * 5000, '"'])
def test_an_odd_cookie_chooses_nothing(cookie: str) -> None:
    assert Chosen.read(cookie) == Chosen()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("fr,es;q=0.3,en;q=0.2", "es"),
        ("fr,it", "en"),
        ("de;q=0", "en"),
        ("de;q=x", "en"),
        ("en-xb", "en"),
        ("", "en"),
    ],
)
def test_the_browsers_languages_choose_ours(header: str, language: str) -> None:
    """RFC 9110 §12.5.4."""
    assert catalogues.wanted(header) == language


@pytest.mark.parametrize(
    ("ago", "usual", "easier"),
    [
        (timedelta(minutes=1), "just now", "earlier today"),
        (timedelta(minutes=20), "20 minutes ago", "earlier today"),
        (timedelta(hours=3), "3 hours ago", "earlier today"),
        (timedelta(hours=14), "14 hours ago", "yesterday"),
        (timedelta(days=3), "3 days ago", "3 days ago"),
        (timedelta(days=9), "24 February 2026", "24 February 2026"),
    ],
)
def test_easier_pages_say_no_minutes(ago: timedelta, usual: str, easier: str) -> None:
    """DOM-J2."""
    words = catalogues.catalogue("en")
    assert Words(words).moment(NOW - ago, NOW) == usual
    assert Words(words, easier=True).moment(NOW - ago, NOW) == easier
    assert "12:00" in Words(words).stamp(NOW)
    assert ":" not in Words(words, easier=True).stamp(NOW)


def test_easier_pages_count_nothing() -> None:
    """DOM-J2."""
    words = Words(catalogues.catalogue("en"), easier=True)
    said = [words.count(number, "answer", "answers") for number in (0, 1, 2, 40)]
    assert said == ["no answers", "one answer", "some answers", "some answers"]


async def test_one_press_makes_every_page_easier_and_one_takes_it_back(house: House) -> None:
    """DOM-J2: no account, no script; it stays, on help and error pages too."""
    thread = f"/t/{house.thread.id}"
    anyone = Browser(house.node)
    at = await anyone.open(thread)
    assert 'data-mode="easier"' not in at.html
    form = at.page.form("easier")
    back = await anyone.send(
        "POST",
        form.action,
        form.filled({}),
        headers={"Referer": f"{house.node.origin}{thread}?x=1"},
    )
    assert (back.status, back.location) == (303, f"{thread}?x=1")
    for path in (thread, "/", "/help", "/help/ie", "/nowhere", "/log-in", "/look", "/leaving"):
        page = await anyone.open(path)
        assert 'data-mode="easier"' in page.html, path
        assert not re.search(r"\d+ (minutes|hours|answers)", page.text), path
    usual = await anyone.fill("/help", "/look", easier="no")
    assert usual.location == "/"
    assert 'data-mode="easier"' not in (await anyone.open(thread)).html


@pytest.mark.slow
async def test_the_switch_leads_to_no_other_site(house: House) -> None:
    """SEC-X4."""
    for headers in ({"Referer": "https://evil.example//evil.example/"}, {"Referer": "x y"}, {}):
        answer = await Browser(house.node).send("POST", "/look", {"easier": "yes"}, headers=headers)
        assert answer.location == "/"
    for then in ("//evil.example", "https://evil.example/", "/\\evil.example"):
        answer = await Browser(house.node).send("POST", "/look", {"then": then, "theme": "dark"})
        assert answer.location == "/"
    refused = await Browser(house.node).send(
        "POST", "/look", {"easier": "yes"}, origin="https://evil.example"
    )
    assert refused.status == 403
    assert "Set-Cookie" not in refused.headers


@pytest.mark.slow
async def test_a_members_own_choice_holds_until_the_browser_was_asked(house: House) -> None:
    wanted = Preferences(theme=Theme.DARK, easier=True, language="de")
    async with house.node.engine.begin() as conn:
        await accounts.save_preferences(
            conn, house.node.here, house.ben.prepared.member, lambda _: wanted
        )
    page = await house.ben.open("/groups")
    assert '<html lang="de" dir="ltr" data-theme="dark" data-mode="easier">' in page.html
    await house.ben.send("POST", "/look", {"easier": "no", "language": "en"})
    page = await house.ben.open("/groups")
    assert '<html lang="en" dir="ltr" data-theme="dark">' in page.html


@pytest.mark.slow
async def test_settings_keep_it_for_every_device(house: House) -> None:
    await house.ben.send("POST", "/look", {"easier": "no"})
    saved = await house.ben.fill("/settings", "/settings", easier="yes", theme="dark")
    assert saved.status == 303
    for path in ("/", "/help"):
        assert 'data-theme="dark" data-mode="easier"' in (await house.ben.open(path)).html


@pytest.mark.slow
async def test_help_looks_as_its_reader_likes_it_with_no_database(house: House) -> None:
    """A browser that was asked nothing learns it from the first page of its member."""
    wanted = Preferences(easier=True, language="es")
    async with house.node.engine.begin() as conn:
        await accounts.save_preferences(
            conn, house.node.here, house.ben.prepared.member, lambda _: wanted
        )
    assert "easier" not in (await house.ben.open("/help")).html.split("<body>")[0]
    await house.ben.open("/groups")
    assert (
        '<html lang="es" dir="ltr" data-theme="auto" data-mode="easier">'
        in (await house.ben.open("/help")).html
    )


@pytest.mark.slow
async def test_private_pages_say_nowhere_where_somebody_was(house: House) -> None:
    """DOM-I10: title and icon are plain."""
    anyone = Browser(house.node)
    await anyone.send("POST", "/look", {"private": "yes"})
    for path in ("/", f"/t/{house.thread.id}", "/help", "/nowhere"):
        page = await anyone.open(path)
        assert "<title>Page</title>" in page.html
        assert "/plain.svg" in page.html
        assert "/icon.svg" not in page.html
        assert " data-private" in page.html


@pytest.mark.slow
async def test_the_country_chosen_comes_first(house: House) -> None:
    """DOM-D2: choice, then a guess that is shown as one; nothing is written."""
    anyone = Browser(house.node)
    guessed = await anyone.open("/help", Accept_Language="en-GB")
    assert "A guess from the language" in guessed.text
    chosen = await anyone.fill("/help/ie", "/look", country="IE")
    assert chosen.location == "/help"
    page = await anyone.open("/help", Accept_Language="en-GB")
    assert "The country you chose" in page.text
    assert page.html.index("Ireland") < page.html.index("Other countries")
