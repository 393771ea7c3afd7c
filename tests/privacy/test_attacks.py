"""DESIGN-V1: the simple attacks on a stolen dump find nothing, and would find what is planted."""

import asyncio
import random
import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kernel import db
from kernel.here import Here
from kernel.postgres import Server
from kernel.schema.base import Side
from kernel.schema.tables import metadata
from kernel.sealing import NodeKey
from tests.conftest import TEMPLATE
from tests.nodes import Wall
from tests.privacy import attacks, odds, world
from tests.privacy.attacks import OWNER, OWNERLESS, Attack, Verdict
from tests.privacy.dump import Dump, Table, Value, seconds
from tests.privacy.odds import Game
from tests.privacy.world import World

SEED = 20260619
SURE = 0.001


@pytest.fixture(scope="module")
def town(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> World:
    async def make() -> World:
        name = f"test_{uuid.uuid4().hex}"
        await postgres.create_database(name, template=TEMPLATE)
        engine = db.connect(postgres.url(name))
        wall = Wall()
        key = NodeKey.load(tmp_path_factory.mktemp("town") / "node.key")
        here = Here(origin="https://alder.example", node_key=key, clock=wall)
        try:
            return await world.build(engine, here, wall, postgres.url(name), seed=SEED)
        finally:
            await engine.dispose()

    return asyncio.run(make())
