"""Which addresses a node may talk to: an own table that refuses by default (SEC-R1).

`ipaddress.is_global` is no help here: it changes between Python versions and takes several ways of
spelling a private IPv4 address for public ones.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA IPv4 Special-Purpose Address Registry. No web server lives on any of these, so blocks the
# registry calls globally reachable (anycast relays, AS112) are left out as well.
_SPECIAL_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

# IPv6 is public only inside the one block IANA hands out, less what is special within it.
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)

# Where an IPv4 address sits inside an IPv6 one: the block, and how many bits lie right of it.
_CARRIES_V4 = (
    (IPv6Network("::ffff:0:0/96"), 0),  # mapped
    (IPv6Network("::/96"), 0),  # compatible; `::` and `::1` read as 0.0.0.0 and 0.0.0.1
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64
    (IPv6Network("2002::/16"), 80),  # 6to4
)
_TEREDO = IPv6Network("2001::/32")


def is_public(ip: Address) -> bool:
    """Whether `ip` is an ordinary address of the open internet; anything not known to be is not.

    An IPv6 address that carries an IPv4 address is as public as the address it carries.
    """
    if isinstance(ip, IPv4Address):
        return not any(ip in block for block in _SPECIAL_V4)
    if ip.scope_id is not None:
        return False
    carried = _carried(ip)
    if carried:
        return all(map(is_public, carried))
    return ip in _GLOBAL_V6 and not any(ip in block for block in _SPECIAL_V6)


def _carried(ip: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses inside `ip`; a Teredo address names its server and its client."""
    number = int(ip)
    if ip in _TEREDO:
        server, client = number >> 64 & 0xFFFFFFFF, ~number & 0xFFFFFFFF
        return IPv4Address(server), IPv4Address(client)
    for block, shift in _CARRIES_V4:
        if ip in block:
            return (IPv4Address(number >> shift & 0xFFFFFFFF),)
    return ()


def is_within(ip: Address, networks: Iterable[Network]) -> bool:
    """Whether one of `networks` names `ip` itself, in its own address family."""
    return any(ip in network for network in networks)


def parse_networks(words: Iterable[str]) -> tuple[Network, ...]:
    """Address ranges such as `10.0.0.0/8`, in the order given.

    Raises ValueError: a word is no range, or is every address there is; the text says what to do.
    """
    networks: list[Network] = []
    for word in words:
        try:
            network = ip_network(word.strip())
        except ValueError:
            raise ValueError(f"{word!r} is not an address range such as 10.0.0.0/8.") from None
        if not network.prefixlen:
            raise ValueError("that is every address there is: name the ranges that are yours.")
        networks.append(network)
    return tuple(networks)
