"""Two ways to sign a request, and which of them a server reads (WIRE-S31, WIRE-S32).

What everybody reads comes first. Where it is refused, the request is made once more in the other
way, and what was taken is remembered for thirty days: of deliveries in `peers`, of fetches in
memory. A server that says that it reads more is believed until it refuses.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import date, datetime, timedelta

from activitypub import message_signatures, signatures
from activitypub.client import Signer
from activitypub.keys import KeyPair, ed25519_id
from kernel.schema.federation import Scheme

KEPT = timedelta(days=30)
REFUSED = frozenset({400, 401, 403})  # the signature may be to blame
MAX_KNOWN = 5_000

Clock = Callable[[], datetime]


def known(scheme: str | None, day: date | None, today: date) -> Scheme | None:
    """What is remembered of a server, unless that was too long ago."""
    if scheme is None or day is None or today - day > KEPT:
        return None
    return Scheme(scheme)


def other(scheme: Scheme) -> Scheme:
    """How to ask once more where `scheme` was refused."""
    return Scheme.RFC9421 if scheme is Scheme.CAVAGE else Scheme.CAVAGE


def signer(
    scheme: Scheme, pair: KeyPair, actor_uri: str, clock: Clock, *, digest: str | None = None
) -> Signer:
    """Signs as an actor of ours, afresh for each attempt (WIRE-S5)."""

    def sign(method: str, url: str, body: bytes | None) -> dict[str, str]:
        rsa_id = f"{actor_uri}#main-key"
        if scheme is Scheme.CAVAGE:
            return signatures.sign(pair.rsa, rsa_id, method, url, clock(), body, digest=digest)
        if scheme is Scheme.RFC9421:
            return message_signatures.sign(
                pair.rsa, rsa_id, method, url, clock(), body, digest=digest
            )
        return message_signatures.sign(
            pair.ed25519, ed25519_id(actor_uri), method, url, clock(), body, digest=digest
        )

    return sign


class Schemes:
    """What servers were found to read lately, in bounded memory."""

    def __init__(self, capacity: int = MAX_KNOWN) -> None:
        self._capacity = capacity
        self._known: OrderedDict[str, tuple[Scheme, date]] = OrderedDict()

    def of(self, host: str, today: date) -> Scheme | None:
        """How to sign for a host, where that is known."""
        scheme, day = self._known.get(host, (None, None))
        return known(scheme, day, today)

    def note(self, host: str, scheme: Scheme, today: date) -> None:
        """It took that, or says that it reads it."""
        self._known[host] = scheme, today
        self._known.move_to_end(host)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def forget(self, host: str) -> None:
        """It takes that no more."""
        self._known.pop(host, None)

    def __len__(self) -> int:
        return len(self._known)
