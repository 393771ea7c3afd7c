"""Passwords that everybody tries first (SEC-A16): well-known words, and rows of keys.

Guessing programs begin with what leaked lists have most often. Nearly all of that is shorter than
what we take; what is not is some well-known word with digits behind it, a row of keys, or one sign
or word again and again. So these shapes are refused, and there is no list of a million lines.
"""

from typing import Final

_LIST: Final = """
    password passwort passwd passphrase motdepasse contrasena contraseña senha parola haslo hasło
    wachtwoord admin administrator administrador root user test testtest guest login welcome
    willkommen bienvenue hello letmein letmeinnow iloveyou iloveu loveyou teamo jetaime
    ichliebedich sunshine princess football baseball basketball monkey dragon master superman
    batman pokemon starwars shadow michael jessica charlie jordan trustno changeme secret geheim
    whatever nothing default computer internet samsung google facebook linkedin
"""
_WORDS: Final = frozenset(_LIST.split())
_ROWS: Final = (
    "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm", "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789", "q1w2e3r4t5y6u7i8o9p0", "1q2w3e4r5t6y7u8i9o0p",
)  # fmt: skip
_LOOKS: Final = str.maketrans("0134578@$!", "oleastbasi")  # p4ssw0rd
_OTHER: Final = 3  # so many letters besides the well-known ones make it another password
_PIECE: Final = 4


def is_common(password: str, login: str = "") -> bool:
    """Whether a guessing program would come to it within its first few million tries.

    `login` is the log-in name, where it is known: the name itself is no password either.
    """
    plain = "".join(password.casefold().split())
    words = {_letters(plain), _letters(plain.translate(_LOOKS)), _stem(plain)}
    return _repeats(plain) or _in_a_row(plain) or bool(words & _WORDS) or _is_name(plain, login)


def _letters(text: str) -> str:
    return "".join(sign for sign in text if sign.isalpha())


def _stem(text: str) -> str:
    """The word before digits and signs, read as it is meant."""
    return text.rstrip("0123456789._-+*#?!").translate(_LOOKS)


def _repeats(text: str) -> bool:
    """One piece of up to four signs, again and again."""
    return any(
        text == (text[:size] * (len(text) // size + 1))[: len(text)]
        for size in range(1, _PIECE + 1)
    )


def _in_a_row(text: str) -> bool:
    """Keys that lie beside each other, forwards or backwards."""
    return any(text in row or text[::-1] in row for row in _ROWS)


def _is_name(text: str, login: str) -> bool:
    """The log-in name, with next to nothing around it."""
    name = "".join(login.casefold().split())
    return bool(name) and name in text and len(_letters(text.replace(name, "", 1))) < _OTHER
