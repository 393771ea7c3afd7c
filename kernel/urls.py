"""The one URL parser: what is checked, compared, signed and connected to is read here (SEC-R9).

It refuses whatever two programs could read differently: user names, backslashes, blanks, control
and non-ASCII characters, percent signs and odd numbers in the host, IPv6 literals.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address

from kernel.errors import Malformed

MAX_LENGTH = 2048  # WIRE-B2
_DEFAULT_PORTS = {"https": 443, "http": 80}

_PATH = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@\[\]|/-]++|%[0-9A-Fa-f]{2})*+"
_REST = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@\[\]|/?-]++|%[0-9A-Fa-f]{2})*+"
_QUERY = _REST.removesuffix("*+") + "++"  # an empty one is sent or left out as a client likes
_URL = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>[A-Za-z0-9.-]{1,253})(?::(?P<port>[1-9][0-9]{0,4}))?"
    rf"(?P<target>(?:/{_PATH})?(?:\?{_QUERY})?)(?:#(?P<fragment>{_REST}))?"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label like this makes a host an address
_HANDLE = re.compile(
    r"(?:acct:|@)?(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.~-]{0,126}[A-Za-z0-9_])?)"
    r"@(?P<host>[A-Za-z0-9.-]{1,253})(?::(?P<port>[1-9][0-9]{0,4}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An http(s) address in canonical spelling: lower-case scheme and host, no default port."""

    scheme: str
    host: str  # a name or a dotted IPv4 address
    port: int
    target: str  # path and query as written; empty where there is neither
    fragment: str | None = None

    @property
    def netloc(self) -> str:
        """The host, with its port unless that is the scheme's own: the `Host` header."""
        return _netloc(self.host, self.port, _DEFAULT_PORTS[self.scheme])

    @property
    def origin(self) -> str:
        """Scheme, host and port (WIRE 4.9): `https://alder.example`."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def path_and_query(self) -> str:
        """What a request line asks for; never empty."""
        return self.target if self.target.startswith("/") else f"/{self.target}"

    @property
    def without_fragment(self) -> str:
        """The whole text as far as a server sees it."""
        return self.origin + self.target

    def __str__(self) -> str:
        fragment = "" if self.fragment is None else f"#{self.fragment}"
        return self.without_fragment + fragment


@lru_cache(maxsize=4096)  # an inbox is read as it is signed for and as it is connected to
def parse(text: str, *, allow_http: bool, allow_fragment: bool = False) -> Url:
    """Read an absolute address.

    `allow_http` also lets ports and names without a dot pass: for nodes that name address ranges.
    Raises Malformed: it is not plainly an http(s) address, or longer than 2048 characters.
    """
    if len(text) > MAX_LENGTH or (match := _URL.fullmatch(text)) is None:
        raise Malformed("That is not a web address we can read.")
    scheme, host = match["scheme"].lower(), _canonical_host(match["host"])
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if port > 65535 or (port in _DEFAULT_PORTS.values() and port != _DEFAULT_PORTS[scheme]):
        raise Malformed("That web address names a port nobody uses.")
    if match["fragment"] is not None and not allow_fragment:
        raise Malformed("A web address with # in it does not name a page of its own.")
    if not allow_http and (scheme != "https" or port != 443 or "." not in host):
        raise Malformed("Only https addresses without a port can be reached from here.")
    return Url(
        scheme=scheme, host=host, port=port, target=match["target"], fragment=match["fragment"]
    )


def parse_id(uri: str) -> Url:
    """Read an id, which must be spelled canonically (SEC-S19); a fragment may follow.

    Raises Malformed: it cannot be read, or is another spelling of some other id.
    """
    url = parse(uri, allow_http=True, allow_fragment=True)
    if str(url) != uri:
        raise Malformed("That id is spelled in an unusual way.")
    return url


@lru_cache(maxsize=4096)  # one activity asks for the origins of its few ids a dozen times
def origin_of(uri: str) -> str:
    """Scheme, host and port of an id. Raises Malformed: as `parse_id`."""
    return parse_id(uri).origin


@lru_cache(maxsize=4096)
def host_of(uri: str) -> str:
    """The host of an id, with its port unless that is the default. Raises Malformed."""
    return parse_id(uri).netloc


def same_origin(a: str, b: str) -> bool:
    """Whether both ids are on one origin (FEP-fe34); False where one of them is odd."""
    try:
        return origin_of(a) == origin_of(b)
    except Malformed:
        return False


def parse_handle(text: str, *, allow_port: bool = False) -> tuple[str, str]:
    """Name and host of `@name@host`, `name@host` or `acct:name@host`; the name as written.

    Raises Malformed: anything else, before any name is looked up (SEC-R5).
    """
    match = _HANDLE.fullmatch(text)
    if match is None or (match["port"] and not allow_port):
        raise Malformed("Please write a name such as @kay@example.org.")
    host = _canonical_host(match["host"])
    port = int(match["port"] or 443)
    if port > 65535 or ("." not in host and not allow_port):
        raise Malformed("Please write a name such as @kay@example.org.")
    return match["name"], _netloc(host, port, 443)


def _netloc(host: str, port: int, default: int) -> str:
    return host if port == default else f"{host}:{port}"


def _canonical_host(text: str) -> str:
    host = text.lower()
    if not all(map(_LABEL.fullmatch, host.split("."))):
        raise Malformed("That is not the name of a server.")
    if _is_numeric(host) and not _is_dotted_quad(host):
        raise Malformed("That is not how the number of a server is written.")
    return host


def _is_numeric(host: str) -> bool:
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def _is_dotted_quad(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False
