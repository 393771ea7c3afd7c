"""What came, what goes, and to whom (DESIGN decision 3)."""

from enum import IntEnum, StrEnum

import sqlalchemy as sa

from kernel.schema.actors import actors
from kernel.schema.base import Side, one_of, table


class ReceivedState(StrEnum):
    NEW = "new"
    DONE = "done"
    REFUSED = "refused"  # read, and not acted on; the reason says why
    PARKED = "parked"  # broke the handler too often; waits for a person


class Scheme(StrEnum):
    """How a request is signed; the last two are both RFC 9421."""

    CAVAGE = "cavage"  # draft-cavage, with RSA: what everybody reads
    RFC9421 = "rfc9421"  # with RSA
    ED25519 = "ed25519"


class Rank(IntEnum):
    """When a delivery has its turn among those that wait for the same server."""

    FIRST = 0  # deletes, removals and bans
    IN_ORDER = 1
    VOTE = 2  # after everything else, and for two days only


class Errand(StrEnum):
    """What is to be read at another server (`inbox/due.py`)."""

    CATCH_UP = "catch up"  # what a group told while one of the two was away
    FOLLOWERS = "followers"  # who of ours follows an actor, as its server has it


activities = table(
    "activities",
    Side.PERSONA,
    sa.Column("uri", sa.Text, primary_key=True),
    sa.Column("actor_uri", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("object_uri", sa.Text, nullable=False),
    sa.Column("thread_id", sa.BigInteger),
    sa.Column("body", sa.Text, nullable=False),  # verbatim JSON (WIRE-G10); blank once deleted
    sa.Column("public", sa.Boolean, nullable=False),
    sa.Column("month", sa.Date, nullable=False),  # a day would tell when somebody joined
    sa.Column(  # it carries a proof that others can pass on; also once its text is gone
        "proven", sa.Boolean, nullable=False, server_default=sa.false()
    ),
    sa.Index("ix_activities_object_uri", "object_uri", "kind", "actor_uri"),
    sa.Index("ix_activities_actor_uri", "actor_uri", "kind", "thread_id"),
    sa.Index("ix_activities_month", "month"),
    sa.Index("ix_activities_private", "kind", postgresql_where=sa.text("NOT public")),
)

received = table(
    "received",
    Side.NEITHER,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("origin", sa.Text, nullable=False),  # of the signer: nobody occupies another's id
    sa.Column("activity_uri", sa.Text, nullable=False),
    sa.Column("signer_uri", sa.Text, nullable=False),  # owner of the key that signed
    sa.Column("body", sa.LargeBinary),  # as it came; gone once processed
    sa.Column("state", sa.Text, nullable=False, server_default=ReceivedState.NEW.value),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_attempt", sa.DateTime(timezone=True), nullable=False),
    sa.Column(
        "leased_until", sa.DateTime(timezone=True)
    ),  # in no index: a claim is written in place
    sa.Column("lease", sa.Uuid),
    sa.Column(
        "plain", sa.Boolean, nullable=False
    ),  # an answer that may need nothing from elsewhere
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("day", sa.Date, nullable=False),
    one_of("state", "state", ReceivedState),
    sa.UniqueConstraint("origin", "activity_uri"),
    sa.Index(
        "ix_received_due", "plain", "next_attempt", "id", postgresql_where=sa.text("state = 'new'")
    ),
    sa.Index("ix_received_signer", "signer_uri", "id", postgresql_where=sa.text("state = 'new'")),
    sa.Index("ix_received_day", "day"),
)

peers = table(
    "peers",
    Side.NEITHER,
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("software", sa.Text, nullable=False, server_default=""),
    sa.Column("wrapped", sa.Boolean),  # speaks FEP-1b12; null: not known yet
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_attempt", sa.DateTime(timezone=True), nullable=False),
    sa.Column("leased_until", sa.DateTime(timezone=True)),
    sa.Column("lease", sa.Uuid),
    sa.Column("refusal", sa.Text, nullable=False, server_default=""),  # the last one, for the admin
    sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("scheme", sa.Text),  # which signatures it reads; null: not known
    sa.Column("scheme_day", sa.Date),  # and since when (WIRE-S32)
    sa.Column("slowed", sa.Date),  # when it last brought more than a stranger may
    one_of("scheme", "scheme", Scheme),
)

deliveries = table(
    "deliveries",
    Side.PERSONA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("host", sa.Text, sa.ForeignKey(peers.c.host), nullable=False),
    sa.Column("inbox", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),  # order holds inside (host, lane)
    sa.Column(
        "activity_uri", sa.Text, sa.ForeignKey(activities.c.uri, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("signer_id", sa.Uuid, sa.ForeignKey(actors.c.id), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("parked", sa.Text),  # why it is not tried; see `activitypub.outbox.ASIDE`
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("rank", sa.SmallInteger, nullable=False, server_default=str(Rank.IN_ORDER.value)),
    sa.UniqueConstraint("activity_uri", "inbox"),
    sa.Index(
        "ix_deliveries_host_rank_id",
        "host",
        "rank",
        "id",
        postgresql_where=sa.text("parked IS NULL"),
    ),
    sa.Index("ix_deliveries_parked", "host", postgresql_where=sa.text("parked IS NOT NULL")),
)

receipts = table(
    "receipts",  # which servers a persona's last word went to, and what came of it (DOM-I4)
    Side.PERSONA,
    sa.Column("delivery_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column(
        "persona_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), nullable=False
    ),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("refused", sa.SmallInteger),  # with which status; null: waits, or was taken
    sa.Column("until", sa.Date, nullable=False),  # then it is sent no more
    sa.Index("ix_receipts_persona_id_host", "persona_id", "host"),
    sa.Index("ix_receipts_until", "until"),
)

refusals = table(
    "refusals",  # the last few of each server, without a time: what it said may name a persona
    Side.PERSONA,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("host", sa.Text, sa.ForeignKey(peers.c.host, ondelete="CASCADE"), nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # of the activity; inside an Announce, of that one
    sa.Column("words", sa.Text, nullable=False),  # only what can quote no post
    sa.Index("ix_refusals_host_id", "host", "id"),
)

errands = table(
    "errands",
    Side.NEITHER,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column(
        "actor_id", sa.Uuid, sa.ForeignKey(actors.c.id, ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("due", sa.DateTime(timezone=True), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("url", sa.Text, nullable=False, server_default=""),
    sa.Column("digest", sa.Text, nullable=False, server_default=""),
    one_of("kind", "kind", Errand),
)

tombstones = table(
    "tombstones",
    Side.NEITHER,
    sa.Column("uri", sa.Text, primary_key=True),  # a Delete that came first wins (WIRE 4.9)
    sa.Column("until", sa.Date, nullable=False),
)
