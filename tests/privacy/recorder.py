"""What a node says to its database, transaction by transaction, and what that would tie together.

Point a `Recorder` at an engine, let people do things (by function, page or app), then ask for
`violations`. Two rules (DESIGN-V1): no transaction names both sides, not even to read; and none
writes two siblings. A look for siblings leaves no trace in a dump and is how a ban finds them.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from activitypub.actors import Actor
from kernel.schema.base import Side
from kernel.schema.tables import metadata

_WORD = re.compile(r"\w+")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_WRITES = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|COPY|FOR (NO KEY )?UPDATE|FOR (KEY )?SHARE)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with its parameters as text."""

    sql: str
    parameters: tuple[str, ...]

    @property
    def tables(self) -> frozenset[str]:
        """Every table of the schema that the statement names, in any role."""
        return frozenset(_WORD.findall(_LITERAL.sub("", self.sql))) & metadata.tables.keys()

    @property
    def writes(self) -> bool:
        """It changes or locks rows."""
        return _WRITES.search(_LITERAL.sub("", self.sql)) is not None

    def names(self, actor: Actor) -> bool:
        """A parameter holds the actor's id or address, alone or inside a longer text."""
        needle = re.compile(rf"{actor.id}|{actor.id.hex}|{re.escape(actor.uri)}(?![\w-])")
        return any(needle.search(parameter) for parameter in self.parameters)


@dataclass(slots=True)
class Transaction:
    """What one transaction said, in order."""

    statements: list[Statement] = field(default_factory=list)

    def tables(self, side: Side) -> frozenset[str]:
        """The tables of that side it names."""
        named = frozenset[str]().union(*(each.tables for each in self.statements))
        return frozenset(name for name in named if metadata.tables[name].info["side"] is side)

    def written(self, actors: Iterable[Actor]) -> list[Actor]:
        """Those of `actors` that its writing statements name."""
        writing = [each for each in self.statements if each.writes]
        return [actor for actor in actors if any(each.names(actor) for each in writing)]


@dataclass(slots=True)
class Recorder:
    """Every transaction of the engines it listens to, as they happened."""

    transactions: list[Transaction] = field(default_factory=list)
    _current: dict[int, Transaction] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def listening(cls, engine: AsyncEngine) -> Iterator[Self]:
        """A recorder that hears everything until the block ends."""
        recorder = cls()
        listeners: dict[str, Callable[..., None]] = {
            "begin": recorder._begin,
            "commit": recorder._end,
            "rollback": recorder._end,
            "before_cursor_execute": recorder._execute,
        }
        for name, listener in listeners.items():
            event.listen(engine.sync_engine, name, listener)
        try:
            yield recorder
        finally:
            for name, listener in listeners.items():
                event.remove(engine.sync_engine, name, listener)

    def _begin(self, conn: Connection) -> None:
        self._current[id(conn)] = Transaction()
        self.transactions.append(self._current[id(conn)])

    def _end(self, conn: Connection) -> None:
        self._current.pop(id(conn), None)

    def _execute(
        self, conn: Connection, _: object, sql: str, parameters: Any, __: object, ___: bool
    ) -> None:
        if id(conn) not in self._current:  # outside any: it is a transaction of its own
            self._begin(conn)
        said = Statement(sql, tuple(_texts(parameters)))
        self._current[id(conn)].statements.append(said)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, str):
        yield value
    elif isinstance(value, UUID):
        yield str(value)
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
        yield value.hex()
    elif isinstance(value, Iterable):
        for part in value:
            yield from _texts(part)


def violations(
    transactions: Iterable[Transaction], families: Collection[Collection[Actor]] = ()
) -> list[str]:
    """What ties an account to a persona, or two personas of one family (one member) together."""
    found = []
    for transaction in transactions:
        accounts, personas = (transaction.tables(side) for side in (Side.ACCOUNT, Side.PERSONA))
        if accounts and personas:
            found.append(f"both sides: {sorted(accounts)} with {sorted(personas)}")
        for family in families:
            siblings = transaction.written(family)
            if len(siblings) > 1:
                found.append(f"siblings: {sorted(each.handle for each in siblings)}")
    return found
