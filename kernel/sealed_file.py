"""A long stream sealed under a passphrase, a megabyte at a time, so that memory stays flat.

    magic, version     "hearthold backup 1" and a line feed
    salt               16 random bytes
    check              16 bytes that only the right passphrase makes: tells it from altered bytes
    frames             length (4 bytes), then a chunk as `kernel.sealing` seals it

The key is argon2id's, of a cost that belongs to the version, so that no file can ask for more. A
frame is bound to its number and to whether it is the last: none can be left out, moved, put into
another file or cut off at the end without being noticed.
"""

import hmac
import re
import secrets
import unicodedata
from typing import BinaryIO, Final

from argon2.low_level import Type, hash_secret_raw

from kernel.sealing import KEY_BYTES, Unsealable, derive, seal, unseal

MAGIC: Final = b"hearthold backup 1\n"
CHUNK: Final = 1024 * 1024

_SALT = 16
_CHECK = 16
_LENGTH = 4
_MAX_FRAME = CHUNK + 64  # a chunk and what sealing adds
_MEMORY = 128 * 1024  # KiB
_PASSES = 4

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
_LETTERS = 30  # of 5 bits each: 150
_GROUP = 5
_READ_AS = str.maketrans("ILO", "110")


class WrongPassphrase(Exception):
    """The file was sealed under another passphrase."""


class Damaged(Exception):
    """The file is not as it was written: bytes are missing, altered, or too many."""


def new_key() -> str:
    """A random passphrase to print: 150 bits as `7G2KM-…`, six groups of five."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


def is_sealed(file: BinaryIO) -> bool:
    """Whether a sealed stream begins at the start of `file`, which is read from there again."""
    file.seek(0)
    begins = file.read(len(MAGIC)) == MAGIC
    file.seek(0)
    return begins


def _stretch(passphrase: str, salt: bytes) -> bytes:
    stretched = hash_secret_raw(
        _as_made(passphrase).encode(errors="surrogatepass"),
        salt,
        time_cost=_PASSES,
        memory_cost=_MEMORY,
        parallelism=1,
        hash_len=KEY_BYTES,
        type=Type.ID,
    )
    return derive(stretched, MAGIC.decode().strip())


def _as_made(passphrase: str) -> str:
    """A passphrase in one spelling; in a `new_key`, case and dashes do not matter, O is 0, I is 1.

    Any other passphrase keeps its letters.
    """
    text = unicodedata.normalize("NFKC", passphrase).strip()
    letters = re.sub(r"[\s-]", "", text).upper().translate(_READ_AS)
    is_key = len(letters) == _LETTERS and not set(letters) - set(_ALPHABET)
    return letters if is_key else text


def _check(key: bytes) -> bytes:
    return derive(key, "check", _CHECK)


def _context(number: int, *, last: bool) -> str:
    return f"backup frame {number} {'last' if last else 'more'}"


class Sealer:
    """Writes a sealed stream to `file`; it is whole once `finish` returned."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        salt = secrets.token_bytes(_SALT)
        self._file, self._key = file, _stretch(passphrase, salt)
        self._waiting, self._number = bytearray(), 0
        file.write(MAGIC + salt + _check(self._key))

    def write(self, data: bytes) -> int:
        """Seal `data` when there is a chunk of it."""
        self._waiting += data
        while len(self._waiting) > CHUNK:  # the last frame is never empty, save in an empty stream
            self._put(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """Seal what is left, and that it is the end."""
        self._put(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        sealed = seal(self._key, chunk, _context(self._number, last=last))
        self._file.write(len(sealed).to_bytes(_LENGTH, "big") + sealed)
        self._number += 1


class Opener:
    """Reads what a `Sealer` wrote; nothing comes out that was not proven whole.

    Raises WrongPassphrase, Damaged.
    """

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        header = file.read(len(MAGIC) + _SALT + _CHECK)
        salt, check = header[len(MAGIC) : -_CHECK], header[-_CHECK:]
        if not header.startswith(MAGIC) or len(salt) != _SALT:
            raise Damaged
        self._file, self._key = file, _stretch(passphrase, salt)
        if not hmac.compare_digest(check, _check(self._key)):
            raise WrongPassphrase
        self._ready, self._number, self._ended = bytearray(), 0, False

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end. Raises Damaged."""
        while len(self._ready) < size and not self._ended:
            self._ready += self._next()
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data

    def _next(self) -> bytes:
        length = int.from_bytes(self._file.read(_LENGTH), "big")
        if not 0 < length <= _MAX_FRAME:
            raise Damaged
        sealed = self._file.read(length)
        for last in (False, True):
            try:
                chunk = unseal(self._key, sealed, _context(self._number, last=last))
            except Unsealable:
                continue
            self._number += 1
            self._ended = last
            if last and self._file.read(1):
                raise Damaged
            return chunk
        raise Damaged
