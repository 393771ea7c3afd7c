"""Refusals: raised anywhere, answered once at the door (RFC 9457)."""

from typing import ClassVar


class Problem(Exception):
    """A refusal with an HTTP shape (RFC 9457 §3).

    `detail` is shown to the person or peer, so it never quotes a private post, a key or a path;
    what the operator needs travels as `__cause__` and ends up in the log by type only.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something broke here"

    def __init__(self, detail: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.retry_after = retry_after


class Malformed(Problem):
    """What arrived cannot be read, or does not say what it must."""

    status, title = 400, "We could not read that"


class Unproven(Problem):
    """No signature, or one that does not hold (WIRE-S17)."""

    status, title = 401, "We could not tell who sent this"


class NotAllowed(Problem):
    status, title = 403, "That is not possible here"


class NotFound(Problem):
    """Also the answer for what the asker may not see: the same bytes (SEC-I4)."""

    status, title = 404, "We could not find that page"


class Gone(Problem):
    status, title = 410, "This is no longer here"


class Conflict(Problem):
    """What is there already stands in the way; the detail says what to do."""

    status, title = 409, "That is taken already"


class TooLarge(Problem):
    status, title = 413, "That is too long"


class UnsupportedMedia(Problem):
    status, title = 415, "We cannot read that kind of data"


class TooMany(Problem):
    status, title = 429, "That was a lot at once"


class Busy(Problem):
    """Try again soon; `retry_after` says when (seconds)."""

    status, title = 503, "We need a moment"


class NoRoom(Problem):
    """Nothing more can be kept: the disk is full. `retry_after` says when to try again (s)."""

    status, title = 507, "There is no room left here"


class Misconfigured(Exception):
    """The operator has to act before the node can run; the text says what to do, in one line."""
