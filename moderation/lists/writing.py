"""Our list in the formats of others, so that none of them reads more into it (MOD-3.11).

Rows are in the order of their domains, so that two copies differ where they differ. A file that
others may subscribe to has no `noop` rows, since NodeBB reads these as `suspend`, and none whose
name we do not show.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from kernel.schema.moderation import Level
from moderation.domains import Rule
from moderation.lists.entry import Format, severity
from moderation.lists.from_csv import FORMULA
from moderation.lists.rows import words

MASTODON_COLUMNS: Final = (
    "#domain", "#severity", "#reject_media", "#reject_reports", "#public_comment", "#obfuscate"
)  # fmt: skip
PLAIN_COLUMNS: Final = (
    "domain", "severity", "reject_media", "reject_reports", "private_comment", "public_comment",
    "obfuscate",
)  # fmt: skip

TYPES: Final[Mapping[Format, str]] = {
    Format.MASTODON_CSV: "text/csv",
    Format.PLAIN_CSV: "text/csv",
    Format.GOTOSOCIAL_CSV: "text/csv",
    Format.MASTODON_JSON: "application/json",
    Format.GOTOSOCIAL_JSON: "application/json",
    Format.RAPIDBLOCK: "application/json",
    Format.TEXT: "text/plain",
}
"""The formats that are written, and their media types."""


def write(kind: Format, rules: Iterable[Rule], *, for_others: bool = True) -> str:
    """Our rules as a file. What is not `for_others` has `noop` rows, hidden names and what is noted
    for ourselves too, as far as the format has room for it."""
    chosen = sorted((rule for rule in rules if _is_told(rule, for_others)), key=_by_domain)
    return _WRITERS[kind](chosen, for_others)


def _by_domain(rule: Rule) -> str:
    return rule.domain


def _is_told(rule: Rule, for_others: bool) -> bool:
    if rule.policy.level is Level.ACCEPT:
        return False
    if rule.policy.level is Level.NOTE:  # Mastodon has such a row for its flags alone
        return not for_others and (rule.policy.reject_media or rule.policy.reject_reports)
    return not (for_others and rule.obfuscate)


def _mastodon_csv(rules: list[Rule], _for_others: bool) -> str:
    rows = (
        (
            rule.domain,
            severity(rule.policy.level),
            _small(rule.policy.reject_media),
            _small(rule.policy.reject_reports),
            _cell(rule.public_comment),
            _small(rule.obfuscate),
        )
        for rule in rules
    )
    return _table(MASTODON_COLUMNS, rows)


def _plain_csv(rules: list[Rule], for_others: bool) -> str:
    rows = (
        (
            rule.domain,
            severity(rule.policy.level),
            str(rule.policy.reject_media),
            str(rule.policy.reject_reports),
            "" if for_others else _cell(rule.private_comment),
            _cell(rule.public_comment),
            str(rule.obfuscate),
        )
        for rule in rules
    )
    return _table(PLAIN_COLUMNS, rows)


def _gotosocial_csv(rules: list[Rule], _for_others: bool) -> str:
    rows = (
        (rule.domain, _cell(rule.public_comment), _small(rule.obfuscate))
        for rule in rules
        if rule.policy.blocks
    )
    return _table(("domain", "public_comment", "obfuscate"), rows)


def _table(header: Iterable[str], rows: Iterable[Iterable[str | None]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()


def _small(answer: bool) -> str:
    return str(answer).lower()


def _cell(text: str) -> str:
    """A line, as it is read again, that no spreadsheet takes for a formula."""
    line = words(text)
    return f"'{line}" if line.lstrip("'").startswith(FORMULA) else line


def _mastodon_json(rules: list[Rule], _for_others: bool) -> str:
    """Flags have no room in it, so a row for its flags alone would say nothing."""
    return _json(
        [
            {
                "domain": rule.domain,
                "digest": digest(rule.domain),
                "severity": severity(rule.policy.level),
                "comment": words(rule.public_comment),
            }
            for rule in rules
            if rule.policy.unlists
        ]
    )


def _gotosocial_json(rules: list[Rule], _for_others: bool) -> str:
    return _json(
        [
            {
                "domain": rule.domain,
                "suspended_at": f"{rule.day:%Y-%m-%d}T00:00:00.000Z" if rule.day else "",
                "public_comment": words(rule.public_comment),
            }
            for rule in rules
            if rule.policy.blocks
        ]
    )


def _rapidblock(rules: list[Rule], _for_others: bool) -> str:
    blocks = {
        rule.domain: {"isBlocked": True, "reason": words(rule.public_comment), "tags": []}
        for rule in rules
        if rule.policy.blocks
    }
    return _json({"@spec": "https://rapidblock.org/spec/v1/", "blocks": blocks})


def _text(rules: list[Rule], _for_others: bool) -> str:
    return "".join(f"{rule.domain}\n" for rule in rules if rule.policy.blocks)


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def digest(domain: str) -> str:
    """SHA-256 of a domain in hexadecimal: whoever knows the name can tell that it is meant."""
    return hashlib.sha256(domain.encode()).hexdigest()


def hidden(domain: str) -> str:
    """A domain with stars in its middle: a quarter of it stays at each end, and so do dots."""
    quarter = len(domain) // 4
    return "".join(
        letter if letter == "." or not quarter < place < len(domain) - quarter else "*"
        for place, letter in enumerate(domain)
    )


_WRITERS: Final[Mapping[Format, Callable[[list[Rule], bool], str]]] = {
    Format.MASTODON_CSV: _mastodon_csv,
    Format.PLAIN_CSV: _plain_csv,
    Format.GOTOSOCIAL_CSV: _gotosocial_csv,
    Format.MASTODON_JSON: _mastodon_json,
    Format.GOTOSOCIAL_JSON: _gotosocial_json,
    Format.RAPIDBLOCK: _rapidblock,
    Format.TEXT: _text,
}
