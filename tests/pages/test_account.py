"""Coming in, staying in, going out."""

from dataclasses import replace

import pytest

from kernel.here import Here
from kernel.schema.node import SignUp
from members import invitations, sessions
from members.vault import ADVISED
from node.pages.session import ADMINISTRATOR, cookie_name
from tests.nodes import Node, NodeFactory
from tests.pages.people import PASSWORD, Answer, Browser, Person, person, settle


async def join(browser: Browser, login: str, **more: str) -> Answer:
    """Fill in the sign-up form."""
    return await browser.fill(
        "/sign-up",
        action="/sign-up",
        login=login,
        password=PASSWORD,
        adult="yes",
        agree="yes",
        **more,
    )


def code_in(answer: Answer) -> str:
    """The recovery code on the page."""
    return answer.html.partition('<p class="code" translate="no">')[2].partition("<")[0]


async def test_a_newcomer_gets_a_code_and_then_a_name(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    dora = Browser(alder)
    answer = await join(dora, "dora-at-home")
    assert answer.status == 200
    assert len(code_in(answer)) >= 25
    assert answer.headers["Cache-Control"] == "no-store"
    assert "first, choose a name" in (await dora.open("/")).text.lower()
    refused = await dora.fill("/personas/new", name="Dora", handle="dora-at-home")
    assert refused.status in {400, 403}
    made = await dora.fill("/personas/new", name="Dora", handle="Dora_here")
    assert made.status == 303
    assert "@dora_here@alder.test" in (await dora.open("/personas")).text
    assert (await Browser(alder).open("/u/dora_here")).status == 200


async def test_a_name_is_never_the_log_in_name(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    dora = Browser(alder)
    await join(dora, "dora_at_home")
    refused = await dora.fill("/personas/new", name="", handle="dora_at_home")
    assert refused.status == 403
    assert "You log in with that name" in refused.text


async def test_sign_up_keeps_what_was_typed_but_no_password(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    fields = {"login": "dora", "adult": "yes", "agree": "yes"}
    refused = await Browser(alder).fill("/sign-up", password="short", **fields)
    assert refused.status == 400
    assert 'value="dora"' in refused.html
    assert 'value="short"' not in refused.html
    for missing in ("adult", "agree"):
        ticked = {**fields, "password": PASSWORD}
        del ticked[missing]
        untied = await Browser(alder).fill("/sign-up", **ticked)
        assert untied.status == 403
        assert 'value="dora"' in untied.html


@pytest.mark.parametrize("how", [SignUp.CLOSED, SignUp.INVITATION])
async def test_a_closed_door_opens_with_an_invitation_once(node: NodeFactory, how: SignUp) -> None:
    alder = await node("alder.test")
    await settle(alder, sign_up=how)
    fields = {"login": "dora-at-home", "password": PASSWORD, "adult": "yes", "agree": "yes"}
    shut = await Browser(alder).open("/sign-up")
    assert not any("login" in form.names for form in shut.page.forms)
    assert (await Browser(alder).send("POST", "/sign-up", fields)).status == 403
    async with alder.engine.begin() as conn:
        secret = await invitations.create(conn, uses=1)
    path = f"/sign-up?invite={secret}"
    answer = await Browser(alder).fill(path, **fields)
    assert answer.status == 200
    again = await Browser(alder).send(
        "POST", "/sign-up", {**fields, "login": "eve-at-home", "invite": secret}
    )
    assert again.status == 404
    assert "used already" in again.text


async def test_asking_to_join_waits_for_an_answer(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder, sign_up=SignUp.APPROVAL)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    dora, eve = Browser(alder), Browser(alder)
    assert "request was sent" in (await join(dora, "dora-asks", request="May I?")).text.lower()
    await join(eve, "eve-asks", request="Please.")
    assert not dora.cookies
    waiting = await dora.fill("/log-in", login="dora-asks", password=PASSWORD)
    assert waiting.status == 403
    desk = await ana.open("/settings/node")
    assert "May I?" in desk.text
    forms = [form for form in desk.page.forms if "account" in form.names]
    assert len(forms) == 2
    first = "dora" if desk.text.index("May I?") < desk.text.index("Please.") else "eve"
    for form, answer in zip(forms, ("yes", "no"), strict=True):
        assert (await ana.submit(desk, form, answer=answer)).status == 303
    statuses = {
        name: (await Browser(alder).fill("/log-in", login=f"{name}-asks", password=PASSWORD)).status
        for name in ("dora", "eve")
    }
    assert statuses.pop(first) == 303
    assert list(statuses.values()) == [403]


async def test_sec_A8_every_log_in_makes_a_new_session(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", cost=ADVISED)
    name = cookie_name(alder.here)
    old = ana.cookies[name]
    attacker = Browser(alder, {name: old})
    answer = await ana.send("POST", "/log-in", {"login": "ana-logs-in", "password": PASSWORD})
    assert answer.status == 303
    assert ana.cookies[name] != old
    line = answer.headers["Set-Cookie"]
    assert "HttpOnly" in line
    assert "SameSite=Lax" in line
    assert "Path=/" in line
    assert (await ana.open("/settings")).status == 200
    assert (await attacker.open("/settings")).location.startswith("/log-in")
    assert attacker.cookies == {}


def test_sec_A8_over_https_the_cookie_is_bound_to_its_host(here: Here) -> None:
    assert cookie_name(replace(here, origin="https://alder.test")) == "__Host-hearthold"
    assert cookie_name(here) == "hearthold"


async def test_sec_A4_a_new_password_ends_every_other_session(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", cost=ADVISED)
    other = await _second(alder, ana)
    wrong = await ana.fill(
        "/settings", "password", old_password="no no no no", password="a new one"
    )
    assert wrong.status in {400, 403}
    answer = await ana.fill(
        "/settings", "password", old_password=PASSWORD, password="nine red round apples"
    )
    assert answer.status == 303
    assert (await ana.open("/settings")).status == 200
    assert (await other.open("/settings")).status == 303
    fresh = await Browser(alder).fill(
        "/log-in", login="ana-logs-in", password="nine red round apples"
    )
    assert fresh.status == 303


async def _second(node: Node, ana: Person) -> Browser:
    cookie = await sessions.open(node.engine, node.here, ana.prepared.member)
    return Browser(node, {cookie_name(node.here): cookie})


async def test_logging_out_ends_the_session(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana")
    kept = Browser(alder, dict(ana.cookies))
    answer = await ana.fill("/settings", "/log-out")
    assert answer.status == 303
    assert ana.cookies == {}
    assert (await kept.open("/settings")).status == 303


async def test_the_recovery_code_works_once(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana")
    code = ana.prepared.recovery_code
    lost = Browser(alder)
    fields = {"login": "ana-logs-in", "code": code, "password": "nine red round apples"}
    answer = await lost.fill("/recover", **fields)
    assert answer.status == 200
    assert code_in(answer) not in {"", code}
    assert (await lost.open("/settings")).status == 200
    assert (await ana.open("/settings")).status == 303
    again = await Browser(alder).fill("/recover", **fields)
    assert again.status == 403


async def test_sec_A11_a_stranger_cannot_tell_who_has_an_account(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    await person(alder, "ana", cost=ADVISED)
    pages = []
    for login in ("ana-logs-in", "bob-logs-in"):
        answer = await Browser(alder).fill("/log-in", login=login, password="wrong wrong wrong")
        pages.append((answer.status, answer.html.replace(login, "")))
        answer = await Browser(alder).fill(
            "/recover", login=login, code="0" * 25, password="wrong wrong wrong"
        )
        pages.append((answer.status, answer.html.replace(login, "")))
    assert pages[0] == pages[2]
    assert pages[1] == pages[3]


async def test_closing_an_account_takes_the_right_password(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", cost=ADVISED)
    assert (await ana.fill("/settings/close", password="not mine at all")).status == 403
    answer = await ana.fill("/settings/close", password=PASSWORD)
    assert answer.status == 200
    assert "closed" in answer.text
    assert ana.cookies == {}
    gone = await Browser(alder).fill("/log-in", login="ana-logs-in", password=PASSWORD)
    assert gone.status == 403


async def test_light_and_dark_are_the_members_own(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana")
    assert 'data-theme="auto"' in (await ana.open("/")).html
    await ana.fill("/settings", action="/settings", theme="dark")
    assert 'data-theme="dark"' in (await ana.open("/")).html
    assert 'data-theme="auto"' in (await Browser(alder).open("/")).html
    odd = await ana.send("POST", "/settings", {"theme": "neon"})
    assert odd.status == 400


async def test_the_first_administrator_settles_the_node_once(node: NodeFactory) -> None:
    alder = await node("alder.test")
    assert "being set up" in (await Browser(alder).open("/")).text
    async with alder.engine.begin() as conn:
        secret = await invitations.create(conn, uses=1, grants=frozenset({ADMINISTRATOR}))
        plain = await invitations.create(conn, uses=1)
    assert (await Browser(alder).open(f"/welcome?token={plain}")).status == 404
    first = Browser(alder)
    path = f"/welcome?token={secret}"
    fields = {"login": "ana-runs-it", "password": PASSWORD, "name": "Alder House"}
    refused = await first.fill(path, **fields)
    assert refused.status == 400
    assert 'value="Alder House"' in refused.html
    answer = await first.fill(path, **fields, contact="hello@alder.example", sign_up="open")
    assert answer.status == 200
    assert (await first.open("/settings/node")).status == 200
    assert (await Browser(alder).open(path)).status == 404
    assert "You are welcome here" in (await Browser(alder).open("/")).text


async def test_running_the_place_is_for_administrators(node: NodeFactory) -> None:
    alder = await node("alder.test")
    await settle(alder)
    ana = await person(alder, "ana", roles=frozenset({ADMINISTRATOR}))
    ben = await person(alder, "ben")
    for path in ("/settings/node", "/settings/node/waiting", "/settings/node/invitations",
                 "/settings/node/domains", "/settings/node/domains/forget"):  # fmt: skip
        refused = await ben.send("POST", path, {"domain": "evil.test", "uses": "1", "name": "X"})
        assert refused.status == 403, path
    assert (await ben.open("/settings/node")).status == 403
    assert (
        await ana.fill(
            "/settings/node/domains", "domains", domain="evil.test", level="reject", reason="spam"
        )
    ).status == 303
    assert "evil.test" in (await ana.open("/settings/node/domains")).text
    refused = await ana.fill(
        "/settings/node/domains", "domains", domain="alder.test", level="reject"
    )
    assert refused.status == 403
    assert "own domain" in refused.text
    assert (await ana.fill("/settings/node/domains", "forget", domain="evil.test")).status == 303
    link = await ana.fill("/settings/node", uses="2")
    secret = link.html.partition("/sign-up?invite=")[2].partition("<")[0]
    assert (await Browser(alder).open(f"/sign-up?invite={secret}")).page.forms
