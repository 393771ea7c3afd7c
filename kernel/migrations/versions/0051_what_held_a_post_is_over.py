"""A notice that what held a post is over, where nobody had to read it."""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

_KINDS = (
    "'answer', 'mention', 'heard', 'held', 'released', 'removed', 'restored', 'allowed', "
    "'declined', 'joined', 'refused', 'ended', 'unsent', 'poll', 'message', 'asks', 'agreed', "
    "'away', 'back', 'limited', 'unlimited', 'word', 'appeal', 'lines', 'thought', 'handed', "
    "'labelled', 'stopped', 'resumed', 'near', 'reread', 'moved'"
)


def upgrade() -> None:
    _check(f"{_KINDS}, 'over'")


def downgrade() -> None:
    op.execute("UPDATE notices SET kind = 'released' WHERE kind = 'over'")
    _check(_KINDS)


def _check(words: str) -> None:
    name = op.f("ck_notices_kind")
    op.drop_constraint(name, "notices", type_="check")
    op.create_check_constraint(name, "notices", f"kind IN ({words})")
