"""Proofs of who wrote a document (FEP-8b32): made as published, and believed for nothing else."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from time import perf_counter
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from activitypub import jsonld, proofs
from activitypub.keys import load_multibase, multibase
from kernel import base58
from kernel.errors import Malformed

DATA = "https://w3id.org/security/data-integrity/v2"
AS2 = "https://www.w3.org/ns/activitystreams"
ALICE = "https://server.example/users/alice"
METHOD = f"{ALICE}#ed25519-key"
WHEN = datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)

# The vector that comes with FEP-8b32 (CC0).
PUBLISHED: dict[str, Any] = {
    "@context": [AS2, DATA],
    "id": "https://server.example/activities/1",
    "type": "Create",
    "actor": ALICE,
    "object": {
        "id": "https://server.example/objects/1",
        "type": "Note",
        "attributedTo": ALICE,
        "content": "Hello world",
        "location": {"type": "Place", "longitude": -71.184902, "latitude": 25.273962},
    },
}
SECRET = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
PUBLIC_KEY = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
VALUE = "z42ffGu6AUKPCFcFPiabmUvnGLPJzC7e4DGWC52NUasSSH37UMa9c58tdgVszUcZfytxa4fQ5TYHaJENCxUDe9SdL"


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    """The published one: its codec takes the first two bytes."""
    return Ed25519PrivateKey.from_private_bytes(base58.decode(SECRET[1:])[2:])


@pytest.fixture(scope="module")
def signed(key: Ed25519PrivateKey) -> dict[str, Any]:
    return proofs.add(PUBLISHED, key, METHOD, WHEN)


def by_hand(document: dict[str, Any], proof: dict[str, Any]) -> bytes:
    """What is signed, for documents whose canonical form Python's own writer gives."""
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    return b"".join(
        sha256(json.dumps(part, sort_keys=True, separators=(",", ":")).encode()).digest()
        for part in (options, document)
    )


def test_wire_T7_S40_the_published_vector_comes_out(
    key: Ed25519PrivateKey, signed: dict[str, Any]
) -> None:
    assert multibase(key.public_key()) == PUBLIC_KEY
    assert signed["proof"] == {
        "@context": [AS2, DATA],
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": METHOD,
        "proofPurpose": "assertionMethod",
        "created": "2023-02-24T23:36:38Z",
        "proofValue": VALUE,
    }
    assert list(signed)[-1] == "proof"
    key.public_key().verify(base58.decode(VALUE[1:]), by_hand(PUBLISHED, signed["proof"]))


def test_wire_T7_S40_the_published_vector_is_believed(signed: dict[str, Any]) -> None:
    proof = proofs.read(json.loads(json.dumps(signed)))
    assert proof.method == METHOD
    assert proof.holds(load_multibase(PUBLIC_KEY))
    assert not proof.holds(Ed25519PrivateKey.generate().public_key())


def test_wire_S40_a_signature_beside_the_proof_is_not_covered(signed: dict[str, Any]) -> None:
    beside = {**signed, "signature": {"type": "RsaSignature2017", "signatureValue": "x"}}
    assert proofs.read(beside).holds(load_multibase(PUBLIC_KEY))


def test_wire_S41_contexts_may_follow_those_of_the_proof_and_not_precede_them(
    signed: dict[str, Any],
) -> None:
    more = {**signed, "@context": [AS2, DATA, {"x": "https://x.test/ns#x"}]}
    assert proofs.read(more).holds(load_multibase(PUBLIC_KEY))
    others: list[Any] = [[DATA, AS2], [AS2], AS2, None]
    for context in others:
        with pytest.raises(Malformed):
            proofs.read({**signed, "@context": context})


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "https://server.example/users/mallory"},
        {"to": [f"{AS2}#Public"]},
        {"object": {**PUBLISHED["object"], "content": "Hello, world"}},
        {"type": "Update"},
    ],
)
def test_what_was_changed_is_not_believed(signed: dict[str, Any], change: dict[str, Any]) -> None:
    assert not proofs.read({**signed, **change}).holds(load_multibase(PUBLIC_KEY))


def test_a_changed_proof_is_not_believed(signed: dict[str, Any]) -> None:
    for change in (
        {"created": "2023-02-24T23:36:39Z"},
        {"verificationMethod": f"{ALICE}#other"},
        {"expires": "2030-01-01T00:00:00Z"},
    ):
        proof = {**signed["proof"], **change}
        assert not proofs.read({**signed, "proof": proof}).holds(load_multibase(PUBLIC_KEY))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Ed25519Signature2018"},
        {"cryptosuite": "eddsa-rdfc-2022"},
        {"proofPurpose": "authentication"},
        {"proofValue": "u" + VALUE[1:]},
        {"proofValue": "z" + "1" * 64},
        {"proofValue": "z" + "2" * 5000},
        {"proofValue": 7},
        {"verificationMethod": None},
    ],
)
def test_other_proofs_are_no_proofs(signed: dict[str, Any], change: dict[str, Any]) -> None:
    try:
        found = proofs.read({**signed, "proof": {**signed["proof"], **change}})
    except Malformed:
        return
    assert not found.holds(load_multibase(PUBLIC_KEY))


@pytest.mark.parametrize("proof", [None, "x", [], [{"type": "DataIntegrityProof"}], {}])
def test_what_is_no_proof_at_all(proof: object) -> None:
    with pytest.raises(Malformed):
        proofs.read({**PUBLISHED, "proof": proof})  # type: ignore[dict-item]


def test_numbers_without_one_spelling_have_no_proof(
    key: Ed25519PrivateKey, signed: dict[str, Any]
) -> None:
    with pytest.raises(Malformed):
        proofs.read({**signed, "big": 2**60})
    with pytest.raises(Malformed):
        proofs.add({**PUBLISHED, "big": 2**60}, key, METHOD, WHEN)


REDEFINED: list[Any] = [
    {"actor": "https://x.test/ns#actor"},
    {"to": {"@id": "as:cc", "@type": "@id"}},
    {"publicKeyPem": "https://x.test/ns#pem"},
    {"as": "https://x.test/ns#"},
    {"object": None},
    {"id": "https://x.test/ns#id"},
    {"proof": "https://x.test/ns#proof"},
    {"g": "@graph"},
    {"g": {"@id": "@graph"}},
    {"g": {"@reverse": "as:object"}},
    {"g": {"@id": "https://x.test/g", "@context": {"actor": "https://x.test/a"}}},
    {"g": {"@id": "https://x.test/g", "@protected": True}},
    {"g": None},
    {"@vocab": "https://x.test/ns#"},
    {"@base": "https://x.test/"},
    {"@import": "https://x.test/context"},
    {"@propagate": False},
    "https://x.test/context",
    "http://127.0.0.1/",
    "data:application/ld+json,{}",
    None,
    7,
]


@pytest.mark.parametrize("extra", REDEFINED, ids=str)
def test_sec_J2_a_document_whose_words_mean_something_else_is_not_proven(
    key: Ed25519PrivateKey, extra: Any
) -> None:
    """Even signed by its author, on the document itself and on what is inside."""
    context = [AS2, DATA, extra]
    outside = proofs.add({**PUBLISHED, "@context": context}, key, METHOD, WHEN)
    inside = {**PUBLISHED, "object": {**PUBLISHED["object"], "@context": context}}
    for document in (outside, proofs.add(inside, key, METHOD, WHEN)):
        with pytest.raises(Malformed):
            proofs.read(document)


@pytest.mark.parametrize("word", ["@graph", "@included", "@reverse", "@id", "@type", "@nest"])
def test_sec_J1_what_only_json_ld_understands_is_not_proven(
    key: Ed25519PrivateKey, word: str
) -> None:
    document = proofs.add({**PUBLISHED, word: {"actor": ALICE}}, key, METHOD, WHEN)
    with pytest.raises(Malformed):
        proofs.read(document)


def test_sec_J2_the_terms_that_others_add_do_no_harm() -> None:
    """As Mastodon, Fedify and others write them."""
    terms: dict[str, Any] = {
        "sensitive": "as:sensitive",
        "toot": "http://joinmastodon.org/ns#",
        "Emoji": "toot:Emoji",
        "focalPoint": {"@container": "@list", "@id": "toot:focalPoint"},
        "quoteUrl": "as:quoteUrl",
        "movedTo": {"@id": "as:movedTo", "@type": "@id"},
        "alsoKnownAs": {"@id": "as:alsoKnownAs", "@type": "@id"},
        "@language": "und",
        "@version": 1.1,
    }
    security = "https://w3id.org/security/v1"
    jsonld.check_meaning({"@context": [AS2, security, "https://w3id.org/identity/v1", terms]})


def test_sec_J4_contexts_that_import_each_other_are_left_at_once(
    key: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is loaded, whether by name or inline; refused in far less than a second."""
    loaded: list[str] = []
    jsonld._core()
    monkeypatch.setattr(jsonld, "_context", loaded.append)
    circle: dict[str, Any] = {"@import": "https://a.test/b"}
    for context in (
        ["https://a.test/b", "https://b.test/a"],
        [{"@import": "https://b.test/a"}, {"@import": "https://a.test/b"}],
        [{"x": {"@id": "https://a.test/x", "@context": circle}}],
        ["https://a.test/b"] * 9_000,
    ):
        began = perf_counter()
        proof = proofs.add(PUBLISHED, key, METHOD, WHEN)["proof"]
        document = {**PUBLISHED, "@context": [AS2, DATA, *context], "proof": proof}
        with pytest.raises(Malformed):
            proofs.read(document)
        assert perf_counter() - began < 1
    assert loaded == []


def test_a_proof_is_fresh_for_a_day(signed: dict[str, Any], key: Ed25519PrivateKey) -> None:
    """Older ones say who wrote it, and not that it still stands."""
    proof = proofs.read(signed)
    for later, fresh in (
        (timedelta(0), True),
        (timedelta(hours=23), True),
        (timedelta(hours=25), False),
        (timedelta(minutes=-59), True),
        (timedelta(hours=-2), False),
    ):
        assert proof.is_fresh(WHEN + later) is fresh, later
    for change in (
        {"created": None},
        {"created": "yesterday"},
        {"expires": "2023-02-24T23:36:38Z"},
    ):
        odd = proofs.read({**signed, "proof": {**signed["proof"], **change}})
        assert not odd.is_fresh(WHEN)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcdé_", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(extra=_JSON)
def test_any_order_and_spacing_of_the_same_document_is_proven(extra: Any) -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    made = proofs.add({**PUBLISHED, "extra": extra}, key, METHOD, WHEN)
    shuffled = json.loads(json.dumps(made, sort_keys=True, indent=2))
    assert proofs.read(shuffled).holds(key.public_key())


@given(st.binary(max_size=80))
def test_base58_comes_back(data: bytes) -> None:
    assert base58.decode(base58.encode(data)) == data


def test_base58_reads_its_own_letters_only() -> None:
    assert [base58.decode(text) for text in ("0", "O", "I", "l", "é", "")] == [b""] * 6
    assert base58.encode(b"\0\0a") == "112g"


def test_nothing_but_the_key_makes_it(key: Ed25519PrivateKey, signed: dict[str, Any]) -> None:
    with pytest.raises(InvalidSignature):
        key.public_key().verify(base58.decode(VALUE[1:]), by_hand(signed, signed["proof"]))
