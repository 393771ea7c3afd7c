"""Decodes one picture and draws it anew, alone in a process that can do nothing else (SEC-P1).

A program, run by `media.studio` as `python -I`: the picture is its standard input, a file that is
open already; what it draws goes to standard output, behind one line with width, height and
blurhash. Before it reads a byte it gives up the right to open files and connections, to write
files, and most memory and time. Whatever a decoder can be made to do, it does it here.
"""

import io
import math
import os
import resource
import secrets
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MEMORY = 512 * 1024 * 1024  # bytes of address space
SECONDS = 10  # of the processor
MAX_PIXELS = 40_000_000
MAX_FRAMES = 1_000
SIDE = 2_048  # pixels of what is drawn, unless the first argument says less
QUALITY = 80

UNKNOWN = 3  # exit status: no picture of a kind we take, or a broken one
TOO_MUCH = 4  # more pixels or frames than we take

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_NOBODY = 65_534
_CUT = 64  # of a side, at most one part in so many is cut off at each end
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_ACROSS, _DOWN, _SMALL = 4, 3, 32  # waves of a blurhash, and pixels of a side it is read from
_LINEAR = [
    tone / 255 / 12.92 if tone <= 10 else ((tone / 255 + 0.055) / 1.055) ** 2.4
    for tone in range(256)
]
_GRID, _SHIFT = 5, 3  # a smooth field of so many points a side, each off by so many tones at most


def confine() -> None:
    """Limits for everything from now on; what is imported later still has to be read."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def shut() -> None:
    """No file or connection can be opened any more, and root is nobody."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def main() -> int:
    """Read, draw, write."""
    confine()
    from PIL import Image, MpoImagePlugin, TiffImagePlugin  # noqa: F401  (JPEGs may need these)

    Image.MAX_IMAGE_PIXELS = None  # we have a limit of our own
    rehearse()
    shut()
    try:
        drawn = draw(sys.stdin.buffer, int(sys.argv[1]))
    except (TooMuch, MemoryError):
        return TOO_MUCH
    except Exception:  # whatever a decoder says of what it cannot read
        return UNKNOWN
    out = io.BytesIO()
    drawn.save(out, "WEBP", quality=QUALITY, exif=b"", icc_profile=b"", xmp=b"")
    sys.stdout.buffer.write(b"%d %d %s\n" % (*drawn.size, blurhash(drawn).encode()))
    sys.stdout.buffer.write(out.getbuffer())
    sys.stdout.buffer.flush()
    return 0


def rehearse() -> None:
    """Do it once with a picture of our own of each kind: what is needed on the way is there then.

    Pillow imports parts of itself when it meets something for the first time.
    """
    from PIL import Image

    for kind in _FORMATS:
        file = io.BytesIO()
        first, second = Image.new("RGB", (2, 2)), Image.new("RGB", (2, 2), "white")
        first.save(file, kind, save_all=kind == "GIF", append_images=[second])
        drawn = draw(file, SIDE)
        drawn.save(io.BytesIO(), "WEBP")
        blurhash(drawn)


class TooMuch(Exception):
    """More pixels or frames than we take."""


def draw(file: IO[bytes], side: int) -> "Image.Image":
    """One still picture, upright, small enough, and without anything beside its pixels."""
    from PIL import Image, ImageOps

    picture: Image.Image = Image.open(file, formats=_FORMATS)
    width, height = picture.size
    if width * height > MAX_PIXELS or getattr(picture, "n_frames", 1) > MAX_FRAMES:
        raise TooMuch
    picture.draft("RGB", (side, side))  # a JPEG is made smaller while it is read
    picture.load()
    turned = picture.getexif()
    if picture.mode.startswith("I"):  # 16 bits of grey
        picture = picture.convert("I").point(lambda tone: tone * (1 / 256)).convert("L")
    clear = "A" in picture.getbands() or "transparency" in picture.info
    mode = "RGBA" if clear else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    picture.getexif().update(turned)
    picture = vary(ImageOps.exif_transpose(picture))
    picture.info.clear()
    return picture


def vary(picture: "Image.Image") -> "Image.Image":
    """Not quite the same each time: cut a little, and its tones shifted here and there.

    Two uploads of one file share neither bytes nor the small hashes by which equal pictures are
    found (SEC-U3). An eye, or a patient program, still sees that they show the same.
    """
    from PIL import Image, ImageChops

    width, height = picture.size
    left, right = (secrets.randbelow(width // _CUT + 1) for _ in range(2))
    top, bottom = (secrets.randbelow(height // _CUT + 1) for _ in range(2))
    picture = picture.crop((left, top, width - right, height - bottom))
    points = [128 - _SHIFT + secrets.randbelow(2 * _SHIFT + 1) for _ in range(3 * _GRID**2)]
    field = Image.frombytes("RGB", (_GRID, _GRID), bytes(points))
    field = field.resize(picture.size, Image.Resampling.BICUBIC)
    tones = ImageChops.add(picture.convert("RGB"), field, offset=-128)
    if picture.mode == "RGBA":
        tones.putalpha(picture.getchannel("A"))
    return tones


def blurhash(picture: "Image.Image") -> str:
    """What it looks like from afar, in 28 letters: four by three waves of colour (WIRE-P12).

    The algorithm is the published one of Wolt's BlurHash. What is clear counts as white.
    """
    from PIL import Image

    small = picture.resize((_SMALL, _SMALL), Image.Resampling.BOX)
    if small.mode == "RGBA":
        white = Image.new("RGBA", small.size, "white")
        small = Image.alpha_composite(white, small)
    data = small.convert("RGB").tobytes()
    pixels = [tuple(_LINEAR[tone] for tone in data[at : at + 3]) for at in range(0, len(data), 3)]
    waves = [_wave(pixels, x, y) for y in range(_DOWN) for x in range(_ACROSS)]
    average, others = waves[0], waves[1:]
    most = max(abs(part) for wave in others for part in wave)
    scale = max(0, min(82, int(most * 166 - 0.5)))
    red, green, blue = map(_tone, average)
    letters = _letters((_ACROSS - 1) + (_DOWN - 1) * 9, 1) + _letters(scale, 1)
    letters += _letters((red << 16) + (green << 8) + blue, 4)
    for wave in others:
        steps = [_step(part / ((scale + 1) / 166)) for part in wave]
        letters += _letters((steps[0] * 19 + steps[1]) * 19 + steps[2], 2)
    return letters


def _wave(pixels: list[tuple[float, ...]], x: int, y: int) -> tuple[float, ...]:
    """How much of a cosine wave, `x` halves across and `y` down, is in each colour."""
    across = [math.cos(math.pi * x * at / _SMALL) for at in range(_SMALL)]
    down = [math.cos(math.pi * y * at / _SMALL) for at in range(_SMALL)]
    factors = [first * second for first in down for second in across]
    scale = (2 if x or y else 1) / len(pixels)
    return tuple(
        scale * sum(factor * pixel[colour] for factor, pixel in zip(factors, pixels, strict=True))
        for colour in range(3)
    )


def _step(part: float) -> int:
    """One of 19 steps, finer around nothing."""
    return max(0, min(18, int(math.copysign(abs(part) ** 0.5, part) * 9 + 9.5)))


def _tone(linear: float) -> int:
    """A linear part of a colour as a tone of sRGB, 0 to 255."""
    linear = max(0.0, min(1.0, linear))
    curved = linear * 12.92 if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return int(curved * 255 + 0.5)


def _letters(value: int, count: int) -> str:
    """A number in base 83, most significant letter first."""
    return "".join(_ALPHABET[value // 83**power % 83] for power in reversed(range(count)))


if __name__ == "__main__":
    sys.exit(main())
