"""The whole game of DESIGN-V1 with its table: `make attack`, or `python -m tests.privacy`.

Ends with status 1 where anything leaks, or where something that was planted is not found.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from kernel import db
from kernel.postgres import running
from tests.privacy import controls, game, story, table
from tests.privacy.game import SURE
from tests.privacy.stage import TEMPLATE, set_up
from tests.privacy.story import Plan
from tests.privacy.world import World

WHOLE = 200  # members; a smaller town leaves more to chance, which is then allowed for


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


def main() -> int:
    """Status 0: nothing leaks, and everything planted was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.privacy", description=__doc__)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--thefts", type=int, default=3)
    parser.add_argument("--seed", type=int, default=Plan.seed)
    wanted = parser.parse_args()
    began = time.monotonic()
    plan = Plan(members=wanted.members, earlier_thefts=wanted.thefts - 1, seed=wanted.seed)
    worlds = asyncio.run(live(plan))
    lived = time.monotonic()
    whole = wanted.members >= WHOLE
    report = game.play(worlds, slack=0.0 if whole else game.SLACK)
    planted = list(controls.run_all(worlds[-1]))
    print("\n".join(table.lines(report, planted)))
    print(f"{lived - began:.0f} s of life, {time.monotonic() - lived:.0f} s of attacks")
    missed = [each for each in planted if table.as_if_all(each, report) >= SURE]
    return 1 if report.leaks or missed else 0


if __name__ == "__main__":
    sys.exit(main())
