"""Posts that say certain words, as far as the reader may see them.

PostgreSQL looks the words up in an index that follows each change of a post, so that words which
were taken back are found by nobody.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCONFIG, TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from groups.lines import PostLine, select_lines
from kernel.ids import LAST_ID
from kernel.rows import AnySelect, at_most, constant
from kernel.schema.posts import DICTIONARIES, PLAIN, PostState, words_of
from kernel.schema.tables import posts
from moderation.visibility import Viewer

MAX_WORDS: Final = 200  # characters of what is looked for
STEP: Final = 500  # posts whose words are taken into the index in one transaction,
STEPS: Final = 4  # and how often in a round


def _wanted() -> sa.ColumnElement[str]:
    """SQL: all the words, bent as one of the dictionaries does it."""
    each = sa.func.unnest(sa.bindparam("dictionaries", type_=sa.ARRAY(sa.Text)))
    dictionary = sa.cast(each.column_valued("dictionary"), REGCONFIG)
    words = sa.func.plainto_tsquery(dictionary, sa.bindparam("words", type_=sa.Text))
    several = sa.func.string_agg(sa.cast(words, sa.Text), " | ").filter(sa.func.numnode(words) > 0)
    return sa.cast(sa.select(several).scalar_subquery(), TSQUERY())


@cache
def _found(limit: int) -> AnySelect:
    """The matches by their index, and of those what the viewer may read, newest first."""
    matches = (
        sa.select(posts.c.id)
        .where(
            posts.c.findable,
            posts.c.state == constant(PostState.SHOWN),
            words_of(posts).op("@@", is_comparison=True)(_wanted()),
            posts.c.id < sa.bindparam("before", type_=sa.BigInteger),
        )
        .cte("matches")
        .prefix_with("MATERIALIZED")
    )
    return select_lines(matches, matches.c.id).order_by(matches.c.id.desc()).limit(at_most(limit))


async def find(
    conn: AsyncConnection,
    words: str,
    languages: Iterable[str],
    viewer: Viewer,
    *,
    before: int | None,
    limit: int,
) -> Sequence[PostLine]:
    """Posts with all the words that the viewer may read, newest first, older than `before`.

    What was said within the last minutes may be missing: see `take_in`.

    Words are bent as English does it and as each of `languages` (BCP 47) does: who looks for
    "sleeping" finds "sleep". Where PostgreSQL has no dictionary for a language, words are found as
    they are written.
    """
    known = {DICTIONARIES.get(tag.partition("-")[0].lower(), PLAIN) for tag in languages}
    values = {
        "words": words[:MAX_WORDS],
        "dictionaries": sorted(known | {DICTIONARIES["en"], PLAIN}),
        "before": LAST_ID if before is None else before,
        **viewer.values,
    }
    rows = await conn.execute(_found(limit), values)
    return [PostLine(**row._mapping) for row in rows]


_TAKE_IN: Final = (
    sa.update(posts)
    .values(findable=True)
    .where(
        posts.c.id.in_(
            sa.select(posts.c.id)
            .where(~posts.c.findable, posts.c.state == constant(PostState.SHOWN))
            .order_by(posts.c.id.desc())
            .limit(at_most(STEP))
            .with_for_update(skip_locked=True)
        )
    )
)


async def take_in(engine: AsyncEngine) -> None:
    """Make new posts findable, the newest first; cheap where there are none.

    Taking words in costs as much as storing the post does, so what arrives does not wait for it.
    """
    for _ in range(STEPS):
        async with engine.begin() as conn:
            taken = await conn.execute(_TAKE_IN)
        if taken.rowcount < STEP:
            return
