"""The document of a pact: made, read, refused, and compared by voice."""

from datetime import date
from typing import Any

import pytest

from activitypub.keys import KeyPair
from kernel.errors import Malformed
from moderation import pact_mail
from moderation.pact_terms import Flow, Paper, Party, Wishes, fingerprint

TODAY = date(2026, 11, 26)
ALDER, BIRCH = "https://alder.example/desk/node", "https://birch.example/desk/node"


@pytest.fixture
def paper(key_pairs: list[KeyPair]) -> Paper:
    return Paper(
        uri="https://alder.example/pacts/1",
        nonce="0" * 32,
        offered=TODAY,
        parties=(
            Party(
                desk=ALDER,
                key=key_pairs[0].ed25519_multibase,
                sends=frozenset({Flow.ADVICE, Flow.REPORTS}),
                takes=frozenset({Flow.ADVICE, Flow.CARE}),
                name="Alder",
                contact="hello@alder.example",
                care="care@alder.example",
                languages=("en", "de"),
                hours="Mon 18:00-23:00 (Europe/Dublin)",
                retention="90 days",
                guidelines="https://alder.example/about",
                guidelines_hash="sha-256:x",
                dataset="https://alder.example/datasets/1",
            ),
            Party(desk=BIRCH, key=key_pairs[1].ed25519_multibase),
        ),
    )


def signed(paper: Paper, pair: KeyPair) -> dict[str, Any]:
    return paper.signed(pair.ed25519, f"{ALDER}#ed25519-key", ALDER, TODAY)


async def test_mod_5_6_a_pact_comes_back_as_it_was_signed(
    paper: Paper, key_pairs: list[KeyPair]
) -> None:
    document = signed(paper, key_pairs[0])
    assert Paper.read(document) == paper
    key = paper.parties[0].key
    assert await pact_mail.proves(document, key, ALDER)
    assert not await pact_mail.proves(document, paper.parties[1].key, ALDER)
    assert not await pact_mail.proves(document, key, BIRCH)
    assert not await pact_mail.proves({**document, "nonce": "1" * 32}, key, ALDER)


def test_what_flows_is_what_one_sends_and_the_other_takes(paper: Paper) -> None:
    birch = Party(desk=BIRCH, key=paper.parties[1].key, takes=frozenset({Flow.ADVICE}))
    agreed = paper.with_party(birch)
    assert agreed.flows(ALDER) == {Flow.ADVICE}
    assert agreed.flows(BIRCH) == frozenset()
    assert agreed.other(ALDER) == birch


def test_an_answer_agrees_only_with_what_was_offered(
    paper: Paper, key_pairs: list[KeyPair]
) -> None:
    theirs = Party(desk=BIRCH, key=paper.parties[1].key, takes=frozenset({Flow.ADVICE}))

    def answer(**changes: Any) -> bool:
        values = {name: getattr(paper, name) for name in Paper.__slots__}
        values |= {"accepted": TODAY, "parties": (paper.parties[0], theirs), **changes}
        return Paper(**values).agrees_with(paper, ALDER)

    assert answer()
    other_key = Party(desk=BIRCH, key=key_pairs[2].ed25519_multibase)
    ours_changed = Party(desk=ALDER, key=paper.parties[0].key)
    assert not answer(accepted=None)
    assert not answer(nonce="1" * 32)
    assert not answer(uri="https://alder.example/pacts/2")
    assert not answer(parties=(paper.parties[0], other_key))
    assert not answer(parties=(ours_changed, theirs))


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Note"},
        {"id": "https://birch.example/pacts/1"},
        {"nonce": "short"},
        {"offered": "soon"},
        {"parties": []},
        {"parties": "x"},
        {"parties": [{"desk": ALDER}, {"desk": BIRCH}]},
        {"padding": "x" * 40_000},
    ],
)
def test_what_is_no_pact_is_refused(
    paper: Paper, key_pairs: list[KeyPair], change: dict[str, Any]
) -> None:
    with pytest.raises(Malformed):
        Paper.read({**signed(paper, key_pairs[0]), **change})


def test_a_pact_with_oneself_is_refused(paper: Paper, key_pairs: list[KeyPair]) -> None:
    document = signed(paper, key_pairs[0])
    document["parties"][1]["desk"] = f"{ALDER}2"
    with pytest.raises(Malformed):
        Paper.read(document)


def test_two_people_read_the_same_five_words(key_pairs: list[KeyPair]) -> None:
    one, two, three = (pair.ed25519_multibase for pair in key_pairs[:3])
    assert fingerprint(one, two) == fingerprint(two, one)
    assert fingerprint(one, two) != fingerprint(one, three)
    words = fingerprint(one, two).split()
    assert len(words) == 5
    assert all(len(word) == 5 and word.isalpha() for word in words)


def test_whoever_takes_care_requests_says_who_answers() -> None:
    with pytest.raises(Malformed):
        Wishes(sends=frozenset(), takes=frozenset({Flow.CARE})).check()
    Wishes(sends=frozenset(), takes=frozenset({Flow.CARE}), care="x@alder.example").check()
    with pytest.raises(Malformed):
        Wishes(sends=frozenset(), takes=frozenset(), retention="x" * 501).check()
