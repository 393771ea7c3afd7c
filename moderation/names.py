"""Which domains something can be decided about, and which nobody may name (MOD-5.10)."""

from collections.abc import Collection
from functools import cache
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
