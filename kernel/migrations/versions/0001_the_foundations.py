"""The foundations: accounts, actors, groups, posts, federation, moderation."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.LargeBinary(length=32), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column("verifier", sa.LargeBinary(length=32), nullable=False),
        sa.Column("wrapped_root", sa.LargeBinary(length=64), nullable=False),
        sa.Column("recovery_verifier", sa.LargeBinary(length=32), nullable=False),
        sa.Column("recovery_root", sa.LargeBinary(length=64), nullable=False),
        sa.Column("blob", sa.LargeBinary(length=16444), nullable=False),
        sa.Column("request", sa.LargeBinary(length=2076), nullable=False),
        sa.Column("state", sa.LargeBinary(length=44), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("login", name=op.f("uq_accounts_login")),
    )
    op.create_table(
        "activities",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("actor_uri", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_uri", sa.Text(), nullable=False),
        sa.Column("thread_id", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_activities")),
    )
    op.create_index(
        "ix_activities_actor_uri", "activities", ["actor_uri", "kind", "thread_id"], unique=False
    )
    op.create_index("ix_activities_day", "activities", ["day"], unique=False)
    op.create_index(
        "ix_activities_object_uri", "activities", ["object_uri", "kind", "actor_uri"], unique=False
    )
    op.create_table(
        "actors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("local", sa.Boolean(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("shared_inbox", sa.Text(), nullable=True),
        sa.Column("followers_uri", sa.Text(), nullable=True),
        sa.Column("moderators_uri", sa.Text(), nullable=True),
        sa.Column("locked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("ed25519", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("closes_on", sa.Date(), nullable=True),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('Person', 'Group', 'Service', 'Application', 'Organization')",
            name=op.f("ck_actors_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('active', 'suspended', 'closed')", name=op.f("ck_actors_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actors")),
        sa.UniqueConstraint("uri", name=op.f("uq_actors_uri")),
    )
    op.create_index(
        "ix_actors_closes_on",
        "actors",
        ["closes_on"],
        unique=False,
        postgresql_where=sa.text("closes_on IS NOT NULL"),
    )
    op.create_index(
        "ix_actors_host_handle",
        "actors",
        ["host", sa.literal_column("lower(handle)")],
        unique=False,
    )
    op.create_index("ix_actors_key_id", "actors", ["key_id"], unique=False)
    op.create_index(
        "uq_actors_local_handle",
        "actors",
        [sa.literal_column("lower(handle)")],
        unique=True,
        postgresql_where=sa.text("local"),
    )
    op.create_table(
        "departures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(length=52), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departures")),
    )
    op.create_table(
        "domain_blocks",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_domain_blocks")),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.Column("grants", sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
    )
    op.create_table(
        "node",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("settled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("about", sa.Text(), server_default="", nullable=False),
        sa.Column("contact", sa.Text(), server_default="", nullable=False),
        sa.Column("country", sa.Text(), server_default="", nullable=False),
        sa.Column("languages", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("sign_up", sa.Text(), server_default="closed", nullable=False),
        sa.Column("crisis_policy", sa.Text(), server_default="", nullable=False),
        sa.Column("people", sa.Integer(), server_default="0", nullable=False),
        sa.Column("counted", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "sign_up IN ('open', 'approval', 'invitation', 'closed')", name=op.f("ck_node_sign_up")
        ),
        sa.CheckConstraint("one", name=op.f("ck_node_only_one")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_node")),
    )
    op.create_table(
        "peers",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("software", sa.Text(), server_default="", nullable=False),
        sa.Column("wrapped", sa.Boolean(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("refusal", sa.Text(), server_default="", nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_peers")),
    )
    op.create_table(
        "received",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("activity_uri", sa.Text(), nullable=False),
        sa.Column("signer_uri", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), server_default="new", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "state IN ('new', 'done', 'refused', 'parked')", name=op.f("ck_received_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_received")),
        sa.UniqueConstraint("origin", "activity_uri", name=op.f("uq_received_origin_activity_uri")),
    )
    op.create_index("ix_received_day", "received", ["day"], unique=False)
    op.create_index(
        "ix_received_next_attempt",
        "received",
        ["next_attempt", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'new'"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(length=112), nullable=False),
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.Column("expires", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_tag"), "sessions", ["tag"], unique=False)
    op.create_table(
        "tombstones",
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("uri", name=op.f("pk_tombstones")),
    )
    op.create_table(
        "actor_keys",
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_actor_keys_actor_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("actor_id", name=op.f("pk_actor_keys")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("object_uri", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["actors.id"], name=op.f("fk_audit_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_group_id_id", "audit", ["group_id", "id"], unique=False)
    op.create_table(
        "bans",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_bans_actor_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["actors.id"], name=op.f("fk_bans_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "actor_id", name=op.f("pk_bans")),
    )
    op.create_index("ix_bans_actor_id", "bans", ["actor_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("inbox", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("activity_uri", sa.Text(), nullable=False),
        sa.Column("signer_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("parked", sa.Text(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_uri"],
            ["activities.uri"],
            name=op.f("fk_deliveries_activity_uri"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["host"], ["peers.host"], name=op.f("fk_deliveries_host")),
        sa.ForeignKeyConstraint(["signer_id"], ["actors.id"], name=op.f("fk_deliveries_signer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("activity_uri", "inbox", name=op.f("uq_deliveries_activity_uri_inbox")),
    )
    op.create_index(
        "ix_deliveries_host_id",
        "deliveries",
        ["host", "id"],
        unique=False,
        postgresql_where=sa.text("parked IS NULL"),
    )
    op.create_table(
        "follows",
        sa.Column("follower_id", sa.Uuid(), nullable=False),
        sa.Column("followed_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("guidelines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("approved", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'accepted')", name=op.f("ck_follows_state")),
        sa.ForeignKeyConstraint(
            ["followed_id"], ["actors.id"], name=op.f("fk_follows_followed_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["follower_id"], ["actors.id"], name=op.f("fk_follows_follower_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("follower_id", "followed_id", name=op.f("pk_follows")),
    )
    op.create_index("ix_follows_followed_id", "follows", ["followed_id", "state"], unique=False)
    op.create_index("ix_follows_uri", "follows", ["uri"], unique=False)
    op.create_table(
        "groups",
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("desk_id", sa.Uuid(), nullable=False),
        sa.Column("sees", sa.Text(), nullable=False),
        sa.Column("posts", sa.Text(), nullable=False),
        sa.Column("joining", sa.Text(), nullable=False),
        sa.Column("premoderation", sa.Text(), nullable=False),
        sa.Column("one_voice", sa.Boolean(), nullable=False),
        sa.Column("one_time", sa.Boolean(), nullable=False),
        sa.Column("notes_required", sa.Boolean(), nullable=False),
        sa.Column("slow_minutes", sa.Integer(), nullable=False),
        sa.Column("languages", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("guidelines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accept_from", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "joining IN ('open', 'approval', 'invitation')", name=op.f("ck_groups_joining")
        ),
        sa.CheckConstraint(
            "posts IN ('anyone', 'members', 'approved')", name=op.f("ck_groups_posts")
        ),
        sa.CheckConstraint(
            "premoderation IN ('none', 'first', 'all')", name=op.f("ck_groups_premoderation")
        ),
        sa.CheckConstraint("sees IN ('everyone', 'members', 'node')", name=op.f("ck_groups_sees")),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_groups_actor_id")),
        sa.ForeignKeyConstraint(["desk_id"], ["actors.id"], name=op.f("fk_groups_desk_id")),
        sa.PrimaryKeyConstraint("actor_id", name=op.f("pk_groups")),
        sa.UniqueConstraint("desk_id", name=op.f("uq_groups_desk_id")),
    )
    op.create_table(
        "moderators",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["actors.id"], name=op.f("fk_moderators_actor_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["actors.id"], name=op.f("fk_moderators_group_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "actor_id", name=op.f("pk_moderators")),
    )
    op.create_index("ix_moderators_actor_id", "moderators", ["actor_id"], unique=False)
    op.create_table(
        "threads",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("locked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("latest_id", sa.BigInteger(), nullable=False),
        sa.Column("replies", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["actors.id"], name=op.f("fk_threads_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_threads")),
        sa.UniqueConstraint("uri", name=op.f("uq_threads_uri")),
    )
    op.create_index(
        "ix_threads_group_id_latest_id",
        "threads",
        ["group_id", "latest_id"],
        unique=False,
        postgresql_where=sa.text("shown"),
    )
    op.create_table(
        "group_invitations",
        sa.Column("id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["groups.actor_id"],
            name=op.f("fk_group_invitations_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_invitations")),
    )
    op.create_table(
        "guidelines",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["groups.actor_id"],
            name=op.f("fk_guidelines_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("group_id", "version", name=op.f("pk_guidelines")),
    )
    op.create_table(
        "posts",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("sensitive", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("language", sa.Text(), server_default="", nullable=False),
        sa.Column("published", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited", sa.DateTime(timezone=True), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('held', 'shown', 'removed', 'deleted')", name=op.f("ck_posts_state")
        ),
        sa.ForeignKeyConstraint(["author_id"], ["actors.id"], name=op.f("fk_posts_author_id")),
        sa.ForeignKeyConstraint(["group_id"], ["actors.id"], name=op.f("fk_posts_group_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["posts.id"], name=op.f("fk_posts_parent_id")),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name=op.f("fk_posts_thread_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sa.UniqueConstraint("uri", name=op.f("uq_posts_uri")),
    )
    op.create_index("ix_posts_author_id_id", "posts", ["author_id", "id"], unique=False)
    op.create_index(
        "ix_posts_held",
        "posts",
        ["group_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index("ix_posts_parent_id", "posts", ["parent_id"], unique=False)
    op.create_index("ix_posts_thread_id_id", "posts", ["thread_id", "id"], unique=False)
    op.create_table(
        "reactions",
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor_uri", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('like', 'dislike', 'share')", name=op.f("ck_reactions_kind")),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_reactions_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", "kind", "actor_uri", name=op.f("pk_reactions")),
    )
    op.create_index("ix_reactions_uri", "reactions", ["uri"], unique=False)
