"""Whatever order things come in, and however often, the end is the same (WIRE-Q3, SEC-I9).

Every order of five activities is played, each with one or two of them repeated at random later
places. Many plays share a node and its clock: they have people and posts of their own.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from random import Random

import pytest
import sqlalchemy as sa

from groups.groups import Group, GroupSettings
from kernel.schema.groups import Posts
from kernel.schema.posts import ReactionKind
from kernel.schema.tables import actors, follows, moderators
from moderation.standing import Speaker
from tests.faults import invariants, views
from tests.faults.world import rest
from tests.nodes import Node, NodeFactory, settle
from tests.peer import PUBLIC, Document, Peer, PeerFactory, Person
from tests.wire.world import followers, reacted

LATER = "2026-01-02T04:04:05Z"

SOME = pytest.param(40, id="three")
EVERY = pytest.param(1, id="every", marks=pytest.mark.slow)
orders = pytest.mark.parametrize("every", [SOME, EVERY])


@dataclass(frozen=True)
class Move:
    """One activity as it will be sent."""

    name: str
    peer: Peer
    signer: Person
    document: Document


@dataclass(frozen=True)
class Play:
    """Five moves in some order, and what must be true at the end, given that order."""

    moves: Sequence[Move]
    check: Callable[[Sequence[str]], Awaitable[None]]


async def play(
    node: Node, make: Callable[[int], Awaitable[Play]], every: int, *others: Node
) -> None:
    """Make one play of each order, in step, bring everything to rest, and check each of them.

    One in `every` order is played; `make` gets the number of the play.
    """
    rng = Random(7)
    chosen = list(permutations(range(5)))
    rng.shuffle(chosen)
    scripts = []
    for number, order in enumerate(chosen[::every], 1):
        one = await make(number)
        script = [one.moves[number] for number in order]
        for again in rng.sample(script, rng.randint(1, 2)):
            script.insert(rng.randint(script.index(again) + 1, len(script)), again)
        scripts.append((one, script))
    await settle(node, *others)
    for step in range(7):
        for _, script in scripts:
            for move in script[step : step + 1]:
                assert await move.peer.send(node, move.document, move.signer) == 202
        await settle(node, *others)
        node.clock.forward(seconds=1)  # a repeat is signed anew
    await rest(node, *others)
    for one, script in scripts:
        names = [move.name for move in script]
        try:
            await one.check(names)
        except AssertionError as error:
            raise AssertionError(f"after {names}: {error}") from error
    await invariants.hold(node, *others, at_rest=False)


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test", new_per_hour=0)  # a hundred plays by strangers, at once


@pytest.fixture
async def ana(alder: Node) -> Speaker:
    return await alder.persona("ana")


@pytest.fixture
async def good(peer: PeerFactory, alder: Node) -> Peer:
    return await peer("good.test", alder)


@pytest.fixture
async def club(peer: PeerFactory, alder: Node) -> Peer:
    """A server with groups, one for each play."""
    return await peer("club.test", alder, "lemmy")


async def _seen(node: Node, group_uri: str, uri: str) -> views.Seen | None:
    """The post as a member reads it; None where it is not shown."""
    return next(
        (thread[uri] for thread in (await views.view(node, group_uri)).values() if uri in thread),
        None,
    )


async def _state(node: Node, follower: str, followed: str) -> str | None:
    """How one follows the other, as the node has it."""
    one, other = actors.alias("follower"), actors.alias("followed")
    async with node.engine.connect() as conn:
        found: str | None = await conn.scalar(
            sa.select(follows.c.state)
            .join(one, one.c.id == follows.c.follower_id)
            .join(other, other.c.id == follows.c.followed_id)
            .where(one.c.uri == follower, other.c.uri == followed)
        )
        return found


async def _club(alder: Node, club: Peer, number: int) -> tuple[Person, Speaker, Document]:
    """A group of the club's, somebody of ours who asked to join, and the asking."""
    group = club.person(f"club{number}", kind="Group", path="c")
    kay = await alder.persona(f"kay{number}")
    await alder.join(kay, group.uri)
    await settle(alder)
    (follow,) = [each for each in club.got("Follow") if each["object"] == group.uri]
    return group, kay, follow


@orders
async def test_wire_Q3_follow_accept_create_update_delete_in_any_order(
    alder: Node, ana: Speaker, good: Peer, club: Peer, every: int
) -> None:
    """At the end the follower follows, our own request is granted, and the words are nowhere."""
    group = await alder.group("sleep", ana)

    async def one(number: int) -> Play:
        there, kay, request = await _club(alder, club, number)
        kim = good.person(f"kim{number}")
        words = f"secret{number}x"
        note = good.note(kim, words, to=[PUBLIC, group.actor.uri], name=words)
        changed = {**note, "content": f"<p>{words} changed</p>", "updated": LATER}

        async def check(names: Sequence[str]) -> None:
            assert await _state(alder, kim.uri, group.actor.uri) == "accepted"
            assert await _state(alder, kay.actor.uri, there.uri) == "accepted"
            assert await _seen(alder, group.actor.uri, note["id"]) is None
            assert await alder.mentions(words) == []

        return Play(
            [
                Move("Follow", good, kim, good.activity("Follow", kim, group.actor.uri)),
                Move("Accept", club, there, club.activity("Accept", there, request)),
                Move("Create", good, kim, good.create(kim, note)),
                Move("Update", good, kim, good.activity("Update", kim, changed)),
                Move("Delete", good, kim, good.activity("Delete", kim, note["id"])),
            ],
            check,
        )

    await play(alder, one, every)


@orders
async def test_wire_Q3_a_conversation_under_a_post_that_is_taken_back(
    alder: Node, ana: Speaker, good: Peer, every: int
) -> None:
    """[Create p, Create r→p, Announce p, Undo Announce, Delete p] in a group of ours.

    At the end nobody boosts p, whose words are nowhere; r is shown below the place of p.
    """
    group = await alder.group("sleep", ana, settings=GroupSettings(posts=Posts.ANYONE))
    kim, lou = good.person("kim"), good.person("lou")

    async def one(number: int) -> Play:
        words = f"secret{number}x"
        to = [PUBLIC, group.actor.uri]
        p = good.note(kim, words, to=to, name=words)
        r = good.note(lou, f"answer {number}", to=to, inReplyTo=p["id"])
        boost = good.activity("Announce", lou, p["id"])
        good.shown[p["id"].removeprefix(good.origin)] = 410

        async def check(names: Sequence[str]) -> None:
            threads = await views.view(alder, group.actor.uri)
            assert set(threads[p["id"]]) == {p["id"], r["id"]}
            assert threads[p["id"]][p["id"]] is None
            assert threads[p["id"]][r["id"]] is not None
            assert await reacted(alder, p["id"], ReactionKind.SHARE) == 0
            assert await alder.mentions(words) == []

        return Play(
            [
                Move("Create p", good, kim, good.create(kim, p)),
                Move("Create r", good, lou, good.create(lou, r)),
                Move("Announce p", good, lou, boost),
                Move("Undo Announce", good, lou, good.activity("Undo", lou, boost)),
                Move("Delete p", good, kim, good.activity("Delete", kim, p["id"])),
            ],
            check,
        )

    await play(alder, one, every)


@orders
async def test_wire_Q3_a_conversation_that_a_group_elsewhere_passes_on(
    alder: Node, good: Peer, club: Peer, every: int
) -> None:
    """The same five, told by a group of another server after all of them happened there.

    The author's server no longer shows p. At the end r is shown below a place kept for p, as it is
    on a node that heard everything in time: the last play, in order, with p still readable.
    """
    group, _, request = await _club(alder, club, 0)
    accept = club.activity("Accept", group, request)
    assert await club.send(alder, accept, group) == 202
    kim, lou = good.person("kim"), good.person("lou")

    def moves(number: int) -> tuple[list[Move], Document, Document]:
        to = [PUBLIC, group.uri]
        context = f"{club.origin}/t/{number}"
        p = good.note(kim, f"secret{number}x", to=to, name="A title")
        r = good.note(lou, f"answer {number}", to=to, inReplyTo=p["id"])
        boost = club.activity("Announce", group, p["id"], context=context)

        def passed(inner: Document) -> Document:
            return club.activity("Announce", group, inner, context=context)

        return (
            [
                Move("Create p", club, group, passed(good.create(kim, p))),
                Move("Create r", club, group, passed(good.create(lou, r))),
                Move("Announce p", club, group, boost),
                Move("Undo Announce", club, group, club.activity("Undo", group, boost)),
                Move("Delete p", club, group, passed(good.activity("Delete", kim, p["id"]))),
            ],
            p,
            r,
        )

    async def one(number: int) -> Play:
        made, p, r = moves(number)
        good.shown[p["id"].removeprefix(good.origin)] = 410

        async def check(names: Sequence[str]) -> None:
            await _below_a_kept_place(alder, group.uri, p, r)
            assert await alder.mentions(f"secret{number}x") == []

        return Play(made, check)

    await play(alder, one, every)
    alder.clock.forward(hours=1)  # so often was their server asked
    in_time, p, r = moves(1000)
    for move in in_time:
        if move.name == "Delete p":
            assert await _seen(alder, group.uri, p["id"]) is not None
            good.shown[p["id"].removeprefix(good.origin)] = 410
        assert await move.peer.send(alder, move.document, move.signer) == 202
        await settle(alder)
    await _below_a_kept_place(alder, group.uri, p, r)
    assert await alder.mentions("secret1000x") == []


async def _below_a_kept_place(node: Node, group: str, p: Document, r: Document) -> None:
    threads = await views.view(node, group)
    assert set(threads[p["id"]]) == {p["id"], r["id"]}
    assert threads[p["id"]][p["id"]] is None
    assert threads[p["id"]][r["id"]] is not None


@orders
async def test_wire_Q3_join_ban_post_unban_post_as_a_group_elsewhere_tells_it(
    alder: Node, good: Peer, club: Peer, every: int
) -> None:
    """[Join, Ban, post, Unban, post] on a node that follows the group.

    The group's own node decides what enters, in the order in which it took things. Whoever follows
    hears of the result, and every order of hearing ends the same: our request to join is granted,
    nobody is banned, and both posts are shown, for the group passed both on.
    """
    ben, desk = good.person("ben"), club.person("desk", kind="Service")

    async def one(number: int) -> Play:
        group, kay, request = await _club(alder, club, number)
        to = [PUBLIC, group.uri]
        first = good.note(ben, f"first {number}", to=to, name="A title")
        second = good.note(ben, f"second {number}", to=to, name="A title")
        block = club.activity("Block", desk, ben.uri, target=group.uri, summary="")

        def passed(inner: Document) -> Document:
            return club.activity("Announce", group, inner)

        async def check(names: Sequence[str]) -> None:
            assert await _state(alder, kay.actor.uri, group.uri) == "accepted"
            assert await views.banned(alder, group.uri) == set()
            for note in (first, second):
                assert await _seen(alder, group.uri, note["id"]) is not None

        return Play(
            [
                Move("Join", club, group, club.activity("Accept", group, request)),
                Move("Ban", club, group, passed(block)),
                Move("post 1", club, group, passed(good.create(ben, first))),
                Move("Unban", club, group, passed(club.activity("Undo", desk, block))),
                Move("post 2", club, group, passed(good.create(ben, second))),
            ],
            check,
        )

    await play(alder, one, every)


@orders
async def test_wire_Q3_join_ban_post_unban_post_on_the_groups_own_node(
    alder: Node, ana: Speaker, node: NodeFactory, good: Peer, every: int
) -> None:
    """[Join, Ban, post, Unban, post] on the node of the group, which decides by its own order.

    A post that came while its author was banned never enters; that is the group's answer, and no
    later order changes it. So the same state is: nobody stays banned, an Unban that overtook its
    Ban holds, repeats change nothing, membership and posts are what the order here says, and
    another node that follows the group shows exactly what the group's node shows.
    """
    birch = await node("birch.test")
    reader = await birch.persona("rea")
    mo = good.person("mo")
    await alder.meet(mo.uri)

    async def one(number: int) -> Play:
        group = await alder.group(f"sleep{number}", ana, settings=GroupSettings(posts=Posts.ANYONE))
        await _let_moderate(alder, group, mo)
        await birch.join(reader, group.actor.uri)
        ben = good.person(f"ben{number}")
        to = [PUBLIC, group.actor.uri]
        first = good.note(ben, f"first {number}", to=to, name="A title")
        second = good.note(ben, f"second {number}", to=to, name="A title")
        block = good.activity("Block", mo, ben.uri, target=group.actor.uri)

        async def check(names: Sequence[str]) -> None:
            expected = _decided(names)
            assert await views.banned(alder, group.actor.uri) == set()
            shown = await views.agree(group.actor.uri, alder, birch)
            assert (first["id"] in shown) == ("post 1" in expected)
            assert (second["id"] in shown) == ("post 2" in expected)
            belongs = ben.uri in await followers(alder, group.actor.uri)
            assert belongs == ("Join" in expected)

        return Play(
            [
                Move("Join", good, ben, good.activity("Follow", ben, group.actor.uri)),
                Move("Ban", good, mo, block),
                Move("post 1", good, ben, good.create(ben, first)),
                Move("Unban", good, mo, good.activity("Undo", mo, block)),
                Move("post 2", good, ben, good.create(ben, second)),
            ],
            check,
        )

    await play(alder, one, every, birch)


def _decided(names: Sequence[str]) -> set[str]:
    """What entered, and whether the author belongs, by the order in which things came."""
    done: set[str] = set()
    banned = False
    for name in names:
        if name == "Join" and not banned:
            done.add("Join")  # asked again after a ban, a server is let in again
        elif name in done:
            continue
        elif name == "Ban":
            done.add("Ban")
            if "Unban" not in done:
                banned = True
                done.discard("Join")
        elif name == "Unban":
            done.add("Unban")
            banned = False
        elif not banned and f"{name} refused" not in done:
            done.add(name)
        else:
            done.add(f"{name} refused")
    return done


async def _let_moderate(node: Node, group: Group, person: Person) -> None:
    actor = await node.meet(person.uri)
    async with node.engine.begin() as conn:
        await conn.execute(moderators.insert().values(group_id=group.id, actor_id=actor.id))
