"""Threads, posts, and what people felt about them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table


class PostState(StrEnum):
    HELD = "held"  # waits for a moderator; only its author and the moderators see it
    ASKED = "asked"  # waits for the author of what it answers, elsewhere; for its writer alone
    DECLINED = "declined"  # that author said no, or took their yes back; for its writer alone
    SHOWN = "shown"
    REMOVED = "removed"  # by a moderator: kept for an appeal, shown to nobody else
    DELETED = "deleted"  # by its author: the words are gone


class ReactionKind(StrEnum):
    LIKE = "like"
    ASKED = "asked"  # a like that the post's author, elsewhere, has yet to allow
    SOON = "soon"  # a like of ours that nobody knows of before it is `due`
    DISLIKE = "dislike"  # stored, shown nowhere (WIRE-in-5)
    SHARE = "share"


class Feeling(StrEnum):
    """What a like says, in one of four ways; most from elsewhere say none of them (DOM-A13)."""

    WITH_YOU = "with_you"
    SAME_HERE = "same_here"
    THANK_YOU = "thank_you"
    THINKING = "thinking"


class Mood(StrEnum):
    """How somebody is, in five words (DOM-B15)."""

    VERY_HARD = "very_hard"
    HARD = "hard"
    BETWEEN = "between"
    FINE = "fine"
    GOOD = "good"


class Wish(StrEnum):
    """What would help whoever began a thread; `no-replies` closes it."""

    LISTEN = "listen"
    STORIES = "stories"
    IDEAS = "ideas"
    PRACTICAL = "practical"
    NO_REPLIES = "no-replies"


class AttachmentKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    LINK = "link"


threads = table(
    "threads",
    Side.PERSONA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),  # its root post's
    sa.Column("uri", sa.Text, nullable=False, unique=True),  # the `context` (WIRE-G41)
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id), nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("wish", sa.Text),  # what would help whoever began it
    sa.Column("moved_to", sa.Text),  # the group elsewhere that its own group says it went to
    sa.Column("shown", sa.Boolean, nullable=False),  # false while the root is held or gone
    sa.Column("latest_id", sa.BigInteger, nullable=False),  # newest shown post: orders lists
    sa.Column("replies", sa.Integer, nullable=False, server_default="0"),  # shown ones
    # Posts went out of it, or all of them: what is being written to it looks where it belongs.
    sa.Column("rearranged", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("memorial", sa.Boolean, nullable=False, server_default=sa.false()),
    # Somebody was hurt: its answers call nobody for a while.
    sa.Column("hushed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("check_in", sa.Boolean, nullable=False, server_default=sa.false()),  # the group asks
    sa.Column("story", sa.Boolean, nullable=False, server_default=sa.false()),  # of recovery
    # Until this full hour moderators read answers first, and nobody is told of them (MOD-5.14).
    sa.Column("slow_until", sa.DateTime(timezone=True)),
    sa.Index(
        "ix_threads_group_id_latest_id", "group_id", "latest_id", postgresql_where=sa.text("shown")
    ),
    sa.Index("ix_threads_stories", "group_id", "id", postgresql_where=sa.text("story AND shown")),
    one_of("wish", "wish", Wish),
    sa.Index("ix_threads_pinned", "group_id", "latest_id", postgresql_where=sa.text("pinned")),
)

posts = table(
    "posts",
    Side.PERSONA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),  # sorts by release
    sa.Column("uri", sa.Text, nullable=False, unique=True),
    sa.Column("author_id", sa.Uuid, sa.ForeignKey(actors.c.id), nullable=False),
    sa.Column("thread_id", sa.BigInteger, sa.ForeignKey(threads.c.id), nullable=False),
    sa.Column("group_id", sa.Uuid, sa.ForeignKey(actors.c.id), nullable=False),
    sa.Column("parent_id", sa.BigInteger, sa.ForeignKey("posts.id")),
    sa.Column("title", sa.Text, nullable=False, server_default=""),
    sa.Column("source", sa.Text, nullable=False, server_default=""),  # Markdown, ours only
    sa.Column("content", sa.Text, nullable=False),  # HTML as sent; sanitise to show
    sa.Column("note", sa.Text, nullable=False, server_default=""),  # content note, plain text
    # Labels of the note, with blanks between their ids.
    sa.Column("labels", sa.Text, nullable=False, server_default=""),
    # Labels by others, as JSON, so that lists of posts ask nothing more: `moderation.labelling`.
    sa.Column("given", sa.Text, nullable=False, server_default=""),
    sa.Column("sensitive", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("language", sa.Text, nullable=False, server_default=""),  # BCP 47
    sa.Column("published", sa.DateTime(timezone=True), nullable=False),  # to the minute
    sa.Column("edited", sa.DateTime(timezone=True)),
    sa.Column("url", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),  # of a removal, for the author
    # Of ours: the actors it mentions by name, with blanks between their URIs.
    sa.Column("mentioned", sa.Text, nullable=False, server_default=""),
    sa.Column("poll", sa.Boolean, nullable=False, server_default=sa.false()),  # it has one
    sa.Column("attached", sa.SmallInteger, nullable=False, server_default="0"),  # how many
    # Its author elsewhere lets nobody answer it, or like it (WIRE-M20).
    sa.Column("answers_closed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("likes_closed", sa.Boolean, nullable=False, server_default=sa.false()),
    # Or says who may, and who may ask: `Permission.line`.
    sa.Column("answers_by", sa.Text, nullable=False, server_default=""),
    sa.Column("likes_by", sa.Text, nullable=False, server_default=""),
    sa.Column("approval", sa.Text),  # of ours: where the author it answers says that it may stand
    # Its words are in the index of words; not at once, since what comes in must not wait for that.
    sa.Column("findable", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("expires", sa.Date),  # of ours: the day on which it is deleted, as its author chose
    # Held for a change of its words: what it said before has been read, here and elsewhere.
    sa.Column("was_shown", sa.Boolean, nullable=False, server_default=sa.false()),
    one_of("state", "state", PostState),
    sa.Index("ix_posts_thread_id_id", "thread_id", "id"),
    sa.Index("ix_posts_author_id_id", "author_id", "id"),
    sa.Index("ix_posts_parent_id_id", "parent_id", "id"),
    sa.Index(
        "ix_posts_not_findable", "id", postgresql_where=sa.text("NOT findable AND state = 'shown'")
    ),
    sa.Index("ix_posts_held", "group_id", "id", postgresql_where=sa.text("state = 'held'")),
    sa.Index("ix_posts_expires", "expires", postgresql_where=sa.text("expires IS NOT NULL")),
    sa.Index(
        "ix_posts_approval",
        "approval",
        unique=True,  # one approval is about one answer (SEC-S22)
        postgresql_where=sa.text("approval IS NOT NULL"),
    ),
)

refreshes = table(
    "refreshes",
    Side.PERSONA,
    sa.Column(
        "thread_id",
        sa.BigInteger,
        sa.ForeignKey(threads.c.id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("due", sa.DateTime(timezone=True)),  # to the minute; null: nobody asked
    sa.Column("done", sa.DateTime(timezone=True)),  # to the minute: when it was last read elsewhere
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),  # that brought nothing
    sa.Index("ix_refreshes_due", "due", postgresql_where=sa.text("due IS NOT NULL")),
)

moved_threads = table(  # groups of ours that a thread was in: their followers have its posts
    "moved_threads",
    Side.PERSONA,
    sa.Column(
        "thread_id",
        sa.BigInteger,
        sa.ForeignKey(threads.c.id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("last_id", sa.BigInteger, nullable=False),  # the newest post that was in it
)

memorials = table(  # threads about somebody who died, while moderators watch over them
    "memorials",
    Side.PERSONA,
    sa.Column(
        "thread_id",
        sa.BigInteger,
        sa.ForeignKey(threads.c.id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("shift", sa.DateTime(timezone=True), nullable=False),  # to the minute: somebody came
    sa.Column("look_back", sa.Date, nullable=False),  # when to ask how people are
)

check_ins = table(  # how somebody is this week: told to no other server, and gone in four weeks
    "check_ins",
    Side.PERSONA,
    sa.Column(
        "thread_id",
        sa.BigInteger,
        sa.ForeignKey(threads.c.id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column(
        "persona_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("mood", sa.Text, nullable=False),
    one_of("mood", "mood", Mood),
)

reactions = table(
    "reactions",
    Side.PERSONA,
    sa.Column(
        "post_id", sa.BigInteger, sa.ForeignKey(posts.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("actor_uri", sa.Text, primary_key=True),
    sa.Column("uri", sa.Text, nullable=False),  # of the activity, for its Undo
    sa.Column("approval", sa.Text),  # of ours: where the post's author says that it may be
    sa.Column("due", sa.DateTime(timezone=True)),  # of what is SOON; a whole minute
    sa.Column("feeling", sa.Text, nullable=False, server_default=""),  # `Feeling`, or nothing
    # It came from whoever it names, or is ours: its author may be told the name (WIRE-G16).
    sa.Column("named", sa.Boolean, nullable=False, server_default=sa.false()),
    one_of("kind", "kind", ReactionKind),
    sa.Index("ix_reactions_due", "due", postgresql_where=sa.text("due IS NOT NULL")),
    sa.Index("ix_reactions_uri", "uri"),
    sa.Index(
        "ix_reactions_approval",
        "approval",
        unique=True,
        postgresql_where=sa.text("approval IS NOT NULL"),
    ),
)

PLAIN: Final = "pg_catalog.simple"  # words as they are written
DICTIONARIES: Final[Mapping[str, str]] = {  # that PostgreSQL has in every version we run on
    "ar": "pg_catalog.arabic", "da": "pg_catalog.danish", "de": "pg_catalog.german",
    "el": "pg_catalog.greek", "en": "pg_catalog.english", "es": "pg_catalog.spanish",
    "fi": "pg_catalog.finnish", "fr": "pg_catalog.french", "ga": "pg_catalog.irish",
    "hu": "pg_catalog.hungarian", "id": "pg_catalog.indonesian", "it": "pg_catalog.italian",
    "lt": "pg_catalog.lithuanian", "ne": "pg_catalog.nepali", "nl": "pg_catalog.dutch",
    "no": "pg_catalog.norwegian", "pt": "pg_catalog.portuguese", "ro": "pg_catalog.romanian",
    "ru": "pg_catalog.russian", "sv": "pg_catalog.swedish", "ta": "pg_catalog.tamil",
    "tr": "pg_catalog.turkish",
}  # fmt: skip


def words_of(post: sa.FromClause) -> sa.ColumnElement[TSVECTOR]:
    """SQL: the words of a post, as its language bends them. `post_words` is ours, in the schema."""
    of = post.c
    return sa.func.post_words(of.language, of.title, of.note, of.content, type_=TSVECTOR)


sa.Index(
    "ix_posts_words",
    words_of(posts),
    postgresql_using="gin",
    postgresql_where=sa.text("findable AND state = 'shown'"),
)


def _post_id() -> sa.Column[int]:
    return sa.Column(
        "post_id",
        sa.BigInteger,
        sa.ForeignKey(posts.c.id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )


post_tags = table(
    "post_tags",
    Side.PERSONA,
    sa.Column("tag", sa.Text, primary_key=True),  # folded, without its sign
    _post_id(),
    sa.Index("ix_post_tags_post_id", "post_id"),
)

attachments = table(
    "attachments",
    Side.PERSONA,
    _post_id(),
    sa.Column("position", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("remote_url", sa.Text),  # where it is on its own server
    sa.Column("media_id", sa.Uuid),  # or which of our own files it is
    sa.Column("alt", sa.Text, nullable=False, server_default=""),  # plain text
    sa.Column("media_type", sa.Text, nullable=False, server_default=""),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("blurhash", sa.Text, nullable=False, server_default=""),
    one_of("kind", "kind", AttachmentKind),
    sa.Index(
        "ix_attachments_media_id", "media_id", postgresql_where=sa.text("media_id IS NOT NULL")
    ),
)

polls = table(
    "polls",
    Side.PERSONA,
    _post_id(),
    sa.Column("several", sa.Boolean, nullable=False),  # more than one answer may be chosen
    sa.Column("ends", sa.DateTime(timezone=True)),  # to the minute
    sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("voters", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due", sa.DateTime(timezone=True)),  # when other servers are told the counts
    sa.Index("ix_polls_due", "due", postgresql_where=sa.text("due IS NOT NULL")),
    sa.Index("ix_polls_ends", "ends", postgresql_where=sa.text("NOT closed")),
)

poll_options = table(
    "poll_options",
    Side.PERSONA,
    _post_id(),
    sa.Column("position", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("votes", sa.Integer, nullable=False, server_default="0"),
)

poll_votes = table(  # only while the poll is open, so that nobody is counted twice
    "poll_votes",
    Side.PERSONA,
    _post_id(),
    sa.Column("actor_uri", sa.Text, primary_key=True),
    sa.Column("position", sa.SmallInteger, primary_key=True, autoincrement=False),
)

post_edits = table(  # what a post said before, for the moderators of its group
    "post_edits",
    Side.PERSONA,
    _post_id(),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),  # HTML; sanitise to show
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("keep_until", sa.Date, nullable=False),
    sa.Index("ix_post_edits_keep_until", "keep_until"),
)
