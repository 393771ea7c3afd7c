"""Pictures in a bucket of an S3-compatible store, named as they would be in the folder.

The bucket is private: nobody but the node reads it, and pictures go out by the node's own route.
Its addresses name the bucket behind the host ("path style"), as MinIO, Garage and Ceph expect.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, Self
from uuid import UUID

import obstore
from obstore.exceptions import BaseError, UnauthenticatedError
from obstore.exceptions import PermissionDeniedError as Refused
from obstore.store import S3Store

from kernel import chance
from kernel.errors import Busy, NotFound
from kernel.settings import S3
from media.folder import id_of, name_of
from media.store import Pieces

PIECE: Final = 1024 * 1024  # bytes that are read at once: a slow reader holds no more than that
RETRY_AFTER: Final = 60

_PROBE: Final = "hearthold-doctor"
_CONNECT: Final = timedelta(seconds=5)
_ANSWER: Final = timedelta(seconds=20)  # of one request
_TRIES: Final = timedelta(seconds=10)  # within which a request is sent once more


class Away(Busy):
    """The bucket does not answer, or not as it should."""

    title = "We cannot reach our pictures just now"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, a `Store`."""

    _objects: S3Store = field(repr=False)

    @classmethod
    def of(cls, place: S3) -> Self:
        """The bucket at a place; nothing is asked of it yet."""
        return cls(opened(place))

    async def write(self, media_id: UUID, body: bytes, day: date) -> None:
        """Keep a new picture; the store has it when this returns. Raises Away."""
        with _answering():
            await obstore.put_async(self._objects, name_of(media_id), body, use_multipart=False)

    async def remove(self, media_ids: Collection[UUID], day: date) -> None:
        """Take pictures away; those that are not there are no news. Raises Away."""
        with _answering():
            await obstore.delete_async(self._objects, [name_of(each) for each in media_ids])

    async def leftovers(self, part: str, before: date) -> Sequence[UUID]:
        """What lies in a part since before a day; what is no picture there is left. Raises Away."""
        found = []
        with _answering():
            async for several in obstore.list(self._objects, f"{part}/"):
                old = [each["path"] for each in several if each["last_modified"].date() < before]
                found += [media_id for path in old if (media_id := id_of(path)) is not None]
        return found

    async def open(self, media_id: UUID) -> Pieces:
        """A picture, of which the beginning is here. Raises NotFound: it is not there; Away."""
        name = name_of(media_id)
        with _answering():
            try:
                got = await obstore.get_async(self._objects, name, options={"range": (0, PIECE)})
            except FileNotFoundError as error:
                raise NotFound from error
            first = bytes(await got.bytes_async())
        return Pieces(got.meta["size"], self._pieces(name, first, got.meta["size"]))

    async def _pieces(self, name: str, first: bytes, size: int) -> AsyncIterator[bytes]:
        yield first
        for start in range(len(first), size, PIECE):
            with _answering():
                end = min(start + PIECE, size)
                got = await obstore.get_range_async(self._objects, name, start=start, end=end)
            yield bytes(got)


async def examine(place: S3) -> str | None:
    """What is wrong with a bucket, in a line that says what to do; None: nothing.

    Something is written there, read and removed, and nobody else may be able to read it.
    """
    bucket, name = opened(place), f"{_PROBE}-{chance.new_uuid()}"
    try:
        await obstore.put_async(bucket, name, b"hearthold", use_multipart=False)
        try:
            is_open = await _is_open(place, name)
        finally:
            await obstore.delete_async(bucket, [name])
    except FileNotFoundError:
        return f"There is no bucket {place.bucket} at {place.endpoint}: make a private one."
    except (Refused, UnauthenticatedError):
        return (
            f"The bucket {place.bucket} refuses the node: see s3_key_id, s3_secret and s3_region, "
            "and that the key may list, read, write and delete."
        )
    except BaseError:
        return f"The bucket at {place.endpoint} does not answer: no picture can be added or shown."
    if is_open:
        return f"Everybody can read the bucket {place.bucket}: forbid public access to it."
    return None


async def _is_open(place: S3, name: str) -> bool:
    """Whether somebody without a key can read what lies there."""
    try:
        await obstore.get_async(opened(place, signed=False), name)
    except (BaseError, FileNotFoundError):
        return False
    return True


def opened(place: S3, *, signed: bool = True) -> S3Store:
    """The bucket as its library sees it; unsigned as somebody without a key does."""
    return S3Store(
        place.bucket,
        endpoint=place.endpoint,
        region=place.region,
        access_key_id=place.key_id,
        secret_access_key=place.secret,
        virtual_hosted_style_request=False,
        skip_signature=not signed,
        client_options={
            "allow_http": place.endpoint.startswith("http://"),
            "connect_timeout": _CONNECT,
            "timeout": _ANSWER,
        },
        retry_config={"max_retries": 1, "retry_timeout": _TRIES},
    )


@contextmanager
def _answering() -> Iterator[None]:
    """Raises Away: whatever the library says; it names addresses, which stay in the cause."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise Away(
            "The place where pictures are kept does not answer. Please try again in a minute, or "
            "send your words without a picture.",
            retry_after=RETRY_AFTER,
        ) from error
