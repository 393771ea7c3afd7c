"""Lists in the formats of others: read as they are meant, written so that nobody reads more."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Malformed, Problem, TooLarge
from kernel.schema.moderation import Level
from moderation.domains import Rule
from moderation.lists import reading, writing
from moderation.lists.entry import MAX_BYTES, MAX_ROWS, Entry, Format
from moderation.policy import Policy

ACCEPT, NOTE, FILTER, REJECT, DROP = (Policy(level) for level in Level)
MASTODON = "#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate\n"
PLAIN = "domain,severity,reject_media,reject_reports,private_comment,public_comment,obfuscate\n"


def policies(text: str) -> dict[str, Policy]:
    return {domain: entry.policy for domain, entry in reading.read(text.encode()).entries.items()}


def refused(text: str) -> list[tuple[int, str]]:
    return [(each.line, each.text) for each in reading.read(text.encode()).refused]


@pytest.mark.parametrize(
    "text",
    [
        f"[{','.join(['0'] * (MAX_ROWS + 1))}]",
        json.dumps({"blocks": {f"n{n}.example": {"isBlocked": False} for n in range(20_001)}}),
        json.dumps({"instances": [0] * (MAX_ROWS + 1)}),
        json.dumps({"type": "Collection", "orderedItems": [{"type": "Retraction"}] * 20_001}),
        MASTODON + "odd.example,x\n" * (MAX_ROWS + 1),
        "*.example\n" * (MAX_ROWS + 1),
    ],
    ids=["json", "rapidblock", "fediseer", "fires", "csv", "text"],
)
def test_mod_5_10_rows_that_are_not_taken_are_counted_too(text: str) -> None:
    with pytest.raises(TooLarge):
        reading.read(text.encode())


@pytest.mark.parametrize("text", ["x" * 200_000, f'#domain,"{"x" * 200_000}"'])
def test_mod_5_10_a_first_line_that_is_far_too_long_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="torn"):
        reading.read(text.encode())


def test_mod_3_1_mastodons_table() -> None:
    text = "\ufeff" + MASTODON + (
        "Bad.example,suspend,FALSE,False,words,true\n"
        "\n"
        "meh.example,silence,true,t,,false\n"
        "note.example,noop,1,false,,\n"
        "bare.example,,,,,\n"
        "odd.example,obliterate,,,,\n"
        "*.wild.example,suspend,,,,\n"
        "h****n.example,suspend,,,,true\n"
        "co.uk,suspend,,,,\n"
        "flag.example,silence,perhaps,,,\n"
        "ap.invalid,suspend,,,,\n"
        "trap.example,suspend,,,iftas:canary,\n"
        "comma.example,suspend,,,\"one, two\nthree\",\n"
    )  # fmt: skip
    listed = reading.read(text.encode())
    assert listed.format is Format.MASTODON_CSV
    assert policies(text) == {
        "bad.example": REJECT,
        "meh.example": Policy(Level.FILTER, reject_media=True, reject_reports=True),
        "note.example": Policy(Level.NOTE, reject_media=True),
        "bare.example": REJECT,
        "comma.example": REJECT,
    }
    assert listed.entries["bad.example"].obfuscate
    assert listed.entries["comma.example"].public_comment == "one, two three"
    assert listed.canaries == 2
    assert refused(text) == [
        (7, "odd.example"),
        (8, "*.wild.example"),
        (9, "h****n.example"),
        (10, "co.uk"),
        (11, "flag.example"),
    ]
    assert "guess" in listed.refused[0].why


def test_mod_3_1_a_single_column_with_a_mark_is_a_list_of_the_allowed() -> None:
    assert policies("#domain\ngood.example\n") == {"good.example": ACCEPT}


def test_mod_3_1_a_table_without_a_column_of_domains_is_refused_whole() -> None:
    with pytest.raises(Malformed, match="column"):
        reading.read(b"host,level\nbad.example,silence\n")


def test_mod_3_3_gotosocials_table_and_lines() -> None:
    listed = reading.read(b"domain,public_comment,obfuscate\nbad.example,why,false\n")
    assert listed.format is Format.GOTOSOCIAL_CSV
    assert listed.entries["bad.example"].policy == REJECT
    assert listed.entries["bad.example"].public_comment == "why"
    text = "# a comment\nBad.example\n\nb\u00fccher.example # more\nnot a domain\n"
    assert policies(text) == {"bad.example": REJECT, "xn--bcher-kva.example": REJECT}
    assert refused(text) == [(5, "not a domain")]


def test_mod_3_3_gotosocials_json_is_about_blocks_and_not_about_all_it_knows() -> None:
    dated = [
        {"domain": "bad.example", "suspended_at": "2026-01-01T00:00:00.000Z", "comment": "why"},
        {"domain": "known.example", "public_comment": "a friend"},
        {"domain": "met.example"},
        "string.example",
    ]
    text = json.dumps(dated)
    assert policies(text) == {"bad.example": REJECT}
    assert [line for line, _ in refused(text)] == [2, 3, 4]
    exported = [{"domain": "bad.example", "public_comment": "why"}, {"domain": "too.example"}]
    assert policies(json.dumps(exported)) == {"bad.example": REJECT, "too.example": REJECT}
    assert policies(json.dumps([{"domain": "met.example"}])) == {}


def test_mod_3_2_mastodons_json() -> None:
    items = [
        {"domain": "bad.example", "digest": "x", "severity": "suspend", "comment": "why"},
        {"domain": "b*d.example", "digest": "x", "severity": "suspend", "comment": None},
        {"domain": "meh.example", "severity": "silence", "reject_media": True},
        {"domain": "odd.example", "severity": "limit"},
        {"domain": "none.example"},
    ]
    text = json.dumps(items)
    assert policies(text) == {
        "bad.example": REJECT,
        "meh.example": Policy(Level.FILTER, reject_media=True),
    }
    assert [line for line, _ in refused(text)] == [2, 4, 5]


def test_mod_3_4_in_fediblockholes_table_an_empty_severity_is_none() -> None:
    text = PLAIN + (
        "bad.example,suspend,True,True,for us,'=1+1,False\n"
        "meh.example,silence,False,False,,,True\n"
        "none.example,,True,False,,,False\n"
        "*,suspend,False,False,,,False\n"
    )
    listed = reading.read(text.encode())
    assert listed.format is Format.PLAIN_CSV
    assert policies(text) == {
        "bad.example": Policy(Level.REJECT, reject_media=True, reject_reports=True),
        "meh.example": FILTER,
        "none.example": Policy(Level.NOTE, reject_media=True),
    }
    assert listed.entries["bad.example"].private_comment == "for us"
    assert listed.entries["bad.example"].public_comment == "=1+1"
    assert refused(text) == [(5, "*")]


def test_mod_3_4_rapidblock() -> None:
    blocks: dict[str, Any] = {
        "bad.example": {"isBlocked": True, "reason": "why", "tags": ["x"]},
        "was.example": {"isBlocked": False, "reason": ""},
        "odd.example": {"isBlocked": "yes"},
    }
    text = json.dumps({"@spec": "x", "publishedAt": "2026-01-01T00:00:00Z", "blocks": blocks})
    assert policies(text) == {"bad.example": REJECT}
    assert refused(text) == [(3, "odd.example")]


def test_mod_3_7_opinions_are_notes_and_never_commands() -> None:
    text = json.dumps(
        {
            "instances": [
                {"domain": "bad.example", "censure_reasons": ["spam", "hate"]},
                {"domain": "meh.example", "hesitation_reasons": []},
                {"domain": "good.example", "endorsement_reasons": ["kind"]},
                {"domain": "quiet.example"},
            ]
        }
    )
    listed = reading.read(text.encode())
    assert {entry.policy for entry in listed.entries.values()} == {NOTE}
    assert "spam, hate" in listed.entries["bad.example"].public_comment
    assert refused(text) == [(4, "quiet.example")]


def test_mod_3_6_a_snapshot_of_fires() -> None:
    def change(key: str, policy: str | None, **more: object) -> dict[str, object]:
        kind = "Recommendation" if policy else "Advisory"
        return {
            "type": kind, "entityKind": "Domain", "entityKey": key,
            "recommendedPolicy": policy, "labels": ["https://a.example/labels/spam"], **more,
        }  # fmt: skip

    filters = ["https://fires.fedimod.org/filters/reject-media"]
    items = [
        change("drop.example", "drop"),
        change("meh.example", "filter", recommendedFilters=filters),
        change("kind.example", "accept", recommendedFilters=filters),
        change("note.example", None),
        change("odd.example", "obliterate"),
        change("https://a.example/u/x", "drop", entityKind="actor"),
        {"type": "Retraction", "entityKind": "domain", "entityKey": "was.example"},
        {"type": "Retraction", "retracts": "x", "comment": "wrong"},
        {"type": "Tombstone"},
    ]
    text = json.dumps({"type": "Collection", "orderedItems": items})
    assert policies(text) == {
        "drop.example": DROP,
        "meh.example": Policy(Level.FILTER, reject_media=True),
        "kind.example": ACCEPT,
        "note.example": NOTE,
    }
    assert [line for line, _ in refused(text)] == [5, 6]
    with pytest.raises(Malformed, match="snapshot"):
        reading.read(json.dumps({"type": "OrderedCollectionPage", "orderedItems": []}).encode())


def test_mod_3_10_a_domain_that_stands_there_twice_has_the_milder_row() -> None:
    text = MASTODON + "a.example,suspend,,,,\na.example,silence,,,,\na.example,silence,,,,\n"
    assert policies(text) == {"a.example": FILTER}
    assert refused(text) == [(3, "a.example")]


@pytest.mark.parametrize(
    "body",
    [b"", b" \n", b"\xff\xfe", b"{", b"{}", b"[1", b'{"type": "Note"}', b"a\0b.example",
     b"[" * 100_000, b'domain,severity\n"a.example,suspend'],
)  # fmt: skip
def test_mod_5_10_what_is_no_list_is_an_error_and_no_empty_list(body: bytes) -> None:
    with pytest.raises(Malformed):
        reading.read(body)


def test_mod_5_10_a_list_has_a_size() -> None:
    rows = [f"n{number}.example\n" for number in range(MAX_ROWS + 1)]
    assert len(reading.read("".join(rows[:MAX_ROWS]).encode()).entries) == MAX_ROWS
    with pytest.raises(TooLarge):
        reading.read("".join(rows).encode())
    with pytest.raises(TooLarge):
        reading.read(b"#" * (MAX_BYTES + 1))


LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=9)
DOMAINS = st.builds("{}.{}.example".format, LABEL, LABEL)
POLICIES = st.builds(Policy, st.sampled_from(Level), st.booleans(), st.booleans())
ANY = st.characters(codec="utf-8", exclude_characters="\0")  # forms leave that out
STARTS = st.sampled_from(["", "=", "'=", "''+", "'", " -", "\r@", "a\rb", '"', "\n"])
WORDS = st.builds("{}{}".format, STARTS, st.text(ANY, max_size=30))


@st.composite
def some_rules(draw: st.DrawFn) -> list[Rule]:
    chosen: Mapping[str, Policy] = draw(st.dictionaries(DOMAINS, POLICIES, max_size=6))
    return [
        Rule(
            domain=domain,
            policy=policy,
            public_comment=draw(WORDS),
            private_comment=draw(WORDS),
            obfuscate=draw(st.booleans()),
        )
        for domain, policy in chosen.items()
    ]


_TABLES = (Format.MASTODON_CSV, Format.PLAIN_CSV)
_BLOCKS = (Format.GOTOSOCIAL_CSV, Format.GOTOSOCIAL_JSON, Format.RAPIDBLOCK, Format.TEXT)
"""Formats that say of a server that it is blocked, and nothing milder."""


def mapped(rules: list[Rule], kind: Format, *, for_others: bool) -> dict[str, Entry]:
    """What of it arrives in that format, by MOD-3.10 and MOD-3.11."""
    found = {}
    for rule in rules:
        level, flags = rule.policy.level, (rule.policy.reject_media, rule.policy.reject_reports)
        if level is Level.ACCEPT or (for_others and rule.obfuscate):
            continue
        if level is Level.NOTE and (for_others or not any(flags) or kind not in _TABLES):
            continue
        if level is Level.FILTER and kind in _BLOCKS:
            continue
        level = Level.REJECT if level is Level.DROP else level
        hides = rule.obfuscate and kind in (*_TABLES, Format.GOTOSOCIAL_CSV)
        told = kind is Format.PLAIN_CSV and not for_others
        found[rule.domain] = Entry(
            domain=rule.domain,
            policy=Policy(level, *flags) if kind in _TABLES else Policy(level),
            public_comment="" if kind is Format.TEXT else a_line(rule.public_comment),
            private_comment=a_line(rule.private_comment) if told else "",
            obfuscate=hides,
        )
    return found


def a_line(text: str) -> str:
    """Comments are one line of what can be printed."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def read_back(text: str) -> dict[str, Entry]:
    try:
        return reading.read(text.encode()).entries
    except Malformed:  # there was no row in it
        return {}


@given(some_rules(), st.sampled_from(sorted(writing.TYPES)), st.booleans())
def test_mod_3_10_what_is_written_comes_back_as_it_is_mapped(
    rules: list[Rule], kind: Format, for_others: bool
) -> None:
    text = writing.write(kind, rules, for_others=for_others)
    arrived = read_back(text)
    assert arrived == mapped(rules, kind, for_others=for_others)
    ours = {rule.domain: rule.policy for rule in rules}
    assert all(each.policy.no_harsher_than(ours[name]) for name, each in arrived.items())
    again = [
        Rule(
            domain=each.domain,
            policy=each.policy,
            public_comment=each.public_comment,
            private_comment=each.private_comment,
            obfuscate=each.obfuscate,
        )
        for each in arrived.values()
    ]
    assert read_back(writing.write(kind, again, for_others=for_others)) == arrived


# What others read of it, by how each of them reads its own lists (MOD-3.1 to MOD-3.4).

Read = dict[str, tuple[str, str]]
"""By domain: a severity with its flags, and the comment."""


def as_mastodon(text: str) -> Read:
    """Mastodon's import of a table: its own header, and words that it knows."""
    header, *lines = csv.reader(io.StringIO(text, newline=""))
    assert ",".join(header) + "\n" == MASTODON
    found = {}
    for domain, severity, media, reports, comment, obfuscate in lines:
        assert severity in ("silence", "suspend", "noop")
        assert {media, reports, obfuscate} <= {"true", "false"}
        flags = "m" * (media == "true") + "r" * (reports == "true") + "o" * (obfuscate == "true")
        found[domain] = (f"{severity} {flags}", comment)
    return found


def as_gotosocial_table(text: str) -> Read:
    """GoToSocial's: columns by their names, and rows that are no suspension are skipped."""
    rows = csv.DictReader(io.StringIO(text, newline=""))
    found = {}
    for row in rows:
        cells = {name.removeprefix("#"): cell for name, cell in row.items()}
        if cells.get("severity", "suspend") == "suspend":
            hides = {"true": "o", "false": ""}[cells["obfuscate"]]
            found[cells["domain"]] = (f"suspend {hides}", cells["public_comment"])
    return found


def as_gotosocial_json(text: str) -> Read:
    """An array of domains with a comment, under either name."""
    return {
        item["domain"]: ("suspend ", item.get("public_comment", item.get("comment")))
        for item in json.loads(text)
    }


def as_lines(text: str) -> Read:
    """A domain on each line."""
    assert not text or text.endswith("\n")
    return dict.fromkeys(text.splitlines(), ("suspend ", ""))


def as_json_of_mastodon(text: str) -> Read:
    """The public list of a Mastodon server."""
    found = {}
    for item in json.loads(text):
        assert item.keys() == {"domain", "digest", "severity", "comment"}
        assert item["digest"] == hashlib.sha256(item["domain"].encode()).hexdigest()
        found[item["domain"]] = (f"{item['severity']} ", item["comment"])
    return found


OTHERS = {
    Format.MASTODON_CSV: (as_mastodon, as_gotosocial_table),
    Format.MASTODON_JSON: (as_json_of_mastodon,),
    Format.GOTOSOCIAL_CSV: (as_gotosocial_table,),
    Format.GOTOSOCIAL_JSON: (as_gotosocial_json,),
    Format.TEXT: (as_lines,),
}
_WORDS = {Level.NOTE: "noop", Level.FILTER: "silence", Level.REJECT: "suspend"}


@given(some_rules(), st.sampled_from(sorted(OTHERS)), st.booleans())
def test_mod_3_11_others_read_in_it_what_is_meant(
    rules: list[Rule], kind: Format, for_others: bool
) -> None:
    text = writing.write(kind, rules, for_others=for_others)
    expected = {}
    for domain, entry in mapped(rules, kind, for_others=for_others).items():
        flags = "m" * entry.policy.reject_media + "r" * entry.policy.reject_reports
        comment = entry.public_comment
        if kind in (*_TABLES, Format.GOTOSOCIAL_CSV) and comment.lstrip("'")[:1] in tuple("=+-@"):
            comment = f"'{comment}"  # what spreadsheets need
        words = f"{_WORDS[entry.policy.level]} {flags}{'o' * entry.obfuscate}"
        expected[domain] = (words, comment)
    for others in OTHERS[kind]:
        read = others(text)
        if others is as_gotosocial_table:
            blocks = {name: it for name, it in expected.items() if it[0].startswith("suspend")}
            expected = {
                name: ("suspend " + "o" * words.endswith("o"), comment)
                for name, (words, comment) in blocks.items()
            }
        assert read == expected, others.__name__
        assert list(read) == sorted(read)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_mod_3_10_anything_is_a_list_or_a_problem(body: bytes) -> None:
    for start in (b"", MASTODON.encode(), PLAIN.encode(), b'{"blocks": ', b"["):
        try:
            listed = reading.read(start + body)
        except Problem:
            continue
        assert all("*" not in domain for domain in listed.entries)


def test_mod_3_11_what_others_subscribe_to() -> None:
    rules = [
        Rule(domain="z.example", policy=DROP, public_comment="=cmd()", private_comment="us"),
        Rule(domain="a.example", policy=Policy(Level.FILTER, reject_media=True)),
        Rule(domain="note.example", policy=Policy(Level.NOTE, reject_media=True)),
        Rule(domain="hidden.example", policy=REJECT, obfuscate=True),
        Rule(domain="kind.example", policy=ACCEPT),
    ]
    text = writing.write(Format.MASTODON_CSV, rules)
    assert text == MASTODON + (
        "a.example,silence,true,false,,false\nz.example,suspend,false,false,'=cmd(),false\n"
    )
    assert [row[0] for row in csv.reader(writing.write(Format.PLAIN_CSV, rules).splitlines())] == [
        "domain", "a.example", "z.example"
    ]  # fmt: skip
    assert writing.write(Format.TEXT, rules) == "z.example\n"
    ours = writing.write(Format.PLAIN_CSV, rules, for_others=False)
    assert ",us," in ours
    assert "note.example,noop,True," in ours
    assert "hidden.example,suspend," in ours
    assert "kind.example" not in ours


def test_mod_3_2_a_hidden_name_keeps_a_quarter_at_each_end() -> None:
    assert writing.hidden("hidden.example") == "hidd**.****ple"
    assert len(writing.digest("a.example")) == 64
