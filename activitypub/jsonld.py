"""JSON-LD, for what leaves this node only: contexts come from the bundle, never from the network.

What arrives is read as plain JSON, by name (DESIGN decision 5, WIRE-B9, WIRE-B10).
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from pyld import jsonld

from activitypub.jsontext import Json
from activitypub.vocab import AS2, Document
from kernel.errors import Malformed

BUNDLED: Final[Mapping[str, str]] = MappingProxyType(
    {
        AS2: "activitystreams",
        "https://w3id.org/security/v1": "security-v1",
        "https://w3id.org/identity/v1": "identity-v1",
        "https://www.w3.org/ns/cid/v1": "cid-v1",
        "https://www.w3.org/ns/did/v1": "did-v1",
        "https://w3id.org/security/data-integrity/v1": "data-integrity-v1",
        "https://w3id.org/security/data-integrity/v2": "data-integrity-v2",
        "https://w3id.org/security/multikey/v1": "multikey-v1",
        "https://purl.archive.org/socialweb/webfinger": "webfinger",
        "https://gotosocial.org/ns": "gotosocial",
        "https://join-lemmy.org/context.json": "join-lemmy",
    }
)


def expand(document: Document) -> list[Json]:
    """The document with every term spelled as the address it stands for.

    Slow for a large document: call it in a thread. Raises Malformed: it names a context
    that is not in the bundle, or is no JSON-LD.
    """
    try:
        expanded: list[Json] = jsonld.expand(document, {"documentLoader": load})
    except (jsonld.JsonLdError, ValueError) as error:
        raise Malformed("That is not JSON-LD we can read.") from error
    return expanded


def load(url: str, options: Mapping[str, object] | None = None) -> dict[str, Any]:
    """A bundled context in the form PyLD asks for. Raises JsonLdError: it is not in the bundle."""
    if url not in BUNDLED:
        raise jsonld.JsonLdError(
            "That context is not in the bundle.",
            "jsonld.LoadDocumentError",
            code="loading remote context failed",
        )
    return {
        "contentType": "application/ld+json",
        "contextUrl": None,
        "documentUrl": url,
        "document": _context(BUNDLED[url]),
    }


@cache
def _context(name: str) -> Document:
    text = files("activitypub").joinpath("contexts", f"{name}.jsonld").read_text(encoding="utf-8")
    found: Document = json.loads(text)
    return found
