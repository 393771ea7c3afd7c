"""Pictures of others are decoded in a process of their own, one for each (SEC-P1, SEC-P2).

Whatever goes wrong there, a crash too, is a refused picture: the node goes on.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from activitypub import blurhash
from kernel.errors import Busy, UnsupportedMedia
from media import child

MEDIA_TYPE: Final = "image/webp"  # of everything that is kept
SUFFIX: Final = ".webp"
MAX_FILE: Final = 16 * 1024 * 1024  # bytes of a picture that comes
MAX_DRAWN: Final = 8 * 1024 * 1024  # bytes of one that is kept
AT_ONCE: Final = 2
WAITING: Final = 32
SECONDS: Final = 30.0  # by the clock: the processor's seconds are counted inside

PROGRAM: Final = Path(child.__file__)
_TOO_MUCH: Final = (
    "That picture is too large for us to read. A smaller copy works: up to "
    f"{child.MAX_PIXELS // 1_000_000} million pixels."
)
_UNKNOWN: Final = (
    "That is no picture we can read. Photos and drawings as JPEG, PNG, GIF or WebP work."
)


class NoPicture(UnsupportedMedia):
    """It cannot be decoded, or not within the limits."""

    title = "We could not read a picture"


@dataclass(frozen=True, slots=True)
class Picture:
    """A still picture drawn anew: `body` is WebP without any metadata; sizes are pixels.

    `blurhash` is a few letters that say what it looks like from afar; empty: nobody knows.
    """

    body: bytes
    width: int
    height: int
    blurhash: str = ""


@dataclass(slots=True)
class Studio:
    """Draws pictures, two at once; the others wait, and not too many of them."""

    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _waiting: int = 0

    async def draw(self, file: IO[bytes], *, side: int = child.SIDE) -> Picture:
        """The picture in an open file, from its beginning, with sides of up to so many pixels.

        Raises NoPicture: it is none, or too large. Raises Busy: too many wait already.
        """
        if self._waiting >= WAITING:
            raise Busy("Many pictures are being read just now. Please try again.", retry_after=30)
        self._waiting += 1
        try:
            async with self._places:
                return await _draw(file, side)
        finally:
            self._waiting -= 1


async def _draw(file: IO[bytes], side: int) -> Picture:
    file.flush()
    file.seek(0)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-B", str(PROGRAM), str(side),
        stdin=file, stdout=PIPE, stderr=DEVNULL, env={}, cwd="/", limit=MAX_DRAWN,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            drawn = await _read(process)
            status = await process.wait()
    except TimeoutError:
        raise NoPicture(_TOO_MUCH) from None
    finally:
        await _end(process)
    if status == 0 and (picture := _picture(drawn)) is not None:
        return picture
    raise NoPicture(_UNKNOWN if status == child.UNKNOWN else _TOO_MUCH)


async def _read(process: Process) -> bytes:
    """What the child wrote, up to a byte too many."""
    assert process.stdout is not None
    drawn = bytearray()
    while len(drawn) <= MAX_DRAWN and (chunk := await process.stdout.read(64 * 1024)):
        drawn += chunk
    if len(drawn) > MAX_DRAWN:
        process.kill()
    return bytes(drawn)


def _picture(drawn: bytes) -> Picture | None:
    """The child is not believed: its numbers have to be possible, and what it drew begins right."""
    line, _, body = drawn.partition(b"\n")
    sizes = line.split()
    if len(sizes) != 3 or not all(each.isdigit() and len(each) <= 4 for each in sizes[:2]):
        return None
    width, height = int(sizes[0]), int(sizes[1])
    hashed = blurhash.read(sizes[2].decode("ascii", "replace"))
    fits = 0 < width <= child.SIDE and 0 < height <= child.SIDE and len(drawn) <= MAX_DRAWN
    is_webp = body[:4] == b"RIFF" and body[8:12] == b"WEBP"
    return Picture(body, width, height, hashed) if fits and is_webp else None


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
