"""What peers advise acts slowly, can be undone, and takes nobody away from anybody here."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.keys import KeyPair
from kernel.errors import Conflict
from kernel.here import Here
from kernel.schema.moderation import Level
from kernel.schema.pacts import Afterwards, SignalState
from kernel.schema.tables import actors, audit, follows, groups, posts, signals
from members import node as node_store
from moderation import impact, pact_making, pacts, policy
from moderation.directed import sent
from moderation.impact import Seen
from moderation.policy import Policy as Treated
from moderation.signals import received, rules, sources, undoing
from moderation.signals.records import Record, Records
from moderation.signals.rules import Kind, Mode, Rule
from moderation.signals.stock import A_DAY, BATCH
from moderation.signals.vocabulary import Policy
from node import acting, keeping_away
from tests.moderation import communities
from tests.moderation.peers import HOUR, Peers

BAD = "bad.example"
FILTER, REJECT = Level.FILTER, Level.REJECT
Lives = tuple[communities.Rows, ...]
THREE_DAYS = timedelta(hours=74)


@pytest.fixture
async def peers(engine: AsyncEngine, here: Here, key_pairs: list[KeyPair]) -> Peers:
    async with engine.begin() as conn:
        await node_store.found(conn, here, instance_keys=key_pairs[0], desk_keys=key_pairs[1])
    return Peers(engine, here, key_pairs)


async def tie(peers: Peers, number: int = 1) -> None:
    """So many people here follow somebody there."""
    dice = Random(3)
    async with peers.engine.begin() as conn:
        there = communities.actor(dice, BAD, "Person")
        people = [communities.actor(dice, communities.HOME, "Person") for _ in range(number)]
        await conn.execute(actors.insert(), [there, *people])
        rows = [
            {"follower_id": it["id"], "followed_id": there["id"], "state": "accepted",
             "uri": f"https://{communities.HOME}/a/{at}"}
            for at, it in enumerate(people)
        ]  # fmt: skip
        await conn.execute(follows.insert(), rows)


async def ties(peers: Peers) -> int:
    async with peers.engine.connect() as conn:
        return await conn.scalar(sa.select(sa.func.count()).select_from(follows)) or 0


async def test_mod_5_16_two_voices_act_mildly_first_and_in_steps_that_the_log_shows(
    peers: Peers,
) -> None:
    await peers.trust("birch.example", delay=timedelta(hours=24))
    await peers.trust("cedar.example")
    await peers.say("birch.example", 1, BAD, "reject")
    assert await peers.later() == {}
    assert await peers.state(BAD) == ("waiting", "")
    await peers.say("cedar.example", 1, BAD, "drop")
    assert await peers.later(20 * HOUR) == {}
    assert await peers.later(5 * HOUR) == {BAD: FILTER}
    assert await peers.state(BAD) == ("begun", "")
    assert await peers.later(THREE_DAYS) == {BAD: REJECT}
    assert await peers.verbs(BAD) == [
        "advice weighed", "advice previewed", "advice waits", "advice begins", "advice acts",
    ]  # fmt: skip
    effect = await peers.effect(BAD)
    assert (effect.issuers, effect.hosts) == (2, ["birch.example", "cedar.example"])
    assert effect.impact is not None
    await peers.say("cedar.example", 2, BAD, "retract")
    assert await peers.later() == {BAD: FILTER}, "one is left, and carries less"
    await peers.say("birch.example", 2, BAD, "retract")
    assert await peers.later() == {}
    assert await peers.state(BAD) == ("ended", "basis gone")


async def test_mod_5_8_one_voice_with_the_usual_weight_does_nothing(peers: Peers) -> None:
    usual = Rule().weight
    await peers.trust("birch.example", weight=usual)
    await peers.say("birch.example", 1, BAD, "drop")
    assert await peers.later(THREE_DAYS) == {}
    await peers.trust("cedar.example", weight=usual)
    await peers.say("cedar.example", 1, BAD)
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}


async def test_mod_5_7_who_decided_before_decides(peers: Peers) -> None:
    for host in ("birch.example", "cedar.example"):
        await peers.trust(host)
        await peers.say(host, 1, BAD, "reject")
        await peers.say(host, 2, "worse.example", "reject")
    await keeping_away.decide(peers.engine, peers.here, BAD, Treated(Level.ACCEPT))
    await peers.later()
    assert await peers.later(HOUR) == {"worse.example": FILTER}
    await keeping_away.decide(peers.engine, peers.here, "worse.example", Treated(Level.NOTE))
    assert await peers.later(HOUR) == {}
    assert await peers.state("worse.example") == ("ended", "decided")


async def test_mod_5_7_what_is_only_shown_is_noted_and_does_nothing(peers: Peers) -> None:
    await peers.trust("birch.example", mode=Mode.SHOW)
    await peers.say("birch.example", 1, BAD)
    assert await peers.later(THREE_DAYS) == {}
    assert await peers.state(BAD) == ("trial", "")
    assert (await peers.verbs(BAD))[-1] == "advice would act"
    await peers.rule("birch.example", mode=Mode.IGNORE)
    await peers.later()
    assert await peers.state(BAD) == ("ended", "trial: basis gone")
    await peers.rule("birch.example")
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    would = Rule(host="birch.example", mode=Mode.HOLD)
    assert (await acting.if_rule(peers.engine, peers.here, would)).as_json() == {
        "changes": [{"domain": BAD, "before": "filter", "after": "accept"}],
        "people": 0,
        "posts": 0,
    }
    assert await peers.later() == {BAD: FILTER}, "a preview changes nothing"


async def test_mod_5_7_who_would_talk_with_them_ends_nothing_before_somebody_read_it(
    peers: Peers,
) -> None:
    await peers.trust("birch.example")
    names = [f"n{number}.example" for number in range(8)]
    lines = [peers.line("birch.example", at, name) for at, name in enumerate(names, start=1)]
    await peers.take_in("birch.example", lines)
    await peers.later()
    held = await peers.later(HOUR)
    assert held == dict.fromkeys(names, FILTER)
    await peers.trust("cedar.example", mode=Mode.HOLD, weight=1.0)
    names.append("late.example")
    for at, name in enumerate(names, start=1):
        await peers.say("cedar.example", at, name, "accept")
    await peers.say("birch.example", 9, "late.example")
    await peers.later()
    assert await peers.later(HOUR) == held, "but it keeps from beginning what is new"
    async with peers.engine.begin() as conn:
        mine = sa.and_(signals.c.entity_key == names[0], signals.c.policy == Policy.ACCEPT)
        await conn.execute(sa.update(signals).where(mine).values(state=SignalState.SHOWN))
    assert set(await peers.later()) == set(names[1:8]), "somebody let that one stand"
    await peers.rule("cedar.example", mode=Mode.APPLY)
    assert await peers.later() == {}


async def test_mod_h5_what_would_cut_somebody_off_waits_for_two_people(peers: Peers) -> None:
    await tie(peers)
    for host in ("birch.example", "cedar.example"):
        await peers.trust(host)
        await peers.say(host, 1, BAD, "reject")
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    assert await peers.later(THREE_DAYS) == {BAD: FILTER}, "nobody is cut off by it"
    assert await peers.state(BAD) == ("begun", "ties")
    assert await ties(peers) == 1
    effect = await peers.effect(BAD)
    assert effect.asks
    assert effect.impact is not None
    seen = Seen(effect.impact.digest, looked=True)
    assert await acting.agree(peers.engine, peers.here, effect.id, REJECT, seen)
    assert await ties(peers) == 0
    assert await peers.state(BAD) == ("agreed", "")
    for host in ("birch.example", "cedar.example"):
        await peers.say(host, 2, BAD, "retract")
    await peers.later()
    assert await peers.state(BAD) == ("review", "basis gone")
    assert await ties(peers) == 0, "what a person decided stays"
    await acting.refuse(peers.engine, peers.here, effect.id)
    assert await ties(peers) == 1, "what was cut comes back"


async def test_mod_5_8_what_was_accepted_long_ago_starts_nothing_again_and_again(
    peers: Peers,
) -> None:
    """It counts for less where something begins, and would end it in the next round."""
    await peers.trust("quiet.example", weight=0.5)
    await peers.say("quiet.example", 1, BAD, "accept")
    peers.ahead = timedelta(days=90)
    await peers.trust("birch.example")
    await peers.say("birch.example", 1, BAD)
    for _ in range(3):
        assert await peers.later(HOUR) == {}
    assert await peers.verbs(BAD) == []


async def test_mod_5_9_who_decides_reads_how_many_peers_would_go_on_with_it(peers: Peers) -> None:
    for host in ("birch.example", "cedar.example"):
        await peers.trust(host)
    await peers.say("birch.example", 1, BAD, "accept")
    await peers.say("birch.example", 2, f"a.{BAD}", "accept")
    await peers.say("cedar.example", 1, BAD)

    async def disagree(*domains: str, level: Level = Level.REJECT) -> int:
        async with peers.engine.connect() as conn:
            would = await impact.of(conn, peers.here, domains, level)
        said = "1 place that you have a pact with says to go on with it."
        assert (said in [str(line) for line in would.words]) is bool(would.disagree)
        return would.disagree

    assert await disagree(BAD) == 1
    assert await disagree(BAD, level=Level.FILTER) == 0
    assert await disagree("calm.example") == 0
    async with peers.engine.begin() as conn:
        await pacts.freeze(conn, peers.here, "birch.example", frozen=True)
    assert await disagree(BAD) == 0


async def test_mod_5_8_what_was_said_before_midnight_is_as_good_after_it(peers: Peers) -> None:
    await peers.trust("birch.example", weight=0.8)  # as much as it takes for anything
    today = peers.here.now().date()
    for number, (domain, days) in enumerate(((BAD, 1), ("older.example", 2)), 1):
        said = f"{today - timedelta(days=days)}T23:59:00Z"
        line = peers.line("birch.example", number, domain, published=said)
        await peers.take_in("birch.example", [line])
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}


async def test_mod_5_8_old_voices_make_nothing_harsher(peers: Peers) -> None:
    for host in ("birch.example", "cedar.example"):
        await peers.trust(host)
        await peers.say(host, 1, BAD, "reject")
    peers.ahead = timedelta(days=60)  # half as much: enough for the mildest
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    for _ in range(3):
        assert await peers.later(THREE_DAYS) == {BAD: FILTER}
    assert await peers.state(BAD) == ("applied", "")


async def test_mod_5_8_what_got_old_while_it_waited_stays_mild(peers: Peers) -> None:
    for host in ("birch.example", "cedar.example"):
        await peers.trust(host, delay=timedelta(days=18))
        await peers.say(host, 1, BAD, "reject")
    await peers.later()
    assert await peers.later(timedelta(days=18, hours=1)) == {BAD: FILTER}
    assert await peers.later(THREE_DAYS) == {BAD: FILTER}
    assert await peers.state(BAD) == ("applied", "")


@pytest.mark.parametrize("policy", ["filter", "reject"])
async def test_mod_5_10_advice_about_whom_we_trust_by_now_is_held(
    peers: Peers, policy: str
) -> None:
    for host in ("birch.example", "cedar.example"):
        await peers.trust(host)
        await peers.say(host, 1, BAD, policy)
    await peers.later()
    assert await peers.state(BAD) == ("waiting", "")
    if policy == "reject":
        assert await peers.later(HOUR) == {BAD: FILTER}
    await peers.trust(BAD)
    held = await peers.later(THREE_DAYS)
    assert (held, await peers.state(BAD)) == {
        "filter": ({}, ("held", "peer")),
        "reject": ({BAD: FILTER}, ("begun", "peer")),
    }[policy]
    assert (await peers.effect(BAD)).asks


@pytest.mark.slow
async def test_mod_5_10_over_the_caps_it_takes_two_people(peers: Peers) -> None:
    await tie(peers, 6)
    await peers.trust("birch.example")
    await peers.say("birch.example", 1, BAD)
    assert await peers.later(THREE_DAYS) == {}
    assert await peers.state(BAD) == ("held", "caps")
    effect = await peers.effect(BAD)
    assert effect.impact is not None
    seen = Seen(effect.impact.digest, looked=True)
    ana, ben = (replace(peers.here, decider=name) for name in (b"ana", b"ben"))
    assert not await acting.agree(peers.engine, ana, effect.id, REJECT, seen)
    assert await ties(peers) == 6
    for again in (ana, peers.here):
        with pytest.raises(Conflict, match="one more person"):
            await acting.agree(peers.engine, again, effect.id, REJECT, seen)
    assert await acting.agree(peers.engine, ben, effect.id, REJECT, seen)
    assert await ties(peers) == 0


async def lives(peers: Peers, *domains: str) -> Lives:
    """People here and there follow each other, share a group, and a post from there is held."""
    dice, home = Random(5), communities.HOME
    async with peers.engine.begin() as conn:
        await communities.arrivals(conn, {"other.test": 2_000})
        for number, domain in enumerate(domains, 1):
            ana, ours = (communities.actor(dice, home, kind) for kind in ("Person", "Group"))
            eve = communities.actor(dice, domain, "Person")
            await conn.execute(actors.insert(), [ana, eve, ours])
            await conn.execute(groups.insert(), [communities.group(ours["id"])])
            pairs = ((ana, eve), (eve, ana), (ana, ours), (eve, ours))
            rows = [
                {"follower_id": one["id"], "followed_id": other["id"], "state": "accepted",
                 "uri": f"https://{one['host']}/a/{number}/{at}"}
                for at, (one, other) in enumerate(pairs)
            ]  # fmt: skip
            await conn.execute(follows.insert(), rows)
            root = number * 100
            await communities.thread(conn, ours["id"], root, [ana["id"], eve["id"], eve["id"]])
            held = sa.update(posts).where(posts.c.id == root + 2).values(state="held")
            await conn.execute(held)
    found = await life(peers)
    assert [len(each) for each in found] == [4 * len(domains), 3 * len(domains), 0, 0]
    return found


async def life(peers: Peers) -> Lives:
    """Every tie, every post with its state, and what was cut: of members and of moderators."""
    async with peers.engine.connect() as conn:
        (tied, _), (cut, let_go) = await communities.ties(conn), await communities.ledger(conn)
        rows = await conn.execute(sa.select(posts.c.id, posts.c.author_id, posts.c.state))
        return tied, frozenset(map(tuple, rows)), cut, let_go


@pytest.mark.slow
async def test_mod_H10_a_poisoned_list_waits_for_a_person_and_is_closed_by_itself(
    peers: Peers,
) -> None:
    await peers.trust("birch.example")
    before = await lives(peers, "n1.example", "n2.example", f"n{A_DAY + 5}.example")
    lines = [peers.line("birch.example", at, f"n{at}.example") for at in range(1, A_DAY + 6)]
    await peers.take_in("birch.example", lines)
    assert await peers.later(THREE_DAYS) == {}, f"more than {BATCH} at once"
    assert await peers.state("n1.example") == ("held", "batch")
    async with peers.engine.connect() as conn:
        began = sa.select(sa.func.count()).where(audit.c.verb == "advice held")
        assert await conn.scalar(began) == A_DAY
    effect = await peers.effect("n1.example")
    await acting.refuse(peers.engine, peers.here, effect.id)
    await peers.later(timedelta(days=8))
    assert "advice reminder" in await peers.verbs("n2.example")
    await peers.later(timedelta(days=23))
    assert await peers.state("n2.example") == ("refused", "no opinion")
    await peers.later(HOUR)
    assert await peers.state("n2.example") == ("refused", "no opinion"), "it does not come again"
    assert await life(peers) == before, "nobody here lost anybody"


@pytest.mark.slow
async def test_mod_5_10_a_peer_that_advises_against_a_protected_domain_stops_itself(
    peers: Peers,
) -> None:
    before = await lives(peers, "clinic.example", BAD)
    for domain, label in (("clinic.example", "spam"), ("ap.invalid", "spam")):
        host = f"{domain.partition('.')[0]}-birch.example"
        await peers.trust(host)
        await peers.say(host, 1, BAD)
        await peers.later()
        assert BAD in await peers.later(HOUR)
        canary = peers.line(host, 2, "ap.invalid", labels=["https://x.example/labels/canary"])
        await peers.take_in(host, [canary])
        async with peers.engine.connect() as conn:
            assert (await pacts.one(conn, host)).listens, "it says that this is a canary"
        await peers.take_in(host, [peers.line(host, 3, domain, labels=[label])])
        async with peers.engine.connect() as conn:
            assert not (await pacts.one(conn, host)).listens
        assert await peers.later() == {}
        assert await life(peers) == before, "nobody here lost anybody"


@pytest.mark.slow
async def test_mod_5_10_a_peer_that_was_broken_into_is_rolled_back_since_a_day(
    peers: Peers,
) -> None:
    for host in ("birch.example", "cedar.example"):
        await peers.trust(host)
    before = await lives(peers, "long-known.example", BAD, "both.example")
    await peers.say("birch.example", 1, "long-known.example")
    await peers.later()
    await peers.later(timedelta(days=20))
    since = peers.here.now().date()
    await peers.say("birch.example", 2, BAD)
    await peers.say("birch.example", 3, "both.example")
    await peers.say("cedar.example", 1, "both.example")
    await peers.later()
    everything = await peers.later(HOUR)
    assert set(everything) == {"long-known.example", BAD, "both.example"}
    would = await acting.roll_back(peers.engine, peers.here, "birch.example", since, dry_run=True)
    assert [it.domain for it in would.turns] == [BAD]
    assert await peers.holding() == everything, "a dry run changes nothing"
    done = await acting.roll_back(peers.engine, peers.here, "birch.example", since)
    assert done == would
    assert set(await peers.holding()) == {"long-known.example", "both.example"}
    assert set(await peers.later(THREE_DAYS)) == {"long-known.example", "both.example"}
    async with peers.engine.begin() as conn:
        await pacts.freeze(conn, peers.here, "birch.example", frozen=True)
    assert set(await peers.later()) == {"both.example"}
    assert await life(peers) == before, "nobody here lost anybody"


@pytest.mark.parametrize(("approvals", "level"), [(1, FILTER), (2, REJECT)])
async def test_mod_5_10_what_one_person_said_at_each_is_a_filter(
    peers: Peers, approvals: int, level: Level
) -> None:
    for host in ("birch.example", "cedar.example"):
        await peers.trust(host)
        await peers.take_in(host, [peers.line(host, 1, BAD, "reject", approvals=approvals)])
    await peers.later()
    await peers.later(HOUR)
    assert await peers.later(THREE_DAYS) == {BAD: level}


async def test_mod_5_10_what_a_broken_peer_made_harsher_is_rolled_back(peers: Peers) -> None:
    for host in ("birch.example", "cedar.example"):
        await peers.trust(host)
    await peers.say("birch.example", 1, BAD)
    await peers.say("cedar.example", 1, BAD, "reject")
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    await peers.later(timedelta(days=20))
    since = peers.here.now().date()
    await peers.say("birch.example", 2, BAD, "reject")
    await peers.later()
    assert await peers.later(THREE_DAYS) == {BAD: REJECT}
    would = await acting.roll_back(peers.engine, peers.here, "birch.example", since, dry_run=True)
    assert [(it.domain, it.after) for it in would.turns] == [(BAD, FILTER)]
    await acting.roll_back(peers.engine, peers.here, "birch.example", since)
    assert await peers.later(THREE_DAYS) == {BAD: FILTER}, "what cedar says stands"


@pytest.mark.slow
@pytest.mark.parametrize("afterwards", Afterwards)
async def test_mod_5_6_what_becomes_of_it_when_a_pact_ends(
    peers: Peers, afterwards: Afterwards, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def untold(*_: object, **__: object) -> None:
        """Nobody lives there."""

    monkeypatch.setattr(pacts, "tell", untold)
    await peers.trust("birch.example")
    await peers.say("birch.example", 1, BAD)
    await peers.later()
    await peers.later(HOUR)
    async with peers.engine.begin() as conn:
        await pact_making.end(conn, peers.here, "birch.example", afterwards)
    holding = await peers.later(HOUR)
    state = await peers.state(BAD)
    async with peers.engine.connect() as conn:
        treated = (await policy.of_host(conn, BAD)).level
    assert (holding, state, treated) == {
        Afterwards.KEEP: ({}, ("ended", "kept"), FILTER),
        Afterwards.REVIEW: ({BAD: FILTER}, ("review", "pact"), FILTER),
        Afterwards.UNDO: ({}, ("ended", "basis gone"), Level.ACCEPT),
    }[afterwards]
    if afterwards is Afterwards.REVIEW:
        await acting.keep(peers.engine, peers.here, (await peers.effect(BAD)).id)
        assert await peers.later() == {}
        async with peers.engine.connect() as conn:
            assert (await policy.of_host(conn, BAD)).level is FILTER


async def test_mod_5_5_what_an_equivocating_peer_said_ends(peers: Peers) -> None:
    await peers.trust("birch.example")
    before = await lives(peers, BAD)
    await peers.say("birch.example", 1, BAD)
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    async with peers.engine.begin() as conn:
        await sources.put_aside(conn, peers.here, peers.sources["birch.example"], "fork")
    assert await peers.later() == {}
    assert await life(peers) == before, "nobody here lost anybody"


async def test_mod_H9_a_clock_that_is_wrong_ends_no_advice_early(peers: Peers) -> None:
    await peers.trust("birch.example")
    await peers.say("birch.example", 1, BAD)  # until the 100th day from now, at ten
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    now = peers.ahead
    for ahead, holds in ((99, True), (101, True), (103, False)):
        peers.ahead = timedelta(days=ahead)
        async with peers.engine.begin() as conn:
            await received.sweep(conn, peers.here)
        assert (await peers.later() == {BAD: FILTER}) is holds, ahead
    peers.ahead = now
    async with peers.engine.begin() as conn:
        await received.sweep(conn, peers.here)
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}, "the clock is right again"


@pytest.mark.slow
async def test_mod_5_8_any_order_and_repetition_of_lines_ends_in_the_same_effects(
    peers: Peers,
) -> None:
    hosts = ("birch.example", "cedar.example", "elm.example")
    for host in hosts:
        await peers.trust(host, weight=0.8)
    said = [
        *((host, peers.line(host, 1, BAD, "reject")) for host in hosts),
        ("elm.example", peers.line("elm.example", 2, "calm.example", "filter")),
        ("elm.example", peers.line("elm.example", 3, "calm.example", "retract")),
        ("birch.example", peers.line("birch.example", 4, "fine.example", "filter")),
        ("cedar.example", peers.line("cedar.example", 5, "fine.example", "accept")),
        ("birch.example", peers.line("birch.example", 6, "two.example", "filter")),
        ("cedar.example", peers.line("cedar.example", 7, "two.example", "reject")),
        ("birch.example", peers.line("birch.example", 8, "gone.example", endTime="2020-01-01")),
    ]
    ends = set()
    for seed in range(6):
        dice = Random(seed)
        order = dice.sample(said, len(said)) + dice.sample(said, 3)
        async with peers.engine.begin() as conn:
            for table in ("signals", "signal_effects", "domain_policies"):
                await conn.execute(sa.text(f"DELETE FROM {table}"))
        for host, line in order:
            await peers.take_in(host, [line])
        await peers.later()
        await peers.later(HOUR)
        ends.add(tuple(sorted((await peers.later(THREE_DAYS)).items())))
        peers.ahead = timedelta(0)
    assert ends == {((BAD, REJECT), ("two.example", FILTER))}


async def test_mod_5_7_rules_go_from_the_label_to_the_host_to_what_is_usual(peers: Peers) -> None:
    await peers.trust("birch.example", mode=Mode.HOLD)
    async with peers.engine.begin() as conn:

        async def mode(host: str, kind: Kind, label: str = "") -> Mode:
            return (await rules.of(conn, host, kind, label)).mode

        advice, label = Kind.ADVICE_DOMAIN, "https://birch.example/labels/Spam"
        assert await mode("birch.example", Kind.CARE) is Mode.APPLY
        assert await mode("birch.example", Kind.LABEL_CONTENT) is Mode.SHOW
        assert await mode("stranger.example", advice) is Mode.HOLD
        assert await mode("stranger.example", Kind.CARE) is Mode.IGNORE
        rule = Rule(host="birch.example", kind=advice, label=label, mode=Mode.APPLY)
        await rules.write(conn, peers.here, rule)
        assert await mode("birch.example", advice, "spam") is Mode.APPLY
        assert await mode("birch.example", advice, "doxxing") is Mode.HOLD
        strict = Rule(host="birch.example", kind=advice, label="doxxing", mode=Mode.IGNORE)
        await rules.write(conn, peers.here, strict)
        both = (await rules.Rules.read(conn, ["birch.example"], advice)).of(
            "birch.example", [label, "doxxing"]
        )
        assert both.mode is Mode.IGNORE, "the one that lets it go least far"
        await rules.forget(conn, peers.here, "birch.example", advice, "spam")
        assert await mode("birch.example", advice, "spam") is Mode.HOLD
        assert [each.label for each in await rules.about(conn, "birch.example")] == ["", "doxxing"]
    assert Policy.FILTER is Rule().max_policy


async def test_mod_5_10_after_a_restore_nothing_acts_until_somebody_looked(peers: Peers) -> None:
    await peers.trust("birch.example")
    await peers.say("birch.example", 1, BAD)
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    async with peers.engine.begin() as conn:
        await undoing.after_restore(conn)
    await peers.say("birch.example", 2, "new.example")
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    assert await peers.state(BAD) == ("review", "restored")
    async with peers.engine.connect() as conn:
        rule = await rules.of(conn, "birch.example", Kind.ADVICE_DOMAIN)
        assert rule.mode is Mode.HOLD
    await acting.refuse(peers.engine, peers.here, (await peers.effect(BAD)).id)
    assert await peers.later() == {}


async def test_mod_5_8_an_appeal_that_nobody_answers_halves_what_a_line_counts(
    peers: Peers,
) -> None:
    await peers.trust("birch.example")
    line = peers.line("birch.example", 1, BAD)
    await peers.take_in("birch.example", [line])
    async with peers.engine.begin() as conn:
        await sent.mark(conn, line.uri, unanswered=True)
    await peers.later()
    assert await peers.later(HOUR) == {}
    await peers.say("birch.example", 2, BAD)
    await peers.later()
    assert await peers.later(HOUR) == {}, "they say the same once more, and nothing else"
    async with peers.engine.begin() as conn:
        await sent.mark(conn, line.uri, unanswered=False)
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}


async def test_mod_5_8_a_weight_follows_the_answers_about_each_label(peers: Peers) -> None:
    """What a host is often wrong about counts less, and all else as before."""
    await peers.trust("birch.example")
    wrong = [
        peers.line("birch.example", at, f"n{at}.example", labels=["https://b.example/labels/Spam"])
        for at in range(1, 31)
    ]
    right = [
        peers.line("birch.example", at, f"n{at}.example", labels=["https://b.example/labels/grief"])
        for at in range(31, 36)
    ]
    await peers.take_in("birch.example", [*wrong, *right])
    async with peers.engine.begin() as conn:
        for row in (await conn.execute(sa.select(signals.c.id, signals.c.place))).all():
            answer = SignalState.IGNORED if row.place <= 30 else SignalState.SHOWN
            await received.decide(conn, peers.here, row.id, answer)
        found = await Records.read(conn, ["birch.example", "quiet.example"])
    birch, quiet = found["birch.example"], found["quiet.example"]
    assert birch.by_label == {"spam": Record(0, 30), "grief": Record(5, 5)}
    assert birch.weight(1.0, ["https://other.example/labels/spam/"]) == pytest.approx(20 / 50)
    of_all = pytest.approx(25 / 55)
    assert birch.weight(1.0, ["grief"]) == of_all, "too few answers about it"
    assert birch.weight(1.0, []) == of_all
    assert birch.weight(0.5, ["spam", "grief"]) == pytest.approx(10 / 50)
    assert quiet.weight(0.7, ["spam"]) == 0.7, "never above what an administrator wrote"


async def test_mod_5_7_a_rule_that_is_edited_makes_no_advice_last_longer(peers: Peers) -> None:
    await peers.trust("birch.example", ttl_cap=timedelta(days=30))
    line = peers.line("birch.example", 1, BAD, published=None)
    await peers.take_in("birch.example", [line])
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    await peers.later(timedelta(days=20))
    await peers.rule("birch.example", ttl_cap=timedelta(days=30), mode=Mode.HOLD)
    await peers.rule("birch.example", ttl_cap=timedelta(days=30))
    await peers.later()
    assert await peers.later(HOUR) == {BAD: FILTER}
    assert await peers.later(timedelta(days=12)) == {}
