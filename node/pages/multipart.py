"""Forms with files: fields are read, files go to disk as they come (RFC 7578; SEC-D2, SEC-D3).

Only what browsers send is read. A file lies in a nameless place that vanishes with it, and its own
name is never looked at: it may say who somebody is.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import IO, Final

from aiohttp import StreamReader, web

from activitypub.state import SETTINGS
from kernel.errors import Malformed, Problem, TooLarge
from kernel.said import noted
from node.door import Door

MAX_FORM: Final = 130 * 1024 * 1024  # bytes of a form with all its files
MAX_FILES_BYTES: Final = 32 * 1024 * 1024  # of those, in files that are kept
MAX_WORDS: Final = 256 * 1024
MAX_HEAD: Final = 2 * 1024  # of one part
MAX_PARTS: Final = 200

_BOUNDARY: Final = re.compile(r"[A-Za-z0-9'()+_,./:=?-]{1,70}")
_DISPOSITION: Final = re.compile(
    rb'content-disposition: ?form-data; ?name="(?P<name>[^"\r\n]{1,200})"'
    rb'(?P<file>; ?filename="[^"\r\n]*")?',
    re.IGNORECASE,
)
_BROKEN: Final = noted("That form came in pieces that do not fit together. Please send it again.")


@dataclass(slots=True)
class Posted:
    """What a form brought. `files` are open, and closed by `close`; `trouble` says why one is not.

    The words of a form count more than its files: those are read whatever was wrong with these.
    """

    pairs: list[tuple[str, str]] = field(default_factory=list)
    files: list[IO[bytes]] = field(default_factory=list)
    trouble: Problem | None = None

    def close(self) -> None:
        """Let go of the files."""
        for file in self.files:
            file.close()


async def read(request: web.Request, *, files: int, max_file: int) -> Posted:
    """A whole form with up to `files` files; where that is 0 they are left out.

    Raises Malformed: it cannot be read, or has too many parts. Raises TooLarge.
    """
    length = request.content_length
    if length is None:
        raise Malformed("Please send this from the form on the page.")
    if length > MAX_FORM:
        raise TooLarge("That is more than one form can carry. Please send it in parts.")
    posted = Posted()
    try:
        await _read(_Parts(request, _boundary(request)), posted, files, max_file)
    except BaseException:
        posted.close()
        raise
    return posted


def _boundary(request: web.Request) -> bytes:
    """Raises Malformed: there is none, or an odd one."""
    found = re.search(r'boundary="?([^";]+)"?', request.headers.get("Content-Type", ""))
    if found is None or _BOUNDARY.fullmatch(found[1]) is None:
        raise Malformed(_BROKEN)
    return found[1].encode()


async def _read(parts: "_Parts", posted: Posted, files: int, max_file: int) -> None:
    words = stored = 0
    for _ in range(MAX_PARTS + 1):
        head = await parts.next()
        if head is None:
            return
        match = _DISPOSITION.search(head)
        if match is None:
            raise Malformed(_BROKEN)
        if match["file"] is None:
            value = bytearray()
            async for data in parts.body():
                words += len(data)
                if words > MAX_WORDS:
                    raise TooLarge("Those are more words than one form can carry.")
                value += data
            name = match["name"].decode("utf-8", "replace")
            posted.pairs.append((name, value.decode("utf-8", "replace")))
        elif files:
            limit = min(max_file, MAX_FILES_BYTES - stored)
            stored += await _store(parts, posted, files, limit)
    raise Malformed("That form has too many fields.")


async def _store(parts: "_Parts", posted: Posted, files: int, limit: int) -> int:
    """Keep the next part as a file; how many bytes it has. One without any is none."""
    size, file = 0, None
    async for data in parts.body():
        size += len(data)
        if len(posted.files) >= files and file is None:
            posted.trouble = Malformed(f"A post can have up to {files} pictures.")
        elif size > limit:
            posted.trouble = TooLarge(
                "Those pictures are too large to come at once. Please add them one after the "
                "other, or make them smaller. Your words are still here."
            )
        else:
            if file is None:
                file = tempfile.TemporaryFile(dir=parts.folder)  # noqa: SIM115  (see `close`)
                posted.files.append(file)
            await asyncio.to_thread(file.write, data)
    if size > limit and file is not None:
        posted.files.remove(file)
        file.close()
        return 0
    return size if file is not None else 0


class _Parts:
    """The parts of a body, one after the other, with little of it in memory at a time."""

    def __init__(self, request: web.Request, boundary: bytes) -> None:
        self.folder = request.app[SETTINGS].data_dir
        self._content: StreamReader = request.content
        self._protocol = request.protocol
        self._mark = b"\r\n--" + boundary
        self._waiting = bytearray(b"\r\n")  # the first mark stands at the very beginning
        self._in_body = False

    async def next(self) -> bytes | None:
        """The head of the next part; None where there is no other. Raises Malformed."""
        if self._in_body:
            async for _ in self.body():
                pass
        await self._fill(len(self._mark) + 2)
        if not self._waiting.startswith(self._mark):
            raise Malformed(_BROKEN)
        sign = bytes(self._waiting[len(self._mark) : len(self._mark) + 2])
        if sign == b"--":
            await self._drain()
            return None
        if sign != b"\r\n":
            raise Malformed(_BROKEN)
        del self._waiting[: len(self._mark)]  # what is left begins with the end of a line
        while (end := self._waiting.find(b"\r\n\r\n", 0, MAX_HEAD)) < 0:
            if len(self._waiting) > MAX_HEAD:
                raise Malformed(_BROKEN)
            await self._more()
        head = bytes(self._waiting[:end])
        del self._waiting[: end + 4]
        self._in_body = True
        return head

    async def body(self) -> AsyncIterator[bytes]:
        """The bytes of the part whose head was given last. Raises Malformed: it has no end."""
        looked = 0
        while (end := self._waiting.find(self._mark, looked)) < 0:
            safe = len(self._waiting) - len(self._mark) + 1
            if safe > 64 * 1024:
                data = bytes(self._waiting[:safe])
                del self._waiting[:safe]
                yield data
                safe = 0
            looked = max(0, safe)
            await self._more()
        data = bytes(self._waiting[:end])
        del self._waiting[:end]
        self._in_body = False
        if data:
            yield data

    async def _fill(self, count: int) -> None:
        while len(self._waiting) < count:
            await self._more()

    async def _more(self) -> None:
        data = await self._content.readany()
        if not data:
            raise Malformed(_BROKEN)
        self._waiting += data
        self._forget(len(data))

    async def _drain(self) -> None:
        """What stands behind the last mark is nothing; it is taken so that the body has ended."""
        while data := await self._content.readany():
            self._forget(len(data))

    def _forget(self, count: int) -> None:
        """It is read, and leaves memory soon: the connection does not count it any more."""
        if isinstance(self._protocol, Door):
            self._protocol.put_away(count)
