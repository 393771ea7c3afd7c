"""What a post asks of its readers, and what it is hard about, as other servers read it.

Two terms of our own, defined where they are used (WIRE-B11), and beside each of them what everybody
understands: a last line in plain words, and the content note (DOM-A8, DOM-A9).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from activitypub.jsontext import Json
from activitypub.parts import each
from activitypub.vocab import Document
from kernel.said import noted
from kernel.schema.posts import Wish

MAX_LABELS: Final = 10
_PLACE: Final = "/labels/"  # where a node says what its labels mean
_LABEL = re.compile(r"[a-z]{2,20}(-[a-z]{2,20}){0,4}")

TERMS: Final[dict[str, Json]] = {
    "hearthold": "urn:hearthold:terms:",
    "supportWanted": "hearthold:supportWanted",
    "Label": "hearthold:Label",
    "contentNotes": {"@id": "hearthold:contentNotes", "@container": "@set"},
    "canReply": {"@id": "gts:canReply", "@type": "@id"},
}

HOPING: Final = "Hoping for"
HOPES: Final[Mapping[Wish, str]] = {
    Wish.LISTEN: noted("somebody who just listens"),
    Wish.STORIES: noted("similar stories"),
    Wish.IDEAS: noted("ideas"),
    Wish.PRACTICAL: noted("practical help"),
    Wish.NO_REPLIES: noted("being read, with no replies"),
}
_CLOSING = re.compile(rf"<p(?: lang=\"en\")?>{HOPING}: [^<>]{{1,100}}</p>\s*$")


def said(wish: Wish | None, labels: Sequence[str]) -> Document:
    """The members of a post's document that say it in our own terms."""
    return {
        **({"supportWanted": wish.value} if wish else {}),
        **({"contentNotes": list(labels)} if labels else {}),
    }


def wish_in(document: Document) -> Wish | None:
    """What would help its author; None where that is not said, or in words we do not know."""
    found = document.get("supportWanted")
    return Wish(found) if isinstance(found, str) and found in {*Wish} else None


def tags(origin: str, labels: Sequence[str]) -> list[Json]:
    """An author's own labels as links to what each means (MOD-5.3)."""
    return [{"type": "Label", "href": f"{origin}{_PLACE}{label}"} for label in labels]


def labels_in(document: Document) -> tuple[str, ...]:
    """The labels that an author put on a post, at most ten, each once; known here or not."""
    named = [*each(document.get("contentNotes")), *map(_tagged, each(document.get("tag")))]
    found = [label for label in named if isinstance(label, str) and _LABEL.fullmatch(label)]
    return tuple(dict.fromkeys(found))[:MAX_LABELS]


def _tagged(tag: Json) -> str:
    """The id of a label among tags; of anything else nothing."""
    href = tag.get("href") if isinstance(tag, dict) and tag.get("type") == "Label" else None
    return href.rpartition(_PLACE)[2] if isinstance(href, str) and _PLACE in href else ""


def line(wish: Wish) -> str:
    """The last line of a post for those who know none of our terms."""
    return f"{HOPING}: {HOPES[wish]}."


def closing(wish: Wish | None, language: str) -> str:
    """That line as the last paragraph of a post in `language`; nothing without a wish."""
    if wish is None:
        return ""
    english = not language or language.partition("-")[0] == "en"
    return f"<p>{line(wish)}</p>" if english else f'<p lang="en">{line(wish)}</p>'


def without_closing(content: str) -> str:
    """The HTML of a post that says its wish in our terms, without saying it in words again."""
    return _CLOSING.sub("", content)
