"""A chain of advice: what is missing, changed or not theirs is seen; what is erased is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub import proofs
from activitypub.keys import KeyPair, multibase
from activitypub.vocab import Document
from kernel.clock import utcnow
from moderation.signals import chain
from moderation.signals.chain import Head, Rewritten
from moderation.signals.pull import _is_theirs
from moderation.signals.vocabulary import CONTEXT

DATASET = "https://alder.example/datasets/1"


def said(number: int, prev: str, words: str = "") -> Document:
    return {
        "@context": CONTEXT,
        "id": f"{DATASET}/changes/{number}",
        "type": "Advisory",
        "summary": words or f"number {number}",
        "prev": prev,
        "seq": number,
    }


def a_chain(length: int, at: Head | None = None, words: str = "") -> list[Document]:
    at, made = at or chain.genesis(DATASET), []
    for _ in range(length):
        made.append(said(at.seq + 1, at.link, words))
        at = chain.after(at, made[-1])
    return made


def follow(at: Head, changes: list[Document]) -> Head:
    return chain.follow(at, changes, dataset=DATASET, is_theirs=lambda _: True)


def reason(at: Head, changes: list[Document]) -> str:
    with pytest.raises(Rewritten) as refused:
        follow(at, changes)
    return refused.value.reason


@given(length=st.integers(1, 12), data=st.data())
def test_a_chain_is_followed_in_any_pieces_and_with_any_repeats(length: int, data: Any) -> None:
    whole, at = a_chain(length), chain.genesis(DATASET)
    end = follow(at, whole)
    while at.seq < length:
        begin = data.draw(st.integers(0, at.seq))
        stop = data.draw(st.integers(at.seq + 1, length))
        at = follow(at, whole[begin:stop])
    assert at == end


@given(length=st.integers(2, 10), data=st.data())
def test_mod_5_5_any_change_of_the_past_is_seen(length: int, data: Any) -> None:
    whole, begin = a_chain(length), chain.genesis(DATASET)
    place = data.draw(st.integers(0, length - 2))
    assert reason(begin, whole[:place] + whole[place + 1 :]) == "gap"
    changed = [*whole]
    changed[place] = {**whole[place], "summary": "something else"}
    assert reason(begin, changed) == "fork"
    assert reason(begin, [*whole[:place], {**whole[place], "seq": True}]) == "no number"
    moved = {**whole[place], "id": "https://evil.example/changes/1"}
    assert reason(begin, [*whole[:place], moved]) == "wrong place"
    head = follow(begin, whole)
    other = follow(begin, a_chain(length, words="another past"))
    for shown, why in ((Head(length - 1, ""), "went back"), (other, "fork")):
        with pytest.raises(Rewritten, match=why):
            chain.check_head(head, shown)
    chain.check_head(head, head)
    chain.check_head(head, Head(length + 5, "later"))


def test_a_body_is_taken_out_and_the_chain_still_holds() -> None:
    whole, begin = a_chain(4), chain.genesis(DATASET)
    gone = {
        "@context": CONTEXT,
        "id": whole[1]["id"],
        "type": "Tombstone",
        "bodyHash": chain.body_hash(whole[1]),
        "prev": whole[1]["prev"],
        "seq": 2,
    }
    assert follow(begin, [whole[0], gone, *whole[2:]]) == follow(begin, whole)
    assert reason(begin, [whole[0], {**gone, "bodyHash": "sha-256:x"}, *whole[2:]]) == "fork"


def test_two_datasets_have_no_link_in_common() -> None:
    assert chain.genesis(DATASET) != chain.genesis(f"{DATASET}2")


def test_mod_5_5_only_the_pinned_key_proves_a_change(key_pairs: list[KeyPair]) -> None:
    (mine, other), when = key_pairs[:2], utcnow()
    change, at = a_chain(1)[0], chain.genesis(DATASET)
    key, method = mine.ed25519.public_key(), "https://alder.example/desk/node#key"

    def check(document: Document) -> Head:
        return chain.follow(
            at, [document], dataset=DATASET, is_theirs=lambda it: _is_theirs(it, DATASET, key)
        )

    proven = proofs.add(change, mine.ed25519, method, when)
    assert check(proven) == follow(at, [change])  # a proof is no part of the chain
    assert multibase(key) == mine.ed25519_multibase
    lies: list[Document] = [
        change,
        proofs.add(change, other.ed25519, method, when),
        proofs.add(change, mine.ed25519, "https://evil.example/desk#key", when),
        {**proven, "summary": "something else"},
        {**proven, "prev": "sha-256:x"},
        {**proven, "@context": ["https://evil.example/context"]},
    ]
    for wrong in lies:
        with pytest.raises(Rewritten, match="bad signature"):
            check(wrong)
