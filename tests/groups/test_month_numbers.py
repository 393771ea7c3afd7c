"""The numbers of a month: rounded, and none that is small (DOM-H6)."""

from datetime import date

from groups.month_numbers import rounded
from resources import crisis


def test_dom_H6_numbers_are_rounded_to_five_and_none_is_below_ten() -> None:
    assert [rounded(each) for each in (None, 0, 9)] == [None, None, None]
    assert [rounded(each) for each in (10, 12, 13, 17, 18, 1002)] == [10, 10, 15, 15, 20, 1000]


def test_dom_H6_lines_that_nobody_looked_at_for_a_year_are_counted() -> None:
    late, all_of_them = crisis.overdue(date(2099, 1, 1))
    assert late == all_of_them > 50
    assert crisis.overdue(date(2026, 7, 1))[0] < all_of_them
