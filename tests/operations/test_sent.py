"""What had left before a node was lost is not sent again; what had not is."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub.state import SETTINGS
from kernel import db
from kernel.clock import utcnow
from kernel.postgres import Server
from kernel.schema.tables import activities, deliveries, peers
from node.opening import KEY
from node.safekeeping import key_file
from node.safekeeping.backup import backup
from node.safekeeping.restore import SPREAD, restore
from node.safekeeping.sent import FILE, Keeper, Sent, drop_sent
from tests.nodes import Node, Nodes
from tests.operations.places import (
    PASSPHRASE,
    empty_database,
    new_place,
    nothing,
    settings_of,
)

pytestmark = pytest.mark.slow

HOSTS = ("well.example", "away.example", "new.example")


@pytest.fixture
async def alder(nodes: Nodes) -> Node:
    """A node with peers, one of which does not answer."""
    alder = await nodes.start("alder.test")
    async with alder.engine.begin() as conn:
        for host in HOSTS:
            await conn.execute(
                peers.insert().values(
                    host=host, next_attempt=utcnow(), failures=3 * (host == "away.example")
                )
            )
    return alder


async def queue(conn: AsyncConnection, node: Node, *hosts: str) -> list[int]:
    """A delivery to each of `hosts`; their numbers."""
    signer = await conn.scalar(sa.text("SELECT id FROM actors WHERE kind = 'Application'"))
    numbers = []
    for host in hosts:
        uri = node.here.new_activity_uri()
        await conn.execute(
            activities.insert().values(
                uri=uri, actor_uri="", kind="Create", object_uri="", body="{}", public=True,
                month=utcnow().date(),
            )
        )  # fmt: skip
        made = await conn.scalar(
            deliveries.insert()
            .values(
                host=host, inbox=f"https://{host}/inbox", lane="1", activity_uri=uri,
                signer_id=signer, day=utcnow().date(),
            )
            .returning(deliveries.c.id)
        )  # fmt: skip
        assert isinstance(made, int)
        numbers.append(made)
    return numbers


async def waiting(conn: AsyncConnection) -> list[int]:
    return list(await conn.scalars(sa.select(deliveries.c.id).order_by(deliveries.c.id)))


def keeper_of(node: Node) -> Keeper:
    return Keeper(node.engine, node.app[SETTINGS].since / FILE)


async def test_what_was_sent_is_dropped_and_what_waits_is_kept(alder: Node, tmp_path: Path) -> None:
    keeper = keeper_of(alder)
    async with alder.engine.begin() as conn:
        well, away, other = await queue(conn, alder, "well.example", "away.example", "well.example")
        await conn.execute(sa.update(deliveries).where(deliveries.c.id == other).values(parked="x"))
    await keeper.note()
    assert not keeper.path.exists()  # nothing is known before the second round
    async with alder.engine.begin() as conn:
        await conn.execute(sa.delete(deliveries).where(deliveries.c.id == well))
    await keeper.note()
    sent = Sent.read(keeper.path.read_text())
    assert sent == Sent(below=other + 1, waiting={"away.example": away})

    async with alder.engine.begin() as conn:  # as the backup has it
        await conn.execute(sa.text("DELETE FROM deliveries"))
        (again, later) = await queue(conn, alder, "well.example", "away.example")
        for number, old in ((again, well), (later, away)):
            await conn.execute(
                sa.update(deliveries).where(deliveries.c.id == number).values(id=old)
            )
        assert await drop_sent(conn, sent) == 1
        assert await waiting(conn) == [away]
        (following,) = await queue(conn, alder, "well.example")
        assert following > other


async def test_a_row_that_was_not_committed_yet_is_not_taken_for_sent(alder: Node) -> None:
    keeper = keeper_of(alder)
    async with alder.engine.begin() as late:
        (number,) = await queue(late, alder, "well.example")
        await keeper.note()
    async with alder.engine.begin() as conn:
        (after,) = await queue(conn, alder, "well.example")
    await keeper.note()

    sent = Sent.read(keeper.path.read_text())
    assert sent is not None
    assert sent.waiting["well.example"] == number
    async with alder.engine.begin() as conn:
        assert await drop_sent(conn, sent) == 0
        assert await waiting(conn) == [number, after]


async def test_numbers_go_on_above_those_that_were_given_out_in_the_lost_life(
    alder: Node,
) -> None:
    async with alder.engine.begin() as conn:
        await drop_sent(conn, Sent(below=4711, waiting={}))
        assert await queue(conn, alder, "well.example") == [4711]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"below": "x", "waiting": {}}'])
def test_a_file_that_makes_no_sense_says_nothing(text: str) -> None:
    assert Sent.read(text) is None


async def test_with_no_such_file_everything_is_kept_and_spread_over_an_hour(
    alder: Node, postgres: Server, tmp_path: Path
) -> None:
    async with alder.engine.begin() as conn:
        numbers = await queue(conn, alder, *HOSTS)
    await backup(settings_of(alder), tmp_path / "file", PASSPHRASE, say=nothing, show=nothing)
    key = tmp_path / "key"
    key_file.export(key_file.existing(alder.app[SETTINGS].data_dir / KEY), key)
    url = await empty_database(postgres)
    place = new_place(tmp_path / "new", url, key)
    restored = await restore(place, tmp_path / "file", PASSPHRASE, say=nothing, show=nothing)

    assert restored.sent is None
    async with db.disposed(db.connect(url)) as engine, engine.connect() as conn:
        assert await waiting(conn) == numbers
        rows = await conn.execute(sa.select(peers.c.host, peers.c.next_attempt))
        waits = {row.host: (row.next_attempt - utcnow()).total_seconds() for row in rows}
    assert all(-60 < wait <= SPREAD for wait in waits.values())
    assert waits["away.example"] <= 0  # it rests already
    assert len({round(wait) for wait in waits.values()}) > 1
