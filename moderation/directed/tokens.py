"""What stands for whoever reported, at another desk: it shows floods, and nobody (MOD-5.13)."""

from base64 import urlsafe_b64encode
from typing import Final

from kernel.here import Here
from kernel.sealing import mac

EPOCH: Final = 30  # days for which one member's reports have one token at one peer


def token_of(here: Here, reporter: str, host: str) -> str:
    """What stands for whoever reported, at one peer for a month: it shows floods, and nobody.

    `reporter` is what `reporter_of` gave. Nobody without the node key makes one (MOD-5.13).
    """
    if not reporter:
        return ""
    made = mac(here.node_key.derive("asks"), "reporter", f"{reporter} {host}".encode())
    return "r:" + urlsafe_b64encode(made[:12]).decode()


def reporter_of(here: Here, root: bytes) -> str:
    """What one member's reports of one month share; it is kept under seal, and never sent."""
    epoch = here.now().date().toordinal() // EPOCH
    return mac(root, "reporter", str(epoch).encode()).hex()
