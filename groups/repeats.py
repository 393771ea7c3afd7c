"""Words that somebody wrote before, under another of their names (SEC-U22).

Compared are whole sentences of six words or more, and any eight words in a row, whatever their
capitals, marks and line ends. What is nobody's own is left out: quotes, lines with a number of
help, and words of the group itself. All of it happens in memory, and nothing of it is kept.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from groups import groups as group_store
from groups import welcome
from groups.groups import Group
from kernel.rows import at_most, constant
from kernel.schema.posts import PostState
from kernel.schema.tables import posts
from moderation import contacts

NAMES: Final = 8  # of one member that are compared with, those that wrote last
POSTS: Final = 50  # of each of them, the newest
RUN: Final = 8  # words in a row that are a repeat
SENTENCE: Final = 6  # words of a whole sentence that is one
SHOWN: Final = 100  # letters of a repeat that its author is shown

Piece = tuple[str, ...]
Span = tuple[int, int]

_QUOTED_LINE: Final = re.compile(r"^[^\S\n]*>.*$", re.MULTILINE)
_QUOTED: Final = re.compile(r"“[^“”\n]*”|„[^„“\n]*“|«[^«»\n]*»|\"[^\"\n]*\"")
_LINE: Final = re.compile(r"^.*$", re.MULTILINE)
_STOP: Final = re.compile(r"(?<![.!?…])[.!?…]++(?=\s|$)")
_BLANK: Final = re.compile(r"\n[^\S\n]*\n")
_BREAK: Final = "\n\n"
_WORD: Final = re.compile(r"\w+(?:['’]\w+)*")


def find(
    said: str,
    earlier: Mapping[UUID, Sequence[str]],
    *,
    but: Collection[str] = (),
    help_lines: Collection[str] = (),
) -> dict[UUID, str]:
    """By name, the first words of `said` that stand in a text which that name wrote earlier.

    Nothing counts that stands in `but`, nor a line with one of `help_lines` (digits only).
    """
    own = _without(_own(said, help_lines), {piece for text in but for piece, _ in _pieces(text)})
    pieces = dict(_pieces(own))
    found = {}
    for name, texts in earlier.items():
        same = {piece for text in texts for piece, _ in _pieces(_own(text, ())) if piece in pieces}
        if same:
            first, last = min(pieces[piece] for piece in same)
            found[name] = _shorten(own[first:last])
    return found


def _shorten(words: str) -> str:
    words = " ".join(words.split())
    return words if len(words) <= SHOWN else f"{words[:SHOWN].rstrip()}…"


def _own(text: str, help_lines: Collection[str]) -> str:
    """A text without what it quotes; nothing runs on over the gap."""
    for pattern in (_QUOTED_LINE, _QUOTED):
        text = pattern.sub(_BREAK, text)
    if not help_lines:
        return text
    return _LINE.sub(
        lambda line: _BREAK if contacts.has_help(line[0], help_lines) else line[0], text
    )


def _without(text: str, known: Collection[Piece]) -> str:
    """A text without what is `known`; nothing runs on over the gap either."""
    kept, at = [], 0
    for begin, end in sorted(span for piece, span in _pieces(text) if piece in known):
        kept.append(text[at:begin])
        at = max(at, end)
    return _BREAK.join([*kept, text[at:]])


def _pieces(text: str) -> Iterator[tuple[Piece, Span]]:
    """What may repeat, and where it stands."""
    for begin, end in _parts(_BLANK, text, 0, len(text)):
        words, spans = _words(text, begin, end)
        for at in range(len(words) - RUN + 1):
            yield tuple(words[at : at + RUN]), (spans[at][0], spans[at + RUN - 1][1])
        for first, last in _parts(_STOP, text, begin, end):
            words, spans = _words(text, first, last)
            if SENTENCE <= len(words) < RUN:
                yield tuple(words), (spans[0][0], spans[-1][1])


def _parts(ends: re.Pattern[str], text: str, begin: int, end: int) -> Iterator[Span]:
    return pairwise([begin, *(match.end() for match in ends.finditer(text, begin, end)), end])


def _words(text: str, begin: int, end: int) -> tuple[list[str], list[Span]]:
    found = list(_WORD.finditer(text, begin, end))
    return [w[0].casefold().replace("’", "'") for w in found], [w.span() for w in found]


async def latest(conn: AsyncConnection, names: Iterable[UUID]) -> dict[UUID, list[str]]:
    """What some names wrote last, up to `POSTS` texts of each of `NAMES`; it only reads."""
    found: dict[UUID, list[str]] = {}
    for row in await conn.execute(_LATEST, {"names": list(names)}):
        found.setdefault(row.id, []).append(f"{row.title}{_BREAK}{row.source}")
    return found


async def of_group(conn: AsyncConnection, group: Group) -> list[str]:
    """What a group says itself, so that its members may say it too."""
    said = await welcome.current(conn, group) if group.settings is not None else None
    rules = await group_store.guidelines_text(conn, group)
    return [group.actor.source, rules, said.source if said is not None else ""]


def _latest() -> sa.Select[UUID, str, str]:
    """SQL: each name is looked up by the index of its posts."""
    names = (
        sa.func.unnest(sa.bindparam("names", type_=ARRAY(sa.Uuid)))
        .table_valued(sa.column("id", sa.Uuid))
        .render_derived(name="names")
    )
    states = (PostState.SHOWN, PostState.HELD, PostState.ASKED)
    readable = posts.c.state.in_([constant(state) for state in states])
    newest = (
        sa.select(posts.c.id.label("last"))
        .where(posts.c.author_id == names.c.id, readable)
        .order_by(posts.c.id.desc())
        .limit(at_most(1))
        .lateral("newest")
    )
    some = (
        sa.select(names.c.id, newest.c.last)
        .select_from(names.join(newest, sa.true()))
        .order_by(newest.c.last.desc())
        .limit(at_most(NAMES))
        .subquery("some")
    )
    theirs = (
        sa.select(posts.c.title, posts.c.source)
        .where(posts.c.author_id == some.c.id, readable)
        .order_by(posts.c.id.desc())
        .limit(at_most(POSTS))
        .lateral("theirs")
    )
    return sa.select(some.c.id, theirs.c.title, theirs.c.source).select_from(
        some.join(theirs, sa.true())
    )


_LATEST: Final = _latest()
