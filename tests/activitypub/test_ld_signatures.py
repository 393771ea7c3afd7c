"""RsaSignature2017 as older servers check it (WIRE 4.7), by a path of its own."""

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from activitypub import documents, jsonld, ld_signatures, proofs
from activitypub.keys import KeyPair
from kernel.errors import Malformed
from tests.linked_data import check, compacted
from tests.wire import strict

KAY = "https://alder.example/u/kay"
WHEN = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def _activity() -> dict[str, Any]:
    return {
        "@context": documents.PROVEN_CONTEXT,
        "id": "https://alder.example/a/1",
        "type": "Create",
        "actor": KAY,
        "to": ["https://www.w3.org/ns/activitystreams#Public"],
        "cc": [],
        "object": {
            "id": "https://alder.example/p/1",
            "type": "Note",
            "attributedTo": KAY,
            "content": "<p>Hello</p>",
            "contentMap": {"en": "<p>Hello</p>"},
            "language": {"identifier": "en", "name": "English"},
            "tag": [
                {"type": "Mention", "href": "https://b.example/u/b", "name": "@b@b.example"},
                {"type": "Mention", "href": "https://c.example/u/c", "name": "@c@c.example"},
            ],
        },
    }


@pytest.fixture(scope="module")
def keys(key_pairs: list[KeyPair]) -> KeyPair:
    return key_pairs[0]


@pytest.fixture(scope="module")
def signed(keys: KeyPair) -> dict[str, Any]:
    proven = proofs.add(_activity(), keys.ed25519, f"{KAY}#ed25519-key", WHEN)
    return ld_signatures.add(proven, keys.rsa, f"{KAY}#main-key", WHEN)


def test_wire_T6_S26_another_reader_of_json_ld_agrees(
    signed: dict[str, Any], keys: KeyPair, key_pairs: list[KeyPair]
) -> None:
    assert list(signed)[-2:] == ["proof", "signature"]
    assert signed["signature"]["type"] == "RsaSignature2017"
    assert signed["signature"]["creator"] == f"{KAY}#main-key"
    assert signed["signature"]["created"] == "2026-01-02T03:04:00Z"
    check(signed, keys.rsa.public_key())
    with pytest.raises(InvalidSignature):
        check(signed, key_pairs[1].rsa.public_key())


def test_wire_T6_a_change_of_what_is_mapped_breaks_it(
    signed: dict[str, Any], keys: KeyPair
) -> None:
    for change in (
        {"actor": "https://alder.example/u/mallory"},
        {"object": {**signed["object"], "content": "<p>Bye</p>"}},
        {"proof": {**signed["proof"], "proofValue": "z1"}},
    ):
        with pytest.raises(InvalidSignature):
            check({**signed, **change}, keys.rsa.public_key())


def test_wire_T6_what_has_no_meaning_is_not_covered(signed: dict[str, Any], keys: KeyPair) -> None:
    """Why such a signature is never believed here: what it does not cover is read by name."""
    check({**signed, "unmapped": "anything"}, keys.rsa.public_key())
    assert not proofs.read({**signed, "unmapped": "anything"}).holds(keys.ed25519.public_key())


def test_wire_T13_every_term_of_what_carries_proofs_has_a_meaning(signed: dict[str, Any]) -> None:
    assert strict.unmapped(signed) == set()


def test_wire_S27_a_reader_that_rewrites_it_first_reads_what_was_said(
    signed: dict[str, Any], keys: KeyPair
) -> None:
    """Mastodon acts on what is left after that: all of ours, under the same names."""
    left = compacted(signed)
    said = {name: value for name, value in signed.items() if name != "signature"}
    assert left.keys() == said.keys()
    assert left["object"].keys() == said["object"].keys()
    for name in ("id", "type", "actor"):
        assert left[name] == said[name]
    for name in ("id", "type", "attributedTo", "content", "contentMap", "tag", "language"):
        assert left["object"][name] == said["object"][name], name
    check({**left, "signature": signed["signature"]}, keys.rsa.public_key())


def test_wire_S28_there_is_a_limit_to_what_is_brought_into_order(keys: KeyPair) -> None:
    def tags(count: int) -> dict[str, Any]:
        tag = [{"type": "Mention", "name": str(number)} for number in range(count)]
        return {**_activity(), "object": {"id": "https://alder.example/p/1", "tag": tag}}

    ld_signatures.add(tags(200), keys.rsa, f"{KAY}#main-key", WHEN)
    with pytest.raises(Malformed):
        ld_signatures.add(tags(201), keys.rsa, f"{KAY}#main-key", WHEN)
    with pytest.raises(Malformed):
        jsonld.canonical({**_activity(), "summary": "x" * jsonld.MAX_BYTES})


@pytest.mark.parametrize("context", ["https://x.test/context", {"@import": "https://x.test/c"}])
def test_wire_S28_only_bundled_contexts_count(keys: KeyPair, context: Any) -> None:
    document = {**_activity(), "@context": [*documents.PROVEN_CONTEXT, context]}
    with pytest.raises(Malformed):
        ld_signatures.add(document, keys.rsa, f"{KAY}#main-key", WHEN)
