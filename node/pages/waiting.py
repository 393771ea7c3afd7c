"""What an open page needs in order to hear that something changed (`node/pages/live.py`)."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from aiohttp import web

from activitypub.state import HERE
from kernel.errors import Malformed
from kernel.sealing import Unsealable, seal, unseal
from members.sessions import Session
from moderation.saying import read_given
from node.pages import session

_ID_BYTES: Final = 8
_DIGITS: Final = 16
_CONTEXT: Final = "live 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What a page waits with: `token` says what for, to this session alone."""

    token: str
    notices: int = 0  # that were new when the page was drawn
    given: str = ""  # a digest of the labels that its posts had


def opened(
    request: web.Request, thread_id: int = 0, *, news: int = 0, given: Iterable[str] = ()
) -> Open | None:
    """For a page about a thread, or about none; visitors' pages wait for nothing."""
    current = request.get(session.SESSION)
    if current is None:
        return None
    sealed = seal(current.key, thread_id.to_bytes(_ID_BYTES, "big"), _CONTEXT)
    token = base64.urlsafe_b64encode(sealed).decode()
    return Open(token=token, notices=news, given=digest_of(request, given))


def digest_of(request: web.Request, given: Iterable[str]) -> str:
    """A few letters that tell whether the labels of a page's posts are those that they were.

    Only of those that hold today: what begins later its author alone knows of (DOM-C14).
    """
    today = request.app[HERE].now().date()
    said = "\n".join(str(each) for post in given for each in read_given(post, today))
    return sha256(said.encode()).hexdigest()[:_DIGITS] if said else ""


def thread_of(current: Session, token: str) -> int:
    """The thread a page is about, or 0. Raises Malformed: another session's token, or none."""
    try:
        sealed = base64.urlsafe_b64decode(token.encode("ascii"))
        return int.from_bytes(unseal(current.key, sealed, _CONTEXT), "big")
    except (UnicodeEncodeError, binascii.Error, Unsealable) as error:
        raise Malformed("This page is old. Please open it again.") from error
