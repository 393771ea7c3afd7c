"""Reports on the wire: what we read of a Flag, and the one shape of ours (WIRE 7.1, MOD-3.8)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from activitypub.vocab import AS2, Document, id_of, text_of
from kernel.here import Here

MAX_OBJECTS: Final = 50
MAX_WORDS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """What a Flag names, and its words as plain text. Who reported is not read (WIRE-M3)."""

    uris: tuple[str, ...]
    words: str = field(repr=False)

    @classmethod
    def parse(cls, document: Document, here: Here) -> Self:
        """A string, an object, a list of either, and addresses of ours in the words (WIRE-M4).

        Of more than 50 things the first ones count.
        """
        value = document.get("object")
        several = value if isinstance(value, list) else [value]
        named = [uri for each in several[:MAX_OBJECTS] if (uri := id_of(each)) is not None]
        words = text_of(document.get("content"), MAX_WORDS)
        words = words or text_of(document.get("summary"), MAX_WORDS)
        linked = re.findall(re.escape(here.origin) + r"/[\w/.-]{1,200}", words)
        uris = dict.fromkeys([*named, *(each.rstrip("./") for each in linked)])
        return cls(uris=tuple(uris)[:MAX_OBJECTS], words=words)


def document(
    flag_id: str, desk: str, *, to: str, audience: str | None, objects: Sequence[str], words: str
) -> Document:
    """One shape for everybody: the post first and the person last, one address (WIRE-M1).

    Lemmy and PieFed read the words in `summary`, all others in `content`.
    """
    made: Document = {
        "@context": [AS2],
        "id": flag_id,
        "type": "Flag",
        "actor": desk,
        "to": [to],
        "object": list(objects),
        "summary": words,
        "content": words,
    }
    if audience is not None:
        made["audience"] = audience
    return made
