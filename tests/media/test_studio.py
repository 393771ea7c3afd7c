"""Pictures are drawn anew by a process that can do nothing else, or refused."""

import asyncio
import io
import tempfile
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from activitypub import blurhash
from kernel.errors import Busy
from media import child, studio
from media.studio import NoPicture, Picture, Studio
from tests.media import draw


async def drawn(body: bytes, at: Studio | None = None) -> Picture:
    """What becomes of a file."""
    with tempfile.TemporaryFile() as file:
        file.write(body)
        return await (at or Studio()).draw(file)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
async def test_what_people_send_is_drawn_anew(kind: str) -> None:
    made = await drawn(draw.written(draw.scene(), kind))
    picture = draw.opened(made.body)
    assert picture.size == (made.width, made.height)
    assert 300 < made.width <= 320
    assert 190 < made.height <= 200
    red, blue = picture.getpixel((90, 60)), picture.getpixel((250, 150))
    assert isinstance(red, tuple)
    assert isinstance(blue, tuple)
    assert red[0] > 140 > red[2]
    assert blue[2] > 100 > blue[0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
async def test_every_way_to_store_tones_is_read(mode: str) -> None:
    picture = Image.new(mode, (40, 30))
    body = draw.written(picture, "JPEG" if mode == "CMYK" else "PNG")
    assert draw.opened((await drawn(body)).body).size == (40, 30)


@pytest.mark.parametrize(
    ("tones", "letters"),
    [
        (lambda x, y: (x * 8, y * 8, x * y % 256), "LxH2cZ2mwtX3l[WAjve?gFflfTfl"),
        (lambda x, y: (255, 255, 255), "L9TSUA~qfQ~q~qoffQoffQfQfQfQ"),
        (lambda x, y: (0, 0, 0), "L00000fQfQfQfQfQfQfQfQfQfQfQ"),
    ],
)
def test_wire_P12_a_blurhash_is_what_others_make_of_the_same_picture(
    tones: Callable[[int, int], tuple[int, int, int]], letters: str
) -> None:
    """The letters are those of another program that knows the published algorithm."""
    picture = Image.frombytes(
        "RGB", (32, 32), bytes(part for y in range(32) for x in range(32) for part in tones(x, y))
    )
    assert child.blurhash(picture) == letters
    clear = picture.convert("RGBA")
    clear.putalpha(0)
    assert child.blurhash(clear) == "L9TSUA~qfQ~q~qoffQoffQfQfQfQ", "what is clear counts as white"


async def test_wire_P12_what_is_drawn_says_what_it_looks_like_and_never_twice_the_same() -> None:
    """SEC-U3: the same file has another blurhash each time, a plain one too."""
    for body in (draw.png(), draw.written(Image.new("RGB", (300, 200), "#808080"), "PNG")):
        made = [await drawn(body) for _ in range(3)]
        assert all(blurhash.read(each.blurhash) for each in made)
        assert len({each.blurhash for each in made}) == 3


async def test_the_process_is_not_believed_about_a_blurhash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(tmp_path, monkeypatch, "sys.stdout.buffer.write(b'10 10 <b>x\\nRIFF0000WEBP')")
    assert (await drawn(draw.png())).blurhash == ""


async def test_a_picture_is_drawn_as_small_as_it_is_wanted() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(draw.png(1_200, 800))
        made = await Studio().draw(file, side=512)
    assert 490 < made.width <= 512
    assert draw.opened(made.body).size == (made.width, made.height)


async def test_what_is_clear_stays_clear() -> None:
    picture = draw.scene(mode="RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    alpha = draw.opened((await drawn(draw.written(picture, "PNG"))).body).getchannel("A")
    low, high = alpha.getextrema()
    assert isinstance(low, int)
    assert isinstance(high, int)
    assert low < 20
    assert high > 230


async def test_a_large_photo_becomes_small_enough() -> None:
    made = await drawn(draw.written(draw.scene(5_000, 1_000), "JPEG"))
    assert 1_980 <= made.width <= child.SIDE
    assert made.height < 420


async def test_a_moving_picture_stands_still() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    body = draw.written(frames[0], "GIF", save_all=True, append_images=frames[1:])
    picture = draw.opened((await drawn(body)).body)
    assert getattr(picture, "n_frames", 1) == 1
    found = picture.getpixel((20, 20))
    assert isinstance(found, tuple)
    assert found[0] > 200 > found[1]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_sec_P6_nothing_but_the_picture_is_left_of_a_photo(kind: str) -> None:
    body = draw.tagged(kind)
    assert sum(secret in body for secret in draw.SECRETS) >= 4
    made = await drawn(body)
    for secret in draw.SECRETS:
        assert secret not in made.body
    picture = draw.opened(made.body)
    assert not picture.getexif()
    assert not {"icc_profile", "exif", "xmp", "comment"} & set(picture.info)
    for chunk in (b"EXIF", b"ICCP", b"XMP "):
        assert chunk not in made.body
    assert made.height > made.width, "it is turned as it was meant"


async def test_sec_U3_two_uploads_of_one_file_share_no_bytes_and_no_small_hash() -> None:
    body = draw.written(draw.scene(1_000, 700), "JPEG")
    several = [await drawn(body) for _ in range(5)]
    assert len({each.body for each in several}) == 5
    assert len({draw.small_hash(each.body) for each in several}) == 5
    for each in several:  # and still it looks the same
        first, other = (
            Image.open(io.BytesIO(file)).convert("L").resize((16, 16)).tobytes()
            for file in (body, each.body)
        )
        assert max(abs(a - b) for a, b in zip(first, other, strict=True)) < 40


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.html", "<script>alert(1)</script>")
    return out.getvalue()


NOT_TAKEN = {
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "html": b"<!doctype html><script>alert(1)</script>",
    "mvg": b"push graphic-context\nviewbox 0 0 640 480\nfill 'url(http://127.0.0.1/x)'\n",
    "ephemeral": b"ephemeral:/etc/passwd",
    "msl": b"<?xml version='1.0'?><image><read filename='/etc/passwd'/></image>",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) run\n",
    "zip": _zip(),
    "pdf": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n",
    "psd": b"8BPS\x00\x01" + bytes(6) + b"\x00\x03\x00\x00\x00\x10\x00\x00\x00\x10\x00\x08\x00\x03",
    "icns": b"icns\x00\x00\x00\x10ic07\x00\x00\x00\x08",
    "pcf": b"\x01fcp\x00\x00\x00\x00",
    "gd": b"\xff\xfe\x00\x10\x00\x10\x01",
    "text": b"only words",
    "nothing": b"",
    "noise": bytes(range(256)) * 50,
}


@pytest.mark.parametrize("name", NOT_TAKEN)
async def test_sec_P1_what_is_no_picture_is_refused_whatever_it_is_called(name: str) -> None:
    with pytest.raises(NoPicture) as refused:
        await drawn(NOT_TAKEN[name])
    assert refused.value.status == 415


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "ICO", "PPM", "TGA", "PCX", "JPEG2000"])
async def test_sec_P2_rare_decoders_are_never_asked(kind: str) -> None:
    with pytest.raises(NoPicture) as refused:
        await drawn(draw.written(draw.scene(64, 64), kind))
    assert refused.value.status == 415


async def test_sec_P1_what_hides_behind_a_picture_is_gone() -> None:
    made = await drawn(draw.png() + b"<script>alert(1)</script>" + _zip())
    assert b"script" not in made.body
    assert b"PK\x03\x04" not in made.body
    with pytest.raises(NoPicture):
        await drawn(_zip() + draw.png())


HUGE = {
    "65,000 by 65,000": draw.png_header(65_000, 65_000),
    "one by a thousand million": draw.png_header(1, 1_000_000_000),
    "a little too many": draw.png_header(8_000, 5_001),
    "a hundred thousand frames": draw.many_frames(100_000),
    "a jpeg": draw.written(Image.new("L", (9_000, 9_000)), "JPEG"),
}


@pytest.mark.parametrize("name", HUGE)
async def test_sec_P3_what_is_too_large_is_refused_before_it_is_decoded(name: str) -> None:
    with pytest.raises(NoPicture, match="too large"):
        await drawn(HUGE[name])


async def test_sec_P3_the_largest_that_is_taken_fits_into_its_memory() -> None:
    picture = Image.new("RGBA", (8_000, 5_000), "#336699")
    made = await drawn(draw.written(picture, "PNG"))
    assert 1_980 <= made.width <= child.SIDE


async def test_frames_are_counted_to_the_limit() -> None:
    assert (await drawn(draw.many_frames(child.MAX_FRAMES))).width == 1
    with pytest.raises(NoPicture):
        await drawn(draw.many_frames(child.MAX_FRAMES + 1))


async def test_a_broken_picture_is_refused() -> None:
    body = draw.png(400, 400)
    for cut in (20, 60, len(body) // 2, len(body) - 40):
        with pytest.raises(NoPicture):
            await drawn(body[:cut])


def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Another program in the child's place: what a decoder could be made to do."""
    program = tmp_path / "child.py"
    confined = Path(child.__file__).read_text().partition('if __name__ == "__main__"')[0]
    program.write_text(confined + textwrap.dedent(does))
    monkeypatch.setattr(studio, "PROGRAM", program)


@pytest.mark.parametrize(
    "does",
    [
        "os.kill(os.getpid(), 11)",
        "os._exit(0)",
        "raise SystemExit(7)",
        "import ctypes; ctypes.string_at(0)",
        "sys.stdout.buffer.write(b'no numbers')",
        "sys.stdout.buffer.write(b'10 10 00TSUA\\n<html>')",
        "sys.stdout.buffer.write(b'99999 10 00TSUA\\nRIFF0000WEBP')",
        "sys.stdout.buffer.write(b'-1 10 00TSUA\\nRIFF0000WEBP')",
        "sys.stdout.buffer.write(b'10 10 00TSUA\\n' + bytes(20_000_000))",
        "confine(); bytearray(1_000_000_000)",
    ],
)
async def test_sec_P2_whatever_the_process_does_is_a_refused_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    planted(tmp_path, monkeypatch, does)
    with pytest.raises(NoPicture):
        await drawn(draw.png())
    monkeypatch.undo()
    assert await drawn(draw.png()), "the node goes on"


async def test_sec_P2_one_that_never_ends_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(tmp_path, monkeypatch, "import time\ntime.sleep(600)")
    monkeypatch.setattr(studio, "SECONDS", 0.3)
    with pytest.raises(NoPicture):
        await drawn(draw.png())


@pytest.mark.slow
async def test_sec_P2_one_that_computes_for_ever_is_ended_by_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(tmp_path, monkeypatch, "SECONDS = 1\nconfine()\nwhile True: pass")
    with pytest.raises(NoPicture):
        await drawn(draw.png())


async def test_sec_P1_the_process_opens_nothing_and_knows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries what a decoder could be made to try, and reports through its width."""
    monkeypatch.setenv("SECRET_OF_THE_NODE", "x")
    does = f"""
    import socket, subprocess
    confine()
    shut()
    def fails(act):
        try:
            act()
        except OSError:
            return True
        return False
    tries = (
        lambda: open("/etc/passwd"),
        lambda: open({str(tmp_path / "written")!r}, "w"),
        lambda: socket.socket(),
        lambda: os.pipe(),
        lambda: subprocess.run(["/bin/true"]),
        lambda: os.write(0, b"x"),
        lambda: os.read(3, 1),
    )
    held = sum(fails(act) for act in tries) if "SECRET_OF_THE_NODE" not in os.environ else 0
    held += os.getuid() != 0
    sys.stdout.buffer.write(b"%d 1 00TSUA\\nRIFF0000WEBP" % (held + 1))
    """
    planted(tmp_path, monkeypatch, does)
    made = await drawn(draw.png())
    assert made.width == 7 + 1 + 1


async def test_not_too_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path, monkeypatch, "import time\ntime.sleep(600)")
    monkeypatch.setattr(studio, "WAITING", 3)
    monkeypatch.setattr(studio, "SECONDS", 2.0)
    at = Studio()
    tasks = [asyncio.create_task(drawn(draw.png(), at)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await drawn(draw.png(), at)
    for each in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(each, NoPicture)
