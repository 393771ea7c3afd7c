"""Every door that asks for a secret: how often it can be tried, and what it believes."""

import ast
import hmac
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kernel.here import Here
from kernel.ids import random_uuid
from kernel.schema.node import SignUp
from kernel.schema.tables import accounts as account_table
from members import account_rows, accounts, receipts, totp, vault
from members.member import Blob
from node.pages import table
from tests.members import people
from tests.nodes import Node, NodeFactory
from tests.pages.people import PASSWORD, Browser, person, settle

SECRET = ("password", "old_password", "code")
KNOWN = {
    "/log-in", "/recover", "/sign-up", "/receipt", "/settings/password", "/settings/close",
    "/personas/{name}/archive", "/personas/{name}/close",
}  # fmt: skip
HALF_WAY = {
    "/log-in/second",
    "/settings/ways-in/codes",
}  # after a password: counted in `test_ways_in`


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one guess at a password costs is tested elsewhere."""
    for asks in (
        accounts.change_password, accounts.close, accounts.confirm, accounts.log_in,
        accounts.prepare, accounts.recover,
    ):  # fmt: skip
        monkeypatch.setitem(asks.__kwdefaults__ or {}, "cost", people.CHEAP)


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    made = await node("alder.test")
    await settle(made)
    return made


def doors() -> Iterator[str]:
    """The address of every POST whose page reads a secret: looked up in the code of its module."""
    for route in table.routes():
        if route.method == "POST" and _reads_secret(route.handler):
            yield route.path


def _reads_secret(handler: object) -> bool:
    module = __import__(handler.__module__, fromlist=["*"])
    tree = ast.parse(Path(str(module.__file__)).read_text())
    functions = {
        each.name: each
        for each in tree.body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    waiting, seen = [handler.__name__], set[str]()  # type: ignore[attr-defined]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for part in ast.walk(functions[name]):
            if isinstance(part, ast.Constant) and part.value in SECRET:
                return True
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                waiting.append(part.func.id)
    return False


@pytest.mark.slow
async def test_sec_D12_every_route_that_takes_a_secret_counts_wrong_ones(alder: Node) -> None:
    found = sorted(set(doors()) - HALF_WAY)
    assert set(found) >= KNOWN, "a door is looked for by what it reads"
    for number, path in enumerate(found):
        member = await person(alder, f"ana{number}")
        fields = {
            **{name: f"wrong {name} typed" for name in SECRET},
            "login": f"ana{number}-logs-in",
            "handle": f"ana{number}",
            "token": "x",
            "names": "yes",
            "when": "later",
        }
        at = path.replace("{name}", f"ana{number}")
        statuses = []
        for _ in range(61):
            answer = await member.send("POST", at, fields)
            statuses.append(answer.status)
            if answer.status in (303, 429):
                break
        assert statuses[0] in {400, 403, 404, 429}, (path, statuses)  # some share a count
        assert statuses[-1] == 429, (path, statuses)
        assert int(answer.headers["Retry-After"]) > 0
        assert "wrong password typed" not in answer.html, path


async def test_sec_A6_a_recovery_code_is_drawn_at_random_and_kept_nowhere(alder: Node) -> None:
    codes = {vault.new_code() for _ in range(200)}
    assert len(codes) == 200
    for place in range(5):  # every letter of every group varies
        assert len({code.split("-")[place] for code in codes}) > 190
    prepared = await people.sign_up(alder.engine, alder.here)
    for spelling in (prepared.recovery_code, vault.letters_of(prepared.recovery_code)):
        assert await alder.mentions(spelling) == []


async def test_sec_A7_parameters_of_odd_kinds_open_nothing(alder: Node) -> None:
    await person(alder, "ana")
    visitor = Browser(alder)
    for fields in (
        [("login[]", "ana-logs-in"), ("password[]", PASSWORD)],
        [("login", ""), ("login", "ana-logs-in"), ("password", ""), ("password", PASSWORD)],
        [("login[$ne]", "x"), ("password[$ne]", "x")],
        [("login", "ana-logs-in"), ("password", "true")],
        [("login", "*"), ("password", "*")],
        [("login", "ana-logs-in"), ("password", "[object Object]")],
    ):
        answer = await visitor.send("POST", "/log-in", fields)
        assert answer.status == 403, fields
        assert not visitor.cookies
    for path in ("/receipt", "/recover"):
        assert (
            await visitor.send("POST", path, [("code[]", "x"), ("handle[]", "ana")])
        ).status in {
            400,
            403,
        }


def test_sec_A12_codes_are_compared_in_constant_time(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    honest = hmac.compare_digest

    def count(one: bytes, other: bytes) -> bool:
        asked.append(len(one))
        return honest(one, other)

    monkeypatch.setattr(hmac, "compare_digest", count)
    persona = random_uuid()
    assert receipts.fits(here, persona, receipts.code_of(here, persona))
    assert not receipts.fits(here, persona, "0" * 25)
    assert not receipts.fits(here, None, receipts.code_of(here, persona))
    wrapper = vault.read_code(here, vault.new_code())
    assert wrapper.fits(wrapper.verifier)
    assert not wrapper.fits(bytes(32))
    assert vault.closes(here, persona, vault.closing_code(here, persona))
    assert not vault.closes(here, persona, "0" * 25)
    now, secret = here.now(), bytes(20)
    step = int(now.timestamp()) // totp.STEP
    assert totp.find(secret, totp.code(secret, step), now) == step
    assert len(asked) == 7 + 2 * totp.AROUND + 1


async def test_sec_A13_what_a_form_says_of_its_sender_is_not_believed(alder: Node) -> None:
    visitor = Browser(alder)
    lies = {
        "role": "administrator", "roles": "administrator", "administrator": "yes",
        "grants": "administrator", "verified": "true", "state": "active", "alias_of": "ana",
        "account": str(random_uuid()), "id": str(random_uuid()), "root": "0" * 64,
    }  # fmt: skip
    fields = {
        "login": "newcomer-at-night",
        "password": PASSWORD,
        "agree": "yes",
        "adult": "yes",
        **lies,
    }
    assert (await visitor.send("POST", "/sign-up", fields)).status == 200
    assert (await visitor.open("/settings/node")).status == 403
    made = await visitor.send("POST", "/personas/new", {"handle": "newcomer", "name": "N", **lies})
    assert made.status == 303
    member = await accounts.log_in(alder.engine, alder.here, "newcomer-at-night", PASSWORD)
    async with alder.engine.connect() as conn:
        stored = (await conn.execute(sa.select(account_table))).one()
    row = account_rows.found(alder.here, stored)
    blob = Blob.open(alder.here, row.id, member.root, row["blob"])
    assert blob.roles == frozenset()
    assert str(row.id) not in lies.values()


async def test_sec_A17_whoever_still_waits_is_no_member(alder: Node) -> None:
    await settle(alder, sign_up=SignUp.APPROVAL)
    waiting = Browser(alder)
    agreed = {"agree": "yes", "adult": "yes", "request": "Please."}
    fields = {"login": "waits-here", "password": PASSWORD, **agreed}
    answer = await waiting.send("POST", "/sign-up", fields)
    assert answer.status == 200
    assert not waiting.cookies
    inside = await waiting.send("POST", "/log-in", {"login": "waits-here", "password": PASSWORD})
    assert inside.status == 403
    assert not waiting.cookies
    code = re.findall(r"\b[0-9A-Z]{5}(?:-[0-9A-Z]{5}){4}\b", answer.text)
    fields = {"login": "waits-here", "code": "".join(code), "password": "other words in a row"}
    assert (await waiting.send("POST", "/recover", fields)).status == 403
    assert (await waiting.open("/personas")).status == 303
