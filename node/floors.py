"""Libraries below these versions have holes that a node must not have: it does not start on them.

`pyproject.toml` asks for the same; this also holds where somebody installed otherwise (SEC-O1).
"""

from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from typing import Final

from kernel.errors import Misconfigured

FLOORS: Final = {
    "aiohttp": (3, 14, 3),
    "cryptography": (46,),
    "jinja2": (3, 1, 6),
    "nh3": (0, 3),
    "pillow": (12, 3),
}
# CPython has no floor of its own (3.12.4 for `ipaddress`): which addresses are private is said by
# our own table, `kernel.addresses`.


def check() -> None:
    """Raises Misconfigured: a library is too old, and which."""
    for name, floor in FLOORS.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "0"
        if numbers(found) < floor:
            wanted = ".".join(map(str, floor))
            raise Misconfigured(
                f"{name} {found} is too old to be safe: install {wanted} or newer "
                "(`pip install --upgrade hearthold`)."
            )


def numbers(text: str) -> tuple[int, ...]:
    """`3.14rc1` is (3,): what is no plain number ends it."""
    parts = takewhile(str.isdecimal, text.split("."))
    return tuple(int(part) for part in parts)
