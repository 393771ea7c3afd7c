"""Moderators act through the desk: no byte that leaves names one of them (WIRE-T15)."""

from groups import desk, membership
from groups import groups as group_store
from groups.groups import Group, GroupSettings
from kernel.schema.groups import Joining, Posts, Premoderation
from moderation.standing import Speaker
from tests.nodes import Node, settle
from tests.peer import PUBLIC, Document, PeerFactory, Person
from tests.wire.world import ask, said

SETTINGS = GroupSettings(
    posts=Posts.ANYONE, joining=Joining.APPROVAL, premoderation=Premoderation.ALL
)
SERVED = [
    "/g/sleep",
    "/g/sleep/moderators",
    "/g/sleep/followers",
    "/g/sleep/outbox",
    "/desk/sleep",
    "/desk/sleep/outbox",
    "/.well-known/webfinger?resource=acct:sleep@alder.test",
    "/.well-known/webfinger?resource=acct:sleep_desk@alder.test",
]


async def _moderate(
    alder: Node, mo: Speaker, group: Group, person: Person, notes: list[Document], held: str
) -> None:
    """Everything that a moderator can decide, once."""
    actor = await alder.meet(person.uri)
    async with alder.engine.begin() as conn:
        acting = await desk.require(conn, group, mo)
        await membership.admit(conn, alder.here, group, actor)
    await settle(alder)
    posts = [await alder.post(uri) for uri in (held, *(note["id"] for note in notes))]
    local, first, second = [post for post in posts if post is not None]
    async with alder.engine.begin() as conn:
        for post in (local, first):
            await desk.release(conn, alder.here, group, acting, post)
        await desk.remove(conn, alder.here, group, acting, second, "not this one")
    await settle(alder)
    shown = await alder.post(first.uri)
    assert shown is not None
    assert shown.shown
    async with alder.engine.begin() as conn:
        await desk.lock(conn, alder.here, group, acting, shown, "a reason")
        await desk.unlock(conn, alder.here, group, acting, shown)
        await desk.remove(conn, alder.here, group, acting, shown, "a reason")
        await group_store.update(
            conn, alder.here, group, name="Sleep well", about="A group.", settings=SETTINGS
        )
        await desk.ban(conn, alder.here, group, acting, actor, "a reason")
        await desk.unban(conn, alder.here, group, acting, actor)
    await settle(alder)


async def test_wire_T15_no_byte_that_leaves_names_a_moderator(
    alder: Node, peer: PeerFactory
) -> None:
    mo = await alder.persona("quiet_hands")
    ana = await alder.persona("ana")
    group = await alder.group("sleep", mo, settings=SETTINGS)
    lemmy = await peer("lemmy.test", alder, "lemmy")
    ann, bob = lemmy.person("ann"), lemmy.person("bob")
    await lemmy.follow(alder, ann, group.actor.uri)
    await lemmy.follow(alder, bob, group.actor.uri)
    notes = [lemmy.note(ann, f"hello {n}", to=[PUBLIC, group.actor.uri]) for n in range(2)]
    for note in notes:
        await said(alder, lemmy, ann, note)
    held = await alder.start(ana, group.actor.uri, "A title", "Some words.")
    await settle(alder)
    letters = [each["object"]["type"] for each in lemmy.inbox]
    assert set(letters) <= {"Note"}  # everything waits, and who waits elsewhere is told kindly

    await _moderate(alder, mo, group, ann, notes, held.uri)
    told = {each["type"] for each in lemmy.inbox}
    assert told >= {"Accept", "Announce", "Reject", "Undo", "Update"}
    passed_on = {each["object"]["type"] for each in lemmy.inbox if isinstance(each["object"], dict)}
    assert passed_on >= {"Create", "Delete", "Lock", "Block", "Undo"}
    served = [(await ask(alder, path)).body for path in SERVED]
    for data in (*lemmy.raw, *served):
        assert b"quiet_hands" not in data
        assert b"Quiet_Hands" not in data
        assert str(mo.id).encode() not in data
    assert any(b"/desk/sleep" in raw for raw in lemmy.raw)
