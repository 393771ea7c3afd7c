"""What a member has read, and waits for: kept in the sealed blob alone (DESIGN, SEC-U14)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from kernel.ids import LAST_ID

MAX_ALSO: Final = 20
MAX_VOTED: Final = 20


def short(key: UUID) -> str:
    """An id as few letters, for the blob."""
    return base64.urlsafe_b64encode(key.bytes).rstrip(b"=").decode()


def long(letters: str) -> UUID:
    """What `short` was made of."""
    return UUID(bytes=base64.urlsafe_b64decode(letters + "=="))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Every notice with an id below `before` was seen, and `also` these few.

    Ids are random within their minute, so one of the last minute alone would not say which.
    `voted`: (persona, post) of polls that were answered, whose end the member hears of.
    """

    before: int = 0
    also: tuple[int, ...] = ()
    voted: tuple[tuple[UUID, int], ...] = ()

    def holds(self, notice_id: int) -> bool:
        """Whether a notice was seen."""
        return notice_id < self.before or notice_id in self.also

    def up_to(self, before: int, also: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """The later one of two marks: what was seen stays so."""
        if not 0 <= before <= LAST_ID or before < self.before:
            return self.before, self.also
        kept = {each for each in (*self.also, *also) if before <= each <= LAST_ID}
        return before, tuple(sorted(kept, reverse=True)[:MAX_ALSO])

    def with_vote(self, persona_id: UUID, post_id: int) -> tuple[tuple[UUID, int], ...]:
        """`voted` with one more; the oldest go."""
        votes = dict.fromkeys((*self.voted, (persona_id, post_id)))
        return tuple(votes)[-MAX_VOTED:]

    def plain(self) -> list[Any]:
        """As it stands in the blob."""
        return [self.before, list(self.also), [[short(who), post] for who, post in self.voted]]

    @classmethod
    def of(cls, plain: list[Any]) -> Self:
        """From `plain`."""
        before, also, voted = plain
        votes = tuple((long(who), post) for who, post in voted)
        return cls(before=before, also=tuple(also), voted=votes)
