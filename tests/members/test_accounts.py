"""Accounts: logging in, and coming back with a new password or the printed code (DESIGN-V4)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.errors import Conflict, Malformed, NotAllowed, NotFound, Problem
from kernel.here import Here
from kernel.release import Timing
from kernel.schema.accounts import AccountState
from kernel.schema.tables import accounts as table
from kernel.sealing import NodeKey
from members import accounts, approval, departures, invitations, personas, sessions
from members.member import Preferences, Theme
from members.vault import Cost, Wrapper, stretch
from tests.members.people import CHEAP, PASSWORD, keys, log_in, persona, sign_up

NEW = "nine tall green bottles"
ADMINISTRATOR = frozenset({"administrator"})


async def test_a_member_logs_in_and_holds_the_same_root_key_and_roles(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here, roles=ADMINISTRATOR)
    member = await log_in(engine, here, "  ANA-at-Night ")
    assert member == made.member
    assert member.roles == {"administrator"}
    assert made.recovery_code not in repr(made)
    assert member.root.hex() not in repr(member)


async def refusal(attempt: Awaitable[object]) -> Problem:
    with pytest.raises(NotAllowed) as refused:
        await attempt
    return refused.value


async def test_sec_A11_wrong_password_and_unknown_name_are_one_answer_and_one_effort(
    engine: AsyncEngine, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_up(engine, here)
    efforts = count_stretches(monkeypatch)
    wrong = await refusal(log_in(engine, here, password=NEW))
    unknown = await refusal(log_in(engine, here, "nobody-here"))
    odd = await refusal(log_in(engine, here, "\ud800\0"))
    assert wrong.detail == unknown.detail == odd.detail
    assert efforts == [NEW, PASSWORD, PASSWORD]


async def test_sec_A16_an_endless_password_costs_nothing(
    engine: AsyncEngine, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await sign_up(engine, here)
    efforts = count_stretches(monkeypatch)
    await refusal(log_in(engine, here, password="x" * 200_000))
    await refusal(accounts.change_password(engine, here, made.member, "x" * 2000, NEW, cost=CHEAP))
    assert efforts == []


def count_stretches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that cost an argon2id from now on, as they come."""
    seen: list[str] = []

    async def counted(here: Here, password: str, salt: bytes, cost: Cost) -> Wrapper:
        seen.append(password)
        return await stretch(here, password, salt, cost)

    monkeypatch.setattr("members.accounts.stretch", counted)
    return seen


@pytest.mark.parametrize("login", ["", "ab", "x" * 65, "two words", "tab\tbed", "bell\x07bell"])
async def test_odd_login_names_are_refused(here: Here, login: str) -> None:
    with pytest.raises(Malformed):
        await accounts.prepare(here, login=login, password=PASSWORD, cost=CHEAP)


async def test_a_login_name_is_taken_in_any_spelling(engine: AsyncEngine, here: Here) -> None:
    await sign_up(engine, here, "ana-at-night")
    with pytest.raises(Conflict):
        await sign_up(engine, here, "ANA-at-\uff4eight")  # a wide n


async def test_another_node_key_opens_nothing(
    engine: AsyncEngine, here: Here, tmp_path: Path
) -> None:
    await sign_up(engine, here)
    thief = replace(here, node_key=NodeKey.load(tmp_path / "other.key"))
    await refusal(log_in(engine, thief))


async def test_sec_A4_a_password_change_wraps_anew_and_ends_every_session(
    engine: AsyncEngine, here: Here
) -> None:
    """SEC-U9."""
    made = await sign_up(engine, here)
    other = await sign_up(engine, here, "ben-by-day")
    cookies = [await sessions.open(engine, here, made.member) for _ in range(2)]
    kept = await sessions.open(engine, here, other.member)
    me = await persona(engine, here, made.member, "ana")

    await accounts.change_password(engine, here, made.member, PASSWORD, NEW, cost=CHEAP)

    await refusal(log_in(engine, here))
    member = await log_in(engine, here, password=NEW)
    assert member == made.member
    async with engine.connect() as conn:
        assert await personas.ids(conn, member) == (me.id,)
    assert [await sessions.read(engine, here, cookie) for cookie in cookies] == [None, None]
    assert await sessions.read(engine, here, kept) is not None


async def test_a_password_change_asks_for_the_old_one(engine: AsyncEngine, here: Here) -> None:
    made = await sign_up(engine, here)
    await refusal(accounts.change_password(engine, here, made.member, NEW, NEW, cost=CHEAP))
    with pytest.raises(Malformed):
        await accounts.change_password(engine, here, made.member, PASSWORD, "short", cost=CHEAP)
    assert await log_in(engine, here) == made.member


async def test_the_recovery_code_restores_once_and_gives_the_next_one(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here, roles=ADMINISTRATOR)
    cookie = await sessions.open(engine, here, made.member)
    typed = made.recovery_code.lower().replace("-", " ")

    member, code = await accounts.recover(engine, here, "ana-at-night", typed, NEW, cost=CHEAP)

    assert member == made.member
    assert await sessions.read(engine, here, cookie) is None
    assert await log_in(engine, here, password=NEW) == member
    await refusal(log_in(engine, here))
    again = accounts.recover(engine, here, "ana-at-night", typed, PASSWORD, cost=CHEAP)
    await refusal(again)
    member, _ = await accounts.recover(engine, here, "ana-at-night", code, PASSWORD, cost=CHEAP)
    assert member == made.member


async def test_a_wrong_code_and_an_unknown_name_are_one_answer(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here)
    other = await sign_up(engine, here, "ben-by-day")

    def recover(login: str, code: str) -> Awaitable[object]:
        return accounts.recover(engine, here, login, code, NEW, cost=CHEAP)

    answers = {
        (await refusal(recover("ana-at-night", other.recovery_code))).detail,
        (await refusal(recover("nobody-here", made.recovery_code))).detail,
        (await refusal(recover("ana-at-night", ""))).detail,
    }
    assert len(answers) == 1
    assert await log_in(engine, here) == made.member


async def test_sec_A5_a_recovery_code_works_once_in_parallel_too(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here)

    def attempt(number: int) -> Awaitable[object]:
        return accounts.recover(
            engine, here, "ana-at-night", made.recovery_code, f"{NEW} {number}", cost=CHEAP
        )

    results = await asyncio.gather(*map(attempt, range(4)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Conflict | NotAllowed)]
    assert len(refused) == 3


async def test_who_waits_is_told_so_after_the_right_password_only(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here, state=AccountState.WAITING, request="I sleep badly.")
    wrong = await refusal(log_in(engine, here, password=NEW))
    right = await refusal(log_in(engine, here))
    assert right.detail != wrong.detail
    await refusal(
        accounts.recover(engine, here, "ana-at-night", made.recovery_code, NEW, cost=CHEAP)
    )
    async with engine.begin() as conn:
        [asks] = await approval.waiting(conn, here)
        assert (asks.id, asks.request) == (made.member.account_id, "I sleep badly.")
        await approval.approve(conn, here, asks.id)
        assert await approval.waiting(conn, here) == []
    assert await log_in(engine, here) == made.member


async def test_a_declined_request_leaves_nothing(engine: AsyncEngine, here: Here) -> None:
    made = await sign_up(engine, here, state=AccountState.WAITING, request="Please.")
    async with engine.begin() as conn:
        await approval.decline(conn, here, made.member.account_id)
        assert await conn.scalar(sa.select(sa.func.count()).select_from(table)) == 0


@pytest.mark.parametrize("answer", [approval.approve, approval.decline])
async def test_an_account_that_does_not_wait_cannot_be_answered(
    engine: AsyncEngine, here: Here, answer: Callable[..., Awaitable[None]]
) -> None:
    made = await sign_up(engine, here)
    async with engine.begin() as conn:
        with pytest.raises(NotFound):
            await answer(conn, here, made.member.account_id)
    assert await log_in(engine, here) == made.member


async def test_a_request_longer_than_its_place_is_refused(engine: AsyncEngine, here: Here) -> None:
    await sign_up(engine, here, "just-fits", request="x" * 2044)
    with pytest.raises(Malformed):
        await sign_up(engine, here, request="x" * 2045)


def _speaking(languages: tuple[str, ...]) -> Callable[[Preferences], Preferences]:
    return lambda liked: replace(liked, languages=languages)


async def test_preferences_are_kept_and_change_nothing_else(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here, roles=ADMINISTRATOR)
    wanted = Preferences(theme=Theme.DARK, languages=("de", "pt-BR"))
    async with engine.begin() as conn:
        assert await accounts.preferences(conn, here, made.member) == Preferences()
        await accounts.save_preferences(conn, here, made.member, lambda _: wanted)
    async with engine.begin() as conn:
        assert await accounts.preferences(conn, here, made.member) == wanted
        for wrong in map(_speaking, (("no language",), ("de",) * 31)):
            with pytest.raises(Malformed):
                await accounts.save_preferences(conn, here, made.member, wrong)
    assert (await log_in(engine, here)).roles == {"administrator"}


async def test_two_settings_saved_at_once_are_both_kept(engine: AsyncEngine, here: Here) -> None:
    made = await sign_up(engine, here)

    async def save(edit: Callable[[Preferences], Preferences]) -> Preferences:
        async with engine.begin() as conn:
            return await accounts.save_preferences(conn, here, made.member, edit)

    for languages, undo in ((("de",), 1), (("es",), 2), (("fr",), 3)):
        saved = await asyncio.gather(save(_speaking(languages)), save(_undone(undo)))
        async with engine.connect() as conn:
            liked = await accounts.preferences(conn, here, made.member)
        assert (liked.languages, liked.timing.undo) == (languages, undo)
        assert liked in saved


def _undone(undo: int) -> Callable[[Preferences], Preferences]:
    return lambda liked: replace(liked, timing=Timing(undo=undo))


async def test_a_handle_is_compared_with_the_members_own_login_name(
    engine: AsyncEngine, here: Here
) -> None:
    ana = await sign_up(engine, here, "ana_k")
    ben = await sign_up(engine, here, "ben_k")
    assert await accounts.handle_is_login(engine, here, ana.member, "Ana_K")
    assert not await accounts.handle_is_login(engine, here, ana.member, "ana_l")
    assert not await accounts.handle_is_login(engine, here, ben.member, "ana_k")


async def test_closing_takes_the_account_at_once_and_each_persona_on_its_own_day(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here)
    other = await sign_up(engine, here, "ben-by-day")
    mine = {(await persona(engine, here, made.member, f"ana{n}")).id for n in range(6)}
    await persona(engine, here, other.member, "ben")
    async with engine.begin() as conn:
        once = await personas.create_one_time(
            conn, here, made.member, keys=keys(), throttle=personas.one_time_throttle(here.clock)
        )
    cookie = await sessions.open(engine, here, made.member)

    await refusal(accounts.close(engine, here, made.member, NEW, cost=CHEAP))
    assert await sessions.read(engine, here, cookie) is not None
    await accounts.close(engine, here, made.member, PASSWORD, cost=CHEAP)

    assert await sessions.read(engine, here, cookie) is None
    await refusal(log_in(engine, here))
    async with engine.connect() as conn:
        leaving = await departures.waiting(conn, here)
    assert {persona_id for _, persona_id, _ in leaving} == mine | {once.id}
    now = here.now()
    waits = [(when - now).total_seconds() / 86400 for _, _, when in leaving]
    assert all(0.99 < wait <= 14 for wait in waits)
    assert len({when for _, _, when in leaving}) > 1
    with pytest.raises(NotFound):
        await accounts.close(engine, here, made.member, PASSWORD, cost=CHEAP)
    assert (await log_in(engine, here, "ben-by-day")) == other.member


async def test_an_invitation_works_as_often_as_it_says(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        secret = await invitations.create(conn, uses=2, grants=ADMINISTRATOR)
        assert await invitations.look(conn, secret) == ADMINISTRATOR
        assert await invitations.redeem(conn, secret) == ADMINISTRATOR
        assert await invitations.redeem(conn, secret) == ADMINISTRATOR
        assert await invitations.look(conn, secret) is None
        for token in (secret, "", "\ud800"):
            with pytest.raises(NotFound):
                await invitations.redeem(conn, token)
        for uses in (0, 1001):
            with pytest.raises(Malformed):
                await invitations.create(conn, uses=uses)


async def test_one_use_lets_one_person_in_when_many_come_at_once(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        secret = await invitations.create(conn, uses=1)

    async def redeem() -> frozenset[str]:
        async with engine.begin() as conn:
            return await invitations.redeem(conn, secret)

    results = await asyncio.gather(*(redeem() for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, NotFound) for result in results) == 3
