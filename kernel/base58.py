"""Base58 as Bitcoin spells it: what `z` before a key or a proof stands for (multibase)."""

_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def encode(data: bytes) -> str:
    """The letters for `data`; a leading zero byte is a leading `1`."""
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _LETTERS[digit] + digits
    zeros = len(data) - len(data.lstrip(b"\0"))
    return _LETTERS[0] * zeros + digits


def decode(text: str) -> bytes:
    """What `encode` was given; nothing where a letter is none of these.

    The time it takes grows with the square of the length: callers bound it.
    """
    number = 0
    for letter in text:
        digit = _LETTERS.find(letter)
        if digit < 0:
            return b""
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip(_LETTERS[0]))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
