"""What a member would rather not read, in the blob (SEC-U8, SEC-U14)."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from kernel.errors import Malformed, NotAllowed
from kernel.here import Here
from kernel.ids import LAST_ID, first_of_minute, released, within_minute
from kernel.schema.accounts import AccountState
from members import accounts, sessions
from members.member import Blob, Preferences
from members.quiet import (
    MAX_PEOPLE,
    MAX_SERVERS,
    MAX_THREADS,
    MAX_WORD,
    MAX_WORDS,
    OPEN,
    Person,
    Quiet,
    Sieve,
    Thread,
    Why,
)
from members.seen import MAX_ALSO, MAX_VOTED, Seen
from tests.members.people import sign_up

DAY = date(2026, 3, 1)
ONE, TWO = UUID(int=1), UUID(int=2)


def test_people_are_folded_or_hidden_up_to_a_day() -> None:
    quiet = Quiet().with_person(Person(id=ONE, blocked=False, until=DAY))
    quiet = quiet.with_person(Person(id=TWO, blocked=True))
    assert Sieve(quiet, DAY).author(ONE, "a.test") is Why.MUTED
    assert Sieve(quiet, DAY + timedelta(days=1)).author(ONE, "a.test") is None
    assert Sieve(quiet, DAY + timedelta(days=999)).author(TWO, "a.test") is Why.BLOCKED
    again = quiet.with_person(Person(id=ONE, blocked=True))
    assert Sieve(again, DAY).author(ONE, "a.test") is Why.BLOCKED
    assert Sieve(again.without("person", str(ONE)), DAY).author(ONE, "a.test") is None


def test_a_server_is_hidden_with_all_below_it_and_nothing_beside() -> None:
    sieve = Sieve(Quiet().with_server(" https://Bad.Example/ "), DAY)
    assert sieve.author(ONE, "bad.example") is Why.SERVER
    assert sieve.author(ONE, "deep.bad.example:8443") is Why.SERVER
    assert sieve.author(ONE, "notbad.example") is None
    for name in ("", "a b", "localhost", "-x.example", "x" * 90 + ".example"):
        with pytest.raises(Malformed):
            Quiet().with_server(name)


def test_a_mute_shows_nobody_of_a_server_that_is_hidden() -> None:
    quiet = Quiet().with_server("bad.example")
    quiet = quiet.with_person(Person(id=ONE, blocked=False))
    quiet = quiet.with_person(Person(id=TWO, blocked=True))
    sieve = Sieve(quiet, DAY)
    assert sieve.author(ONE, "bad.example") is Why.SERVER
    assert sieve.author(ONE, "good.example") is Why.MUTED
    assert sieve.author(TWO, "bad.example") is Why.BLOCKED


def test_words_are_whole_and_spelled_in_any_case() -> None:
    sieve = Sieve(Quiet().with_word("Straße").with_word("diet  plan").with_word("c++"), DAY)
    assert sieve.words("", "my DIET PLAN!") is Why.WORD
    assert sieve.words("strasse") is Why.WORD
    assert sieve.words("I write C++.") is Why.WORD
    assert sieve.words("dieting plans", "strassen") is None
    for word in ("", "   ", "x" * (MAX_WORD + 1)):
        with pytest.raises(Malformed):
            Quiet().with_word(word)
    assert OPEN.empty
    assert OPEN.words("anything") is None


def test_threads_are_muted_and_lists_are_full_at_their_limits() -> None:
    quiet = Quiet()
    for number in range(MAX_THREADS):
        quiet = quiet.with_thread(Thread(id=number, until=DAY))
    assert Sieve(quiet, DAY).thread(3)
    assert not Sieve(quiet, DAY + timedelta(days=1)).thread(3)
    with pytest.raises(NotAllowed):
        quiet.with_thread(Thread(id=MAX_THREADS))
    quiet = Quiet(people=tuple(Person(id=UUID(int=n), blocked=True) for n in range(MAX_PEOPLE)))
    with pytest.raises(NotAllowed):
        quiet.with_person(Person(id=UUID(int=999), blocked=True))
    assert len(quiet.with_person(Person(id=ONE, blocked=False)).people) == MAX_PEOPLE
    for most, add in ((MAX_SERVERS, Quiet.with_server), (MAX_WORDS, Quiet.with_word)):
        quiet = Quiet()
        for number in range(most):
            quiet = add(quiet, f"s{number}.example")
        with pytest.raises(NotAllowed):
            add(quiet, "one.more.example")


def test_sec_U14_seen_holds_what_a_page_showed_and_not_what_came_after_it() -> None:
    seen = Seen(before=100, also=(105,))
    assert seen.holds(99)
    assert seen.holds(105)
    assert not seen.holds(104)
    assert seen.up_to(90, [91]) == (100, (105,))  # an older page takes nothing back
    assert seen.up_to(LAST_ID + 1, []) == (100, (105,))
    assert seen.up_to(100, [107]) == (100, (107, 105))
    assert len(seen.up_to(101, range(101, 999))[1]) == MAX_ALSO
    for number in range(MAX_VOTED + 5):
        seen = replace(seen, voted=seen.with_vote(ONE, number))
    assert len(seen.voted) == MAX_VOTED
    assert seen.voted[-1] == (ONE, MAX_VOTED + 4)


def test_sec_U10_ids_of_notices_tell_the_minute_and_no_more(here: Here) -> None:
    now = here.now()
    ids = [within_minute(now) for _ in range(500)]
    assert {released(each) for each in ids} == {now.replace(second=0, microsecond=0)}
    assert len(set(ids)) == len(ids)
    assert sorted(ids) != ids
    assert all(first_of_minute(now) <= each < first_of_minute(now + timedelta(minutes=1))
               for each in ids)  # fmt: skip


async def test_the_blob_keeps_everything_and_says_when_it_is_full(
    engine: AsyncEngine, here: Here
) -> None:
    made = await sign_up(engine, here, state=AccountState.ACTIVE)
    quiet = Quiet(
        people=(Person(id=ONE, blocked=True), Person(id=TWO, blocked=False, until=DAY)),
        threads=(Thread(id=LAST_ID, until=DAY), Thread(id=7)),
        servers=("bad.example",),
        words=("ünüsual “words”",),
    )
    seen = Seen(before=5, also=(8, 7), voted=((TWO, 9),))
    cookie = await sessions.open(engine, here, made.member)
    async with engine.begin() as conn:
        await accounts.change(
            conn, here, made.member, lambda blob: replace(blob, quiet=quiet, seen=seen)
        )
        await accounts.save_preferences(
            conn, here, made.member, lambda _: Preferences(languages=("de",))
        )
    session = await sessions.read(engine, here, cookie)
    assert session is not None
    assert (session.quiet, session.seen) == (quiet, seen)

    full = replace(quiet, words=tuple("💧" * 40 + str(n) for n in range(200)))
    with pytest.raises(NotAllowed, match="no more room"):
        async with engine.begin() as conn:
            await accounts.change(conn, here, made.member, lambda blob: replace(blob, quiet=full))


def test_the_longest_lists_fit() -> None:
    """Everything at its limit has room in the blob, beside the languages."""
    quiet = Quiet(
        people=tuple(
            Person(id=UUID(int=2**127 + n), blocked=False, until=date.max)
            for n in range(MAX_PEOPLE)
        ),
        threads=tuple(Thread(id=LAST_ID - n, until=date.max) for n in range(MAX_THREADS)),
        servers=tuple(f"{n:02}{'a' * 70}.example" for n in range(MAX_SERVERS)),
        words=tuple("ß" * (MAX_WORD - 2) + f"{n:02}" for n in range(MAX_WORDS)),
    )
    seen = Seen(
        before=LAST_ID,
        also=tuple(LAST_ID - n for n in range(MAX_ALSO)),
        voted=tuple((UUID(int=2**127), LAST_ID - n) for n in range(MAX_VOTED)),
    )
    languages = tuple(["zh-Hant-HK"] * 30)
    blob = Blob(preferences=Preferences(languages=languages), quiet=quiet, seen=seen)
    assert len(blob.text()) < 15_000
