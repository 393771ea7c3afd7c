"""`python -m bench inbox|relay|fanout|memory|pages|lists`: a node beside its limits, in one run.

Everything stays on loopback, ends by itself, and ends the processes it started.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from rich.console import Console

from bench import fanout, inbox, lists, memory, pages, relay
from bench.report import Report

MOST_SECONDS: Final = 300.0
MOST_POSTS: Final = 2_000_000
MOST_ACTIVITIES: Final = 200_000


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("bench", choices=("inbox", "relay", "fanout", "memory", "pages", "lists"))
    parser.add_argument("--seconds", type=float, default=10.0, help="of load, about (at most 300)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.add_argument("--kill", action="store_true", help="inbox: kill the node half-way")
    parser.add_argument("--posts", type=int, default=50_000, help="pages: how many to seed")
    parser.add_argument("--hosts", type=int, default=fanout.HOSTS, help="fanout: how many servers")
    parser.add_argument(
        "--activities", type=int, default=memory.ACTIVITIES, help="memory: how many come in"
    )
    parser.add_argument("--rows", type=int, default=lists.ROWS, help="lists: how many")
    parser.add_argument(
        "--plans", action="store_true", help="pages, fanout: print the plans of queries"
    )
    return parser.parse_args()


def main() -> int:
    """0 when every bar is met."""
    given = _arguments()
    seconds = max(0.5, min(given.seconds, MOST_SECONDS))
    runs: dict[str, Callable[[Report], Awaitable[None]]] = {
        "inbox": partial(inbox.run, seconds=seconds, kill=given.kill),
        "relay": partial(relay.run, seconds=seconds),
        "fanout": partial(
            fanout.run,
            seconds=seconds,
            hosts=max(1, min(given.hosts, 500)),
            plans=given.plans,
        ),
        "memory": partial(memory.run, activities=max(10, min(given.activities, MOST_ACTIVITIES))),
        "pages": partial(
            pages.run,
            seconds=seconds,
            posts=max(100, min(given.posts, MOST_POSTS)),
            plans=given.plans,
        ),
        "lists": partial(lists.run, rows=max(10, min(given.rows, lists.ROWS))),
    }
    report = Report(name=given.bench)

    async def work() -> None:
        await runs[given.bench](report)

    asyncio.run(work())
    if given.json:
        print(report.json())
    else:
        report.show(Console())
    return int(any(figure.met is False for figure in report.figures))


if __name__ == "__main__":
    raise SystemExit(main())
