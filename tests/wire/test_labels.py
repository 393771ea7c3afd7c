"""Labels of posts between two nodes that have a pact (MOD-3.9, MOD-5.2, MOD-5.3, MOD-5.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from activitypub.jsontext import Json
from groups import desk as group_desk
from groups import groups as group_store
from groups import labelling as labels_of_groups
from groups.groups import Group, GroupSettings
from groups.posts import Post
from kernel.clock import iso
from kernel.schema.groups import Sees
from kernel.schema.labels import Giver
from kernel.schema.pacts import Afterwards, SignalState
from kernel.schema.tables import audit, post_labels, posts
from kernel.tombstone_log import Act
from members.member import Cover
from moderation import labelling, pact_making, pacts
from moderation.labels import MEDICAL
from moderation.pact_terms import Flow, Wishes, midnight
from moderation.saying import Saying, read_given
from moderation.signals import links, published, received, rules, sources
from moderation.signals.rules import Kind, Mode, Rule
from moderation.signals.vocabulary import Change
from moderation.standing import Speaker
from node import acting
from node.pages import covers
from node.pages.session import ADMINISTRATOR
from node.safekeeping.replay import replay
from tests.nodes import Node, NodeFactory, settle
from tests.pages.people import person

FLOWS = frozenset({Flow.ADVICE, Flow.LABELS})
WISHES = Wishes(sends=FLOWS, takes=FLOWS)
SOURCES = ("https://books.example/one", "https://books.example/two")


@dataclass(frozen=True)
class Two:
    """Alder has a group; Ben of Birch reads it; both nodes have a pact."""

    alder: Node
    birch: Node
    ana: Speaker
    ben: Speaker
    group: Group
    post: Post

    async def there(self) -> Post:
        """The post as Birch has it."""
        found = await self.birch.post(self.post.uri)
        assert found is not None
        return found

    async def shown(self) -> list[tuple[str, str, str, bool]]:
        """What readers of Birch see of its labels."""
        now = self.birch.clock()
        return [
            (each.by, each.label, each.effect.value, each.older)
            for each in read_given((await self.there()).given, now.date())
        ]

    async def cover(self, chosen: Mapping[str, Cover] | None = None) -> Cover:
        return covers.cover(await self.there(), chosen or {}, self.birch.clock())

    async def label(self, name: str, post: Post | None = None, **more: Any) -> None:
        async with self.alder.engine.begin() as conn:
            here, about = self.alder.here, post or self.post
            saying = Saying.here(name, Giver.GROUP, today=here.now().date(), **more)
            group = await group_store.get(conn, about.group_id)
            await labels_of_groups.give(conn, here, group, about, saying)
        await settle(self.alder, self.birch)

    async def take_off(self, name: str) -> None:
        async with self.alder.engine.begin() as conn:
            await labels_of_groups.take_off(
                conn, self.alder.here, self.group, self.post, name, Giver.GROUP
            )
        await settle(self.alder, self.birch)

    async def say(
        self, *words: str, kind: Change = Change.ADVISORY, post: Post | None = None
    ) -> None:
        """As a peer whose vocabulary or manners are not ours."""
        about = post or self.post
        async with self.alder.engine.begin() as conn:
            says: dict[str, Json] = {
                "entityKind": "object",
                "entityKey": about.uri,
                "updated": iso(about.edited or about.published),
                "labels": [f"{self.alder.origin}/labels/{word}" for word in words],
            }
            await published.add(conn, self.alder.here, kind, about.uri, says, ends=None)
        await settle(self.alder, self.birch)

    async def rule(self, mode: Mode, **more: Any) -> None:
        async with self.birch.engine.begin() as conn:
            rule = Rule(host="alder.test", kind=Kind.LABEL_CONTENT, mode=mode, **more)
            await rules.write(conn, self.birch.here, rule)
            await received.stand_anew(conn, self.birch.here, "alder.test")
        await settle(self.birch)

    async def changes(self) -> Sequence[published.Entry]:
        async with self.alder.engine.connect() as conn:
            return await published.after(conn, published.FIRST)

    async def held(self) -> list[str]:
        async with self.birch.engine.connect() as conn:
            return [it.entity_key for it in await received.listed(conn, SignalState.HELD)]


@pytest.fixture
async def two(node: NodeFactory) -> Two:
    alder, birch = await node("alder.test"), await node("birch.test")
    ana, ben = await alder.persona("ana"), await birch.persona("ben")
    group = await alder.group("sleep", ana)
    await birch.join(ben, group.actor.uri)
    await settle(alder, birch)
    async with alder.engine.begin() as conn:
        await pacts.our_desk(conn, alder.here)
    desk = await alder.meet(f"{birch.origin}/desk/node")
    async with alder.engine.begin() as conn:
        await pact_making.offer(conn, alder.here, desk, WISHES)
    await settle(alder, birch)
    async with birch.engine.begin() as conn:
        waiting = (await pacts.one(conn, "alder.test")).theirs
        assert waiting is not None
        await pact_making.accept(conn, birch.here, "alder.test", WISHES, waiting.uri)
    await settle(alder, birch)
    post = await alder.start(ana, group.actor.uri, "Nights", "It was long.")
    await settle(alder, birch)
    return Two(alder, birch, ana, ben, group, post)


async def test_mod_5_3_a_label_reaches_the_peer_is_shown_and_taken_back(two: Two) -> None:
    """WIRE-M11: what is said of a post is beside it, and never in it."""
    before = await two.there()
    await two.label("grief", why="It tells of a loss.")
    (entry,) = await two.changes()
    body = entry.body
    assert body["type"] == "Advisory"
    assert body["entityKind"] == "object"
    assert body["entityKey"] == two.post.uri
    assert body["labels"] == [f"{two.alder.origin}/labels/grief"]
    assert body["updated"] == iso(two.post.published)
    assert body["summary"] == "It tells of a loss."
    assert "recommendedPolicy" not in body
    assert body["endTime"] == iso(midnight(two.alder.clock().date() + timedelta(days=365)))
    assert await two.shown() == [("alder.test", "grief", "warn", False)]  # as usual of a pact
    assert await two.cover() is Cover.SHOW
    assert await two.cover({"grief": Cover.HIDE}) is Cover.HIDE  # its reader decides
    after = await two.there()
    assert (after.note, after.sensitive, after.content, after.labels) == (
        before.note, before.sensitive, before.content, before.labels,
    )  # fmt: skip
    told = await (await two.alder.get(two.post.uri.removeprefix(two.alder.origin))).json()
    assert not told.get("summary")
    assert not told["sensitive"]
    assert "grief" not in str(told)
    await two.label("outdated-helpline")
    assert [each[1] for each in await two.shown()] == ["grief", "outdated-helpline"]
    await two.take_off("grief")
    assert [each[1] for each in await two.shown()] == ["outdated-helpline"]
    await two.take_off("outdated-helpline")
    assert await two.shown() == []
    assert (await two.changes())[-1].kind is Change.RETRACTION
    assert await two.held() == []


async def test_mod_5_3_of_what_not_everybody_may_read_nothing_is_said(two: Two) -> None:
    closed = await two.alder.group("closed", two.ana, settings=GroupSettings(sees=Sees.MEMBERS))
    secret = await two.alder.start(two.ana, closed.actor.uri, "Among us", "Between us.")
    await two.label("grief", secret)
    assert await two.changes() == []
    await two.label("harassment")  # it blames: a moderator reads it first, and no peer hears
    assert await two.changes() == []
    async with two.alder.engine.connect() as conn:
        assert (
            await conn.scalar(sa.select(posts.c.state).where(posts.c.id == two.post.id)) == "held"
        )


async def test_dom_C14_a_note_travels_with_its_sources_and_ends_when_its_words_do(
    two: Two,
) -> None:
    await two.rule(Mode.APPLY)
    await two.label(MEDICAL, effect="fold", why="No study says so yet.", sources=SOURCES)
    assert await two.changes() == []  # its author has a day to read it first
    two.alder.clock.forward(days=1)
    while await labels_of_groups.turn_one(two.alder.engine, two.alder.here):
        pass
    await settle(two.alder, two.birch)
    (given,) = read_given((await two.there()).given, two.birch.clock().date())
    assert given.sources == SOURCES
    assert given.why == "No study says so yet."
    await two.label("grief")
    assert await two.cover() is Cover.FOLD  # the rule lets it act
    two.alder.clock.forward(minutes=10)
    await two.alder.edit(two.ana, two.post.uri, "Nights", "It was short.")
    await settle(two.alder, two.birch)
    assert await two.shown() == [
        ("alder.test", "grief", "fold", True),
        ("alder.test", MEDICAL, "warn", True),
    ]
    assert await two.cover() is Cover.SHOW  # about an earlier version: it folds no more
    two.birch.clock.forward(days=200)
    assert await two.shown() == []  # by itself, with nobody's doing (MOD-H8)
    while await labels_of_groups.turn_one(two.birch.engine, two.birch.here):
        pass
    async with two.birch.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(post_labels)) == 0


async def test_mod_5_9_a_rule_and_a_brake_say_first_how_many_posts_are_shown_otherwise(
    two: Two,
) -> None:
    await two.label("grief")
    engine, here = two.birch.engine, two.birch.here

    async def posts_if(mode: Mode, label: str = "") -> int:
        rule = Rule(host="alder.test", kind=Kind.LABEL_CONTENT, label=label, mode=mode)
        return (await acting.if_rule(engine, here, rule)).posts

    assert await posts_if(Mode.SHOW) == 0
    assert await posts_if(Mode.APPLY) == 1
    assert await posts_if(Mode.HOLD) == 1
    assert await posts_if(Mode.APPLY, "trauma-detail") == 0
    assert (await acting.freeze(engine, here, "alder.test", dry_run=True)).posts == 1
    today = here.now().date()
    back = await acting.roll_back(engine, here, "alder.test", today, dry_run=True)
    assert back.posts == 1
    assert await two.shown() == [("alder.test", "grief", "warn", False)], "it was only looked at"

    maya = await person(two.birch, "maya", roles=frozenset({ADMINISTRATOR}))
    path = "/settings/node/signals/rules/alder.test"
    typed = {"kind": Kind.LABEL_CONTENT.value, "mode": Mode.APPLY.value, "look": "yes"}
    seen = await maya.send("POST", path, typed)
    assert "1 post here is shown in another way." in seen.text
    assert "Nothing changes." not in seen.text
    ends = await maya.send("POST", f"{path}/back", {"since": f"{today}"})
    assert "What they say of 1 post here" in ends.text


async def test_mod_5_2_a_hold_waits_for_leave_and_is_undone_with_its_label(two: Two) -> None:
    await two.say("method-detail", "spam", "florbel")
    assert await two.shown() == [("alder.test", "method-detail", "warn", False)]
    async with two.birch.engine.connect() as conn:
        there = await two.there()
        rows = await labelling.of_posts(conn, [there.id])
        assert {(row.label, row.effect.value, row.known) for row in rows} == {
            ("method-detail", "warn", True), ("spam", "none", True), ("florbel", "none", False),
        }  # fmt: skip
    await two.rule(Mode.APPLY)
    assert (await two.there()).state == "held"
    await two.rule(Mode.SHOW)
    assert (await two.there()).state == "shown"
    await two.rule(Mode.APPLY)
    async with two.birch.engine.begin() as conn:
        await pacts.freeze(conn, two.birch.here, "alder.test", frozen=True)
    await settle(two.birch)
    assert (await two.there()).state == "shown"
    async with two.birch.engine.begin() as conn:
        await pacts.freeze(conn, two.birch.here, "alder.test", frozen=False)
    await settle(two.birch)
    assert (await two.there()).state == "held"
    await two.say(kind=Change.RETRACTION)
    there = await two.there()
    assert (there.state, there.given, there.was_shown) == ("shown", "", False)
    await two.rule(Mode.APPLY, budget=0)
    await two.say("method-detail")
    assert (await two.there()).state == "shown"
    assert await two.held() == [two.post.uri]  # as much as it may do in a day: a person looks


async def test_mod_5_18_a_word_of_another_list_does_what_ours_does(two: Two) -> None:
    await two.say("self-harm", "Rude")
    assert await two.shown() == [("alder.test", "self-harm-discussion", "warn", False)]
    await two.rule(Mode.APPLY, label="self-harm")  # a rule may be written with either word
    assert await two.shown() == [("alder.test", "self-harm-discussion", "fold", False)]


async def test_mod_5_10_what_is_held_stays_so_however_often_it_is_weighed(two: Two) -> None:
    await two.rule(Mode.APPLY, budget=1)
    await two.say("method-detail")
    for each in (two.alder, two.birch):
        each.clock.forward(days=1)
    second = await two.alder.reply(two.ana, two.post.uri, "It was dark.")
    third = await two.alder.reply(two.ana, two.post.uri, "It was cold.")
    await settle(two.alder, two.birch)
    await two.say("method-detail", post=second)
    await two.say("method-detail", post=third)

    async def states() -> list[str]:
        found = [await two.birch.post(each.uri) for each in (two.post, second, third)]
        return [each.state.value for each in found if each is not None]

    assert await states() == ["held", "held", "shown"]
    for weight in (0.4, 0.3):
        await two.rule(Mode.APPLY, budget=1, weight=weight)
        assert await states() == ["held", "held", "shown"]
    assert await two.held() == [third.uri]
    await two.say("method-detail", "grief")  # it says it anew, on a day that is full
    assert await states() == ["held", "held", "shown"]
    await two.say("method-detail", "csam")  # and worse: a person looks, and nobody reads it
    assert await states() == ["held", "held", "shown"]
    assert set(await two.held()) == {two.post.uri, third.uri}


async def test_mod_5_7_a_rule_that_is_edited_makes_no_label_last_longer(two: Two) -> None:
    """It may hold for so long from its first day here, whatever the rules were meanwhile."""

    async def ends() -> list[date]:
        found = await two.there()
        return [each.ends for each in read_given(found.given, two.birch.clock().date())]

    most, first = timedelta(days=30), two.birch.clock().date()
    await two.rule(Mode.APPLY, ttl_cap=most)
    await two.say("grief")
    assert await ends() == [first + most]
    for mode in (Mode.IGNORE, Mode.SHOW, Mode.HOLD, Mode.APPLY):
        two.birch.clock.forward(days=5)
        await two.rule(mode, ttl_cap=most)
    assert await ends() == [first + most]
    two.birch.clock.forward(days=15)
    await two.rule(Mode.SHOW, ttl_cap=most)
    assert await ends() == []


async def test_mod_5_16_what_a_moderator_read_and_shows_is_not_held_again(two: Two) -> None:
    club = await two.birch.group("club", two.ben)
    post = await two.birch.start(two.ben, club.actor.uri, "Days", "They were long.")
    await two.rule(Mode.APPLY)
    await two.say("method-detail", "grief", post=post)

    async def now() -> Post:
        found = await two.birch.post(post.uri)
        assert found is not None
        return found

    assert (await now()).state == "held"
    async with two.birch.engine.begin() as conn:
        desk = await group_desk.require(conn, club, two.ben)
        await group_desk.release(conn, two.birch.here, club, desk, await now())
    await settle(two.birch)
    assert ((await now()).state, (await now()).given) == ("shown", "")
    for weight in (0.4, 0.3):
        await two.rule(Mode.APPLY, weight=weight)
        assert ((await now()).state, (await now()).given) == ("shown", "")
    async with two.birch.engine.connect() as conn:
        (line,) = await received.listed(conn, SignalState.IGNORED)
        assert line.entity_key == post.uri
        verbs = await conn.scalars(sa.select(audit.c.verb).order_by(audit.c.id))
        assert "signal ignored" in verbs.all()
    await two.say("method-detail", "grief", post=post)  # the same peer says the same anew
    assert (await now()).state == "shown"
    assert "method-detail" not in (await now()).given
    await two.say("encouragement-of-harm", post=post)  # another kind
    assert (await now()).state == "held"
    async with two.birch.engine.begin() as conn:
        await group_desk.release(conn, two.birch.here, club, desk, await now())
    two.birch.clock.forward(minutes=5)
    await two.birch.edit(two.ben, post.uri, "Days", "They were longer.")
    await two.say("method-detail", post=await now())  # of words that nobody read
    assert (await now()).state == "held"


async def test_sec_P4_after_a_restore_the_labels_of_who_is_not_heard_do_nothing(two: Two) -> None:
    await two.rule(Mode.APPLY)
    await two.say("method-detail", "grief")
    for act, state in (
        (Act.PACT_FROZEN, "shown"),
        (Act.PACT_HEARD, "held"),
        (Act.PACT_FROZEN_THERE, "shown"),
        (Act.PACT_OVER, "shown"),
    ):
        async with two.birch.engine.begin() as conn:
            pact = await pacts.one(conn, "alder.test")
            await replay(conn, two.birch.here, [(act, pact.uri)])
        await settle(two.birch)
        there = await two.there()
        assert (there.state, bool(there.given)) == (state, state == "held"), act


@pytest.mark.parametrize("reason", ["fork", "two views"])
async def test_mod_5_5_labels_of_a_dataset_that_was_put_aside_do_nothing(
    two: Two, reason: str
) -> None:
    await two.rule(Mode.APPLY)
    await two.say("harassment", "grief")
    assert (await two.there()).state == "held"

    async def source() -> sources.Source:
        async with two.birch.engine.connect() as conn:
            (found,) = [it for it in await sources.listed(conn) if not it.people]
        return found

    async def stands() -> tuple[str, bool]:
        await settle(two.birch)
        there = await two.there()
        return there.state, bool(there.given)

    async with two.birch.engine.begin() as conn:
        await sources.put_aside(conn, two.birch.here, await source(), reason)
    assert await stands() == ("shown", False)
    for mode in (Mode.IGNORE, Mode.APPLY):  # no rule lets it act meanwhile
        await two.rule(mode)
        assert await stands() == ("shown", False), mode
    for frozen in (True, False):
        async with two.birch.engine.begin() as conn:
            await pacts.freeze(conn, two.birch.here, "alder.test", frozen=frozen)
        assert await stands() == ("shown", False), frozen
    url = (await source()).url
    async with two.birch.engine.begin() as conn:
        await sources.trust_again(conn, two.birch.here, url, reason)
    assert await stands() == ("held", True), "that was explained"
    async with two.birch.engine.begin() as conn:
        await sources.put_aside(conn, two.birch.here, await source(), reason)
    await settle(two.birch)
    async with two.birch.engine.begin() as conn:
        await sources.follow(conn, two.birch.here, url, pact=True)
    assert await stands() == ("held", True), "it is read anew"


async def test_mod_5_10_what_a_broken_peer_labelled_is_rolled_back(two: Two) -> None:
    await two.rule(Mode.APPLY)
    await two.say("grief")
    for each in (two.alder, two.birch):
        each.clock.forward(days=3)
    second = await two.alder.reply(two.ana, two.post.uri, "It was dark.")
    await settle(two.alder, two.birch)
    await two.say("method-detail", post=second)
    found = await two.birch.post(second.uri)
    assert found is not None
    assert found.state.value == "held"
    since = two.birch.clock().date()
    await acting.roll_back(two.birch.engine, two.birch.here, "alder.test", since)
    await settle(two.birch)
    found = await two.birch.post(second.uri)
    assert found is not None
    assert (found.state.value, found.given) == ("shown", "")
    assert (await two.there()).given, "what it said before stands"


async def test_mod_5_7_ignored_held_and_never_displayed(two: Two) -> None:
    await two.say("csam")
    assert await two.shown() == []
    assert (await two.there()).given == ""
    assert await two.held() == [two.post.uri]  # the legal way, by the people who run the node
    await two.rule(Mode.IGNORE)
    await two.say("grief")
    assert await two.shown() == []
    assert await two.held() == []
    await two.rule(Mode.HOLD)
    assert await two.shown() == []
    assert await two.held() == [two.post.uri]
    async with two.birch.engine.begin() as conn:
        (line,) = await received.listed(conn, SignalState.HELD)
        await received.decide(conn, two.birch.here, line.id, SignalState.SHOWN)
    assert await two.shown() == [("alder.test", "grief", "fold", False)]
    async with two.birch.engine.begin() as conn:
        await pact_making.end(conn, two.birch.here, "alder.test", Afterwards.UNDO)
    await settle(two.alder, two.birch)
    assert await two.shown() == []


async def test_mod_5_2_what_a_peer_says_of_a_page_is_shown_as_far_as_its_rule_lets_it(
    two: Two,
) -> None:
    link, today = "https://help.example/line", two.birch.clock().date()

    async def say(*words: str, kind: Change = Change.ADVISORY) -> None:
        async with two.alder.engine.begin() as conn:
            named: list[Json] = [f"{two.alder.origin}/labels/{word}" for word in words]
            says: dict[str, Json] = {"entityKind": "resource", "entityKey": link, "labels": named}
            await published.add(conn, two.alder.here, kind, link, says, ends=None)
        await settle(two.alder, two.birch)

    async def told(when: date = today) -> list[tuple[str, str]]:
        asked = [f"{link}/#now", "https://other.example/"]
        async with two.birch.engine.connect() as conn:
            found = await links.told_of(conn, asked, when)
        assert set(found) <= {asked[0]}
        return [(each.host, each.label) for each in found.get(asked[0], ())]

    async def rule(mode: Mode) -> None:
        async with two.birch.engine.begin() as conn:
            about = Rule(host="alder.test", kind=Kind.LABEL_RESOURCE, mode=mode)
            await rules.write(conn, two.birch.here, about)
            await received.stand_anew(conn, two.birch.here, "alder.test")

    await say("outdated-helpline", "unsafe", "grief")
    assert await told() == [("alder.test", "unsafe"), ("alder.test", "outdated-helpline")]
    assert await told(today + timedelta(days=400)) == [], "it ends (MOD-H8)"
    await rule(Mode.HOLD)
    assert await told() == [], "a person looks first"
    await rule(Mode.SHOW)
    assert len(await told()) == 2
    async with two.birch.engine.begin() as conn:
        await pacts.freeze(conn, two.birch.here, "alder.test", frozen=True)
    assert await told() == [], "who is not trusted is not heard"
