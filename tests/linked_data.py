"""RsaSignature2017 checked as Mastodon does it, with nothing of ours but the bundled contexts."""

import json
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from pyld import jsonld as pyld

import activitypub

CONTEXTS = Path(activitypub.__path__[0]) / "contexts"
FILES = {
    "https://www.w3.org/ns/activitystreams": "activitystreams",
    "https://w3id.org/security/v1": "security-v1",
    "https://w3id.org/security/data-integrity/v1": "data-integrity-v1",
    "https://w3id.org/identity/v1": "identity-v1",
}


def _loader(url: str, options: Any) -> dict[str, Any]:
    text = (CONTEXTS / f"{FILES[url]}.jsonld").read_text()
    return {
        "contentType": "application/ld+json",
        "contextUrl": None,
        "documentUrl": url,
        "document": json.loads(text),
    }


def _quads(document: dict[str, Any]) -> str:
    options = {
        "algorithm": "URDNA2015",
        "format": "application/n-quads",
        "documentLoader": _loader,
    }
    found: str = pyld.normalize(document, options)
    return found


def check(document: dict[str, Any], key: RSAPublicKey) -> None:
    """As Mastodon does it: compact first, then both hashes. Raises InvalidSignature."""
    signature = document["signature"]
    options = {
        name: value
        for name, value in signature.items()
        if name not in ("type", "id", "signatureValue")
    }
    options["@context"] = "https://w3id.org/identity/v1"
    parts = (options, compacted(document))
    message = "".join(sha256(_quads(part).encode()).hexdigest() for part in parts)
    key.verify(b64decode(signature["signatureValue"]), message.encode(), PKCS1v15(), SHA256())


def compacted(document: dict[str, Any]) -> dict[str, Any]:
    """What Mastodon goes by: the document rewritten by its contexts, less its signature."""
    plain = {name: value for name, value in document.items() if name != "signature"}
    found: dict[str, Any] = pyld.compact(plain, plain["@context"], {"documentLoader": _loader})
    return found
