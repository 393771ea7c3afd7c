"""Where pictures lie: `media/ab/ab12….webp` in the data directory, for nobody's eyes but ours.

Names are random, and times are the midnight before: neither says what came together (DESIGN-V1).
"""

import asyncio
import errno
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final
from uuid import UUID

from kernel.errors import NoRoom, NotFound
from media.studio import SUFFIX

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Folder:
    """The media directory, a `Store`."""

    folder: Path

    def path(self, media_id: UUID) -> Path:
        """Where a picture lies, if it is there."""
        return self.folder / name_of(media_id)

    async def write(self, media_id: UUID, body: bytes, day: date) -> None:
        """Keep a new picture; it is on the disk when this returns. Raises NoRoom."""
        await asyncio.to_thread(self._write, media_id, body, day)

    async def open(self, media_id: UUID) -> Path:
        """The file of a picture. Raises NotFound: there is none."""
        path = self.path(media_id)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound
        return path

    async def remove(self, media_ids: Collection[UUID], day: date) -> None:
        """Take pictures away; those that are not there are no news."""
        await asyncio.to_thread(self._remove, media_ids, day)

    async def leftovers(self, part: str, before: date) -> Sequence[UUID]:
        """What lies in a part since before a day; what is no picture there is removed."""
        return await asyncio.to_thread(self._leftovers, part, before)

    def _write(self, media_id: UUID, body: bytes, day: date) -> None:
        path = self.path(media_id)
        try:
            for folder in (self.folder, path.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(descriptor)
            _sync(path.parent)
        except OSError as error:
            path.unlink(missing_ok=True)
            if error.errno in _FULL:
                raise NoRoom("This place has no room for more pictures right now.") from error
            raise
        for place in (path, path.parent, self.folder):
            _set_time(place, day)

    def _remove(self, media_ids: Collection[UUID], day: date) -> None:
        for media_id in media_ids:
            path = self.path(media_id)
            path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                _set_time(path.parent, day)

    def _leftovers(self, part: str, before: date) -> Sequence[UUID]:
        found = []
        with suppress(FileNotFoundError):
            for path in sorted((self.folder / part).iterdir()):
                if datetime.fromtimestamp(path.lstat().st_mtime, UTC).date() >= before:
                    continue
                media_id = id_of(f"{part}/{path.name}")
                if media_id is None:
                    path.unlink(missing_ok=True)
                else:
                    found.append(media_id)
        return found


def name_of(media_id: UUID) -> str:
    """Where a picture lies in a folder or a bucket: `ab/ab12….webp`. It says nothing of anybody."""
    return f"{media_id.hex[:2]}/{media_id}{SUFFIX}"


def id_of(name: str) -> UUID | None:
    """The picture that lies there; None: something else does."""
    try:
        media_id = UUID(Path(name).stem)
    except ValueError:
        return None
    return media_id if name_of(media_id) == name else None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_time(path: Path, day: date) -> None:
    midnight = datetime.combine(day, time(), UTC).timestamp()
    os.utime(path, (midnight, midnight), follow_symlinks=False)
