"""What counts as an e-mail address here: plain ASCII that cannot end a line or name two people."""

import re
from typing import Final

MAX_ADDRESS: Final = 254  # RFC 5321 §4.5.3.1.3, without its angle brackets

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(
    rf"[A-Za-z0-9_+&=~-]+(?:\.[A-Za-z0-9_+&=~-]+)*@{_LABEL}(?:\.{_LABEL})*", re.ASCII
)


def is_address(text: str) -> bool:
    """Whether `text` is one address: no name beside it, no blank, quote or line end (SEC-A13)."""
    name = text.partition("@")[0]
    return len(text) <= MAX_ADDRESS and len(name) <= 64 and _ADDRESS.fullmatch(text) is not None
