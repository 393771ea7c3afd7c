"""Passwords, recovery codes and what derives from the root key."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import utcnow
from kernel.errors import Busy, Malformed
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.sealing import NodeKey, Unsealable, derive, derive_many
from members import vault
from members.vault import Wrapper, check_password, new_code, persona_id, read_code, stretch
from tests.members.people import CHEAP

SALT = bytes(16)
NOWHERE = Here(origin="http://nowhere.test", node_key=NodeKey(bytes(32)), clock=utcnow)


@pytest.fixture
def other(here: Here, tmp_path: Path) -> Here:
    """The same node with another key."""
    return replace(here, node_key=NodeKey.load(tmp_path / "other.key"))


async def test_the_same_password_stretches_to_the_same_wrapper(here: Here) -> None:
    first = await stretch(here, "café au lait", SALT, CHEAP)
    assert first == await stretch(here, "cafe\u0301 au lait", SALT, CHEAP)  # NFKC
    assert first != await stretch(here, "cafe au lait", SALT, CHEAP)
    assert first != await stretch(here, "café au lait", b"1" * 16, CHEAP)


async def test_a_stolen_database_has_nothing_to_guess_against(here: Here, other: Here) -> None:
    ours = await stretch(here, "café au lait", SALT, CHEAP)
    theirs = await stretch(other, "café au lait", SALT, CHEAP)
    assert not theirs.fits(ours.verifier)


async def test_the_advised_cost_is_what_the_design_asks_and_it_works(here: Here) -> None:
    assert (vault.ADVISED.memory, vault.ADVISED.passes) == (64 * 1024, 3)
    wrapper = await stretch(here, "café au lait", SALT, vault.ADVISED)
    assert len(wrapper.proof) == len(wrapper.key) == 32
    assert wrapper.proof != wrapper.key
    assert wrapper != await stretch(here, "café au lait", SALT, CHEAP)


def test_a_root_key_opens_with_its_own_wrapper_and_account_only() -> None:
    wrapper, other = Wrapper.of(bytes(64)), Wrapper.of(b"1" * 64)
    account = random_uuid()
    wrapped = wrapper.wrap(b"r" * 32, account)
    assert wrapper.unwrap(wrapped, account) == b"r" * 32
    for key, owner in ((other, account), (wrapper, random_uuid())):
        with pytest.raises(Unsealable):
            key.unwrap(wrapped, owner)


@pytest.mark.parametrize("password", ["short pw!", "x" * 1025, "é" * 513])
def test_sec_A16_passwords_outside_the_limits_are_refused_before_hashing(password: str) -> None:
    with pytest.raises(Malformed):
        check_password(password)


@pytest.mark.parametrize("password", ["a river or", "a river " * 128, "\ud800\ud801 by the sea"])
def test_sec_A16_passwords_at_the_limits_pass(password: str) -> None:
    check_password(password)
    assert not vault.is_too_long(password)


def test_a_recovery_code_has_at_least_120_bits_and_no_letters_to_mistake() -> None:
    code = new_code()
    letters = code.replace("-", "")
    assert len(letters) * 5 >= 120
    assert not set(letters) & set("ILOU")
    assert [len(group) for group in code.split("-")] == [5] * 5
    assert new_code() != code


def test_a_recovery_code_is_read_as_people_type_it(here: Here) -> None:
    written = read_code(here, "01ABC-2DEFG-3HJKM-4NPQR-5STVW")
    for typed in (
        "01abc-2defg-3hjkm-4npqr-5stvw",
        " 01ABC 2DEFG 3HJKM 4NPQR 5STVW\n",
        "oiabc2defg3hjkm4npqr5stvw",
        "OlABC–2DEFG—3HJKM.4NPQR.5STVW",
    ):
        assert read_code(here, typed) == written
    assert read_code(here, "01ABC-2DEFG-3HJKM-4NPQR-5STVX") != written


@given(st.text(max_size=300))
def test_any_text_reads_as_a_code_that_fits_nothing(typed: str) -> None:
    from_text = Wrapper.of(bytes(64)).verifier
    assert not read_code(NOWHERE, typed).fits(from_text)


def test_persona_ids_are_stable_distinct_and_look_random() -> None:
    root = b"r" * 32
    found = [persona_id(root, n, one_time=kind) for kind in (True, False) for n in range(50)]
    assert len(set(found)) == 100
    assert found[50] == persona_id(root, 0, one_time=False)
    assert {each.version for each in found} == {4}


def test_deriving_many_keys_is_deriving_each() -> None:
    root, labels = b"r" * 32, [f"persona/{n}" for n in range(40)]
    assert derive_many(root, labels, 16) == [derive(root, label, 16) for label in labels]
    assert derive_many(root, labels) == [derive(root, label) for label in labels]


async def test_many_at_once_wait_and_too_many_are_told_to_come_back() -> None:
    pool = vault._BoundedPool(threads=2, queue=3)
    go, entered, lock, inside, most = (
        threading.Event(),
        threading.Semaphore(0),
        threading.Lock(),
        0,
        0,
    )

    def work() -> str:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        entered.release()
        go.wait(10)
        with lock:
            inside -= 1
        return "done"

    waiting = [asyncio.create_task(pool.run(work)) for _ in range(5)]
    await asyncio.sleep(0)  # every task has asked for its place
    with pytest.raises(Busy) as refused:
        await pool.run(work)
    assert refused.value.retry_after
    for _ in range(2):
        await asyncio.to_thread(entered.acquire)
    go.set()
    assert await asyncio.gather(*waiting) == ["done"] * 5
    assert most == 2
    assert await pool.run(lambda: "free again") == "free again"
