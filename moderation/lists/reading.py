"""Lists of domains in every format that is about, each read as it is meant (MOD-3.1 to MOD-3.7).

The format is told by the content. Nothing is guessed upward: a row whose severity is not known is
refused and named, and the rest is read.
"""

from kernel.errors import Malformed, TooLarge
from kernel.said import noted, said
from moderation.lists import from_csv, from_json
from moderation.lists.entry import MAX_BYTES, MAX_ROWS, Format, Listed
from moderation.lists.rows import Rows


def read(body: bytes) -> Listed:
    """What a list says.

    Raises Malformed: it is empty or cannot be read. Raises TooLarge: over 5 MiB or 20,000 rows.
    """
    if len(body) > MAX_BYTES:
        raise TooLarge(said("A list can have up to {limit} MiB.", limit=MAX_BYTES // 1024**2))
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(noted("That list is not UTF-8 text.")) from error
    if not text.strip():
        raise Malformed(noted("That list is empty."))
    if "\0" in text:
        raise Malformed(noted("That is not a list of domains."))
    rows = from_json.read(text) if text.lstrip()[0] in "[{" else from_csv.read(text)
    return rows.listed()


__all__ = ["MAX_BYTES", "MAX_ROWS", "Format", "Listed", "Rows", "read"]
