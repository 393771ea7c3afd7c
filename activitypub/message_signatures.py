"""HTTP Message Signatures (RFC 9421): the part of them that servers here use (WIRE 4.4).

A parser of structured fields reads the headers (RFC 8941); what is signed is laid out here, and
what is believed is decided in `signatures`. Signatures of answers, parameters of components and
parts of a query have no place between servers and are refused.
"""

import re
from collections.abc import Mapping
from datetime import datetime

import http_sf
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from activitypub.claims import (
    CONTENT_TYPE,
    MAX_HEADER,
    Claim,
    Headers,
    content_digest_of,
    covered,
    key_id_of,
    signed_names,
    to_base64,
    values,
)
from kernel import urls
from kernel.errors import Unproven

METHOD, TARGET, AUTHORITY, PATH, QUERY = "@method", "@target-uri", "@authority", "@path", "@query"
RSA, ED25519 = "rsa-v1_5-sha256", "ed25519"  # RFC 9421 §6.2.2; all that actors have keys for

_LABEL = "sig1"
_DERIVED = frozenset({METHOD, TARGET, AUTHORITY, PATH, QUERY})
_FIELD = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_NUMBERS, _TEXTS = frozenset({"created", "expires"}), frozenset({"keyid", "alg", "nonce", "tag"})


def parse(headers: Headers) -> Claim:
    """Read the one signature of a request that has a Signature-Input header (WIRE-S33).

    Raises Unproven: there are several, or a part of it cannot be read or is not known here.
    """
    inputs = _dictionary(headers, "signature-input")
    given_signatures = _dictionary(headers, "signature")
    if len(inputs) != 1 or inputs.keys() != given_signatures.keys():
        raise Unproven("There must be exactly one signature.")
    ((items, given),) = inputs.values()
    ((signature, _),) = given_signatures.values()
    if not isinstance(items, list) or not isinstance(signature, bytes) or not signature:
        raise Unproven("The signature cannot be read.")
    names = signed_names([_component(item) for item in items])
    parameters = _checked(given)
    algorithm = str(parameters.get("alg", ""))
    if algorithm not in ("", RSA, ED25519):
        raise Unproven("That signature algorithm is not read here.")
    created, expires = parameters.get("created"), parameters.get("expires")
    return Claim(
        key_id=key_id_of(parameters.get("keyid")),
        algorithm=algorithm,
        headers=names,
        signature=signature,
        created=created if isinstance(created, int) else None,
        expires=expires if isinstance(expires, int) else None,
        parameters=_serialise(names, parameters),
    )


def base(claim: Claim, *, method: str, origin: str, path: str, headers: Headers) -> bytes:
    """The bytes that a claim signs (RFC 9421 §2.5), for a request to `origin`, which is ours.

    Raises Unproven: a header that it covers is missing, there twice, or not plain text.
    """
    bare, _, query = path.partition("?")
    derived = {
        METHOD: method,
        TARGET: origin + path,
        AUTHORITY: origin.partition("://")[2],
        PATH: bare,
        QUERY: f"?{query}",
    }
    lines = [
        f'"{name}": {derived[name] if name in derived else covered(headers, name)}'
        for name in claim.headers
    ]
    lines.append(f'"@signature-params": {claim.parameters}')
    try:
        return "\n".join(lines).encode("ascii")
    except UnicodeEncodeError as error:
        raise Unproven("What is signed is not plain text.") from error


def sign(
    key: RSAPrivateKey | Ed25519PrivateKey,
    key_id: str,
    method: str,
    url: str,
    created: datetime,
    body: bytes | None,
    *,
    digest: str | None = None,
) -> dict[str, str]:
    """The headers of one attempt, signed with what kind of key it is (WIRE-S30).

    A body also signs its content type, which must then be sent as CONTENT_TYPE, and its digest.
    `digest` is `digest_of(body)` where that is known already.
    """
    asked = urls.parse(url, allow_http=True)
    made: dict[str, str] = {}
    names = [METHOD, TARGET]
    if body is not None:
        made["Content-Digest"] = content_digest_of(body, digest)
        names += ["content-type", "content-digest"]
    algorithm = RSA if isinstance(key, RSAPrivateKey) else ED25519
    parameters: dict[str, int | str] = {
        "created": int(created.timestamp()),
        "keyid": key_id,
        "alg": algorithm,
    }
    claim = Claim(
        key_id=key_id,
        algorithm=algorithm,
        headers=tuple(names),
        signature=b"",
        parameters=_serialise(names, parameters),
    )
    message = base(
        claim,
        method=method,
        origin=asked.origin,
        path=asked.path_and_query,
        headers=[*made.items(), ("Content-Type", CONTENT_TYPE)],
    )
    if isinstance(key, RSAPrivateKey):
        signature = key.sign(message, PKCS1v15(), SHA256())
    else:
        signature = key.sign(message)
    made["Signature-Input"] = f"{_LABEL}={claim.parameters}"
    made["Signature"] = f"{_LABEL}=:{to_base64(signature)}:"
    return made


def _dictionary(headers: Headers, name: str) -> Mapping[str, tuple[object, object]]:
    """A header that is a structured dictionary. Raises Unproven: it is not there once, or odd."""
    found = values(headers, name)
    if len(found) != 1 or len(found[0]) > MAX_HEADER or not found[0].isascii():
        raise Unproven("There must be exactly one signature.")
    try:
        read = http_sf.parse(found[0].encode(), tltype="dictionary", on_duplicate_key=_refuse)
    except ValueError as error:
        raise Unproven("The signature header cannot be read.") from error
    members = read.items() if isinstance(read, dict) else ()
    return {label: (each[0], each[1]) for label, each in members if isinstance(each, tuple)}


def _refuse(key: str, _context: str) -> None:
    raise ValueError(f"{key} is there twice")


def _component(item: object) -> str:
    """The name of one signed thing. Raises Unproven: it is none, or one that is not known here."""
    name, more = item if isinstance(item, tuple) else (item, {})
    if not isinstance(name, str) or more:
        raise Unproven("Something is signed that is not known here.")
    if name not in _DERIVED and not _FIELD.fullmatch(name):
        raise Unproven("Something is signed that is not known here.")
    return name


def _checked(given: object) -> dict[str, int | str]:
    """What the signature says of itself (RFC 9421 §2.3). Raises Unproven: something else."""
    parameters: dict[str, int | str] = {}
    for name, value in given.items() if isinstance(given, dict) else ():
        number = name in _NUMBERS and type(value) is int and value >= 0
        if not number and not (name in _TEXTS and isinstance(value, str)):
            raise Unproven("The signature says something that cannot be read.")
        parameters[name] = value
    return parameters


def _serialise(names: list[str] | tuple[str, ...], parameters: Mapping[str, int | str]) -> str:
    """The one spelling of it (RFC 8941 §4.1), in the order it came."""
    listed = " ".join(f'"{name}"' for name in names)
    return f"({listed})" + "".join(
        f";{name}={value if isinstance(value, int) else _quoted(value)}"
        for name, value in parameters.items()
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
