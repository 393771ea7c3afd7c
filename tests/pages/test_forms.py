"""Forms: refused from other sites, bounded, and never losing what was typed."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

import templates
from kernel.schema.tables import metadata
from kernel.settings import LOOPBACK
from members import sessions
from members.vault import ADVISED
from node.pages import forms, table
from node.pages.session import cookie_name
from tests.nodes import Node, NodeFactory
from tests.pages.conftest import House
from tests.pages.people import PASSWORD, Answer, Browser, person, settle
from tests.pages.test_every_page import pages

CHANGING = [route for route in table.routes() if route.method not in {"GET", "HEAD"}]
LONG = 'Words that took an hour to write.\nAnd a second line, with <b> & "quotes".'


async def snapshot(node: Node) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    async with node.engine.connect() as conn:
        return {
            each.name: sorted(map(tuple, (await conn.execute(sa.select(each))).all()), key=repr)
            for each in metadata.sorted_tables
        }


async def test_sec_A10_nothing_changes_from_another_site(house: House) -> None:
    before = await snapshot(house.node)
    ours = house.node.origin
    hostile: list[tuple[str | None, dict[str, str]]] = [
        ("http://evil.test", {}),
        ("https://alder.test", {}),
        ("http://alder.test.evil.test", {}),
        ("null", {}),
        (None, {}),
        (None, {"Sec-Fetch-Site": "cross-site"}),
        (None, {"Sec-Fetch-Site": "same-site"}),
        ("null", {"Sec-Fetch-Site": "cross-site"}),
        ("null", {"Sec-Fetch-Site": "none"}),
        ("http://evil.test", {"Sec-Fetch-Site": "same-origin"}),
        (ours, {"Sec-Fetch-Site": "cross-site"}),
    ]
    assert len(CHANGING) > 20
    for route in CHANGING:
        for origin, headers in hostile:
            answer = await house.ana.send(
                route.method, house.sample(route.path), {"text": "x"}, origin=origin,
                headers=headers,
            )  # fmt: skip
            assert answer.status == 403, (route.path, origin, headers)
            assert "another website" in answer.text
    assert await snapshot(house.node) == before


async def test_sec_A10_our_own_pages_may_send(house: House) -> None:
    for origin, headers in (
        (house.node.origin, {}),
        (house.node.origin, {"Sec-Fetch-Site": "same-origin"}),
        ("null", {"Sec-Fetch-Site": "same-origin"}),
        (None, {"Sec-Fetch-Site": "same-origin"}),
    ):
        answer = await house.ana.send(
            "POST", "/settings", {"theme": "dark"}, origin=origin, headers=headers
        )
        assert answer.status == 303, (origin, headers)


async def test_sec_A9_a_form_of_another_kind_is_refused(house: House) -> None:
    for kind in ("text/plain", "application/json", "multipart/mixed; boundary=x"):
        answer = await house.ana.send(
            "POST", "/settings", data=b'{"theme": "dark"}', headers={"Content-Type": kind}
        )
        assert answer.status == 415, kind
    squeezed = await house.ana.send(
        "POST", "/settings", data=b"x", headers={
            "Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"
        },
    )  # fmt: skip
    assert squeezed.status == 415


async def test_a_form_has_a_size(house: House) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    path = f"/p/{house.thread.id}/reply"
    for size, status in ((forms.MAX_BYTES, 400), (forms.MAX_BYTES + 1, 413)):
        body = b"text=" + b"x" * (size - 5)
        answer = await house.ben.send("POST", path, data=body, headers=kind)
        assert answer.status == status, size
    many = "&".join(f"a{n}=1" for n in range(forms.MAX_FIELDS + 1)).encode()
    assert (await house.ben.send("POST", path, data=many, headers=kind)).status == 400


@pytest.mark.slow
async def test_looking_never_changes_anything(house: House) -> None:
    before = await snapshot(house.node)
    for browser in (house.visitor, house.ben, house.ana):
        for path in pages(house):
            if path != "/leave":
                await browser.open(path)
    assert await snapshot(house.node) == before


def typed_in(answer: Answer, name: str) -> str:
    """What a field of the page holds."""
    found = [value for form in answer.page.forms for key, value in form.fields if key == name]
    assert found, answer.text
    return found[0]


async def test_a_refused_reply_keeps_every_word(house: House) -> None:
    path = f"/p/{house.thread.id}/reply"
    answer = await house.ben.send("POST", path, {"text": LONG, "note": "sleep"})
    assert answer.status == 400
    assert "Please choose the name" in answer.text
    assert typed_in(answer, "text") == LONG
    assert typed_in(answer, "note") == "sleep"
    long = "x" * 5001
    at = await house.ben.open(path)
    refused = await house.ben.submit(at, at.page.form("text", action="/reply"), text=long)
    assert refused.status == 400
    assert "5,001" in refused.text
    assert typed_in(refused, "text") == long


async def test_a_refused_thread_keeps_its_title_and_its_name(house: House) -> None:
    at = await house.ben.open("/g/open/new")
    form = at.page.form("title", "text")
    name = form.choice("as", "ben")
    refused = await house.ben.submit(at, form, **{"title": "", "text": LONG, "as": name})
    assert refused.status == 400
    assert typed_in(refused, "text") == LONG
    again = refused.page.form("title", "text")
    chosen = dict(again.fields)["as"]
    assert "ben" in next(words for _, value, words in again.choices if value == chosen)


async def test_an_error_page_gives_short_words_back_and_no_tokens(house: House) -> None:
    token = "a" * 40
    typed = [("text", "Please help me now."), ("note", "sleep"), ("picture", token), ("as", token)]
    typed += [("alt", ""), ("guidelines", "1"), ("language", "en")]
    missing = await house.ben.send("POST", "/p/99999/reply", typed)
    assert missing.status == 404
    kept = re.findall(r'<textarea class="kept"[^>]*>\n([^<]*)</textarea>', missing.html)
    assert kept == ["Please help me now.", "sleep"]
    assert token not in missing.html


def test_every_field_that_people_write_in_is_known() -> None:
    """Areas always are; of fields of one line, those that hold an address or a number are not."""
    others = {
        "address", "budget", "cap", "cases", "code", "confidence", "contact", "days", "delay",
        "domain", "end", "group_address", "handle", "host", "label", "list", "login", "look_back",
        "move_from", "move_to", "number", "old_password", "password", "people", "server", "since",
        "slow_minutes", "start", "target", "to", "together", "ttl", "until", "url", "uses",
        "weight",
    }  # fmt: skip
    files = Path(templates.__file__).parent.rglob("*.html")
    html = "\n".join(each.read_text() for each in files)
    areas = {*re.findall(r'\barea\(form, "(\w+)"', html)}
    areas |= {*re.findall(r'<textarea[^>]*name="(\w+)"', html)}
    fields = {*re.findall(r'\bfield\(form, "(\w+)"', html), "reason", "words"}
    assert len(areas) > 10
    assert areas <= forms.WRITTEN
    assert fields <= forms.WRITTEN | others
    assert areas | fields >= forms.WRITTEN
    assert not others & forms.WRITTEN


async def test_words_survive_the_end_of_a_session(house: House) -> None:
    dan = await person(house.node, "dan", cost=ADVISED)
    await house.node.join(dan.speaker, house.open.actor.uri)
    at = await dan.open(f"/p/{house.thread.id}/reply")
    async with house.node.engine.begin() as conn:
        await sessions.end_all(conn, house.node.here, dan.prepared.member)
    log_in = await dan.submit(at, at.page.form("text"), text=LONG)
    assert log_in.status == 403
    assert "What you wrote is safe" in log_in.text
    form = log_in.page.form("login", "password")
    wrong = await dan.submit(log_in, form, login="dan-logs-in", password="not at all mine")
    assert wrong.status == 403
    form = wrong.page.form("login", "password")
    back = await dan.submit(wrong, form, login="dan-logs-in", password=PASSWORD)
    assert back.status == 200
    assert LONG.splitlines()[0] in back.text
    again = await dan.submit(back, back.page.form("text"))
    assert again.status == 400
    assert "choose the name" in again.text
    form = again.page.form("text")
    assert dict(form.fields)["text"] == LONG
    sent = await dan.submit(again, form, **{"as": dict(form.fields)["as"]})
    assert sent.status == 303
    thread = await house.visitor.open(f"/t/{house.thread.id}")
    assert LONG.splitlines()[0] in thread.text


async def test_sec_X4_nobody_is_sent_elsewhere(house: House) -> None:
    shapes = [
        "//evil.test", "///evil.test", "/\\evil.test", "\\\\evil.test", "https://evil.test",
        "http:evil.test", "javascript:alert(1)", " //evil.test", "/%0d%0aSet-Cookie:x=1\r\nX: y",
        "/\tevil", "evil.test", "", "//alder.test@evil.test", "/\u2028/evil.test", "data:x",
        "/ /evil.test", "////evil.test//", "mailto:a@b.example", "?x", "#x",
    ]  # fmt: skip
    assert len(shapes) == 20
    for shape in shapes:
        assert forms.local_path(shape) == "/", shape
    for sound in ("/", "/g/open/new", "/t/5?after=3", "/settings#x"):
        assert forms.local_path(sound) == sound
    for shape in ("//evil.test", "/\\evil.test", "https://evil.test"):
        answer = await house.ben.open(f"/log-in?then={shape}".replace("\\", "%5C"))
        assert answer.location == "/"
        page = await house.visitor.open(f"/log-in?then={shape}".replace("\\", "%5C"))
        assert typed_in(page, "then") == "/"


@pytest.mark.parametrize("persona", ["somebody else's", "another form's", "another session's"])
async def test_a_name_is_sealed_into_its_form(node: NodeFactory, persona: str) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana, ben = await person(alder, "ana"), await person(alder, "ben")
    group = await alder.group("open", ana.speaker)
    await alder.join(ben.speaker, group.actor.uri)
    thread = await alder.start(ana.speaker, group.actor.uri, "T", "w")
    path = f"/p/{thread.id}/reply"

    async def token(browser: Browser, at: str) -> str:
        return (await browser.open(at)).page.form("as").choice("as", "ben")

    if persona == "another session's":
        second = await sessions.open(alder.engine, alder.here, ben.prepared.member)
        other = Browser(alder, {cookie_name(alder.here): second})
        stolen = await token(other, path)
    elif persona == "another form's":
        stolen = await token(ben, "/g/open/new")
    else:
        stolen = str(ana.actor.id)
    refused = await ben.send("POST", path, {"text": "hello", "as": stolen})
    assert refused.status == 400
    assert "hello" not in (await ana.open(f"/t/{thread.id}")).text
    right = await ben.send("POST", path, {"text": "hello", "as": await token(ben, path)})
    assert right.status == 303


async def test_sec_D12_every_door_counts(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    visitor = Browser(alder)
    for path in ("/log-in", "/recover", "/sign-up"):
        wrong = {"login": f"nobody-at{path[1:]}", "password": "wrong wrong wrong", "code": "x"}
        statuses = [(await visitor.send("POST", path, wrong)).status for _ in range(21)]
        assert statuses[0] in {400, 403}, path
        assert statuses[-1] == 429, path
        answer = await visitor.send("POST", path, wrong)
        assert int(answer.headers["Retry-After"]) > 0
        assert typed_in(answer, "login") == wrong["login"]


@pytest.mark.slow
async def test_sec_D13_a_forged_address_does_not_count(house: House) -> None:
    """Each try has another name, so that it is the address that is counted (SEC-D12)."""
    statuses = [await _wrong(house.visitor, n, f"198.51.100.{n}") for n in range(61)]
    assert statuses == [403] * 60 + [429]


@pytest.mark.slow
async def test_sec_D13_of_a_proxy_that_is_trusted_the_last_hop_counts(node: NodeFactory) -> None:
    alder = await node("alder.test", trusted_proxies=LOOPBACK)
    await settle(alder)
    visitor = Browser(alder)
    forged = [await _wrong(visitor, n, f"198.51.100.{n}, 203.0.113.5") for n in range(61)]
    assert forged == [403] * 60 + [429]
    assert await _wrong(visitor, 62, "203.0.113.5, 203.0.113.6") == 403


async def _wrong(visitor: Browser, number: int, forwarded: str) -> int:
    """Somebody tries a password; with whose log-in name, and for whom they say they do."""
    wrong = {"login": f"nobody-{number}", "password": "wrong wrong wrong"}
    answer = await visitor.send("POST", "/log-in", wrong, headers={"X-Forwarded-For": forwarded})
    return answer.status
