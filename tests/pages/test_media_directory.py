"""What a thief of the media directory learns: nothing that ties two uploads together."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa

from activitypub.state import SETTINGS
from kernel.schema.base import Side
from kernel.schema.tables import attachments, media, posts
from members import sessions
from members.personas import seal_choice
from moderation.standing import Speaker
from node import pictures as node_pictures
from node import worker
from tests.media import draw
from tests.members.people import persona
from tests.pages.conftest import House
from tests.pages.people import Person
from tests.privacy.recorder import Recorder, violations


async def post_as(person: Person, token: str, thread_id: int, file: bytes) -> None:
    """Answer a thread under one of the person's names, with a picture."""
    at = await person.open(f"/p/{thread_id}/reply")
    form = at.page.form("text", action="/reply")
    chosen = {"text": "Look.", "undescribed": "yes", "as": token}
    fields = [pair for pair in form.fields if pair[0] not in (*chosen, "files")]
    form = replace(form, fields=tuple(fields), names=form.names | set(chosen))
    answer = await person.bring(at, form, [file], **chosen)
    assert answer.status == 303, answer.text


async def test_sec_U3_the_same_file_under_two_names_of_one_member_ties_nothing(
    house: House,
) -> None:
    """DESIGN-V1, SEC-U21: random names, times at midnight, and no row says whose a draft was."""
    node = house.node
    sibling = await persona(node.engine, node.here, house.ben.prepared.member, "other")
    await node.join(Speaker.alone(sibling), house.open.actor.uri)
    (cookie,) = house.ben.cookies.values()
    session = await sessions.read(node.engine, node.here, cookie)
    assert session is not None
    file = draw.tagged()
    with Recorder.listening(node.engine) as recorder:
        for actor in (house.ben.actor, sibling):
            token = seal_choice(session, actor.id, f"reply {house.thread.id}")
            await post_as(house.ben, token, house.thread.id, file)
    family = [house.ben.actor, sibling]
    writing = [t for t in recorder.transactions if any(s.writes for s in t.statements)]
    assert violations(writing, [family]) == []

    folder = node.app[SETTINGS].media
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(found) == 2
    one, two = (path.read_bytes() for path in found)
    assert one != two
    assert draw.small_hash(one) != draw.small_hash(two)
    for path in (folder, *folder.rglob("*")):
        stamp = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        assert (stamp.hour, stamp.minute, stamp.second, stamp.microsecond) == (0, 0, 0, 0), path
        if path.is_file():
            assert UUID(path.stem).version == 4
            assert os.path.basename(path.parent) == path.stem[:2]
    assert {column.info["side"] for column in (*media.c, *attachments.c)} == {Side.PERSONA}
    async with node.engine.connect() as conn:
        rows = (await conn.execute(sa.select(media))).all()
    assert all(row.drafted is None and row.used is None for row in rows)

    await node.delete(house.ben.speaker, await _newest_uri(house))
    while await node_pictures.work(node.app):
        pass
    await worker.settle(node.app)
    for path in (folder, *folder.rglob("*")):
        assert datetime.fromtimestamp(path.stat().st_mtime, UTC).time().isoformat() == "00:00:00"


async def _newest_uri(house: House) -> str:
    async with house.node.engine.connect() as conn:
        found = await conn.scalar(
            sa.select(posts.c.uri)
            .where(posts.c.author_id == house.ben.actor.id, posts.c.attached > 0)
            .limit(1)
        )
    assert found is not None
    return str(found)
