"""What counts as the same words under another name, and what is nobody's own (SEC-U22)."""

from uuid import UUID

import pytest

from groups import repeats

NAME = UUID(int=1)
LINES = frozenset({"116123"})


def found(said: str, *earlier: str, but: str = "") -> str | None:
    return repeats.find(said, {NAME: earlier}, but=[but], help_lines=LINES).get(NAME)


RUN = "the dog next door barks until four in the morning"


@pytest.mark.parametrize(
    ("said", "earlier"),
    [
        (f"Again: {RUN}, and I count.", f"I told you {RUN} every night."),
        (f"{RUN.upper()}!", f"So {RUN}."),
        ("The dog next\ndoor barks, until four\nin the morning.", RUN),
        ("Nobody ever asked me that before. Well.", "Hm. nobody ever asked me, that before!"),
        ("It’s all that I’ve left now.", "It's all that I've left now."),
        (f"> {RUN}\n\nNobody ever asked me that before.", "Nobody ever asked me that before."),
    ],
)
def test_sec_U22_eight_words_in_a_row_or_a_whole_sentence_are_a_repeat(
    said: str, earlier: str
) -> None:
    assert found(said, "Something else.", earlier) is not None


@pytest.mark.parametrize(
    ("said", "earlier"),
    [
        ("the dog next door barks until four today", RUN),  # seven, and no whole sentence
        ("I slept badly last night.", "I slept badly last night."),  # five
        (
            "Nobody ever asked me that before today.",
            "Nobody ever asked me that before. Today I did.",
        ),
        (f"> {RUN}\n\nI know that.", RUN),
        (f"You wrote “{RUN}”, and I know.", RUN),
        (f'You wrote "{RUN}", and I know.', RUN),
        (RUN, f"As ben said:\n> {RUN}"),
        (f"{RUN}, so I ring 116 123.", f"{RUN}, so I ring 116 123."),
        ("the dog next door\n\nbarks until four in the morning", RUN),
    ],
)
def test_sec_U22_less_is_none_and_neither_are_quotes_and_help_lines(
    said: str, earlier: str
) -> None:
    assert found(said, earlier) is None


def test_sec_U22_what_the_group_says_itself_is_nobodys() -> None:
    assert found(f"As it says: {RUN}.", RUN, but=f"Rules. {RUN}!") is None
    mine = "and I never told anybody about all of those nights"
    assert (
        found(f"{RUN} {mine}", f"{RUN}. {mine}", but=RUN) == "and I never told anybody about all of"
    )


def test_sec_U22_its_author_sees_the_words_and_each_name_once() -> None:
    other = UUID(int=2)
    earlier = {NAME: [RUN, RUN], other: ["Nothing of it."], UUID(int=3): [RUN]}
    same = repeats.find(f"Look, {RUN.capitalize()}.", earlier)
    assert same == dict.fromkeys((NAME, UUID(int=3)), "The dog next door barks until four in")


def test_sec_U22_odd_texts_are_compared_as_well() -> None:
    for piece in ("a ", ". ", "> ", "“", "„", ".", " ", "\n", "é", "a'", "眠れない。", '"', "1 "):
        odd = f"{piece * (5_000 // len(piece))}x"  # would take minutes, were it looked at twice
        assert repeats.find(odd, {NAME: [f"{'b ' * 2500}"]}, help_lines=LINES) == {}
        assert repeats.find("b " * 2500, {NAME: [odd]}) == {}
