"""Crisis lines say what the table says, digit for digit (DOM-D3)."""

import csv
from importlib.resources import files

import pytest

from resources import crisis
from resources.crisis import Contact


def test_every_row_of_the_table_is_there_as_published() -> None:
    table = files("resources").joinpath("data/crisis_lines.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    lines = [line for country in crisis.countries().values() for line in country.lines]
    assert len(lines) == len(rows)
    for row in rows:
        found = [
            line for line in lines if (line.country, line.name) == (row["country"], row["name"])
        ]
        assert len(found) == 1, row["name"]
        assert "; ".join(each.text for each in found[0].phone) == row["phone"]
        assert "; ".join(each.text for each in found[0].sms) == row["sms"]
        assert found[0].hours == row["hours"]
        assert found[0].checked == row["checked"]


@pytest.mark.parametrize(
    ("published", "dial"),
    [
        ("116 123", "116123"),
        ("0800-0113", "08000113"),
        ("*4141", "*4141"),
        ("+254 722 178 177", "+254722178177"),
        ("3114", "3114"),
        ("119 ext. 8", ""),
        ("113 (option 5)", ""),
        ("*4141 (from mobile phones)", ""),
        ("text HOME to 741741", ""),
        ("WhatsApp 9151 1767", ""),
    ],
)
def test_only_a_bare_number_is_dialled(published: str, dial: str) -> None:
    contact = Contact.of(published)
    assert (contact.text, contact.dial) == (published, dial)


def test_every_country_has_a_name_and_says_what_to_do_now() -> None:
    for code, country in crisis.countries().items():
        assert country.name
        assert country.name != code
        assert country.emergency.endswith(" now.")
    assert "call 112" in crisis.emergency("IE")
    assert "your country" in crisis.emergency("KE")
    assert "your country" in crisis.emergency()


@pytest.mark.parametrize(
    ("header", "country"),
    [
        ("en-GB,en;q=0.9", "GB"),
        ("en,de-AT;q=0.7", "AT"),
        ("zh-Hant-TW", "TW"),
        ("de", ""),
        ("", ""),
        ("en-XX", ""),
        ("*", ""),
        ("-" * 500, ""),
    ],
)
def test_the_country_is_only_guessed_from_a_language(header: str, country: str) -> None:
    assert crisis.guess(header) == country
