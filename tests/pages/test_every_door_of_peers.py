"""Who is not listened to for now has no effect behind any door of any process (MOD-5.10).

As in `test_every_door`, the other way round: what a peer says hides, and is undone as soon as an
administrator stops listening to it, by the page of the pact.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from activitypub.keys import KeyPair
from groups import finding
from kernel.clock import iso
from moderation import impact, pacts
from moderation.signals import received
from moderation.signals.rules import Kind, Mode
from tests.faults.victim import Victim
from tests.moderation.peers import HOUR, Peers
from tests.nodes import settle
from tests.pages.conftest import House
from tests.pages.deciding import ALL, EVERYBODY, LISTS, PAGES, Act, Decision, check, seen_by_all
from tests.pages.every_door import LOOKED_FOR, MARK, Scene
from tests.pages.test_every_door_elsewhere import wide_open
from tests.peer import PUBLIC, PeerFactory
from tests.wire.world import said

HOST = "birch.example"
PACT = f"/settings/node/pacts/{HOST}"
IN_WORDS = "lapwingfen"  # is in no title, which tells of what is folded
OF_PAGE = "dunnockfern"  # is what the peer says of a page of help
LINK = "https://help.example/line"
WORDS = f"{MARK} {LOOKED_FOR} {IN_WORDS} #{LOOKED_FOR} {LINK}"


@pytest.fixture
async def peers(house: House, key_pairs: list[KeyPair]) -> Peers:
    made = Peers(house.node.engine, house.node.here, key_pairs, node=house.node)
    await made.trust(HOST)
    await made.rule(HOST, kind=Kind.LABEL_CONTENT, mode=Mode.APPLY)
    return made


def pressing(*, to_it: bool) -> Act:
    """An administrator presses the button that stops listening, or that begins again."""

    async def decide(scene: Scene) -> None:
        pressed = await scene.house.ana.fill(PACT, f"{PACT}/freeze")
        assert pressed.status == 303, pressed.text
        page = await scene.house.ana.open(PACT)
        assert ("Stop listening for now" in page.text) is to_it

    return decide


def listening(*, to_it: bool) -> Act:
    """The same, and the worker shows or holds again what labels are about."""

    async def decide(scene: Scene) -> None:
        await pressing(to_it=to_it)(scene)
        await settle(scene.node)

    return decide


def in_turn(*acts: Act) -> Act:
    async def decide(scene: Scene) -> None:
        for act in acts:
            await act(scene)

    return decide


def says(peers: Peers, number: int, **members: Any) -> Act:
    """The peer says something of each post, and it is read."""

    async def decide(scene: Scene) -> None:
        lines = [
            peers.line(
                HOST, number + place, "unsaid.example", **{
                    "type": "Advisory", "entityKind": "object", "entityKey": post.uri,
                    "updated": iso(post.published), **members,
                },
            )
            for place, post in enumerate(scene.posts)
        ]  # fmt: skip
        await peers.take_in(HOST, lines)
        async with scene.node.engine.begin() as conn:
            await received.stand_anew(conn, scene.node.here, HOST)
        await settle(scene.node)

    return decide


def hides(*, say: Act, **how: Any) -> Decision:
    """From when it is listened to until it is not; `say` is what it says."""
    listen, stop = listening(to_it=True), listening(to_it=False)
    return Decision(in_turn(say, listen), stop, **how)


async def test_mod_5_10_labels_of_a_peer_that_is_not_listened_to_are_behind_no_door(
    house: House, other: Victim, peers: Peers
) -> None:
    node = house.node
    root = await node.start(house.ben.speaker, house.open.actor.uri, MARK, WORDS)
    answer = await node.reply(house.ben.speaker, root.uri, WORDS)
    await settle(node)
    await finding.take_in(node.engine)
    scene = seen_by_all(house, other.port, house.open, [root, answer])
    stop, listen = listening(to_it=False), listening(to_it=True)
    await stop(scene)
    grief = {"labels": [f"https://{HOST}/labels/grief"]}
    holds = {"labels": [f"https://{HOST}/labels/method-detail"]}
    decisions: Mapping[str, Decision] = {
        "a label that folds": hides(
            say=says(peers, 1, **grief),
            loses=EVERYBODY, keeps=(), mark=IN_WORDS, covered=True, pages=PAGES,
        ),
        "a label that holds": hides(
            say=says(peers, 11, **holds), loses=ALL, keeps=("ben", "ana"),
        ),
    }  # fmt: skip
    shows = {"visitor": {"/t/{id}", "/g/{name}"}, "cleo": {"/find"}}
    await check(scene, decisions, shows=shows)

    page = says(
        peers, 21, entityKind="resource", entityKey=LINK, summary=OF_PAGE,
        labels=[f"https://{HOST}/labels/unsafe"],
    )  # fmt: skip
    alone = replace(scene, posts=[root])
    await in_turn(says(peers, 31, type="Retraction"), page, listen)(alone)
    of_page = Decision(stop, listen, loses=EVERYBODY, keeps=(), mark=OF_PAGE)
    await check(alone, {"what it says of a page of help": of_page}, shows={})


async def test_mod_5_10_advice_of_a_peer_that_is_not_listened_to_is_behind_no_door(
    house: House,
    other: Victim,
    peers: Peers,
    peer: PeerFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(impact, "MOST_SHARE", 1)  # all that arrives here comes from that server
    node, good = house.node, await peer("good.test", house.node)
    ann, wide = good.person("ann"), await wide_open(house)
    tag = {"type": "Hashtag", "name": f"#{LOOKED_FOR}"}
    to = [PUBLIC, wide.actor.uri]
    note = good.note(ann, WORDS, to=to, name=MARK, tag=[tag])
    await said(node, good, ann, note)
    await finding.take_in(node.engine)
    root = await node.post(note["id"])
    assert root is not None
    scene = seen_by_all(house, other.port, wide, [root])
    await pressing(to_it=False)(scene)
    await peers.say(HOST, 1, "good.test")
    assert await peers.later() == {}

    async def an_hour_later(scene: Scene) -> None:
        """What is new waits for the next whole hour."""
        await peers.later()
        assert set(await peers.later(HOUR)) == {"good.test"}

    advice = Decision(
        in_turn(pressing(to_it=True), an_hour_later), pressing(to_it=False),
        loses=ALL, keeps=(), pages=LISTS,
    )  # fmt: skip
    shows = {"visitor": {"/t/{id}", "/tags/{tag}"}, "cleo": {"/find"}}
    await check(scene, {"advice": advice, "advice once more": advice}, shows=shows)

    async def untold(*_: object, **__: object) -> None:
        """Nobody lives there."""

    monkeypatch.setattr(pacts, "tell", untold)
    doors = [each for each in await scene.read(await scene.doors()) if each.route in LISTS]
    assert await scene.showing(doors)
    await advice.make(scene)
    assert await scene.showing(doors) == set()
    ended = await house.ana.fill(PACT, f"{PACT}/end", afterwards="undo")
    assert ended.status == 303, ended.text
    assert await scene.showing(doors), "what it led to ends with the pact, at once"
