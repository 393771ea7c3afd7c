"""DESIGN-V1 for a series of daily dumps, at a reduced size: `make attack` plays it whole."""

import asyncio

import pytest

from kernel.postgres import Server
from tests.privacy import series, table
from tests.privacy.game import SURE, Report
from tests.privacy.series import FOLLOWED, PATIENCE, Month, Series
from tests.privacy.stage import set_up

pytestmark = pytest.mark.slow

MOMENTS = (9, 19, 29)


@pytest.fixture(scope="module")
def stolen(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Series:
    async def through() -> Series:
        async with set_up(postgres, tmp_path_factory.mktemp("node")) as stage:
            return await series.build(stage, Month())

    return asyncio.run(through())


@pytest.fixture(scope="module")
def report(stolen: Series) -> Report:
    return series.play(stolen.days, MOMENTS)


def test_v1_no_value_of_an_account_outlives_a_night(stolen: Series) -> None:
    assert len(stolen.days) == 30
    assert all(world.dump.tables[name].rows for world in stolen.days[9:] for name in FOLLOWED)
    assert series.kept_values(stolen.days) == []


def test_v1_a_night_that_was_left_out_is_found(stolen: Series) -> None:
    found = series.kept_values([stolen.days[-1], stolen.unveiled])
    assert {"accounts.id", "accounts.salt", "accounts.blob", "sessions.tag"} <= set(found)


@pytest.mark.parametrize("name", FOLLOWED)
def test_v1_the_order_of_one_day_says_nothing_of_the_next(stolen: Series, name: str) -> None:
    assert abs(series.order_agrees(stolen.days, name)) < PATIENCE
    kept = series.with_an_order_that_stays(stolen.days)
    assert series.order_agrees(kept, name) > PATIENCE


def test_v1_what_came_and_went_in_a_month_of_dumps_names_nobody(report: Report) -> None:
    assert {name.partition(" ")[0] for name in report.trained} == {
        f"{name}_followed" for name in FOLLOWED
    }
    assert len(report.results) > 50
    assert report.leaks == [], "\n".join(table.lines(report, []))


def test_v1_a_value_that_stays_is_found_by_following_it(stolen: Series) -> None:
    leaking = series.play(series.with_a_stable_value(stolen.days), MOMENTS[1:])
    sure = {name for name, p in leaking.corrected.items() if p < SURE}
    told = "\n".join(table.lines(leaking, []))
    assert any("accounts_followed.first" in name for name in sure), told
