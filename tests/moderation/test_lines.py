"""Lines of advice: read in every shape that FIRES servers send, and settled in any order."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Malformed
from kernel.schema.pacts import SignalState
from moderation.signals.lines import Line, Standing, states
from moderation.signals.vocabulary import SAYS, Change

TODAY = date(2026, 11, 26)
LIST = "https://lists.example/datasets/1"
ID = "0198c200-0000-7000-8000-000000000001"


def document(**members: Any) -> dict[str, Any]:
    return {
        "id": f"{LIST}/changes/{ID}",
        "type": "Recommendation",
        "published": "2026-11-22T10:00:00Z",
        "entityKind": "domain",
        "entityKey": "bad.example",
        "labels": [f"{LIST}/labels/spam"],
        "recommendedPolicy": "filter",
        **members,
    }


def read(**members: Any) -> Line:
    return Line.read(document(**members), LIST, TODAY)


def test_mod_3_6_every_shape_that_fires_servers_send_is_read() -> None:
    for kind in ("Domain", "domain", "DOMAIN"):
        assert read(entityKind=kind).entity_kind == "domain"
    assert read(type="recommendation").kind is Change.RECOMMENDATION
    assert read(entityKey="BAD.Example.").entity_key == "bad.example"
    assert read(type="Advisory", recommendedPolicy=None).policy == ""
    by_entity = read(type="Retraction", comment="")
    assert (by_entity.entity_key, by_entity.retracts) == ("bad.example", "")
    by_comment = read(type="Retraction", comment="We were wrong", entityKind=None, entityKey=None)
    assert (by_comment.entity_key, by_comment.summary) == ("", "We were wrong")
    assert read(type="Tombstone", entityKind=None, entityKey=None).kind is Change.TOMBSTONE
    actor = read(entityKind="actor", entityKey="https://bad.example/u/x")
    assert actor.entity_key == "https://bad.example/u/x"
    assert read(summary="a\n b" + "c" * 900).summary == ("a b" + "c" * 497)


@pytest.mark.parametrize(
    "members",
    [
        {"id": "https://evil.example/changes/1"},
        {"type": "Decree"},
        {"recommendedPolicy": "destroy"},
        {"recommendedPolicy": None},
        {"entityKey": "*.bad.example"},
        {"entityKey": "bad.example:8000"},
        {"entityKey": "nodots"},
        {"entityKey": None},
        {"entityKind": None},
        {"id": None},
    ],
)
def test_what_would_have_to_be_guessed_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read(**members)


def test_mod_5_11_advice_ends_and_no_later_than_it_may() -> None:
    assert read().ends == TODAY + timedelta(days=90)
    assert read(endTime="2027-01-31T00:00:00Z").ends == date(2027, 1, 31)
    assert read(endTime="2036-01-01T00:00:00Z").ends == date(2026, 11, 22) + timedelta(days=180)
    note = read(type="Advisory", endTime="2036-01-01T00:00:00Z")
    assert note.ends == date(2026, 11, 22) + timedelta(days=90)


@st.composite
def histories(draw: st.DrawFn) -> list[Standing]:
    """What an issuer may say of two domains: advice, and taking it back in both shapes."""
    lines: list[Standing] = []
    for place in range(1, draw(st.integers(1, 9)) + 1):
        kind = draw(st.sampled_from(list(Change)))
        keys = ["a.example", "b.example", *([] if kind in SAYS else [""])]
        key = draw(st.sampled_from(keys))
        earlier = [line.uri for line in lines if line.kind in SAYS]
        takes = draw(st.sampled_from([*earlier, ""])) if kind not in SAYS else ""
        lines.append(
            Standing(
                uri=f"{LIST}/changes/{place}",
                kind=kind,
                entity_kind="domain" if key else "",
                entity_key=key,
                retracts=takes,
                place=place,
                ends=TODAY + timedelta(days=draw(st.integers(-2, 2))),
            )
        )
    return lines


@given(history=histories(), data=st.data())
def test_mod_5_16_any_order_and_repetition_ends_in_the_same_state(
    history: list[Standing], data: Any
) -> None:
    end = states(history, TODAY)
    again = data.draw(st.permutations(history)) + data.draw(st.lists(st.sampled_from(history)))
    assert states(again, TODAY) == end
    for line in history:
        if line.kind not in SAYS:
            assert end[line.uri] is SignalState.NOTED
        elif any(other.retracts == line.uri for other in history):
            assert end[line.uri] is SignalState.RETRACTED
    for key in ("a.example", "b.example"):  # of each domain at most one line counts
        held = [it for it in history if it.entity_key == key and end[it.uri] is SignalState.HELD]
        assert len(held) <= 1


def test_what_a_person_decided_stands_until_it_is_over() -> None:
    seen = Standing(
        uri="1", kind=Change.ADVISORY, entity_kind="domain", entity_key="a.example", retracts="",
        place=1, ends=TODAY + timedelta(days=1), chosen=SignalState.SHOWN,
    )  # fmt: skip
    assert states([seen], TODAY) == {"1": SignalState.SHOWN}
    assert states([seen], TODAY + timedelta(days=1)) == {"1": SignalState.SHOWN}, "clocks differ"
    assert states([seen], TODAY + timedelta(days=2)) == {"1": SignalState.EXPIRED}


def test_many_lines_about_one_domain_are_settled_in_one_pass() -> None:
    """Of 100,000 the old way, each against each, would take a day."""
    many = [
        Standing(
            uri=str(place), kind=Change.ADVISORY if place % 2 else Change.RETRACTION,
            entity_kind="domain", entity_key="a.example", retracts="", place=place,
            ends=TODAY + timedelta(days=1),
        )
        for place in range(100_000)
    ]  # fmt: skip
    found = states(many, TODAY)
    assert found["99999"] is SignalState.HELD
    assert list(found.values()).count(SignalState.RETRACTED) == 49_999
