"""JSON-LD, for what leaves this node only: contexts come from the bundle, never from the network.

What arrives is read as plain JSON, by name (DESIGN decision 5, WIRE-B9, WIRE-B10). Where it brings
a proof, its contexts are looked at as data, to see that a reader of JSON-LD reads the same.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from threading import Lock
from types import MappingProxyType
from typing import Any, Final

from pyld import jsonld
from pyld.canon import URDNA2015

from activitypub.jsontext import Json, dump
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
        "https://fires.fedimod.org/context/fires.jsonld": "fires",
    }
)


MAX_BYTES: Final = 1024 * 1024  # of what is brought into canonical form (WIRE-S28)
MAX_SECONDS: Final = 2.0
MAX_BLANK_NODES: Final = 200  # more of them, and canonical form may take for ever

_DEFINING = frozenset({"@id", "@type", "@container", "@language"})
_HARMLESS = frozenset({"@version", "@language"})
_one_at_a_time = Lock()  # the library's caches are for one thread


def canonical(document: Document) -> str:
    """The document as sorted N-Quads (URDNA2015): the same for whoever says the same.

    Slow: call it in a thread, and wait for `MAX_SECONDS` at most.
    Raises Malformed: as `expand`, or it is beyond the limits above.
    """
    if len(dump(document)) > MAX_BYTES:
        raise Malformed("That is too much to bring into order.")
    try:
        with _one_at_a_time:
            dataset = jsonld.to_rdf(document, {"documentLoader": load})
            if _blank_nodes(dataset) > MAX_BLANK_NODES:
                raise Malformed("That has too many things without a name.")
            quads: str = URDNA2015().main(dataset, {"format": "application/n-quads"})
    except (jsonld.JsonLdError, ValueError) as error:
        raise Malformed("That is not JSON-LD we can read.") from error
    return quads


def _blank_nodes(dataset: dict[str, list[dict[str, dict[str, str]]]]) -> int:
    found = {
        part["value"]
        for triples in dataset.values()
        for triple in triples
        for part in triple.values()
        if part["type"] == "blank node"
    }
    return len(found)


def check_meaning(document: Document) -> None:
    """Whoever reads JSON-LD reads this document as its plain names say.

    Raises Malformed: it names a context that is not in the bundle, gives a core term another
    meaning, or rearranges itself by keywords (SEC-J1, SEC-J2).
    """
    waiting: list[Json] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            for name, inner in value.items():
                if name == "@context":
                    _check_context(inner)
                elif name.startswith("@"):
                    raise Malformed("That says something in words of JSON-LD only.")
                else:
                    waiting.append(inner)


def _check_context(context: Json) -> None:
    for each in context if isinstance(context, list) else [context]:
        if isinstance(each, str):
            if each not in BUNDLED:
                raise Malformed("That names a context we do not have.")
        elif isinstance(each, dict):
            for term, definition in each.items():
                _check_term(term, definition)
        else:
            raise Malformed("That takes its own context back.")


def _check_term(term: str, definition: Json) -> None:
    if term.startswith("@"):
        if term not in _HARMLESS:
            raise Malformed("That changes what all its words mean.")
        return
    if term in _core():
        if definition not in _core()[term]:
            raise Malformed("That gives a word of the standard another meaning.")
        return
    parts = definition if isinstance(definition, dict) else {"@id": definition}
    meaning = parts.get("@id")
    if not parts.keys() <= _DEFINING or not isinstance(meaning, str) or meaning.startswith("@"):
        raise Malformed("That gives one of its words an odd meaning.")


@cache
def _core() -> Mapping[str, Sequence[Json]]:
    """The terms of the contexts that every document stands on, with what each may mean."""
    found: dict[str, list[Json]] = {}
    for url in (AS2, "https://w3id.org/security/v1", "https://w3id.org/security/data-integrity/v1"):
        for term, definition in _context(BUNDLED[url])["@context"].items():
            found.setdefault(term, []).append(definition)
    return found


def expand(document: Document) -> list[Json]:
    """The document with every term spelled as the address it stands for.

    Slow for a large document: call it in a thread. Raises Malformed: it names a context
    that is not in the bundle, or is no JSON-LD.
    """
    try:
        with _one_at_a_time:
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
def _context(name: str) -> dict[str, Any]:
    text = files("activitypub").joinpath("contexts", f"{name}.jsonld").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
