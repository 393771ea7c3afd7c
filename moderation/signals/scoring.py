"""Whether enough independent voices say the same of a server (MOD-5.8).

Plain code: what it finds depends on what is said, and never on when or how often it came. Voices
that may be one are counted as one, and on disagreement the mildest wins.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from moderation import names
from moderation.signals.rules import POLICIES
from moderation.signals.vocabulary import Policy

HALF_LIFE: Final = timedelta(days=60)
WINDOW: Final = 100  # answers of people here to one peer's lines that its weight follows
_STEADY: Final = 20  # as many good ones are taken for granted: one bad day changes little
UNSURE: Final = 0.5  # how sure somebody is who does not say it, and has no pact with us
TWO_PEOPLE: Final = 2  # at the issuer, before it counts for more than a filter
HARSH: Final = (Policy.REJECT, Policy.DROP)
NEEDED: Final[Mapping[Policy, tuple[float, int]]] = {
    Policy.FILTER: (0.8, 1),
    Policy.REJECT: (1.6, 2),
    Policy.DROP: (2.4, 3),
}
_EXACT: Final = 9  # digits: sums are alike in any order


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one issuer says of a domain, as far as its rule lets it count.

    `ties` are names of whatever two issuers have in common if they are not independent: a domain
    that somebody registered, a key, an operator, where they have it from.
    """

    uri: str
    host: str
    policy: Policy
    weight: float
    confidence: float = 1.0
    age: timedelta = timedelta(0)
    approvals: int = 0
    at_most: Policy = Policy.DROP
    ties: frozenset[str] = frozenset()
    unanswered: bool = False  # an appeal against it, for longer than they said

    @property
    def counts_for(self) -> Policy:
        """The harshest that it counts for: what one person said alone is no more than a filter."""
        asked = self.policy
        if asked in HARSH and self.approvals < TWO_PEOPLE:
            asked = Policy.FILTER
        return min(asked, self.at_most, key=POLICIES.index)

    @property
    def steady(self) -> float:
        """How much it counts while it is fresh."""
        return self.weight * self.confidence * (0.5 if self.unanswered else 1)

    @property
    def strength(self) -> float:
        """How much it counts now: half of it after 60 days."""
        halves: float = 0.5 ** (max(self.age, timedelta(0)) / HALF_LIFE)
        return self.steady * halves


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What enough of them ask for, and who they are; None: nothing."""

    policy: Policy | None = None
    score: float = 0.0
    issuers: int = 0
    basis: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


NOTHING: Final = Verdict()


def decide(opinions: Iterable[Opinion], *, aged: bool = True) -> Verdict:
    """The verdict of all that is said of one domain.

    `aged`: what is old counts for less, and begins nothing. Without, as it is asked of an effect
    that is there: it stays until those who wanted it end it, take it back or are not heard.
    """
    groups = independent(opinions)
    passed = [
        policy
        for policy, (needed, least) in NEEDED.items()
        if (found := _weigh(groups, policy, aged)).score >= needed and found.issuers >= least
    ]
    if not passed:
        return NOTHING
    said = [mildest for group in groups if (mildest := _says(group)) is not None]
    return _weigh(groups, min(passed[-1], *said, key=POLICIES.index), aged)


def _weigh(groups: Sequence[Sequence[Opinion]], policy: Policy, aged: bool) -> Verdict:
    """How much stands behind a policy, those who ask for a harsher one among it."""
    asks = _from(policy)
    backing = [group for group in groups if _most(group, aged, asks) > 0]
    total = sum(_most(group, aged, asks) for group in backing)
    against = sum(_most(group, aged, {Policy.ACCEPT}) for group in groups)
    those = [each for group in backing for each in group if each.counts_for in asks]
    return Verdict(
        policy=policy,
        score=round(total - against, _EXACT),
        issuers=len(backing),
        basis=tuple(sorted({each.uri for each in those})),
        hosts=tuple(sorted({each.host for each in those})),
    )


def _from(policy: Policy) -> set[Policy]:
    """Whoever asks for one of these asks for at least as much as `policy`."""
    return set(POLICIES[POLICIES.index(policy) :])


def _most(group: Sequence[Opinion], aged: bool, policies: set[Policy]) -> float:
    """Of voices that count as one, the strongest that counts for one of these."""
    return max(
        (each.strength if aged else each.steady for each in group if each.counts_for in policies),
        default=0.0,
    )


def _says(group: Sequence[Opinion]) -> Policy | None:
    """The mildest that one of them asks for, apart from those who would talk with it."""
    asked = [each.policy for each in group if each.policy is not Policy.ACCEPT and each.steady > 0]
    return min(asked, key=POLICIES.index, default=None)


def independent(opinions: Iterable[Opinion]) -> Sequence[Sequence[Opinion]]:
    """The opinions, in groups of which each counts as one voice."""
    groups: list[tuple[set[str], list[Opinion]]] = []
    for opinion in sorted(set(opinions), key=lambda each: (each.host, each.uri)):
        ties, members = {opinion.host, *opinion.ties}, [opinion]
        apart = []
        for others, those in groups:
            if ties.isdisjoint(others):
                apart.append((others, those))
            else:
                ties |= others
                members = those + members
        groups = [*apart, (ties, members)]
    return [members for _, members in groups]


def ties_of(
    host: str, *, key: str = "", operator: str = "", group: str = "", derived: Iterable[str] = ()
) -> frozenset[str]:
    """What a host may have in common with others, by names that do not meet by chance."""
    found = {f"domain {names.registered(host)}"}
    found |= {f"key {key}"} if key else set()
    found |= {f"operator {' '.join(operator.lower().split())}"} if operator.strip() else set()
    found |= {f"group {group}"} if group else set()
    return frozenset(found | {f"domain {names.registered(each)}" for each in derived if each})


def slowly(ceiling: float, upheld: int, answered: int) -> float:
    """What a peer's weight is after `answered` of its lines, of which `upheld` were found right.

    Never more than the administrator's `ceiling`.
    """
    return ceiling * (_STEADY + upheld) / (_STEADY + max(answered, upheld))
