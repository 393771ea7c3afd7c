"""Forms with files, read as browsers send them, in pieces of any size (SEC-D2, SEC-D3)."""

from collections.abc import Iterator

import pytest

from tests.framing.raw import Said, Way
from tests.media import draw
from tests.pages.conftest import House

MARK = "----x4711"
END = f"--{MARK}--\r\n".encode()


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    said = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        said += f'; filename="{filename}"\r\nContent-Type: image/png'
    return f"--{MARK}\r\n{said}\r\n\r\n".encode() + value + b"\r\n"


def head(house: House, length: int, *more: str) -> bytes:
    """A request to answer a thread, as Ben's browser begins it."""
    cookie = "; ".join(f"{name}={value}" for name, value in house.ben.cookies.items())
    lines = (
        f"POST /p/{house.thread.id}/reply HTTP/1.1", "Host: alder.test", f"Cookie: {cookie}",
        "Origin: http://alder.test", f"Content-Length: {length}", "Connection: close",
        *(more or (f"Content-Type: multipart/form-data; boundary={MARK}",)),
    )  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def say(house: House, body: bytes, *more: str, step: int = 0) -> Said:
    """Send a form in pieces of `step` bytes, or at once."""

    def pieces() -> Iterator[bytes]:
        yield head(house, len(body), *more)
        size = step or max(1, len(body))
        for at in range(0, len(body), size):
            yield body[at : at + size]

    return await Way(house.node.port).pour(pieces())


WORDS = part("text", "Ein Wort – und zwei:\r\n--x\r\n----x471".encode())


@pytest.mark.parametrize("step", [0, 1, 2, 7, 64, 1_000])
async def test_a_form_is_read_whatever_the_pieces_are(house: House, step: int) -> None:
    picture = draw.png(24, 24)
    parts = (WORDS, part("files", picture, "a.png"), part("files", b"", ""), part("add", b"yes"))
    said = await say(house, b"".join(parts) + END, step=step)
    (answer,) = said.answers
    assert answer.status == 200
    assert "Ein Wort – und zwei:\n--x\n----x471" in answer.body.decode()
    assert answer.body.count(b'name="picture"') == 1


BROKEN = {
    "no end": WORDS,
    "no mark": b"words",
    "something before": b"preamble\r\n" + WORDS + END,
    "another mark": WORDS.replace(MARK.encode(), b"----other") + END,
    "a long head": part("x" * 190, b"").replace(
        b"\r\n\r\n", b"\r\nx: " + b"y" * 3_000 + b"\r\n\r\n"
    )
    + END,
    "ten thousand headers": part("x", b"").replace(b"\r\n\r\n", b"\r\nx: y" * 10_000 + b"\r\n\r\n")
    + END,
    "no name": f"--{MARK}\r\nContent-Type: text/plain\r\n\r\nx\r\n".encode() + END,
    "a name of two lines": part('a"\r\nb: "c', b"x").replace(b"form-data", b"attachment") + END,
    "too many parts": part("x", b"y") * 400 + END,
    "a mark without its line": f"--{MARK}x".encode() + WORDS + END,
    "nothing": b"",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_sec_D3_what_no_browser_sends_is_refused(house: House, name: str) -> None:
    (answer,) = (await say(house, BROKEN[name])).answers
    assert answer.status == 400


async def test_sec_D3_too_many_words_are_refused(house: House) -> None:
    (answer,) = (await say(house, part("text", b"x" * 300_000) + END)).answers
    assert answer.status == 413


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary="é"',
     f"multipart/form-data; boundary={'x' * 71}", "multipart/mixed; boundary=x"],
)  # fmt: skip
async def test_odd_boundaries_are_refused(house: House, kind: str) -> None:
    (answer,) = (await say(house, WORDS + END, f"Content-Type: {kind}")).answers
    assert answer.status in (400, 415)


async def test_sec_D2_a_form_without_a_length_is_refused(house: House) -> None:
    lines = head(house, 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = WORDS + END
    said = await Way(house.node.port).say(
        lines, f"{len(chunk):x}\r\n".encode(), chunk, b"\r\n0\r\n\r\n"
    )
    assert said.statuses == [400]


async def test_sec_D2_files_that_come_need_no_room_in_memory(house: House) -> None:
    """More comes than a node holds of all requests together, and nobody is cut off."""
    large = bytes(16 * 1024 * 1024)
    parts = b"".join(part("files", large, "a") for _ in range(4))
    (answer,) = (await say(house, WORDS + parts + END)).answers
    assert answer.status in (413, 415)
    assert "Ein Wort" in answer.body.decode()
