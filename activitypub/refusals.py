"""What servers refused for good, for the administrator to see (WIRE-Q10, WIRE-N8).

A refusal may quote the post it is about, and deleted words must be gone; it may also name a
persona, whose name goes when it closes. So its words are kept only where a group signed, and where
it refused the signature or the activity was about no post; of any other one, an error code: a
single word.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from activitypub import jsontext
from activitypub.client import Answer
from activitypub.vocab import Activity, Document
from kernel import text
from kernel.arrays import Rows, any_of
from kernel.errors import Malformed
from kernel.rows import AnyRow
from kernel.schema.tables import refusals

KEPT: Final = 20  # of each server, the newest
MAX_WORDS: Final = 500

_ABOUT_NO_POST: Final = frozenset({"Accept", "Reject"})
_ADDRESS: Final = re.compile(r"https?://\S+")
_RUN: Final = 20  # letters that are the same in what was sent and what was said: that is a quote
_CODE: Final = re.compile(r"[a-z][a-z0-9]*(?:[_.-][a-z0-9]+){0,7}")
_MAX_CODE: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One activity that a server will not have. `kind` is its type; `words` may be empty."""

    status: int
    kind: str
    words: str

    @classmethod
    def of(cls, row: AnyRow) -> Self:
        """From a row of `refusals`."""
        return cls(status=row.status, kind=row.kind, words=row.words)


def read(answer: Answer, sent: bytes, *, by_group: bool) -> Refusal:
    """What may be kept of an answer to `sent`, which a group signed, or else a persona."""
    kind = _kind_of(sent)
    said = answer.body.decode("utf-8", "replace")
    words = _code_in(said)
    if not words and by_group and (answer.status == 401 or kind in _ABOUT_NO_POST):
        whole = text.plain(said, MAX_WORDS)
        words = "" if _quotes(whole, sent.decode("utf-8", "replace")) else whole
    return Refusal(status=answer.status, kind=kind, words=words)


def _kind_of(sent: bytes) -> str:
    """The type of an activity, or of what an Announce carries; empty where that cannot be read."""
    try:
        activity = Activity.parse(jsontext.read(sent))
    except Malformed:
        return ""
    return (activity.kind == "Announce" and activity.inner_kind) or activity.kind


def _quotes(said: str, sent: str) -> bool:
    """Whether a run of letters is the same in both; addresses do not count."""
    said = _ADDRESS.sub("", said)
    return any(said[at : at + _RUN] in sent for at in range(len(said) - _RUN + 1))


def _code_in(said: str) -> str:
    """The error code in a JSON answer, such as `not_a_member`; nothing that could be a sentence."""
    try:
        document = jsontext.read(said.encode())
    except Malformed:
        return ""
    return next((code for name in ("error", "code") if (code := _code(document, name))), "")


def _code(document: Document, name: str) -> str:
    value = document.get(name)
    if isinstance(value, str) and len(value) <= _MAX_CODE and _CODE.fullmatch(value):
        return value
    return ""


async def keep(conn: AsyncConnection, by_host: Mapping[str, Sequence[Refusal]]) -> None:
    """Keep what servers refused; only the newest of each server stay."""
    rows = [
        {"host": host, "status": each.status, "kind": each.kind, "words": each.words}
        for host, several in by_host.items()
        for each in several[-KEPT:]
    ]
    if rows:
        await conn.execute(_KEEP, _ROW.values(rows))
        await conn.execute(_DROP, {"hosts": list(by_host)})


async def of(conn: AsyncConnection, host: str) -> Sequence[Refusal]:
    """What a server refused lately, newest first."""
    rows = await conn.execute(
        sa.select(refusals.c.status, refusals.c.kind, refusals.c.words)
        .where(refusals.c.host == host)
        .order_by(refusals.c.id.desc())
        .limit(KEPT)
    )
    return [Refusal.of(row) for row in rows]


_ROW = Rows("row", host=sa.Text, status=sa.SmallInteger, kind=sa.Text, words=sa.Text)
_KEEP = sa.insert(refusals).from_select(_ROW.names, sa.select(*_ROW.c))
_newer = refusals.alias("newer")
_DROP = sa.delete(refusals).where(
    any_of(refusals.c.host, "hosts"),
    sa.select(sa.func.count())
    .where(_newer.c.host == refusals.c.host, _newer.c.id > refusals.c.id)
    .scalar_subquery()
    >= KEPT,
)
