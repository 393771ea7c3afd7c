"""What a persona is told: somebody answered it, a desk decided about a post of its."""

from enum import StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table
from kernel.schema.posts import posts


class NoticeKind(StrEnum):
    ANSWER = "answer"  # its post answers one of the persona's
    MENTION = "mention"  # its post names the persona
    HEARD = "heard"  # of the persona's own post; who heard it stands in `reactions` alone
    HELD = "held"  # a moderator reads the persona's post first: it may tell how harm is done
    RELEASED = "released"  # a moderator read it, and now it is shown
    REMOVED = "removed"
    RESTORED = "restored"
    ALLOWED = "allowed"  # the author elsewhere whom it answers lets it stand
    DECLINED = "declined"
    JOINED = "joined"  # the group let the persona in
    REFUSED = "refused"
    ENDED = "ended"  # the group let the persona go
    UNSENT = "unsent"  # a post of the persona's did not go out; it has the words
    POLL = "poll"  # the persona's own poll is over
    MESSAGE = "message"  # somebody wrote to it; who, stands where the group does elsewhere
    ASKS = "asks"  # somebody would like to
    AGREED = "agreed"  # somebody would like to be written to
    AWAY = "away"  # a group asked the persona to stay away
    BACK = "back"  # and now it may come back
    LIMITED = "limited"  # for a while a moderator reads first what it posts
    UNLIMITED = "unlimited"
    WORD = "word"  # moderators would like something to be otherwise
    LABELLED = "labelled"  # moderators gave a post of the persona's a label
    APPEAL = "appeal"  # somebody looked again at what was decided
    LINES = "lines"  # who is there for the persona, day and night: somebody thinks of it
    THOUGHT = "thought"  # somebody read its words and thinks of it
    HANDED = "handed"  # a service outside was asked to help
    STOPPED = "stopped"  # its member does nothing here for a while
    GOES_ON = "resumed"  # and now they can again
    NEAR = "near"  # something hard happened in a thread where it wrote: help is there
    MOVED = "moved"  # a group of the persona's goes on at another place
    READ_AGAIN = "reread"  # a moderator took its shown post out of sight, to read it in peace
    HOLD_OVER = "over"  # what held its post is over, and nobody had to read it


notices = table(
    "notices",
    Side.PERSONA,
    sa.Column(
        "persona_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),  # tells the minute
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("post_id", sa.BigInteger, sa.ForeignKey(posts.c.id, ondelete="CASCADE")),
    sa.Column("group_id", sa.Uuid),  # or whom it is about, where it is about no post
    sa.Column("decision_id", sa.BigInteger),  # the row in `audit`, where moderators decided it
    one_of("kind", "kind", NoticeKind),
    sa.Index("ix_notices_id", "id"),
    sa.Index(
        "ix_notices_post_id_persona_id_kind",
        "post_id",
        "persona_id",
        "kind",
        postgresql_where=sa.text("post_id IS NOT NULL"),
    ),
)
