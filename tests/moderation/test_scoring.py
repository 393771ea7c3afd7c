"""Whether enough independent voices say the same: in any order, however often they say it."""

from datetime import timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from moderation.signals import scoring
from moderation.signals.rules import POLICIES
from moderation.signals.scoring import NEEDED, NOTHING, Opinion, decide, slowly, ties_of
from moderation.signals.vocabulary import Policy

FILTER, REJECT, DROP, ACCEPT = Policy.FILTER, Policy.REJECT, Policy.DROP, Policy.ACCEPT


def opinion(host: str, policy: Policy = FILTER, weight: float = 1.0, **more: object) -> Opinion:
    values: dict[str, object] = {
        "uri": f"https://{host}/1", "host": host, "policy": policy, "weight": weight,
        "approvals": 2, "ties": ties_of(host), **more,
    }  # fmt: skip
    return Opinion(**values)  # type: ignore[arg-type]


_OPINIONS = st.lists(
    st.builds(
        opinion,
        st.sampled_from(["a.example", "b.example", "x.b.example", "c.example", "d.example"]),
        st.sampled_from(list(Policy)),
        st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]),
        age=st.sampled_from([timedelta(0), timedelta(days=30), timedelta(days=120)]),
        approvals=st.integers(0, 2),
        confidence=st.sampled_from([0.2, 0.8, 1.0]),
        at_most=st.sampled_from([FILTER, REJECT, DROP]),
        unanswered=st.booleans(),
    ),
    max_size=8,
)


@given(_OPINIONS, st.data())
def test_mod_5_8_any_order_and_any_repetition_ends_in_the_same_verdict(
    opinions: list[Opinion], data: st.DataObject
) -> None:
    end = decide(opinions)
    again = data.draw(st.permutations(opinions)) + opinions[:3]
    assert decide(again) == end
    if end.policy is None:
        assert end == NOTHING
        return
    needed, least = NEEDED[end.policy]
    assert (end.score >= needed, end.issuers >= least) == (True, True)
    backing = [it for it in opinions if it.host in end.hosts]
    assert end.issuers <= len({host.removeprefix("x.") for host in end.hosts})
    if end.policy is not FILTER:
        assert any(it.approvals >= 2 and it.at_most is not FILTER for it in backing)
    mild = [it.policy for it in opinions if it.policy is not ACCEPT and it.steady > 0]
    groups = scoring.independent(opinions)
    mildest = min(
        min((it.policy for it in group if it in opinions and it.policy in mild),
            key=POLICIES.index, default=DROP)
        for group in groups
    )  # fmt: skip
    assert POLICIES.index(end.policy) <= max(POLICIES.index(mildest), POLICIES.index(FILTER))


@given(_OPINIONS)
def test_mod_5_8_one_more_voice_that_would_talk_with_it_never_makes_it_harsher(
    opinions: list[Opinion],
) -> None:
    kinder = decide([*opinions, opinion("kind.example", ACCEPT)])
    rank = [None, *POLICIES].index
    assert rank(kinder.policy) <= rank(decide(opinions).policy)


def test_mod_5_8_what_is_needed_for_each_policy() -> None:
    a, b, c = (opinion(f"{name}.example", DROP) for name in "abc")
    assert decide([a]).policy is FILTER
    assert decide([a, b]).policy is REJECT
    assert decide([a, b, c]).policy is DROP
    assert decide([opinion("a.example", weight=0.7)]) == NOTHING
    assert decide([a, b, opinion("d.example", REJECT)]).policy is REJECT
    assert decide([a, b, opinion("d.example", FILTER, 0.1)]).policy is FILTER, "the mildest wins"
    assert decide([a, opinion("d.example", ACCEPT, 0.5)]) == NOTHING


def test_mod_5_8_voices_that_may_be_one_count_as_one() -> None:
    alone = opinion("a.example", REJECT)
    for other in (
        opinion("www.a.example", REJECT),
        opinion("b.example", REJECT, ties=ties_of("b.example", derived=["a.example"])),
    ):
        assert decide([alone, other]).policy is FILTER
    for tie in ({"key": "z1"}, {"operator": "Ana "}, {"group": "friends"}, {"derived": ["l.list"]}):
        pair = [opinion(f"{name}.example", REJECT, ties=ties_of(f"{name}.example", **tie))
                for name in "ab"]  # fmt: skip
        assert decide(pair).policy is FILTER, tie
    chain = [
        opinion("a.example", REJECT, ties=ties_of("a.example", key="1")),
        opinion("b.example", REJECT, ties=ties_of("b.example", key="1", operator="o")),
        opinion("c.example", REJECT, ties=ties_of("c.example", operator="o")),
    ]
    assert decide(chain).issuers == 1
    assert decide([alone, opinion("b.example", REJECT)]).policy is REJECT


def test_mod_5_8_what_one_person_said_alone_is_no_more_than_a_filter() -> None:
    pair = [opinion(f"{name}.example", REJECT, approvals=1) for name in "ab"]
    assert decide(pair).policy is FILTER


def test_mod_5_8_what_is_old_begins_nothing_and_ends_nothing() -> None:
    old = opinion("a.example", age=timedelta(days=60))
    assert decide([old]) == NOTHING
    assert decide([old], aged=False).policy is FILTER
    assert old.strength == 0.5
    assert opinion("a.example", age=timedelta(days=-9)).strength == 1.0, "from a clock ahead"


def test_mod_5_8_weights_move_slowly_and_never_above_the_ceiling() -> None:
    for ceiling, upheld, answered in product((0.0, 0.5, 1.0), (0, 5, 100), (0, 10, 100)):
        assert 0 <= slowly(ceiling, upheld, answered) <= ceiling
    assert slowly(0.8, 0, 1) > 0.75
    assert slowly(0.8, 0, 100) < 0.2
    assert slowly(0.8, 90, 100) > slowly(0.8, 50, 100)
    assert opinion("a.example", unanswered=True).strength == 0.5
