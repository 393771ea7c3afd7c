"""Who may say what: the eight rules of WIRE 4.9 (FEP-fe34), one after the other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activitypub import actors as actor_store
from activitypub import webfinger
from activitypub.actors import Actor
from activitypub.client import Unreachable
from activitypub.notes import Note
from activitypub.state import REMOTE
from activitypub.vocab import Activity
from groups import groups as group_store
from groups.groups import Group
from inbox import authenticity
from inbox.arrival import Arrival, Gathered
from kernel.errors import Malformed, NotAllowed, NotFound, Problem, Unproven
from kernel.schema.actors import ActorKind
from kernel.urls import same_origin
from moderation.standing import Speaker
from tests.nodes import Node, NodeFactory, settle
from tests.peer import PUBLIC, Document, Peer, PeerFactory, Person
from tests.wire.world import followers, lists_its_key, proven, said

GOOD, EVIL = "https://good.test", "https://evil.test"
ANN, EVE = f"{GOOD}/u/ann", f"{EVIL}/u/eve"


@pytest.fixture
async def alder(node: NodeFactory) -> Node:
    return await node("alder.test")


@pytest.fixture
async def good(peer: PeerFactory, alder: Node) -> Peer:
    made: Peer = await peer("good.test", alder)
    return made


@pytest.fixture
async def evil(peer: PeerFactory, alder: Node) -> Peer:
    made: Peer = await peer("evil.test", alder)
    return made


def _create(**changes: Any) -> Document:
    note = {"type": "Note", "id": f"{GOOD}/1", "attributedTo": ANN, "to": [PUBLIC]}
    create = {"type": "Create", "id": f"{GOOD}/a/1", "actor": ANN, "to": [PUBLIC]}
    return {**create, "object": {**note, **changes.pop("object", {})}, **changes}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (f"{GOOD}/a", f"{GOOD}/b", True),
        (f"{GOOD}/a", f"{GOOD}/a#key", True),
        (f"{GOOD}/a", "http://good.test/a", False),
        (f"{GOOD}/a", f"{GOOD}:8443/a", False),
        (f"{GOOD}/a", "https://sub.good.test/a", False),
        (f"{GOOD}/a", "https://good.test.evil.test/a", False),
        (f"{GOOD}/a", "https://GOOD.test/a", False),
        (f"{GOOD}/a", "https://good.test@evil.test/a", False),
    ],
)
def test_rule_1_origins_are_compared_whole(one: str, other: str, same: bool) -> None:
    assert same_origin(one, other) is same


@pytest.mark.parametrize(
    ("signer", "refusal"), [(ANN, None), (EVE, Unproven), (f"{GOOD}/u/bob", Unproven)]
)
async def test_rule_2_sec_S1_the_key_is_the_actors(
    alder: Node, signer: str, refusal: type[Problem] | None
) -> None:
    actor = replace((await alder.persona("kay")).actor, uri=signer)
    activity = Activity.parse(_create())
    if refusal is None:
        authenticity.check_signer(activity, actor)
        return
    with pytest.raises(refusal):
        authenticity.check_signer(activity, actor)


def test_rule_2_an_activity_is_on_its_actors_server() -> None:
    with pytest.raises(Malformed):
        Activity.parse(_create(id=f"{EVIL}/a/1"))


async def test_rule_2_3_a_document_is_believed_from_its_own_server_only(
    alder: Node, good: Peer, evil: Peer
) -> None:
    note = good.note(good.person("ann"), "hello")
    evil.shown["/copy"] = note
    remote = alder.app[REMOTE]
    assert (await remote.note(note["id"])).id == note["id"]
    for uri in (f"{evil.origin}/copy", f"{evil.origin}/none"):
        with pytest.raises((Malformed, NotFound)):
            await remote.note(uri)


@pytest.mark.parametrize(
    "inside",
    [
        {"attributedTo": EVE, "id": f"{EVIL}/1"},
        {"attributedTo": f"{GOOD}/u/bob"},
        {"attributedTo": [ANN, EVE]},
        {"attributedTo": [{"type": "Person", "id": EVE}]},
        {"attributedTo": None},
        {"id": f"{EVIL}/1"},
    ],
    ids=str,
)
def test_rule_4_sec_S7_what_is_created_is_its_actors_own(inside: Document) -> None:
    assert authenticity.own_note(Activity.parse(_create())).author == ANN
    with pytest.raises((NotAllowed, Malformed)):
        authenticity.own_note(Activity.parse(_create(object=inside)))


def test_rule_4_sec_S5_what_is_changed_is_its_actors_own() -> None:
    authenticity.check_author(ANN, ANN)
    for other in (EVE, f"{GOOD}/u/bob", ANN.upper(), f"{ANN}#main-key"):
        with pytest.raises(NotAllowed):
            authenticity.check_author(ANN, other)


async def test_rule_4_5_wire_G35_moderators_are_those_whom_the_group_lists(alder: Node) -> None:
    ana, eve = await alder.persona("ana"), await alder.persona("eve")
    sleep, other = await alder.group("sleep", ana), await alder.group("other", eve)
    activity = Activity.parse(_create())
    async with alder.engine.connect() as conn:

        def arrival(actor: Actor, by: Group | None, *, moderates: bool) -> Arrival:
            return Arrival(
                conn=conn,
                here=alder.here,
                activity=activity,
                actor=actor,
                gathered=Gathered(moderates=moderates),
                body="",
                group=by,
            )

        await authenticity.check_moderator(arrival(ana.actor, None, moderates=False), sleep)
        await authenticity.check_moderator(arrival(eve.actor, sleep, moderates=True), sleep)
        for refused in (
            arrival(eve.actor, None, moderates=True),  # a list elsewhere says nothing about ours
            arrival(ana.actor, sleep, moderates=False),
            arrival(eve.actor, other, moderates=True),
        ):
            with pytest.raises(NotAllowed):
                await authenticity.check_moderator(refused, sleep)


async def test_rule_6_who_may_forward_what(alder: Node, good: Peer, evil: Peer) -> None:
    ana = await alder.persona("ana")
    sleep = await alder.group("sleep", ana)
    ann, eve = good.person("ann"), evil.person("eve")
    await good.follow(alder, ann, sleep.actor.uri)
    await evil.follow(alder, eve, sleep.actor.uri)
    parent = good.note(ann, "a thread", to=[PUBLIC, sleep.actor.uri])
    await said(alder, good, ann, parent)
    answer = evil.note(eve, "an answer", inReplyTo=parent["id"])
    await said(alder, evil, eve, answer)
    bob = good.person("bob")
    of_bob = good.note(bob, "mine", inReplyTo=answer["id"])
    actors = {person.uri: await alder.meet(person.uri) for person in (ann, eve, bob)}
    cases: list[tuple[Person, Document, bool]] = [
        (eve, good.create(bob, of_bob), True),
        (ann, good.create(bob, of_bob), False),
        (ann, evil.activity("Update", eve, answer), True),
        (ann, evil.activity("Delete", eve, answer["id"]), True),
        (ann, evil.activity("Delete", eve, eve.uri), False),
        (ann, evil.activity("Like", eve, parent["id"]), False),
        (ann, evil.activity("Announce", eve, parent["id"]), False),
        (ann, evil.activity("Undo", eve, parent["id"]), False),
        (eve, good.activity("Update", ann, parent), False),
        (eve, {**good.create(bob, of_bob), "to": [eve.uri]}, False),
        (eve, good.create(bob, {**of_bob, "inReplyTo": f"{evil.origin}/unknown"}), False),
        (eve, good.create(bob, {**of_bob, "inReplyTo": None}), False),
    ]
    async with alder.engine.connect() as conn:
        for signer, document, allowed in cases:
            activity = Activity.parse(document)
            found = await authenticity.may_forward(conn, actors[signer.uri], activity)
            assert found is allowed, (signer.uri, document)


async def test_rule_2_6_is_proven_by_its_owner_only(alder: Node, good: Peer, evil: Peer) -> None:
    ann, eve = (lists_its_key(p, p.person(n)) for p, n in ((good, "ann"), (evil, "eve")))
    author, other = await alder.meet(ann.uri), await alder.meet(eve.uri)
    document = good.create(ann, good.note(ann, "hello"))
    remote = alder.app[REMOTE]
    assert await authenticity.is_proven(remote, proven(alder, ann, document), author)
    for odd, owner in (
        (document, author),
        (proven(alder, eve, document), author),
        (proven(alder, ann, document), other),
        (proven(alder, ann, document, hours=25), author),
        ({**proven(alder, ann, document), "type": "Update"}, author),
        (proven(alder, ann, document), replace(author, ed25519=None, uri=eve.uri)),
        (proven(alder, ann, document), replace(author, ed25519="z6Mk", uri=ann.uri)),
    ):
        assert not await authenticity.is_proven(remote, odd, owner)


def test_rule_8_older_words_change_nothing() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert not authenticity.is_older(moment, None)
    assert not authenticity.is_older(moment, moment - timedelta(seconds=1))
    assert authenticity.is_older(moment, moment)
    assert authenticity.is_older(moment, moment + timedelta(seconds=1))


# Rows of SECURITY 1 and 2 that no other test names.


async def test_sec_S8_the_actor_that_a_name_leads_to_is_on_the_server_that_was_asked(
    alder: Node, good: Peer, evil: Peer
) -> None:
    ann, eve = good.person("ann"), evil.person("eve")

    def name(href: str, subject: str) -> None:
        link = {"rel": "self", "type": "application/activity+json", "href": href}
        evil.shown["/.well-known/webfinger"] = {"subject": subject, "links": [link]}

    remote = alder.app[REMOTE]
    for href in (ann.uri, f"{evil.origin}/u/ann"):
        evil.shown["/u/ann"] = ann.document()
        name(href, "acct:ann@evil.test")
        with pytest.raises((Malformed, NotFound, Unreachable)):
            await webfinger.find(alder.here, remote, "@ann@evil.test")
    async with alder.engine.connect() as conn:
        assert await actor_store.by_uri(conn, f"{evil.origin}/u/ann") is None
    name(eve.uri, "acct:eve@evil.test")
    assert (await webfinger.find(alder.here, remote, "@eve@evil.test")).uri == eve.uri


async def test_sec_S10_where_a_post_is_from_is_told_by_its_id(
    alder: Node, good: Peer, evil: Peer
) -> None:
    group = await alder.group("sleep")
    eve = evil.person("eve")
    await evil.follow(alder, eve, group.actor.uri)
    note = evil.note(eve, "hello", to=[PUBLIC, group.actor.uri], url=f"{good.origin}/@ann/1")
    await said(alder, evil, eve, note)
    post = await alder.post(note["id"])
    assert post is not None
    assert post.url is None
    assert post.author_host == "evil.test"
    page = await alder.get(f"/t/{post.thread_id}", accept="text/html")
    assert "good.test" not in await page.text()
    elsewhere: Any = (
        f"{good.origin}/1",
        [{"href": f"{good.origin}/1"}],
        {"href": f"{good.origin}/1"},
    )
    for url in elsewhere:
        assert Note.parse({**note, "url": url}).url is None


async def test_sec_S22_an_accept_counts_for_the_request_it_answers_and_from_whom_was_asked(
    alder: Node, good: Peer, evil: Peer
) -> None:
    kay, ben = await alder.persona("kay"), await alder.persona("ben")
    clubs = {p.name: p.person("club", kind="Group", path="c") for p in (good, evil)}
    for club in clubs.values():
        await alder.join(kay, club.uri)
    await settle(alder)
    ours, theirs = good.got("Follow")[0], evil.got("Follow")[0]
    forged = {**ours, "actor": ben.actor.uri}
    odd: list[Any] = [
        ours,  # what good was asked, answered by evil
        ours["id"],
        {**theirs, "type": "Like", "id": f"{alder.origin}/a/other"},
        {**ours, "id": f"{evil.origin}/1", "object": clubs["good.test"].uri},
        f"{alder.origin}/a/none",
    ]
    for inner in odd:
        accept = evil.activity("Accept", clubs["evil.test"], inner)
        await evil.send(alder, accept, clubs["evil.test"])
    await good.send(alder, good.activity("Accept", clubs["good.test"], forged), clubs["good.test"])
    await settle(alder)
    async with alder.engine.connect() as conn:
        for name, club in clubs.items():
            actor = await actor_store.by_uri(conn, club.uri)
            assert actor is not None
            assert actor.kind is ActorKind.GROUP
            group = await group_store.get(conn, actor.id)
            assert group.settings is None, name
    assert await followers(alder, clubs["evil.test"].uri) == {kay.actor.uri}  # asked, not let in
    assert not await _is_in(alder, kay, clubs["evil.test"])


async def _is_in(alder: Node, speaker: Speaker, club: Person) -> bool:
    """Whether the club let somebody of ours in: then what it announces is read."""
    note_at = club.uri.partition("/c/")[0]
    async with alder.engine.connect() as conn:
        actor = await actor_store.by_uri(conn, club.uri)
        assert actor is not None
        return await authenticity.may_forward(
            conn,
            actor,
            Activity.parse(
                {
                    "id": f"{note_at}/a",
                    "type": "Create",
                    "actor": f"{note_at}/u/x",
                    "object": f"{note_at}/1",
                    "to": [PUBLIC],
                }
            ),
        )


@pytest.mark.slow
async def test_sec_S24_a_create_for_a_post_that_is_here_gives_it_no_new_readers(
    alder: Node, good: Peer, evil: Peer
) -> None:
    ana = await alder.persona("ana")
    group, other = await alder.group("sleep", ana), await alder.group("other", ana)
    ann, eve = good.person("ann"), evil.person("eve")
    for name, person, server in (("sleep", ann, good), ("other", ann, good), ("sleep", eve, evil)):
        await server.follow(alder, person, f"{alder.origin}/g/{name}")
    note = good.note(ann, "hello", to=[PUBLIC, group.actor.uri])
    await said(alder, good, ann, note)
    evil.inbox.clear()
    before = await alder.post(note["id"])
    wider = {**note, "to": [PUBLIC, other.actor.uri, eve.uri], "content": "<p>wider</p>"}
    await said(alder, good, ann, wider)
    forged = evil.create(eve, {**wider, "to": [PUBLIC, f"{eve.uri}/followers"]})
    await evil.send(alder, forged, eve)
    await settle(alder)
    assert await alder.post(note["id"]) == before
    assert await alder.mentions("wider") == []
    assert evil.inbox == []


@pytest.mark.slow
async def test_sec_J11_things_inside_things_are_followed_to_a_small_depth(
    alder: Node, good: Peer, evil: Peer
) -> None:
    """Ids that lead from one to the next, or in a circle: each Announce reads one of them."""
    club = evil.person("club", kind="Group", path="c")
    kay = await alder.persona("kay")
    await alder.join(kay, club.uri)
    await settle(alder)
    await evil.send(alder, evil.activity("Accept", club, evil.got("Follow")[0]), club)
    ann = good.person("ann")
    ids = [f"{good.origin}/circle/{number}" for number in range(6)]
    for here, there in zip(ids, [*ids[1:], ids[0]], strict=True):
        for kind in ("Create", "Announce"):
            good.show({**good.activity(kind, ann, there), "id": here})
        good.fetched.clear()
        await evil.send(alder, evil.activity("Announce", club, here), club)
        await settle(alder)
        assert len([path for path in good.fetched if path.startswith("/circle")]) <= 3
        deep: Any = here
        for _ in range(5):
            deep = {**good.activity("Announce", ann, deep)}
        good.fetched.clear()
        await evil.send(alder, evil.activity("Announce", club, deep), club)
        await settle(alder)
        assert good.fetched == []
