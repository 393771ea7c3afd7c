"""What is asked of the log of decisions and of appeals walks along indexes, a page at a time."""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from groups import aftercare, month_numbers, stopping
from kernel.ids import LAST_ID, random_uuid
from moderation import appeals, audit, chain, counts, outcomes
from tests.plans.conftest import LARGE, Asking, Seeded


async def test_a_page_of_the_log_is_a_step_along_an_index(asking: Asking) -> None:
    one = random_uuid()

    async def work(conn: AsyncConnection) -> None:
        await audit.of_group(conn, one, before=LAST_ID)
        await audit.of_group(conn, one, verb="ban", before=LAST_ID)
        await audit.of_node(conn)
        await audit.of_person(conn, one, limit=20)
        await outcomes.of_origin(conn, "http://a.test", today=date(2026, 1, 1), page=2)
        await chain.head(conn)
        await conn.execute(chain._LINES, {"after": 5})

    plans = await asking.plans(work)
    assert not any(plan.scanned & LARGE for plan in plans)
    assert not any(plan.sorted for plan in plans)
    expected = (
        "ix_audit_chain_group_id_seq", "ix_audit_chain_group_id_verb_seq",
        "ix_audit_chain_of_node", "ix_audit_person_id_id", "ix_audit_basis", "pk_audit_chain",
        "pk_audit_chain",
    )  # fmt: skip
    for plan, index in zip(plans, expected, strict=True):
        assert index in plan.indexes, plan.statement


async def test_what_waits_for_a_second_look_and_how_it_went_so_far(
    asking: Asking, seeded: Seeded
) -> None:
    one, here = random_uuid(), seeded.here

    async def work(conn: AsyncConnection) -> None:
        await appeals.of_group(conn, here, one)
        await appeals.of(conn, here, 0)
        await counts.of_person(conn, here, one, one)
        await counts.by_month(conn, here, one)
        await audit.followed(conn, [1, 2, 3])

    plans = await asking.plans(work)
    assert not any(plan.scanned & LARGE for plan in plans)
    assert "ix_appeals_group_id_state_decision_id" in plans[0].indexes
    assert not plans[0].sorted
    assert {"pk_audit", "ix_audit_person_id_id"} <= set(plans[-1].indexes), plans[-1].statement


async def test_who_is_stopped_and_how_a_month_went(asking: Asking) -> None:
    one = random_uuid()

    async def work(conn: AsyncConnection) -> None:
        await audit.removed_by(conn, one, "http://a.test/p/1")
        await stopping.stopped(conn, after=one)
        await conn.execute(month_numbers._POSTS, {"first": 0, "last": 1})
        await aftercare.ended(conn, one, date(2026, 1, 1))

    plans = await asking.plans(work)
    expected = ("ix_audit_person_id_id", "ix_actors_suspended", "pk_posts", "ix_audit_chain")
    for plan, index in zip(plans, expected, strict=True):
        assert not plan.scanned & LARGE, plan.statement
        assert any(each.startswith(index) for each in plan.indexes), plan.statement
