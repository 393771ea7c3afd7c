"""Words that say how to reach somebody are noticed before they are sent (DOM-A7)."""

import time

import pytest

from moderation import contacts
from moderation.contacts import Kind
from resources import crisis
from tests.groups.contact_lines import WITH, WITHOUT

KNOWN = crisis.numbers()


def test_nearly_all_contact_details_are_noticed() -> None:
    missed = [line for line in WITH if not contacts.find(line, KNOWN)]
    assert len(missed) <= 0.05 * len(WITH), missed


def test_hardly_anything_else_is() -> None:
    false = [line for line in WITHOUT if contacts.find(line, KNOWN)]
    assert len(false) <= 0.02 * len(WITHOUT), false


def test_there_are_enough_lines() -> None:
    assert len({*WITH, *WITHOUT}) >= 200


@pytest.mark.parametrize("number", sorted(KNOWN))
def test_a_number_of_help_may_be_shared(number: str) -> None:
    """Also where a cue for a number stands before it."""
    assert contacts.find(f"Call me, or better call {number}.", KNOWN) == []


def test_without_being_known_such_a_number_is_one() -> None:
    assert contacts.find("Sie haben 0800 111 0 111.")[0].kind is Kind.PHONE
    assert contacts.find("Sie haben 0800 111 0 111.", KNOWN) == []
    assert contacts.find("Sie haben +49 800 111 0 111.", KNOWN) == []


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("Ring 07700 900123 now", Kind.PHONE, "07700 900123"),
        ("it is owl@example.org, write", Kind.EMAIL, "owl@example.org"),
        ("so add me on  Discord", Kind.ACCOUNT, "add me on Discord"),
        ("at 14 Station Road", Kind.PLACE, "14 Station Road"),
        ("Hi, my name is Robin Sparrow", Kind.NAME, "my name is Robin Sparrow"),
    ],
)
def test_what_was_noticed_is_named(line: str, kind: Kind, words: str) -> None:
    assert contacts.find(line) == [contacts.Found(kind, words)]


def test_five_are_enough() -> None:
    many = " ".join(f"owl{number}@example.org" for number in range(40))
    assert len(contacts.find(many)) == contacts.MAX_FOUND


@pytest.mark.parametrize("burst", ["Via ", "Via Aa ", "Via de ", "A-", "Aa-", "1 ", "a@", "one "])
def test_long_words_cost_little(burst: str) -> None:
    """Sixty thousand letters of the worst kinds take a part of a second (SEC-D11)."""
    text = (burst * 30_000)[:60_000]
    begun = time.process_time()
    contacts.find(text)
    list(contacts.ways_out(text))
    assert time.process_time() - begun < 3
