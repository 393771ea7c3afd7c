"""Rows of a list as they are gathered: each once, none harsher than it was meant."""

from dataclasses import dataclass, field
from typing import Final

from kernel.errors import Problem, TooLarge
from kernel.said import noted, said
from moderation import names
from moderation.lists.entry import (
    MAX_COMMENT,
    MAX_QUOTED,
    MAX_ROWS,
    SEVERITIES,
    Entry,
    Format,
    Listed,
    Refused,
)
from moderation.policy import Policy

_NO: Final = frozenset({"", "false", "f", "no", "n", "0", "off"})
_YES: Final = frozenset({"true", "t", "yes", "y", "1", "on"})
_HIDDEN: Final = noted("Its name is partly hidden, or has a star in it.")
_SEVERITY: Final = noted("We do not know that severity, and do not guess.")
_ANSWER: Final = noted("Say true or false.")
_TWICE: Final = noted("It stands there twice; the milder row is taken.")


class Odd(Exception):
    """A row that is refused; the text says why."""


def flag(value: object) -> bool:
    """Yes or no, as people write it. Raises Odd: neither."""
    if isinstance(value, bool):
        return value
    word = "" if value is None else str(value).strip().lower()
    if word in _NO:
        return False
    if word in _YES:
        return True
    raise Odd(_ANSWER)


def words(value: object) -> str:
    """A comment: a line of plain text, cut where it is too long."""
    text = "" if value is None else str(value)
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split())[:MAX_COMMENT]


def by_severity(severity: str, *, media: object = None, reports: object = None) -> Policy:
    """Raises Odd: a severity that is not Mastodon's, or a flag that is neither yes nor no."""
    level = SEVERITIES.get(severity.strip().lower())
    if level is None:
        raise Odd(_SEVERITY)
    return Policy(level, flag(media), flag(reports))


@dataclass(slots=True)
class Rows:
    """What was read so far."""

    format: Format
    _entries: dict[str, Entry] = field(default_factory=dict)
    _refused: list[Refused] = field(default_factory=list)
    _canaries: int = 0
    _count: int = 0

    def add(
        self,
        domain: object,
        policy: Policy,
        *,
        comment: object = "",
        private: object = "",
        obfuscate: object = False,
    ) -> None:
        """Take a row, which was counted. Raises Odd: it is refused."""
        text = str(domain)
        if "*" in text:
            raise Odd(_HIDDEN)
        try:
            name = names.read_domain(text)
        except Problem as error:
            raise Odd(error.detail) from error
        public = words(comment)
        if names.is_canary(name) or "canary" in public.lower().replace(":", " ").split():
            self._canaries += 1
            return
        entry = Entry(
            domain=name,
            policy=policy,
            public_comment=public,
            private_comment=words(private),
            obfuscate=flag(obfuscate),
        )
        known = self._entries.setdefault(name, entry)
        if known.policy != policy:
            if policy.rank < known.policy.rank:
                self._entries[name] = entry
            raise Odd(_TWICE)

    def refuse(self, line: int, text: object, why: str) -> None:
        """Note that a row is not taken."""
        self._refused.append(Refused(line, words(text)[:MAX_QUOTED], why))

    def count(self) -> None:
        """One more is there, whatever becomes of it. Raises TooLarge: there are too many."""
        self._count += 1
        if self._count > MAX_ROWS:
            raise TooLarge(said("A list can have up to {limit} rows.", limit=MAX_ROWS))

    def listed(self) -> Listed:
        """All of it."""
        return Listed(self.format, self._entries, self._refused, self._canaries)
