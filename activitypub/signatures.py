"""HTTP signatures as the fediverse signs (draft-cavage, WIRE 4.1), and what is believed of any.

httpsig lays out the text to sign and nothing more: it would take the algorithm from the header,
where `hmac-sha256` turns a public key into a password. Which algorithm counts is decided here, by
the kind of key, and the arithmetic is `cryptography`'s (DESIGN decision 6). Signatures of RFC 9421
are laid out in `message_signatures` and held to the same rules.
"""

import base64
import binascii
import hashlib
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache, partial

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, HashAlgorithm

from activitypub import message_signatures
from activitypub.claims import (
    CONTENT_TYPE,
    MAX_HEADER,
    Claim,
    Headers,
    covered,
    digest_of,
    key_id_of,
    signed_names,
    to_base64,
    values,
)
from activitypub.keys import PublicKey, weakness_of
from activitypub.keys import load_public_key as load_public_key
from kernel import urls
from kernel.errors import Unproven

with warnings.catch_warnings():  # httpsig 1.3.0 asks pkg_resources for its own version
    warnings.filterwarnings("ignore", "pkg_resources is deprecated")
    from httpsig.utils import generate_message

WINDOW = timedelta(minutes=60)  # WIRE-S13
REPLAY_WINDOW = 2 * WINDOW

_TARGET, _CREATED, _EXPIRES = "(request-target)", "(created)", "(expires)"
_PARAMETER = re.compile(
    r'\s*(?P<name>[A-Za-z]+)\s*=\s*(?:"(?P<quoted>[^"\\]*)"|(?P<bare>[^\s,"]+))\s*(?:,|\Z)'
)
_HASHES: Mapping[str, tuple[HashAlgorithm, ...]] = {
    "rsa-sha256": (SHA256(),),
    "rsa-sha512": (SHA512(),),
    "hs2019": (SHA256(), SHA512()),
    "ed25519": (),
    message_signatures.RSA: (SHA256(),),
    "": (SHA256(),),  # RFC 9421 that names none
}
_CAVAGE = frozenset({"rsa-sha256", "rsa-sha512", "hs2019", "ed25519"})
_BY_KEY = "hs2019"  # the key decides (WIRE-S10)
_OF_ED25519 = frozenset({"ed25519", _BY_KEY, ""})
_DIGESTS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


def sign(
    key: RSAPrivateKey,
    key_id: str,
    method: str,
    url: str,
    date: datetime,
    body: bytes | None,
    *,
    digest: str | None = None,
) -> dict[str, str]:
    """The Host, Date, Digest and Signature headers of one attempt (WIRE-S1 to WIRE-S5).

    A POST also signs `content-type`, which must then be sent as CONTENT_TYPE. `body=b""` signs the
    digest of nothing, which Lemmy's private groups want on a GET; None leaves it out. `digest` is
    `digest_of(body)` where that is known already: many servers are sent the same bytes.
    """
    asked = urls.parse(url, allow_http=True)
    headers = {
        "Host": asked.netloc,
        "Date": format_datetime(date.astimezone(UTC), usegmt=True),
    }
    signed = [_TARGET, "host", "date"]
    if body is not None:
        headers["Digest"] = digest or digest_of(body)
        signed.append("digest")
    known = dict(headers)
    if method.upper() == "POST":
        known["Content-Type"] = CONTENT_TYPE
        signed.append("content-type")
    message = generate_message(
        signed, known, host=asked.netloc, method=method, path=asked.path_and_query
    )
    signature = to_base64(key.sign(message, PKCS1v15(), SHA256()))
    headers["Signature"] = (
        f'keyId="{key_id}",algorithm="rsa-sha256",headers="{" ".join(signed)}",'
        f'signature="{signature}"'
    )
    return headers


def parse(headers: Headers) -> Claim:
    """Read the one signature of a request; draft-cavage is read leniently as to form (WIRE-S10).

    Which of the two kinds it is says the Signature-Input header, so one request cannot carry both.
    Raises Unproven: there is none, or two (SEC-S11), or it leaves out or repeats something.
    """
    if values(headers, "signature-input"):
        return message_signatures.parse(headers)
    found = values(headers, "signature")
    if len(found) != 1:
        raise Unproven("There must be exactly one signature.")
    given = _parameters(found[0])
    algorithm = given.get("algorithm", _BY_KEY).lower()
    if algorithm not in _CAVAGE:
        raise Unproven("That signature algorithm is not read here.")
    names = signed_names(
        given.get("headers", _CREATED if algorithm == _BY_KEY else "date").lower().split()
    )
    try:
        signature = base64.b64decode(given.get("signature", ""), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unproven("The signature is not base64.") from error
    if not signature:
        raise Unproven("The signature is empty.")
    return Claim(
        key_id=key_id_of(given.get("keyid")),
        algorithm=algorithm,
        headers=names,
        signature=signature,
        created=_seconds(given.get("created")),
        expires=_seconds(given.get("expires")),
    )


def verify(
    claim: Claim,
    public_key: PublicKey,
    *,
    method: str,
    path: str,
    headers: Headers,
    body: bytes,
    now: datetime,
    origin: str,
) -> None:
    """Returns if the key's owner sent exactly this, to us, within the hour (WIRE-S11 to WIRE-S15).

    `path` is the request target as it came, with its query. `origin` is ours: whom a request was
    signed for is held against it, and never against what the request says of itself (WIRE-S33).

    Raises Unproven: something needed is not signed, stale, meant for others, or does not match.
    """
    if weakness := weakness_of(public_key):
        raise Unproven(f"That key is not safe to believe: {weakness}.")
    needs_digest = bool(body) or method.upper() not in ("GET", "HEAD")
    if needs_digest and not {"digest", "content-digest"} & set(claim.headers):
        raise Unproven("The digest of the body must be signed.")
    if claim.is_rfc9421:
        _check_components(claim, path)
    else:
        _check_coverage(claim)
    named = {name: covered(headers, name) for name in claim.headers if name[0] not in "(@"}
    if "host" in named and named["host"].lower() != origin.partition("://")[2]:
        raise Unproven("That was signed for another server.")
    _check_clock(claim, named.get("date"), now)
    _check_digests(headers, body)
    if claim.is_rfc9421:
        texts = [
            message_signatures.base(claim, method=method, origin=origin, path=path, headers=headers)
        ]
    else:
        targets = dict.fromkeys((path, path.partition("?")[0]))  # WIRE-S12
        texts = [_text(claim, named, method, target) for target in targets]
    if not any(_holds(public_key, claim, text) for text in texts):
        raise Unproven("The signature does not match.")


def _text(claim: Claim, named: Mapping[str, str], method: str, target: str) -> bytes:
    """The bytes that a draft-cavage signature signs."""
    known = {**named, _CREATED: str(claim.created), _EXPIRES: str(claim.expires)}
    try:
        made: bytes = generate_message(
            claim.headers, known, host=named["host"], method=method, path=target
        )
    except UnicodeEncodeError as error:
        raise Unproven("What is signed is not plain text.") from error
    return made


def _check_components(claim: Claim, path: str) -> None:
    """What a signature of RFC 9421 must cover: method, whole target, time (WIRE-S33)."""
    signed = set(claim.headers)
    whole = message_signatures.TARGET in signed
    by_parts = message_signatures.PATH in signed and (
        message_signatures.QUERY in signed or "?" not in path
    )
    if message_signatures.METHOD not in signed or not (whole or by_parts):
        raise Unproven("The method and the whole target must be signed.")
    if not whole and not {message_signatures.AUTHORITY, "host"} & signed:
        raise Unproven("The server it is for must be signed.")
    if claim.created is None:
        raise Unproven("The time of sending must be signed.")


def _check_coverage(claim: Claim) -> None:
    """What a signature of draft-cavage must cover (WIRE-S11)."""
    signed = set(claim.headers)
    pseudo = {name for name in signed if name.startswith("(")}
    if not pseudo <= {_TARGET, _CREATED, _EXPIRES} or any(name[0] == "@" for name in signed):
        raise Unproven("Something is signed that is not known here.")
    if not {_TARGET, "host"} <= signed:
        raise Unproven("The request target and the host must be signed.")
    if claim.algorithm != _BY_KEY and pseudo != {_TARGET}:
        raise Unproven("(created) and (expires) are for hs2019 only.")
    if (_CREATED in pseudo and claim.created is None) or (
        _EXPIRES in pseudo and claim.expires is None
    ):
        raise Unproven("A time is signed that is not given.")
    if not {"date", _CREATED} & signed:
        raise Unproven("The time of sending must be signed.")


def _check_clock(claim: Claim, date: str | None, now: datetime) -> None:
    moments: list[datetime] = []
    try:
        if date is not None:
            moments.append(_sent_at(date))
        if claim.created is not None and (claim.is_rfc9421 or _CREATED in claim.headers):
            moments.append(datetime.fromtimestamp(claim.created, UTC))
        expired = claim.expires is not None and datetime.fromtimestamp(claim.expires, UTC) < now
        if any(abs(now - moment) > WINDOW for moment in moments):
            raise Unproven("The clock is more than an hour off.")
    except (ValueError, OverflowError, OSError) as error:
        raise Unproven("The time of sending cannot be read.") from error
    if expired:
        raise Unproven("The signature has run out.")


@lru_cache(maxsize=256)  # what comes within a second was sent within a few
def _sent_at(date: str) -> datetime:
    sent = parsedate_to_datetime(date)
    return sent if sent.tzinfo else sent.replace(tzinfo=UTC)


def _check_digests(headers: Headers, body: bytes) -> None:
    """Every digest given must be right, and SHA-256 among them (SEC-S14)."""
    for name in ("digest", "content-digest"):
        if not (given := values(headers, name)):
            continue
        if len(given) > 1:
            raise Unproven("There are two digests.")
        listed = [part.strip().partition("=") for part in given[0].split(",")]
        kinds = [kind.lower() for kind, _, _ in listed]
        if "sha-256" not in kinds:
            raise Unproven("There must be a SHA-256 digest.")
        for kind, (_, _, value) in zip(kinds, listed, strict=True):
            if kind not in _DIGESTS:
                raise Unproven("That kind of digest is not read here.")
            expected = to_base64(_DIGESTS[kind](body).digest())
            if value != (expected if name == "digest" else f":{expected}:"):
                raise Unproven("The digest does not match the body.")


def _holds(key: PublicKey, claim: Claim, message: bytes) -> bool:
    """Whether the signature holds by an algorithm that the key and the claim agree on."""
    if isinstance(key, Ed25519PublicKey):
        return claim.algorithm in _OF_ED25519 and _passes(
            lambda: key.verify(claim.signature, message)
        )
    return any(
        _passes(partial(key.verify, claim.signature, message, PKCS1v15(), algorithm))
        for algorithm in _HASHES[claim.algorithm]
    )


def _passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except InvalidSignature:
        return False
    return True


def _parameters(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    position = 0
    while position < len(text) <= MAX_HEADER:
        match = _PARAMETER.match(text, position)
        if match is None or (name := match["name"].lower()) in given:
            break
        given[name] = match["bare"] if match["quoted"] is None else match["quoted"]
        position = match.end()
    if not given or position != len(text):
        raise Unproven("The signature header cannot be read.")
    return given


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise Unproven("A time in the signature is no number.")
    return int(text)


class Replays:
    """Signatures seen within two hours, in bounded memory (WIRE-S13, SEC-S15)."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._seen: OrderedDict[bytes, datetime] = OrderedDict()

    def seen(self, claim: Claim, now: datetime) -> bool:
        """Whether this signature came before; from now on it has."""
        key = hashlib.sha256(claim.key_id.encode() + b"\0" + claim.signature).digest()[:16]
        while self._seen and now - self._oldest() > REPLAY_WINDOW:
            self._seen.popitem(last=False)
        known = key in self._seen
        self._seen.setdefault(key, now)
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
        return known

    def __len__(self) -> int:
        return len(self._seen)

    def _oldest(self) -> datetime:
        return next(iter(self._seen.values()))
