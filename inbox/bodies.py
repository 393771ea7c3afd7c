"""Reading what was sent, up to a limit."""

from aiohttp import web

from kernel.errors import TooLarge


async def read(request: web.Request, limit: int, too_large: str) -> bytes:
    """The whole body. Raises TooLarge, saying `too_large`: it has more than `limit` bytes."""
    if (request.content_length or 0) > limit:
        raise TooLarge(too_large)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise TooLarge(too_large)
    return bytes(body)
