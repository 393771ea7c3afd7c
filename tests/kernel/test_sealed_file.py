"""A sealed stream opens under its passphrase alone, and only whole."""

import io
from collections.abc import Callable

import pytest

from kernel.sealed_file import CHUNK, MAGIC, Damaged, Opener, Sealer, WrongPassphrase, new_key

TEXT = bytes(range(256)) * (CHUNK // 100)  # two whole frames and a bit
HEAD = len(MAGIC) + 32
FRAME = 4 + 12 + 4 + CHUNK + 16  # length, nonce, inner length, a chunk, tag


def sealed(text: bytes, passphrase: str = "a passphrase") -> bytes:
    file = io.BytesIO()
    sealer = Sealer(file, passphrase)
    sealer.write(text[:10])
    sealer.write(text[10:])
    sealer.finish()
    return file.getvalue()


def opened(data: bytes, passphrase: str = "a passphrase") -> bytes:
    opener, found = Opener(io.BytesIO(data), passphrase), b""
    while piece := opener.read(100_000):
        found += piece
    return found


@pytest.fixture(scope="module")
def data() -> bytes:
    return sealed(TEXT)


@pytest.mark.parametrize("text", [b"", b"x", b"y" * CHUNK, b"z" * (CHUNK + 1)])
def test_what_was_sealed_comes_out(text: bytes) -> None:
    assert opened(sealed(text)) == text


def test_another_passphrase_is_told_from_damage(data: bytes) -> None:
    with pytest.raises(WrongPassphrase):
        opened(data, "another")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data[: HEAD + FRAME],  # cut between two frames
        lambda data: data[:HEAD],
        lambda data: data + b"x",
        lambda data: data[:HEAD] + data[HEAD + FRAME :],  # the first frame is left out
        lambda data: data[: HEAD + FRAME] + data[HEAD:],  # and comes twice
        lambda data: data[:-50] + bytes([data[-50] ^ 1]) + data[-49:],
        lambda data: b"hearthold backup 9\n" + data[len(MAGIC) :],
        lambda data: data[:HEAD] + b"\xff\xff\xff\xff" + data[HEAD + 4 :],
        lambda data: b"",
    ],
)
def test_whatever_is_changed_is_noticed(data: bytes, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Damaged):
        opened(change(data))


def test_a_printed_key_may_be_typed_in_any_way() -> None:
    key = new_key()
    assert len(key.replace("-", "")) == 30
    data = sealed(b"words", key)

    assert opened(data, f" {key.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')}\n")
    with pytest.raises(WrongPassphrase):
        opened(data, key[:-1])
