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
from tests.privacy import controls, game, series, story, table
from tests.privacy.game import SURE
from tests.privacy.series import FOLLOWED, PATIENCE, Month, Series
from tests.privacy.stage import TEMPLATE, set_up
from tests.privacy.story import Plan
from tests.privacy.world import World

HALVINGS = 3
WHOLE = 200  # members; a smaller town leaves more to chance, which is then allowed for


async def live(plan: Plan, month: Month) -> tuple[list[World], Series]:
    """A town on a database server of its own, and another one that lives for a month."""
    with tempfile.TemporaryDirectory(prefix="hearthold-attack-") as directory:
        os.chmod(directory, 0o711)  # the database has a user of its own, who must pass through
        async with running(Path(directory) / "db", durable=False) as server:
            await server.create_database(TEMPLATE)
            engine = db.connect(server.url(TEMPLATE))
            await db.migrate(engine)
            await engine.dispose()
            places = [Path(directory) / name for name in ("node", "monthly")]
            for place in places:
                place.mkdir(mode=0o700)
            async with set_up(server, places[0]) as stage:
                worlds = await story.build(stage, plan)
            async with set_up(server, places[1]) as stage:
                return worlds, await series.build(stage, month)


def main() -> int:
    """Status 0: nothing leaks, and everything planted was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.privacy", description=__doc__)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--thefts", type=int, default=3)
    parser.add_argument("--monthly", type=int, default=60, help="members of the second town")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    wanted = parser.parse_args()
    began = time.monotonic()
    plan = Plan(members=wanted.members, earlier_thefts=wanted.thefts - 1, seed=wanted.seed)
    worlds, daily = asyncio.run(live(plan, Month(members=wanted.monthly)))
    lived = time.monotonic()
    whole = wanted.members >= WHOLE
    slack = 0.0 if whole else game.SLACK
    report = game.play(worlds, slack=slack, halvings=HALVINGS)
    planted = list(controls.run_all(worlds[-1]))
    print("\n".join(table.lines(report, planted)))
    moments = range(4, len(daily.days), 5)
    monthly = series.play(daily.days, moments)
    print("\nA dump of every day, for a month:")
    print("\n".join(table.lines(monthly, [])))
    kept = series.kept_values(daily.days)
    print(f"Columns in which a value outlived a night: {', '.join(kept) or 'none'}")
    orders = {name: series.order_agrees(daily.days, name) for name in FOLLOWED}
    for name, spreads in orders.items():
        print(f"Row orders of {name}, day after day: {spreads:+.1f} spreads of chance")
    stay = any(abs(spreads) > PATIENCE for spreads in orders.values())
    print(f"{lived - began:.0f} s of life, {time.monotonic() - lived:.0f} s of attacks")
    missed = [each for each in planted if table.as_if_all(each, report) >= SURE]
    return 1 if report.leaks or missed or monthly.leaks or kept or stay else 0


if __name__ == "__main__":
    sys.exit(main())
