"""Codes of an app and passkeys: each works once, and a stolen database does not show them."""

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.clock import utcnow
from kernel.errors import NotAllowed
from kernel.here import Here
from members import accounts, factors, passkeys, sessions, spent, totp
from members.factors import Factors
from members.passkeys import Passkey
from tests.members.people import CHEAP, PASSWORD, log_in, sign_up

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("second", "code"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")]
)
def test_codes_are_those_of_rfc_6238(second: int, code: str) -> None:
    """RFC 6238, appendix B, its SHA-1 column, the last six digits."""
    assert totp.code(SECRET, second // totp.STEP) == code


def test_a_code_counts_for_half_a_minute_more_and_no_longer() -> None:
    now = datetime.fromtimestamp(1111111109, utcnow().tzinfo)
    step = 1111111109 // totp.STEP
    assert totp.find(SECRET, " 081 804 ", now) == step
    assert totp.find(SECRET, "081804", now + timedelta(seconds=30)) == step
    assert totp.find(SECRET, "081804", now + timedelta(seconds=90)) is None
    for odd in ("", "81804", "081805", "０８１８０４", "\ud800", "0" * 10_000):
        assert totp.find(SECRET, odd, now) is None


async def test_sec_A5_a_code_works_once_in_parallel_too(engine: AsyncEngine, here: Here) -> None:
    member = (await sign_up(engine, here)).member
    set_up = Factors(totp=SECRET)
    typed = totp.code(SECRET, int(here.now().timestamp()) // totp.STEP)

    async def attempt() -> bool:
        try:
            async with engine.begin() as conn:
                await factors.check_code(conn, here, member, set_up, typed)
        except NotAllowed:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt() for _ in range(6)))) == 1
    assert not await attempt()
    other = (await sign_up(engine, here, "ben-by-day")).member
    async with engine.begin() as conn:  # the same code of somebody else is another one
        await factors.check_code(conn, here, other, set_up, typed)


async def test_sec_A5_a_refused_step_uses_nothing_up_and_old_ones_go(
    engine: AsyncEngine, here: Here
) -> None:
    async with engine.connect() as conn:
        assert await spent.spend(conn, here, b"x")
        await conn.rollback()
        assert await spent.spend(conn, here, b"x")
        assert not await spent.spend(conn, here, b"x")
        later = Here(here.origin, here.node_key, lambda: here.now() + timedelta(days=1))
        await spent.sweep(conn, later)
        assert not await spent.spend(conn, here, b"x")
        later = Here(here.origin, here.node_key, lambda: here.now() + timedelta(days=2))
        await spent.sweep(conn, later)
        assert await spent.spend(conn, here, b"x")


async def test_sec_A5_a_half_session_opens_no_page_and_is_used_once(
    engine: AsyncEngine, here: Here
) -> None:
    member = (await sign_up(engine, here, roles=frozenset({"administrator"}))).member
    token = await sessions.open_half(engine, here, member)
    word, _, minute = token.partition(".")
    assert await sessions.read(engine, here, word) is None
    cookie = await sessions.open(engine, here, member)
    for odd in (cookie, f"{cookie}.{minute}", f"{word}.{int(minute) + 1}", "", ".", f"{word}.x"):
        assert await sessions.read_half(engine, here, odd) is None
    half = await sessions.read_half(engine, here, token)
    assert half is not None
    assert half.member == member
    late = Here(here.origin, here.node_key, lambda: here.now() + timedelta(minutes=11))
    assert await sessions.read_half(engine, late, token) is None

    async def use() -> bool:
        async with engine.begin() as conn:
            return await sessions.end_half(conn, here, half)

    assert sum(await asyncio.gather(*(use() for _ in range(5)))) == 1
    assert await sessions.read_half(engine, here, token) is None


async def test_sec_A4_a_new_password_ends_the_way_half_in(engine: AsyncEngine, here: Here) -> None:
    member = (await sign_up(engine, here)).member
    token = await sessions.open_half(engine, here, member)
    async with engine.connect() as conn:
        assert await sessions.of_member(conn, here, member) == []  # nobody is signed in by it
    await accounts.change_password(engine, here, member, PASSWORD, PASSWORD, cost=CHEAP)
    assert await sessions.read_half(engine, here, token) is None


async def test_up_to_four_passkeys_and_each_wraps_the_root_key_in_a_place_of_its_own(
    engine: AsyncEngine, here: Here
) -> None:
    member = (await sign_up(engine, here)).member

    async def add(number: int) -> None:
        made = Passkey(id=bytes([number]) * 512, public_key=b"k" * 450)
        async with engine.begin() as conn:
            await factors.add_passkey(conn, here, member, made, bytes([number]) * 32)

    async def opened(number: int) -> bytes | None:
        async with engine.connect() as conn:
            row = await factors._row(conn, here, member, lock=False)
        return factors.unwrap(here, member.account_id, row["passkey_roots"], bytes([number]) * 32)

    for number in range(4):
        await add(number)
    with pytest.raises(NotAllowed):
        await add(4)
    assert {await opened(number) for number in range(4)} == {member.root}
    async with engine.begin() as conn:
        await factors.remove_passkey(conn, here, member, b"\1" * 512)
        await factors.remove_passkey(conn, here, member, b"unknown")
    assert await opened(1) is None
    assert await opened(2) == member.root
    await add(5)
    assert await opened(5) == member.root


async def test_the_recovery_code_takes_every_second_step_away(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here)
    async with engine.begin() as conn:
        await factors.set_totp(conn, here, made.member, SECRET)
        await factors.add_passkey(
            conn, here, made.member, Passkey(id=b"i", public_key=b"k"), b"s" * 32
        )
    assert (await factors.read(engine, here, made.member)).wanted
    await accounts.recover(engine, here, "ana-at-night", made.recovery_code, PASSWORD, cost=CHEAP)
    member = await log_in(engine, here)
    assert await factors.read(engine, here, member) == Factors()
    async with engine.connect() as conn:
        row = await factors._row(conn, here, member, lock=False)
    assert factors.unwrap(here, member.account_id, row["passkey_roots"], b"s" * 32) is None


async def test_bytes_of_before_there_were_factors_are_none(here: Here) -> None:
    made = await accounts.prepare(here, login="ana-at-night", password=PASSWORD, cost=CHEAP)
    member = made.member
    assert not Factors.open(here, member.account_id, member.root, b"r" * 6204).wanted


async def test_sec_A5_challenges_are_ours_for_one_purpose_and_a_while(here: Here) -> None:
    asked = passkeys.challenge(here, "log in")
    passkeys.check_challenge(here, "log in", asked)
    late = Here(here.origin, here.node_key, lambda: here.now() + timedelta(minutes=20))
    for other, purpose, given in (
        (here, "second", asked),
        (here, "log in", asked[:-1]),
        (here, "log in", b""),
        (here, "log in", b"\1" + asked[1:]),
        (late, "log in", asked),
    ):
        with pytest.raises(NotAllowed):
            passkeys.check_challenge(other, purpose, given)


@pytest.mark.parametrize(
    "text",
    ["", "1", "null", "[]", "{}", '{"response": 5, "id": "x"}', "[" * 100_000, "\ud800",
     '{"id": 5, "response": {"clientDataJSON": "e30"}}',
     '{"id":"é","response":{"clientDataJSON":"eA"}}',
     '{"id": "AA", "response": {"clientDataJSON": "W10"}}'],
)  # fmt: skip
def test_sec_A5_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(NotAllowed):
        passkeys.read(text)
    assert passkeys.read_secret(text) is None
