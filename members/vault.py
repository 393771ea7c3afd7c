"""A member's root key: made once, wrapped by the password and by the recovery code (DESIGN-V4).

Everything else of a member derives from it: the ids of personas, the seal of the account's blob,
the tag of the sessions. It is in memory while a member is signed in and never stored in the clear.
"""

import asyncio
import hmac
import secrets
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Self, TypeVar
from uuid import UUID

from argon2.low_level import Type, hash_secret_raw

from kernel.errors import Busy, Malformed
from kernel.here import Here
from kernel.ids import random_uuid
from kernel.said import said
from kernel.sealing import KEY_BYTES, derive, derive_many, digest, mac, seal, unseal
from members.common_passwords import is_common

MIN_PASSWORD: Final = 10
MAX_PASSWORD: Final = 1024  # bytes, measured before anything is computed (SEC-A16)
SALT_BYTES: Final = 16
SESSION_TAGS: Final = 256

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
_READ_AS = str.maketrans("ILO", "110")
CODE_LETTERS: Final = 25  # of 5 bits each: 125
_GROUP = 5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one guess at a password costs: `memory` in KiB, and argon2id passes over it."""

    memory: int = 64 * 1024
    passes: int = 3


ADVISED: Final = Cost()


class _BoundedPool:
    """A few threads and a short queue before them: each stretch needs 64 MiB."""

    def __init__(self, *, threads: int, queue: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="stretch")
        self._room = threading.BoundedSemaphore(threads + queue)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Raises Busy: the queue is full."""
        if not self._room.acquire(blocking=False):
            raise Busy("Many people are coming in right now. Please try again.", retry_after=5)
        future = self._threads.submit(work)
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, _: "Future[_T]") -> None:
        self._room.release()


_pool = _BoundedPool(threads=2, queue=16)  # memory is the host's, so nodes of one process share it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """What a password or a recovery code turns into: a proof, and a key that wraps the root."""

    proof: bytes = field(repr=False)
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, stretched: bytes) -> Self:
        """From 64 bytes."""
        return cls(proof=stretched[:KEY_BYTES], key=stretched[KEY_BYTES:])

    @property
    def verifier(self) -> bytes:
        """What is stored of the proof."""
        return digest(self.proof)

    def fits(self, verifier: bytes) -> bool:
        """Whether the proof is the one behind `verifier`, in constant time (SEC-A12)."""
        return hmac.compare_digest(self.verifier, verifier)

    def wrap(self, root: bytes, account_id: UUID) -> bytes:
        """The root key, readable with this key alone: 64 bytes."""
        return seal(self.key, root, f"root of {account_id}")

    def unwrap(self, wrapped: bytes, account_id: UUID) -> bytes:
        """The root key. Raises Unsealable: wrapped by something else."""
        return unseal(self.key, wrapped, f"root of {account_id}")


def check_password(password: str, login: str = "") -> None:
    """Raises Malformed: too short, too long or too well-known (SEC-A16), and what to do."""
    size = len(_encode(password))
    if size > MAX_PASSWORD:
        raise Malformed("That password is very long. Please choose one that fits on a page.")
    if size < MIN_PASSWORD:
        raise Malformed(
            said(
                "Please choose a longer password: {limit} letters or more. A few words in a row "
                "are easy to remember.",
                limit=MIN_PASSWORD,
            )
        )
    if is_common(password, login):
        raise Malformed(
            "Many people try that password first, so it is easy to guess. "
            "A few words that nobody else would put in a row are better."
        )


def is_too_long(password: str) -> bool:
    """Whether it cannot be anybody's password, so that nothing needs to be computed."""
    return len(password) > MAX_PASSWORD or len(_encode(password)) > MAX_PASSWORD


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


async def stretch(here: Here, password: str, salt: bytes, cost: Cost) -> Wrapper:
    """HMAC with the node key, then argon2id, in a thread. Raises Busy: too many at once."""
    message = _encode(unicodedata.normalize("NFKC", password))
    secret = mac(here.node_key.derive("passwords"), "password", message)

    def work() -> bytes:
        return hash_secret_raw(
            secret,
            salt,
            time_cost=cost.passes,
            memory_cost=cost.memory,
            parallelism=1,
            hash_len=2 * KEY_BYTES,
            type=Type.ID,
        )

    return Wrapper.of(await _pool.run(work))


def new_code() -> str:
    """A recovery code for a printed sheet: `7G2KM-…`, 125 random bits in five groups of five."""
    return spelled(secrets.randbits(5 * CODE_LETTERS))


def closing_code(here: Here, persona_id: UUID) -> str:
    """What closes a persona without logging in, for a printed sheet; it looks like a recovery code.

    The node key and the persona's id make it, so nothing is stored for it (DESIGN-V4).
    """
    made = mac(here.node_key.derive("closing codes"), "closing code", persona_id.bytes)
    return spelled(int.from_bytes(made, "big") & ((1 << 5 * CODE_LETTERS) - 1))


def closes(here: Here, persona_id: UUID, code: str) -> bool:
    """Whether `code`, as people type it, closes the persona; in constant time (SEC-A12)."""
    wanted = letters_of(closing_code(here, persona_id))
    return hmac.compare_digest(_encode(letters_of(code)), _encode(wanted))


def spelled(number: int) -> str:
    """125 bits as a code in five groups of five letters."""
    letters = "".join(
        _ALPHABET[number >> 5 * place & 31] for place in reversed(range(CODE_LETTERS))
    )
    return "-".join(letters[at : at + _GROUP] for at in range(0, CODE_LETTERS, _GROUP))


def letters_of(code: str) -> str:
    """A code as people type it: case, spaces and dashes do not matter, O is 0, I and L are 1."""
    letters = "".join(letter for letter in code[:200].upper() if letter.isalnum())
    return letters.translate(_READ_AS)


def read_code(here: Here, code: str) -> Wrapper:
    """A recovery code as people type it (`letters_of`).

    It is random already, so deriving is enough. A code nobody has gives a wrapper that fits
    nothing.
    """
    secret = here.node_key.derive("recovery codes") + _encode(letters_of(code))
    return Wrapper.of(derive(secret, "recovery code", 2 * KEY_BYTES))


def passkey_wrapper(here: Here, secret: bytes) -> Wrapper:
    """What the 32 bytes that a passkey makes for us (WebAuthn's PRF) turn into."""
    key = here.node_key.derive("passkeys") + secret
    return Wrapper.of(derive(key, "passkey", 2 * KEY_BYTES))


def persona_id(root: bytes, index: int, *, one_time: bool) -> UUID:
    """The id of a member's persona number `index`; it looks like any other random id."""
    (made,) = persona_ids(root, index, 1, one_time=one_time)
    return made


def persona_ids(root: bytes, first: int, count: int, *, one_time: bool) -> list[UUID]:
    """The ids of `count` personas in a row."""
    label = "one-time persona" if one_time else "persona"
    labels = [f"{label}/{index}" for index in range(first, first + count)]
    return [random_uuid(seed) for seed in derive_many(root, labels, 16)]


def session_tags(root: bytes, *, half: bool = False) -> list[bytes]:
    """What a member's sessions can carry, so that they are found and can end together.

    Each has one of these by chance: rows with the same one would show how many somebody has, day
    after day. `half`: of those who still have a second step to go. The first one is for sessions
    from before there were several.
    """
    label = "half sessions" if half else "sessions"
    return derive_many(root, [label, *(f"{label}/{n}" for n in range(SESSION_TAGS))], KEY_BYTES)
