"""Proofs that travel with a document: anybody can check who wrote it (FEP-8b32, WIRE-S40 to S42).

The cryptosuite is `eddsa-jcs-2022`: an Ed25519 signature over the canonical JSON (RFC 8785) of the
proof's own members and of everything else in the document, a linked-data `signature` left out.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from activitypub import jsonld
from activitypub.jsontext import Json
from activitypub.vocab import Document, text_of, time_of, uri_of
from kernel import base58
from kernel.clock import iso
from kernel.errors import Malformed

SUITE: Final = "eddsa-jcs-2022"
FRESH: Final = timedelta(days=1)  # older ones say who wrote it, not that it still stands
EARLY: Final = timedelta(hours=1)  # how far another server's clock may be ahead (WIRE-S13)
MAX_PROOF: Final = 100  # letters; 64 bytes are 88 of them at most
_SIGNATURE_BYTES: Final = 64


def add(document: Document, key: Ed25519PrivateKey, method: str, when: datetime) -> Document:
    """`document` with a proof as its last member; nothing else may change afterwards (WIRE-S40).

    `method` is the id of the key in its owner's `assertionMethod` (FEP-521a).
    """
    context = {"@context": document["@context"]} if "@context" in document else {}
    options: Document = {
        **context,
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
        "created": iso(when),
    }
    value = "z" + base58.encode(key.sign(_covered(options, document)))
    return {**document, "proof": {**options, "proofValue": value}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof as it came: what it covers, whose key it names, and for when. Times are UTC."""

    method: str
    created: datetime | None
    expires: datetime | None
    covered: bytes = field(repr=False)
    value: bytes = field(repr=False)

    def holds(self, key: Ed25519PublicKey) -> bool:
        """Whether `key` made it over exactly this document."""
        try:
            key.verify(self.value, self.covered)
        except InvalidSignature:
            return False
        return True

    def is_fresh(self, now: datetime) -> bool:
        """Whether it was made so lately that what it covers is taken to stand still.

        A proof never ends by itself: its author may have taken the words back meanwhile.
        """
        if self.created is None or (self.expires is not None and self.expires <= now):
            return False
        return -EARLY <= now - self.created <= FRESH


def carries_one(document: Document) -> bool:
    """Whether there is something to look at."""
    return isinstance(document.get("proof"), dict)


def read(document: Document) -> Proof:
    """The proof in a document. Its canonical form is computed: call it in a thread.

    Raises Malformed: there is none, it is of another kind, or a reader of JSON-LD could take the
    document for something else than its names say (SEC-J2).
    """
    proof = document.get("proof")
    if not isinstance(proof, dict) or (
        proof.get("type"),
        proof.get("cryptosuite"),
        proof.get("proofPurpose"),
    ) != ("DataIntegrityProof", SUITE, "assertionMethod"):
        raise Malformed("It carries no proof that we can read.")
    jsonld.check_meaning(document)
    text = text_of(proof.get("proofValue"), MAX_PROOF)
    value = base58.decode(text[1:]) if text.startswith("z") else b""
    if len(value) != _SIGNATURE_BYTES:
        raise Malformed("That proof has no value.")
    return Proof(
        method=uri_of(proof.get("verificationMethod"), "key"),
        created=time_of(proof.get("created")),
        expires=time_of(proof.get("expires")),
        covered=_covered(proof, document),
        value=value,
    )


def _covered(proof: Document, document: Document) -> bytes:
    """The two hashes that are signed. Raises Malformed: the proof is for another context."""
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    secured = {
        name: value for name, value in document.items() if name not in ("proof", "signature")
    }
    if "@context" in proof:
        secured["@context"] = _context(proof["@context"], document.get("@context"))
    try:
        return b"".join(sha256(rfc8785.dumps(part)).digest() for part in (options, secured))
    except rfc8785.CanonicalizationError as error:
        raise Malformed("That has no canonical form.") from error


def _context(of_proof: Json, of_document: Json) -> Json:
    """What was signed; a document may have gained contexts behind it."""
    first = of_proof if isinstance(of_proof, list) else [of_proof]
    whole = of_document if isinstance(of_document, list) else [of_document]
    if whole[: len(first)] != first:
        raise Malformed("That proof was made for other contexts.")
    return of_proof
