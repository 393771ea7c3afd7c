"""What is asked about domains at every step is looked up, however many were decided about."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from moderation import domains, policy
from tests.plans.conftest import Asking

pytestmark = pytest.mark.slow


async def test_sec_S20_ten_thousand_domains_are_looked_up_by_name(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        await conn.execute(
            sa.text(
                "INSERT INTO domain_blocks SELECT 'n' || n || '.example'"
                " FROM generate_series(1, 10000) AS n"
            )
        )
        await conn.execute(
            sa.text(
                "INSERT INTO domain_policies (domain, source, held, level, reject_media,"
                " reject_reports, day, in_force) SELECT 'n' || n || '.example', '', false,"
                " 'reject', false, false, '2026-01-01', true FROM generate_series(1, 10000) AS n"
            )
        )
    async with engine.connect() as conn:
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(sa.text("ANALYZE domain_blocks, domain_policies"))

    async def work(conn: AsyncConnection) -> None:
        await domains.is_blocked(conn, "a.b.example")
        await policy.of_host(conn, "a.b.example")

    blocked, found = await Asking(engine).plans(work)
    assert "pk_domain_blocks" in blocked.indexes
    assert "ix_domain_policies_in_force" in found.indexes
    assert not blocked.scanned | found.scanned
