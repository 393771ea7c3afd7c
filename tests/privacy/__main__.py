"""The whole game of DESIGN-V1 with its table: `make attack`, or `python -m tests.privacy`."""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from kernel import db
from kernel.postgres import running
from tests.privacy import game, story
from tests.privacy.stage import TEMPLATE, set_up
from tests.privacy.story import Plan
from tests.privacy.world import World


async def live(plan: Plan) -> list[World]:
    """A town on a database server of its own."""
    with tempfile.TemporaryDirectory(prefix="hearthold-attack-") as directory:
        os.chmod(directory, 0o711)  # the database has a user of its own, who must pass through
        async with running(Path(directory) / "db", durable=False) as server:
            await server.create_database(TEMPLATE)
            engine = db.connect(server.url(TEMPLATE))
            await db.migrate(engine)
            await engine.dispose()
            place = Path(directory) / "node"
            place.mkdir(mode=0o700)
            async with set_up(server, place) as stage:
                return await story.build(stage, plan)


if __name__ == "__main__":
    members, thefts = (int(each) for each in [*sys.argv[1:], "200", "3"][:2])
    began = time.monotonic()
    worlds = asyncio.run(live(Plan(members=members, earlier_thefts=thefts - 1)))
    lived = time.monotonic()
    print(f"lived {lived - began:.0f} s", flush=True)
    report = game.play(worlds)
    print(f"attacked {time.monotonic() - lived:.0f} s", flush=True)
    corrected = report.corrected
    for each in sorted(report.results, key=lambda r: r.verdict.p)[:40]:
        print(
            f"{each.attack:100} {each.pairs:7} {each.verdict.auc:.3f} {each.verdict.p:.2g} {corrected.get(each.attack, -1):.2g}"
        )
    print(len(report.results), report.trained, report.leaks)
