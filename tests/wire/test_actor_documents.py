"""What an actor's document says of itself (WIRE 2.3)."""

import json

import sqlalchemy as sa

from activitypub.state import KEYS
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from kernel.schema.actors import ActorState
from kernel.schema.groups import Posts
from kernel.schema.tables import actors
from moderation.standing import Speaker
from node import rotation
from tests.nodes import Node, settle
from tests.peer import Document
from tests.wire import strict
from tests.wire.world import Follower, ask

ABOUT = "For people who **lie awake**.\n\nAnd for those who wake with them."


async def _document(alder: Node, path: str) -> Document:
    found: Document = json.loads((await ask(alder, path)).body)
    strict.check(found)
    assert strict.unmapped(found) == set()
    return found


async def _describe(alder: Node, group: Group) -> None:
    async with alder.engine.begin() as conn:
        await group_store.update(
            conn,
            alder.here,
            group,
            name="Sleep",
            about=ABOUT,
            settings=GroupSettings(posts=Posts.APPROVED, languages=("en", "de")),
        )
    await settle(alder)


async def test_wire_A19_a_group_says_what_it_is_about_and_in_which_languages(
    alder: Node, sleep: Group
) -> None:
    await _describe(alder, sleep)
    found = await _document(alder, "/g/sleep")
    assert found["language"] == [
        {"identifier": "en", "name": "English"},
        {"identifier": "de", "name": "German"},
    ]
    assert found["description"] == "For people who lie awake."
    assert found["source"] == {"content": ABOUT, "mediaType": "text/markdown"}
    assert found["sensitive"] is False
    assert found["featured"] == f"{sleep.actor.uri}/featured"


async def test_wire_A14_A15_A16_A20_a_persona_says_little_and_names_no_other(
    alder: Node, ana: Speaker, sleep: Group
) -> None:
    for path in ("/u/ana", "/g/sleep", "/desk/sleep", "/"):
        found = await _document(alder, path)
        assert found["alsoKnownAs"] == []
        assert "movedTo" not in found
        assert "suspended" not in found
        policy = {"automaticApproval": [found["id"]], "manualApproval": []}
        assert found["interactionPolicy"] == {"canFeature": policy}
        assert found.get("hidesToPublicFromUnauthedWeb", False) is (found["type"] == "Person")
    async with alder.engine.begin() as conn:  # somebody who chose to speak openly
        await conn.execute(sa.update(actors).where(actors.c.id == ana.id).values(open=True))
    found = await _document(alder, "/u/ana")
    assert (found["discoverable"], found["indexable"]) == (True, True)
    assert found["hidesToPublicFromUnauthedWeb"] is False
    async with alder.engine.begin() as conn:
        await conn.execute(
            sa.update(actors).where(actors.c.id == ana.id).values(state=ActorState.SUSPENDED)
        )
    assert (await _document(alder, "/u/ana"))["suspended"] is True


async def test_wire_A10_A23_G26_a_changed_group_is_told_whole_to_everybody(
    alder: Node, sleep: Group, lemmy: Follower, mastodon: Follower
) -> None:
    """Lemmy takes it from a moderator, inside an Announce; others from the group itself."""
    await _describe(alder, sleep)
    (update,) = mastodon.peer.inbox
    assert (update["type"], update["actor"]) == ("Update", sleep.actor.uri)
    (wrapped,) = lemmy.peer.got("Announce", "Update")
    assert wrapped["object"]["actor"] == f"{alder.origin}/desk/sleep"
    shown = await _document(alder, "/g/sleep")
    for document in (update, wrapped["object"]):
        strict.check(document)
        assert strict.unmapped(document) == set()
        told = document["object"]
        assert told == {name: value for name, value in shown.items() if name != "@context"}
        assert told["postingRestrictedToMods"] is True


async def test_wire_A19_S22_new_keys_are_told_in_the_groups_whole_document(
    alder: Node, sleep: Group, mastodon: Follower
) -> None:
    await _describe(alder, sleep)
    mastodon.peer.inbox.clear()
    await rotation.rotate_one(alder.engine, alder.here, alder.app[KEYS], "sleep")
    await settle(alder)
    (update,) = mastodon.peer.inbox
    shown = await _document(alder, "/g/sleep")
    assert update["object"] == {name: shown[name] for name in shown if name != "@context"}
