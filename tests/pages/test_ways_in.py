"""A second step after the password, passkeys that come in alone, and where one is logged in."""

import asyncio
import base64
import html
import re

import pytest

from members import totp
from members.vault import ADVISED
from node.pages.session import cookie_name
from tests.authenticator import Authenticator
from tests.nodes import Node, NodeFactory
from tests.pages.people import PASSWORD, Answer, Browser, Person, person, settle


def asked_in(answer: Answer) -> str:
    """What a page asks a device."""
    found = re.search(r'data-passkey="([^"]+)"', answer.html)
    assert found, answer.text
    return html.unescape(found[1])


def code_of(node: Node, secret: bytes, later: int = 0) -> str:
    return totp.code(secret, int(node.clock.now.timestamp()) // totp.STEP + later)


def shown_secret(answer: Answer) -> bytes:
    letters = answer.html.partition('<p class="code" translate="no">')[2].partition("<")[0]
    return base64.b32decode(letters.replace(" ", ""))


async def codes(ana: Person) -> bytes:
    """Ana sets up codes of an app: the secret that the app keeps."""
    page = await ana.fill("/settings/ways-in", password=PASSWORD, do="codes")
    secret = shown_secret(page)
    form = page.page.form("code", "sealed")
    wrong = await ana.submit(page, form, code="1")
    assert wrong.status == 403
    assert shown_secret(wrong) == secret
    done = await ana.submit(
        wrong, wrong.page.form("code", "sealed"), code=code_of(ana.node, secret)
    )
    assert done.location == "/settings/ways-in?saved"
    ana.node.clock.forward(minutes=2)
    return secret


async def passkey(ana: Person) -> Authenticator:
    """Ana adds a passkey."""
    device = Authenticator(ana.node.origin)
    page = await ana.fill("/settings/ways-in", password=PASSWORD, do="passkey")
    done = await ana.send("POST", "/settings/ways-in/passkey", device.make(asked_in(page)))
    assert done.location == "/settings/ways-in?saved", done.text
    return device


async def log_in(browser: Browser, **more: str) -> Answer:
    fields = {"login": "ana-logs-in", "password": PASSWORD, **more}
    return await browser.send("POST", "/log-in", fields)


@pytest.fixture
async def ana(node: NodeFactory) -> Person:
    alder = await node("alder.test")
    await settle(alder)
    return await person(alder, "ana", cost=ADVISED)


async def test_sec_A5_a_code_is_asked_for_after_the_password_and_works_once(ana: Person) -> None:
    secret = await codes(ana)
    browser = Browser(ana.node)
    page = await log_in(browser, then="/groups", **{"kept.text": "What I wrote was long enough."})
    assert "One more step" in page.text
    assert not browser.cookies
    form = page.page.form("code", "half")
    wrong = await browser.submit(page, form, code="123")
    assert wrong.status == 403
    assert not browser.cookies
    code = code_of(ana.node, secret)
    many = [Browser(ana.node) for _ in range(4)]
    answers = await asyncio.gather(*(each.submit(page, form, code=code) for each in many))
    assert sorted(each.status for each in answers) == [200, 403, 403, 403]
    assert sum(bool(each.cookies) for each in many) == 1
    (done,) = (each for each in answers if each.status == 200)
    assert "What I wrote was long enough." in done.text  # the words that waited come back
    second = await log_in(browser)
    used = await browser.submit(second, second.page.form("code", "half"), code=code)
    assert used.status == 403
    ana.node.clock.forward(minutes=11)
    late = await browser.submit(
        second, second.page.form("code", "half"), code=code_of(ana.node, secret)
    )
    assert late.status == 403
    assert "start once more" in late.text
    assert not browser.cookies


async def test_sec_A5_wrong_codes_are_counted_as_wrong_passwords_are(ana: Person) -> None:
    secret = await codes(ana)
    ana.node.clock.forward(minutes=10)
    browser = Browser(ana.node)
    page = await log_in(browser)
    form = page.page.form("code", "half")
    statuses = [(await browser.submit(page, form, code="1")).status for _ in range(11)]
    assert statuses == [403] * 10 + [429]
    right = await browser.submit(page, form, code=code_of(ana.node, secret))
    assert right.status == 429


async def test_sec_D12_one_name_typed_in_many_ways_is_counted_once(ana: Person) -> None:
    """What the account is looked up by is what is counted: case, spaces, width, and what is cut."""
    browser = Browser(ana.node)
    ways = [
        *(f"ana-logs-in{' ' * 300}{n}" for n in range(5)),
        *(f"{' ' * n}ANA-logs-IN" for n in range(3)),
        "ａna-logs-in",
        "ana-logs-iｎ",
    ]
    for login in ways:
        page = await browser.send("POST", "/log-in", {"login": login, "password": "wrong" * 3})
        assert page.status == 403, login
    for login in ("ana-logs-in", f"ana-logs-in{' ' * 300}y"):
        assert (await log_in(browser, login=login)).status == 429
        fields = {"login": login, "code": "x", "password": PASSWORD}
        assert (await browser.send("POST", "/recover", fields)).status == 429


async def test_nothing_is_set_up_or_taken_away_without_the_password(ana: Person) -> None:
    await codes(ana)
    await passkey(ana)
    for what in ("codes", "passkey", "no-codes", "1"):
        refused = await ana.send(
            "POST", "/settings/ways-in", {"password": "not this one", "do": what}
        )
        assert refused.status == 403
    for odd in ("0", "2", "", "-1", "x"):
        refused = await ana.send("POST", "/settings/ways-in", {"password": PASSWORD, "do": odd})
        assert refused.status == 400
        ana.node.clock.forward(minutes=11)
    page = await ana.open("/settings/ways-in")
    assert "Codes of an app: set up" in page.text
    assert "Passkeys: 1" in page.text
    await ana.fill("/settings/ways-in", password=PASSWORD, do="no-codes")
    await ana.fill("/settings/ways-in", password=PASSWORD, do="1")
    ana.node.clock.forward(minutes=11)
    assert (await log_in(Browser(ana.node))).status == 303


async def test_sec_A5_a_passkey_is_a_second_step_and_its_challenge_works_once(ana: Person) -> None:
    device = await passkey(ana)
    browser = Browser(ana.node)
    page = await log_in(browser)
    fields = {**dict(page.page.form("credential").filled({})), **device.use(asked_in(page))}
    stranger = Authenticator(ana.node.origin)
    for refused in (
        stranger.use(asked_in(page)),
        device.use(asked_in(page), origin="https://evil.test"),
        device.use(asked_in(page), type="webauthn.create"),
        device.use('{"rpId": "alder.test", "challenge": "AAAA"}'),
        device.use(asked_in(page).replace('"alder.test"', '"evil.test"')),
        {**device.use(asked_in(page)), "credential": "{}"},
    ):
        answer = await browser.send("POST", "/log-in/second", {**fields, **refused})
        assert answer.status == 403
        assert not browser.cookies
    device.verifies = False
    answer = await browser.send("POST", "/log-in/second", {**fields, **device.use(asked_in(page))})
    assert answer.status == 403  # it only lay there: nobody showed a finger or a PIN
    ana.node.clock.forward(minutes=5)
    answers = await asyncio.gather(
        *(Browser(ana.node).send("POST", "/log-in/second", fields) for _ in range(4))
    )
    assert sorted(each.status for each in answers) == [303, 403, 403, 403]


async def test_a_passkey_that_makes_a_secret_comes_in_alone_and_only_once(ana: Person) -> None:
    device = await passkey(ana)
    browser = Browser(ana.node)
    page = await browser.open("/log-in/passkey?then=/groups")
    fields = {"then": "/groups", **device.use(asked_in(page))}
    other_secret = {**fields, "secret": Authenticator("").make_secret()}
    for refused in (other_secret, {**fields, "secret": ""}, {**fields, "credential": ""}):
        assert (await browser.send("POST", "/log-in/passkey", refused)).status == 403
    stranger = Authenticator(ana.node.origin, secret=device.secret, handle=device.handle)
    stolen = stranger.use(asked_in(page))  # the secret alone, without the key
    assert (await browser.send("POST", "/log-in/passkey", stolen)).status == 403
    assert not browser.cookies
    done = await browser.send("POST", "/log-in/passkey", fields)
    assert done.location == "/groups"
    assert (await browser.open("/settings")).status == 200
    again = await Browser(ana.node).send("POST", "/log-in/passkey", fields)
    assert again.status == 403
    on_another_page = device.use(asked_in(await log_in(Browser(ana.node))))
    assert (await browser.send("POST", "/log-in/passkey", on_another_page)).status == 403


async def test_sec_A4_places_are_listed_with_no_time_and_end_one_by_one_or_together(
    ana: Person,
) -> None:
    others = [Browser(ana.node) for _ in range(3)]
    for each in others:
        await log_in(each)
    page = await ana.open("/settings/sessions")
    assert "in 4 places" in page.text
    assert page.text.count("This browser") == 1
    assert ana.cookies[cookie_name(ana.node.here)] not in page.html
    form = page.page.form("one")
    assert (await ana.submit(page, form)).status == 303
    left = [each for each in others if (await each.open("/settings")).status == 200]
    assert len(left) == 2
    forged = await left[0].send("POST", "/settings/sessions", dict(form.filled({})))
    assert forged.status == 400  # it was made for another browser
    assert (await ana.open("/settings")).status == 200
    page = await ana.open("/settings/sessions")
    assert "in 3 places" in page.text
    await ana.submit(page, page.page.form("others"), others="yes")
    assert [(await each.open("/settings")).status for each in others] == [303] * 3
    assert "here, and nowhere else" in (await ana.open("/settings/sessions")).text


async def test_a_session_of_somebody_else_cannot_be_ended(ana: Person) -> None:
    ben = await person(ana.node, "ben")
    page = await ana.open("/settings/sessions")
    await log_in(Browser(ana.node))
    page = await ana.open("/settings/sessions")
    form = page.page.form("one")
    refused = await ben.send("POST", "/settings/sessions", dict(form.filled({})))
    assert refused.status == 400
    assert "in 2 places" in (await ana.open("/settings/sessions")).text


LONG_WORDS = "What I wrote was long enough."


async def _lost(ana: Person, path: str, **fields: str) -> tuple[Browser, Answer]:
    """A form of somebody whose session is over, and the page that asks them to log in."""
    browser = Browser(ana.node)
    page = await browser.send("POST", path, fields)
    assert "logged out meanwhile" in page.text, path
    return browser, page


async def _goes(browser: Browser, page: Answer, way: str) -> Answer:
    """Another way in, from the page that offers it."""
    return await browser.submit(page, next(f for f in page.page.forms if f.action == way))


async def _logs_in(browser: Browser, page: Answer) -> Answer:
    form = page.page.form("login", "password", action="/log-in")
    return await browser.submit(page, form, login="ana-logs-in", password=PASSWORD)


async def test_words_go_along_every_way_back_in(ana: Person) -> None:
    """A session is over when somebody sends a form: passkey, recovery code and back to the name."""
    device = await passkey(ana)
    browser, page = await _lost(ana, "/personas/labels", text=LONG_WORDS)
    by_passkey = await _goes(browser, page, "/log-in/passkey")
    assert by_passkey.status == 200
    back = await _goes(browser, by_passkey, "/log-in")
    assert ("kept.text", LONG_WORDS) in back.page.form("login", "password").fields

    browser = Browser(ana.node)
    fields = dict(by_passkey.page.form("credential", action="/log-in/passkey").fields)
    answered = {**fields, **device.use(asked_in(by_passkey))}
    assert LONG_WORDS in (await browser.send("POST", "/log-in/passkey", answered)).text

    browser = Browser(ana.node)
    by_code = await _goes(browser, page, "/recover")
    code = ana.prepared.recovery_code
    form = by_code.page.form("login", "code", "password")
    wrong = await browser.submit(by_code, form, login="ana-logs-in", code="x", password=PASSWORD)
    assert wrong.status == 403
    form = wrong.page.form("login", "code", "password")
    done = await browser.submit(wrong, form, login="ana-logs-in", code=code, password=PASSWORD)
    assert "You are back in" in done.text
    assert LONG_WORDS in done.text
    assert done.page.form("text", action="/personas/labels")


async def test_words_go_along_from_the_second_step_to_the_recovery_code(ana: Person) -> None:
    await codes(ana)
    browser, page = await _lost(ana, "/personas/labels", text=LONG_WORDS)
    second = await _logs_in(browser, page)
    assert "One more step" in second.text
    by_code = await _goes(browser, second, "/recover")
    done = await browser.submit(
        by_code,
        by_code.page.form("login", "code", "password"),
        login="ana-logs-in",
        code=ana.prepared.recovery_code,
        password=PASSWORD,
    )
    assert LONG_WORDS in done.text


async def test_a_button_pressed_too_late_is_gone_on_with_and_leads_nowhere_wrong(
    ana: Person,
) -> None:
    """Their addresses are no pages: whoever was sent there after logging in saw an error."""
    for path, fields in (
        ("/personas/ana/withdraw", {}),
        ("/drafts/1/delete", {"draft": "1-0000000000000000"}),
        ("/personas/ana/archive", {"password": "x" * 12}),
        ("/settings/password", {"old_password": "a" * 12, "password": "b" * 12}),
    ):
        browser, page = await _lost(ana, path, **fields)
        assert "What you wrote" not in page.text
        welcome = await _logs_in(browser, page)
        assert welcome.status == 200
        assert "nothing has happened yet" in welcome.text
        on = await browser.submit(welcome, welcome.page.form(action=path))
        if "password" in fields:  # it is asked for where it belongs, and was kept nowhere
            assert on.page.form("password"), path
            assert fields["password"] not in welcome.html
        else:
            assert on.status == 303, (path, on.text)
