"""A node in a process of its own that ends itself by `kill -9` at a named point.

Started from the fork server, one costs a fork and a few statements. It shares its database and its
key with a node of the test's own process, which takes over once it is dead.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

import activitypub.keys
from activitypub.keys import KeyPair, generate
from activitypub.state import SETTINGS
from kernel import db, faults
from kernel.faults import Point
from kernel.settings import Settings
from node import door, worker
from node.app import create_app
from node.door import House
from node.listening import bind
from tests.faults.front import Front
from tests.forks import FORKS
from tests.nodes import LOOPBACK, Names, Node, Wall

_KEYS = generate()  # once, in the fork server: no victim makes actors


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which node, on which database, sees what of the world, and where it dies (None: nowhere)."""

    name: str
    data_dir: Path
    database_url: str
    ports: dict[str, int]
    now: datetime
    point: Point | None
    times: int = 1  # it dies the n-th time it gets there
    works: bool = True  # or answers requests only


@dataclass
class Victim:
    """A running one; `port` is where it answers."""

    process: BaseProcess
    port: int
    _ended: asyncio.Event

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    async def end(self, patience: float = 30.0) -> None:
        """Until it has killed itself. Raises TimeoutError: it lives on."""
        await asyncio.wait_for(self._ended.wait(), patience)

    def kill(self) -> None:
        """`kill -9` from outside."""
        if self.process.is_alive():
            self.process.kill()

    @property
    def died_by_itself(self) -> bool:
        return self.process.exitcode == -signal.SIGKILL


@asynccontextmanager
async def victim(
    beside: Node,
    point: Point | None,
    *,
    front: Front | None = None,
    times: int = 1,
    works: bool = True,
) -> AsyncIterator[Victim]:
    """A second process of the node `beside`; with a `front` it gets the node's requests as well.

    With `point` it kills itself the n-th of `times` it gets there. It `works` through the queues.
    """
    plan = Plan(
        name=beside.name,
        data_dir=beside.app[SETTINGS].data_dir,
        database_url=beside.engine.url.render_as_string(hide_password=False),
        ports=dict(beside.names.ports),
        now=beside.clock(),
        point=point,
        times=times,
        works=works,
    )
    ours, theirs = FORKS.Pipe()
    process = FORKS.Process(target=_main, args=(plan, theirs), daemon=True)
    process.start()
    theirs.close()
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    port = await asyncio.to_thread(ours.recv)
    watched = os.dup(process.sentinel)  # selectors forget a descriptor that is closed under them
    loop.add_reader(watched, ended.set)
    if front is not None:
        await front.lead_to(port)
    try:
        yield Victim(process, port, ended)
    finally:
        if front is not None:
            await front.lead_to()
        loop.remove_reader(watched)
        os.close(watched)
        process.kill()
        process.join()
        process.close()
        ours.close()


def _main(plan: Plan, parent: Connection) -> None:
    activitypub.keys.generate = _taken
    db.migrate = _up_to_date
    if plan.point is not None:
        faults.install(_dying(plan.point, plan.times))
    asyncio.run(_run(plan, parent))


def _taken() -> KeyPair:
    return _KEYS


async def _up_to_date(engine: AsyncEngine) -> None:
    """The node beside this process saw to that."""


def _dying(point: Point, times: int) -> "faults.At":
    count = itertools.count(1)

    def at(reached: Point) -> None:
        if reached is point and next(count) == times:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


async def _run(plan: Plan, parent: Connection) -> None:
    settings = Settings(
        release_delay=False,
        data_dir=plan.data_dir,
        origin=f"http://{plan.name}",
        allow_networks=LOOPBACK,
    )
    app = create_app(
        settings,
        database_url=plan.database_url,
        resolver=Names(ports=plan.ports),
        clock=Wall(plan.now),
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await door.site(runner, bind("127.0.0.1", 0), house=House()).start()
    stop = asyncio.Event()
    work = asyncio.create_task(worker.run(app, stop)) if plan.works else None
    parent.send(runner.addresses[0][1])
    await asyncio.get_running_loop().run_in_executor(None, _until_closed, parent)
    stop.set()
    if work is not None:
        await work
    await runner.cleanup()


def _until_closed(parent: Connection) -> None:
    """The test lets go of its end, or dies: then there is nobody to live for."""
    while parent.poll(None):
        try:
            parent.recv()
        except EOFError:
            return
