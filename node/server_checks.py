"""What a doctor sees in a database server: its clock, its log, what it keeps without power."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

CLOCKS_APART: Final = timedelta(seconds=30)

_QUIET: Final = {  # settings with which a server logs nothing that people wrote
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "auto_explain.log_min_duration": "-1",
    "pgaudit.log": "none",
}
_NO_ERRORS: Final = frozenset({"log", "fatal", "panic"})  # levels at which no statement's error is
_LASTING: Final = ("fsync", "full_page_writes", "synchronous_commit")

_CONNECTION: Final = """
    SELECT ssl, inet_server_addr() IS NULL OR inet_server_addr() <<= ANY (
        ARRAY['127.0.0.0/8'::inet, '::1'::inet]) AS near
    FROM pg_stat_ssl WHERE pid = pg_backend_pid()
"""


async def look(
    conn: AsyncConnection, clock: Callable[[], datetime]
) -> AsyncIterator[tuple[str, str]]:
    """What is not as it should be: what it is about, and what to do."""
    before = clock()
    theirs: datetime = (await conn.execute(sa.select(sa.func.clock_timestamp()))).scalar_one()
    ours = before + (clock() - before) / 2
    if abs(theirs - ours) > CLOCKS_APART:
        seconds = abs(theirs - ours).total_seconds()
        yield (
            "clock",
            f"The clocks of this computer and of the database are {seconds:.0f} s apart: "
            "let both follow a time server (`timedatectl set-ntp true`).",
        )
    rows = await conn.execute(
        sa.text("SELECT name, setting FROM pg_settings WHERE name = ANY (:names)"),
        {"names": [*_QUIET, *_LASTING, "log_min_messages", "server_encoding"]},
    )
    found = {row.name: row.setting for row in rows}
    for name in _LASTING:
        if found.get(name) == "off":
            yield (
                "durability",
                f"What was answered with yes can be lost when power goes away, because {name} is "
                f"off: set {name} = on in the server's postgresql.conf, then restart it.",
            )
    if (encoding := found.get("server_encoding")) != "UTF8":
        yield (
            "database",
            f"The database keeps text as {encoding}, and people write in every script: make one "
            "with `createdb --encoding UTF8`, and `hearthold move` there.",
        )
    connection = (await conn.execute(sa.text(_CONNECTION))).one()
    if not connection.ssl and not connection.near:
        yield (
            "database",
            "What passes between this computer and the database can be read on the way: add "
            "?sslmode=verify-full to DATABASE_URL, or at least ?sslmode=require.",
        )
    for says in _logging(found):
        yield "logging", says


def _logging(found: dict[str, str]) -> list[str]:
    """Whether the server's own log would hold what people wrote (DESIGN decision 2)."""
    if found.get("log_min_messages") in _NO_ERRORS:
        found = {name: value for name, value in found.items() if name != "log_error_verbosity"}
    return [
        f"The database's log may hold what people wrote, because {name} is {found[name]}: "
        f"as its superuser, ALTER DATABASE … SET {name} = '{quiet}', then start anew."
        for name, quiet in _QUIET.items()
        if found.get(name, quiet) != quiet
    ]
