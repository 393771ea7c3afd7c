"""RFC 9421, in and out: laid out as its own examples are, believed like draft-cavage (WIRE 4.4)."""

import base64
import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from hypothesis import given
from hypothesis import strategies as st

from activitypub import claims, keys, message_signatures, signatures
from activitypub.claims import Claim
from activitypub.keys import PublicKey
from kernel.errors import Unproven
from tests.activitypub import quirks
from tests.activitypub.signing import BODY, KEY_ID, NOW, PAIR, THEN, WHOLE
from tests.activitypub.signing import Rfc9421 as Post

RSA, ED25519 = PAIR.rsa.public_key(), PAIR.ed25519.public_key()
CONTENT_DIGEST = claims.content_digest_of(BODY)


def check(
    post: Post,
    *,
    key: PublicKey = RSA,
    body: bytes = BODY,
    headers: list[tuple[str, str]] | None = None,
    now: datetime = NOW,
    method: str = "POST",
    path: str | None = None,
) -> Claim:
    """What the inbox does with `post`."""
    headers = post.headers() if headers is None else headers
    claim = signatures.parse(headers)
    signatures.verify(
        claim,
        key,
        method=method,
        path=post.path if path is None else path,
        headers=headers,
        body=body,
        now=now,
        origin="https://birch.example",
    )
    return claim


def refused(post: Post, **bent: object) -> bool:
    with contextlib.suppress(Unproven):
        check(post, **bent)  # type: ignore[arg-type]
        return False
    return True


def test_wire_S30_what_we_sign_is_spelled_as_the_standard_spells_it() -> None:
    made = message_signatures.sign(
        PAIR.rsa, KEY_ID, "POST", "https://birch.example/inbox", NOW, BODY
    )
    assert list(made) == ["Content-Digest", "Signature-Input", "Signature"]
    assert made["Content-Digest"] == CONTENT_DIGEST
    assert made["Signature-Input"] == (
        'sig1=("@method" "@target-uri" "content-type" "content-digest")'
        f';created={THEN};keyid="{KEY_ID}";alg="rsa-v1_5-sha256"'
    )
    assert made["Signature"].startswith("sig1=:")
    fetch = message_signatures.sign(
        PAIR.ed25519, KEY_ID, "GET", "https://birch.example/g/x?a=b", NOW, None
    )
    assert fetch["Signature-Input"] == (
        f'sig1=("@method" "@target-uri");created={THEN};keyid="{KEY_ID}";alg="ed25519"'
    )
    assert "Content-Digest" not in fetch


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_what_we_sign_we_believe(kind: str) -> None:
    key = PAIR.rsa if kind == "rsa" else PAIR.ed25519
    made = message_signatures.sign(
        key, KEY_ID, "POST", "https://birch.example/inbox?x=1", NOW, BODY
    )
    headers = [*made.items(), ("Content-Type", claims.CONTENT_TYPE)]
    asked = Post(path="/inbox?x=1")
    claim = check(asked, headers=headers, key=key.public_key())
    assert claim.key_id == KEY_ID
    assert claim.is_rfc9421
    assert refused(asked, headers=headers, key=key.public_key(), path="/inbox?x=2")
    assert refused(asked, headers=headers, key=key.public_key(), path="/inbox")
    assert refused(asked, headers=headers, key=key.public_key(), body=BODY + b" ")
    assert refused(asked, headers=headers, key=key.public_key(), method="PUT")
    assert refused(asked, headers=headers, key=keys.generate().rsa.public_key())
    assert refused(asked, headers=[*made.items(), ("Content-Type", "text/plain")])


class Keys(HTTPSignatureKeyResolver):
    """The key of whoever is named, as the library asks for it."""

    def __init__(self, key: PublicKey) -> None:
        self.key = key

    def resolve_public_key(self, key_id: str) -> PublicKey:
        return self.key

    def resolve_private_key(self, key_id: str) -> bytes:
        raise NotImplementedError


@dataclass
class Asked:
    """A request as the library reads it."""

    headers: dict[str, str]
    method: str = "POST"
    url: str = "https://birch.example/inbox?x=1"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(PAIR.rsa, algorithms.RSA_V1_5_SHA256), (PAIR.ed25519, algorithms.ED25519)],
    ids=["rsa", "ed25519"],
)
def test_another_reader_of_the_standard_reads_what_we_sign(
    key: RSAPrivateKey | Ed25519PrivateKey, algorithm: type[algorithms.HTTPSignatureAlgorithm]
) -> None:
    made = message_signatures.sign(key, KEY_ID, "POST", Asked.url, NOW, BODY)
    asked = Asked({**made, "Content-Type": claims.CONTENT_TYPE})
    reader = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=Keys(key.public_key()))
    (read,) = reader.verify(asked, max_age=None, body=BODY)
    assert read.parameters["keyid"] == KEY_ID
    asked.url = "https://birch.example/inbox?x=2"
    with pytest.raises(InvalidSignature):
        reader.verify(asked, max_age=None, body=BODY)


@pytest.mark.parametrize(("method", "body"), [("POST", BODY), ("GET", None)])
def test_wire_T3_mastodon_takes_what_we_sign(method: str, body: bytes | None) -> None:
    made = message_signatures.sign(PAIR.rsa, KEY_ID, method, Asked.url, NOW, body)
    headers = {name.lower(): value for name, value in made.items()}
    request = quirks.Request(
        method=method,
        path=Asked.url,
        headers={**headers, "content-type": claims.CONTENT_TYPE},
        body=body or b"",
        now=NOW,
    )
    assert quirks.mastodon_rfc9421(request, PAIR.public_pem)
    assert not quirks.mastodon_rfc9421(request, keys.generate().public_pem)
    assert not quirks.mastodon_rfc9421(replace(request, path="https://x.test/"), PAIR.public_pem)
    assert not quirks.mastodon_rfc9421(replace(request, body=b"x"), PAIR.public_pem)


# Examples of the standard, appendix B.2


EXAMPLE = [
    ("Host", "example.com"),
    ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("Content-Type", "application/json"),
    (
        "Content-Digest",
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHW"
        "XvJwew==:",
    ),
    ("Content-Length", "18"),
]
PSS_KEY = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----
"""
ED25519_KEY = Ed25519PublicKey.from_public_bytes(
    base64.urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=")
)
B23 = (
    'sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" '
    '"content-length");created=1618884473;keyid="test-key-rsa-pss"',
    "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683"
    "+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1"
    "pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZ"
    "H896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:",
)
B26 = (
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"',
    "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKR"
    "Cw==:",
)


def example(signed: tuple[str, str]) -> tuple[Claim, bytes]:
    """One of the standard's requests as we read it, and what it signs as we lay it out."""
    headers = [*EXAMPLE, ("Signature-Input", signed[0]), ("Signature", signed[1])]
    claim = signatures.parse(headers)
    text = message_signatures.base(
        claim,
        method="POST",
        origin="https://example.com",
        path="/foo?param=Value&Pet=dog",
        headers=headers,
    )
    return claim, text


def test_wire_T5_the_standards_ed25519_example_holds() -> None:
    claim, text = example(B26)
    ED25519_KEY.verify(claim.signature, text)
    assert text.decode().splitlines()[-1] == f'"@signature-params": {B26[0].partition("=")[2]}'


def test_wire_T5_the_standards_full_example_holds() -> None:
    """It is signed in a way that no actor has a key for; what is signed is ours to lay out."""
    claim, text = example(B23)
    key = load_pem_public_key(PSS_KEY.encode())
    assert isinstance(key, RSAPublicKey)
    key.verify(claim.signature, text, padding.PSS(padding.MGF1(SHA512()), salt_length=64), SHA512())
    assert text.decode().splitlines()[2:5] == [
        '"@path": /foo',
        '"@query": ?param=Value&Pet=dog',
        '"@authority": example.com',
    ]


@pytest.mark.parametrize(
    "signed",
    [
        'sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
        'sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473'
        ';keyid="test-key-rsa-pss";tag="header-example"',
        'sig-b24=("@status" "content-type");created=1618884473;keyid="test-key-ecc-p256"',
        'sig-b25=("date");created=1618884473;keyid="x";alg="hmac-sha256"',
    ],
)
def test_wire_T5_examples_that_have_no_place_between_servers_are_refused(signed: str) -> None:
    label = signed.partition("=")[0]
    with pytest.raises(Unproven):
        signatures.parse([*EXAMPLE, ("Signature-Input", signed), ("Signature", f"{label}=:AA==:")])


def test_sec_S28_T5_the_standards_own_keys_prove_nothing() -> None:
    claim, _ = example(B26)
    with pytest.raises(Unproven, match="published"):
        signatures.verify(
            claim,
            ED25519_KEY,
            method="GET",
            path="/foo",
            headers=EXAMPLE,
            body=b"",
            now=datetime.fromtimestamp(1618884473, UTC),
            origin="https://example.com",
        )


# What is believed


def test_wire_S33_what_may_be_signed() -> None:
    check(Post())
    check(Post(names=("@method", "@path", "@authority", "content-digest")))
    check(Post(names=("content-digest", "host", "@path", "@method")))
    check(Post(names=(*WHOLE, "@query", "@authority", "@path", "host")))
    asked = Post(names=("@method", "@authority", "@path", "@query", "content-digest"))
    check(replace(asked, path="/inbox?page=1"))
    lengths = (*Post().fields, ("Content-Length", "17"), ("Content-Type", "a/b"), ("X-More", "y"))
    check(Post(names=(*WHOLE, "content-length", "content-type", "x-more"), fields=lengths))


@pytest.mark.parametrize("missing", WHOLE)
def test_sec_S11_S33_what_must_be_signed(missing: str) -> None:
    assert refused(Post(names=[name for name in WHOLE if name != missing]))


def test_sec_S11_S33_parts_of_a_target_are_not_all_of_it() -> None:
    assert refused(Post(names=("@method", "@path", "content-digest")))
    assert refused(Post(names=("@method", "@authority", "content-digest")))
    by_path = Post(names=("@method", "@authority", "@path", "content-digest"))
    check(by_path)
    assert refused(by_path, path="/inbox?page=1")


@pytest.mark.parametrize(
    "listed",
    [
        '"@method" "@target-uri" "content-digest" "@unheard-of"',
        '"@method" "@target-uri" "content-digest" "@request-target"',
        '"@method" "@target-uri" "content-digest" "@scheme"',
        '"@method" "@target-uri" "content-digest" "@status"',
        '"@method" "@target-uri" "content-digest" "@query-param";name="x"',
        '"@method" "@target-uri" "content-digest";sf',
        '"@method" "@target-uri" "content-digest" "@method";req',
        '"@method" "@target-uri" "content-digest" "@method"',
        '"@method" "@target-uri" "Content-Digest"',
        '"@method" "@target-uri" "content-digest" "(created)"',
        '"@method" "@target-uri" "content-digest" ""',
        '@method "@target-uri" "content-digest"',
        '"@method" "@target-uri" content-digest',
        '"@method" "@target-uri" "content-digest" "missing"',
        '"@method" "@target-uri" "content-digest" 1',
        '"@method","@target-uri","content-digest"',
        " ".join(f'"x{number}"' for number in range(33)),
    ],
)
def test_sec_S11_S33_what_cannot_be_signed(listed: str) -> None:
    assert refused(Post(listed=listed))


ALG = ';alg="rsa-v1_5-sha256"'
CREATED, KEY = f";created={THEN}", f';keyid="{KEY_ID}"'


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        CREATED + ALG,
        KEY + ALG,
        CREATED + ';keyid=""' + ALG,
        CREATED + f';keyid="{"x" * 3000}"' + ALG,
        CREATED + ";keyid=token" + ALG,
        CREATED + KEY + ';alg="hmac-sha256"',
        CREATED + KEY + ';alg="rsa-pss-sha512"',
        CREATED + KEY + ';alg="ecdsa-p256-sha256"',
        CREATED + KEY + ';alg="rsa-v1_5-sha512"',
        CREATED + KEY + ';alg="rsa-sha256"',
        CREATED + KEY + ';alg="ed25519"',
        CREATED + KEY + ";alg=ed25519",
        ";created=-1" + KEY + ALG,
        f';created="{THEN}"' + KEY + ALG,
        f";created={THEN}.5" + KEY + ALG,
        ";created=?1" + KEY + ALG,
        ";created=999999999999999" + KEY + ALG,
        CREATED + KEY + ALG + ";expires=soon",
        CREATED + KEY + ALG + f";expires={THEN - 1}",
        CREATED + KEY + ALG + ";odd=1",
        CREATED + KEY + ALG + f";created={THEN}",
    ],
)
def test_sec_S11_S13_what_a_signature_may_not_say_of_itself(parameters: str) -> None:
    assert refused(Post(parameters=parameters))


def test_wire_S33_what_a_signature_may_say_of_itself() -> None:
    check(Post(parameters=CREATED + KEY))
    check(Post(parameters=KEY + ALG + CREATED + ';nonce="a\\"b\\\\c";tag="x"'))
    check(Post(parameters=CREATED + KEY + f";expires={THEN + 5}"))
    check(Post(label="other-name.1"))
    ed25519 = Post(by="ed25519", parameters=CREATED + KEY)
    check(ed25519, key=ED25519)
    check(replace(ed25519, parameters=CREATED + KEY + ';alg="ed25519"'), key=ED25519)
    assert refused(replace(ed25519, parameters=CREATED + KEY + ALG), key=ED25519)
    assert refused(ed25519)


@pytest.mark.parametrize(
    ("minutes", "holds"), [(-70, False), (-61, False), (-55, True), (55, True), (70, False)]
)
def test_sec_S13_T4_the_clock_may_be_an_hour_off(minutes: int, holds: bool) -> None:
    created = f";created={THEN + 60 * minutes}"
    assert refused(Post(parameters=created + KEY)) is not holds


def test_sec_S13_a_signed_date_counts_too() -> None:
    dated = Post(
        names=(*WHOLE, "date"), fields=(*Post().fields, ("Date", "Fri, 02 Jan 2026 03:04:05 GMT"))
    )
    check(dated)
    assert refused(
        replace(dated, fields=(*Post().fields, ("Date", "Fri, 02 Jan 2026 01:00:00 GMT")))
    )
    assert refused(replace(dated, fields=(*Post().fields, ("Date", "yesterday"))))


def test_sec_S12_S33_the_target_is_ours_whatever_the_request_says() -> None:
    assert refused(Post(signed_as="https://elsewhere.example"))
    assert refused(Post(signed_as="http://birch.example"))
    elsewhere = (("Host", "elsewhere.example"), ("Content-Digest", CONTENT_DIGEST))
    assert refused(Post(signed_as="https://elsewhere.example", fields=elsewhere))
    by_host = ("@method", "@path", "host", "content-digest")
    assert refused(Post(names=by_host, fields=elsewhere))
    check(Post(fields=elsewhere))  # what is not signed does not count


def test_sec_S14_the_body_is_bound() -> None:
    sha512 = base64.b64encode(hashlib.sha512(BODY).digest()).decode()

    def digests(*given: tuple[str, str], names: Sequence[str] = WHOLE) -> Post:
        return Post(names=names, fields=(("Host", "birch.example"), *given))

    assert refused(Post(), body=BODY + b" ")
    assert refused(Post(), body=b"")
    check(digests(("Content-Digest", f"{CONTENT_DIGEST}, sha-512=:{sha512}:")))
    assert refused(digests(("Content-Digest", f"sha-512=:{sha512}:")))
    assert refused(digests(("Content-Digest", f"{CONTENT_DIGEST}, sha-512=:AAAA:")))
    assert refused(digests(("Content-Digest", CONTENT_DIGEST.lower())))
    assert refused(digests(("Content-Digest", CONTENT_DIGEST), ("Content-Digest", CONTENT_DIGEST)))
    legacy = ("@method", "@target-uri", "digest")
    check(digests(("Digest", claims.digest_of(BODY)), names=legacy))
    assert refused(digests(("Digest", claims.digest_of(b"other")), names=legacy))


def test_a_fetch_needs_no_digest() -> None:
    asked = Post(
        names=("@method", "@target-uri"), method="GET", fields=(("Host", "birch.example"),)
    )
    check(asked, body=b"", method="GET")
    assert refused(asked, body=b"")


def test_sec_S11_exactly_one_signature_of_one_kind() -> None:
    headers = Post().headers()
    inputs = [each for each in headers if each[0] == "Signature-Input"]
    signed = [each for each in headers if each[0] == "signature"]
    rest = [each for each in headers if each not in inputs + signed]
    cavage = signatures.sign(PAIR.rsa, KEY_ID, "POST", "https://birch.example/inbox", NOW, BODY)
    old = ("Signature", cavage["Signature"])
    (_, listed), (_, made) = inputs[0], signed[0]
    for odd in (
        [*rest, *signed],
        [*rest, *inputs],
        [*headers, *inputs],
        [*headers, *signed],
        [*headers, old],
        [*rest, *inputs, old],
        [*rest, ("Signature-Input", f"{listed}, sig2={listed[5:]}"), *signed],
        [*rest, ("Signature-Input", f"{listed}, {listed}"), *signed],
        [*rest, *inputs, ("Signature", f"{made}, sig2={made[5:]}")],
        [*rest, *inputs, ("Signature", f"{made}, {made}")],
        [*rest, *inputs, ("Signature", made.replace("sig1", "sig2"))],
        [*rest, *inputs, ("Signature", "sig1=::")],
        [*rest, *inputs, ("Signature", 'sig1="text"')],
        [*rest, *inputs, ("Signature", "sig1")],
        [*rest, ("Signature-Input", "sig1=1"), *signed],
        [*rest, ("Signature-Input", ""), *signed],
        [*rest, ("Signature-Input", "sig1=(é)"), *signed],
        [*rest, ("Signature-Input", listed + ";x" * 5000), *signed],
    ):
        with pytest.raises(Unproven):
            check(Post(), headers=odd)


def test_sec_S15_a_replay_is_known_in_both_kinds() -> None:
    replays = signatures.Replays()
    claim = check(Post())
    assert not replays.seen(claim, NOW)
    assert replays.seen(claim, NOW + timedelta(minutes=119))


TEXT = st.text(st.characters(codec="latin-1"), max_size=60)


@given(TEXT, TEXT)
def test_any_headers_prove_something_or_nothing(listed: str, made: str) -> None:
    for headers in (
        [("Signature-Input", listed), ("Signature", made)],
        [("Signature-Input", f"sig1=({listed})"), ("Signature", "sig1=:AAAA:")],
        [("Signature-Input", f'sig1=("@method"){listed}'), ("Signature", "sig1=:AAAA:")],
    ):
        with contextlib.suppress(Unproven):
            check(Post(), headers=headers)
            raise AssertionError("nobody signed that")
