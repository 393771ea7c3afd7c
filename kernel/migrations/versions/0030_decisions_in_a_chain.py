"""What is decided is chained by the database itself; appeals, limits, and notices that explain."""

import hashlib
import json
import os

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_STEP = 1_000
_EARLIER = (
    "'answer', 'mention', 'heard', 'released', 'removed', 'restored', 'allowed', 'declined', "
    "'joined', 'refused', 'ended', 'unsent', 'poll', 'message', 'asks', 'agreed'"
)
_NEW = "'away', 'back', 'limited', 'unlimited', 'word', 'appeal'"

# The line is what RFC 8785 (JCS) makes of it: names in order, and JSON as PostgreSQL writes it.
# The lock is taken when a decision commits, after every other one, so nobody waits in a circle.
# A row that has its line, since both came out of a backup, gets no second one.
_CHAIN = """
CREATE FUNCTION audit_is_chained() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
    earlier bytea;
    line text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_chain'));
    IF EXISTS (SELECT FROM audit_chain WHERE audit_chain.id = NEW.id) THEN
        RETURN NULL;
    END IF;
    SELECT seq, hash INTO number, earlier FROM audit_chain ORDER BY seq DESC LIMIT 1;
    number := coalesce(number, 0) + 1;
    earlier := coalesce(earlier, decode(repeat('00', 32), 'hex'));
    line := '{"day":"' || to_char(NEW.day, 'YYYY-MM-DD')
        || '","details":"' || encode(NEW.details, 'hex')
        || '","group":"' || coalesce(NEW.group_id::text, '')
        || '","id":' || NEW.id
        || ',"role":' || to_json(NEW.role)
        || ',"seq":' || number
        || ',"verb":' || to_json(NEW.verb) || '}';
    INSERT INTO audit_chain (seq, id, group_id, role, verb, day, details, hash)
    VALUES (number, NEW.id, NEW.group_id, NEW.role, NEW.verb, NEW.day, NEW.details,
            sha256(earlier || convert_to(line, 'UTF8')));
    RETURN NULL;
END $$
"""
_STAYS = """
CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        IF NOT EXISTS (SELECT FROM audit) AND NOT EXISTS (SELECT FROM audit_chain) THEN
            RETURN NULL;
        END IF;
    END IF;
    RAISE EXCEPTION 'what was decided is not changed' USING ERRCODE = 'restrict_violation';
END $$
"""
_TRIGGERS = (
    """CREATE CONSTRAINT TRIGGER audit_is_chained AFTER INSERT ON audit
       DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_is_chained()""",
    """CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
       FOR EACH ROW EXECUTE FUNCTION audit_stays()""",
    """CREATE TRIGGER audit_is_kept BEFORE TRUNCATE ON audit
       FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()""",
    """CREATE TRIGGER audit_chain_stays BEFORE UPDATE OR DELETE ON audit_chain
       FOR EACH ROW EXECUTE FUNCTION audit_stays()""",
    """CREATE TRIGGER audit_chain_is_kept BEFORE TRUNCATE ON audit_chain
       FOR EACH STATEMENT EXECUTE FUNCTION audit_stays()""",
)


def upgrade() -> None:
    _widen()
    _new_tables()
    _notices(f"{_EARLIER}, {_NEW}")
    op.add_column("notices", sa.Column("decision_id", sa.BigInteger()))
    _chain_what_is_there(op.get_bind())
    for statement in (_CHAIN, _STAYS, *_TRIGGERS):
        op.execute(statement)


def _widen() -> None:
    for column in (
        sa.Column("role", sa.Text(), nullable=False, server_default="group"),
        sa.Column("person_id", sa.Uuid()),
        sa.Column("rule", sa.Text(), nullable=False, server_default=""),
        sa.Column("until", sa.Date()),
        sa.Column("basis", postgresql.ARRAY(sa.Text()), nullable=False, server_default="{}"),
        sa.Column("impact", postgresql.JSONB()),
        sa.Column("before", postgresql.JSONB()),
        sa.Column("after", postgresql.JSONB()),
        sa.Column("undo", sa.Text(), nullable=False, server_default=""),
        sa.Column("salt", sa.LargeBinary(32), nullable=False, server_default=""),
        sa.Column("details", sa.LargeBinary(32), nullable=False, server_default=""),
    ):
        op.add_column("audit", column)
    op.create_check_constraint(
        op.f("ck_audit_role"), "audit", "role IN ('group', 'node', 'administrator')"
    )
    op.execute("UPDATE audit SET role = 'administrator' WHERE group_id IS NULL")
    op.execute(
        "UPDATE audit SET person_id = coalesce("
        "(SELECT actors.id FROM actors WHERE actors.uri = audit.object_uri AND kind = 'Person'),"
        " (SELECT posts.author_id FROM posts WHERE posts.uri = audit.object_uri))"
    )
    op.create_index(
        "ix_audit_person_id_id",
        "audit",
        ["person_id", "id"],
        postgresql_where=sa.text("person_id IS NOT NULL"),
    )
    op.create_index("ix_audit_basis", "audit", ["id"], postgresql_where=sa.text("basis <> '{}'"))


def _new_tables() -> None:
    op.create_table(
        "audit_chain",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("group_id", sa.Uuid()),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("details", sa.LargeBinary(32), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_chain")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_chain_id")),
    )
    op.create_index("ix_audit_chain_group_id_seq", "audit_chain", ["group_id", "seq"])
    op.create_index("ix_audit_chain_group_id_verb_seq", "audit_chain", ["group_id", "verb", "seq"])
    op.create_index("ix_audit_chain_group_id_day", "audit_chain", ["group_id", "day"])
    op.create_index("ix_audit_chain_day", "audit_chain", ["day"])
    op.create_index(
        "ix_audit_chain_of_node",
        "audit_chain",
        ["seq"],
        postgresql_where=sa.text("role <> 'group'"),
    )
    op.create_table(
        "audit_marks",
        sa.Column("decision_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mark", sa.LargeBinary(32), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_audit_marks")),
    )
    op.create_index("ix_audit_marks_until", "audit_marks", ["until"])
    op.create_table(
        "limits",
        sa.Column("group_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "actor_id", name=op.f("pk_limits")),
        _actor("limits", "group_id"),
        _actor("limits", "actor_id"),
    )
    op.create_index("ix_limits_actor_id", "limits", ["actor_id"])
    op.create_table(
        "appeals",
        sa.Column("decision_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.Uuid()),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("uri", sa.Text()),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_appeals")),
        sa.UniqueConstraint("uri", name=op.f("uq_appeals_uri")),
        sa.CheckConstraint("state IN ('open', 'upheld', 'changed')", name=op.f("ck_appeals_state")),
        _actor("appeals", "group_id"),
        _actor("appeals", "person_id"),
    )
    op.create_index(
        "ix_appeals_group_id_state_decision_id", "appeals", ["group_id", "state", "decision_id"]
    )
    op.create_index("ix_appeals_person_id", "appeals", ["person_id"])


def _actor(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["actors.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE"
    )


def _notices(kinds: str) -> None:
    op.drop_constraint(op.f("ck_notices_kind"), "notices", type_="check")
    op.create_check_constraint(op.f("ck_notices_kind"), "notices", f"kind IN ({kinds})")


def _chain_what_is_there(bind: sa.Connection) -> None:
    """Earlier decisions, in the order in which they were noted."""
    last, number, earlier = 0, 0, bytes(32)
    rows_after = sa.text(
        "SELECT id, group_id, actor_id, role, verb, object_uri, reason, day FROM audit"
        " WHERE id > :last ORDER BY id LIMIT :step"
    )
    seal = sa.text("UPDATE audit SET salt = :salt, details = :details WHERE id = :id")
    chain = sa.text(
        "INSERT INTO audit_chain (seq, id, group_id, role, verb, day, details, hash)"
        " VALUES (:seq, :id, :group_id, :role, :verb, :day, :details, :hash)"
    ).bindparams(sa.bindparam("group_id", type_=sa.Uuid()))
    while rows := bind.execute(rows_after, {"last": last, "step": _STEP}).all():
        sealed, lines = [], []
        for row in rows:
            number += 1
            salt = os.urandom(32)
            details = hashlib.sha256(salt + _says(row)).digest()
            line = {
                "day": row.day.isoformat(),
                "details": details.hex(),
                "group": str(row.group_id or ""),
                "id": row.id,
                "role": row.role,
                "seq": number,
                "verb": row.verb,
            }
            earlier = hashlib.sha256(earlier + _canonical(line)).digest()
            sealed.append({"id": row.id, "salt": salt, "details": details})
            lines.append(
                {
                    "seq": number,
                    "id": row.id,
                    "group_id": row.group_id,
                    "role": row.role,
                    "verb": row.verb,
                    "day": row.day,
                    "details": details,
                    "hash": earlier,
                }
            )
            last = row.id
        bind.execute(seal, sealed)
        bind.execute(chain, lines)


def _says(row: sa.Row[tuple[object, ...]]) -> bytes:
    return _canonical(
        {
            "about": row.object_uri,
            "actor": str(row.actor_id),
            "after": None,
            "basis": [],
            "before": None,
            "impact": None,
            "reason": row.reason,
            "rule": "",
            "undo": "",
            "until": "",
        }
    )


def _canonical(value: dict[str, object]) -> bytes:
    """What RFC 8785 makes of it: the names are ASCII, and no number has a fraction."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def downgrade() -> None:
    for table in ("audit", "audit_chain"):
        kept = "audit_is_kept" if table == "audit" else "audit_chain_is_kept"
        stays = "audit_stays" if table == "audit" else "audit_chain_stays"
        op.execute(f"DROP TRIGGER {kept} ON {table}")
        op.execute(f"DROP TRIGGER {stays} ON {table}")
    op.execute("DROP TRIGGER audit_is_chained ON audit")
    op.execute("DROP FUNCTION audit_is_chained()")
    op.execute("DROP FUNCTION audit_stays()")
    for table in ("appeals", "limits", "audit_marks", "audit_chain"):
        op.drop_table(table)
    op.execute(f"DELETE FROM notices WHERE kind IN ({_NEW})")  # noqa: S608
    op.drop_column("notices", "decision_id")
    _notices(_EARLIER)
    op.drop_index("ix_audit_person_id_id", "audit")
    op.drop_index("ix_audit_basis", "audit")
    op.drop_constraint(op.f("ck_audit_role"), "audit", type_="check")
    for column in (
        "role", "person_id", "rule", "until", "basis", "impact", "before", "after", "undo",
        "salt", "details",
    ):  # fmt: skip
        op.drop_column("audit", column)
