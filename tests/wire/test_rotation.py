"""New keys are told under the old ones, and whoever changed theirs is believed (WIRE-S22, T14)."""

import pytest
import sqlalchemy as sa

import activitypub.keys
from activitypub import actors as actor_store
from activitypub import signatures
from activitypub.actors import Actor
from activitypub.keys import Pool, generate, load_public_key
from groups.groups import Group, GroupSettings
from kernel.errors import Unproven
from kernel.schema.groups import Sees
from kernel.schema.tables import actor_keys, actors, received
from moderation.standing import Speaker
from node import rotation, tidy
from tests.nodes import Node, NodeFactory, settle
from tests.peer import Peer, Posted
from tests.wire.test_double_knock import refusal
from tests.wire.world import Follower, waiting


@pytest.fixture(autouse=True)
def fresh_keys(quick_keys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The few pairs that nodes share in tests would come round again."""
    monkeypatch.setattr(activitypub.keys, "generate", generate)


async def rotate(node: Node, handle: str) -> Actor:
    """Give somebody new keys; the actor as it is then."""
    pool = Pool(spare=0)
    try:
        await rotation.rotate_one(node.engine, node.here, pool, handle)
    finally:
        await pool.close()
    async with node.engine.connect() as conn:
        found = await actor_store.by_handle(conn, handle)
    assert found is not None
    return found


async def kept(node: Node, actor: Actor) -> bool:
    """Whether the keys before are still there."""
    async with node.engine.connect() as conn:
        earlier = await conn.scalar(
            sa.select(actor_keys.c.earlier).where(actor_keys.c.actor_id == actor.id)
        )
    return earlier is not None


def signed_by(node: Node, peer: Peer, posted: Posted, *several: Actor) -> list[Actor]:
    """Those of `several` whose key signed a post."""
    found = []
    for actor in several:
        try:
            signatures.verify(
                signatures.parse(posted.headers),
                load_public_key(actor.public_key),
                method="POST",
                path=posted.path,
                headers=posted.headers,
                body=posted.body,
                now=node.clock(),
                origin=peer.origin,
            )
        except Unproven:
            continue
        found.append(actor)
    return found


async def test_wire_S22_T14_new_keys_are_told_under_the_old_ones(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    peer, old = mastodon.peer, sleep.actor
    await alder.start(ana, old.uri, "Before", "Queued before the keys changed.")
    new = await rotate(alder, "sleep")
    assert (new.key_id, new.ed25519_id) == (old.key_id, old.ed25519_id)
    assert new.public_key != old.public_key
    assert new.ed25519 != old.ed25519
    assert await kept(alder, new)
    await tidy.tidy(alder.engine, alder.here)
    assert await kept(alder, new)  # somebody has yet to hear it

    await settle(alder)
    await alder.start(ana, old.uri, "After", "Queued after it.")
    await settle(alder)
    kinds = [each["type"] for each in peer.inbox]
    assert kinds == ["Announce", "Update", "Announce"]
    assert peer.inbox[1]["object"]["publicKey"]["publicKeyPem"] == new.public_key
    signers = [signed_by(alder, peer, each, old, new) for each in peer.posted[-3:]]
    assert signers == [[old], [old], [new]]

    await tidy.tidy(alder.engine, alder.here)
    assert not await kept(alder, new)


async def test_wire_S22_lemmy_hears_of_a_groups_new_keys_as_it_hears_of_its_new_words(
    alder: Node, sleep: Group, lemmy: Follower
) -> None:
    new = await rotate(alder, "sleep")
    await settle(alder)
    (wrapped,) = lemmy.peer.got("Announce", "Update")
    told = wrapped["object"]["object"]
    assert told["publicKey"]["publicKeyPem"] == new.public_key
    assert told["language"] == [{"identifier": "en", "name": "English"}]
    for each in lemmy.peer.posted[-2:]:
        assert signed_by(alder, lemmy.peer, each, sleep.actor, new) == [sleep.actor]


async def test_wire_S22_a_server_that_knows_the_new_key_already_gets_it_signed_so(
    alder: Node, ana: Speaker, sleep: Group, mastodon: Follower
) -> None:
    new = await rotate(alder, "sleep")
    mastodon.peer.answers = [401]
    await settle(alder)
    assert [each["type"] for each in mastodon.peer.inbox] == ["Update"]
    first, second = mastodon.peer.posted[-2:]
    assert signed_by(alder, mastodon.peer, first, sleep.actor, new) == [sleep.actor]
    assert signed_by(alder, mastodon.peer, second, sleep.actor, new) == [new]
    assert await refusal(alder, "mastodon.test") == ""


async def test_wire_S22_whom_nobody_follows_tells_nobody_and_keeps_no_old_key(
    alder: Node, sleep: Group, mastodon: Follower
) -> None:
    await alder.persona("kay")
    kay = await rotate(alder, "kay")
    assert not await kept(alder, kay)
    assert await waiting(alder, "mastodon.test") == 0


async def test_a_closed_group_tells_nobody_that_it_has_new_keys(alder: Node, ana: Speaker) -> None:
    await alder.group("quiet", ana, settings=GroupSettings(sees=Sees.MEMBERS))
    for handle in ("quiet", "quiet_desk"):
        async with alder.engine.connect() as conn:
            there = await actor_store.by_handle(conn, handle)
        if there is not None:
            assert not await kept(alder, await rotate(alder, handle))
    async with alder.engine.connect() as conn:
        assert not await conn.scalar(sa.text("SELECT count(*) FROM activities WHERE kind='Update'"))


async def test_everybody_gets_new_keys(alder: Node, ana: Speaker, sleep: Group) -> None:
    async def public() -> dict[str, str]:
        async with alder.engine.connect() as conn:
            rows = await conn.execute(sa.select(actors.c.uri, actors.c.public_key))
            return {row.uri: row.public_key for row in rows}

    before, seen = await public(), list[tuple[int, int]]()
    pool = Pool(spare=0)
    try:
        count = await rotation.rotate_all(
            alder.engine, alder.here, pool, lambda done, total: seen.append((done, total))
        )
    finally:
        await pool.close()
    after = await public()
    assert count == len(before) == len(after)
    assert seen[-1] == (count, count)
    assert all(before[uri] != after[uri] for uri in before)
    async with alder.engine.connect() as conn:
        pair = await actor_store.signing_keys(conn, alder.here, sleep.actor.id)
    assert pair.public_pem == after[sleep.actor.uri]


async def test_wire_T14_two_nodes_go_on_when_one_changes_its_keys(
    alder: Node, ana: Speaker, sleep: Group, node: NodeFactory
) -> None:
    birch = await node("birch.test")
    ben = await birch.persona("ben")
    await birch.join(ben, sleep.actor.uri)
    await settle(alder, birch)
    new = await rotate(alder, "sleep")
    root = await alder.start(ana, sleep.actor.uri, "A title", "Some words.")
    await settle(alder, birch)
    assert await birch.post(root.uri) is not None
    known = await birch.meet(sleep.actor.uri)
    assert (known.public_key, known.ed25519) == (new.public_key, new.ed25519)

    newer_ben = await rotate(birch, "ben")
    assert (await birch.reply(ben, root.uri, "You are not alone.")) is not None
    await settle(alder, birch)
    assert (await alder.meet(ben.actor.uri)).public_key == newer_ben.public_key
    assert await refusal(alder, "birch.test") == await refusal(birch, "alder.test") == ""


# Others change theirs


async def test_sec_S18_a_key_inside_an_update_is_not_believed_but_read_anew(
    alder: Node, sleep: Group, good: Peer
) -> None:
    ann = good.person("ann")
    await good.follow(alder, ann, sleep.actor.uri)
    await settle(alder)
    old_keys, forged, real = ann.keys, generate(), generate()
    forged_document = ann.document()
    forged_document["publicKey"] |= {"publicKeyPem": forged.public_pem}
    ann.keys = real
    good.show(ann.document())  # what its own server says
    ann.keys = old_keys
    update = good.activity("Update", ann, forged_document)
    assert await good.send(alder, update, ann) == 202
    await settle(alder)
    assert (await alder.meet(ann.uri)).public_key == real.public_pem

    ann.keys = forged
    like = good.activity("Like", ann, f"{alder.origin}/p/1")
    assert await good.send(alder, like, ann) == 401
    ann.keys = real
    assert await good.send(alder, like, ann) == 202


async def test_wire_S20_a_key_that_does_not_fit_is_read_anew_once_in_ten_minutes(
    alder: Node, good: Peer
) -> None:
    ann = good.person("ann")
    await alder.meet(ann.uri)
    old, fetched = ann.keys, len(good.fetched)
    ann.keys = generate()

    async def like() -> int:
        return await good.send(alder, good.activity("Like", ann, f"{alder.origin}/p/1"), ann)

    for _ in range(5):
        assert await like() == 401
    assert len(good.fetched) == fetched + 1
    good.show(ann.document())
    assert await like() == 401  # looked lately
    alder.clock.forward(minutes=11)
    assert await like() == 202
    assert len(good.fetched) == fetched + 2
    ann.keys = old
    assert await like() == 401
    async with alder.engine.connect() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(received)) == 1
