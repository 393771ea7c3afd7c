"""One moderators' desk asks another one over a pact, and hears what came of it (MOD-5.4)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from activitypub import actors as actor_store
from groups import desk as group_desk
from groups import holding, reported
from groups import posts as post_store
from groups.groups import Group, GroupSettings
from kernel.errors import Conflict, Malformed
from kernel.schema.care import Ending, Level
from kernel.schema.cases import Outcome
from kernel.schema.directed import AskState, Category, Urgency
from kernel.schema.groups import Posts
from kernel.schema.labels import Giver
from kernel.schema.moderation import Level as Distance
from kernel.schema.moderation import Role
from kernel.schema.tables import activities, alert_calls, asks_in, asks_out, audit, cases, reports
from kernel.schema.tables import care_cases as care_rows
from kernel.schema.tables import care_peers as care_counts_of_peers
from moderation import (
    alert_channels,
    casework,
    directed,
    domains,
    forwarding,
    label_holds,
    labelling,
    pact_mail,
    pacts,
    standing,
)
from moderation import cases as case_store
from moderation import reports as report_store
from moderation.care import cases as care_cases
from moderation.care import peers as care_peers
from moderation.directed import answering, asking, incoming, sending, sent, tokens
from moderation.directed.answering import Received
from moderation.directed.sent import Asked
from moderation.directed.terms import Refused
from moderation.policy import Policy
from moderation.reports import Said
from moderation.saying import Saying
from moderation.signals import rules
from moderation.signals.records import Records
from moderation.signals.rules import Kind, Mode, Rule
from moderation.standing import Speaker
from node.tidy import tidy
from tests.moderation.harm_lines import HARMFUL
from tests.nodes import Node, NodeFactory, settle
from tests.peer import Peer, PeerFactory
from tests.wire.pacting import agree, agree_with_peer, asks, desk_of, proven

ROOT = b"m" * 32


async def post_of(node: Node, group: Group, name: str = "owl") -> tuple[Speaker, Any]:
    owl = await node.persona(name)
    return owl, await node.start(owl, group.actor.uri, "Awake", "Again at four.")


async def ask(node: Node, host: str, category: Category, uri: str, **more: Any) -> UUID:
    words = "" if category is Category.CARE else "Please look at this one."
    async with node.engine.begin() as conn:
        return await directed.send(
            conn, node.here, host, category=category, object_uri=uri, **{"words": words, **more}
        )


async def out(node: Node) -> Sequence[Asked]:
    async with node.engine.connect() as conn:
        return await sent.listed(conn, node.here)


async def came(node: Node) -> Sequence[Received]:
    async with node.engine.connect() as conn:
        return await answering.listed(conn, node.here)


async def state(node: Node, ask_id: UUID) -> tuple[str, str, str]:
    (one,) = [each for each in await out(node) if each.id == ask_id]
    return one.state.value, one.reason, one.outcome


async def decide(node: Node, group: Group | None, outcome: Outcome, *, look: bool = True) -> None:
    """A moderator takes the only case that is open there, and closes it."""
    desk = group.id if group is not None else None
    async with node.engine.begin() as conn:
        (case,) = await case_store.waiting(conn, node.here, desk)
        if look:
            await casework.claim(conn, node.here, case, ROOT)
        else:
            await casework.close(conn, node.here, case, outcome)


async def look_after(node: Node, *, over: bool = False) -> None:
    """A moderator looks at the only care case, or says that it is over."""
    everywhere = care_cases.Desks(node=True)
    async with node.engine.begin() as conn:
        (case,) = await care_cases.waiting(conn, node.here, everywhere)
        if over:
            await care_cases.close(conn, node.here, case, Ending.SUPPORTED)
        else:
            await care_cases.claim(conn, node.here, case, ROOT)


async def test_mod_5_4_a_desk_asks_and_hears_how_far_it_is_until_the_end(
    alder: Node, birch: Node, sleep: Group
) -> None:
    """MOD-5.2: a report opens a case at once, a takedown waits for a person."""
    await agree(alder, birch)
    owl, post = await post_of(alder, sleep)
    report = await ask(
        birch, "alder.test", Category.REPORT, post.uri,
        person_uri=owl.actor.uri, rule="Be kind", urgency=Urgency.TODAY,
    )  # fmt: skip
    assert (await state(birch, report))[0] == "waiting"
    with pytest.raises(Refused, match="does not know"):
        await ask(birch, "alder.test", Category.REPORT, "https://else.example/p/1")
    with pytest.raises(Malformed, match="own words"):
        await ask(birch, "alder.test", Category.REPORT, post.uri, words=" ")
    birch.clock.forward(minutes=1)
    await settle(alder, birch)
    assert await state(birch, report) == ("seen", "", "")
    async with alder.engine.connect() as conn:
        (case,) = await case_store.waiting(conn, alder.here, sleep.id)
        (said,) = await report_store.of_case(conn, alder.here, case.id)
        (asked,) = await answering.of_case(conn, alder.here, case.id)
    assert (said.origin, said.said.words) == ("birch.test", "Please look at this one.")
    assert (asked.category, asked.request.rule, case.priority) == (Category.REPORT, "Be kind", 1)
    assert asked.request.objects == (post.uri, owl.actor.uri)

    takedown = await ask(birch, "alder.test", Category.TAKEDOWN, post.uri)
    birch.clock.forward(minutes=1)
    await settle(alder, birch)
    assert await state(birch, takedown) == ("held", "", "")
    await decide(alder, sleep, Outcome.NOTHING)
    await settle(alder, birch)
    assert await state(birch, takedown) == ("seen", "", "")
    await decide(alder, sleep, Outcome.SUPPORTED, look=False)
    await settle(alder, birch)
    for ask_id in (report, takedown):
        assert await state(birch, ask_id) == ("closed", "", "author-supported")
    async with alder.engine.begin() as conn:
        await casework.close(conn, alder.here, case, Outcome.REMOVED)  # as a second hand might
    await settle(alder, birch)
    assert await state(birch, report) == ("closed", "", "author-supported")
    for each in (alder, birch):
        await tidy(each.engine, each.here)
        async with each.engine.connect() as conn:
            left = await conn.scalars(sa.select(activities.c.body).where(~activities.c.public))
            assert not [body for body in left if "Please look" in body or "outcome" in body]


async def test_mod_5_14_care_says_one_post_and_is_answered_with_seen_and_closed_alone(
    alder: Node, birch: Node, sleep: Group
) -> None:
    await agree(alder, birch)
    _, post = await post_of(alder, sleep)
    care = await ask(
        birch, "alder.test", Category.CARE, post.uri, urgency=Urgency.NOW, language="en",
        words="She is in danger", person_uri="http://alder.test/u/owl", rule="x", token="r:1",
    )  # fmt: skip
    await settle(alder, birch)
    assert (await state(birch, care))[0] == "sent"
    (asked,) = await came(alder)
    assert asked.request.objects == (post.uri,)
    assert (asked.request.words, asked.request.rule, asked.request.language) == ("", "", "en")
    await look_after(alder)
    await settle(alder, birch)
    assert await state(birch, care) == ("seen", "", "")
    (one,) = await out(birch)
    assert one.due is None
    await look_after(alder, over=True)
    await settle(alder, birch)
    assert await state(birch, care) == ("closed", "", "closed")


async def test_mod_5_14_care_that_was_not_needed_counts_for_the_peer_and_for_nobody_else(
    alder: Node, birch: Node, sleep: Group
) -> None:
    await agree(alder, birch)
    owl, post = await post_of(alder, sleep)
    everywhere = care_cases.Desks(node=True)

    async def ends(ending: Ending) -> Level:
        await ask(birch, "alder.test", Category.CARE, post.uri, urgency=Urgency.NOW, language="en")
        await settle(alder, birch)
        async with alder.engine.begin() as conn:
            (case,) = await care_cases.waiting(conn, alder.here, everywhere)
            await care_cases.close(conn, alder.here, case, ending)
        await settle(alder, birch)
        return case.level

    assert await ends(Ending.SUPPORTED) is Level.NOW
    async with alder.engine.connect() as conn:
        assert await care_peers.record(conn, "birch.test") == (1, 0)
        assert await care_peers.budget(conn, "birch.test") == care_peers.A_DAY
    assert await ends(Ending.NOT_NEEDED) is Level.NOW
    async with alder.engine.connect() as conn:
        assert await care_peers.record(conn, "birch.test") == (2, 1)
        spent = sa.text("SELECT taken FROM flag_budgets WHERE host = 'birch.test care'")
        assert await conn.scalar(spent) == 3, "what was not needed cost one more"
    async with alder.engine.begin() as conn:
        await conn.execute(sa.update(care_counts_of_peers).values(closed=99, not_needed=99))
    alder.clock.forward(days=1)  # today they asked as often as they may now
    assert await ends(Ending.NOT_NEEDED) is Level.HIGH, "read today, and not at once"
    async with alder.engine.connect() as conn:
        assert await care_peers.record(conn, "birch.test") == (100, 100)
        assert await care_peers.budget(conn, "birch.test") == care_peers.LEAST
        found = (await Records.read(conn, ["birch.test"]))["birch.test"]
        assert found.weight(1.0, []) == 1.0, "its advice counts as before"
        rows = await conn.execute(sa.text("SELECT * FROM care_peers"))
        assert list(rows.keys()) == ["host", "closed", "not_needed"], "nothing of who it was about"
        for table in ("bans", "limits", "stops", "cases", "post_labels"):
            assert not await conn.scalar(sa.text(f"SELECT count(*) FROM {table}"))
        await standing.check(conn, alder.here, owl, sleep.id)
    alder.clock.forward(days=1)
    assert await ends(Ending.NOT_NEEDED) is Level.HIGH
    async with alder.engine.connect() as conn:
        assert await care_peers.record(conn, "birch.test") == (51, 51), "what is old counts less"


async def test_mod_H2_care_that_nobody_sees_goes_to_the_second_contact_and_is_told_as_not_seen(
    alder: Node, birch: Node, sleep: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agree(alder, birch)
    _, post = await post_of(alder, sleep)
    care = await ask(birch, "alder.test", Category.CARE, post.uri, urgency=Urgency.NOW)
    await settle(alder, birch)
    birch.clock.forward(minutes=9)
    await settle(alder, birch)
    assert (await state(birch, care))[0] == "sent"
    birch.clock.forward(minutes=3)
    await settle(alder, birch)
    assert (await state(birch, care))[0] == "unseen"
    (again,) = await came(alder)
    assert (again.version, again.state) == (1, AskState.SENT)
    birch.clock.forward(minutes=11)
    await settle(alder, birch)
    async with birch.engine.connect() as conn:
        verbs = list(await conn.scalars(sa.select(audit.c.verb)))
    assert not [verb for verb in verbs if "care" in verb]  # it is in no log, and in no number
    (one,) = await out(birch)
    assert one.due is None
    await look_after(alder)  # late, and told all the same
    await settle(alder, birch)
    assert (await state(birch, care))[0] == "seen"


async def test_mod_5_14_what_nobody_saw_calls_the_desk_of_the_case_too(
    alder: Node, birch: Node, sleep: Group
) -> None:
    """MOD-H2: whoever is on duty where the worry began reads whom to call."""
    await agree(alder, birch)
    _, post = await post_of(alder, sleep)
    night = await birch.group("night")
    async with birch.engine.begin() as conn:
        for desk in (night.id, None):
            await alert_channels.add(
                conn, birch.here, desk, way="webhook", label="on duty", pace=15,
                target="https://duty.test/",
            )  # fmt: skip
        await care_cases.open_case(
            conn,
            birch.here,
            about=replace(reported.post_of(post), post_id=None),
            host="alder.test",
            level=Level.NOW,
            group_id=night.id,
        )
    await ask(birch, "alder.test", Category.CARE, post.uri, urgency=Urgency.NOW)
    await settle(alder, birch)
    for minutes, desks in ((9, ()), (3, (night.id, None)), (11, (night.id, None))):
        async with birch.engine.begin() as conn:
            await conn.execute(sa.delete(alert_calls))
        birch.clock.forward(minutes=minutes)
        while await sending.work_one(birch.engine, birch.here):
            pass
        async with birch.engine.connect() as conn:
            rows = await conn.execute(sa.select(alert_calls.c.group_id, alert_calls.c.urgent))
        called = {row.group_id: row.urgent for row in rows}
        assert called == dict.fromkeys(desks, True)


async def test_mod_5_14_care_has_no_route_but_a_pact_that_names_who_answers(
    alder: Node, good: Peer, birch: Node
) -> None:
    """SEC-L3: nor is a request for care of a server without a pact read as a report."""
    desk = desk_of(good)
    uri = f"{good.origin}/notes/1"
    for category in Category:
        with pytest.raises(Refused, match="no pact"):
            await ask(alder, "good.test", category, uri)
    owl = await alder.persona("owl")
    group = await alder.group("open", owl, settings=GroupSettings(posts=Posts.ANYONE))
    _, post = await post_of(alder, group, "lark")
    assert await good.send(alder, asks(alder, good, desk, "care", post.uri), desk) == 202
    await settle(alder)
    assert await came(alder) == []
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(cases)) == 0
    report = asks(alder, good, desk, "report", post.uri)
    assert await good.send(alder, report, desk) == 202
    await settle(alder)
    async with alder.engine.connect() as conn:  # read as a plain report
        assert await conn.scalar(sa.select(sa.func.count()).select_from(reports)) == 1
    assert await came(alder) == []
    desk = await agree_with_peer(alder, good)
    async with alder.engine.begin() as conn:
        await pacts.freeze(conn, alder.here, "good.test", frozen=True)
    with pytest.raises(Refused, match="listen"):
        await ask(alder, "good.test", Category.CARE, uri)


async def bring(node: Node, peer: Peer, document: Any, signer: Any) -> None:
    assert await peer.send(node, document, signer) == 202
    await settle(node)


async def test_mod_3_10_who_has_lost_its_reports_still_asks_for_care_and_a_second_look(
    alder: Node, sleep: Group, good: Peer
) -> None:
    """A pact is no way around what was decided about its server."""
    desk = await agree_with_peer(alder, good)
    _, post = await post_of(alder, sleep)
    async with alder.engine.begin() as conn:
        chosen = Policy(Distance.NOTE, reject_reports=True)
        await domains.set_policy(conn, alder.here, "good.test", chosen)
    for refused, category in enumerate(("report", "takedown"), 1):
        await bring(alder, good, asks(alder, good, desk, category, post.uri), desk)
        assert [each["reason"] for each in good.got("Reject")] == ["policy"] * refused
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(cases)) == 0
    await bring(alder, good, asks(alder, good, desk, "care", post.uri), desk)
    nothing = f"{alder.origin}/datasets/{UUID(int=1)}/changes/{UUID(int=2)}"
    await bring(alder, good, asks(alder, good, desk, "appeal", nothing), desk)
    assert good.got("Reject")[-1]["reason"] == "not-ours", "it was read"
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(care_rows)) == 1


async def test_sec_L3_only_the_pinned_desk_asks_and_within_a_budget(
    alder: Node, sleep: Group, good: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-S2: a proof by another key, by nobody, for another desk, of another server."""
    desk = await agree_with_peer(alder, good)
    _, post = await post_of(alder, sleep)
    other, fine = desk_of(good, "other"), asks(alder, good, desk, "takedown", post.uri)
    bare = {name: value for name, value in fine.items() if name != "proof"}
    away = ["https://else.example/desk/node"]
    wrong = [
        (bare, desk),
        ({**fine, "content": "Something else."}, desk),
        (asks(alder, good, other, "takedown", post.uri), other),
        (proven(alder, other, {**bare, "actor": desk.uri}), desk),
        (
            asks(alder, good, desk, "takedown", post.uri, to=away),
            desk,
        ),
        (asks(alder, good, desk, "care", [post.uri, f"{alder.origin}/u/owl"]), desk),
        (asks(alder, good, desk, "report", post.uri, id="https://else.example/flags/1"), desk),
        (asks(alder, good, desk, "takedown", []), desk),
    ]
    for document, signer in wrong:
        await good.send(alder, document, signer)
    await settle(alder)
    assert await came(alder) == []
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(cases)) == 0

    nothing = asks(alder, good, desk, "report", f"{alder.origin}/p/1")
    await bring(alder, good, nothing, desk)
    (no,) = good.got("Reject")
    assert (no["object"], no["reason"]) == (nothing["id"], "not-ours")
    await bring(alder, good, asks(alder, good, desk, "report", post.uri, content=""), desk)
    assert good.got("Reject")[-1]["reason"] == "insufficient"
    await bring(alder, good, fine, desk)
    await bring(alder, good, asks(alder, good, desk, "takedown", post.uri), desk)
    assert good.got("Reject")[-1]["reason"] == "duplicate"
    (held,) = good.got("TentativeAccept")
    assert held["object"] == fine["id"]
    assert held["actor"] == f"{alder.origin}/desk/node"
    assert await pact_proves(alder, held)

    monkeypatch.setattr(incoming, "OF_ONE_A_DAY", 1)
    before = len(good.inbox)
    for _ in range(3):
        token = asks(alder, good, desk, "report", f"{alder.origin}/p/1", reporterToken="r:abc")
        await bring(alder, good, token, desk)
    assert len(good.inbox) == before + 1
    monkeypatch.setattr(incoming, "A_DAY", 7)
    for _ in range(4):
        await bring(alder, good, asks(alder, good, desk, "report", f"{alder.origin}/p/1"), desk)
    assert len(good.inbox) == before + 1
    async with alder.engine.connect() as conn:
        verbs = list(await conn.scalars(sa.select(audit.c.verb)))
        kept = (await conn.execute(sa.select(asks_in))).all()
    assert verbs.count("peer asked too often") == 1
    assert "r:abc" not in str(kept)
    await bring(alder, good, asks(alder, good, desk, "care", post.uri), desk)
    assert (await came(alder))[0].host == "good.test"
    assert len([each for each in await came(alder) if each.category is Category.CARE]) == 1


async def pact_proves(node: Node, document: Any) -> bool:
    async with node.engine.connect() as conn:
        desk = await pacts.our_desk(conn, node.here)
    return await pact_mail.proves(document, desk.ed25519 or "", desk.uri)


async def test_mod_5_7_a_takedown_may_hide_a_post_for_a_day_where_a_rule_says_so(
    alder: Node, sleep: Group, good: Peer
) -> None:
    """MOD-H5: not where somebody is looked after, and never longer than the day."""
    desk = await agree_with_peer(alder, good)
    owl, post = await post_of(alder, sleep)
    await lets(alder, Mode.IGNORE)
    await takedown(alder, good, desk, post.uri)
    assert good.got("Reject")[-1]["reason"] == "policy"
    assert await seen(alder, post) == "shown"
    await lets(alder, Mode.APPLY)
    wanted = await takedown(alder, good, desk, "https://else.example/1", post.uri)
    assert await seen(alder, post) == "held"
    alder.clock.forward(hours=23)
    await settle(alder)
    assert await seen(alder, post) == "held"
    alder.clock.forward(hours=2)
    await settle(alder)
    assert await seen(alder, post) == "shown"  # also where it was not the first that was named
    await no_longer(alder, good, desk, wanted)
    await takedown(alder, good, desk, post.uri)
    assert await seen(alder, post) == "shown"  # once is enough

    friend = await alder.persona("lark")
    await alder.join(friend, sleep.actor.uri)
    near = await alder.reply(owl, post.uri, "And I still do.")
    beside = await alder.reply(friend, post.uri, "So do I.")
    apart = await alder.start(owl, sleep.actor.uri, "Later", "It is noon.")
    await bring(alder, good, asks(alder, good, desk, "care", near.uri), desk)
    for each in (near, beside, apart):
        await takedown(alder, good, desk, each.uri)
        assert await seen(alder, each) == "shown"
    async with alder.engine.connect() as conn:
        lines = (await conn.execute(sa.select(audit.c.verb, audit.c.role))).all()
    assert [role for verb, role in lines if verb == "limit for a peer"] == [Role.NODE]
    assert [role for verb, role in lines if verb == "hold over"] == [Role.NODE]
    assert "release" not in {verb for verb, _ in lines}  # nobody has read it


async def test_mod_H5_nothing_of_somebody_who_is_looked_after_is_hidden_for_a_peer(
    alder: Node, sleep: Group, good: Peer
) -> None:
    desk = await agree_with_peer(alder, good)
    owl, post = await post_of(alder, sleep)
    await lets(alder, Mode.APPLY)
    async with alder.engine.begin() as conn:
        about = reported.person(owl.actor)
        case_id = await care_cases.open_case(
            conn, alder.here, about=about, host="alder.test", level=Level.HIGH
        )
    await takedown(alder, good, desk, post.uri)
    assert await seen(alder, post) == "shown"
    async with alder.engine.begin() as conn:
        everywhere = care_cases.Desks(node=True)
        case = await care_cases.get(conn, alder.here, everywhere, case_id)
        await care_cases.close(conn, alder.here, case, Ending.SUPPORTED)
    other = await alder.start(owl, sleep.actor.uri, "Later", "It is noon.")
    await takedown(alder, good, desk, other.uri)
    assert await seen(alder, other) == "held"


async def lets(node: Node, mode: Mode) -> None:
    """How far a takedown of the peer goes."""
    async with node.engine.begin() as conn:
        rule = Rule(host="good.test", kind=Kind.TAKEDOWN, mode=mode)
        await rules.write(conn, node.here, rule)


async def takedown(node: Node, peer: Peer, desk: Any, *uris: str) -> Any:
    wanted = asks(node, peer, desk, "takedown", list(uris), requestedAction="limit")
    await bring(node, peer, wanted, desk)
    return wanted


async def no_longer(node: Node, peer: Peer, desk: Any, wanted: Any) -> None:
    flag = {key: value for key, value in wanted.items() if key not in ("proof", "@context")}
    undo = peer.activity("Undo", desk, flag, to=[f"{node.origin}/desk/node"])
    await bring(node, peer, proven(node, desk, undo), desk)


async def changes(node: Node, peer: Peer, desk: Any, wanted: Any, version: int = 1) -> None:
    """The peer says it in other words."""
    flag = {key: value for key, value in wanted.items() if key not in ("proof", "@context")}
    inner, context = {**flag, "version": version}, {"@context": wanted["@context"]}
    update = peer.activity("Update", desk, inner, to=[f"{node.origin}/desk/node"], **context)
    await bring(node, peer, proven(node, desk, update), desk)


async def seen(node: Node, post: Any) -> str:
    found = await node.post(post.uri)
    assert found is not None
    return found.state.value


async def release(node: Node, group: Group, post: Any) -> None:
    """A moderator has read it."""
    assert group.desk_id is not None
    async with node.engine.begin() as conn:
        actor = await actor_store.get(conn, group.desk_id)
        held = await post_store.get(conn, post.id)
        await group_desk.release(conn, node.here, group, actor, held)


async def test_mod_5_7_what_people_decide_ends_the_day_at_once_and_for_good(
    alder: Node, sleep: Group, good: Peer
) -> None:
    """So does the peer that takes it back; new words for a request hide nothing anew."""
    desk = await agree_with_peer(alder, good)
    owl, first = await post_of(alder, sleep)
    await lets(alder, Mode.APPLY)
    for outcome, state in (
        (Outcome.NOTHING, "shown"),
        (Outcome.SUPPORTED, "shown"),
        (Outcome.HELD, "held"),
        (Outcome.STOPPED, "held"),
        (None, "shown"),
    ):
        post = await alder.start(owl, sleep.actor.uri, "Again", "And again.")
        wanted = await takedown(alder, good, desk, post.uri)
        assert await seen(alder, post) == "held", outcome
        if outcome is None:
            await no_longer(alder, good, desk, wanted)
        else:
            await decide(alder, sleep, outcome, look=False)
        await settle(alder)
        assert await seen(alder, post) == state, outcome
        await changes(alder, good, desk, wanted)
        await takedown(alder, good, desk, post.uri)
        assert await seen(alder, post) == state, outcome
        alder.clock.forward(hours=25)
        await settle(alder)
        later = "held" if outcome is Outcome.HELD else "shown"
        assert await seen(alder, post) == later, outcome
        async with alder.engine.begin() as conn:
            await conn.execute(sa.delete(cases))

    wanted = await takedown(alder, good, desk, first.uri)
    assert await seen(alder, first) == "held"
    await release(alder, sleep, first)
    await changes(alder, good, desk, wanted)
    assert await seen(alder, first) == "shown"
    async with alder.engine.begin() as conn:
        await holding.hold(conn, await post_store.get(conn, first.id))  # for another reason
    alder.clock.forward(hours=25)
    await settle(alder)
    assert await seen(alder, first) == "held"


async def test_dom_A11_nothing_comes_back_by_itself_that_a_person_is_to_read_first(
    alder: Node, sleep: Group, good: Peer
) -> None:
    """MOD-5.7: words that changed meanwhile, a label that holds, somebody who is read first."""
    desk = await agree_with_peer(alder, good)
    owl, post = await post_of(alder, sleep)
    await lets(alder, Mode.APPLY)
    labelled = await alder.start(owl, sleep.actor.uri, "Again", "And again.")
    fine = await alder.start(owl, sleep.actor.uri, "Fine", "It is fine.")
    for each in (post, labelled, fine):
        await takedown(alder, good, desk, each.uri)
        assert await seen(alder, each) == "held"
    await alder.edit(owl, post.uri, "Awake", HARMFUL[1])
    saying = Saying.here("method-detail", Giver.GROUP, today=alder.here.now().date(), effect="hold")
    async with alder.engine.begin() as conn:
        await labelling.give(conn, labelled.id, saying)
    alder.clock.forward(hours=25)
    await settle(alder)
    assert [await seen(alder, it) for it in (post, labelled, fine)] == ["held", "held", "shown"]
    async with alder.engine.connect() as conn:
        assert await label_holds.wants_hold(conn, labelled.id)

    other = await alder.start(owl, sleep.actor.uri, "Noon", "It is noon.")
    await takedown(alder, good, desk, other.uri)
    async with alder.engine.begin() as conn:
        until = alder.here.now().date() + timedelta(days=7)
        await standing.limit(conn, sleep.id, owl.actor.id, until)
    alder.clock.forward(hours=25)
    await settle(alder)
    assert await seen(alder, other) == "held"


async def test_mod_5_4_any_order_and_every_repetition_ends_the_same(
    alder: Node, sleep: Group, good: Peer
) -> None:
    desk = await agree_with_peer(alder, good)
    _, post = await post_of(alder, sleep)
    first = asks(alder, good, desk, "report", post.uri)
    bare = {name: value for name, value in first.items() if name not in ("proof", "@context")}
    here = [f"{alder.origin}/desk/node"]

    def again(version: int, words: str) -> Any:
        inner = {**bare, "version": version, "content": words, "urgency": "now"}
        update = good.activity("Update", desk, inner, to=here, **{"@context": first["@context"]})
        return proven(alder, desk, update)

    undo = proven(alder, desk, good.activity("Undo", desk, bare, to=here))
    for document in (again(2, "Third words."), again(1, "Second."), first, first):
        await bring(alder, good, document, desk)
    (one,) = await came(alder)
    assert (one.request.words, one.version, one.urgency) == ("Third words.", 2, Urgency.NOW)
    assert len(good.got("Accept")) == 1
    for document in (undo, undo, first, again(3, "Late.")):
        await bring(alder, good, document, desk)
    (one,) = await came(alder)
    assert one.state is AskState.TAKEN_BACK
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(cases)) == 0

    second = asks(alder, good, desk, "report", post.uri)
    early = {name: value for name, value in second.items() if name not in ("proof", "@context")}
    await bring(alder, good, proven(alder, desk, good.activity("Undo", desk, early, to=here)), desk)
    await bring(alder, good, second, desk)
    assert len(await came(alder)) == 1


async def test_mod_5_4_answers_count_once_and_from_the_desk_that_was_asked(
    alder: Node, good: Peer, peer: PeerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await agree_with_peer(alder, good)
    bad = await peer("bad.test", alder)
    other = await agree_with_peer(alder, bad)
    ask_id = await ask(alder, "good.test", Category.REPORT, f"{good.origin}/notes/1")
    with monkeypatch.context() as patch:
        patch.setattr(asking, "A_DAY", 1)
        with pytest.raises(Conflict):
            await ask(alder, "good.test", Category.REPORT, f"{good.origin}/notes/2")
    alder.clock.forward(minutes=1)
    await settle(alder)
    (flag,) = good.got("Flag")
    assert flag["id"] == sent.flag_uri(alder.here, ask_id)
    here = [f"{alder.origin}/desk/node"]

    def says(peer_: Peer, who: Any, kind: str, **more: Any) -> Any:
        document = peer_.activity(kind, who, flag["id"], to=here, **more)
        return proven(alder, who, document)

    accept = says(good, desk, "Accept")
    unproven = {name: value for name, value in accept.items() if name != "proof"}
    for document, signer, at in (
        (says(bad, other, "Reject", reason="policy"), other, bad),
        (unproven, desk, good),
    ):
        await at.send(alder, document, signer)
        await settle(alder)
        assert (await state(alder, ask_id))[0] == "sent"
    inner = {"id": accept["id"], "type": "Accept", "actor": desk.uri, "object": flag["id"]}
    closed = proven(
        alder, desk, good.activity("Update", desk, {**inner, "outcome": "limited"}, to=here)
    )
    later = says(good, desk, "Reject", reason="duplicate")
    for document in (closed, accept, later, closed, says(good, desk, "TentativeAccept")):
        await bring(alder, good, document, desk)
    assert await state(alder, ask_id) == ("closed", "", "limited")

    second = await ask(alder, "good.test", Category.TAKEDOWN, f"{good.origin}/notes/1")
    alder.clock.forward(minutes=1)
    await settle(alder)
    async with alder.engine.begin() as conn:
        await asking.revise(conn, alder.here, second, words="It is worse.", urgency=Urgency.NOW)
    async with alder.engine.begin() as conn:
        await asking.take_back(conn, alder.here, second)
    await settle(alder)
    (update,) = good.got("Update")
    assert (update["object"]["content"], update["object"]["version"]) == ("It is worse.", 1)
    (undo,) = good.got("Undo")
    assert undo["object"]["id"] == update["object"]["id"]
    assert (await state(alder, second))[0] == "taken back"


async def test_mod_H4_sec_L2_what_a_peer_gets_is_the_same_whoever_reported(
    node: NodeFactory, peer: PeerFactory
) -> None:
    """MOD-H4: bytes differ in what chance drew, and in a token that nobody can undo."""
    alder = await node("alder.test", release_delay=True)
    alder.clock.forward(hours=30 - alder.clock().hour)  # all of it on one day
    seen, found = [], []
    for number, (name, words) in enumerate((("rosamund", "It hurt"), ("zebedee", "Spam!"))):
        good = await peer(f"good{number}.test", alder)
        await agree_with_peer(alder, good)
        author, reporter = good.person("kim"), await alder.persona(name)
        anyone = GroupSettings(posts=Posts.ANYONE)
        group = await alder.group(f"group{number}", reporter, settings=anyone)
        note = good.note(author, "Buy this", to=["as:Public", group.actor.uri])
        await alder.meet(author.uri)
        assert await good.send(alder, good.create(author, note), author) == 202
        await settle(alder)
        post = await alder.post(note["id"])
        assert post is not None
        root = reporter.actor.id.bytes * 2
        async with alder.engine.begin() as conn:
            await conn.execute(sa.delete(cases))
            about = reported.post_of(post)
            await report_store.make(
                conn, alder.here, root=root, about=about, why="unkind", said=Said(words=words)
            )
            (case,) = await case_store.waiting(conn, alder.here, None)
            person = await alder.meet(author.uri)
            desk = await pacts.our_desk(conn, alder.here)
            letter = forwarding.Letter(
                case=case, signer=desk, person=person, group=None, words="Please look.",
                with_post=True, rule="Be kind",
            )  # fmt: skip
            ((host, shown),) = await forwarding.preview(conn, alder.here, letter)
            assert not isinstance(shown, Refused)
            await forwarding.plan(conn, alder.here, letter)
        await settle(alder)
        assert good.got("Flag") == []  # not in the minute in which it was decided
        (waits,) = [each for each in await out(alder) if each.state is AskState.WAITING]
        assert waits.due is not None
        wait = waits.due - alder.here.now()
        assert timedelta(minutes=5) <= wait <= timedelta(minutes=62)
        alder.clock.forward(minutes=65)
        await settle(alder)
        (document,) = good.got("Flag")
        (raw,) = [each for each in good.raw if b'"Flag"' in each]
        assert host == good.name
        assert {**shown, "id": document["id"]} == {
            key: value for key, value in document.items() if key not in ("proof", "cc")
        }
        for private in (name, words, reporter.actor.uri, str(reporter.actor.id), root.hex()):
            assert private.encode() not in raw
        found.append(document["reporterToken"])
        for drawn in (document["id"], document["proof"]["proofValue"], document["reporterToken"]):
            raw = raw.replace(drawn.encode(), b"DRAWN")
        raw = raw.replace(note["id"].split("/")[-1].encode(), b"NOTE")
        seen.append(raw.replace(good.name.encode(), b"PEER"))
        async with alder.engine.connect() as conn:
            said = await report_store.reporter(conn, alder.here, case.id)
            assert tokens.token_of(alder.here, said, good.name) == document["reporterToken"]
            assert tokens.token_of(alder.here, said, "else.test") != document["reporterToken"]
            kept = (await conn.execute(sa.select(asks_out))).all()
        assert document["reporterToken"] not in str(kept)
    alder.clock.forward(days=31)
    assert tokens.reporter_of(alder.here, root) != said
    assert seen[0] == seen[1]
    assert found[0] != found[1]
    assert len({len(each) for each in found}) == 1
