"""Pictures as people send them, and files that only look like some."""

import io
import struct
import zlib
from typing import Any

from PIL import ExifTags, Image, ImageDraw

SECRETS = (b"Kodama", b"SN-4711", b"51.5007", b"Somebody Realname", b"private words", b"BodyOwner")


def scene(width: int = 320, height: int = 200, mode: str = "RGB") -> Image.Image:
    """A picture with light, dark and colours, the same each time."""
    picture = Image.linear_gradient("L").resize((width, height)).convert(mode)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((width // 8, height // 8, width // 2, height // 2), fill="#b03a2e")
    pen.rectangle((width // 2, height // 2, width - width // 8, height - height // 8), fill="navy")
    return picture


def written(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file of a kind."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def png(width: int = 320, height: int = 200) -> bytes:
    return written(scene(width, height), "PNG")


def tagged(kind: str = "JPEG") -> bytes:
    """A photo that says where, when, by whom and with what it was taken; it lies on its side."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned clockwise
    exif[ExifTags.Base.Make] = "Kodama"
    exif[ExifTags.Base.Artist] = "Somebody Realname"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.BodySerialNumber] = "SN-4711"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.CameraOwnerName] = "BodyOwner"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N 51.5007"
    options: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": b"private words" * 20}
    if kind == "JPEG":
        options["comment"] = b"private words"
        options["xmp"] = b"<x:xmpmeta>Somebody Realname 51.5007</x:xmpmeta>"
    return written(scene(), kind, **options)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is so large, with next to nothing in it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    )


def many_frames(count: int) -> bytes:
    """A GIF of one dot that changes and changes."""
    frames = [Image.new("P", (1, 1), number) for number in (0, 1)]
    one = written(frames[0], "GIF", save_all=True, append_images=frames[1:])
    head = one[: one.index(b"\x2c")]
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * count + b"\x3b"


def small_hash(body: bytes) -> bytes:
    """A few tones of the whole, as servers compare and blur pictures: 4 by 3 of them."""
    picture = Image.open(io.BytesIO(body)).convert("RGB")
    return picture.resize((4, 3), Image.Resampling.BOX).tobytes()


def opened(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body), formats=["WEBP"])
