"""Lists as tables and as plain lines.

Mastodon's (MOD-3.1) has `#` before its headers, FediBlockHole's (MOD-3.4) and GoToSocial's
(MOD-3.3) have none. The same empty cell means `suspend` in the first and nothing in the second.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Final

from kernel.errors import Malformed
from kernel.said import noted
from kernel.schema.moderation import Level
from moderation.lists.entry import Format
from moderation.lists.rows import Odd, Rows, by_severity
from moderation.policy import Policy

FORMULA: Final = ("=", "+", "-", "@")  # what makes a spreadsheet reckon with a cell

_UNCLEAR: Final = noted("That table has no column called domain.")
_TORN: Final = noted("That table is torn: a quotation mark has no end.")
_MAX_CELL: Final = 131_072


def read(text: str) -> Rows:
    """Raises Malformed: it is a table without a column of domains. Raises TooLarge."""
    lines = list(io.StringIO(text, newline=""))  # as a file: no other sign ends a line
    first = next(number for number, line in enumerate(lines) if line.strip())
    try:
        header = [cell.strip().lower() for cell in next(csv.reader([lines[first]]))]
    except csv.Error as error:
        raise Malformed(_TORN) from error
    if header[0] == "#domain":
        return _table(lines, first, header)
    if "domain" in header:
        return _table(lines, first, header)
    return _plain(lines)


def _table(lines: Sequence[str], first: int, header: Sequence[str]) -> Rows:
    marked = header[0] == "#domain"
    columns = [name.removeprefix("#").strip() for name in header]
    if columns == ["domain"] and marked:
        rows = Rows(Format.ALLOWED_CSV)
    elif marked:
        rows = Rows(Format.MASTODON_CSV)
    else:
        rows = Rows(Format.PLAIN_CSV if "severity" in columns else Format.GOTOSOCIAL_CSV)
    reader = csv.reader(lines[first + 1 :], strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                _row(rows, first + 1 + reader.line_num, dict(zip(columns, cells, strict=False)))
    except csv.Error as error:
        raise Malformed(_TORN) from error
    return rows


def _row(rows: Rows, line: int, cells: Mapping[str, str]) -> None:
    domain = cells.get("domain", "")
    rows.count()
    try:
        rows.add(
            domain,
            _policy(rows.format, cells),
            comment=_text(cells.get("public_comment") or cells.get("comment") or ""),
            private=_text(cells.get("private_comment") or ""),
            obfuscate=cells.get("obfuscate"),
        )
    except Odd as error:
        rows.refuse(line, domain, str(error))


def _policy(kind: Format, cells: Mapping[str, str]) -> Policy:
    """Raises Odd: the severity is none we know."""
    if kind is Format.ALLOWED_CSV:
        return Policy(Level.ACCEPT)
    severity = cells.get("severity", "").strip()
    if not severity:
        severity = "noop" if kind is Format.PLAIN_CSV else "suspend"
    return by_severity(
        severity, media=cells.get("reject_media"), reports=cells.get("reject_reports")
    )


def _text(cell: str) -> str:
    """A cell without the mark that keeps spreadsheets from reckoning with it."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'").startswith(FORMULA) else cell


def _plain(lines: Sequence[str]) -> Rows:
    """A domain a line; what begins with # says something to people."""
    rows = Rows(Format.TEXT)
    for line, text in enumerate(lines, 1):
        domain = text.partition("#")[0].strip()
        if not domain:
            continue
        if "," in domain or ";" in domain:
            raise Malformed(_UNCLEAR)
        rows.count()
        try:
            rows.add(domain, Policy(Level.REJECT))
        except Odd as error:
            rows.refuse(line, domain, str(error))
    return rows
