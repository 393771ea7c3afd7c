"""Where pictures lie: `media/ab/ab12….webp` in the data directory, for nobody's eyes but ours.

Names are random, and times are the midnight before: neither says what came together (DESIGN-V1).
"""

import errno
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final
from uuid import UUID

from kernel.errors import NoRoom
from media.studio import SUFFIX

FOLDERS: Final = tuple(f"{number:02x}" for number in range(256))

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Store:
    """The media directory. Everything here waits for the disk: call it in a thread."""

    folder: Path

    def path(self, media_id: UUID) -> Path:
        """Where a picture lies, if it is there."""
        return self.folder / media_id.hex[:2] / f"{media_id}{SUFFIX}"

    def write(self, media_id: UUID, body: bytes, day: date) -> None:
        """Keep a new picture; it is on the disk when this returns. Raises NoRoom."""
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

    def remove(self, media_ids: Collection[UUID], day: date) -> None:
        """Take pictures away; those that are not there are no news."""
        for media_id in media_ids:
            path = self.path(media_id)
            path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                _set_time(path.parent, day)

    def leftovers(self, folder: str, before: date) -> Iterator[UUID | Path]:
        """What one of `FOLDERS` holds from before a day: ids of pictures, and files of others."""
        with suppress(FileNotFoundError):
            for path in sorted((self.folder / folder).iterdir()):
                if datetime.fromtimestamp(path.lstat().st_mtime, UTC).date() < before:
                    yield self._id(path) or path

    def _id(self, path: Path) -> UUID | None:
        try:
            media_id = UUID(path.stem)
        except ValueError:
            return None
        return media_id if self.path(media_id) == path else None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_time(path: Path, day: date) -> None:
    midnight = datetime.combine(day, time(), UTC).timestamp()
    os.utime(path, (midnight, midnight), follow_symlinks=False)
