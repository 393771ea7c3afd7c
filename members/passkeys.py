"""Passkeys: what a browser is asked, and what of its answers is believed (WebAuthn level 3).

Nothing is kept of a passkey but its id and its public key: no counter, no time, no maker.
"""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from webauthn import verify_authentication_response, verify_registration_response

from kernel.errors import NotAllowed
from kernel.here import Here
from kernel.said import noted
from kernel.sealing import digest, mac

MAX_ID: Final = 512  # bytes of a credential's id
MAX_KEY: Final = 450  # bytes of its public key
GOOD_FOR: Final = timedelta(minutes=15)  # a challenge, from the page to the answer
PRF_BYTES: Final = 32

_RANDOM: Final = 16
_MINUTE: Final = 4
_ALGORITHMS: Final = (-8, -7, -257)  # EdDSA, ES256, RS256
_WRONG: Final = noted("That passkey did not work. Please try it once more, or come in another way.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """One passkey of a member; `root` says in which place it keeps the root key, if it does."""

    id: bytes
    public_key: bytes = field(repr=False)
    root: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a browser sent, before anything of it is believed."""

    id: bytes
    handle: bytes
    challenge: bytes
    text: str = field(repr=False)


def challenge(here: Here, purpose: str) -> bytes:
    """A fresh one for `purpose`, which this node alone can make; nothing is stored."""
    minute = int((here.now() + GOOD_FOR).timestamp()) // 60
    front = secrets.token_bytes(_RANDOM) + minute.to_bytes(_MINUTE, "big")
    return front + _proof(here, purpose, front)


def check_challenge(here: Here, purpose: str, given: bytes) -> None:
    """Raises NotAllowed: not ours, for something else, or too old. See `spent.spend` as well."""
    front = given[: _RANDOM + _MINUTE]
    if not hmac.compare_digest(given, front + _proof(here, purpose, front)):
        raise NotAllowed(_WRONG)
    if int.from_bytes(front[_RANDOM:], "big") * 60 < here.now().timestamp():
        raise NotAllowed("This page is old. Please open it again; then it works.")


def read(text: str) -> Answer:
    """An answer to a challenge, not believed yet. Raises NotAllowed: it is none."""
    try:
        found = json.loads(text)
        response = found["response"]
        said = json.loads(_bytes(response["clientDataJSON"]))
        return Answer(
            id=_bytes(found["id"]),
            handle=_bytes(response.get("userHandle") or ""),
            challenge=_bytes(said["challenge"]),
            text=text,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotAllowed(_WRONG) from error


def check_new(here: Here, answer: Answer) -> Passkey:
    """The passkey that was just made. Raises NotAllowed: it is not one we can use."""
    try:
        made = verify_registration_response(
            credential=answer.text,
            expected_challenge=answer.challenge,
            expected_rp_id=rp_id(here),
            expected_origin=here.origin,
            require_user_verification=True,
        )
    except Exception as error:  # whatever it stumbled over, it did not say yes
        raise NotAllowed(_WRONG) from error
    if len(made.credential_id) > MAX_ID or len(made.credential_public_key) > MAX_KEY:
        raise NotAllowed("That kind of passkey does not fit here. Another device may.")
    return Passkey(id=made.credential_id, public_key=made.credential_public_key)


def check(here: Here, answer: Answer, passkey: Passkey) -> None:
    """Raises NotAllowed: the passkey did not sign this. Its counter is not looked at."""
    try:
        verify_authentication_response(
            credential=answer.text,
            expected_challenge=answer.challenge,
            expected_rp_id=rp_id(here),
            expected_origin=here.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception as error:  # whatever it stumbled over, it did not say yes
        raise NotAllowed(_WRONG) from error


def read_secret(text: str) -> bytes | None:
    """The bytes that a passkey made for us (PRF); None: it makes none."""
    try:
        made = _bytes(text)
    except ValueError:
        return None
    return made if len(made) == PRF_BYTES else None


def to_make(here: Here, place: str, asked: bytes, handle: bytes, known: Sequence[Passkey]) -> str:
    """What a browser needs to make a passkey, as JSON; byte strings in URL-safe base64."""
    return json.dumps(
        {
            "challenge": _text(asked),
            "rp": {"id": rp_id(here), "name": place},
            "user": {"id": _text(handle), "name": place, "displayName": place},
            "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in _ALGORITHMS],
            "excludeCredentials": [_named(each) for each in known],
            "authenticatorSelection": {
                "residentKey": "preferred",
                "userVerification": "required",
            },
            "attestation": "none",
            "extensions": _prf(here),
        }
    )


def to_use(here: Here, asked: bytes, known: Sequence[Passkey] = (), *, root: bool = False) -> str:
    """What a browser needs to use one of `known`, or any of this node's, as JSON.

    `root`: ask the passkey for the secret that opens the root key, too.
    """
    return json.dumps(
        {
            "challenge": _text(asked),
            "rpId": rp_id(here),
            "allowCredentials": [_named(each) for each in known],
            "userVerification": "required",
            "extensions": _prf(here) if root else {},
        }
    )


def rp_id(here: Here) -> str:
    """The host that passkeys of this node belong to; a port is no part of it."""
    return here.host.partition(":")[0]


def _proof(here: Here, purpose: str, front: bytes) -> bytes:
    return mac(here.node_key.derive("challenges"), purpose, front)


def _prf(here: Here) -> dict[str, dict[str, dict[str, str]]]:
    return {
        "prf": {"eval": {"first": _text(digest(b"hearthold root key of " + here.origin.encode()))}}
    }


def _named(passkey: Passkey) -> dict[str, str]:
    return {"type": "public-key", "id": _text(passkey.id)}


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError("no base64") from error
