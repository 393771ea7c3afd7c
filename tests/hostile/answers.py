"""What a scenario's hostile server answers, byte for byte."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.hostile.scenario import Facts, Words, document, filled
from tests.hostile.server import ACTIVITY, answer

PIECES = 100_000  # an endless answer ends there, should nobody hang up

Packer = Callable[[bytes], bytes]
PACKERS: dict[str, Packer] = {"gzip": gzip.compress, "deflate": zlib.compress}

Made = bytes | AsyncIterator[bytes] | None


def made(facts: Facts, words: Words) -> Made:
    """One answer: whole, in pieces that never end, or none at all."""
    if facts.get("hang_up"):
        return None
    if "raw" in facts:
        return _raw(facts["raw"], words)
    if "drip" in facts:
        return _drip(facts, words)
    body = _body(facts, words)
    headers = {name: str(filled(text, words)) for name, text in facts.get("headers", {}).items()}
    for encoding in facts.get("packed", []):
        body = PACKERS[encoding](body)
    if facts.get("packed"):
        headers["Content-Encoding"] = ", ".join(facts["packed"])
    whole = answer(
        body,
        status=filled(facts.get("status", "200 OK"), words),
        kind=filled(facts.get("type", ACTIVITY), words),
        headers=list(headers.items()),
    )
    if "claims" in facts:  # another length than it has
        whole = whole.replace(
            f"Content-Length: {len(body)}".encode(), f"Content-Length: {facts['claims']}".encode()
        )
    return whole


def _body(facts: Facts, words: Words) -> bytes:
    if "json" in facts:
        return json.dumps(document(facts["json"], words)).encode()
    if "bytes" in facts:
        return b"\0" * int(facts["bytes"])
    return str(filled(facts.get("body", ""), words)).encode()


def _raw(text: Any, words: Words) -> bytes:
    return str(filled(text, words)).replace("\n", "\r\n").encode()


async def _drip(facts: Facts, words: Words) -> AsyncIterator[bytes]:
    """A head, and then one piece after another."""
    yield _raw(facts.get("head", ""), words)
    piece = str(facts["drip"]).encode() * int(facts.get("times", 1))
    for _ in range(PIECES):
        yield piece
        await asyncio.sleep(float(facts.get("every", 0)))
