"""A peer whose advice would hurt has something wrong with it: it stops itself (MOD-5.10)."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from kernel.errors import NotAllowed, NotFound
from kernel.here import Here
from moderation import alerting, audit, names, pacts
from moderation.signals.lines import Line
from moderation.signals.rules import short
from moderation.signals.sources import Source
from moderation.signals.vocabulary import Policy

_AGAINST = frozenset({Policy.FILTER, Policy.REJECT, Policy.DROP})


async def watch(conn: AsyncConnection, here: Here, source: Source, lines: Sequence[Line]) -> None:
    """Listen no more to a peer that advises against us, against what is protected, or blindly.

    A canary says so by a label; who repeats one without it took a list over that nobody read.
    """
    if not source.pact:
        return
    wrong = next((line for line in lines if _is_wrong(here, line)), None)
    if wrong is None:
        return
    try:
        await pacts.freeze(conn, here, source.host, frozen=True)
    except NotFound:  # there is no pact any more, so nothing of it counts
        return
    await audit.note(
        conn, here, verb="peer froze itself", about=source.host, reason=wrong.entity_key,
        basis=[wrong.uri],
    )  # fmt: skip
    await alerting.call(conn, None)


def _is_wrong(here: Here, line: Line) -> bool:
    if line.entity_kind != "domain" or line.policy not in _AGAINST:
        return False
    if names.is_canary(line.entity_key):
        return "canary" not in {short(label) for label in line.labels}
    try:
        names.check_ours(here, line.entity_key)
    except NotAllowed:
        return True
    return False
