"""The code that opens a persona's receipt, without log-in: the persona is gone by then (DOM-I4).

It is computed from the persona's id and the node key and stored nowhere, so it ties a persona to
nothing; the member sees it before the persona closes.
"""

import hmac
from typing import Final
from uuid import UUID

from kernel.here import Here
from kernel.ids import random_uuid
from kernel.sealing import mac
from members.vault import CODE_LETTERS, letters_of, spelled

_BITS: Final = 5 * CODE_LETTERS


def code_of(here: Here, persona_id: UUID) -> str:
    """The code as it is printed: `7G2KM-…`, 125 bits."""
    made = mac(here.node_key.derive("receipts"), "receipt", persona_id.bytes)
    return spelled(int.from_bytes(made) >> (8 * len(made) - _BITS))


def fits(here: Here, persona_id: UUID | None, code: str) -> bool:
    """Whether `code` opens the receipt of the persona; None, nobody, takes as long (SEC-A12)."""
    right = code_of(here, persona_id or random_uuid())
    same = hmac.compare_digest(letters_of(code).encode(), letters_of(right).encode())
    return same and persona_id is not None
