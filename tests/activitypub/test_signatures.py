"""Signing as every peer reads it, and believing nothing that is not proven."""

import base64
import contextlib
import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from httpsig.verify import HeaderVerifier
from hypothesis import given
from hypothesis import strategies as st

from activitypub import claims, keys, signatures
from activitypub.claims import Claim
from activitypub.keys import PublicKey
from activitypub.signatures import Replays
from kernel.errors import Malformed, Unproven
from tests.activitypub import quirks
from tests.activitypub.signing import BODY, KEY_ID, NOW, PAIR, SIGNED, digest_of
from tests.activitypub.signing import Cavage as Post

RSA = PAIR.rsa.public_key()
ED25519 = PAIR.ed25519.public_key()


def check(
    post: Post,
    *,
    key: PublicKey = RSA,
    body: bytes | None = None,
    path: str | None = None,
    headers: list[tuple[str, str]] | None = None,
    now: datetime = NOW,
) -> Claim:
    """What the inbox does with `post`."""
    headers = post.headers() if headers is None else headers
    claim = signatures.parse(headers)
    signatures.verify(
        claim,
        key,
        method="POST",
        path=path or post.path,
        headers=headers,
        body=post.body if body is None else body,
        now=now,
        origin="https://birch.example",
    )
    return claim


def refused(post: Post, **bent: object) -> bool:
    with contextlib.suppress(Unproven):
        check(post, **bent)  # type: ignore[arg-type]
        return False
    return True


def ours(method: str, url: str, body: bytes | None) -> quirks.Request:
    """A request signed by us, as a peer gets it."""
    headers = signatures.sign(PAIR.rsa, KEY_ID, method, url, NOW, body)
    if method == "POST":
        headers["Content-Type"] = claims.CONTENT_TYPE
    return quirks.Request(
        method=method,
        path=url.partition("birch.example")[2],
        headers={name.lower(): value for name, value in headers.items()},
        body=body or b"",
        now=NOW,
    )


def test_the_header_is_spelled_as_the_strictest_peers_want() -> None:
    """WIRE-S1, WIRE-S2, WIRE-S4."""
    made = signatures.sign(PAIR.rsa, KEY_ID, "POST", "https://birch.example/inbox", NOW, BODY)
    assert list(made) == ["Host", "Date", "Digest", "Signature"]
    assert made["Host"] == "birch.example"
    assert made["Date"] == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert made["Digest"] == digest_of(BODY)
    assert re.fullmatch(
        re.escape(f'keyId="{KEY_ID}",algorithm="rsa-sha256",')
        + r'headers="\(request-target\) host date digest content-type",signature="[\w+/=]+"',
        made["Signature"],
    )


@pytest.mark.parametrize("peer", quirks.PEERS, ids=lambda peer: peer.__name__)
def test_wire_T3_eight_peers_take_our_post_and_no_altered_one(peer: quirks.Peer) -> None:
    """WIRE-S3."""
    request = ours("POST", "https://birch.example/inbox", BODY)
    assert peer(request, PAIR.public_pem)
    assert not peer(request, keys.generate().public_pem)
    assert not peer(replace(request, body=BODY + b" "), PAIR.public_pem)
    assert not peer(replace(request, path="/u/other/inbox"), PAIR.public_pem)


@pytest.mark.parametrize("peer", quirks.PEERS, ids=lambda peer: peer.__name__)
def test_wire_T3_eight_peers_take_our_fetch(peer: quirks.Peer) -> None:
    """Lemmy wants the digest of nothing signed, which none of the others minds."""
    assert peer(ours("GET", "https://birch.example/g/sleep", b""), PAIR.public_pem)


def test_wire_T3_the_quirks_are_alive() -> None:
    spaced = ours("POST", "https://birch.example/inbox", BODY)
    spaced = replace(
        spaced,
        headers={**spaced.headers, "signature": spaced.headers["signature"].replace(",", ", ")},
    )
    assert not quirks.piefed(spaced, PAIR.public_pem)
    assert quirks.mastodon(spaced, PAIR.public_pem)
    asked = ours("GET", "https://birch.example/g/sleep?page=1", None)
    assert not quirks.lemmy(asked, PAIR.public_pem)
    assert not quirks.piefed(asked, PAIR.public_pem)
    assert quirks.gotosocial(asked, PAIR.public_pem)


def test_httpsig_reads_what_we_sign() -> None:
    request = ours("POST", "https://birch.example/inbox?x=1", BODY)
    oracle = HeaderVerifier(
        {**request.headers, "authorization": "Signature " + request.headers["signature"]},
        PAIR.public_pem,
        required_headers=["(request-target)", "host", "date", "digest", "content-type"],
        method="POST",
        path="/inbox?x=1",
        host="birch.example",
    )
    assert oracle.verify()


def test_what_we_sign_we_believe() -> None:
    made = signatures.sign(PAIR.rsa, KEY_ID, "POST", "https://birch.example/inbox?x=1", NOW, BODY)
    headers = [*made.items(), ("Content-Type", claims.CONTENT_TYPE)]
    claim = check(Post(path="/inbox?x=1"), headers=headers)
    assert (claim.key_id, claim.algorithm) == (KEY_ID, "rsa-sha256")
    assert refused(Post(), headers=[*made.items(), ("Content-Type", "text/plain")])


def test_a_fetch_needs_no_digest() -> None:
    made = signatures.sign(PAIR.rsa, KEY_ID, "GET", "http://birch.test:81/g/x?a=b", NOW, None)
    assert made["Host"] == "birch.test:81"
    assert 'headers="(request-target) host date"' in made["Signature"]
    headers = list(made.items())
    signatures.verify(
        signatures.parse(headers),
        RSA,
        method="GET",
        path="/g/x?a=b",
        headers=headers,
        body=b"",
        now=NOW,
        origin="http://birch.test:81",
    )


SIG = 'signature="{sig}"'


@pytest.mark.parametrize(
    "parameters",
    [
        "signature='{sig}'",
        "",
        SIG,
        f'keyId="",algorithm="rsa-sha256",headers="{{names}}",{SIG}',
        f'algorithm="rsa-sha256",headers="{{names}}",{SIG}',
        'keyId="{key_id}",algorithm="rsa-sha256",headers="{names}"',
        'keyId="{key_id}",algorithm="rsa-sha256",headers="{names}",signature=""',
        'keyId="{key_id}",algorithm="rsa-sha256",headers="{names}",signature="%%%%"',
        'keyId="{key_id}",algorithm="rsa-sha256",headers="{names}",signature="AAAA"',
        f'keyId="{{key_id}}",algorithm="hmac-sha256",headers="{{names}}",{SIG}',
        f'keyId="{{key_id}}",algorithm="rsa-sha1",headers="{{names}}",{SIG}',
        f'keyId="{{key_id}}",algorithm="none",headers="{{names}}",{SIG}',
        f'keyId="{{key_id}}",algorithm="",headers="{{names}}",{SIG}',
        f'keyId="{{key_id}}",algorithm="rsa-sha512",headers="{{names}}",{SIG}',
        f'keyId="{{key_id}}",algorithm="ed25519",headers="{{names}}",{SIG}',
        f'keyId="{{key_id}}",algorithm="rsa-sha256",headers="",{SIG}',
        f'keyId="{{key_id}}",algorithm="rsa-sha256",{SIG}',
        f'keyId="{{key_id}}",algorithm="rsa-sha256",headers="{{names}} date",{SIG}',
        f'keyId="{{key_id}}",keyId="https://x/#y",headers="{{names}}",{SIG}',
        f'keyId="{{key_id}}",headers="{{names}}",headers="date",{SIG}',
        f'keyId="{{key_id}}" algorithm="rsa-sha256" headers="{{names}}" {SIG}',
        f'keyId="{{key_id}}",created=soon,headers="{{names}}",{SIG}',
        f'keyId="{{key_id}}",x="{"y" * 9000}",headers="{{names}}",{SIG}',
    ],
)
def test_sec_S11_a_signature_header_that_proves_nothing(parameters: str) -> None:
    assert refused(Post(parameters=parameters))


def test_sec_S11_exactly_one_signature() -> None:
    headers = Post().headers()
    none = [(name, value) for name, value in headers if name != "Signature"]
    assert refused(Post(), headers=none)
    assert refused(Post(), headers=[*headers, headers[-1]])
    assert refused(Post(), headers=[*headers, ("signature", "")])
    assert refused(Post(), headers=[*none, ("Signature", "")])
    assert refused(Post(), headers=[*headers, ("Signature-Input", 'sig1=("@method")')])


@pytest.mark.parametrize("missing", SIGNED)
def test_sec_S11_what_must_be_signed(missing: str) -> None:
    """WIRE-S11."""
    assert refused(Post(names=[name for name in SIGNED if name != missing]))
    assert refused(Post(names=[*SIGNED, "(unheard-of)"]))


def test_sec_S11_nothing_is_there_twice() -> None:
    assert refused(Post(names=[*SIGNED, "date"]))
    kinds = (("Content-Type", "a/b"), ("Content-Type", "c/d"))
    joined = (("content-type", "a/b, c/d"),)
    assert refused(Post(names=[*SIGNED, "content-type"], values=joined, more=kinds))
    check(Post(names=[*SIGNED, "x"], values=(("x", "a, b"),), more=(("X", "a"), ("x", "b"))))


def test_sec_S11_hs2019_with_another_kind_of_key() -> None:
    post = Post(parameters=f'keyId="{{key_id}}",algorithm="hs2019",headers="{{names}}",{SIG}')
    check(post)
    assert refused(post, key=ED25519)
    assert refused(replace(post, by="ed25519"))
    check(replace(post, by="ed25519"), key=ED25519)


def test_sec_S11_a_public_key_is_no_password() -> None:
    """The confusion httpsig falls for: HMAC keyed with the text of the public key."""
    post = Post(parameters=f'keyId="{{key_id}}",algorithm="hmac-sha256",headers="{{names}}",{SIG}')
    with pytest.raises(Unproven, match="algorithm"):
        signatures.parse(post.headers())


def test_sec_S12_signed_for_another_server() -> None:
    """WIRE-S14."""
    assert refused(Post(host="elsewhere.example"))
    headers = [
        (name, "birch.example" if name == "HOST" else value)
        for name, value in Post(host="elsewhere.example").headers()
    ]
    assert refused(Post(), headers=headers)
    assert refused(Post(), headers=[*Post().headers(), ("Host", "elsewhere.example")])
    check(Post(host="Birch.Example"))


@pytest.mark.parametrize(
    ("minutes", "holds"), [(-70, False), (-61, False), (-55, True), (55, True), (70, False)]
)
def test_sec_S13_T4_the_clock_may_be_an_hour_off(minutes: int, holds: bool) -> None:
    date = format_datetime(NOW + timedelta(minutes=minutes), usegmt=True)
    assert refused(Post(date=date)) is not holds


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2026 03:04:05 GMT", "1767323045"])
def test_sec_S13_a_date_that_cannot_be_read(date: str) -> None:
    assert refused(Post(date=date))


def created(seconds: int | None, *, algorithm: str = 'algorithm="hs2019",', more: str = "") -> Post:
    given = "" if seconds is None else f"created={seconds},"
    return Post(
        date=None,
        names=("(request-target)", "(created)", "host", "digest"),
        parameters=f'keyId="{{key_id}}",{algorithm}{given}{more}headers="{{names}}",{SIG}',
        values=(("(created)", str(seconds)),),
    )


def test_sec_S13_created_and_expires_are_for_hs2019() -> None:
    now = int(NOW.timestamp())
    check(created(now))
    check(created(now, algorithm=""))
    check(created(now - 55 * 60, more=f"expires={now + 5},"))
    assert refused(created(now - 70 * 60))
    assert refused(created(now + 70 * 60))
    assert refused(created(None))
    assert refused(created(10**11))
    assert refused(created(now, more=f"expires={now - 5},"))
    assert refused(created(now, algorithm='algorithm="rsa-sha256",'))


def test_sec_S14_the_body_is_bound() -> None:
    assert refused(Post(), body=BODY + b" ")
    assert refused(Post(), body=b"")
    assert refused(Post(digest=None))
    assert refused(Post(digest=None, names=SIGNED[:3]))
    assert refused(Post(digest=digest_of(b"other")))


def test_sec_S14_T4_two_digests() -> None:
    right = digest_of(BODY)
    sha512 = base64.b64encode(hashlib.sha512(BODY).digest()).decode()
    check(Post(digest=f"{right}, SHA-512={sha512}"))
    check(Post(digest=f"SHA-512={sha512},{right}"))
    assert refused(Post(digest=f"SHA-512={sha512}"))
    assert refused(Post(digest=f"{right},SHA-512={sha512[:-4]}AAA="))
    assert refused(Post(digest=f"{right},{digest_of(b'other')}"))
    assert refused(Post(digest=f"{digest_of(b'other')},{right}"))
    assert refused(Post(digest=f"{right},CRC=1"))
    assert refused(Post(more=(("Digest", right),)))


def test_wire_T4_case_in_a_digest() -> None:
    """The algorithm's name may be in any case (RFC 3230 §4.1.1), its value may not."""
    check(Post(digest=digest_of(BODY).replace("SHA-256", "sha-256")))
    assert refused(Post(digest="SHA-256=" + digest_of(BODY)[8:].lower()))


def test_a_content_digest_serves_as_well() -> None:
    """WIRE-S34."""
    value = f"sha-256=:{digest_of(BODY)[8:]}:"
    post = Post(
        digest=None,
        names=("(request-target)", "host", "date", "content-digest"),
        values=(("content-digest", value),),
        more=(("Content-Digest", value),),
    )
    check(post)
    assert refused(post, body=b"other")
    right = ("Digest", digest_of(BODY))
    check(replace(post, more=(*post.more, right)))
    assert refused(replace(post, more=(*post.more, right, right)))
    assert refused(replace(post, more=(*post.more, ("Digest", digest_of(b"other")))))


def test_wire_T4_the_query_may_be_signed_or_not() -> None:
    """WIRE-S12."""
    check(Post(path="/inbox?page=1"))
    check(Post(path="/inbox?page=1", signed_path="/inbox"))
    assert refused(Post(path="/inbox?page=1", signed_path="/inbox?page=2"))
    assert refused(Post(path="/inbox", signed_path="/inbox?page=1"))


def test_the_path_is_taken_as_it_came() -> None:
    check(Post(path="/u/%6bay/inbox"))
    assert refused(Post(path="/u/%6bay/inbox"), path="/u/kay/inbox")


def test_wire_T4_a_missing_algorithm_means_the_keys_own() -> None:
    post = Post(parameters=f'keyId="{{key_id}}",headers="{{names}}",{SIG}')
    check(post)
    check(replace(post, by="rsa-sha512"))
    check(replace(post, by="ed25519"), key=ED25519)


def test_other_algorithms_are_verified_too() -> None:
    """WIRE-S15."""
    named = f'keyId="{{key_id}}",algorithm="%s",headers="{{names}}",{SIG}'
    check(Post(by="rsa-sha512", parameters=named % "rsa-sha512"))
    check(Post(by="ed25519", parameters=named % "ed25519"), key=ED25519)
    assert refused(Post(by="ed25519", parameters=named % "rsa-sha256"), key=ED25519)


@pytest.mark.parametrize(
    "parameters",
    [
        f'keyId="{{key_id}}", algorithm="rsa-sha256", headers="{{names}}", {SIG}',
        f'{SIG},headers="{{names}}",algorithm="rsa-sha256",keyId="{{key_id}}"',
        f'KeyId = "{{key_id}}" ,algorithm=rsa-sha256,headers="{{names}}",version="1",{SIG},',
    ],
)
def test_form_is_read_leniently(parameters: str) -> None:
    """WIRE-S10."""
    assert check(Post(parameters=parameters)).key_id == KEY_ID


def test_another_key_does_not_verify() -> None:
    assert refused(Post(), key=keys.generate().rsa.public_key())


def test_sec_S28_weak_and_published_keys() -> None:
    small = rsa.generate_private_key(65537, 1024).public_key()
    published = Ed25519PublicKey.from_public_bytes(
        base64.urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=")
    )
    exponent = rsa.RSAPublicNumbers(3, RSA.public_numbers().n).public_key()
    huge = rsa.RSAPublicNumbers(65537, (1 << 9000) + 1).public_key()
    for key in (small, published, exponent, huge):
        with pytest.raises(Unproven, match="not safe"):
            check(Post(), key=key)
        with pytest.raises(Malformed):
            signatures.load_public_key(keys.public_pem(key))
    with pytest.raises(Malformed):
        keys.load_multibase(keys.multibase(published))


def test_sec_S28_keys_of_kinds_nobody_reads() -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for text in (pem, "", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "é"):
        with pytest.raises(Malformed):
            signatures.load_public_key(text)
    assert signatures.load_public_key(PAIR.public_pem) == RSA


def test_sec_S15_T4_a_replay_is_known() -> None:
    replays = Replays(capacity=3)
    first = check(Post())
    assert not replays.seen(first, NOW)
    assert replays.seen(first, NOW + timedelta(minutes=119))
    assert not replays.seen(replace(first, key_id="https://alder.example/u/lee#main-key"), NOW)
    assert not replays.seen(first, NOW + timedelta(minutes=121))


def test_sec_S29_replays_are_remembered_in_bounded_memory() -> None:
    replays = Replays(capacity=100)
    claim = check(Post())
    for number in range(1000):
        replays.seen(replace(claim, signature=b"%d" % number), NOW)
    assert len(replays) == 100
    assert replays.seen(replace(claim, signature=b"999"), NOW)


TEXT = st.text(max_size=40) | st.sampled_from([value for _, value in Post().headers()])
NAME = st.sampled_from(["host", "date", "digest", "signature", "content-digest", "x"])


@given(st.lists(st.tuples(NAME, TEXT), max_size=8), st.binary(max_size=20))
def test_any_headers_prove_something_or_nothing(
    headers: list[tuple[str, str]], body: bytes
) -> None:
    with contextlib.suppress(Unproven):
        check(Post(body=body), headers=headers)
        assert body == BODY
        assert sorted(headers) == sorted((name.lower(), value) for name, value in Post().headers())


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_any_signature_header_gives_a_claim_or_unproven(text: str) -> None:
    with contextlib.suppress(Unproven):
        claim = signatures.parse([("Signature", f'keyId="x",{text}')])
        assert claim.key_id == "x"
        assert claim.signature


def test_an_ed25519_key_travels_as_a_multikey() -> None:
    text = PAIR.ed25519_multibase
    assert text.startswith("z6Mk")
    assert keys.load_multibase(text) == ED25519
    other = Ed25519PrivateKey.generate().public_key()
    assert keys.load_multibase(keys.multibase(other)) == other
    for odd in ("", "z", text[1:], text[:-1], text + "1", "z0OIl", "u" + text[1:], "z" * 10_000):
        with pytest.raises(Malformed):
            keys.load_multibase(odd)


def test_a_pair_survives_its_bytes() -> None:
    again = keys.KeyPair.from_bytes(PAIR.to_bytes())
    assert again.public_pem == PAIR.public_pem
    assert again.ed25519_multibase == PAIR.ed25519_multibase
    assert "rsa" not in repr(again)
    with pytest.raises(ValueError):
        keys.KeyPair.from_bytes(PAIR.to_bytes()[:-1])


async def test_a_pool_gives_every_pair_once() -> None:
    pool = keys.Pool(spare=1)
    try:
        first, second = await pool.take(), await pool.take()
    finally:
        await pool.close()
    assert first.public_pem != second.public_pem
    with pytest.raises(RuntimeError):
        await pool.take()
