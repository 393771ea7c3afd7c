"""RsaSignature2017: what older servers need before they believe what a group forwards (WIRE 4.7).

Made, never believed: too many ways are known to rearrange what one covers (SEC-J1).
"""

from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from activitypub import jsonld
from activitypub.vocab import Document
from kernel.clock import iso

IDENTITY: Final = "https://w3id.org/identity/v1"


def add(document: Document, key: RSAPrivateKey, creator: str, when: datetime) -> Document:
    """`document` with a `signature` as its last member, over all that is in it.

    Slow: call it in a thread. `creator` is the id of the author's RSA key.
    Raises Malformed: as `jsonld.canonical`.
    """
    options: Document = {"creator": creator, "created": iso(when)}
    message = _hash({"@context": IDENTITY, **options}) + _hash(document)
    value = b64encode(key.sign(message.encode(), PKCS1v15(), SHA256())).decode()
    return {
        **document,
        "signature": {"type": "RsaSignature2017", **options, "signatureValue": value},
    }


def _hash(document: Document) -> str:
    return sha256(jsonld.canonical(document).encode()).hexdigest()
