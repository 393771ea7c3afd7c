"""How eight peers check a signed request, each with its own quirks (WIRE 4.3, WIRE-T3).

Every function returns whether that peer would take the request as signed by `pem`. They share only
the RSA; how each reads the header is told in its own way on purpose.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A signed request as it arrives; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    now: datetime

    @property
    def digest(self) -> str:
        return base64.b64encode(hashlib.sha256(self.body).digest()).decode()


Peer = Callable[[Request, str], bool]


def _rsa_holds(pem: str, text: str, signature: str) -> bool:
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    try:
        key.verify(base64.b64decode(signature), text.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _text(request: Request, names: Iterable[str], target: str) -> str:
    lines = []
    for name in names:
        value = (
            f"{request.method.lower()} {target}"
            if name == "(request-target)"
            else request.headers[name]
        )
        lines.append(f"{name}: {value}")
    return "\n".join(lines)


def _near(request: Request, hours: float) -> bool:
    sent = parsedate_to_datetime(request.headers["date"])
    return abs(request.now - sent.astimezone(UTC)) <= timedelta(hours=hours)


def piefed(request: Request, pem: str) -> bool:
    """Cuts the header at every comma, trims nothing, wants `algorithm`, signs no query."""
    fields = {}
    for part in request.headers["signature"].split(","):
        name, value = part.split("=", 1)
        fields[name] = value.strip('"')
    if {"keyId", "algorithm", "headers", "signature"} - fields.keys():
        return False
    if request.body and request.headers.get("digest", "") != f"SHA-256={request.digest}":
        return False
    text = _text(request, fields["headers"].split(" "), request.path.split("?")[0])
    return _rsa_holds(pem, text, fields["signature"])


def lemmy(request: Request, pem: str) -> bool:
    """Finds the actor by `keyId="ACTOR#…"`; the digest must be signed, GETs included."""
    header = request.headers["signature"]
    if not re.search(r'keyId="([^"]+)#([^"]+)"', header):
        return False
    names = re.findall(r'headers="([^"]*)"', header)[0].split()
    if not {"(request-target)", "host", "date", "digest"} <= set(names):
        return False
    if request.headers["digest"].removeprefix("SHA-256=") != request.digest:
        return False
    signature = re.findall(r'signature="([^"]*)"', header)[0]
    return _near(request, 1) and _rsa_holds(pem, _text(request, names, request.path), signature)


def nodebb(request: Request, pem: str) -> bool:
    """Wants `keyId` first and compares the Digest header letter by letter."""
    header = request.headers["signature"]
    if not header.startswith('keyId="'):
        return False
    fields = dict(re.findall(r'(\w+)="([^"]*)"', header))
    if request.method == "POST" and request.headers.get("digest") != f"SHA-256={request.digest}":
        return False
    text = _text(request, fields["headers"].split(" "), request.path)
    return _rsa_holds(pem, text, fields["signature"])


def mastodon(request: Request, pem: str) -> bool:
    """Host on a GET, digest on a POST, a time and a target always; tries without the query too."""
    pattern = r'\s*(\w+)=(?:"([^"]*)"|(\d+))\s*(?:,|$)'
    fields = {
        name: quoted or bare
        for name, quoted, bare in re.findall(pattern, request.headers["signature"])
    }
    if fields.get("algorithm") not in ("rsa-sha256", "hs2019") or not _near(request, 1):
        return False
    names = fields.get("headers", "date").lower().split()
    wanted = {"(request-target)", "date"} | ({"digest"} if request.method == "POST" else {"host"})
    if not wanted <= set(names):
        return False
    if request.method == "POST":
        listed = dict(part.strip().split("=", 1) for part in request.headers["digest"].split(","))
        if listed.get("SHA-256") != request.digest:
            return False
    return any(
        _rsa_holds(pem, _text(request, names, target), fields["signature"])
        for target in (request.path, request.path.partition("?")[0])
    )


def gotosocial(request: Request, pem: str) -> bool:
    """Host, date and target on everything, digest on a POST; tries the key's own algorithms."""
    fields = {
        name.strip(): value.strip('"')
        for name, _, value in (
            part.partition("=") for part in request.headers["signature"].split(",")
        )
    }
    names = fields["headers"].split(" ")
    if not {"(request-target)", "host", "date"} <= set(names) or not _near(request, 12):
        return False
    if request.method == "POST" and (
        "digest" not in names or request.headers["digest"] != f"SHA-256={request.digest}"
    ):
        return False
    return _rsa_holds(pem, _text(request, names, request.path), fields["signature"])


def mbin(request: Request, pem: str) -> bool:
    """Needs `signature` and `date` headers and an https key id."""
    if not {"signature", "date"} <= request.headers.keys():
        return False
    fields = {}
    for part in request.headers["signature"].split(","):
        found = re.fullmatch(r'(.+?)="(.+)"', part)
        if found is None:
            return False
        fields[found[1]] = found[2]
    if not fields["keyId"].startswith("https://"):
        return False
    if request.body and request.headers["digest"] != f"SHA-256={request.digest}":
        return False
    text = _text(request, fields["headers"].split(" "), request.path)
    return _rsa_holds(pem, text, fields["signature"])


def fedify(request: Request, pem: str) -> bool:
    """Checks every digest it knows, then the hour, then that target, host and digest are signed."""
    if request.body:
        listed = [part.strip().split("=", 1) for part in request.headers["digest"].split(",")]
        known = [value for kind, value in listed if kind.lower() == "sha-256"]
        if not known or any(value != request.digest for value in known):
            return False
    if not _near(request, 1):
        return False
    fields = dict(re.findall(r'([a-zA-Z]+)="([^"]*)"(?:,|$)', request.headers["signature"]))
    if not {"keyId", "headers", "signature"} <= fields.keys():
        return False
    names = fields["headers"].split()
    wanted = {"(request-target)", "date"} | ({"digest"} if request.body else set())
    if not wanted <= set(names):
        return False
    return _rsa_holds(pem, _text(request, names, request.path), fields["signature"])


def friendica(request: Request, pem: str) -> bool:
    """Looks for each field wherever it stands; other algorithms than SHA-256 and -512 are none."""
    header = request.headers["signature"]
    fields = {}
    for name in ("keyId", "algorithm", "headers", "signature"):
        found = re.search(rf'{name}="(.*?)"', header)
        if found is None:
            return False
        fields[name] = found[1]
    if fields["algorithm"] not in ("rsa-sha256", "rsa-sha512"):
        return False
    names = fields["headers"].split(" ")
    if "(request-target)" not in names or not _near(request, 12):
        return False
    if "digest" in names and request.headers["digest"].split("=", 1)[1] != request.digest:
        return False
    text = _text(request, names, request.path)
    return _rsa_holds(pem, text, fields["signature"])


def mastodon_rfc9421(request: Request, pem: str) -> bool:
    """One signature, made lately, of the method and the target, and of the body where there is one.

    `path` is the whole address here: that is what the signature names.
    """
    listed = re.fullmatch(r"(\w+)=\(([^)]*)\)(.*)", request.headers["signature-input"])
    made = re.fullmatch(r"(\w+)=:([^:]+):", request.headers["signature"])
    if listed is None or made is None or listed[1] != made[1]:
        return False
    names = re.findall(r'"([^"]+)"', listed[2])
    parameters = dict(re.findall(r';(\w+)="?([^";]+)"?', listed[3]))
    wanted = {"@method", "@target-uri"} | ({"content-digest"} if request.body else set())
    if not wanted <= set(names) or parameters.get("alg", "rsa-v1_5-sha256") != "rsa-v1_5-sha256":
        return False
    created = datetime.fromtimestamp(int(parameters["created"]), UTC)
    if abs(request.now - created) > timedelta(hours=1):
        return False
    if request.body and f"sha-256=:{request.digest}:" not in request.headers["content-digest"]:
        return False
    known = {"@method": request.method, "@target-uri": request.path, **request.headers}
    lines = [f'"{name}": {known[name]}' for name in names]
    lines.append(f'"@signature-params": ({listed[2]}){listed[3]}')
    return _rsa_holds(pem, "\n".join(lines), made[2])


PEERS: tuple[Peer, ...] = (
    piefed, lemmy, nodebb, mastodon, gotosocial, mbin, fedify, friendica,
)  # fmt: skip
