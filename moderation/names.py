"""Which domains something can be decided about, and which nobody may name (MOD-5.10)."""

import unicodedata
from collections.abc import Collection
from contextlib import suppress
from functools import cache, lru_cache
from typing import Final

import idna
from publicsuffixlist import PublicSuffixList

from kernel.errors import Malformed, NotAllowed
from kernel.here import Here
from kernel.said import noted
from kernel.urls import host_of

MAX_NAME: Final = 253
CANARIES: Final = ("ap.invalid",)
"""What careful lists name so that whoever acts on it is seen to read nothing (MOD-3.5)."""

_DOMAIN: Final = noted("Please write a domain such as example.org.")
_OWN: Final = noted("That is this node's own domain.")
_PROTECTED: Final = noted("That domain is protected here: see the setting protected_domains.")


def read_domain(text: str) -> str:
    """A domain in its one spelling: lower-case, in ASCII (IDNA), without a dot at its end.

    Raises Malformed: a wildcard, an address, a port, a suffix under which anybody may have a name,
    or no name of a server at all.
    """
    name = text.strip().lower().removesuffix(".")
    if "*" in name:
        raise Malformed(
            noted("A star cannot stand in a domain: everything below it counts anyway.")
        )
    if not name or len(name) > MAX_NAME:
        raise Malformed(_DOMAIN)
    if not name.isascii():
        name = _in_ascii(name)
    try:
        if host_of(f"https://{name}/") != name or ":" in name:
            raise Malformed(_DOMAIN)
    except Malformed as error:
        raise Malformed(_DOMAIN) from error
    if name.replace(".", "").isdigit():
        raise Malformed(noted("That is an address, and many servers may share one. Name a domain."))
    if "." not in name or _suffixes().is_public(name):
        raise Malformed(noted("Anybody may have a name below that, so it stands for no server."))
    return name


def _in_ascii(name: str) -> str:
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise Malformed(_DOMAIN) from error


@cache
def _suffixes() -> PublicSuffixList:
    """The public suffixes, read once, out of the package."""
    return PublicSuffixList()


def registered(host: str) -> str:
    """The name that somebody registered and `host` is or is below; the host where there is none."""
    name = host.partition(":")[0]
    return _suffixes().privatesuffix(name) or host


def above(domain: str) -> list[str]:
    """The domain and each one above it, the longest first."""
    labels = domain.split(".")
    return [".".join(labels[first:]) for first in range(len(labels))]


def is_canary(domain: str) -> bool:
    """Whether it is a name of a list's own, that nobody may act on."""
    return any(name in CANARIES for name in above(domain))


def check_ours(here: Here, domain: str) -> None:
    """Raises NotAllowed: it is our own domain or stands above it, or the setting protects it."""
    if domain in above(here.host.partition(":")[0]):
        raise NotAllowed(_OWN)
    if is_protected(domain, here.protected_domains):
        raise NotAllowed(_PROTECTED)


def is_spared(here: Here, domain: str) -> bool:
    """Whether `check_ours` refuses it."""
    try:
        check_ours(here, domain)
    except NotAllowed:
        return True
    return False


def is_protected(domain: str, protected: Collection[str]) -> bool:
    """Whether it is one of those, is below one or stands above one."""
    return any(name in above(domain) or domain in above(name) for name in protected)


def looks_like(here: Here, domain: str) -> str:
    """Our name, or a protected one, that a domain could be taken for; empty: none (MOD-5.10).

    Letters of other scripts, accents, digits and pairs that look like a letter are read as that.
    """
    if is_spared(here, domain):
        return ""
    shape = _shape(registered(domain))
    known = (here.host.partition(":")[0], *sorted(here.protected_domains))
    return next((name for name in known if _shape(registered(name)) == shape), "")


@lru_cache(maxsize=1000)
def _shape(name: str) -> str:
    with suppress(idna.IDNAError):  # then it is compared as it stands
        name = idna.decode(name)
    bare = "".join(
        each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each)
    )
    shape = bare.lower().translate(_LETTERS)
    for pair, letter in _PAIRS:
        shape = shape.replace(pair, letter)
    return shape


_CYRILLIC: Final = (
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u04cf\u051b\u051d",
    "aeopcyxijshdlqw",
)
_GREEK: Final = ("\u03b1\u03b5\u03bf\u03c1\u03bd\u03b9\u03ba\u03c5\u03c4\u03c7", "aeopvikutx")
_ARMENIAN: Final = ("\u057d\u0585\u0578\u0570", "uonh")
_LATIN: Final = ("\u0131\u0142\u00f8\u0111", "ilod")
_DIGITS: Final = ("01358", "olesb")
_LETTERS: Final = str.maketrans(
    *map("".join, zip(_CYRILLIC, _GREEK, _ARMENIAN, _LATIN, _DIGITS, strict=True))
)
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))
